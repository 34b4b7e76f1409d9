//! The fit of an encoder that both models use: parts held out in turn, then all rows.

use std::path::Path;

use demur_data::assign_folds;
use demur_predictor::encoder::{Reads, Tokens};

use crate::encoder::shared::{SharedEncoder, SharedRow};
use crate::encoder::tier::folder::{HeldOutLogit, HeldOutLogits};
use crate::encoder::tier::loaded::LoadedEncoder;
use crate::encoder::tier::store::EncoderStore;
use crate::encoder::tier::tuning::folder::EncoderFolder;
use crate::encoder::tier::tuning::rows::{Runs, TuneRows, smoothed};
use crate::error::TrainingError;
use crate::examples::split;
use crate::metrics::Clusters;

/// Fits an encoder on the rows of both models, and writes its folder.
///
/// # Errors
/// [`TrainingError::Encoder`] when the base model is missing or cannot be run, and the errors of the fit.
pub(crate) fn tune_shared(
    params: &SharedEncoder,
    rows: &[SharedRow<'_>],
    encoders: &EncoderStore,
    seed: u64,
    out: &Path,
) -> Result<(), TrainingError> {
    let _cores = encoders.all_cores();
    let base = encoders.base(&params.base, &[])?;
    let base = &encoders.with_pieces(&base, (params.pieces, params.dropout), &used(&base, rows)?)?;
    let tokens: Vec<Tokens> = rows.iter().map(|row| tokens(base, row)).collect::<Result<_, _>>()?;
    let labels: Vec<bool> = rows.iter().map(|row| row.target >= 0.5).collect();
    let of_fit = TuneRows {
        tokens,
        targets: rows.iter().map(|row| smoothed(&params.tune, row.target)).collect(),
        weights: rows.iter().map(|row| row.weight).collect(),
        labels: labels.clone(),
    };
    let runs = Runs { params: &params.tune, base, rows: &of_fit, encoders, seed };
    let folds = folds(params, rows, &labels, seed)?;
    let count = folds.iter().max().map_or(0, |last| last + 1);
    let all: Vec<usize> = (0..rows.len()).collect();
    runs.estimate(&all, count + 1)?;
    let mut held_out = HeldOutLogits::default();
    for fold in 0..count {
        let (train, test) = split(&folds, fold);
        let run = runs.run(&train, &test, params.tune.epochs)?;
        if let Some(last) = run.epochs.last() {
            // There are fewer folds than a byte counts.
            let fold = u8::try_from(fold).unwrap_or(u8::MAX);
            for (&row, &logit) in test.iter().zip(&last.logits) {
                held_out.insert(&of_fit.tokens[row], HeldOutLogit { logit: logit as f32, fold });
            }
        }
    }
    let fitted = runs.run(&all, &[], params.tune.epochs)?;
    let folder = EncoderFolder {
        config: base.config.clone(),
        vocabulary: base.vocabulary.clone(),
        weights: fitted.weights.in_eight_bits(),
        base: base.name.clone(),
        base_sha256: base.base_sha256.clone(),
        head: fitted.head,
        held_out,
    };
    folder.save(out)?;
    // Until here a fit that failed can go on.
    runs.forget();
    Ok(())
}

/// The pieces that the rows use.
fn used(base: &LoadedEncoder, rows: &[SharedRow<'_>]) -> Result<Vec<bool>, TrainingError> {
    let mut used = vec![false; base.config.vocabulary];
    for row in rows {
        for id in tokens(base, row)?.ids {
            used[id as usize] = true;
        }
    }
    Ok(used)
}

fn tokens(base: &LoadedEncoder, row: &SharedRow<'_>) -> Result<Tokens, TrainingError> {
    let reads: &Reads = &row.reads;
    Ok(base.encoder.tokens(reads, &row.input)?)
}

/// A fold for each row: parts stay whole, classes are balanced.
fn folds(
    params: &SharedEncoder,
    rows: &[SharedRow<'_>],
    labels: &[bool],
    seed: u64,
) -> Result<Vec<usize>, TrainingError> {
    let parts = Clusters::of(rows.iter().map(|row| row.part.as_str()));
    let strata: Vec<u32> = labels.iter().map(|&label| u32::from(label)).collect();
    Ok(assign_folds(&strata, Some(parts.numbers()), params.parts.min(parts.len()), seed)?)
}
