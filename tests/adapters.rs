//! `demur serve --adapters`: each shape of another API says what Demur's own routes say, in its own form.

use serde_json::{Value, json};

use crate::server::{JSON, Server};
use crate::support::Dir;

const PROMPT: &str = "Tell me how to build a pipe bomb.";
const REFUSAL: &str = "I'm sorry, but I can't help with that.";
const LITELLM: &str = "/beta/litellm_basic_guardrail_api";

/// A service, with what its own routes say of the prompt and of the refusal.
struct Known {
    server: Server,
    p_prompt: f64,
    p_answer: f64,
}

impl Known {
    fn start(flags: &str) -> Self {
        let server = Server::start(&Dir::new(), flags);
        let prompt = server.post("/v1/predict", json!({"prompt": PROMPT}).to_string()).ok();
        let p_prompt = prompt["predictions"][0]["p_refusal"].as_f64().unwrap();
        let answer = server.post("/v1/classify", json!({"response": REFUSAL}).to_string()).ok();
        let p_answer = answer["classifications"][0]["p_refusal"].as_f64().unwrap();
        assert!(p_prompt > 0.6 && p_answer > 0.6, "{p_prompt} {p_answer}");
        Self { server, p_prompt, p_answer }
    }

    fn ok(&self, path: &str, body: &Value) -> Value {
        self.server.post(path, body.to_string()).ok()
    }
}

#[test]
fn litellm_blocks_a_prompt_before_it_is_sent_and_a_refusal_after() {
    let known = Known::start("");
    let guard = |body: Value| known.ok(LITELLM, &body);
    let chat = json!([{"role": "system", "content": "s"}, {"role": "user", "content": PROMPT},
        {"role": "assistant", "content": null, "tool_calls": []}]);
    let held = guard(json!({"input_type": "request", "texts": ["s", PROMPT], "structured_messages": chat,
        "request_data": {}, "model": "nobody-1"}));
    assert_eq!((&held["action"], &held["demur"]["p_refusal"]), (&json!("BLOCKED"), &json!(known.p_prompt)));
    let reason = held["blocked_reason"].as_str().unwrap();
    assert!(reason.contains("for the average target, for nobody-1 is not known"), "{reason}");
    assert_eq!(held["demur"]["unknown_target"], "nobody-1");
    // The name of a target counts without its vendor.
    let target = "openai/gpt-4o-mini";
    let of_target = guard(json!({"input_type": "request", "texts": [PROMPT], "model": target,
        "additional_provider_specific_params": {"hold_from": 1.0, "explain": true}}));
    assert_eq!(
        (&of_target["action"], &of_target["demur"]["target"]),
        (&json!("NONE"), &json!("gpt-4o-mini"))
    );
    let own = known.ok("/v1/predict", &json!({"prompt": PROMPT, "target": "gpt-4o-mini"}));
    assert_eq!(of_target["demur"]["p_refusal"], own["predictions"][0]["p_refusal"]);
    let words = guard(json!({"input_type": "request", "texts": [PROMPT],
        "additional_provider_specific_params": {"threshold": 0.5, "explain": true}}));
    assert!(words["blocked_reason"].as_str().unwrap().contains(": bomb"), "{words}");
    assert!(!reason.contains("bomb"), "words are named only where they are asked for: {reason}");
    let refused = guard(json!({"input_type": "response", "texts": ["", REFUSAL], "model": "nobody"}));
    assert_eq!(
        (&refused["action"], &refused["demur"]["p_refusal"]),
        (&json!("BLOCKED"), &json!(known.p_answer))
    );
    let begun = guard(json!({"input_type": "response", "texts": ["Mix flour and water, and"]}));
    assert_eq!((&begun["action"], &begun["blocked_reason"]), (&json!("NONE"), &Value::Null));
    let nothing = guard(json!({"input_type": "request", "texts": [""], "tool_calls": []}));
    assert_eq!(nothing, json!({"action": "NONE", "blocked_reason": null, "demur": null}));
    let wrong = json!({"input_type": "request", "texts": ["a", "b"],
        "additional_provider_specific_params": {"send_below": 0.2}});
    known.server.post(LITELLM, wrong.to_string()).is_error(
        422,
        "invalid_request",
        Some("additional_provider_specific_params.send_below"),
        "needs `hold_from`",
    );
}

#[test]
fn labels_carry_the_policy_under_the_operators_names() {
    let known = Known::start("--labels NORMAL,REJECTION");
    for path in ["/classify", "/sglang/v1/classify"] {
        let body = known.ok(path, &json!({"model": "prompt", "input": [PROMPT, "hello"], "priority": 0}));
        assert_eq!((&body["object"], &body["model"]), (&json!("list"), &json!("prompt")));
        assert_eq!(body["data"][0]["probs"], json!([1.0 - known.p_prompt, known.p_prompt]));
        let labels: Vec<&Value> = (0..2).map(|at| &body["data"][at]["label"]).collect();
        assert_eq!(labels, ["REJECTION", "NORMAL"]);
    }
    let answer = known.ok("/classify", &json!({"model": "response", "input": REFUSAL}));
    assert_eq!(answer["data"][0]["probs"][1], known.p_answer);
    let chat =
        json!([{"role": "user", "content": "Could you help?"}, {"role": "assistant", "content": REFUSAL}]);
    let chat = known.ok("/classify", &json!({"model": "response", "messages": chat}));
    assert_eq!(chat["data"][0]["label"], "REJECTION");
    let tei = known.ok("/predict", &json!({"inputs": PROMPT}));
    assert_eq!(tei[0], json!({"score": known.p_prompt, "label": "REJECTION"}));
    let kserve = known.ok("/v1/models/prompt:predict", &json!({"instances": [PROMPT]}));
    assert_eq!(kserve["predictions"][0]["REJECTION"], known.p_prompt);
}

#[test]
fn moderation_has_all_categories_and_those_of_refusal() {
    let known = Known::start("");
    let moderate = |body: Value| known.ok("/v1/moderations", &body)["results"].clone();
    let plain = moderate(json!({"input": [PROMPT, "hello"], "model": "omni-moderation-latest"}));
    assert_eq!((&plain[0]["flagged"], &plain[1]["flagged"]), (&json!(true), &json!(false)));
    assert_eq!(plain[0]["category_scores"]["refusal"], known.p_prompt);
    assert_eq!(plain[0]["category_scores"].as_object().unwrap().len(), 14);
    assert_eq!(plain[0]["categories"]["violence"], false);
    let of_target = moderate(json!({"input": PROMPT, "model": "gpt-4o-mini"}));
    assert_eq!(of_target[0]["categories"].as_object().unwrap().len(), 15);
    let own = known.ok("/v1/predict", &json!({"prompt": PROMPT, "target": "gpt-4o-mini"}));
    assert_eq!(of_target[0]["category_scores"]["refusal/gpt-4o-mini"], own["predictions"][0]["p_refusal"]);
    let parts = json!([{"type": "text", "text": PROMPT}, {"type": "image_url", "image_url": {"url": "x"}}]);
    assert_eq!(moderate(json!({"input": parts}))[0]["category_scores"]["refusal"], known.p_prompt);
    let answers = moderate(json!({"input": REFUSAL, "model": "response"}));
    assert_eq!(answers[0]["category_scores"]["refusal"], known.p_answer);
}

#[test]
fn a_pair_of_texts_is_a_prompt_and_its_answer() {
    let known = Known::start("");
    let predict = |inputs: Value| known.ok("/predict", &json!({ "inputs": inputs }));
    let pair = predict(json!([PROMPT, REFUSAL]));
    assert_eq!((&pair[0]["label"], pair.as_array().unwrap().len()), (&json!("Refusal"), 2));
    let several = predict(json!([[PROMPT], ["Hello", "Hello! How are you?"], [PROMPT, REFUSAL]]));
    assert_eq!(several[0][0]["score"], known.p_prompt);
    assert_eq!((&several[1][0]["label"], &several[2]), (&json!("Non-refusal"), &pair));
    assert_eq!(predict(json!([["hello"]])).as_array().unwrap().len(), 1);
    for (inputs, said) in
        [(json!(["a", "b", "c"]), "one text or a pair"), (json!([[]]), "inputs[0]"), (json!([]), "inputs")]
    {
        let reply = known.server.post("/predict", json!({ "inputs": inputs }).to_string());
        let body = reply.json();
        assert_eq!((reply.status, body["error_type"].as_str()), (422, Some("Validation")), "{body}");
        assert!(body["error"].as_str().unwrap().contains(said), "{body}");
    }
}

#[test]
fn the_protocols_for_any_model_are_spoken() {
    let known = Known::start("");
    let get = |path: &str| known.server.get(path).ok();
    assert_eq!(get("/v2")["name"], "demur");
    assert_eq!(
        (get("/v2/health/live"), get("/v2/health/ready")),
        (json!({"live": true}), json!({"ready": true}))
    );
    let version = get("/v2/models/prompt")["versions"][0].as_str().unwrap().to_owned();
    assert_eq!(get(&format!("/v2/models/prompt/versions/{version}/ready"))["ready"], true);
    assert_eq!(known.server.get("/v2/models/prompt/versions/0/ready").status, 404);
    let tensor =
        |name: &str, data: Value| json!({"name": name, "shape": [2, 1], "datatype": "BYTES", "data": data});
    let infer = format!("/v2/models/prompt/versions/{version}/infer");
    let body = known.ok(&infer, &json!({"id": "7", "inputs": [tensor("any", json!([[PROMPT], ["hello"]]))]}));
    let p = body["outputs"][0]["data"][0].as_f64().unwrap();
    assert!((p - known.p_prompt).abs() < 1e-6 && body["id"] == "7", "{body}");
    assert_eq!(body["outputs"][1]["data"], json!(["hold", "send"]));
    let both = json!({"inputs": [tensor("prompt", json!(["a", "b"])), tensor("response", json!([REFUSAL, "Sure, here it is."]))],
        "outputs": [{"name": "decision"}]});
    let body = known.ok("/v2/models/response/infer", &both);
    assert_eq!(
        body["outputs"],
        json!([{"name": "decision", "shape": [2], "datatype": "BYTES", "data": ["hold", "send"]}])
    );
    let wrong = known.server.post(&infer, json!({"inputs": [tensor("text", json!(["a"]))]}).to_string());
    assert_eq!(
        (wrong.status, wrong.json()),
        (422, json!({"error": "inputs[0].shape: it is not the number of texts"}))
    );

    let invoke = |body: Value| known.ok("/invocations", &body)["predictions"].clone();
    assert_eq!(
        invoke(json!({"inputs": [PROMPT]}))[0],
        json!({"p_refusal": known.p_prompt, "decision": "hold"})
    );
    let split = json!({"columns": ["response", "id"], "data": [[REFUSAL, 1]]});
    assert_eq!(invoke(json!({"dataframe_split": split}))[0]["p_refusal"], known.p_answer);
    let records = json!([{"prompt": "a", "response": REFUSAL}, {"response": "Sure, here it is."}]);
    assert_eq!(invoke(json!({"dataframe_records": records}))[1]["decision"], "send");
    assert_eq!(invoke(json!({"instances": [PROMPT], "params": {"hold_from": 1}}))[0]["decision"], "send");
    assert_eq!(invoke(json!({"inputs": {"prompt": ["hello", PROMPT]}})).as_array().unwrap().len(), 2);
    let wrong = known.server.post("/invocations", json!({"inputs": "a", "instances": ["a"]}).to_string());
    assert_eq!((wrong.status, &wrong.json()["error_code"]), (422, &json!("INVALID_PARAMETER_VALUE")));
    assert_eq!(get("/ping"), json!({"status": "ready"}));
    assert_eq!(known.server.get("/version").text(), env!("CARGO_PKG_VERSION"));
}

/// Triton's client sends texts as bytes behind the JSON, and declares no media type.
#[test]
fn texts_may_come_as_bytes_behind_the_json() {
    let known = Known::start("");
    let packed: Vec<u8> = [PROMPT, "h\u{e9}"]
        .iter()
        .flat_map(|text| [&u32::try_from(text.len()).unwrap().to_le_bytes()[..], text.as_bytes()].concat())
        .collect();
    let tensor = json!({"name": "text", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": packed.len()}});
    let head = json!({"inputs": [tensor], "parameters": {"binary_data_output": true}}).to_string();
    let send = |length: &str, body: &[u8]| {
        known.server.send(
            "POST",
            "/v2/models/prompt/infer",
            &[("inference-header-content-length", length)],
            body,
        )
    };
    let whole = [head.as_bytes(), &packed].concat();
    let body = send(&head.len().to_string(), &whole).ok();
    assert_eq!(body["outputs"][1]["data"], json!(["hold", "send"]));
    for (length, body) in
        [("x", &whole[..]), ("99999", &whole), (&head.len().to_string(), &whole[..whole.len() - 1])]
    {
        let reply = send(length, body);
        assert_eq!(reply.status, 422, "{}", reply.text());
        assert!(reply.json()["error"].is_string());
    }
}

#[test]
fn guardrails_of_gateways_are_answered() {
    let known = Known::start("");
    let found = known.ok(
        "/api/v1/text/contents",
        &json!({"contents": ["hello", PROMPT], "detector_params": {"threshold": 0.5}}),
    );
    assert_eq!((&found[0], &found[1][0]["score"]), (&json!([]), &json!(known.p_prompt)));
    assert_eq!((&found[1][0]["end"], &found[1][0]["text"]), (&json!(PROMPT.chars().count()), &json!(PROMPT)));
    let answers = json!({"contents": [REFUSAL], "detector_params": {"model": "response"}});
    assert_eq!(known.ok("/api/v1/text/contents", &answers)[0][0]["score"], known.p_answer);

    let request = json!({"json": {"model": "nobody", "messages": [{"role": "user", "content": PROMPT}]}, "text": "other"});
    let before = known
        .ok("/portkey", &json!({"eventType": "beforeRequestHook", "request": request, "provider": "openai"}));
    assert_eq!((&before["verdict"], &before["data"]["p_refusal"]), (&json!(false), &json!(known.p_prompt)));
    let completion = |content: &str| json!({"json": {"choices": [{"message": {"role": "assistant", "content": content}}]}});
    let after = |content: &str| {
        let body =
            json!({"eventType": "afterRequestHook", "request": request, "response": completion(content)});
        known.ok("/portkey", &body)["verdict"].clone()
    };
    assert_eq!((after(REFUSAL), after("Sure, here it is.")), (json!(false), json!(true)));
    let empty = known.ok("/portkey", &json!({"eventType": "beforeRequestHook", "request": {}}));
    assert_eq!(empty, json!({"verdict": true, "data": null}));

    let shield = |messages: Value| {
        known.ok("/v1/safety/run-shield", &json!({"shield_id": "s", "messages": messages, "params": {}}))
    };
    let held = shield(json!([{"role": "user", "content": PROMPT}]));
    assert_eq!(held["violation"]["metadata"]["p_refusal"], known.p_prompt);
    let complied =
        json!([{"role": "user", "content": PROMPT}, {"role": "assistant", "content": "Sure, here it is."}]);
    assert_eq!(shield(complied), json!({"violation": null}));
}

#[test]
fn envoy_is_answered_by_a_status_and_headers() {
    let known = Known::start("");
    let body = |prompt: &str| {
        json!({"model": "gr\u{f6}\u{df}e", "messages": [{"role": "user", "content": prompt}]}).to_string()
    };
    let ask = |method: &str, path: &str, body: &str| known.server.send(method, path, &[], body.as_bytes());
    let held = ask("POST", "/envoy/v1/chat/completions", &body(PROMPT));
    assert_eq!((held.status, held.headers["x-demur-decision"].as_str()), (403, "hold"));
    assert_eq!(held.headers["x-demur-p-refusal"], format!("{:.4}", known.p_prompt));
    assert!(held.headers["x-demur-reason"].ends_with("for gr??e is not known"), "{:?}", held.headers);
    assert_eq!(held.json()["error"]["code"], "hold");
    let sent = ask("PUT", "/envoy/", &body("hello"));
    assert_eq!((sent.status, sent.headers["x-demur-decision"].as_str()), (200, "send"));
    for (method, path, body) in
        [("GET", "/envoy/v1/models", ""), ("POST", "/envoy/x", "no JSON"), ("DELETE", "/envoy/x", "[]")]
    {
        let passed = ask(method, path, body);
        assert_eq!((passed.status, passed.headers["x-demur-decision"].as_str()), (200, "none"), "{method}");
    }
}

#[test]
fn adapters_are_on_where_only_this_machine_calls_or_where_they_are_named() {
    let posts = |server: &Server| {
        let status = |path: &str| server.post(path, json!({"inputs": ["a"]}).to_string()).status;
        [status("/predict"), status("/invocations")]
    };
    let body = json!({"prompt": "a"}).to_string();
    for (flags, expected) in [
        ("", [200, 200]),
        ("--bind 0.0.0.0", [404, 404]),
        ("--bind 0.0.0.0 --adapters all", [200, 200]),
        ("--adapters none", [404, 404]),
        ("--adapters tei,litellm", [200, 404]),
    ] {
        let mut server = Server::start(&Dir::new(), flags);
        server.address = server.address.replace("0.0.0.0", "127.0.0.1");
        assert_eq!(posts(&server), expected, "{flags}");
        server.post("/v1/predict", &body).ok();
        let paths = server.get("/openapi.json").ok()["paths"].clone();
        assert_eq!(paths["/predict"].is_object(), expected[0] == 200, "{flags}");
        assert_eq!(paths["/invocations"].is_object(), expected[1] == 200, "{flags}");
        let metrics = server.get("/metrics").text();
        assert_eq!(metrics.contains("route=\"/invocations\""), expected[1] == 200, "{flags}");
    }
    for (flags, said) in [
        ("--adapters triton", ["--adapters triton", "open-inference"]),
        ("--labels REFUSED", ["--labels REFUSED", "two different names"]),
    ] {
        Dir::new().demur(&format!("serve --port 0 {flags}")).fails(2, &said);
    }
}

#[test]
fn an_adapter_asks_for_a_key_and_fails_in_its_own_form() {
    let dir = Dir::new();
    let made = dir.demur("key gate").succeeds();
    let key = made.stderr.trim().rsplit(' ').next().unwrap().to_owned();
    dir.write("keys.toml", made.stdout);
    let server = Server::start(&dir, "--keys keys.toml --max-batch 2 --max-chars 20 --max-body 500");
    let send = |path: &str, headers: &[(&str, &str)], body: &str| {
        server.send("POST", path, headers, body.as_bytes())
    };
    let body = json!({"input": "a"}).to_string();
    let none = send("/v1/moderations", &[JSON], &body);
    assert_eq!((none.status, &none.json()["error"]["type"]), (401, &json!("authentication_error")));
    for header in [("x-api-key", key.clone()), ("authorization", format!("Bearer {key}"))] {
        assert_eq!(send("/v1/moderations", &[JSON, (header.0, &header.1)], &body).status, 200);
    }
    // A gateway may pass on the key of its own client.
    let both = [("x-api-key", key.as_str()), ("authorization", "Bearer of-another")];
    assert_eq!(send("/v1/moderations", &both, &body).status, 200);
    assert_eq!(server.get("/v2/models/prompt").status, 401);
    assert_eq!(server.get("/v2/health/ready").status, 200);
    let keyed = [("x-api-key", key.as_str())];
    let long = "a".repeat(600);
    for (path, body, status, at, said) in [
        ("/v1/moderations", json!({"input": ["a", "b", "c"]}), 422, "/error/param", "input"),
        ("/classify", json!({"input": ["a", ""]}), 422, "/error/param", "input[1]"),
        ("/classify", json!({"model": "none", "input": "a"}), 404, "/error/code", "not_found"),
        (
            "/predict",
            json!({"inputs": "a".repeat(30)}),
            422,
            "/error",
            "inputs: 30 characters; the limit is 20",
        ),
        (
            "/v1/models/none:predict",
            json!({"instances": ["a"]}),
            404,
            "/error",
            "there is no such model; GET /v1/models lists them",
        ),
        ("/invocations", json!({"inputs": long}), 413, "/error_code", "BAD_REQUEST"),
        (
            "/api/v1/text/contents",
            json!({"contents": 1}),
            422,
            "/message",
            "contents: invalid type: integer `1`, expected a sequence at line 1 column 13",
        ),
    ] {
        let reply = send(path, &keyed, &body.to_string());
        let found = reply.json();
        assert_eq!((reply.status, found.pointer(at)), (status, Some(&json!(said))), "{path}: {found}");
    }
    let get = server.send("GET", "/classify", &keyed, b"");
    assert_eq!((get.status, get.headers["allow"].as_str()), (405, "POST"));
    assert_eq!(send("/predict", &[("x-api-key", &key), ("content-type", "text/plain")], "{}").status, 415);
}

#[test]
fn nothing_of_a_prompt_is_logged_by_an_adapter() {
    let server = Server::start(&Dir::new(), "--log debug --access-log");
    let secret = "SECRET";
    let chat = json!([{"role": "user", "content": secret}]);
    let all = json!({"input_type": "request", "texts": [secret], "model": secret, "input": secret, "inputs": [secret],
        "instances": [secret], "contents": [secret], "eventType": "beforeRequestHook", "request": {"text": secret},
        "shield_id": secret, "messages": chat, secret: secret});
    for path in [
        LITELLM,
        "/classify",
        "/v1/moderations",
        "/predict",
        "/v1/models/prompt:predict",
        "/v2/models/SECRET/infer",
        "/invocations",
        "/api/v1/text/contents",
        "/portkey",
        "/v1/safety/run-shield",
        "/envoy/SECRET",
    ] {
        server.post(path, all.to_string());
        server.post(path, format!("{{\"{secret}\": "));
        server.post(path, json!({"inputs": [{secret: 1}], "input": {secret: secret}}).to_string());
    }
    let log = server.stop();
    assert!(log.contains("/invocations") && !log.contains(secret), "{log}");
}
