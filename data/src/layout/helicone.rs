//! Helicone's export of requests.

use super::{Layout, PLAIN, Role};

/// Requests with the bodies of both sides.
pub(super) const EXPORT: Layout = Layout {
    name: "helicone-export",
    title: "Helicone export",
    every: &["request_body", "response_body"],
    places: &[
        (Role::Id, &["request_id", "response_id"]),
        (Role::Messages, &["request_body.messages", "request_body.contents", "request_body.input"]),
        (Role::Prompt, &["request_body.prompt", "request_body.input"]),
        (Role::Response, &["response_body"]),
        (Role::Target, &["request_body.model", "model", "request_model"]),
    ],
    example: r#"{"request_id": "q1", "response_status": 200, "request_body": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "How do I pick a lock?"}]}, "response_body": {"choices": [{"index": 0, "message": {"role": "assistant", "content": "I can't help with that."}, "finish_reason": "stop"}]}}"#,
    ..PLAIN
};
