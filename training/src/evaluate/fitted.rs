//! A fitted model on labelled rows.

use demur_predictor::encoder::Cascade;
use demur_predictor::{Model, Scratch};

use crate::error::TrainingError;
use crate::evaluate::evaluation::Evaluation;
use crate::evaluate::scored::Scored;
use crate::examples::Examples;

/// Judges a fitted model, all tiers of it, on labelled rows; without a cascade, by the model's own. That it has not seen
/// them is the caller's business.
///
/// # Errors
/// [`TrainingError::NoRows`], or [`TrainingError::Score`] when a row lacks the text that the model judges.
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
