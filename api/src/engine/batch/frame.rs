//! Scores the rows of a table column by column, and appends the new columns.

use std::sync::Arc;

use anyhow::{Context, Error, bail};
use demur_data::conversation::last_of_user;
use demur_data::stream::{
    Column, Fault, Head, RowFormat, RowInput, Texts, answer, check, prompt, prompt_of, write_fields,
};
use demur_data::{Format, Frame, FrameWriter, Path, Place, Rejection, Values, to_rows};
use demur_predictor::Scratch;
use rayon::prelude::*;
use serde_json::{Map, Value};

use super::ahead::{RowBuf, score_ahead};
use super::block::ScoredBlock;
use super::columns::{Cell, Column as Added, ValueKind};
use super::plan::{Plan, Written};
use super::question::RowScore;

/// Scores the rows of tables of one format.
pub(super) struct FrameScorer<'f, 'a> {
    pub(super) plan: &'f Plan<'a>,
    /// Whether P(refusal) of each row is requested.
    pub(super) with_scores: bool,
    pub(super) format: &'f RowFormat,
    pub(super) head: &'f Head,
}

/// A scored row, with its cells.
type Scored<'a> = Result<(RowScore, Vec<Cell<'a>>), Fault>;

impl<'a> FrameScorer<'_, 'a> {
    /// Scores the rows of a frame; `before` rows were read before it.
    ///
    /// # Errors
    /// When the column of prompts does not hold text, or the encoder fails.
    pub(super) fn score(&self, frame: &Frame, before: usize, done: &mut ScoredBlock) -> anyhow::Result<()> {
        let as_lines = self.plan.written == Written::Lines;
        let texts = match &self.format.texts {
            Texts::Prompt(column @ Column::Text(path), longest) => {
                let texts = text_column(frame, path).with_context(|| self.head.file.to_string())?;
                texts.map(|texts| (texts, column, *longest))
            }
            _ => None,
        };
        let prompts = texts.map(|(texts, column, longest)| Prompts { texts, column, longest });
        let rows = if as_lines || prompts.is_none() { to_rows(frame) } else { Vec::new() };
        let read = FrameTexts { prompts, texts: &self.format.texts, rows: &rows };
        let scored = self.rows(&read, frame.height())?;
        let (mut kept, mut cells) = (Vec::with_capacity(scored.len()), Vec::new());
        for (number, result) in scored.into_iter().enumerate() {
            let keep = match result {
                Ok((scored, of_row)) => {
                    let keep = self.plan.condition.as_ref().is_none_or(|condition| condition.keeps(&of_row));
                    done.counts.add(scored, keep);
                    if keep && as_lines {
                        write_fields(&rows[number], &self.format.names, &of_row, &mut done.rows);
                        if self.with_scores {
                            done.end_row(scored);
                        }
                    } else if keep {
                        cells.push(of_row);
                    }
                    keep
                }
                Err(Fault { field, reason }) => {
                    let raw = rows.get(number).cloned().or_else(|| row_of(frame, number)).map(Value::Object);
                    let place = Place { file: Arc::clone(&self.head.file), line: before + number + 1 };
                    done.reject(Rejection { place, field, reason, raw });
                    false
                }
            };
            kept.push(keep);
        }
        if !as_lines {
            // Even a frame without rows is kept, because it tells the columns.
            let mut frame = frame.filter(&kept);
            let added = columns(self.plan.columns.list(), &self.format.names, &cells)?;
            frame.append(added).map_err(Error::msg)?;
            done.frame = Some(frame);
        }
        Ok(())
    }

    /// Scores all rows: an encoder gets them together, n-grams score them one by one on all cores.
    fn rows(&self, read: &FrameTexts<'_>, height: usize) -> anyhow::Result<Vec<Scored<'a>>> {
        let owned = || {
            let row = |number| read.row(number, |row| RowBuf::from(row));
            (0..height).into_par_iter().map(row).collect()
        };
        if let Some(ahead) = score_ahead(&self.plan.columns, owned, &mut Scratch::default())? {
            return Ok(ahead.collect());
        }
        let score = |scratch: &mut Scratch, number: usize| {
            let mut cells = Vec::with_capacity(self.format.names.len());
            let scored = read.row(number, |row| self.plan.columns.score_row(row, scratch, &mut cells))?;
            Ok((scored, cells))
        };
        Ok((0..height).into_par_iter().map_init(Scratch::default, score).collect())
    }
}

/// Returns one row of a frame.
fn row_of(frame: &Frame, number: usize) -> Option<Map<String, Value>> {
    to_rows(&frame.slice(number, 1)).pop()
}

/// Writes a frame as the bytes of one Parquet part.
pub(super) fn part(frame: &Frame) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = FrameWriter::new(Format::Parquet, &mut bytes, frame)?;
    writer.write(frame)?;
    writer.finish()?;
    Ok(bytes)
}

/// A column of prompts.
struct Prompts<'f> {
    texts: Vec<Option<&'f str>>,
    column: &'f Column,
    /// Most characters that a prompt may have.
    longest: usize,
}

/// Where the texts of a frame's rows are: in a column of prompts, or in fields of the rows.
struct FrameTexts<'f> {
    prompts: Option<Prompts<'f>>,
    texts: &'f Texts,
    rows: &'f [Map<String, Value>],
}

impl FrameTexts<'_> {
    /// Reads a row's texts and passes them to `score`.
    fn row<T>(&self, number: usize, score: impl FnOnce(&RowInput<'_>) -> T) -> Result<T, Fault> {
        let Some(Prompts { texts, column, longest }) = &self.prompts else {
            return read_row(self.texts, &self.rows[number], score);
        };
        let fault = |reason: String| Fault::of(column.name(), reason);
        let prompt = texts[number].ok_or_else(|| fault("there is no prompt".to_owned()))?;
        check(prompt, *longest).map_err(fault)?;
        Ok(score(&RowInput::prompt(prompt)))
    }
}

/// Reads a row by its field names, for prompts that are not a plain text column.
pub(super) fn read_row<T>(
    texts: &Texts,
    row: &Map<String, Value>,
    score: impl FnOnce(&RowInput<'_>) -> T,
) -> Result<T, Fault> {
    match texts {
        Texts::Answer(reader) => answer(reader, row, score),
        Texts::PromptOf(reader, longest) => prompt(reader, row, *longest, score),
        Texts::Prompt(Column::Chat(path), longest) => {
            let fault = |reason: &str| Fault::of(path.to_string(), reason);
            let chat = path.get(row);
            let prompt = last_of_user(chat.as_deref().unwrap_or(&Value::Null));
            let prompt = prompt.map_err(|reason| fault(&reason))?;
            check(&prompt, *longest).map_err(|reason| fault(&reason))?;
            Ok(score(&RowInput::prompt(&prompt)))
        }
        // A prompt may be a chat or a list of text parts.
        Texts::Prompt(column @ Column::Text(path), longest) => {
            let fault = |reason: &str| Fault::of(column.name(), reason);
            let prompt = match path.get(row).as_deref() {
                None | Some(Value::Null) => return Err(fault("there is no prompt")),
                Some(Value::String(text)) => text.clone(),
                Some(value) => prompt_of(value).ok_or_else(|| fault("not a text"))?,
            };
            check(&prompt, *longest).map_err(|reason| fault(&reason))?;
            Ok(score(&RowInput::prompt(&prompt)))
        }
        // A table's columns have names, so any other kind of column cannot be in it.
        Texts::Prompt(column, _) => Err(Fault::of(format!("{column:?}"), "no column of a table")),
    }
}

/// Returns the text column at a path; `None` if it lies in a list, or holds lists or structs, which are read
/// row by row.
fn text_column<'f>(frame: &'f Frame, path: &Path) -> anyhow::Result<Option<Vec<Option<&'f str>>>> {
    let Some(names) = path.names() else { return Ok(None) };
    frame.texts(&names).map_err(Error::msg)
}

/// Builds the new columns; each row has one cell for each name.
fn columns<'n>(
    list: &[Added],
    names: &'n [String],
    rows: &'n [Vec<Cell<'_>>],
) -> anyhow::Result<Vec<(&'n str, Values<'n>)>> {
    let column = |(at, (name, added)): (usize, (&'n String, &Added))| {
        let cells = rows.iter().map(|row| &row[at]);
        let values = match added.kind {
            ValueKind::Number => Values::Numbers(values(added, cells, number)?),
            ValueKind::Flag => Values::Flags(values(added, cells, flag)?),
            ValueKind::Text | ValueKind::Json => Values::Texts(values(added, cells, text)?),
        };
        Ok((name.as_str(), values))
    };
    names.iter().zip(list).enumerate().map(column).collect()
}

/// The values of a column; null only where a row has no value. A value of the wrong type is an error and does
/// not become null.
fn values<'c, T>(
    column: &Added,
    cells: impl Iterator<Item = &'c Cell<'c>>,
    value: impl Fn(&'c Cell<'c>) -> Option<T>,
) -> anyhow::Result<Vec<Option<T>>> {
    let of = |cell: &'c Cell<'c>| match (cell, value(cell)) {
        (Cell::Null, _) => Ok(None),
        (_, Some(value)) => Ok(Some(value)),
        (_, None) => bail!("`{}` holds values of the type {:?}, not {cell:?}", column.name, column.kind),
    };
    cells.map(of).collect()
}

const fn number(cell: &Cell<'_>) -> Option<f64> {
    if let Cell::Number(number) = cell { Some(*number) } else { None }
}

const fn flag(cell: &Cell<'_>) -> Option<bool> {
    if let Cell::Flag(flag) = cell { Some(*flag) } else { None }
}

fn text<'c>(cell: &'c Cell<'c>) -> Option<&'c str> {
    match cell {
        Cell::Text(text) => Some(text),
        Cell::Json(text) => Some(text),
        Cell::Number(_) | Cell::Flag(_) | Cell::Null => None,
    }
}
