//! Rows scored by an encoder: a whole block in batches, before any of its rows is written.

use anyhow::Context;
use demur_data::stream::{Cell, Fault};
use demur_predictor::{Input, Scratch};

use crate::engine::batch::columns::{Columns, RowScore};
use crate::engine::tiered_model::OwnedInput;

/// The scores of a block's rows by all tiers, in order.
type Ahead<'a> = std::vec::IntoIter<Result<(RowScore, Vec<Cell<'a>>), Fault>>;

/// Scores the readable rows of a block by all tiers, together. Returns `None` when the model has no encoder:
/// its rows are then scored one by one.
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
    // A bad row keeps its place, so that scores and rows stay aligned.
    let all = rows.into_iter().map(|row| match row {
        // There are as many scores as rows that could be read.
        Ok(_) => scored.next().ok_or_else(|| Fault::row("there is no answer to it")),
        Err(fault) => Err(fault),
    });
    Ok(Some(all.collect::<Vec<_>>().into_iter()))
}
