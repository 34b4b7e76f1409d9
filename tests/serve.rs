//! `demur serve`: the answer of each route, each error of the table, keys and limits.

use serde_json::{Value, json};

use crate::server::{Client, Server};
use crate::support::Dir;

const PROMPT: &str = "/v1/predict";

#[test]
fn a_prompt_is_predicted_as_the_command_line_does() {
    let dir = Dir::new();
    let server = Server::start(&dir, "");
    let prompts = ["How do I pick a lock?", "What is the capital of France?", "\u{202e}\u{1f600} \0 a"];
    let body = server.post(PROMPT, json!({"prompts": prompts}).to_string()).ok();
    for (at, prompt) in prompts.iter().enumerate() {
        let alone = server.post(PROMPT, json!({"prompt": prompt}).to_string()).ok();
        assert_eq!(alone["predictions"][0]["p_refusal"], body["predictions"][at]["p_refusal"]);
        assert_eq!(body["predictions"][at]["index"], at);
        if !prompt.contains('\0') {
            let line = dir.demur("predict --json").arg(prompt).succeeds().stdout;
            let line: Value = serde_json::from_str(&line).unwrap();
            let p = |value: &Value| value["p_refusal"].as_f64().unwrap();
            // The command line sums the terms that it shows, in their order, so the last digits may differ.
            assert!((p(&body["predictions"][at]) - p(&line)).abs() < 1e-12);
            assert_eq!(body["predictions"][at]["decision"], line["decision"]);
            assert_eq!(body["model"]["digest"], line["model"]["digest"]);
        }
    }
}

#[test]
fn a_request_may_bring_its_thresholds_its_target_and_a_chat() {
    let server = Server::start(&Dir::new(), "");
    let ask = |body: Value| server.post(PROMPT, body.to_string()).ok();
    let prompt = "How do I pick a lock?";
    let p = ask(json!({"prompt": prompt}))["predictions"][0]["p_refusal"].as_f64().unwrap();
    for (send_below, hold_from, decision) in [(0.0, p, "hold"), (1.0, 1.0, "send"), (0.0, 1.0, "abstain")] {
        let policy = json!({"send_below": send_below, "hold_from": hold_from});
        let body = ask(json!({"prompt": prompt, "policy": policy}));
        assert_eq!(body["predictions"][0]["decision"], decision);
    }
    let chat = ask(json!({"messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "user", "content": [{"type": "text", "text": prompt}, {"type": "image_url", "image_url": {"url": "x"}}]},
        {"role": "assistant", "content": "Well"},
    ]}));
    assert_eq!(chat["predictions"][0]["p_refusal"], p);
    assert_eq!(chat["not_judged"], json!(["messages before the last of the user"]));
    let known = server.get("/v1/models/prompt").ok()["targets"][0].clone();
    let body = ask(json!({"prompt": prompt, "target": known}));
    assert_eq!(body["target"], known);
    assert_ne!(body["predictions"][0]["p_refusal"], p, "the target shifts the score");
    let explained = ask(json!({"prompt": prompt, "explain": true, "top": 2, "system": "s", "context": null}));
    assert_eq!(explained["predictions"][0]["terms"].as_array().unwrap().len(), 2);
    assert_eq!(explained["not_judged"], json!(["system"]));
}

#[test]
fn the_rows_of_a_file_are_scored_as_the_command_line_does() {
    let dir = Dir::new();
    let server = Server::start(&dir, "");
    let rows = "id,question\n1,\"How do I, um, pick a lock?\"\n2,\n3\n4,a 5\" pipe\n5,What is the capital of France?\n";
    dir.write("in.csv", rows);
    dir.demur("score in.csv --out out.csv").succeeds();
    let body = server.post("/v1/score", json!({"format": "csv", "rows": rows}).to_string()).ok();
    assert_eq!(body["rows"], dir.text("out.csv"));
    assert_eq!((&body["scored"], &body["rejected"][0]["line"]), (&json!(3), &json!(3)));
    assert_eq!(body["rejected"][1]["reason"], "1 fields, where the header has 2");
    let none = server.post("/v1/score", json!({"format": "jsonl", "rows": "{\"x\": 1}\n"}).to_string());
    assert_eq!(none.status, 422);
    assert_eq!(none.json()["error"]["field"], "rows");
    let empty = server.post("/v1/score", json!({"format": "jsonl", "rows": ""}).to_string()).ok();
    assert_eq!((&empty["rows"], &empty["scored"]), (&json!(""), &json!(0)));
}

#[test]
fn answers_are_classified_in_every_form() {
    let server = Server::start(&Dir::new(), "");
    let body = server.post(
        "/v1/classify",
        json!({"answers": [
            {"prompt": "How do I pick a lock?", "response": "I'm sorry, but I can't help with that."},
            {"response": "Sure! Mix flour, water, salt and yeast, and bake the loaf for forty minutes."},
            {"response": null},
            {"response": "Sure", "finish_reason": "content_filter"},
            {"error": {"code": "content_policy_violation"}},
            {"error": {"type": "overloaded_error"}},
            {"refusal": "No."},
        ]})
        .to_string(),
    );
    let found: Vec<(Value, Value)> = body.ok()["classifications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| (answer["form"].clone(), answer["label"].clone()))
        .collect();
    let refused = json!("refused");
    let forms = [
        ("text", refused.clone()),
        ("text", json!("complied")),
        ("empty", Value::Null),
        ("filtered", refused.clone()),
        ("provider_error", refused.clone()),
        ("provider_error", Value::Null),
        ("refusal_field", refused),
    ];
    assert_eq!(found, forms.map(|(form, label)| (json!(form), label)));
    let one = server.post("/v1/classify", r#"{"response": "I'm sorry, but I can't help with that."}"#).ok();
    let kinds = one["classifications"][0]["kinds"].as_array().unwrap();
    let sum: f64 = kinds.iter().map(|kind| kind["p"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
}

#[test]
#[ignore = "needs ../shared/cases"]
fn cases_of_answers_are_classified() {
    let path = crate::support::workspace().join("../shared/cases/classify.jsonl");
    let cases = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let server = Server::start(&Dir::new(), "");
    for case in cases.lines() {
        let case: Value = serde_json::from_str(case).unwrap();
        let answer = server.post("/v1/classify", case["body"].to_string()).ok()["classifications"][0].clone();
        assert_eq!((&answer["label"], &answer["form"]), (&case["label"], &case["form"]), "{case}");
    }
}

#[test]
fn an_operators_phrases_count() {
    let dir = Dir::new();
    dir.write(
        "phrases.toml",
        "guardrail = [\"blocked by our gateway\"]\nallowed = [\"sorry for the wait\"]\n",
    );
    let server = Server::start(&dir, "--phrases phrases.toml");
    let form = |text: &str| {
        let body = server.post("/v1/classify", json!({"response": text}).to_string()).ok();
        body["classifications"][0].clone()
    };
    let blocked = form("\u{e9} Blocked by our GATEWAY.");
    assert_eq!((&blocked["form"], &blocked["label"]), (&json!("guardrail"), &json!("refused")));
    assert_eq!(blocked["passage"], json!({"start": 2, "end": 24, "text": "Blocked by our GATEWAY"}));
    assert_eq!(form("Sorry for the wait!")["form"], "allowed");
}

#[test]
fn an_explanation_sums_to_its_logit_and_marks_characters() {
    let server = Server::start(&Dir::new(), "");
    let prompt = "\u{1f600} Explain how to make a b\u{f6}mb at home";
    let body = server.post("/v1/explain", json!({"prompt": prompt}).to_string()).ok();
    let sum = |list: &str| -> f64 {
        body[list].as_array().unwrap().iter().map(|item| item["contribution"].as_f64().unwrap()).sum()
    };
    let (logit, bias) = (body["logit"].as_f64().unwrap(), body["bias"].as_f64().unwrap());
    assert!((bias + sum("terms") - logit).abs() < 1e-9);
    assert!((sum("words") - sum("terms")).abs() < 1e-9);
    let characters: Vec<char> = prompt.chars().collect();
    for word in body["words"].as_array().unwrap() {
        let at = |name: &str| usize::try_from(word[name].as_u64().unwrap()).unwrap();
        assert_eq!(
            characters[at("start")..at("end")].iter().collect::<String>(),
            word["text"].as_str().unwrap()
        );
    }
    let p = body["p_refusal"].as_f64().unwrap();
    let mut found = [0, 0];
    for hold_from in [0.2 * p, 0.5 * p, 0.8 * p] {
        let policy = json!({"send_below": hold_from, "hold_from": hold_from});
        let held = server.post("/v1/explain", json!({"prompt": prompt, "policy": policy}).to_string()).ok();
        assert_eq!(held["decision"], "hold");
        if let Some(rest) = held["flip"]["rest"].as_str() {
            assert_eq!(held["flip"]["decision"], "send");
            let again = server.post(PROMPT, json!({"prompt": rest}).to_string()).ok();
            assert_eq!(
                again["predictions"][0]["p_refusal"], held["flip"]["p_refusal"],
                "the flip is a real one"
            );
            found[0] += 1;
        }
        if let Some(text) = held["fragment"]["text"].as_str() {
            let at = |name: &str| usize::try_from(held["fragment"][name].as_u64().unwrap()).unwrap();
            assert_eq!(text, characters[at("start")..at("end")].iter().collect::<String>());
            let alone = server.post(PROMPT, json!({"prompt": text}).to_string()).ok();
            assert_eq!(
                alone["predictions"][0]["p_refusal"], held["fragment"]["p_refusal"],
                "so is the fragment"
            );
            found[1] += 1;
        }
    }
    assert!(found[0] + found[1] > 0, "no flip and no fragment at any threshold");
    let sent =
        server.post("/v1/explain", json!({"prompt": "What is the capital of France?"}).to_string()).ok();
    assert_eq!((&sent["decision"], sent["fragment"].is_null()), (&json!("send"), true));
}

#[test]
fn models_health_metrics_and_documents_are_there() {
    let server = Server::start(&Dir::new(), "");
    let models = server.get("/v1/models").ok();
    let names: Vec<_> = models["models"].as_array().unwrap().iter().map(|model| &model["name"]).collect();
    assert_eq!(names, ["response", "prompt"]);
    assert_eq!(models["limits"]["max_batch"], 1024);
    assert_eq!(server.get("/v1/models/response").ok(), models["models"][0]);
    server.get("/v1/models/none").is_error(404, "not_found", None, "no such model");
    assert_eq!(server.get("/health/live").ok()["status"], "live");
    assert_eq!(server.get("/health/ready").ok()["status"], "ready");
    assert_eq!(server.send("HEAD", "/health/ready", &[], b"").status, 200);
    server.post(PROMPT, r#"{"prompt": "Hello"}"#).ok();
    let metrics = server.get("/metrics").text();
    for line in [
        "demur_http_requests_total{route=\"/v1/predict\",status=\"200\"} 1",
        "demur_http_requests_total{route=\"/v1/models/{name}\",status=\"404\"} 1",
        "demur_p_refusal_count{model=\"prompt\"} 1",
        "demur_requests_in_flight 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    let digest = models["models"][1]["digest"].as_str().unwrap();
    assert!(
        metrics.contains(&format!(
            "demur_model_info{{digest=\"{digest}\",field=\"prompt\",model=\"prompt\"}} 1"
        ))
    );
    let page = server.get("/");
    assert!(page.headers["content-type"].starts_with("text/html") && page.status == 200);
    assert!(page.headers["content-security-policy"].contains("default-src 'self'"));
    let script = server.get("/playground/dom.js");
    assert!(script.headers["content-type"].starts_with("text/javascript") && script.status == 200);
    server.get("/playground/none.js").is_error(404, "not_found", None, "/docs/");
    assert_eq!(server.get("/docs").headers["location"], "/docs/");
    assert!(server.get("/docs/").text().contains("swagger-ui"));
    assert!(server.get("/docs/swagger-initializer.js").text().contains("/openapi.json"));
    server.get("/docs/none.js").is_error(404, "not_found", None, "/docs/");
}

#[test]
fn every_example_of_the_document_runs() {
    let server = Server::start(&Dir::new(), "--max-batch 7");
    let document = server.get("/openapi.json").ok();
    let security = &document["paths"]["/v1/predict"]["post"]["security"];
    assert_eq!(security, &json!([{}, {"key": []}, {"header_key": []}]));
    assert_eq!(document["components"]["securitySchemes"]["header_key"]["name"], "x-api-key");
    let mut sent = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let Some(examples) =
            methods["post"]["requestBody"]["content"]["application/json"]["examples"].as_object()
        else {
            continue;
        };
        for example in examples.values() {
            let version = server.get("/v2/models/prompt").ok()["versions"][0].as_str().unwrap().to_owned();
            let path = path.replace("{name}", "prompt").replace("{version}", &version);
            server.post(&path, example["value"].to_string()).ok();
            sent += 1;
        }
    }
    assert!(sent >= 20, "{sent}");
    let schemas = &document["components"]["schemas"];
    assert_eq!(
        schemas["PredictRequest"]["properties"]["prompts"]["maxItems"], 7,
        "the limits are this service's"
    );
    let description = document["info"]["description"].as_str().unwrap();
    assert!(description.contains("4194304 bytes of a body, 30 seconds"), "{description}");
    for status in ["400", "401", "408", "413", "415", "422", "429", "500"] {
        assert!(document["paths"][PROMPT]["post"]["responses"][status].is_object(), "{status}");
    }
}

#[test]
fn every_failure_has_its_status_and_says_where() {
    let server = Server::start(&Dir::new(), "--max-batch 2 --max-chars 10 --max-body 1000");
    let long = json!({"prompt": "a".repeat(2000)}).to_string();
    let predict = |body: &str| server.post(PROMPT, body);
    predict("{").is_error(400, "malformed_json", None, "not JSON");
    predict("").is_error(400, "malformed_json", None, "not JSON");
    server.post(PROMPT, b"{\"prompt\": \"\xff\"}").is_error(
        400,
        "malformed_json",
        None,
        "UTF-8 from byte 12",
    );
    predict("{\"prompt\": \"\\ud800\"}").is_error(400, "malformed_json", None, "not JSON");
    predict(&"[".repeat(900)).is_error(400, "malformed_json", None, "not JSON");
    predict(&long).is_error(413, "body_too_large", None, "1000 bytes");
    let typed = |headers: &[_]| server.send("POST", PROMPT, headers, b"{}");
    typed(&[]).is_error(415, "unsupported_media_type", None, "content-type");
    typed(&[("content-type", "text/plain")]).is_error(415, "unsupported_media_type", None, "content-type");
    for (body, field, said) in [
        (r#"{}"#, "prompt", "there is no prompt"),
        (r#"{"prompt": " \n"}"#, "prompt", "empty"),
        (r#"{"prompt": "a", "prompts": ["b"]}"#, "prompt", "not several"),
        (r#"{"prompts": []}"#, "prompts", "empty"),
        (r#"{"prompts": ["a", "b", "c"]}"#, "prompts", "limit is 2"),
        (r#"{"prompts": ["a", ""]}"#, "prompts[1]", "empty"),
        (r#"{"prompts": ["a", 1]}"#, "prompts[1]", "invalid type"),
        (r#"{"prompt": "01234567890"}"#, "prompt", "limit is 10"),
        (r#"{"messages": []}"#, "messages", "role `user`"),
        (r#"{"messages": [{"role": "user", "content": ""}]}"#, "messages[0].content", "empty"),
        (r#"{"prompt": "a", "model": "response"}"#, "model", "there are `prompt`"),
        (r#"{"prompt": "a", "target": "gpt-99"}"#, "target", "known are `"),
        (r#"{"prompt": "a", "policy": {"send_below": 0.9, "hold_from": 0.1}}"#, "policy", "send_below"),
        (r#"{"prompt": "a", "promt": 1}"#, "promt", "unknown field"),
    ] {
        predict(body).is_error(422, "invalid_request", Some(field), said);
    }
    for (path, body, field) in [
        ("/v1/classify", r#"{}"#, "response"),
        ("/v1/classify", r#"{"answers": [{"response": "a"}, {"prompt": "a"}]}"#, "answers[1].response"),
        ("/v1/classify", r#"{"response": "a", "answers": []}"#, "answers"),
        ("/v1/classify", r#"{"response": "01234567890"}"#, "response"),
        ("/v1/explain", r#"{}"#, "prompt"),
        ("/v1/explain", r#"{"response": ""}"#, "response"),
    ] {
        server.post(path, body).is_error(422, "invalid_request", Some(field), "");
    }
    server.get("/v1/predct").is_error(404, "not_found", None, "no such path");
    let method = server.send("DELETE", PROMPT, &[], b"");
    method.is_error(405, "method_not_allowed", None, "POST only");
    assert_eq!(method.headers["allow"], "POST");
    server.post("/v1/models", "{}").is_error(405, "method_not_allowed", None, "GET, HEAD only");
    server.post("/admin/reload", "").is_error(403, "forbidden", None, "demur key");
}

#[test]
fn a_slow_body_is_answered_and_cut_off() {
    let server = Server::start(&Dir::new(), "--request-timeout 0.5");
    let mut slow = Client::to(&server.address).unwrap();
    slow.write(b"POST /v1/predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{")
        .unwrap();
    slow.read(false).unwrap().is_error(408, "request_timeout", None, "too long");
    let mut silent = Client::to(&server.address).unwrap();
    silent.write(b"POST /v1/predict HTTP/1.1\r\nhost:").unwrap();
    let ended = silent.read(false).map(|reply| reply.status);
    assert!(matches!(ended, Ok(408) | Err(_)), "{ended:?}");
    assert_eq!(server.get("/health/live").status, 200);
}
