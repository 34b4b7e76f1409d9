//! Requests to `/v1/classify` in the forms that clients have at hand: a provider's response body as it came, an answer
//! in parts, and a provider's own names of fields.
//!
//! They are read only if a request is not in the documented form, and then brought into it.

use demur_data::conversation;
use serde_json::{Map, Value};

use crate::service::body;
use crate::service::classify::ClassifyRequest;
use crate::service::error::{ApiError, ErrorType};

/// Other names of `finish_reason`.
const REASONS: [&str; 5] =
    ["stop_reason", "stopReason", "finishReason", "done_reason", "native_finish_reason"];
/// What filters say, under the names of several providers.
const FILTERS: [&str; 10] = [
    "stop_details",
    "moderation",
    "prompt_feedback",
    "promptFeedback",
    "content_filter_result",
    "content_filter_results",
    "prompt_filter_results",
    "safety_ratings",
    "safetyRatings",
    "amazon-bedrock-guardrailAction",
];
/// Fields of a request that may stand beside a provider's body.
const KEPT: [&str; 6] = ["prompt", "error", "policy", "cheap", "cascade", "prefix"];

/// Parses a request.
///
/// # Errors
/// As [`body::parse`]; about a request in another form, what is wrong with it in the documented one.
pub(crate) fn parse(bytes: &[u8]) -> Result<ClassifyRequest, ApiError> {
    body::parse(bytes).or_else(|error| {
        let request = (error.kind == ErrorType::InvalidRequest).then(|| rewritten(bytes)).flatten();
        request.map_or(Err(error), |bytes| body::parse(&bytes))
    })
}

/// The request in the documented form; `None` if it is in no other.
fn rewritten(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut request: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    let mut changed = false;
    if let Some(Value::Array(answers)) = request.get_mut("answers") {
        for answer in answers.iter_mut().filter_map(Value::as_object_mut) {
            changed |= rewrite(answer);
        }
    } else {
        changed = rewrite(&mut request);
    }
    changed.then(|| serde_json::to_vec(&request).ok()).flatten()
}

/// Brings an answer into the documented form; returns whether it was in another.
fn rewrite(answer: &mut Map<String, Value>) -> bool {
    let mut changed = false;
    if !answer.contains_key("response")
        && let Some(message) = message_of(answer)
    {
        let kept = KEPT.iter();
        let mut rest: Map<String, Value> =
            kept.filter_map(|name| Some(((*name).to_owned(), answer.get(*name)?.clone()))).collect();
        rest.extend(message);
        *answer = rest;
        changed = true;
    }
    for name in REASONS {
        if let Some(reason) = answer.remove(name) {
            changed = true;
            if !reason.is_null() && answer.get("finish_reason").is_none_or(Value::is_null) {
                answer.insert("finish_reason".to_owned(), reason);
            }
        }
    }
    if let Some(Value::Number(number)) = answer.get("finish_reason") {
        let number = Value::String(number.to_string());
        answer.insert("finish_reason".to_owned(), number);
        changed = true;
    }
    let filters: Map<String, Value> =
        FILTERS.iter().filter_map(|name| Some(((*name).to_owned(), answer.remove(*name)?))).collect();
    if !filters.is_empty() {
        answer.insert("filters".to_owned(), Value::Object(filters));
        changed = true;
    }
    changed | unpack(answer)
}

/// Replaces a response in parts by its text, and its part for refusals by the field.
fn unpack(answer: &mut Map<String, Value>) -> bool {
    let Some(response @ (Value::Array(_) | Value::Object(_))) = answer.get("response") else { return false };
    let parts = match response {
        Value::Array(parts) => parts.as_slice(),
        part => std::slice::from_ref(part),
    };
    let kind = |part: &Value| part.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let refusal =
        parts.iter().find_map(|part| part.get("refusal").and_then(Value::as_str)).map(str::to_owned);
    let calls = parts.iter().any(|part| {
        ["tool_use", "tool_call", "function_call"].iter().any(|name| kind(part).starts_with(name))
            || part.get("functionCall").is_some()
            || part.get("toolUse").is_some()
    });
    let text = if refusal.is_some() { Ok(String::new()) } else { conversation::text(response) };
    let Ok(text) = text else { return false };
    answer.insert("response".to_owned(), Value::String(text));
    if let Some(refusal) = refusal {
        answer.insert("refusal".to_owned(), Value::String(refusal));
    }
    if calls && answer.get("finish_reason").is_none_or(Value::is_null) {
        answer.insert("finish_reason".to_owned(), Value::String("tool_calls".to_owned()));
    }
    true
}

/// The answer in a provider's response body, by the fields of a request and the provider's own.
fn message_of(body: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut found = Map::new();
    take(body, &REASONS, &mut found);
    take(body, &FILTERS, &mut found);
    let blocked = found.keys().any(|name| name.starts_with("prompt")) && !body.contains_key("finish_reason");
    let (content, calls) = match content_of(body, &mut found) {
        Some(content) => content,
        // Gemini gives no candidate to a blocked prompt.
        None if blocked => (None, false),
        None => return None,
    };
    let reason = found.remove("incomplete_details").and_then(|details| details.get("reason").cloned());
    let status = found.remove("status").filter(|status| status != "completed");
    if let Some(reason) = reason.or(status) {
        found.insert("finish_reason".to_owned(), reason);
    } else if calls && !found.contains_key("finish_reason") {
        found.insert("finish_reason".to_owned(), Value::String("tool_calls".to_owned()));
    }
    found.insert("response".to_owned(), content.unwrap_or(Value::Null));
    Some(found)
}

/// The content of a body's answer by the body's shape, and whether it calls a tool; what else counts is added to
/// `found`.
fn content_of(body: &Map<String, Value>, found: &mut Map<String, Value>) -> Option<(Option<Value>, bool)> {
    let first = |name: &str| body.get(name)?.as_array()?.first()?.as_object();
    let calls = |message: &Map<String, Value>| {
        message.get("tool_calls").and_then(Value::as_array).is_some_and(|calls| !calls.is_empty())
    };
    if let Some(choice) = first("choices") {
        // Chat completions; completions have the text itself.
        take(choice, &["finish_reason"], found);
        take(choice, &FILTERS, found);
        let Some(message) = choice.get("message").and_then(Value::as_object) else {
            return Some((choice.get("text").cloned(), false));
        };
        take(message, &["refusal"], found);
        return Some((message.get("content").cloned(), calls(message)));
    }
    if let Some(candidate) = first("candidates") {
        take(candidate, &REASONS, found);
        take(candidate, &FILTERS, found);
        return Some((candidate.get("content").and_then(|content| content.get("parts")).cloned(), false));
    }
    if let Some(output) = body.get("output").and_then(Value::as_array) {
        // Responses: messages among reasoning and calls.
        take(body, &["incomplete_details", "status"], found);
        let is = |item: &Value, kind: &str| item.get("type").and_then(Value::as_str) == Some(kind);
        let content = output.iter().rfind(|item| is(item, "message")).and_then(|item| item.get("content"));
        return Some((content.cloned(), output.iter().any(|item| is(item, "function_call"))));
    }
    if let Some(message) = body.get("output").and_then(|output| output.get("message")) {
        return Some((message.get("content").cloned(), false));
    }
    if let Some(message) = body.get("message").and_then(Value::as_object) {
        take(body, &["finish_reason"], found);
        return Some((message.get("content").cloned(), calls(message)));
    }
    let content = body.get("content").filter(|content| content.is_array());
    content.map(|content| (Some(content.clone()), false))
}

/// Copies fields that hold something.
fn take(from: &Map<String, Value>, names: &[&str], to: &mut Map<String, Value>) {
    for name in names {
        if let Some(value) = from.get(*name).filter(|value| !value.is_null()) {
            to.insert((*name).to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::rewrite;

    fn rewritten(value: &Value) -> Value {
        let mut fields = value.as_object().unwrap().clone();
        rewrite(&mut fields);
        Value::Object(fields)
    }

    #[test]
    fn bodies_of_providers_are_brought_into_the_form_of_a_request() {
        let answer = json!({"response": "No.", "finish_reason": "stop"});
        for body in [
            json!({"id": "1", "model": "m", "usage": {}, "choices": [{"index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": "No.", "refusal": null}}]}),
            json!({"choices": [{"text": "No.", "finish_reason": "stop"}]}),
            json!({"candidates": [{"content": {"parts": [{"text": "No."}]}, "finishReason": "stop"}]}),
            json!({"type": "message", "content": [{"type": "thinking", "thinking": "x"}, {"type": "text", "text": "No."}],
                "stop_reason": "stop"}),
            json!({"output": {"message": {"content": [{"text": "No."}]}}, "stopReason": "stop"}),
            json!({"message": {"role": "assistant", "content": "No."}, "done_reason": "stop", "model": "m"}),
        ] {
            assert_eq!(rewritten(&body), answer, "{body}");
        }
        let response = json!({"object": "response", "status": "completed", "output": [
            {"type": "reasoning", "summary": []},
            {"type": "message", "content": [{"type": "output_text", "text": "No."}]},
        ]});
        assert_eq!(rewritten(&response), json!({"response": "No."}));
        let cut =
            json!({"output": [], "status": "incomplete", "incomplete_details": {"reason": "content_filter"}});
        assert_eq!(rewritten(&cut), json!({"response": null, "finish_reason": "content_filter"}));
        let blocked = json!({"promptFeedback": {"blockReason": "OTHER"}});
        assert_eq!(rewritten(&blocked), json!({"response": null, "filters": blocked}));
        let refused =
            json!({"choices": [{"message": {"content": null, "refusal": "No."}, "finish_reason": "stop"}]});
        assert_eq!(rewritten(&refused), json!({"response": null, "refusal": "No.", "finish_reason": "stop"}));
        let called = json!({"choices": [{"message": {"content": null, "tool_calls": [{"id": "1"}]}}]});
        assert_eq!(rewritten(&called), json!({"response": null, "finish_reason": "tool_calls"}));
    }

    #[test]
    fn parts_and_other_names_are_read() {
        let part = |kind: &str, name: &str, text: &str| json!({"response": [{"type": kind, name: text}]});
        assert_eq!(rewritten(&part("text", "text", "No.")), json!({"response": "No."}));
        assert_eq!(rewritten(&part("refusal", "refusal", "No.")), json!({"response": "", "refusal": "No."}));
        assert_eq!(
            rewritten(&json!({"response": {"role": "assistant", "content": "No."}})),
            json!({"response": "No."})
        );
        let named = json!({"response": "", "stop_reason": "refusal", "stop_details": {"type": "refusal"}});
        assert_eq!(
            rewritten(&named),
            json!({"response": "", "finish_reason": "refusal", "filters": {"stop_details": {"type": "refusal"}}})
        );
        assert_eq!(
            rewritten(&json!({"response": null, "finish_reason": 3})),
            json!({"response": null, "finish_reason": "3"})
        );
        let plain = json!({"response": "No.", "prompt": "a"});
        assert_eq!(rewritten(&plain), plain);
    }
}
