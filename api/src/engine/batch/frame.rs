//! Rows of a table: judged in their columns, with the new columns behind those.

use anyhow::{Context, bail, ensure};
use demur_data::conversation::last_of_user;
use demur_data::stream::{Column, Fault, Head, RowFormat, Texts, answer, check, prompt_of, write_fields};
use demur_data::{Format, FrameWriter, Place, Rejection, to_rows};
use demur_predictor::{Input, Scratch};
use polars::prelude::{
    BooleanChunked, Column as Series, DataFrame, IntoColumn, NamedFrom, NewChunkedArray, StringChunked,
};
use rayon::prelude::*;
use serde_json::{Map, Value};

use super::columns::{Cell, Column as Added, RowScore, ValueKind};
use super::plan::Written;
use super::scorer::{Done, Scorer};
use crate::engine::tiered_model::OwnedInput;

impl Scorer<'_, '_> {
    /// Judges the rows of a frame.
    pub(super) fn score_frame(
        &self,
        format: &RowFormat,
        head: &Head,
        frame: &DataFrame,
        before: usize,
        done: &mut Done,
    ) -> anyhow::Result<()> {
        let as_lines = self.plan.written == Written::Lines;
        let texts = match &format.texts {
            Texts::Prompt(column @ Column::Text(path), longest) => {
                let texts = text_column(frame, path).with_context(|| head.file.to_string())?;
                texts.map(|texts| (texts, column, *longest))
            }
            _ => None,
        };
        let prompts = texts.as_ref().map(|(texts, column, longest)| Prompts {
            texts: texts.iter().collect(),
            column,
            longest: *longest,
        });
        let rows = if as_lines || prompts.is_none() { to_rows(frame) } else { Vec::new() };
        let read = FrameTexts { prompts, texts: &format.texts, rows: &rows };
        let owned = || {
            let row = |number| read.row(number, |input| OwnedInput::from(input));
            (0..frame.height()).into_par_iter().map(row).collect()
        };
        let judge = |scratch: &mut Scratch, number: usize| {
            let mut cells = Vec::with_capacity(format.names.len());
            let scored = read.row(number, |input| self.plan.columns.score_row(input, scratch, &mut cells))?;
            Ok((scored, cells))
        };
        let scored: Vec<Result<(RowScore, Vec<Cell<'_>>), Fault>> =
            match self.score_ahead(owned, &mut Scratch::default())? {
                Some(ahead) => ahead.collect(),
                None => (0..frame.height()).into_par_iter().map_init(Scratch::default, judge).collect(),
            };
        let (mut kept, mut cells) = (Vec::with_capacity(scored.len()), Vec::new());
        for (number, result) in scored.into_iter().enumerate() {
            let keep = match result {
                Ok((scored, row)) => {
                    let keep = self.plan.condition.as_ref().is_none_or(|condition| condition.keeps(&row));
                    done.counts.add(scored, keep);
                    if keep && as_lines {
                        write_fields(&rows[number], &format.names, &row, &mut done.rows);
                        if self.with_scores {
                            done.end_row(scored);
                        }
                    } else if keep {
                        cells.push(row);
                    }
                    keep
                }
                Err(fault) => {
                    let raw = match rows.get(number) {
                        Some(row) => Some(row.clone()),
                        None => i64::try_from(number).ok().and_then(|at| to_rows(&frame.slice(at, 1)).pop()),
                    };
                    let place = Place { file: std::sync::Arc::clone(&head.file), line: before + number + 1 };
                    let raw = raw.map(Value::Object);
                    done.reject(Rejection { place, field: fault.field, reason: fault.reason, raw });
                    false
                }
            };
            kept.push(keep);
        }
        if !as_lines {
            // Without a row it still says which columns there are.
            let mut frame = frame.filter(&BooleanChunked::from_slice("".into(), &kept))?;
            frame.hstack_mut(&columns(self.plan.columns.list(), &format.names, &cells)?)?;
            done.frame = Some(frame);
        }
        Ok(())
    }
}

/// A frame as the bytes of a part.
pub(super) fn part(frame: &mut DataFrame) -> anyhow::Result<Vec<u8>> {
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
    /// Characters that one may have.
    longest: usize,
}

/// Where the texts of a frame's rows are: in a column of prompts, or in the rows by the names of their fields.
struct FrameTexts<'f> {
    prompts: Option<Prompts<'f>>,
    texts: &'f Texts,
    rows: &'f [Map<String, Value>],
}

impl FrameTexts<'_> {
    /// Reads a row's texts and has them scored.
    fn row<T>(&self, number: usize, judge: impl FnOnce(&Input<'_>) -> T) -> Result<T, Fault> {
        let Some(Prompts { texts, column, longest }) = &self.prompts else {
            return score_row(self.texts, &self.rows[number], judge);
        };
        let fault = |reason: String| Fault::of(column.name(), reason);
        let prompt = texts[number].ok_or_else(|| fault("there is no prompt".to_owned()))?;
        check(prompt, *longest).map_err(fault)?;
        Ok(judge(&Input::prompt(prompt)))
    }
}

/// A row by the names of its fields, where the prompt is no text of its own.
fn score_row<T>(
    texts: &Texts,
    row: &Map<String, Value>,
    judge: impl FnOnce(&Input<'_>) -> T,
) -> Result<T, Fault> {
    match texts {
        Texts::Answer(reader) => answer(reader, row, judge),
        Texts::Prompt(Column::Chat(path), longest) => {
            let fault = |reason: &str| Fault::of(path.join("."), reason);
            let chat = path[1..].iter().fold(row.get(&path[0]), |value, name| value?.get(name));
            let prompt = last_of_user(chat.unwrap_or(&Value::Null)).map_err(|reason| fault(&reason))?;
            check(&prompt, *longest).map_err(|reason| fault(&reason))?;
            Ok(judge(&Input::prompt(&prompt)))
        }
        // A prompt may be a chat, or parts of a text.
        Texts::Prompt(column @ Column::Text(path), longest) => {
            let fault = |reason: &str| Fault::of(column.name(), reason);
            let value = path[1..].iter().fold(row.get(&path[0]), |value, name| value?.get(name));
            let prompt = match value {
                None | Some(Value::Null) => return Err(fault("there is no prompt")),
                Some(value) => prompt_of(value).ok_or_else(|| fault("not a text"))?,
            };
            check(&prompt, *longest).map_err(|reason| fault(&reason))?;
            Ok(judge(&Input::prompt(&prompt)))
        }
        // A table's columns have names.
        Texts::Prompt(column, _) => Err(Fault::of(format!("{column:?}"), "no column of a table")),
    }
}

/// The column of texts that a path leads to; none where it holds lists or structures, of which each is read by itself.
fn text_column(frame: &DataFrame, path: &[String]) -> anyhow::Result<Option<StringChunked>> {
    let mut column = frame.column(&path[0])?.as_materialized_series().clone();
    for inner in &path[1..] {
        column = column
            .struct_()
            .and_then(|fields| fields.field_by_name(inner))
            .with_context(|| format!("there is no `{inner}` in `{}`", path[0]))?;
    }
    let dtype = column.dtype();
    if dtype.is_nested() {
        return Ok(None);
    }
    ensure!(column.str().is_ok(), "`{}` holds {dtype} and no text", path.join("."));
    Ok(Some(column.str()?.clone()))
}

/// The new columns: as many cells in each row as there are names.
fn columns(list: &[Added], names: &[String], rows: &[Vec<Cell<'_>>]) -> anyhow::Result<Vec<Series>> {
    let column = |(at, (name, added)): (usize, (&String, &Added))| {
        let cells = rows.iter().map(|row| &row[at]);
        let name = name.as_str().into();
        Ok(if added.kind == ValueKind::Number {
            let numbers: Vec<Option<f64>> =
                cells.map(|cell| number(added, cell)).collect::<anyhow::Result<_>>()?;
            polars::prelude::Series::new(name, numbers).into_column()
        } else {
            let texts: Vec<Option<&str>> =
                cells.map(|cell| text(added, cell)).collect::<anyhow::Result<_>>()?;
            polars::prelude::Series::new(name, texts).into_column()
        })
    };
    names.iter().zip(list).enumerate().map(column).collect()
}

/// Null where a row has no value; a value of another sort than its column's is not made into null.
fn number(column: &Added, cell: &Cell<'_>) -> anyhow::Result<Option<f64>> {
    match cell {
        Cell::Number(number) => Ok(Some(*number)),
        Cell::Json(json) if json == "null" => Ok(None),
        Cell::Text(_) | Cell::Json(_) => bail!("`{}` holds numbers, not {cell:?}", column.name),
    }
}

fn text<'c>(column: &Added, cell: &'c Cell<'_>) -> anyhow::Result<Option<&'c str>> {
    match cell {
        Cell::Text(text) => Ok(Some(text)),
        Cell::Json(json) if json == "null" => Ok(None),
        Cell::Json(text) => Ok(Some(text)),
        Cell::Number(_) => bail!("`{}` holds texts, not {cell:?}", column.name),
    }
}
