//! What the n-grams learn from an encoder: texts without labels, and the scores of its heads for them.

use std::path::Path;

use demur_data::Record;
use demur_predictor::encoder::{Head, Reads};
use demur_predictor::{Field, Input, SeenPrompts, TrainingData, sigmoid};

use crate::encoder::distilled::DistilledRows;
use crate::encoder::params::Distil;
use crate::encoder::tier::loaded::LoadedEncoder;
use crate::error::TrainingError;
use crate::examples::input;
use crate::recipe::source_rows::SourceRows;
use crate::rows::identity;

/// The texts of a recipe's `distil`, and the files that they came from, without those that must stay unseen.
///
/// # Errors
/// As for reading.
pub(crate) fn texts(
    distil: &Distil,
    (folder, unseen): (&Path, &SeenPrompts),
    field: Field,
) -> Result<(Vec<Record>, Vec<TrainingData>), TrainingError> {
    let sources: Vec<_> = distil.data.iter().map(|source| source.within(folder)).collect();
    let rows = SourceRows::without_labels(&sources, &[field])?;
    let kept = |record: &Record| !unseen.contains(identity(record));
    Ok((rows.records(field).into_iter().filter(kept).collect(), rows.describe(field)?))
}

/// The texts, scored by the head of all rows and by the head of each fold.
pub(crate) fn distilled(
    records: Vec<Record>,
    weight: f64,
    (whole, of_folds): (&Head, &[Head]),
    (encoder, reads): (&LoadedEncoder, &Reads),
) -> Result<DistilledRows, TrainingError> {
    let inputs: Vec<Input<'_>> = records.iter().map(input).collect();
    let embeddings = encoder.embed(reads, &inputs)?;
    let by = |head: &Head| -> Vec<f64> {
        embeddings.chunks_exact(encoder.config.width()).map(|row| sigmoid(head.logit(row))).collect()
    };
    let (whole, by_fold) = (by(whole), of_folds.iter().map(by).collect());
    Ok(DistilledRows { records, weight, whole, by_fold })
}
