//! Takes a block of rows, returns the same rows with the new columns.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::ensure;
use demur_data::stream::{self, Block, Fault, RowFormat, Rows, delimiter};
use demur_data::{Place, Rejection};
use demur_predictor::Scratch;

use crate::engine::batch::ahead::{RowBuf, score_ahead};
use crate::engine::batch::block::ScoredBlock;
use crate::engine::batch::columns::Cell;
use crate::engine::batch::frame::{FrameScorer, part};
use crate::engine::batch::plan::{Order, Plan, Written};
use crate::engine::batch::question::{RowQuestion, RowScore};

/// Scores blocks, on any thread.
pub(crate) struct Scorer<'p, 'a> {
    plan: &'p Plan<'a>,
    /// Whether P(refusal) of each row is requested.
    with_scores: bool,
    /// Whether the rows of a table stay in memory as a table.
    whole_frames: bool,
}

impl<'p, 'a> Scorer<'p, 'a> {
    /// A scorer for rows that are written to an output.
    pub(crate) fn of(plan: &'p Plan<'a>, streams: bool) -> Self {
        let top = matches!(plan.order, Order::Top(_));
        Self { plan, with_scores: plan.order != Order::AsRead, whole_frames: top || streams }
    }

    /// A scorer for rows that stay in memory with their scores.
    pub(crate) const fn in_memory(plan: &'p Plan<'a>) -> Self {
        Self { plan, with_scores: true, whole_frames: true }
    }

    /// Scores the rows of a block.
    ///
    /// # Errors
    /// When the encoder fails, a table cannot be processed, or nobody waits any more. A bad row is not an
    /// error.
    pub(crate) fn score(&self, format: &RowFormat, block: &Block) -> anyhow::Result<ScoredBlock> {
        let file = Arc::clone(&block.head.file);
        let mut done = ScoredBlock { after: block.after, file, ..ScoredBlock::default() };
        done.counts.passed_over = block.passed_over;
        match &block.rows {
            Rows::Frame { frame, before } => {
                FrameScorer { plan: self.plan, with_scores: self.with_scores, format, head: &block.head }
                    .score(frame, *before, &mut done)?;
                if let Some(frame) = done.frame.as_ref().filter(|_| !self.whole_frames) {
                    done.rows = part(frame)?;
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

    /// Scores the rows of a text; `place` returns the line of a row.
    fn score_text(
        &self,
        format: &RowFormat,
        bytes: &[u8],
        place: &dyn Fn(usize, usize) -> usize,
        done: &mut ScoredBlock,
    ) -> anyhow::Result<()> {
        let mut scratch = self.plan.columns.scratch();
        let mut cells = Vec::new();
        done.rows.reserve(bytes.len() * 3 / 2);
        let records = self.records(format, bytes, &mut scratch)?;
        let read = || {
            let rows = records.iter().filter(|(_, record)| !record.trim_ascii().is_empty());
            rows.map(|(_, record)| format.read(record, |row| RowBuf::from(row))).collect()
        };
        let mut ahead = score_ahead(&self.plan.columns, read, &mut scratch)?;
        for (number, (offset, record)) in records.iter().enumerate() {
            // A blank line is not a row.
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
                    format.read(record, |row| columns.score_row(row, &mut scratch, &mut cells))
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
                    let place = Place { file: Arc::clone(&done.file), line: place(number, *offset) };
                    // Whoever sent a text has it already. A raw copy could also be large: short rows repeat a
                    // long header.
                    let raw =
                        self.plan.bounds.is_none().then(|| format.raw(&String::from_utf8_lossy(record)));
                    done.reject(Rejection { place, field, reason, raw });
                }
            }
        }
        Ok(())
    }

    /// The rows of a text with the lines before each; of chats the part that is written.
    fn records<'r>(
        &self,
        format: &RowFormat,
        bytes: &'r [u8],
        scratch: &mut Scratch,
    ) -> anyhow::Result<Vec<(usize, Cow<'r, [u8]>)>> {
        let records = stream::records(bytes, delimiter(format.format)).into_iter();
        let (Some(cut), RowQuestion::Responses { judge, .. }) = (self.plan.cut, self.plan.columns.question())
        else {
            return Ok(records.map(|(offset, record)| (offset, Cow::Borrowed(record))).collect());
        };
        records.map(|(offset, record)| Ok((offset, cut.of(format, judge, record, scratch)?))).collect()
    }

    /// Counts a scored row, and writes it if the condition keeps it.
    fn keep(
        &self,
        format: &RowFormat,
        record: &[u8],
        scored: RowScore,
        cells: &[Cell<'_>],
        done: &mut ScoredBlock,
    ) {
        let kept = self.plan.condition.as_ref().is_none_or(|condition| condition.keeps(cells));
        done.counts.add(scored, kept);
        if !kept {
            return;
        }
        let cells = if self.plan.bare { &[] } else { cells };
        match self.plan.written {
            Written::Same => format.write_same(record, cells, &mut done.rows),
            Written::Lines | Written::Parts => format.write_line(record, cells, &mut done.rows),
        }
        if self.with_scores {
            done.end_row(scored);
        }
    }
}
