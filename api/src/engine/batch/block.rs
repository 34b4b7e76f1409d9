//! A scored block of rows, and what of it is written.

use std::sync::Arc;

use demur_data::stream::Position;
use demur_data::{Frame, Rejection};

use crate::engine::batch::question::RowScore;
use crate::engine::batch::summary::Counts;

/// The result of scoring a block.
#[derive(Default)]
pub(crate) struct ScoredBlock {
    /// The rows that are written as text.
    pub(crate) rows: Vec<u8>,
    /// Score and end offset of each of these rows, when they are requested.
    pub(crate) ends: Vec<(RowScore, usize)>,
    /// The rows that are written as a table.
    pub(crate) frame: Option<Frame>,
    pub(crate) rejections: Vec<Rejection>,
    pub(crate) counts: Counts,
    /// Name of the input.
    pub(crate) file: Arc<str>,
    pub(crate) after: Position,
}

impl ScoredBlock {
    pub(crate) fn reject(&mut self, rejection: Rejection) {
        self.counts.rejected += 1;
        self.rejections.push(rejection);
    }

    pub(crate) fn end_row(&mut self, scored: RowScore) {
        self.ends.push((scored, self.rows.len()));
    }
}

/// What one block writes to the output.
#[derive(Default)]
pub(crate) struct BlockOutput<'p> {
    pub(crate) rows: &'p [u8],
    pub(crate) rejected: &'p [u8],
    /// P(refusal) and length of each row, where the rows are to be sorted.
    pub(crate) order: &'p [u8],
    /// Whether the rows are one part of an output that is joined from parts.
    pub(crate) part: bool,
}
