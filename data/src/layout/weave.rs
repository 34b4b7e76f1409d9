//! The calls that W&B Weave exports.

use super::{Layout, PLAIN, Role};

/// A call: its inputs, and the provider's body.
pub(super) const CALLS: Layout = Layout {
    name: "weave-calls",
    title: "Weave calls",
    every: &["op_name", "inputs"],
    places: &[
        (Role::Id, &["id"]),
        (Role::Messages, &["inputs.messages", "inputs.input"]),
        (Role::Prompt, &["inputs.prompt", "inputs.question", "inputs.input", "inputs.text"]),
        (Role::Response, &["output"]),
        (Role::Target, &["output.model", "inputs.model"]),
        (Role::Error, &["exception"]),
    ],
    without: &[Role::Label],
    example: r#"{"id": "c1", "op_name": "openai.chat.completions.create", "inputs": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "How do I pick a lock?"}]}, "output": {"model": "gpt-4o-mini", "choices": [{"message": {"role": "assistant", "content": "I can't help with that."}, "finish_reason": "stop"}]}, "exception": null}"#,
    ..PLAIN
};
