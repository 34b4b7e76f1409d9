//! CSV and TSV, split into rows by the same parser that reads files row by row.

use std::sync::Arc;

use serde_json::Value;

use super::json::object;
use super::{Parsed, RawRow, rejection};
use crate::DataError;
use crate::stream::{records as split_records, split};

/// The records below the header. Every cell is text; an empty one is null. A line number is that of the
/// record's first line; the header's is 1 if the file starts with it.
pub(super) fn records(text: &str, delimiter: u8, file: &Arc<str>) -> Result<Parsed, DataError> {
    let mut records = split_records(text.as_bytes(), Some(delimiter)).into_iter();
    let Some((before, header)) = records.next() else { return Ok(Parsed::default()) };
    let header = split(header, delimiter).map_err(|reason| DataError::Syntax {
        file: file.to_string(),
        line: before + 1,
        column: 1,
        reason,
    })?;
    let names: Vec<String> = header.iter().map(str::to_owned).collect();
    if let Some(column) = names.iter().enumerate().find(|(n, name)| names[..*n].contains(name)) {
        return Err(DataError::DuplicateColumn { file: file.to_string(), column: column.1.clone() });
    }
    let mut parsed = Parsed::default();
    for (before, record) in records {
        let line = before + 1;
        let reason = match split(record, delimiter) {
            Ok(cells) if cells.len() == names.len() => {
                parsed.rows.push(RawRow { line, fields: object(&names, cells.iter()) });
                continue;
            }
            Ok(cells) => format!("{} fields, where the header has {}", cells.len(), names.len()),
            Err(reason) => reason,
        };
        // The text is UTF-8, and a record is a slice of it that starts and ends between characters.
        let raw = String::from_utf8_lossy(record).trim_end_matches(['\r', '\n']).to_owned();
        parsed.rejected.push(rejection(file, line, reason, Value::String(raw)));
    }
    Ok(parsed)
}
