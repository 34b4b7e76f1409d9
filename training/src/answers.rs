//! Answers as a response classifier judges them: by signs, an operator's phrases and the text, as everywhere.

use demur_data::Record;
use demur_predictor::encoder::Cascade;
use demur_predictor::{Answer, Input, Judged, Model, Phrases, Scratch, decided_by_sign};
use rayon::prelude::*;

use crate::error::TrainingError;

/// The answer of a record.
#[must_use]
pub fn answer(record: &Record) -> Answer<'_> {
    Answer {
        prompt: record.prompt.as_deref(),
        response: record.response.as_deref(),
        signs: record.signs.as_deref(),
        ..Answer::default()
    }
}

/// Whether a sign beside or in place of the text decides a record's answer, whatever its words say.
pub(crate) fn is_decided_by_sign(record: &Record) -> bool {
    record.response.is_some() && decided_by_sign(&answer(record)).is_some()
}

/// The verdict on the answer of every record, in order: by n-grams on all cores, and by the encoder if the
/// model has one; if no cascade is given, the model's own is used.
///
/// # Errors
/// [`TrainingError::Score`] when the encoder fails.
pub fn judge_answers(
    model: &Model,
    records: &[Record],
    cascade: Option<Cascade>,
    phrases: &Phrases,
) -> Result<Vec<Judged>, TrainingError> {
    let policy = &model.manifest().policy;
    let answers: Vec<Answer<'_>> = records.iter().map(answer).collect();
    if model.encoder().is_some() {
        let score =
            |inputs: &[Input<'_>], scratch: &mut Scratch| model.predict_tiers(inputs, cascade, scratch);
        return Ok(model.judge_all(&answers, policy, phrases, &mut Scratch::default(), score)?);
    }
    let of = |scratch: &mut Scratch, answer: &Answer<'_>| {
        Judged::of(model.judge(answer, policy, phrases, scratch), None)
    };
    Ok(answers.par_iter().with_min_len(64).map_init(Scratch::default, of).collect())
}
