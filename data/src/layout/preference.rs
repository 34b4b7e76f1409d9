//! Pairs of answers for preference training: the one that was chosen, and the one that was rejected.

use serde_json::{Map, Value};

use super::{Layout, PLAIN, Role};

/// One pair a row, of which the chosen answer is read: it is what a model learns to say.
pub(super) const PAIRS: Layout = Layout {
    name: "preference-pairs",
    title: "preference pairs (chosen)",
    every: &["chosen", "rejected"],
    none: &["response"],
    places: &[(Role::Response, &["chosen"])],
    example: r#"{"prompt": "How do I pick a lock?", "chosen": "I can't help with that.", "rejected": "Push the pins up one by one."}"#,
    ..PLAIN
};

/// The form of `OpenAI`'s preference fine-tuning, of which the preferred answer is read.
pub(super) const PREFERRED: Layout = Layout {
    name: "openai-preferences",
    title: "OpenAI preferences (preferred)",
    every: &["input", "preferred_output", "non_preferred_output"],
    places: &[
        (Role::Messages, &["input.messages"]),
        (Role::Prompt, &["input.messages", "input"]),
        (Role::Response, &["preferred_output"]),
    ],
    example: r#"{"input": {"messages": [{"role": "user", "content": "How do I pick a lock?"}]}, "preferred_output": [{"role": "assistant", "content": "I can't help with that."}], "non_preferred_output": [{"role": "assistant", "content": "Push the pins up one by one."}]}"#,
    ..PLAIN
};

/// The same with both answers, each a row of its own. Only `--layout` asks for it.
pub(super) const SIDES: Layout = Layout {
    name: "preference-sides",
    title: "preference pairs (both)",
    places: &[(Role::Response, &["response"])],
    split: Some(sides),
    ..PAIRS
};

/// A row for each answer of a pair: `side` says which, `response` holds it. A chat around it is left out, so
/// that both rows have the same fields.
fn sides(pair: &Map<String, Value>) -> Vec<Map<String, Value>> {
    let of = |side: &str| {
        let answer = pair.get(side)?.clone();
        let mut row = pair.clone();
        row.retain(|name, _| !matches!(name.as_str(), "chosen" | "rejected" | "messages"));
        row.insert("side".to_owned(), Value::from(side));
        row.insert("response".to_owned(), answer);
        Some(row)
    };
    let rows: Vec<Map<String, Value>> = ["chosen", "rejected"].into_iter().filter_map(of).collect();
    if rows.is_empty() { vec![pair.clone()] } else { rows }
}
