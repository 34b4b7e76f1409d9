//! JSON arrays and JSON Lines, split into rows.

use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Parsed, RawRow, rejection};
use crate::DataError;
use crate::conversation::type_name;

/// The elements of one array, each with the line on which it starts.
pub(super) fn elements<'a>(text: &'a str, file: &Arc<str>) -> Result<Vec<(usize, &'a str)>, DataError> {
    if text.trim_start().starts_with('{') {
        return Err(DataError::NotAnArray { file: file.to_string(), found: "object" });
    }
    let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| syntax(text, file, &error))?;
    let (mut line, mut counted) = (1, 0);
    let lined = elements.into_iter().map(|element| {
        let element = element.get();
        // The raw value is a slice of `text`, so the distance between the two pointers is its offset.
        let offset = element.as_ptr() as usize - text.as_ptr() as usize;
        line += newlines(&text[counted..offset]);
        counted = offset;
        (line, element)
    });
    Ok(lined.collect())
}

/// The rows of one array.
pub(super) fn array(text: &str, file: &Arc<str>) -> Result<Parsed, DataError> {
    let mut parsed = Parsed::default();
    for (line, element) in elements(text, file)? {
        take(element, line, file, &mut parsed);
    }
    Ok(parsed)
}

/// The lines of a text, blank ones left out.
pub(super) fn lines(text: &str, file: &Arc<str>) -> Parsed {
    let mut parsed = Parsed::default();
    for (index, line) in text.split('\n').enumerate() {
        if !line.trim().is_empty() {
            take(line.strip_suffix('\r').unwrap_or(line), index + 1, file, &mut parsed);
        }
    }
    parsed
}

/// A JSON row by the names of its fields; otherwise the error, and the row as far as it can be parsed.
pub(super) fn row(text: &str) -> Result<Map<String, Value>, (String, Value)> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err((format!("the row is no object but {}", type_name(&other)), other)),
        Err(error) => {
            let reason = match not_json(text, error.column()) {
                Some(word) => {
                    format!("`{word}` is no JSON (column {}); write null in its place", error.column())
                }
                None => format!("no valid JSON: {} (column {})", bare(&error), error.column()),
            };
            Err((reason, Value::String(text.to_owned())))
        }
    }
}

/// Recognises a number that other languages write and JSON does not have, at column `at` where a parser
/// stopped, or a little after the start of the word.
fn not_json(text: &str, at: usize) -> Option<&'static str> {
    let near = text.get(at.saturating_sub(2)..).or_else(|| text.get(at.saturating_sub(1)..))?;
    let near = near.trim_start_matches([':', ' ', ',', '[', '-']);
    ["NaN", "Infinity"].into_iter().find(|word| near.starts_with(word))
}

fn take(text: &str, line: usize, file: &Arc<str>, parsed: &mut Parsed) {
    match row(text) {
        Ok(fields) => parsed.rows.push(RawRow { line, fields }),
        Err((reason, raw)) => parsed.rejected.push(rejection(file, line, reason, raw)),
    }
}

fn syntax(text: &str, file: &str, error: &serde_json::Error) -> DataError {
    if text.trim().is_empty() {
        return DataError::Empty { file: file.to_owned() };
    }
    if !text.trim_start().starts_with('[') && serde_json::from_str::<Value>(text).is_ok() {
        return DataError::NotAnArray { file: file.to_owned(), found: "single value" };
    }
    let reason = format!("no valid JSON: {}", bare(error));
    DataError::Syntax { file: file.to_owned(), line: error.line(), column: error.column(), reason }
}

/// A parser's message without its trailing position.
fn bare(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message).to_owned()
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}

/// A row of text cells as an object. An empty cell is null, because CSV does not distinguish the two.
pub(crate) fn object<'a>(names: &[String], cells: impl Iterator<Item = &'a str>) -> Map<String, Value> {
    let value = |cell: &str| if cell.is_empty() { Value::Null } else { Value::String(cell.to_owned()) };
    names.iter().cloned().zip(cells.map(value)).collect()
}
