//! An encoder that was fitted with its head: the logits that the second level learns from are those of the
//! encoders that had not seen a row.

use std::sync::Arc;

use demur_data::shuffled;
use demur_predictor::Input;
use demur_predictor::encoder::Reads;

use crate::encoder::task::EncoderTask;
use crate::encoder::tier::direction::RefusalDirection;
use crate::encoder::tier::folder::FittedHead;
use crate::encoder::tier::head_fit::EncoderFit;
use crate::encoder::tier::loaded::LoadedEncoder;
use crate::error::TrainingError;

/// Rows that the refusal direction is computed from.
const DIRECTION_ROWS: usize = 2000;

/// Takes the head of a fitted encoder. Rows that its fit did not have are left to the n-grams.
pub(crate) fn with_head(
    fitted: &FittedHead,
    task: &EncoderTask<'_, '_>,
    reads: &Reads,
    encoder: &Arc<LoadedEncoder>,
) -> Result<EncoderFit, TrainingError> {
    let examples = task.examples;
    let rows = examples.labelled();
    let inputs: Vec<Input<'_>> = rows.iter().map(|&row| examples.inputs[row]).collect();
    let tokens = encoder.tokens(reads, &inputs)?;
    let held_out = |(&row, tokens)| Some((row, fitted.held_out.get(tokens)?));
    let held_out: Vec<_> = rows.iter().zip(&tokens).filter_map(held_out).collect();
    let out_of_fold: Vec<(usize, f64)> =
        held_out.iter().map(|&(row, of_row)| (row, f64::from(of_row.logit))).collect();
    let parts = held_out.iter().map(|(_, of_row)| usize::from(of_row.fold)).collect();
    if out_of_fold.is_empty() {
        let hint = "the encoder's folder has held-out logits of none of these rows; fit it again".to_owned();
        return Err(TrainingError::NoRows { step: "second level", hint });
    }
    let drawn = shuffled(out_of_fold.len(), task.seed).into_iter().take(DIRECTION_ROWS);
    let drawn: Vec<(usize, f64)> = drawn.map(|at| out_of_fold[at]).collect();
    let inputs: Vec<Input<'_>> = drawn.iter().map(|&(row, _)| examples.inputs[row]).collect();
    let embeddings = encoder.embed(reads, &inputs)?;
    let all = examples.labels();
    let labels: Vec<bool> = drawn.iter().map(|&(row, _)| all[row]).collect();
    let rows: Vec<usize> = (0..drawn.len()).collect();
    let direction = RefusalDirection::of(&embeddings, encoder.config.width(), &rows, &labels)?;
    // The encoder has seen these rows, so no figure on them would be one.
    let (direction, described) = direction.plain();
    Ok(EncoderFit {
        loaded: Arc::clone(encoder),
        head: fitted.head.clone(),
        out_of_fold,
        parts,
        direction,
        described,
    })
}
