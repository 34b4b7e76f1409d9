//! A block of rows in, the same rows with the new columns out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, ensure};
use demur_data::stream::{self, Block, Fault, Position, RowFormat, Rows, delimiter};
use demur_data::{Place, Rejection};
use demur_predictor::{Input, Scratch};
use polars::prelude::DataFrame;

use crate::engine::batch::columns::{Cell, RowScore};
use crate::engine::batch::frame;
use crate::engine::batch::plan::{Order, Plan, Written};
use crate::engine::batch::summary::Counts;
use crate::engine::tiered_model::OwnedInput;

/// The rows of a block as all tiers judge them, in order.
type Ahead<'a> = std::vec::IntoIter<Result<(RowScore, Vec<Cell<'a>>), Fault>>;

/// What became of a block.
#[derive(Default)]
pub(crate) struct Done {
    /// The rows that are written as text.
    pub(crate) rows: Vec<u8>,
    /// P(refusal) and end of each of these rows, where they are asked for.
    pub(crate) ends: Vec<(f64, usize)>,
    /// The rows that are written as a table.
    pub(crate) frame: Option<DataFrame>,
    pub(crate) rejections: Vec<Rejection>,
    pub(crate) counts: Counts,
    /// Name of the input.
    pub(crate) file: Arc<str>,
    pub(crate) after: Position,
}

impl Done {
    pub(crate) fn reject(&mut self, rejection: Rejection) {
        self.counts.rejected += 1;
        self.rejections.push(rejection);
    }

    pub(crate) fn end_row(&mut self, scored: RowScore) {
        self.ends.push((scored.p_refusal, self.rows.len()));
    }
}

/// Judges blocks, on any thread.
pub(crate) struct Scorer<'p, 'a> {
    pub(super) plan: &'p Plan<'a>,
    /// Whether P(refusal) of each row is asked for.
    pub(super) with_scores: bool,
    /// Whether a table stays a table in memory.
    whole_frames: bool,
}

impl<'p, 'a> Scorer<'p, 'a> {
    /// For rows that go to an output.
    pub(crate) fn of(plan: &'p Plan<'a>, streams: bool) -> Self {
        let top = matches!(plan.order, Order::Top(_));
        Self { plan, with_scores: plan.order != Order::AsRead, whole_frames: top || streams }
    }

    /// For rows that stay in memory with their scores.
    pub(crate) const fn in_memory(plan: &'p Plan<'a>) -> Self {
        Self { plan, with_scores: true, whole_frames: true }
    }

    /// Judges the rows of a block.
    ///
    /// # Errors
    /// When the encoder fails, a table cannot be worked with, or nobody waits any more. A bad row is no error.
    pub(crate) fn score(&self, format: &RowFormat, block: &Block) -> anyhow::Result<Done> {
        let file = Arc::clone(&block.head.file);
        let mut done = Done { after: block.after, file, ..Done::default() };
        match &block.rows {
            Rows::Frame { frame, before } => {
                self.score_frame(format, &block.head, frame, *before, &mut done)?;
                if let Some(frame) = done.frame.as_mut().filter(|_| !self.whole_frames) {
                    done.rows = frame::part(frame)?;
                    done.frame = None;
                }
            }
            Rows::Text { bytes, line, lines } => {
                let place = |number: usize, offset: usize| match lines {
                    Some(lines) => lines[number],
                    None => line + offset,
                };
                self.score_text(format, bytes, &place, &mut done)?;
            }
            Rows::TooLong(row) => done.reject(row.clone()),
        }
        if !matches!(self.plan.order, Order::Top(_)) && self.plan.written != Written::Parts {
            done.rows = self.plan.packing().pack(done.rows)?;
        }
        Ok(done)
    }

    /// Judges rows by all tiers, those that could be read, together; none where the n-gram tier answers all, row by row.
    pub(super) fn score_ahead(
        &self,
        rows: impl FnOnce() -> Vec<Result<OwnedInput, Fault>>,
        scratch: &mut Scratch,
    ) -> anyhow::Result<Option<Ahead<'a>>> {
        let columns = &self.plan.columns;
        if !columns.question().tiered().has_encoder() {
            return Ok(None);
        }
        let rows = rows();
        let inputs: Vec<Input<'_>> = rows.iter().flatten().map(OwnedInput::as_input).collect();
        let scored = columns.score_rows(&inputs, scratch);
        let mut scored = scored.context("the encoder failed")?.into_iter();
        let all = rows.into_iter().map(|row| match row {
            // There are as many answers as rows that could be read.
            Ok(_) => scored.next().ok_or_else(|| Fault::row("there is no answer to it")),
            Err(fault) => Err(fault),
        });
        Ok(Some(all.collect::<Vec<_>>().into_iter()))
    }

    /// Judges the rows of a text; `place` says on which line a row is.
    fn score_text(
        &self,
        format: &RowFormat,
        bytes: &[u8],
        place: &dyn Fn(usize, usize) -> usize,
        done: &mut Done,
    ) -> anyhow::Result<()> {
        let mut scratch = Scratch::default();
        let mut cells = Vec::new();
        done.rows.reserve(bytes.len() * 3 / 2);
        let records = stream::records(bytes, delimiter(format.format));
        let read = || {
            let rows = records.iter().filter(|(_, record)| !record.trim_ascii().is_empty());
            rows.map(|(_, record)| format.read(record, |input| OwnedInput::from(input))).collect()
        };
        let mut ahead = self.score_ahead(read, &mut scratch)?;
        for (number, (offset, record)) in records.into_iter().enumerate() {
            // A blank line is no row.
            if record.trim_ascii().is_empty() {
                continue;
            }
            ensure!(
                !self.plan.bounds.is_some_and(|bounds| bounds.stop.load(Ordering::Relaxed)),
                "nobody waits for the rows any more"
            );
            cells.clear();
            let scored = match ahead.as_mut().map(Iterator::next) {
                None => {
                    let columns = &self.plan.columns;
                    format.read(record, |input| columns.score_row(input, &mut scratch, &mut cells))
                }
                Some(row) => {
                    let row = row.unwrap_or_else(|| Err(Fault::row("there is no answer to it")));
                    row.map(|(scored, of_row)| {
                        cells = of_row;
                        scored
                    })
                }
            };
            match scored {
                Ok(scored) => self.keep(format, record, scored, &cells, done),
                Err(Fault { field, reason }) => {
                    let place = Place { file: Arc::clone(&done.file), line: place(number, offset) };
                    // Who sent a text has it, and a short row may lie under a long header many times.
                    let raw =
                        self.plan.bounds.is_none().then(|| format.raw(&String::from_utf8_lossy(record)));
                    done.reject(Rejection { place, field, reason, raw });
                }
            }
        }
        Ok(())
    }

    /// Counts a scored row, and writes it where it is wanted.
    fn keep(&self, format: &RowFormat, record: &[u8], scored: RowScore, cells: &[Cell<'_>], done: &mut Done) {
        let kept = self.plan.condition.as_ref().is_none_or(|condition| condition.keeps(cells));
        done.counts.add(scored, kept);
        if !kept {
            return;
        }
        match self.plan.written {
            Written::Same => format.write_same(record, cells, &mut done.rows),
            Written::Lines | Written::Parts => format.write_line(record, cells, &mut done.rows),
        }
        if self.with_scores {
            done.end_row(scored);
        }
    }
}
