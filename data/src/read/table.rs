//! Parquet and Arrow, converted into rows.

use std::sync::Arc;

use super::{Parsed, RawRow, ReadOptions};
use crate::{DataError, Format, FrameReader, to_rows};

/// The rows of a Parquet or Arrow file; the line is the row's number, from 1.
pub(super) fn rows(
    bytes: &[u8],
    format: Format,
    file: &Arc<str>,
    options: &ReadOptions,
) -> Result<Parsed, DataError> {
    let broken =
        |reason: &str| DataError::Table { file: file.to_string(), format, reason: reason.to_owned() };
    if bytes.is_empty() {
        return Err(DataError::Empty { file: file.to_string() });
    }
    if format == Format::Parquet {
        if !bytes.starts_with(b"PAR1") {
            return Err(broken("it does not begin with the mark `PAR1`"));
        }
        if !bytes.ends_with(b"PAR1") {
            return Err(broken("it does not end with the mark `PAR1`"));
        }
    }
    let mut parsed = Parsed::default();
    for frame in FrameReader::of_bytes(file, format, bytes.to_vec())? {
        for fields in to_rows(&frame?) {
            parsed.rows.push(RawRow { line: parsed.rows.len() + 1, fields });
        }
    }
    let first: Vec<_> = parsed.rows.iter().take(100).map(|row| &row.fields).collect();
    parsed.layout = options.opening.layout.of(None, &first);
    parsed.read_as.extend(parsed.layout.map(|layout| layout.title.to_owned()));
    if let Some(layout) = parsed.layout.filter(|layout| layout.changes_rows()) {
        let mut rows = Vec::with_capacity(parsed.rows.len());
        for RawRow { line, fields } in std::mem::take(&mut parsed.rows) {
            let found = layout.rows_of(fields);
            parsed.passed_over += usize::from(found.is_empty());
            rows.extend(found.into_iter().map(|fields| RawRow { line, fields }));
        }
        parsed.rows = rows;
    }
    Ok(parsed)
}
