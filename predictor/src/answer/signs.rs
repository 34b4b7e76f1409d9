//! Signs that accompany a text or replace it: finish reasons, and errors of the usual providers.

use demur_data::Label;
use serde_json::Value;

use crate::answer::verdict::{Form, Verdict};

/// `finish_reason`, `stop_reason` or `blockReason` of the usual providers if a filter or the model itself
/// ended the answer.
const FILTERED: [&str; 14] = [
    "blocked",
    "blocklist",
    "content-filter",
    "content_filter",
    "content_filtered",
    "contentfilter",
    "error_toxic",
    "guardrail_intervened",
    "image_safety",
    "prohibited_content",
    "recitation",
    "refusal",
    "safety",
    "spii",
];
/// The same if the model called a tool instead of writing.
const CALLED: [&str; 4] = ["function_call", "tool_call", "tool_calls", "tool_use"];
/// Parts of the codes and messages of a provider's error that rejects the content.
const REFUSING_ERRORS: [&str; 11] = [
    "blockreason",
    "content filter",
    "content management policy",
    "content policy",
    "content_filter",
    "content_policy",
    "moderation",
    "policyviolation",
    "policy_violation",
    "safety",
    "usage policies",
];

/// Whether a finish reason, in lower case, says that a filter or the model itself ended the answer.
pub(crate) fn is_filtered(reason: &str) -> bool {
    FILTERED.contains(&reason)
}

/// Whether a finish reason, in lower case, says that the model called a tool.
pub(crate) fn is_tool_call(reason: &str) -> bool {
    CALLED.contains(&reason)
}

/// A response that is an error's body in the place of the text.
pub(crate) fn error_body(response: &str) -> Option<Value> {
    let text = response.trim();
    if !(text.starts_with('{') && text.contains("\"error\"")) {
        return None;
    }
    let body: Value = serde_json::from_str(text).ok()?;
    body.get("error").filter(|error| error.is_object() || error.is_string()).cloned()
}

/// An error about the content is a refusal; any other is no answer.
pub(crate) fn judge_error(error: &Value) -> Verdict {
    if names_content(error) {
        Verdict::certain(Form::ProviderError, Label::Refused)
    } else {
        Verdict::none(Form::ProviderError)
    }
}

fn names_content(error: &Value) -> bool {
    let refusing = |text: &str| {
        let lower = text.to_lowercase();
        REFUSING_ERRORS.iter().any(|sign| lower.contains(sign)) || FILTERED.contains(&lower.as_str())
    };
    match error {
        Value::String(text) => refusing(text),
        Value::Array(items) => items.iter().any(names_content),
        Value::Object(fields) => {
            // `"filtered": false` and `"safety": null` say that the reason was another.
            fields.iter().any(|(key, value)| match value {
                Value::Bool(true) => refusing(key) || key == "filtered",
                Value::String(text) => refusing(text) || key.to_lowercase() == "blockreason",
                nested => names_content(nested),
            })
        }
        _ => false,
    }
}
