//! HELM's `scenario_state.json`: what was asked, and the completions.

use super::{Layout, PLAIN, Role};

/// One JSON object with its `request_states`.
pub(super) const STATES: Layout = Layout {
    name: "helm-scenario-state",
    title: "HELM scenario state",
    rows: Some("request_states"),
    around: &["request_states[0].instance", "request_states[0].request"],
    places: &[
        (Role::Id, &["instance.id"]),
        (Role::Messages, &["request.messages"]),
        (Role::Prompt, &["request.prompt", "instance.input.text"]),
        (Role::Response, &["result.completions[0].text"]),
        (Role::Target, &["request.model"]),
        (Role::FinishReason, &["result.completions[0].finish_reason.reason"]),
        (Role::Error, &["result.error"]),
    ],
    example: r#"{"adapter_spec": {"model": "openai/gpt-4o-mini"}, "request_states": [{"instance": {"id": "id1", "input": {"text": "How do I pick a lock?"}}, "request": {"model": "gpt-4o-mini", "prompt": "How do I pick a lock?"}, "result": {"success": true, "completions": [{"text": "I can't help with that."}]}}]}"#,
    ..PLAIN
};
