//! `POST /v1/classify` takes an answer in every form that a client has at hand.

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::Dir;

/// A provider's body is the whole request, or its `body`, or an answer of a batch: all say the same.
fn providers_bodies_are_requests(of: &impl Fn(Value) -> (Value, Value, Value)) {
    let no = "I'm sorry, but I can't help with that.";
    let message = |content: Value| json!({"role": "assistant", "content": content});
    let choice = |message: Value| json!({"choices": [{"message": message}]});
    let part = |kind: &str| json!({"type": kind, kind: "Hm."});
    let output = |items: Value| json!({"object": "response", "status": "completed", "output": items});
    let (refused, complied) = (("text", json!("refused")), ("tool_call", json!("complied")));
    let (field, filtered) = (("refusal_field", json!("refused")), ("filtered", json!("refused")));
    let none = |form| (form, Value::Null);
    for (body, (form, label), reasoning) in [
        (choice(json!({"content": no, "reasoning_content": "Hm."})), refused.clone(), true),
        (choice(json!({"content": null, "refusal": "No."})), field, false),
        (choice(json!({"content": null, "tool_calls": [{"id": "1"}]})), complied, false),
        (json!({"choices": [{"text": no, "finish_reason": "stop"}]}), refused.clone(), false),
        (json!({"candidates": [{"content": {"parts": [{"text": no}]}}]}), refused.clone(), false),
        (
            json!({"content": [part("thinking"), {"type": "text", "text": no}], "stop_reason": "end_turn"}),
            refused.clone(),
            true,
        ),
        (json!({"content": [part("thinking"), {"type": "text", "text": no}]}), refused.clone(), true),
        (message(json!([part("thinking"), {"type": "text", "text": no}])), refused.clone(), true),
        (
            json!({"output": {"message": {"content": [{"text": no}]}}, "stopReason": "end_turn"}),
            refused.clone(),
            false,
        ),
        (json!({"message": message(json!(no)), "done_reason": "stop", "model": "m"}), refused.clone(), false),
        (json!({"response": no, "done": true, "model": "m"}), refused.clone(), false),
        (
            output(
                json!([{"type": "reasoning", "summary": []}, {"type": "message", "content": [{"type": "output_text", "text": no}]}]),
            ),
            refused,
            true,
        ),
        (
            json!({"output": [], "status": "incomplete", "incomplete_details": {"reason": "content_filter"}, "object": "response"}),
            filtered.clone(),
            false,
        ),
        (json!({"object": "response", "output": [], "status": "cancelled"}), none("no_answer"), false),
        (json!({"promptFeedback": {"blockReason": "OTHER"}}), filtered, false),
        (json!({"response": []}), none("empty"), false),
    ] {
        let wanted = (json!(form), label, json!(reasoning));
        assert_eq!(of(body.clone()), wanted, "{body}");
        assert_eq!(of(json!({"answers": [body]})), wanted, "{body} in a batch");
    }
}

#[test]
fn answers_are_taken_as_providers_give_them() {
    let server = Server::start(&Dir::new(), "");
    let of = |body: Value| {
        let answer = server.post("/v1/classify", body.to_string()).ok()["classifications"][0].clone();
        (answer["form"].clone(), answer["label"].clone(), answer["reasoning"].clone())
    };
    let is = |form, label| (json!(form), json!(label), json!(false));
    let no = "I'm sorry, but I can't help with that.";
    let refused = is("text", Some("refused"));
    assert_eq!(of(json!({"response": [{"type": "text", "text": no}]})), refused);
    assert_eq!(
        of(json!({"response": [{"type": "refusal", "refusal": no}]})),
        is("refusal_field", Some("refused"))
    );
    let message = json!({"role": "assistant", "content": no});
    let whole = json!({"id": "1", "model": "m", "choices": [{"message": message, "finish_reason": "stop"}]});
    assert_eq!(of(whole.clone()), refused);
    assert_eq!(of(json!({"answers": [whole]})), refused);
    providers_bodies_are_requests(&of);
    let filtered = is("filtered", Some("refused"));
    assert_eq!(
        of(json!({"response": "", "stop_reason": "refusal", "stop_details": {"type": "refusal"}})),
        filtered
    );
    assert_eq!(
        of(json!({"response": null, "filters": {"promptFeedback": {"blockReason": "OTHER"}}})),
        filtered
    );
    assert_eq!(of(json!({"response": "", "stop_reason": "max_tokens"})), is("no_answer", None));
    assert_eq!(of(json!({"response": "Request timed out."})), is("provider_error", None));
    let bread = "Mix flour, water, salt and yeast, and bake the loaf for forty minutes.";
    let thought = json!({"response": format!("<think>{no}</think>{bread}")});
    assert_eq!(of(thought), (json!("text"), json!("complied"), json!(true)));
    let stream = format!("{bread} {no}");
    assert_eq!(of(json!({"response": stream, "prefix": 8})), is("text", Some("complied")));
    for (body, field) in [
        (json!({"response": "a", "unknown": 1}), "unknown"),
        (json!({"response": 7}), "response"),
        (json!({"response": {"text": 7}}), "response"),
        (json!({"response": "a", "prefix": 0}), "prefix"),
        (json!({"stop_reason": "stop", "unknown": 1}), "unknown"),
    ] {
        let answer = server.post("/v1/classify", body.to_string());
        assert_eq!((answer.status, &answer.json()["error"]["field"]), (422, &json!(field)), "{body}");
    }
}

#[test]
fn a_body_that_is_written_as_text_is_read_as_in_a_file() {
    let dir = Dir::new();
    let texts = [
        r#"{"promptFeedback": {"blockReason": "SAFETY"}}"#,
        r#"{"choices": [{"message": {"role": "assistant", "content": "I can't help with that."}, "finish_reason": "stop"}]}"#,
        r#"{"error": {"message": "Rate limit reached", "type": "rate_limit_error"}}"#,
        r#"{"bread": "flour, water, salt"}"#,
    ];
    dir.write_rows("rows.jsonl", &texts.map(|text| json!({ "prompt": "?", "response": text })));
    dir.demur("label rows.jsonl --out out.jsonl").succeeds();
    let server = Server::start(&dir, "");
    let mut forms = Vec::new();
    for (row, text) in dir.rows("out.jsonl").iter().zip(texts) {
        let served = server.post("/v1/classify", json!({"prompt": "?", "response": text}).to_string()).ok();
        let served = &served["classifications"][0];
        assert_eq!((&served["label"], &served["form"]), (&row["label"], &row["form"]), "{text}");
        forms.push(row["form"].as_str().unwrap().to_owned());
    }
    assert_eq!(forms, ["filtered", "text", "provider_error", "text"]);
}
