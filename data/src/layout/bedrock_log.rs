//! Amazon Bedrock's log of invocations.

use super::{Layout, PLAIN, Role};

/// One call a row: the request's body and the response's.
pub(super) const LOG: Layout = Layout {
    name: "bedrock-invocation-log",
    title: "Bedrock invocation log",
    every: &["modelId", "input"],
    some: &["input.inputBodyJson"],
    places: &[
        (Role::Id, &["requestId"]),
        (Role::Messages, &["input.inputBodyJson.messages"]),
        (Role::Prompt, &["input.inputBodyJson.prompt", "input.inputBodyJson.inputText"]),
        (Role::Response, &["output.outputBodyJson"]),
        (Role::Target, &["modelId"]),
        (Role::Error, &["errorCode"]),
    ],
    example: r#"{"schemaType": "ModelInvocationLog", "requestId": "q1", "operation": "InvokeModel", "modelId": "anthropic.claude-3-5-haiku", "input": {"inputBodyJson": {"messages": [{"role": "user", "content": "How do I pick a lock?"}]}}, "output": {"outputBodyJson": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "I can't help with that."}], "stop_reason": "end_turn"}}}"#,
    ..PLAIN
};
