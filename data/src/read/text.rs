//! Text in any format, split into rows by the reader of files of any size.

use serde_json::Value;

use super::source::Source;
use super::{Parsed, RawRow, ReadOptions};
use crate::stream::{
    Block, BlockSize, Column, Head, Position, RowFormat, Rows, Texts, delimiter, json_bytes, records, split,
    text,
};
use crate::{DataError, Format, Place, Rejection};

/// The rows of a text. Every cell of a separated text is text; an empty one is null. A line number is that of
/// the record's first line; the header's is 1 if the file starts with it.
pub(super) fn rows(source: &Source, format: Format, options: &ReadOptions) -> Result<Parsed, DataError> {
    let (bytes, file, opening) = (source.text()?.as_bytes(), &source.file, &options.opening);
    let mut parsed = Parsed::default();
    let mut fault = None;
    let mut take = |block: Block| match parsed.take(block) {
        Ok(()) => true,
        Err(error) => {
            fault = Some(error);
            false
        }
    };
    if format == Format::Json {
        json_bytes(bytes, file, opening, &mut take)?;
    } else {
        let from = (Position::default(), BlockSize::OF_NGRAMS);
        text(bytes, format, file, opening, from, false, &mut take)?;
    }
    if let Some(fault) = fault {
        return Err(fault);
    }
    parsed.read_as.extend(source.encoding.map(|encoding| encoding.name().to_owned()));
    Ok(parsed)
}

impl Parsed {
    /// Adds the rows of a block.
    fn take(&mut self, block: Block) -> Result<(), DataError> {
        let head = block.head;
        self.layout = head.layout;
        self.read_as.clone_from(&head.read_as);
        // It fits, for it counts lines of a text in memory.
        self.passed_over += usize::try_from(block.passed_over).unwrap_or(usize::MAX);
        let (bytes, first, lines) = match block.rows {
            Rows::Text { bytes, line, lines } => (bytes, line, lines),
            Rows::TooLong(rejection) => {
                self.rejected.push(rejection);
                return Ok(());
            }
            Rows::Frame { .. } => return Ok(()),
        };
        let names = header(&head)?;
        let format = RowFormat {
            texts: Texts::Prompt(Column::Field(0), 0),
            format: head.format,
            header: names,
            names: std::sync::Arc::default(),
        };
        for (number, (before, row)) in records(&bytes, delimiter(head.format)).into_iter().enumerate() {
            if row.trim_ascii().is_empty() {
                continue;
            }
            let line = lines.as_ref().and_then(|lines| lines.get(number).copied()).unwrap_or(first + before);
            // The text is UTF-8, and a record is a slice of it that starts and ends between characters.
            let row = String::from_utf8_lossy(row);
            match format.fields(&row) {
                Ok(fields) => self.rows.push(RawRow { line, fields }),
                Err(reason) => {
                    let raw = if delimiter(head.format).is_some() {
                        Value::from(row.trim_end_matches(['\r', '\n']))
                    } else {
                        format.raw(&row)
                    };
                    let place = Place { file: head.file.clone(), line };
                    self.rejected.push(Rejection { place, field: None, reason, raw: Some(raw) });
                }
            }
        }
        Ok(())
    }
}

/// The names in the header of a separated text; none for others.
fn header(head: &Head) -> Result<Vec<String>, DataError> {
    let Some(header) = &head.header else { return Ok(Vec::new()) };
    let names = split(header, delimiter(head.format).unwrap_or(b','))
        .map_err(|reason| DataError::Syntax { file: head.file.to_string(), line: 1, column: 1, reason })?;
    let names: Vec<String> = names.iter().map(str::to_owned).collect();
    match names.iter().enumerate().find(|(n, name)| names[..*n].contains(name)) {
        Some((_, column)) => {
            Err(DataError::DuplicateColumn { file: head.file.to_string(), column: column.clone() })
        }
        None => Ok(names),
    }
}
