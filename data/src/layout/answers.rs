//! Rows that hold several answers to one prompt: two models side by side, or a list of answers. Each answer
//! is read as a row of its own.

use serde_json::{Map, Value};

use super::{Layout, PLAIN, Role};
use crate::columns::{PROMPT, RESPONSE, usual};
use crate::conversation;
use crate::python::nested;

/// Where the text of an answer is, and the model that gave it, after [`sides`] or [`listed`].
const PLACES: &[(Role, &[&str])] = &[
    (
        Role::Response,
        &[
            "response.response",
            "response.answer",
            "response.text",
            "response.output",
            "response.completion",
            "response.generated_text",
            "response",
        ],
    ),
    (Role::Target, &["response.model", "response.model_name", "model", "target", "generator"]),
];

/// Two models side by side, as arenas and sets of comparisons have them.
pub(super) const ARENA: Layout = Layout {
    name: "arena-pairs",
    title: "arena pairs (both)",
    also: Some(|row| pair_of(row).is_some()),
    split: Some(sides),
    places: PLACES,
    without: &[Role::Label],
    example: r#"{"id": 1, "model_a": "vicuna-13b", "model_b": "gpt-4o-mini", "prompt": "How do I pick a lock?", "response_a": "I can't help with that.", "response_b": "Push the pins up one by one.", "winner": "model_b"}"#,
    ..PLAIN
};

/// A prompt and a list of answers to it.
pub(super) const SEVERAL: Layout = Layout {
    name: "several-answers",
    title: "several answers a row",
    also: Some(|row| list_of(row).is_some()),
    split: Some(listed),
    places: PLACES,
    example: r#"{"instruction": "How do I pick a lock?", "completions": [{"model": "vicuna-13b", "response": "I can't help with that."}, {"model": "gpt-4o-mini", "response": "Push the pins up one by one."}]}"#,
    ..PLAIN
};

/// Names of answers before the mark of a side, and of chats.
const ANSWERS: [&str; 7] =
    ["response", "answer", "output", "completion", "generation", "conversation", "messages"];
/// The marks of both sides.
const SIDES: [(&str, &str); 5] = [("_a", "_b"), ("_A", "_B"), ("_0", "_1"), ("_1", "_2"), ("1", "2")];
/// Names of lists of answers.
const LISTS: [&str; 8] = [
    "responses",
    "answers",
    "outputs",
    "completions",
    "generations",
    "candidates",
    "samples",
    "generated_responses",
];
/// Which answer of the list a row has.
const INDEX: &str = "answer_index";

/// The name and the marks of the two answers of a row.
fn pair_of(row: &Map<String, Value>) -> Option<(&'static str, (&'static str, &'static str))> {
    let has = |name: &str, side: &str| row.contains_key(&format!("{name}{side}"));
    let names: Vec<&str> = row.keys().map(String::as_str).collect();
    // Beside an answer, or with a third, they are choices of a question.
    let are_choices =
        usual(&names, RESPONSE).is_some() || ["answer_c", "answer_3"].iter().any(|name| names.contains(name));
    let mut pairs = ANSWERS.into_iter().flat_map(|name| SIDES.into_iter().map(move |sides| (name, sides)));
    pairs.find(|(name, (a, b))| !are_choices && has(name, a) && has(name, b))
}

/// A row for each of two answers: `side` says which, and `model` who gave it.
fn sides(row: &Map<String, Value>) -> Vec<Map<String, Value>> {
    let Some((name, (a, b))) = pair_of(row) else { return vec![row.clone()] };
    let of = |side: &str| {
        let mut one = row.clone();
        one.retain(|field, _| field.strip_prefix(name).is_none_or(|mark| mark != a && mark != b));
        one.insert("side".to_owned(), Value::from(side.trim_start_matches('_')));
        let model =
            ["model", "generator", "model_name"].iter().find_map(|field| row.get(&format!("{field}{side}")));
        one.extend(model.map(|model| ("model".to_owned(), model.clone())));
        let answer = row.get(&format!("{name}{side}")).cloned().unwrap_or_default();
        let is_chat = conversation::is_usual(name);
        one.insert(if is_chat { name } else { "response" }.to_owned(), last(answer));
        if let Some(prompt) = one.get_mut("prompt") {
            *prompt = last(std::mem::take(prompt));
        }
        one
    };
    vec![of(a), of(b)]
}

/// The last text of a list that is written as text, one for each turn; other values as they are.
fn last(value: Value) -> Value {
    let turns = value.as_str().filter(|text| text.starts_with('[')).and_then(nested);
    match turns {
        Some(Value::Array(turns)) if turns.iter().all(|turn| turn.is_string() || turn.is_null()) => {
            turns.into_iter().next_back().unwrap_or_default()
        }
        _ => value,
    }
}

/// The name of the list of answers of a row that has a prompt and no other answer.
fn list_of(row: &Map<String, Value>) -> Option<&'static str> {
    let names: Vec<&str> = row.keys().map(String::as_str).collect();
    let is_answered = usual(&names, RESPONSE).is_some() || usual(&names, conversation::USUAL).is_some();
    if is_answered || usual(&names, PROMPT).is_none() {
        return None;
    }
    let is_answer = |value: &Value| value.is_string() || value.is_null() || value.is_object();
    LISTS.into_iter().find(|name| {
        let list = row.get(*name).and_then(Value::as_array);
        list.is_some_and(|list| !list.is_empty() && list.iter().all(is_answer))
    })
}

/// A row for each answer of the list.
fn listed(row: &Map<String, Value>) -> Vec<Map<String, Value>> {
    let Some(name) = list_of(row) else { return vec![row.clone()] };
    let answers = row.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let of = |(number, answer): (usize, Value)| {
        let mut one = row.clone();
        one.remove(name);
        one.insert(INDEX.to_owned(), Value::from(number));
        one.insert("response".to_owned(), answer);
        one
    };
    answers.into_iter().enumerate().map(of).collect()
}
