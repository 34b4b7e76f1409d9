//! Requests to `/v1/classify` in the forms that clients have at hand: a provider's response body as it came, and a
//! provider's own names of fields.
//!
//! They are read only if a request is not in the documented form, and then brought into it. What a body says is
//! read in one place, [`provider_answer`].

use demur_data::provider_answer;
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
/// Fields of a request that may stand beside a provider's body. Its `model` is the provider's.
const KEPT: [&str; 5] = ["prompt", "policy", "cheap", "cascade", "prefix"];

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
    if let Some(request) = with_body(answer) {
        *answer = request;
        return true;
    }
    let mut changed = false;
    if !answer.contains_key("response")
        && let Some(parts) = answer.remove("content")
    {
        answer.insert("response".to_owned(), parts);
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
    changed
}

/// The request that holds a provider's body, if an answer is one.
fn with_body(answer: &Map<String, Value>) -> Option<Map<String, Value>> {
    // Ollama has a text `response` of its own, and says beside it whether it is done.
    if answer.contains_key("body") || (answer.contains_key("response") && !answer.contains_key("done")) {
        return None;
    }
    let mut body = answer.clone();
    let is_kept = |name: &&str| *name != "prompt" || answer.get(*name).is_some_and(Value::is_string);
    let kept = KEPT.into_iter().filter(is_kept);
    let mut request: Map<String, Value> =
        kept.filter_map(|name| Some((name.to_owned(), body.remove(name)?))).collect();
    let body = Value::Object(body);
    provider_answer(&body)?;
    request.insert("body".to_owned(), body);
    Some(request)
}
