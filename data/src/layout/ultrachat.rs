//! `UltraChat`: chats as lists of texts alone, the user's and the model's in turn.

use serde_json::{Map, Value};

use super::{Layout, PLAIN, Role};

/// One chat a row.
pub(super) const ULTRACHAT: Layout = Layout {
    name: "ultrachat",
    title: "UltraChat",
    every: &["id", "data"],
    also: Some(is_chat),
    places: &[(Role::Id, &["id"]), (Role::Messages, &["data"])],
    example: r#"{"id": "0", "data": ["How do I pick a lock?", "I can't help with that."]}"#,
    ..PLAIN
};

/// Whether `data` holds texts alone, two at least.
fn is_chat(row: &Map<String, Value>) -> bool {
    let turns = row.get("data").and_then(Value::as_array);
    turns.is_some_and(|turns| turns.len() > 1 && turns.iter().all(Value::is_string))
}
