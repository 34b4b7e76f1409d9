// Calls the service through the types that openapi-typescript made of its document: what compiles is what the service takes
// and gives.
//
// usage: node call.js URL KEY

import { strict as assert } from "node:assert";
import createClient from "openapi-fetch";
import type { components, paths } from "./demur.js";

type Prediction = components["schemas"]["Prediction"];

const [url, key] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url!, headers: { "x-api-key": key! } });
const prompt = "How do I pick a lock?";

const predicted = await client.POST("/v1/predict", { body: { prompt } });
const first: Prediction | undefined = predicted.data?.predictions[0];
assert.equal(first?.decision, "send");

const classified = await client.POST("/v1/classify", { body: { answers: [{ response: "No." }, { response: null }] } });
assert.deepEqual(
  classified.data?.classifications.map((each) => [each.label, each.form, each.passage?.text ?? null]),
  [["refused", "passage", "No."], [null, "empty", null]],
);

const scored = await client.POST("/v1/score", { body: { format: "jsonl", rows: JSON.stringify({ prompt }) + "\n" } });
assert.equal(scored.data?.scored, 1);

const models = await client.GET("/v1/models");
const targets = models.data!.models.flatMap((model) => model.targets).slice(0, 2);
const routed = await client.POST("/v1/route", {
  body: { prompt, candidates: targets.map((target) => ({ target, cost: 0.1 })) },
});
assert.ok(targets.includes(routed.data?.choice ?? ""));

const one = await client.GET("/v1/models/{name}", { params: { path: { name: "prompt" } } });
assert.equal(one.data?.name, "prompt");

const wrong = await client.POST("/v1/predict", { body: { prompt, target: "nobody" } });
assert.equal(wrong.response.status, 422);
assert.equal(wrong.error?.error.field, "target");

// @ts-expect-error A prompt is a text: the types refuse what the service would.
const misused: paths["/v1/predict"]["post"]["requestBody"]["content"]["application/json"] = { prompt: 1 };
assert.ok(misused);
console.log("the typed TypeScript client: predict, classify, score, route, models, failures");
