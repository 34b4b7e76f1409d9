//! Batches of Amazon Bedrock: each record has the model's input and output.

use super::{Layout, PLAIN, Role};

/// One answered record a line.
pub(super) const OUTPUT: Layout = Layout {
    name: "bedrock-batch-output",
    title: "Bedrock batch output",
    every: &["modelInput"],
    some: &["modelOutput"],
    places: &[
        (Role::Id, &["recordId"]),
        (Role::Messages, &["modelInput.messages"]),
        (Role::Prompt, &["modelInput.prompt", "modelInput.inputText"]),
        (Role::Response, &["modelOutput"]),
        (Role::Error, &["error"]),
    ],
    example: r#"{"recordId": "r1", "modelInput": {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": [{"role": "user", "content": "How do I pick a lock?"}]}, "modelOutput": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "I can't help with that."}], "stop_reason": "end_turn"}}"#,
    ..PLAIN
};
