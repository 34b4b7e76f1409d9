//! Evaluating a fitted model on labelled rows.

use demur_predictor::encoder::Cascade;
use demur_predictor::{Model, Scratch};

use crate::error::TrainingError;
use crate::evaluate::evaluation::Evaluation;
use crate::evaluate::scored::Scored;
use crate::examples::Examples;

/// Evaluates a fitted model, with all its tiers, on labelled rows; if no cascade is given, the model's own is
/// used. The caller must make sure that the model has not seen the rows.
///
/// # Errors
/// [`TrainingError::NoRows`], or [`TrainingError::Score`] when a row lacks the text that the model
/// classifies.
pub fn evaluate_model(
    model: &Model,
    examples: &Examples<'_>,
    cascade: Option<Cascade>,
    method: String,
    seed: u64,
) -> Result<Evaluation, TrainingError> {
    if examples.is_unlabelled() {
        return Err(TrainingError::no_labels("evaluate"));
    }
    let manifest = model.manifest();
    let field = manifest.field;
    let scored = Scored { field, method, threshold: manifest.policy.hold_from, seed };
    let mut scratch = Scratch::default();
    let (p, kinds) = model
        .predict_tiers(&examples.inputs, cascade, &mut scratch)?
        .into_iter()
        .zip(&examples.inputs)
        .map(|(tiered, input)| {
            (tiered.p_refusal.get(), model.kinds_at(input, tiered.p_refusal, &mut scratch))
        })
        .unzip();
    Ok(scored.judge_with_kinds(examples, p, kinds))
}
