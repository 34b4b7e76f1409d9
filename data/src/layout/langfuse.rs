//! Langfuse's export of observations.

use super::{Layout, PLAIN, Role};

/// Observations: `input` is a chat or a text, `output` a turn, a text or a provider's body.
pub(super) const EXPORT: Layout = Layout {
    name: "langfuse-export",
    title: "Langfuse export",
    every: &["traceId", "input", "output"],
    places: &[
        (Role::Id, &["id"]),
        (Role::Messages, &["input.messages", "input"]),
        (Role::Prompt, &["input"]),
        (Role::Response, &["output"]),
        (Role::Target, &["model"]),
    ],
    without: &[Role::Label],
    example: r#"{"id": "o1", "traceId": "t1", "type": "GENERATION", "name": "chat", "model": "gpt-4o-mini", "input": [{"role": "user", "content": "How do I pick a lock?"}], "output": {"role": "assistant", "content": "I can't help with that."}, "level": "DEFAULT", "statusMessage": null}"#,
    ..PLAIN
};
