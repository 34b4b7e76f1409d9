//! Bodies of providers in every shape.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::{answer_in, provider_answer};

fn read(body: &Value) -> (Option<String>, Option<String>) {
    let answer = provider_answer(body).unwrap_or_else(|| panic!("{body}"));
    (answer.text, answer.signs.finish_reason)
}

#[test]
fn every_provider_says_the_same_in_its_own_shape() {
    let turn = json!({"role": "assistant", "content": "No."});
    for (body, reason) in [
        (json!({"choices": [{"message": turn, "finish_reason": "stop"}]}), "stop"),
        (json!({"choices": [{"text": "No.", "finish_reason": "stop"}]}), "stop"),
        (
            json!({"object": "response", "status": "incomplete", "incomplete_details": {"reason": "content_filter"},
                "output": [{"type": "reasoning"}, {"type": "message", "role": "assistant",
                    "content": [{"type": "output_text", "text": "No."}]}]}),
            "content_filter",
        ),
        (
            json!({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "No."}],
                "stop_reason": "refusal"}),
            "refusal",
        ),
        (
            json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "No."}]},
                "finishReason": "SAFETY"}]}),
            "SAFETY",
        ),
        (
            json!({"output": {"message": {"role": "assistant", "content": [{"text": "No."}]}},
                "stopReason": "guardrail_intervened"}),
            "guardrail_intervened",
        ),
        (
            json!({"message": {"role": "assistant", "content": [{"type": "text", "text": "No."}]},
                "finish_reason": "COMPLETE"}),
            "COMPLETE",
        ),
        (json!({"message": turn, "done": true, "done_reason": "stop"}), "stop"),
        (json!({"response": "No.", "done": true, "done_reason": "length"}), "length"),
        (json!({"generations": [{"text": "No.", "finish_reason": "COMPLETE"}]}), "COMPLETE"),
        (
            json!({"status_code": 200, "body": {"choices": [{"message": turn, "finish_reason": "stop"}]}}),
            "stop",
        ),
        (json!({"results": [{"outputText": "No.", "completionReason": "FINISH"}]}), "FINISH"),
        (json!({"generation": "No.", "stop_reason": "stop"}), "stop"),
        (json!({"outputs": [{"index": 0, "text": "No.", "finish_reason": "stop"}]}), "stop"),
        (json!({"generated_text": "No.", "details": {"finish_reason": "eos_token"}}), "eos_token"),
        (
            json!({"type": "succeeded", "message": {"content": [{"type": "text", "text": "No."}],
                "stop_reason": "end_turn"}}),
            "end_turn",
        ),
    ] {
        assert_eq!(read(&body), (Some("No.".into()), Some(reason.to_owned())), "{body}");
    }
}

#[test]
fn what_stands_beside_or_in_place_of_the_text_is_a_sign() {
    let signs = |body: Value| provider_answer(&body).unwrap();
    let refused = signs(json!({"choices": [{"message": {"content": null, "refusal": "I can't."}}]}));
    assert_eq!(
        (refused.text.as_deref(), refused.signs.refusal.as_deref()),
        (Some("I can't."), Some("I can't."))
    );
    let part = signs(json!({"object": "response", "output": [{"type": "message", "content": [
        {"type": "refusal", "refusal": "I can't."}]}]}));
    assert_eq!(part.signs.refusal.as_deref(), Some("I can't."));
    let calls = signs(json!({"choices": [{"message": {"content": null, "tool_calls": [{"id": "1"}],
        "reasoning_content": "hm"}, "finish_reason": "tool_calls"}]}));
    assert!(calls.text.is_none() && calls.signs.tool_calls && calls.signs.reasoning);
    let thinking = signs(json!({"stop_reason": "end_turn", "content": [
        {"type": "thinking", "thinking": "Must I refuse?"}, {"type": "text", "text": "Yes."}]}));
    assert!(thinking.text.as_deref() == Some("Yes.") && thinking.signs.reasoning);
    let blocked = signs(json!({"promptFeedback": {"blockReason": "SAFETY"}}));
    assert_eq!((blocked.text, blocked.signs.finish_reason.as_deref()), (None, Some("SAFETY")));
    for failed in [
        json!({"error": {"code": "content_filter"}}),
        json!({"type": "error", "error": {"type": "overloaded_error"}}),
        json!({"type": "errored", "error": {"type": "invalid_request"}}),
        json!({"status_code": 400, "body": {"error": {"code": "content_filter"}}}),
        json!({"type": "expired"}),
        json!({"object": "error", "message": "Slow down", "type": "rate_limited", "code": "1300"}),
    ] {
        assert!(signs(failed.clone()).signs.error.is_some(), "{failed}");
    }
}

#[test]
fn what_has_no_providers_shape_is_none_but_may_be_an_answer() {
    for other in [json!({"a": 1}), json!("text"), json!([]), json!({"role": "user", "content": "x"})] {
        assert_eq!(provider_answer(&other), None, "{other}");
    }
    let text = |cell: Value| answer_in(&cell).and_then(|answer| answer.text);
    for cell in [
        json!("No."),
        json!(["No."]),
        json!([{"type": "text", "text": "No."}]),
        json!({"role": "assistant", "content": "No."}),
        json!([{"role": "user", "content": "q"}, {"role": "assistant", "content": "No."}]),
        json!([{"role": "assistant", "parts": [{"type": "text", "content": "No."}], "finish_reason": "stop"}]),
        json!({"text": "No.", "lang": null}),
        json!([{"generated_text": "No."}]),
        json!([{"choices": [{"delta": {"content": "N"}}]}, {"choices": [{"delta": {"content": "o."}, "finish_reason": "stop"}]}]),
    ] {
        assert_eq!(text(cell.clone()).as_deref(), Some("No."), "{cell}");
    }
    for none in [json!(7), json!({"n": 1}), json!([]), json!(null)] {
        assert_eq!(answer_in(&none), None, "{none}");
    }
}

#[test]
fn a_body_with_its_request_has_the_prompt() {
    let body = json!({"messages": [{"role": "user", "content": "q"}],
        "choices": [{"message": {"content": "No."}}]});
    assert_eq!(provider_answer(&body).unwrap().prompt.as_deref(), Some("q"));
}
