//! Values that are added to a row, and how they are written.

use std::fmt::Write as _;

/// A value of an added column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'m> {
    /// A number.
    Number(f64),
    /// A name defined by this program, which needs no escape.
    Text(&'m str),
    /// True or false.
    Flag(bool),
    /// JSON as text.
    Json(String),
    /// No value: null in JSON and tables, empty in CSV and TSV.
    Null,
}

/// Writes new cells and the end of a JSON object; `first` means that no field comes before them.
pub fn push_json(names: &[String], cells: &[Cell<'_>], first: bool, out: &mut Vec<u8>) {
    let mut text = String::with_capacity(160);
    for (number, (name, cell)) in names.iter().zip(cells).enumerate() {
        if !(first && number == 0) {
            text.push(',');
        }
        // The names and texts are defined by this program, so neither needs an escape. Writing to a String
        // cannot fail.
        let _ = write!(text, "\"{name}\":");
        match cell {
            Cell::Number(value) => push_number(*value, &mut text),
            Cell::Text(value) => {
                let _ = write!(text, "\"{value}\"");
            }
            Cell::Flag(value) => text.push_str(if *value { "true" } else { "false" }),
            Cell::Json(value) => text.push_str(value),
            Cell::Null => text.push_str("null"),
        }
    }
    text.push_str("}\n");
    out.extend_from_slice(text.as_bytes());
}

/// Debug writes the shortest number that parses back to the same bits, with a point or an exponent, so that
/// every reader takes it for a float.
pub(super) fn push_number(number: f64, text: &mut String) {
    let _ = write!(text, "{number:?}");
}
