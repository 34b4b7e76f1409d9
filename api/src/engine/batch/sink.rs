//! Passes rows in their order to the output: all of them as they arrive, with the data for a sort, or the top
//! rows alone.

use anyhow::{Context, Error, ensure};
use demur_data::{Frame, Rejection};

use crate::engine::batch::assemble::order_entry;
use crate::engine::batch::block::{BlockOutput, ScoredBlock};
use crate::engine::batch::frame;
use crate::engine::batch::output::Output;
use crate::engine::batch::plan::{Order, Plan, Written};
use crate::engine::batch::question::RowScore;
use crate::engine::batch::reached::Reached;

const DIFFERENT: &str = "the files have different columns; score them apart";

/// What a sink keeps until the end.
enum Kept {
    /// Nothing: rows are written as they arrive.
    All,
    /// P(refusal) and length of each row, to sort by.
    Order,
    /// The best rows so far.
    Top { count: usize, rows: Vec<(f64, u64, Vec<u8>)>, frame: Option<Frame> },
}

/// Takes blocks in their order.
pub(crate) struct Sink<'p, 'a> {
    plan: &'p Plan<'a>,
    kept: Kept,
    pub(crate) reached: Reached,
    /// The first bad row that this run found.
    pub(crate) first_fault: Option<Rejection>,
}

impl<'p, 'a> Sink<'p, 'a> {
    /// Continues from what is already done.
    pub(crate) fn of(plan: &'p Plan<'a>, reached: Reached) -> Self {
        let kept = match plan.order {
            Order::AsRead => Kept::All,
            Order::Sorted => Kept::Order,
            Order::Top(count) => Kept::Top { count, rows: Vec::new(), frame: None },
        };
        Self { plan, kept, reached, first_fault: None }
    }

    /// Takes a block; `p_refusal` is the name of that column.
    ///
    /// # Errors
    /// When it cannot be written, or a row is bad and the run is strict.
    pub(crate) fn take(
        &mut self,
        mut done: ScoredBlock,
        p_refusal: &str,
        output: &mut Output,
    ) -> anyhow::Result<()> {
        let mut rejected = Vec::new();
        // Bad rows are serialized first, because a strict run must stop before the block counts as done.
        for rejection in &done.rejections {
            ensure!(!self.plan.strict, "{rejection}; without --strict bad rows are set aside");
            serde_json::to_writer(&mut rejected, rejection)?;
            rejected.push(b'\n');
        }
        let before = self.reached.counts.written;
        self.reached.add(&done);
        if self.first_fault.is_none() {
            self.first_fault = done.rejections.drain(..).next();
        }
        let mut order = Vec::new();
        match &mut self.kept {
            Kept::All => {}
            Kept::Order => order = order_entries(&done.ends),
            Kept::Top { count, rows, frame } => {
                keep_best(rows, *count, &done.rows, &done.ends, before);
                if let Some(of_block) = done.frame.take() {
                    keep_best_frame(frame, *count, of_block, p_refusal)?;
                }
                done.rows.clear();
            }
        }
        if let Some(frame) = done.frame {
            return output.stream(&frame);
        }
        let part = self.plan.written == Written::Parts;
        output
            .write(&BlockOutput { rows: &done.rows, rejected: &rejected, order: &order, part }, &self.reached)
    }

    /// Writes what was kept until the end.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn end(&mut self, output: &mut Output) -> anyhow::Result<()> {
        self.reached.end_input();
        let Kept::Top { rows, frame, .. } = std::mem::replace(&mut self.kept, Kept::All) else {
            return output.write(&BlockOutput::default(), &self.reached);
        };
        if let Some(frame) = frame {
            self.reached.counts.written = frame.height() as u64;
            if let Output::Stream(_) = output {
                return output.stream(&frame);
            }
            let rows = frame::part(&frame)?;
            let of_frame = BlockOutput { rows: &rows, part: true, ..BlockOutput::default() };
            return output.write(&of_frame, &self.reached);
        }
        self.reached.counts.written = rows.len() as u64;
        let rows = rows.into_iter().flat_map(|(.., row)| row).collect();
        let rows = self.plan.packing().pack(rows)?;
        output.write(&BlockOutput { rows: &rows, ..BlockOutput::default() }, &self.reached)
    }
}

/// P(refusal) and length of each row, in the layout of the order file.
fn order_entries(ends: &[(RowScore, usize)]) -> Vec<u8> {
    let starts = std::iter::once(0).chain(ends.iter().map(|(_, end)| *end));
    ends.iter().zip(starts).flat_map(|((row, end), start)| order_entry(row.p_refusal, end - start)).collect()
}

/// Merges rows into the best so far: those with the highest P(refusal); among ties the earlier row wins, and
/// rows without one come last.
fn keep_best(
    best: &mut Vec<(f64, u64, Vec<u8>)>,
    top: usize,
    rows: &[u8],
    ends: &[(RowScore, usize)],
    before: u64,
) {
    let mut start = 0;
    for (number, &(row, end)) in (before..).zip(ends) {
        let p = row.p_refusal.unwrap_or(f64::NEG_INFINITY);
        let worst = best.last().filter(|_| best.len() == top);
        if top > 0 && worst.is_none_or(|(worst, ..)| p > *worst) {
            let at = best.partition_point(|(other, ..)| *other >= p);
            best.insert(at, (p, number, rows[start..end].to_vec()));
            best.truncate(top);
        }
        start = end;
    }
}

/// The same for the rows of a table.
fn keep_best_frame(
    best: &mut Option<Frame>,
    top: usize,
    frame: Frame,
    p_refusal: &str,
) -> anyhow::Result<()> {
    let all: Vec<Frame> = best.take().into_iter().chain([frame]).collect();
    let all = Frame::concat(&all).map_err(Error::msg).context(DIFFERENT)?;
    *best = all.map(|all| all.ranked(p_refusal, top)).transpose().map_err(Error::msg)?;
    Ok(())
}
