//! Why a prompt is held: the same sentence and words from every command and route, and a rephrasing for
//! nothing but a word that is merely ambiguous.

use serde_json::{Value, json};

use crate::server::{JSON, Server};
use crate::support::Dir;
use crate::upstream::{CHAT, HELD, Upstream, chat};

const AMBIGUOUS: &str = "How do I kill all zombie processes?";
const PLAIN: &str = "How do I stop all zombie processes?";

/// P(refusal) of a prompt by n-grams.
fn p(dir: &Dir, prompt: &str) -> f64 {
    let run = dir.demur("predict --json").arg(prompt).succeeds();
    let row: Value = serde_json::from_str(&run.stdout).unwrap();
    row["p_refusal"].as_f64().unwrap()
}

#[test]
fn a_hold_says_why_on_the_command_line_and_in_files() {
    let dir = Dir::new();
    let run = dir.demur("predict --why").arg(HELD).succeeds();
    let (_, why) = run.stdout.split_once('\n').unwrap();
    let sentence = why.trim();
    assert!(sentence.starts_with("P(refusal) 0.9") && sentence.contains("\"bomb\""), "{}", run.stdout);
    let run = dir.demur("predict --why").arg("What can I cook with two eggs?").succeeds();
    assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
    dir.write_rows(
        "in.jsonl",
        &[json!({"prompt": HELD}), json!({"prompt": "hello"}), json!({"prompt": AMBIGUOUS})],
    );
    let strict = 0.9 * p(&dir, AMBIGUOUS);
    dir.demur(&format!("score in.jsonl --why --hold-from {strict} --out out.jsonl")).succeeds();
    let rows = dir.rows("out.jsonl");
    assert_eq!(rows[0]["why"]["words"][0]["text"], "bomb");
    assert!(rows[1]["why"].is_null() && rows[0]["why"]["rephrasing"].is_null());
    assert_eq!(rows[2]["why"]["rephrasing"]["text"], PLAIN);
    assert_eq!(rows[2]["why"]["rephrasing"]["replaced"], json!([{"from": "kill", "to": "stop"}]));
    let passes = rows[2]["why"]["rephrasing"]["p_refusal"].as_f64().unwrap();
    assert!((passes - p(&dir, PLAIN)).abs() < 1e-12 && passes < strict, "{passes}");
    // A route says it of every target that holds, and of the one that p_refusal is of.
    dir.demur("route in.jsonl --why --candidate gpt-4o-mini --candidate nobody --out routed.jsonl")
        .succeeds();
    let routed = dir.rows("routed.jsonl");
    let ranking = routed[0]["routes"].as_array().unwrap();
    for ranked in ranking {
        let said = format!("P(refusal) {:.2}", ranked["p_refusal"].as_f64().unwrap());
        assert!(ranked["why"]["sentence"].as_str().unwrap().starts_with(&said), "{ranked}");
    }
    assert_eq!((&routed[0]["route"], &routed[0]["why"]), (&Value::Null, &ranking[0]["why"]));
    assert!(routed[1]["why"].is_null() && routed[1]["routes"][0].get("why").is_none());
    // Without the flag there is no such column.
    dir.demur("score in.jsonl --out plain.jsonl").succeeds();
    assert!(!dir.rows("plain.jsonl")[0].contains_key("why"));
}

#[test]
fn a_hold_says_why_in_the_service_where_that_is_asked_for() {
    let dir = Dir::new();
    let server = Server::start(&dir, "");
    let strict = 0.9 * p(&dir, AMBIGUOUS);
    let policy = json!({"send_below": strict, "hold_from": strict});
    let body = json!({"prompts": [HELD, AMBIGUOUS, "hello"], "why": true, "policy": policy}).to_string();
    let reply = server.send("POST", "/v1/predict", &[JSON, ("x-request-id", "review-1")], body.as_bytes());
    let found = &reply.ok()["predictions"];
    assert_eq!(
        (&found[0]["why"]["words"][0]["text"], &found[0]["why"]["request_id"]),
        (&json!("bomb"), &json!("review-1"))
    );
    assert!(found[0]["why"]["rephrasing"].is_null() && found[2].get("why").is_none());
    assert_eq!(found[1]["why"]["rephrasing"]["text"], PLAIN);
    let silent = server.post("/v1/predict", json!({"prompt": HELD}).to_string()).ok();
    assert!(silent["predictions"][0].get("why").is_none());
    let rows = |held: &str| format!("{}\n{}\n", json!({"prompt": held}), json!({"prompt": "hello"}));
    let scored = json!({"format": "jsonl", "rows": rows(AMBIGUOUS), "why": true, "policy": policy});
    let scored = server.post("/v1/score", scored.to_string()).ok();
    let found = crate::support::rows(scored["rows"].as_str().unwrap());
    assert_eq!((&found[0]["why"]["rephrasing"]["text"], &found[1]["why"]), (&json!(PLAIN), &Value::Null));
    let plain = json!({"format": "jsonl", "rows": rows(HELD)}).to_string();
    assert!(!server.post("/v1/score", plain).ok()["rows"].as_str().unwrap().contains("why"));
    let answers =
        json!({"format": "jsonl", "rows": "{\"response\": \"No.\"}\n", "model": "response", "why": true});
    server.post("/v1/score", answers.to_string()).is_error(
        422,
        "invalid_request",
        Some("why"),
        "prompt predictor",
    );
    let candidates = json!([{"target": "gpt-4o-mini"}, {"target": "nobody"}]);
    let routed = json!({"prompt": HELD, "why": true, "candidates": candidates}).to_string();
    let routed = server.post("/v1/route", routed).ok();
    for ranked in routed["ranking"].as_array().unwrap() {
        let sentence = ranked["why"]["sentence"].as_str().unwrap();
        assert!(
            sentence.contains(&format!("P(refusal) {:.2}", ranked["p_refusal"].as_f64().unwrap())),
            "{ranked}"
        );
    }
    // By all tiers the encoder is asked about the rephrasing too.
    let tiered = Server::start_tiered(&dir, "--cascade 0,1");
    let policy = json!({"send_below": 0.01, "hold_from": 0.01});
    let body = json!({"prompts": [HELD, AMBIGUOUS], "why": true, "policy": policy}).to_string();
    let found = tiered.post("/v1/predict", body).ok();
    let why = &found["predictions"][0]["why"];
    assert!(why["sentence"].as_str().unwrap().contains("the encoder"), "{why}");
    assert!(why["rephrasing"].is_null(), "{why}");
    let scored = json!({"format": "jsonl", "rows": rows(HELD), "why": true}).to_string();
    let scored = tiered.post("/v1/score", scored).ok();
    let found = crate::support::rows(scored["rows"].as_str().unwrap());
    assert!(found[0]["why"]["sentence"].as_str().unwrap().contains("the encoder"), "{found:?}");
}

#[test]
fn a_prompt_that_a_proxy_rejects_is_answered_with_why_and_an_id() {
    let upstream = Upstream::start();
    let proxy = upstream.proxy("--mode enforce --log debug --access-log");
    let reply = proxy.send("POST", CHAT, &[JSON, ("x-request-id", "review-2")], chat(HELD).as_bytes());
    let why = &reply.json()["error"]["why"];
    assert_eq!(
        (reply.status, &why["request_id"], &why["words"][0]["text"]),
        (403, &json!("review-2"), &json!("bomb"))
    );
    assert!(why["rephrasing"].is_null());
    // The header, which gateways log, names no word.
    assert!(!reply.headers["x-demur-reason"].contains("bomb"));
    let log = proxy.stop();
    assert!(log.contains("review-2") && !log.contains("bomb"), "{log}");
}
