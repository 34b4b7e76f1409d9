//! Rows scored by an encoder: a whole block in batches, before any of its rows is written.

use anyhow::Context;
use demur_data::Signs;
use demur_data::stream::{Cell, Fault, RowInput};
use demur_predictor::Scratch;

use crate::engine::batch::columns::Columns;
use crate::engine::batch::question::RowScore;
use crate::engine::tiered_model::InputBuf;

/// An owned copy of what a row gives to score.
pub(super) struct RowBuf {
    texts: InputBuf,
    signs: Option<Signs>,
}

impl From<&RowInput<'_>> for RowBuf {
    fn from(row: &RowInput<'_>) -> Self {
        Self { texts: InputBuf::from(&row.texts), signs: row.signs.cloned() }
    }
}

impl RowBuf {
    fn as_input(&self) -> RowInput<'_> {
        RowInput { texts: self.texts.as_input(), signs: self.signs.as_ref() }
    }
}

/// The scores of a block's rows by all tiers, in order.
type Ahead<'a> = std::vec::IntoIter<Result<(RowScore, Vec<Cell<'a>>), Fault>>;

/// Scores the readable rows of a block by all tiers, together. Returns `None` when the model has no encoder:
/// its rows are then scored one by one.
pub(super) fn score_ahead<'a>(
    columns: &Columns<'a>,
    rows: impl FnOnce() -> Vec<Result<RowBuf, Fault>>,
    scratch: &mut Scratch,
) -> anyhow::Result<Option<Ahead<'a>>> {
    if !columns.question().tiered().has_encoder() {
        return Ok(None);
    }
    let rows = rows();
    let inputs: Vec<RowInput<'_>> = rows.iter().flatten().map(RowBuf::as_input).collect();
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
