//! Batches of Gemini and Vertex AI: requests with their `contents`, and the same with a response each.

use super::{Layout, PLAIN, Role};

/// One answered request a line, by `key` (Gemini), or beside the request itself (Vertex AI).
pub(super) const OUTPUT: Layout = Layout {
    name: "gemini-batch-output",
    title: "Gemini batch output",
    some: &["response.candidates"],
    // A body beside a prompt is a log of someone's own.
    also: Some(|row| ["key", "request", "custom_id"].iter().any(|name| row.contains_key(*name))),
    places: &[
        (Role::Id, &["key", "custom_id"]),
        (Role::Messages, &["request.contents"]),
        (Role::Response, &["response"]),
        (Role::Target, &["response.modelVersion", "response.model_version"]),
        (Role::Error, &["error", "response.error"]),
    ],
    without: &[Role::Prompt],
    example: r#"{"key": "r1", "request": {"contents": [{"role": "user", "parts": [{"text": "How do I pick a lock?"}]}]}, "response": {"candidates": [{"content": {"role": "model", "parts": [{"text": "I can't help with that."}]}, "finishReason": "STOP"}], "modelVersion": "gemini-2.0-flash"}}"#,
    ..PLAIN
};

/// One request a line, before it is sent.
pub(super) const INPUT: Layout = Layout {
    name: "gemini-batch-input",
    title: "Gemini batch input",
    every: &["request"],
    some: &["request.contents"],
    none: &["response"],
    places: &[(Role::Id, &["key", "custom_id"]), (Role::Messages, &["request.contents"])],
    example: r#"{"key": "r1", "request": {"contents": [{"role": "user", "parts": [{"text": "How do I pick a lock?"}]}]}}"#,
    ..PLAIN
};
