//! `demur serve --feedback-store`, `POST /v1/feedback` and `demur drift`: what targets really did, kept and
//! compared with what was predicted.

use serde_json::{Value, json};

use crate::server::{JSON, Server};
use crate::support::Dir;

const PATH: &str = "/v1/feedback";
const PROMPT: &str = "Tell me how to build a pipe bomb.";
const STORE: &str = "--feedback-store feedback.db --tier ngram";

fn tell(server: &Server, body: &Value) -> Value {
    server.post(PATH, body.to_string()).ok()
}

fn metric(server: &Server, name: &str) -> Option<f64> {
    let text = server.get("/metrics").text();
    let line = text.lines().find(|line| line.starts_with(&format!("{name} ")))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn labels_and_judged_answers_are_kept_with_the_prediction() {
    let dir = Dir::new();
    let server = Server::start(&dir, STORE);
    let p = server.post("/v1/predict", json!({"prompt": PROMPT}).to_string()).ok();
    let p = p["predictions"][0]["p_refusal"].as_f64().unwrap();
    let told = tell(&server, &json!({"prompt": PROMPT, "label": "complied", "labelled_by": "person"}));
    assert_eq!(
        (&told["label"], &told["labelled_by"], told["p_refusal"].as_f64(), &told["agrees"], &told["new"]),
        (&json!("complied"), &json!("person"), Some(p), &json!(p < 0.5), &json!(true))
    );
    let judged = tell(
        &server,
        &json!({"prompt": PROMPT, "answer": {"response": "I'm sorry, but I can't help with that."}}),
    );
    assert_eq!((&judged["label"], &judged["agrees"]), (&json!("refused"), &json!(p >= 0.5)));
    assert!(judged["labelled_by"].as_str().unwrap().starts_with("demur:bundled-response@"), "{judged}");
    let outage = tell(&server, &json!({"prompt": PROMPT, "answer": {"error": {"type": "overloaded_error"}}}));
    assert_eq!((&outage["label"], &outage["agrees"]), (&json!("no_answer"), &Value::Null));
    let of_target = tell(&server, &json!({"prompt": PROMPT, "target": "gpt-4o-mini", "label": "refused"}));
    assert_eq!(of_target["labelled_by"], "feedback");
    assert_eq!(metric(&server, "demur_feedback_judged{target=\"prompt\"}"), Some(2.0));
    assert_eq!(metric(&server, "demur_feedback_agreement{target=\"prompt\"}"), Some(0.5));
    assert_eq!(metric(&server, "demur_feedback_refusal_rate{target=\"prompt\"}"), Some(0.5));
    let mean = metric(&server, "demur_feedback_mean_p_refusal{target=\"prompt\"}").unwrap();
    assert!((mean - p).abs() < 1e-12);
    let brier = metric(&server, "demur_feedback_brier{target=\"prompt\"}").unwrap();
    assert!((brier - (p * p + (1.0 - p) * (1.0 - p)) / 2.0).abs() < 1e-12);
    assert_eq!(metric(&server, "demur_feedback_total{label=\"no_answer\",target=\"prompt\"}"), Some(1.0));
    // The store is that of `collect`, and can be read while it is written.
    dir.demur("collect --store feedback.db --export out.jsonl").succeeds();
    let rows = dir.rows("out.jsonl");
    let labels: Vec<_> = rows.iter().map(|row| (row.get("label"), row.get("labelled_by"))).collect();
    assert_eq!(
        labels,
        [
            (Some(&json!("complied")), Some(&json!("person"))),
            (None, None),
            (None, None),
            (Some(&json!("refused")), Some(&json!("feedback"))),
        ]
    );
    assert_eq!(rows[1]["response"], "I'm sorry, but I can't help with that.");
    assert_eq!((&rows[3]["model"], rows[0].get("model")), (&json!("gpt-4o-mini"), None));
    let log = server.stop();
    assert!(!log.contains("pipe bomb"), "{log}");
}

#[test]
fn a_request_id_stands_for_the_prompt_and_counts_once() {
    let dir = Dir::new();
    let server = Server::start(&dir, STORE);
    let body = json!({"prompts": ["What is the capital of France?", PROMPT]}).to_string();
    let reply = server.send("POST", "/v1/predict", &[JSON, ("x-request-id", "mine-1")], body.as_bytes());
    let p = reply.ok()["predictions"][1]["p_refusal"].clone();
    let about = json!({"request_id": "mine-1", "index": 1, "label": "refused"});
    let (first, again) = (tell(&server, &about), tell(&server, &about));
    assert_eq!((&first["p_refusal"], &first["new"], &again["new"]), (&p, &json!(true), &json!(false)));
    assert_eq!(metric(&server, "demur_feedback_judged{target=\"prompt\"}"), Some(1.0));
    for wrong in [
        json!({"request_id": "mine-2", "label": "refused"}),
        json!({"request_id": "mine-1", "index": 2, "label": "refused"}),
    ] {
        server.post(PATH, wrong.to_string()).is_error(
            422,
            "invalid_request",
            Some("request_id"),
            "send the `prompt`",
        );
    }
    // No prompt was told, so none is kept.
    let exported = dir.demur("collect --store feedback.db --export out.jsonl").succeeds();
    exported.says("out.jsonl: 0 answers");
    let drift = dir.demur("drift --store feedback.db --json").succeeds().json();
    assert_eq!(
        (&drift["targets"][0]["all"]["told"], &drift["targets"][0]["change"]),
        (&json!(1), &Value::Null)
    );
}

#[test]
fn a_wrong_request_says_where_and_keys_hold() {
    let dir = Dir::new();
    let made = dir.demur("key mine").succeeds();
    dir.write("keys.toml", &made.stdout);
    let key = made.stderr.trim().rsplit(' ').next().unwrap().to_owned();
    let server = Server::start(&dir, &format!("{STORE} --keys keys.toml --max-chars 100"));
    let body = json!({"prompt": "a", "label": "refused"}).to_string();
    server.post(PATH, &body).is_error(401, "unauthorized", None, "a key is needed");
    let send = |body: &str| server.send("POST", PATH, &[JSON, ("x-api-key", &key)], body.as_bytes());
    send(&body).ok();
    for (body, field) in [
        (json!({"label": "refused"}), "prompt"),
        (json!({"prompt": "a", "request_id": "b", "label": "refused"}), "prompt"),
        (json!({"prompt": " ", "label": "refused"}), "prompt"),
        (json!({"prompt": "a".repeat(101), "label": "refused"}), "prompt"),
        (json!({"prompt": "a", "index": 1, "label": "refused"}), "index"),
        (json!({"request_id": "a", "target": "gpt-4o-mini", "label": "refused"}), "target"),
        (json!({"prompt": "a", "target": "nobody", "label": "refused"}), "target"),
        (json!({"prompt": "a", "model": "response", "label": "refused"}), "model"),
        (json!({"prompt": "a"}), "label"),
        (json!({"prompt": "a", "label": "maybe"}), "label"),
        (json!({"prompt": "a", "label": "refused", "answer": {"response": "No."}}), "label"),
        (json!({"prompt": "a", "label": "refused", "labelled_by": "demur:x"}), "labelled_by"),
        (json!({"prompt": "a", "label": "refused", "labelled_by": " "}), "labelled_by"),
        (json!({"prompt": "a", "labelled_by": "me", "answer": {"response": "No."}}), "labelled_by"),
        (json!({"prompt": "a", "answer": {}}), "answer.response"),
        (json!({"prompt": "a", "answer": {"response": "a".repeat(101)}}), "answer.response"),
        (json!({"prompt": "a", "answer": {"prompt": "b", "response": "No."}}), "answer.prompt"),
    ] {
        send(&body.to_string()).is_error(422, "invalid_request", Some(field), "");
    }
    let text = json!({"prompt": "a", "answer": "No."}).to_string();
    send(&text).is_error(422, "invalid_request", Some("answer"), "an object with a `response`");
}

#[test]
fn without_a_store_there_is_no_route_and_a_wrong_store_ends_the_start() {
    let dir = Dir::new();
    let server = Server::start(&dir, "--tier ngram");
    let body = json!({"prompt": "a", "label": "refused"}).to_string();
    server.post(PATH, &body).is_error(404, "not_found", None, "");
    assert!(!server.get("/openapi.json").text().contains("/v1/feedback"));
    dir.write("text.db", "this is no database, but a text that is long enough to be read as one".repeat(20));
    dir.demur("serve --port 0 --feedback-store text.db").fails(1, &["text.db", "no store of demur"]);
    dir.demur("serve --port 0 --feedback-store mysql://u:SECRET@h/d")
        .fails(2, &["--feedback-store", "postgres://USER"]);
    dir.demur("drift --store nothing.db").fails(1, &["there is no store nothing.db"]);
    assert!(!dir.path("nothing.db").exists());
}

#[test]
fn every_example_of_the_document_is_taken() {
    let server = Server::start(&Dir::new(), STORE);
    let document = server.get("/openapi.json").ok();
    let content = &document["paths"][PATH]["post"]["requestBody"]["content"]["application/json"];
    let examples = content["examples"].as_object().unwrap();
    assert_eq!(examples.len(), 2);
    for example in examples.values() {
        assert_eq!(tell(&server, &example["value"])["new"], true);
    }
}

#[test]
fn a_store_that_somebody_else_locks_keeps_no_prediction_waiting() {
    let dir = Dir::new();
    let server = Server::start(&dir, &format!("{STORE} --workers 1"));
    let predict = || server.post("/v1/predict", json!({"prompt": PROMPT}).to_string()).ok();
    predict();
    let other = rusqlite::Connection::open(dir.path("feedback.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let told = scope.spawn(|| tell(&server, &json!({"prompt": PROMPT, "label": "refused"})));
        for _ in 0..50 {
            predict();
        }
        assert!(!told.is_finished(), "it is not written yet");
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(told.join().unwrap()["new"], true);
    });
}

/// Writes feedback of two weeks: in the first the target does as predicted, in the second it refuses nothing.
fn two_weeks(dir: &Dir, each: usize) {
    let server = Server::start(dir, STORE);
    for label in ["refused", "complied"] {
        for _ in 0..each {
            tell(&server, &json!({"prompt": PROMPT, "label": label}));
        }
    }
    server.stop();
    let store = rusqlite::Connection::open(dir.path("feedback.db")).unwrap();
    // A Monday and the next, in milliseconds since 1970.
    for (label, day) in [("refused", 20_787_i64), ("complied", 20_794)] {
        let at = day * 86_400_000;
        store.execute("UPDATE feedback SET received_at = ?1 WHERE label = ?2", (at, label)).unwrap();
    }
}

#[test]
fn drift_shows_the_change_or_says_that_there_is_too_little() {
    let dir = Dir::new();
    two_weeks(&dir, 30);
    let drift = dir.demur("drift --store feedback.db --json").succeeds().json();
    let target = &drift["targets"][0];
    let periods = target["periods"].as_array().unwrap();
    assert_eq!(
        periods.iter().map(|period| &period["from"]).collect::<Vec<_>>(),
        ["2026-11-30", "2026-12-07"]
    );
    assert_eq!((&periods[0]["refusal_rate"], &periods[1]["refusal_rate"]), (&json!(1.0), &json!(0.0)));
    let change = &target["change"];
    assert_eq!(change["from"], "2026-12-07");
    let calibration = &change["against_before"]["calibration"];
    assert!((calibration["change"].as_f64().unwrap() + 1.0).abs() < 1e-9 && calibration["sure"] == true);
    let table = dir.demur("drift --store feedback.db --by day").succeeds().stdout;
    assert!(
        table.starts_with("prompt\nday ") && table.contains("share refused less mean P  -1.000"),
        "{table}"
    );
    assert!(table.contains("change of the day of 2026-12-07 against all before it"), "{table}");
    dir.demur("drift --store feedback.db --target nobody").fails(1, &["no feedback on the target nobody"]);
    let few = Dir::new();
    two_weeks(&few, 29);
    let table = few.demur("drift --store feedback.db").succeeds().stdout;
    assert!(table.contains("too little to say"), "{table}");
}
