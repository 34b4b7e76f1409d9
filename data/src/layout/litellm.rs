//! `LiteLLM`'s standard logging payload, as its logs and callbacks write it.

use super::{Layout, PLAIN, Role};

/// One call a line: the messages, the response, and an error's text in its place.
pub(super) const LOG: Layout = Layout {
    name: "litellm-log",
    title: "LiteLLM log",
    every: &["call_type", "messages", "response"],
    places: &[
        (Role::Id, &["id", "litellm_call_id"]),
        (Role::Messages, &["messages"]),
        (Role::Response, &["response"]),
        (Role::Target, &["model"]),
        (Role::Error, &["error_information", "error_str"]),
        (Role::Filters, &["guardrail_information"]),
    ],
    without: &[Role::Prompt],
    example: r#"{"id": "chatcmpl-1", "trace_id": "t1", "call_type": "acompletion", "status": "success", "model": "gpt-4o-mini", "messages": [{"role": "user", "content": "How do I pick a lock?"}], "response": {"choices": [{"finish_reason": "stop", "index": 0, "message": {"role": "assistant", "content": "I can't help with that."}}]}, "error_str": null, "response_cost": 0.0001}"#,
    ..PLAIN
};
