//! Rows that are themselves the bodies of a provider's responses, as people save them one a line.

use serde_json::{Map, Value};

use super::{Layout, PLAIN, Role};
use crate::path::Path;

/// A body of a chat completion.
pub(super) const COMPLETIONS: Layout = Layout {
    name: "chat-completions",
    title: "chat completion bodies",
    every: &["choices", "model"],
    some: &["choices[0]"],
    none: &["response", "output"],
    places: &[
        (Role::Id, &["id"]),
        (Role::Messages, &["messages", "request.messages"]),
        (Role::Response, &["choices[0]"]),
        (Role::Target, &["model"]),
        (Role::Error, &["error"]),
    ],
    example: r#"{"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini", "choices": [{"index": 0, "message": {"role": "assistant", "content": "I can't help with that."}, "finish_reason": "stop"}]}"#,
    ..PLAIN
};

/// A body of another provider, or an error in its place.
pub(super) const BODIES: Layout = Layout {
    name: "provider-bodies",
    title: "provider bodies",
    also: Some(is_body),
    places: &[
        (Role::Id, &["id", "responseId", "request_id"]),
        (Role::Messages, &["messages", "request.messages", "request.contents"]),
        (Role::Response, &[BODY]),
        (Role::Target, &["model", "modelVersion"]),
    ],
    reshape: Some(|row| {
        let body = Value::Object(row.clone());
        row.insert(BODY.to_owned(), body);
    }),
    example: r#"{"candidates": [{"content": {"role": "model", "parts": [{"text": "I can't help with that."}]}, "finishReason": "STOP"}], "modelVersion": "gemini-2.0-flash"}"#,
    ..PLAIN
};

/// Where the whole row is, for the fields to be read from.
const BODY: &str = "the whole body";

/// What the bodies of each provider show: fields that are all there.
const SHOWN: [&[&str]; 14] = [
    &["candidates[0]", "modelVersion"],
    &["candidates[0]", "usageMetadata"],
    &["candidates[0].content.parts"],
    &["candidates[0].finishReason"],
    &["promptFeedback"],
    &["message.role", "done"],
    &["message.role", "finish_reason"],
    &["output.message", "stopReason"],
    &["results[0].outputText"],
    &["generation", "stop_reason"],
    &["generations[0].text"],
    &["content", "stop", "tokens_predicted"],
    &["choices[0].message"],
    &["choices[0].text"],
];

fn is_body(row: &Map<String, Value>) -> bool {
    let has = |path: &&str| Path::parse(path).get(row).is_some();
    let says = |name: &str, value: &str| row.get(name).and_then(Value::as_str) == Some(value);
    SHOWN.iter().any(|paths| paths.iter().all(has))
        || says("object", "response") && row.contains_key("output")
        || says("type", "message") && says("role", "assistant") && row.contains_key("content")
        || is_error(row)
}

/// An error that came instead of a body, and nothing that was asked or answered.
fn is_error(row: &Map<String, Value>) -> bool {
    let is_one = row.get("error").is_some_and(Value::is_object)
        || row.get("object").and_then(Value::as_str) == Some("error") && row.contains_key("message");
    is_one
        && !["prompt", "response", "messages", "input", "output"].iter().any(|name| row.contains_key(*name))
}
