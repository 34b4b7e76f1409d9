//! The bootstrap: a response classifier labels a larger corpus, and several answers to one prompt become a
//! rate.

use std::collections::BTreeMap;

use demur_data::{
    Context, LABELLED_BY_DEMUR, Label, Labelled, LabelledBy, Mode, Place, Record, Turn, normalise,
};
use demur_predictor::{Model, Phrases};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answers::judge_answers;
use crate::error::TrainingError;

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
    /// The system prompt before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Whether the target could act.
    #[serde(default, skip_serializing_if = "Mode::is_chat")]
    pub mode: Mode,
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

/// What a classifier makes of a corpus of answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bootstrapped {
    /// The prompts with their labels.
    pub rows: Vec<MachineLabelled>,
    /// Rows without an answer (an outage, a rate limit): nothing is learned from them.
    pub no_answer: usize,
}

/// What makes two prompts one: the normalised prompt, the target, the turns before it, and what it was sent
/// in.
type Asked<'r> = (String, Option<&'r str>, &'r [Turn], &'r Context);

/// Labels (prompt, response) records and groups them by normalised prompt, target and context, in order of
/// appearance. Records without a prompt are skipped, and those without an answer counted.
///
/// # Errors
/// As [`judge_answers`].
pub fn bootstrap(
    model: &Model,
    records: &[Record],
    phrases: &Phrases,
) -> Result<Bootstrapped, TrainingError> {
    let mut places: FxHashMap<Asked<'_>, usize> = FxHashMap::default();
    let (mut rows, mut no_answer): (Vec<MachineLabelled>, usize) = (Vec::new(), 0);
    for (record, judged) in records.iter().zip(judge_answers(model, records, None, phrases)?) {
        let Some(prompt) = &record.prompt else { continue };
        let (Some(p), Some(label)) = (judged.verdict.p_refusal, judged.verdict.label) else {
            no_answer += 1;
            continue;
        };
        let key = (normalise(prompt), record.target.as_deref(), record.context.as_slice(), &record.sent_in);
        let place = *places.entry(key).or_insert(rows.len());
        if place == rows.len() {
            rows.push(MachineLabelled {
                prompt: prompt.clone(),
                target: record.target.clone(),
                system: record.sent_in.system.clone(),
                mode: record.sent_in.mode,
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
        row.refusal_rate += label.target();
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
    Ok(Bootstrapped { rows, no_answer })
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
            sent_in: Context::new(self.system.clone(), self.mode),
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
