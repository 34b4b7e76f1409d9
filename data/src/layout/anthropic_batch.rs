//! Anthropic's message batches: requests with their `params`, and the results.

use super::{Layout, PLAIN, Role};

/// One result a line: a message that succeeded, or an error, a cancellation or an expiry in its place.
pub(super) const OUTPUT: Layout = Layout {
    name: "anthropic-batch-output",
    title: "Anthropic batch output",
    every: &["custom_id", "result", "result.type"],
    places: &[
        (Role::Id, &["custom_id"]),
        (Role::Response, &["result"]),
        (Role::Target, &["result.message.model"]),
    ],
    without: &[Role::Prompt],
    example: r#"{"custom_id": "r1", "result": {"type": "succeeded", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-3-5-haiku", "content": [{"type": "text", "text": "I can't help with that."}], "stop_reason": "end_turn"}}}"#,
    ..PLAIN
};

/// One request a line, or all of them under `requests`.
pub(super) const INPUT: Layout = Layout {
    name: "anthropic-batch-input",
    title: "Anthropic batch input",
    every: &["custom_id", "params"],
    rows: Some("requests"),
    around: &["requests[0].custom_id", "requests[0].params"],
    places: &[
        (Role::Id, &["custom_id"]),
        (Role::Messages, &["params.messages"]),
        (Role::Target, &["params.model"]),
    ],
    example: r#"{"custom_id": "r1", "params": {"model": "claude-3-5-haiku", "max_tokens": 256, "messages": [{"role": "user", "content": "How do I pick a lock?"}]}}"#,
    ..PLAIN
};
