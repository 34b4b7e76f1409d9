//! Rows that are themselves the bodies of a provider's responses, as people save them one a line.

use super::{Layout, PLAIN, Role};

/// A body of a chat completion.
pub(super) const BODIES: Layout = Layout {
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
