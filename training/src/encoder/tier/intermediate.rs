//! The intermediate task: what an encoder learns first, from a larger set of rows with other labels.

use std::path::Path;
use std::sync::Arc;

use demur_data::Record;
use demur_predictor::encoder::{Head, Reads};
use demur_predictor::{SeenPrompts, sha256};

use crate::encoder::params::Intermediate;
use crate::encoder::task::EncoderTask;
use crate::encoder::tier::head::{matrix, teacher};
use crate::encoder::tier::loaded::{LoadedEncoder, TrainedEncoder};
use crate::encoder::tier::store::EncoderStore;
use crate::encoder::tier::tuning::tune_first;
use crate::error::TrainingError;
use crate::examples::Examples;
use crate::recipe::source_rows::SourceRows;
use crate::rows::{identity, seen};

/// Learns the intermediate task from files in a folder, without the prompts that must stay unseen. Reuses the
/// result of an earlier fit of the same task, because the folds of a cross-validation share it.
///
/// # Errors
/// As for reading and fitting; [`TrainingError::NoRows`] when a source has none.
pub(crate) fn learn(
    intermediate: &Intermediate,
    (folder, unseen): (&Path, &SeenPrompts),
    (reads, base): (&Reads, &Arc<LoadedEncoder>),
    task: &EncoderTask<'_, '_>,
    encoders: &EncoderStore,
) -> Result<Arc<TrainedEncoder>, TrainingError> {
    let asked =
        format!("{intermediate:?} {folder:?} {reads:?} {:?} {} {}", task.field, task.seed, base.digest);
    let key = sha256(&[asked.into_bytes(), unseen.to_bytes()].concat());
    if let Some(trained) = encoders.trained(&key) {
        return Ok(trained);
    }
    let (mut sources, mut training) = (Vec::new(), Vec::new());
    for source in &intermediate.data {
        let rows = SourceRows::labelled(&[source.within(folder)], task.field)?;
        training.extend(rows.describe(task.field)?);
        let records = rows.records(task.field).into_iter();
        sources.push(records.filter(|record| !unseen.contains(identity(record))).collect::<Vec<Record>>());
    }
    encoders.train_once(&key, || {
        let all: Vec<Record> = sources.iter().flatten().cloned().collect();
        let loaded = match &intermediate.tune {
            None => Arc::clone(base),
            Some(params) => {
                let groups: Vec<u32> = (0..).take(all.len()).collect();
                tune_first(params, &Examples::of(&all, &groups), (reads, base), encoders, task.seed)?
            }
        };
        let heads = sources.iter().map(|records| head(&loaded, reads, records)).collect::<Result<_, _>>()?;
        Ok(TrainedEncoder { loaded, heads, training, seen: seen(&all) })
    })
}

/// The head of one source of the task.
fn head(encoder: &LoadedEncoder, reads: &Reads, records: &[Record]) -> Result<Head, TrainingError> {
    let groups: Vec<u32> = (0..).take(records.len()).collect();
    let examples = Examples::of(records, &groups);
    let rows = examples.labelled();
    if rows.is_empty() {
        let hint = "a source of `encoder.intermediate` needs labelled rows".to_owned();
        return Err(TrainingError::NoRows { step: "intermediate task", hint });
    }
    let embeddings = encoder.embed(reads, &examples.inputs)?;
    teacher(&matrix(&embeddings, encoder.config.width(), &[]), &examples, &rows)
}
