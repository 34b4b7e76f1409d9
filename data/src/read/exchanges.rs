//! The exchanges of a chat, what the user said and what was answered, so that some of them can be taken out
//! of a row.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Map, Value};

use super::texts::TextReader;
use crate::conversation::{self, Conversation};
use crate::path::Path;
use crate::python::nested;

/// The exchanges of a row's chat. What stands before the first of them, such as a system prompt, belongs to
/// none.
#[derive(Debug)]
pub struct Exchanges {
    path: Path,
    turns: Vec<Value>,
    found: Vec<(Range<usize>, Conversation)>,
}

impl TextReader {
    /// The exchanges of a row that has a chat; `None` of other rows, and of those that a layout reads in
    /// another shape.
    #[must_use]
    pub fn exchanges(&self, row: &Map<String, Value>) -> Option<Exchanges> {
        if matches!(self.finder().as_read(row), Cow::Owned(_)) {
            return None;
        }
        let (name, cell) = self.finder().chat_cell(row)?;
        let unpacked = cell.as_str().and_then(nested);
        let turns = conversation::list(unpacked.as_ref().unwrap_or(&cell)).ok()?.to_vec();
        let found = exchanges(&turns).ok()?;
        Some(Exchanges { path: Path::parse(name), turns, found })
    }
}

impl Exchanges {
    /// What each exchange says, in order.
    pub fn said(&self) -> impl Iterator<Item = &Conversation> {
        self.found.iter().map(|(_, said)| said)
    }

    /// The row with the wanted exchanges alone, one flag for each; `None` if its chat cannot be replaced.
    #[must_use]
    pub fn with(&self, row: &Map<String, Value>, wanted: &[bool]) -> Option<Map<String, Value>> {
        let before = self.found.first().map_or(0, |(turns, _)| turns.start);
        let mut turns = self.turns[..before].to_vec();
        for ((range, _), _) in self.found.iter().zip(wanted).filter(|(_, wanted)| **wanted) {
            turns.extend_from_slice(&self.turns[range.clone()]);
        }
        let mut row = Value::Object(row.clone());
        let cell = self.path.place_in(&mut row)?;
        *cell = replaced(cell, turns);
        match row {
            Value::Object(row) => Some(row),
            _ => None,
        }
    }
}

/// The exchanges among some turns: each begins where the user speaks after somebody else.
fn exchanges(turns: &[Value]) -> Result<Vec<(Range<usize>, Conversation)>, String> {
    let read = conversation::turns_of(turns)?;
    if read.len() != turns.len() {
        return Err("a value of the list holds several turns".to_owned());
    }
    let of_user: Vec<bool> = read.iter().map(|turn| conversation::is_user(&turn.role)).collect();
    let begins = |&at: &usize| of_user[at] && (at == 0 || !of_user[at - 1]);
    let starts: Vec<usize> = (0..turns.len()).filter(begins).collect();
    let ends = starts.iter().skip(1).copied().chain([turns.len()]);
    let ranges = starts.iter().zip(ends).map(|(&start, end)| start..end);
    ranges.map(|range| Ok((range.clone(), Conversation::of_turns(&turns[range])?))).collect()
}

/// A cell of the same shape with other turns: a list, an object that has it, or either as JSON text.
fn replaced(cell: &Value, turns: Vec<Value>) -> Value {
    match cell {
        Value::String(text) => Value::String(replaced(&nested(text).unwrap_or_default(), turns).to_string()),
        Value::Object(fields) => {
            let mut fields = fields.clone();
            if let Some(name) = conversation::list_name(&fields) {
                fields.insert(name.to_owned(), Value::Array(turns));
            }
            Value::Object(fields)
        }
        _ => Value::Array(turns),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ReadOptions;

    fn with(row: &Value, wanted: &[bool]) -> Value {
        let row = row.as_object().unwrap();
        let options = ReadOptions { need_response: true, ..ReadOptions::default() };
        let reader = TextReader::new(&"a.jsonl".into(), vec![row.clone()], None, &options).unwrap();
        let exchanges = reader.exchanges(row).unwrap();
        assert_eq!(exchanges.said().count(), wanted.len());
        Value::Object(exchanges.with(row, wanted).unwrap())
    }

    #[test]
    fn exchanges_are_taken_out_of_chats_of_every_shape() {
        let turn = |role: &str, said: &str| json!({"role": role, "content": said});
        let chat = [
            turn("system", "s"),
            turn("user", "a"),
            turn("assistant", "A"),
            turn("user", "b"),
            turn("assistant", "B"),
        ];
        let left = json!([chat[0], chat[3], chat[4]]);
        let list = json!(chat);
        assert_eq!(
            with(&json!({"id": 1, "messages": list}), &[false, true]),
            json!({"id": 1, "messages": left})
        );
        let text = with(&json!({"messages": list.to_string()}), &[false, true]);
        assert_eq!(text, json!({"messages": left.to_string()}));
        let shared = |said: [&str; 4]| {
            let from = ["human", "gpt", "human", "gpt"];
            json!(
                from.iter()
                    .zip(said)
                    .map(|(from, value)| json!({"from": from, "value": value}))
                    .collect::<Vec<_>>()
            )
        };
        let found = with(&json!({"conversations": shared(["a", "A", "b", "B"])}), &[true, false]);
        assert_eq!(found["conversations"].as_array().unwrap().len(), 2);
        assert_eq!(found["conversations"][1]["value"], "A");
    }

    #[test]
    fn calls_of_tools_and_doubled_turns_belong_to_their_exchange() {
        let turn = |role: &str, said: &str| json!({"role": role, "content": said});
        let chat = json!([
            turn("user", "a"),
            turn("user", "b"),
            turn("assistant", ""),
            turn("tool", "t"),
            turn("assistant", "B"),
            turn("user", "c")
        ]);
        let found = exchanges(chat.as_array().unwrap()).unwrap();
        assert_eq!(found.iter().map(|(range, _)| range.clone()).collect::<Vec<_>>(), [0..5, 5..6]);
        assert_eq!((found[0].1.response.as_deref(), found[1].1.answered), (Some("B"), false));
    }
}
