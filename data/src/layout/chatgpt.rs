//! `ChatGPT`'s own export of a user's conversations: a tree of messages, of which one branch is the chat.

use serde_json::{Map, Value};

use super::{Layout, PLAIN, Role};

/// Where the turns of the branch are, after [`branch`].
const TURNS: &str = "the branch that was kept";

/// The longest branch that is followed.
const LONGEST: usize = 1 << 16;

/// One conversation a row.
pub(super) const EXPORT: Layout = Layout {
    name: "chatgpt-export",
    title: "ChatGPT export",
    every: &["title", "mapping"],
    places: &[
        (Role::Id, &["conversation_id", "id"]),
        (Role::Messages, &[TURNS]),
        (Role::Target, &["default_model_slug"]),
    ],
    reshape: Some(branch),
    example: r#"{"title": "Locks", "mapping": {"n0": {"id": "n0", "message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["How do I pick a lock?"]}}, "parent": null}, "n1": {"id": "n1", "message": {"author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["I can't help with that."]}}, "parent": "n0"}}, "current_node": "n1", "conversation_id": "c1", "default_model_slug": "gpt-4o-mini"}"#,
    ..PLAIN
};

/// Puts the messages from the first to the current one in order. Without a current one it is the last in the
/// file.
fn branch(row: &mut Map<String, Value>) {
    let Some(nodes) = row.get("mapping").and_then(Value::as_object) else { return };
    let current = row.get("current_node").and_then(Value::as_str);
    let mut at = current.or_else(|| nodes.keys().next_back().map(String::as_str));
    let mut turns = Vec::new();
    while let Some(node) = at.and_then(|name| nodes.get(name)).filter(|_| turns.len() < LONGEST) {
        turns.push(node.get("message").cloned().unwrap_or_default());
        at = node.get("parent").and_then(Value::as_str);
    }
    turns.retain(Value::is_object);
    turns.reverse();
    row.insert(TURNS.to_owned(), Value::Array(turns));
}
