//! The prompts of files one after another, read as `score` reads them, for whoever does something else with
//! them.

use std::path::PathBuf;
use std::sync::Arc;

use demur_data::stream::{self, Block, BlockSize, Opening, Position, RowFormat, RowInput, Rows, delimiter};
use demur_data::{DataError, Format, Place, Rejection, to_rows};
use serde_json::{Map, Value};

use crate::engine::Usage;
use crate::engine::batch::Reading;
use crate::engine::batch::frame::read_row;
use crate::engine::batch::layout::{field_names, texts};

/// Which prompts are read, and how.
pub(crate) struct PromptFiles {
    /// Files, folders, patterns, or `-`.
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) format: Option<Format>,
    pub(crate) opening: Opening,
    /// Where the prompt of a row is.
    pub(crate) reading: Reading,
}

/// A prompt, with the `id` of its row.
pub(crate) struct PromptRow {
    pub(crate) place: Place,
    pub(crate) text: String,
    pub(crate) id: Option<String>,
}

impl PromptFiles {
    /// Calls `each` with every prompt in order, and with what is wrong with every bad row, until it returns
    /// false.
    ///
    /// # Errors
    /// When an input cannot be read, or its prompts are not found.
    pub(crate) fn each(
        &self,
        mut each: impl FnMut(Result<PromptRow, Rejection>) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut inputs = Vec::new();
        for file in stream::files(&self.inputs)? {
            let format = stream::format(&file, self.format).map_err(|error| match error {
                // The user can fix this with a flag, so it is wrong use.
                DataError::UnknownFormat { .. } => Usage(error.to_string()).into(),
                error => anyhow::Error::from(error),
            })?;
            inputs.push((file, format));
        }
        let (mut format, mut fault): (Option<(usize, RowFormat)>, _) = (None, None);
        let mut take = |block: Block| -> anyhow::Result<bool> {
            let format = match &mut format {
                Some((input, format)) if *input == block.head.input => format,
                format => &mut format.insert((block.head.input, self.row_format(&block)?)).1,
            };
            rows_of(&block, format, &mut each)
        };
        let (from, size) = (Position::default(), BlockSize::OF_ENCODERS);
        stream::blocks(&inputs, &self.opening, from, size, &Arc::default(), |block| {
            take(block).unwrap_or_else(|error| {
                fault = Some(error);
                false
            })
        })?;
        fault.map_or(Ok(()), Err)
    }

    fn row_format(&self, block: &Block) -> anyhow::Result<RowFormat> {
        let fields = field_names(&block.head)?;
        let texts = texts(&self.reading, &block.head, &fields, false)?;
        let header = if block.head.header.is_some() { fields } else { Vec::new() };
        Ok(RowFormat { texts, format: block.head.format, header, names: Arc::default() })
    }
}

/// Passes on the rows of a block; returns whether more are wanted.
fn rows_of(
    block: &Block,
    format: &RowFormat,
    each: &mut impl FnMut(Result<PromptRow, Rejection>) -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let prompt = |row: &RowInput<'_>| row.texts.prompt.unwrap_or_default().to_owned();
    let place = |line: usize| Place { file: Arc::clone(&block.head.file), line };
    let rejected = |line: usize, fault: stream::Fault| {
        let stream::Fault { field, reason } = fault;
        Rejection { place: place(line), field, reason, raw: None }
    };
    match &block.rows {
        Rows::TooLong(rejection) => each(Err(rejection.clone())),
        Rows::Frame { frame, before } => {
            for (number, row) in to_rows(frame).iter().enumerate() {
                let read = read_row(&format.texts, row, prompt);
                let line = before + number + 1;
                let read = read.map(|text| PromptRow { place: place(line), text, id: id(row) });
                if !each(read.map_err(|fault| rejected(line, fault)))? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Rows::Text { bytes, line, lines } => {
            for (number, (before, row)) in
                stream::records(bytes, delimiter(format.format)).into_iter().enumerate()
            {
                if row.trim_ascii().is_empty() {
                    continue;
                }
                let line =
                    lines.as_ref().and_then(|lines| lines.get(number).copied()).unwrap_or(line + before);
                let fields = || format.fields(std::str::from_utf8(row).ok()?).ok();
                let read = format.read(row, prompt);
                let read = read.map(|text| PromptRow {
                    place: place(line),
                    text,
                    id: fields().and_then(|row| id(&row)),
                });
                if !each(read.map_err(|fault| rejected(line, fault)))? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
    }
}

/// The `id` of a row, as text.
fn id(row: &Map<String, Value>) -> Option<String> {
    match row.get("id")? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
