//! The intermediate task: what an encoder learns first, from rows that have other labels and are more.

use std::path::Path;
use std::sync::Arc;

use demur_data::Record;
use demur_predictor::encoder::{Head, Reads};
use demur_predictor::{SeenPrompts, TrainingData, sha256};

use crate::encoder::fit::Task;
use crate::encoder::head::{matrix, teacher};
use crate::encoder::params::Intermediate;
use crate::encoder::tuned::tune_first;
use crate::encoder::workshop::{Bench, Workshop};
use crate::error::TrainingError;
use crate::examples::Examples;
use crate::recipe::source_rows::SourceRows;
use crate::train::{identity, seen};

/// What an encoder has learned before the task that counts.
#[derive(Debug)]
pub(crate) struct Learnt {
    pub(crate) bench: Arc<Bench>,
    /// A head for each source of the intermediate task.
    pub(crate) heads: Vec<Head>,
    pub(crate) training: Vec<TrainingData>,
    pub(crate) seen: SeenPrompts,
}

impl Learnt {
    /// A base model as it is.
    pub(crate) fn nothing(bench: Arc<Bench>) -> Self {
        Self { bench, heads: Vec::new(), training: Vec::new(), seen: SeenPrompts::default() }
    }
}

/// Learns the intermediate task from files in a folder, without the prompts that are to stay unseen; or finds what an earlier fit of this process has learned of it: the folds of a
/// cross-validation share it.
///
/// # Errors
/// As for reading and fitting; [`TrainingError::NoRows`] where a source has none.
pub(crate) fn learn(
    intermediate: &Intermediate,
    (folder, unseen): (&Path, &SeenPrompts),
    base: &Arc<Bench>,
    reads: &Reads,
    task: &Task<'_, '_>,
) -> Result<Arc<Learnt>, TrainingError> {
    let asked =
        format!("{intermediate:?} {folder:?} {reads:?} {:?} {} {}", task.field, task.seed, base.digest);
    let key = sha256(&[asked.into_bytes(), unseen.to_bytes()].concat());
    let workshop = Workshop::shared();
    if let Some(learnt) = workshop.learnt(&key) {
        return Ok(learnt);
    }
    let (mut sources, mut training) = (Vec::new(), Vec::new());
    for source in &intermediate.data {
        let rows = SourceRows::labelled(&[source.within(folder)], task.field)?;
        training.extend(rows.describe(task.field)?);
        let records = rows.records(task.field).into_iter();
        sources.push(records.filter(|record| !unseen.contains(identity(record))).collect::<Vec<Record>>());
    }
    workshop.learn_once(&key, || {
        let all: Vec<Record> = sources.iter().flatten().cloned().collect();
        let bench = match &intermediate.tune {
            None => Arc::clone(base),
            Some(params) => {
                let groups: Vec<u32> = (0..).take(all.len()).collect();
                tune_first(params, &Examples::of(&all, &groups), (reads, base), task.seed)?
            }
        };
        let heads = sources.iter().map(|records| head(&bench, reads, records)).collect::<Result<_, _>>()?;
        Ok(Learnt { bench, heads, training, seen: seen(&all) })
    })
}

/// The head of one source of the task.
fn head(bench: &Bench, reads: &Reads, records: &[Record]) -> Result<Head, TrainingError> {
    let groups: Vec<u32> = (0..).take(records.len()).collect();
    let examples = Examples::of(records, &groups);
    let rows = examples.labelled();
    if rows.is_empty() {
        let hint = "a source of `encoder.intermediate` needs labelled rows".to_owned();
        return Err(TrainingError::NoRows { step: "intermediate task", hint });
    }
    let embeddings = bench.embed(reads, &examples.inputs)?;
    teacher(&matrix(&embeddings, bench.config.width(), &[]), &examples, &rows)
}
