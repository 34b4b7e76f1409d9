//! A row of JSON, and a row of text cells, by the names of their fields.

use serde_json::{Map, Value};

use crate::conversation::type_name;

/// A JSON row by the names of its fields; otherwise the error, and the row as far as it can be parsed.
pub(super) fn row(text: &str) -> Result<Map<String, Value>, (String, Value)> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err((format!("the row is no object but {}", type_name(&other)), other)),
        Err(error) => {
            let reason = format!("no valid JSON: {} (column {})", bare(&error), error.column());
            Err((reason, Value::String(text.to_owned())))
        }
    }
}

/// A parser's message without its trailing position.
fn bare(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message).to_owned()
}

/// A row of text cells as an object. An empty cell is null, because CSV does not distinguish the two.
pub(crate) fn object<'a>(names: &[String], cells: impl Iterator<Item = &'a str>) -> Map<String, Value> {
    let value = |cell: &str| if cell.is_empty() { Value::Null } else { Value::String(cell.to_owned()) };
    names.iter().cloned().zip(cells.map(value)).collect()
}
