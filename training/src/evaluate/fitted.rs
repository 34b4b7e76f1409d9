//! Evaluating a fitted model on labelled rows.

use demur_data::Record;
use demur_predictor::encoder::Cascade;
use demur_predictor::{Model, Phrases, Scratch};

use crate::answers::judge_answers;
use crate::error::TrainingError;
use crate::evaluate::evaluation::Evaluation;
use crate::evaluate::scored::Scored;
use crate::examples::{Examples, is_labelled};

/// The figures of a response classifier.
#[derive(Debug, Clone)]
pub struct EvaluatedAnswers {
    /// The figures on the rows with an answer.
    pub evaluation: Evaluation,
    /// Labelled rows without an answer (an outage, a rate limit): neither right nor wrong.
    pub no_answer: usize,
}

/// Evaluates a fitted response classifier on labelled rows, by what it says of each answer as a whole: signs,
/// phrases and text. The caller must make sure that the model has not seen the rows.
///
/// # Errors
/// [`TrainingError::NoRows`], or [`TrainingError::Score`] when the encoder fails.
pub fn evaluate_answers(
    model: &Model,
    records: &[Record],
    (cascade, phrases): (Option<Cascade>, &Phrases),
    method: String,
    seed: u64,
) -> Result<EvaluatedAnswers, TrainingError> {
    let labelled: Vec<Record> = records.iter().filter(|record| is_labelled(record)).cloned().collect();
    let (mut answered, mut p, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    let judged = judge_answers(model, &labelled, cascade, phrases)?;
    let no_answer = judged.iter().filter(|judged| judged.verdict.p_refusal.is_none()).count();
    for (record, judged) in labelled.into_iter().zip(judged) {
        let Some(p_refusal) = judged.verdict.p_refusal else { continue };
        answered.push(record);
        p.push(p_refusal.get());
        kinds.push(judged.verdict.kinds);
    }
    let examples = Examples::of(&answered, &vec![0; answered.len()]);
    if examples.is_unlabelled() {
        return Err(TrainingError::no_labels("evaluate"));
    }
    let manifest = model.manifest();
    let scored = Scored { field: manifest.field, method, threshold: manifest.policy.hold_from, seed };
    Ok(EvaluatedAnswers { evaluation: scored.judge_with_kinds(&examples, p, kinds), no_answer })
}

/// Evaluates a fitted model, with all its tiers, on the texts of labelled rows; if no cascade is given, the
/// model's own is used. The caller must make sure that the model has not seen the rows.
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
