//! The bootstrap: a response classifier labels a larger corpus, and several answers to one prompt become a
//! rate.

use std::collections::BTreeMap;

use demur_data::{LABELLED_BY_DEMUR, Label, Labelled, LabelledBy, Place, Record, Turn, normalise};
use demur_predictor::{Input, Model, Probability, Scratch};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::TrainingError;
use crate::examples::input;

/// The value of `labelled_by` for rows that a model labelled: its name and digest.
#[must_use]
pub fn labelled_by(model: &Model) -> String {
    format!("{LABELLED_BY_DEMUR}{}@{}", model.manifest().name, model.digest())
}

/// One prompt with the label that a model assigned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MachineLabelled {
    /// The prompt as it first appeared.
    pub prompt: String,
    /// The target that answered it.
    pub target: Option<String>,
    /// The data set that the first row came from.
    pub source: Option<String>,
    /// Mean P(refusal) over the answers.
    pub p_refusal: f64,
    /// The label that follows from that mean.
    pub label: Label,
    /// Share of the answers that are labelled refused.
    pub refusal_rate: f64,
    /// How many answers there were.
    pub samples: u32,
    /// Mean of |2 P(refusal) - 1| over the answers: 0 is a coin toss, 1 is certain.
    pub confidence: f64,
    /// Weight in training: the mean weight of the answers. Confidence is not part of it: a soft label already
    /// says how certain the model is, and weighting by certainty as well would push rates towards 0 and 1.
    pub weight: f64,
    /// The classifier, as returned by [`labelled_by`].
    pub labelled_by: String,
}

/// P(refusal) of every record, in order: by n-grams on all cores, and by the encoder if the model has one and
/// uses it for the record.
///
/// # Errors
/// [`TrainingError::Score`] when the encoder fails, or a record has no response.
pub fn label(model: &Model, records: &[Record]) -> Result<Vec<Probability>, TrainingError> {
    let inputs: Vec<Input<'_>> = records.iter().map(input).collect();
    if model.encoder().is_some() {
        return Ok(model.predict_all(&inputs)?);
    }
    let of = |scratch: &mut Scratch, input: &Input<'_>| model.predict_ngrams(input, scratch).p_refusal;
    Ok(inputs.par_iter().with_min_len(64).map_init(Scratch::default, of).collect())
}

/// Labels (prompt, response) records and groups them by normalised prompt, target and context, in order of
/// appearance. Records without a prompt are skipped.
///
/// # Errors
/// As [`label`].
pub fn bootstrap(model: &Model, records: &[Record]) -> Result<Vec<MachineLabelled>, TrainingError> {
    let mut places: FxHashMap<(String, Option<&str>, &[Turn]), usize> = FxHashMap::default();
    let mut rows: Vec<MachineLabelled> = Vec::new();
    for (record, p) in records.iter().zip(label(model, records)?) {
        let Some(prompt) = &record.prompt else { continue };
        let key = (normalise(prompt), record.target.as_deref(), record.context.as_slice());
        let place = *places.entry(key).or_insert(rows.len());
        if place == rows.len() {
            rows.push(MachineLabelled {
                prompt: prompt.clone(),
                target: record.target.clone(),
                source: record.source.clone(),
                p_refusal: 0.0,
                label: Label::Complied,
                refusal_rate: 0.0,
                samples: 0,
                confidence: 0.0,
                weight: 0.0,
                labelled_by: labelled_by(model),
            });
        }
        let row = &mut rows[place];
        row.samples += 1;
        row.p_refusal += p.get();
        row.refusal_rate += model.manifest().policy.label(p).target();
        row.confidence += (2.0 * p.get() - 1.0).abs();
        row.weight += record.weight;
    }
    for row in &mut rows {
        let samples = f64::from(row.samples);
        row.p_refusal /= samples;
        row.refusal_rate /= samples;
        row.confidence /= samples;
        row.weight /= samples;
        row.label = Label::at(row.p_refusal, model.manifest().policy.hold_from);
    }
    Ok(rows)
}

impl MachineLabelled {
    /// The row as it is written to a corpus file.
    ///
    /// # Errors
    /// Never for a row that [`bootstrap`] made: all its numbers are finite.
    pub fn to_row(&self) -> Result<Map<String, Value>, TrainingError> {
        match serde_json::to_value(self) {
            Ok(Value::Object(row)) => Ok(row),
            other => {
                Err(TrainingError::NoRows { step: "bootstrap", hint: format!("a row became {other:?}") })
            }
        }
    }

    /// The row as a record of a training set, as if it had been read back.
    #[must_use]
    pub fn to_record(&self, place: Place) -> Record {
        Record {
            id: None,
            prompt: Some(self.prompt.clone()),
            response: None,
            signs: None,
            context: Vec::new(),
            target: self.target.clone(),
            source: self.source.clone(),
            category: None,
            split: None,
            group: None,
            label: Some(Labelled {
                label: Some(self.label),
                kind: None,
                by: LabelledBy::from_text(&self.labelled_by),
                p_refusal: Some(self.p_refusal),
                samples: self.samples,
            }),
            weight: self.weight,
            place,
            row: None,
        }
    }
}

/// A summary of a machine-labelled corpus: `(prompts, answers, refused prompts, mean P(refusal))` by target.
#[must_use]
pub fn by_target(rows: &[MachineLabelled]) -> BTreeMap<String, (usize, usize, usize, f64)> {
    let mut targets: BTreeMap<String, (usize, usize, usize, f64)> = BTreeMap::new();
    for row in rows {
        let entry = targets.entry(row.target.clone().unwrap_or_else(|| "unknown".to_owned())).or_default();
        entry.0 += 1;
        entry.1 += row.samples as usize;
        entry.2 += usize::from(row.label == Label::Refused);
        entry.3 += row.p_refusal;
    }
    for entry in targets.values_mut() {
        entry.3 /= entry.0 as f64;
    }
    targets
}
