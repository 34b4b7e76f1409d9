//! Labelled rows as a fit uses them: how a row is identified, who labelled it, its weight.

use demur_data::{Labeller, Record};
use demur_predictor::SeenPrompts;

/// What identifies a record in a model's [`SeenPrompts`] and in groups: its prompt, or its response if it has
/// no prompt.
#[must_use]
pub fn identity(record: &Record) -> &str {
    record.prompt.as_deref().or(record.response.as_deref()).unwrap_or_default()
}

/// The prompts of some records, for a model's [`SeenPrompts`].
#[must_use]
pub fn seen(records: &[Record]) -> SeenPrompts {
    SeenPrompts::of(records.iter().map(identity))
}

/// Scales the weights of this program's labels and of all others as a recipe says; rows with weight 0 are
/// left out.
#[must_use]
pub fn weighed(records: Vec<Record>, machine_weight: f64, human_weight: f64) -> Vec<Record> {
    let mut records = records;
    for record in &mut records {
        record.weight *= match labeller(record) {
            Some(Labeller::Demur) => machine_weight,
            _ => human_weight,
        };
    }
    records.retain(|record| record.weight > 0.0);
    records
}

/// Who labelled a record; `None` where it has no label.
pub(crate) fn labeller(record: &Record) -> Option<Labeller> {
    record.label.as_ref().map(|label| label.by.labeller)
}

/// Whether this record counts in figures: it has a label, and the label is not from a model of this program.
#[must_use]
pub fn may_judge(record: &Record) -> bool {
    labeller(record).is_some_and(|labeller| labeller != Labeller::Demur)
}
