//! Rows that an encoder scores: many at a time, before any of them is written.

use anyhow::Context;
use demur_data::stream::{Cell, Fault};
use demur_predictor::{Input, Scratch};

use crate::engine::batch::columns::{Columns, RowScore};
use crate::engine::tiered_model::OwnedInput;

/// The rows of a block as all tiers score them, in order.
type Ahead<'a> = std::vec::IntoIter<Result<(RowScore, Vec<Cell<'a>>), Fault>>;

/// Scores rows by all tiers, those that could be read, together; none where the n-gram tier answers all, row by row.
pub(super) fn score_ahead<'a>(
    columns: &Columns<'a>,
    rows: impl FnOnce() -> Vec<Result<OwnedInput, Fault>>,
    scratch: &mut Scratch,
) -> anyhow::Result<Option<Ahead<'a>>> {
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
