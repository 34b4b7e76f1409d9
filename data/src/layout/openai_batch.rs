//! `OpenAI`'s batches: requests by `custom_id`, and the file of answers to them. Azure's are the same.

use super::{Layout, PLAIN, Role};

/// One answered request a line. The body is that of a chat completion, a completion or a response.
pub(super) const OUTPUT: Layout = Layout {
    name: "openai-batch-output",
    title: "OpenAI batch output",
    every: &["custom_id", "response", "error"],
    places: &[
        (Role::Id, &["custom_id"]),
        (Role::Response, &["response.body"]),
        (Role::Target, &["response.body.model"]),
        (Role::Error, &["error", "response.body.error"]),
    ],
    without: &[Role::Prompt],
    example: r#"{"id": "batch_req_1", "custom_id": "r1", "response": {"status_code": 200, "request_id": "q1", "body": {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini", "choices": [{"index": 0, "message": {"role": "assistant", "content": "I can't help with that.", "refusal": null}, "finish_reason": "stop"}]}}, "error": null}"#,
    ..PLAIN
};

/// One request a line, before it is sent.
pub(super) const INPUT: Layout = Layout {
    name: "openai-batch-input",
    title: "OpenAI batch input",
    every: &["custom_id", "body", "url"],
    places: &[
        (Role::Id, &["custom_id"]),
        (Role::Messages, &["body.messages", "body.input"]),
        (Role::Prompt, &["body.input", "body.prompt"]),
        (Role::Target, &["body.model"]),
    ],
    example: r#"{"custom_id": "r1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-4o-mini", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How do I pick a lock?"}]}}"#,
    ..PLAIN
};
