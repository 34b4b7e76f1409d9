//! CSV and TSV, told apart into rows.

use std::sync::Arc;

use csv::{ReaderBuilder, StringRecord};
use serde_json::Value;

use super::json::object;
use super::{Parsed, RawRow, rejection};
use crate::DataError;

/// The records below the header. Every cell is text, an empty one null. A line is the one on which the
/// record starts, the header's being 1 when the file starts with it.
pub(super) fn records(text: &str, delimiter: u8, file: &Arc<str>) -> Result<Parsed, DataError> {
    let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let broken = |error: &csv::Error| DataError::Syntax {
        file: file.to_string(),
        line: error.position().map_or(1, |position| line_of(position.line())),
        column: 1,
        reason: error.to_string(),
    };
    let names: Vec<String> =
        reader.headers().map_err(|error| broken(&error))?.iter().map(str::to_owned).collect();
    if let Some(column) = names.iter().enumerate().find(|(n, name)| names[..*n].contains(name)) {
        return Err(DataError::DuplicateColumn { file: file.to_string(), column: column.1.clone() });
    }
    let mut lines = Lines { text, counted: 0, line: 1 };
    let mut parsed = Parsed::default();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| broken(&error))? {
        // A record that was just read has a position.
        let start = record.position().map_or(0, |position| line_of(position.byte()));
        let (line, start) = lines.at(start);
        let end = line_of(reader.position().byte()).min(text.len());
        let raw = text[start..end].trim_end_matches(['\r', '\n']);
        if end == text.len() && is_open(raw, char::from(delimiter)) {
            let reason = "a quoted field is never closed; the rest of the file was taken for its content";
            parsed.rejected.push(rejection(file, line, reason.to_owned(), raw.into()));
        } else if record.len() == names.len() {
            parsed.rows.push(RawRow { line, fields: object(&names, record.iter()) });
        } else {
            let reason = format!("{} fields, where the header has {}", record.len(), names.len());
            parsed.rejected.push(rejection(file, line, reason, Value::String(raw.to_owned())));
        }
    }
    Ok(parsed)
}

/// The csv crate counts in `u64`; what it counts here lies in memory.
fn line_of(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Line numbers at growing offsets.
struct Lines<'a> {
    text: &'a str,
    counted: usize,
    line: usize,
}

impl Lines<'_> {
    /// Line and offset at which a record really starts: the csv crate gives the end of the one before, and
    /// skips blank lines after that.
    fn at(&mut self, offset: usize) -> (usize, usize) {
        let rest = &self.text[offset..];
        let start = offset + (rest.len() - rest.trim_start_matches(['\r', '\n']).len());
        self.line += self.text[self.counted..start].bytes().filter(|&byte| byte == b'\n').count();
        self.counted = start;
        (self.line, start)
    }
}

/// Whether a record ends inside a quoted field.
fn is_open(record: &str, delimiter: char) -> bool {
    let (mut quoted, mut at_start) = (false, true);
    for c in record.chars() {
        // A doubled quote closes and opens again.
        if c == '"' && (quoted || at_start) {
            quoted = !quoted;
            at_start = !quoted;
        } else {
            at_start = !quoted && c == delimiter;
        }
    }
    quoted
}
