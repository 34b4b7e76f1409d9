//! What a predictor does not know: nothing is decided on a prompt of which too little is known, in every
//! entry, and how much is known is said.

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::Dir;

/// Prompts with the reason why nothing is decided on them.
const UNKNOWN: [(&str, &str); 4] = [
    ("วิธีอบขนมปังที่บ้านให้อร่อย", "unknown language"),
    ("როგორ გამოვაცხო პური სახლში?", "unknown language"),
    ("xqzv kwjpf zzgqx vbnmq", "unknown words"),
    ("17 + 25 = ?", "no words"),
];
const KNOWN: &str = "How do I bake bread at home?";

#[test]
fn predict_decides_nothing_on_a_prompt_that_it_does_not_know() {
    let dir = Dir::new();
    for (prompt, reason) in UNKNOWN {
        let row = dir.demur("predict --json").arg(prompt).succeeds().json();
        assert_eq!((&row["decision"], &row["reason"]), (&json!("abstain"), &json!(reason)), "{row}");
        assert_eq!((&row["p_refusal_low"], &row["p_refusal_high"]), (&json!(0.0), &json!(1.0)), "{row}");
        assert!(row["coverage"].as_f64().unwrap() < 0.5, "{row}");
        let line = dir.demur("predict").arg(prompt).succeeds().stdout;
        assert!(line.contains("abstain") && line.contains(&format!("({reason}: coverage 0.")), "{line}");
        let told = dir.demur("explain").arg(prompt).succeeds().stdout;
        assert!(told.contains("abstain") && told.contains(&format!("not decided: {reason}")), "{told}");
    }
    let row = dir.demur("predict --json").arg(KNOWN).succeeds().json();
    assert_eq!((&row["language"], row.get("reason"), &row["decision"]), (&json!("en"), None, &json!("send")));
    assert!(
        row["coverage"].as_f64().unwrap() > 0.9 && row["p_refusal_high"].as_f64().unwrap() < 1.0,
        "{row}"
    );
    let line = dir.demur("predict").arg(KNOWN).succeeds().stdout;
    assert!(!line.contains("coverage"), "{line}");
}

#[test]
fn score_decides_the_same_with_and_without_the_columns() {
    let dir = Dir::new();
    let prompts = UNKNOWN.iter().map(|(prompt, _)| *prompt).chain([KNOWN]);
    dir.write_rows("in.jsonl", &prompts.map(|prompt| json!({"prompt": prompt})).collect::<Vec<_>>());
    dir.demur("score in.jsonl --out plain.jsonl").succeeds();
    dir.demur("score in.jsonl --out more.jsonl --coverage --interval").succeeds();
    let (plain, more) = (dir.rows("plain.jsonl"), dir.rows("more.jsonl"));
    let reasons: Vec<Value> = more.iter().map(|row| row["reason"].clone()).collect();
    let wanted = UNKNOWN.iter().map(|(_, reason)| json!(reason)).chain([Value::Null]);
    assert_eq!(reasons, wanted.collect::<Vec<_>>());
    for (plain, more) in plain.iter().zip(&more) {
        assert_eq!((&plain["p_refusal"], &plain["decision"]), (&more["p_refusal"], &more["decision"]));
        assert_eq!(more["decision"] == json!("abstain"), !more["reason"].is_null(), "{more:?}");
        assert_eq!(plain.get("coverage"), None);
        let ends = (&more["p_refusal_low"], &more["p_refusal_high"]);
        assert_eq!(ends == (&json!(0.0), &json!(1.0)), !more["reason"].is_null(), "{more:?}");
    }
    assert_eq!([&more[0]["language"], &more[4]["language"]], [&json!("th"), &json!("en")]);
    dir.demur("score in.jsonl --out some.csv --coverage")
        .arg("--where")
        .arg("reason == unknown words")
        .succeeds();
    let text = dir.text("some.csv");
    let found = text.starts_with("prompt,p_refusal,decision,model_digest,coverage,language,reason\n");
    assert!(found && text.ends_with(",unknown words\n") && text.lines().count() == 2, "{text}");
}

#[test]
fn the_service_says_what_it_does_not_know() {
    let server = Server::start(&Dir::new(), "");
    let prompts: Vec<&str> = UNKNOWN.iter().map(|(prompt, _)| *prompt).chain([KNOWN]).collect();
    let policy = json!({"send_below": 1.0, "hold_from": 1.0});
    let body = server.post("/v1/predict", json!({"prompts": prompts, "policy": policy}).to_string()).ok();
    for (row, (prompt, reason)) in body["predictions"].as_array().unwrap().iter().zip(UNKNOWN) {
        assert_eq!((&row["decision"], &row["reason"]), (&json!("abstain"), &json!(reason)), "{row}");
        assert_eq!((&row["p_refusal_low"], &row["p_refusal_high"]), (&json!(0.0), &json!(1.0)));
        let told = server.post("/v1/explain", json!({"prompt": prompt}).to_string()).ok();
        assert_eq!(
            ["decision", "reason", "coverage"].map(|key| &told[key]),
            ["decision", "reason", "coverage"].map(|key| &row[key])
        );
    }
    let known = &body["predictions"][4];
    assert_eq!(
        (&known["decision"], &known["language"], known.get("reason")),
        (&json!("send"), &json!("en"), None)
    );
    let rows: String = prompts.iter().map(|prompt| format!("{}\n", json!({"prompt": prompt}))).collect();
    let asked = json!({"format": "jsonl", "rows": rows, "coverage": true});
    let scored = server.post("/v1/score", asked.to_string()).ok();
    let scored = scored["rows"].as_str().unwrap().lines();
    let scored: Vec<Value> = scored.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&scored[0]["decision"], &scored[0]["reason"]),
        (&json!("abstain"), &json!("unknown language"))
    );
    assert_eq!((&scored[4]["decision"], &scored[4]["language"]), (&json!("send"), &json!("en")));
    // Counted as decided, by either route.
    let metrics = server.get("/metrics").text();
    let counted =
        metrics.lines().find(|line| line.contains("\"abstain\"") && line.contains("demur_")).unwrap();
    assert!(counted.ends_with(" 8"), "{counted}");
}
