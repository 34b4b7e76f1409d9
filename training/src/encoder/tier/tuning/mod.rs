//! Fitting the encoder itself: which rows each run sees, which epoch is used, what is stored.
//!
//! A part of the rows is held out (or each fold in turn), to find the epoch after which more training does
//! not help, and to get logits of rows that the encoder has not seen. Then the encoder is fitted on all rows
//! for that number of epochs.

mod adamw;
mod checkpoint;
mod folder;
mod kept;
mod learner;
mod rows;
mod runs;
mod shared;

use std::sync::Arc;

use demur_predictor::encoder::{DirectionManifest, Reads};
use demur_predictor::sigmoid;

use crate::encoder::params::TuneParams;
use crate::encoder::task::EncoderTask;
use crate::encoder::tier::direction::RefusalDirection;
use crate::encoder::tier::head_fit::EncoderFit;
use crate::encoder::tier::loaded::LoadedEncoder;
use crate::encoder::tier::store::EncoderStore;
use crate::encoder::tier::tuning::checkpoint::HeldOut;
use crate::encoder::tier::tuning::rows::{Runs, TuneRows};
use crate::encoder::tier::tuning::runs::Run;
use crate::error::TrainingError;
use crate::examples::{Examples, split};
use crate::fit::logistic::ClassWeight;
use crate::metrics::log_loss;

pub(crate) use shared::tune_shared;

/// Fits an encoder on the main task.
pub(crate) fn tune(
    params: &TuneParams,
    task: &EncoderTask<'_, '_>,
    reads: &Reads,
    base: &Arc<LoadedEncoder>,
    encoders: &EncoderStore,
) -> Result<EncoderFit, TrainingError> {
    let _cores = encoders.all_cores();
    let examples = task.examples;
    let rows = TuneRows::of(examples, base.tokens(reads, &examples.inputs)?, task.class_weight, params);
    let runs = Runs { params, base, rows: &rows, encoders, seed: task.seed };
    let all = examples.labelled();
    let done = held_out_runs(&runs, task, &all)?;
    let best = best_epoch(&done, examples);
    let out_of_fold: Vec<(usize, f64)> = done
        .iter()
        .flat_map(|(test, run)| test.iter().copied().zip(run.epochs[best].logits.iter().copied()))
        .collect();
    let fitted = runs.run(&all, &[], best + 1)?;
    let tuned = encoders.tuned(&runs.key(&all, &[]), base, fitted.weights)?;
    let embeddings = tuned.embed(reads, &examples.inputs)?;
    let labels = examples.labels();
    let direction = RefusalDirection::of(&embeddings, tuned.config.hidden, &all, &labels)?;
    // The direction is evaluated on the first held-out part, half by half.
    let (test, run) = &done[0];
    let of_test: Vec<bool> = test.iter().map(|&row| labels[row]).collect();
    let (direction, described) = described(direction, &run.epochs[best], tuned.config.hidden, &of_test);
    runs.forget();
    Ok(EncoderFit { loaded: tuned, head: fitted.head, out_of_fold, parts: Vec::new(), direction, described })
}

/// One run for each held-out part, with the rows of that part.
fn held_out_runs(
    runs: &Runs<'_>,
    task: &EncoderTask<'_, '_>,
    all: &[usize],
) -> Result<Vec<(Vec<usize>, Run)>, TrainingError> {
    let (params, examples) = (runs.params, task.examples);
    // Without folds, only the first of this many parts is held out.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let parts =
        if params.folds > 1 { params.folds } else { (1.0 / params.validation).round().max(2.0) as usize };
    let folds = task.calibrate_on.folds(examples, parts, task.seed)?;
    // If whole sources are held out, there may be fewer folds than requested.
    let found = folds.iter().max().map_or(0, |last| last + 1);
    let held_out = if params.folds > 1 { found } else { 1 };
    runs.estimate(all, held_out + 1)?;
    let mut done = Vec::with_capacity(held_out);
    for fold in 0..held_out {
        let (train, test) = split(&folds, fold);
        let keep = |rows: Vec<usize>| rows.into_iter().filter(|&row| examples.weights[row] > 0.0).collect();
        let (train, test): (Vec<usize>, Vec<usize>) = (keep(train), keep(test));
        let run = runs.run(&train, &test, params.epochs)?;
        done.push((test, run));
    }
    Ok(done)
}

/// The epoch with the least loss on held-out rows, over all parts.
fn best_epoch(done: &[(Vec<usize>, Run)], examples: &Examples<'_>) -> usize {
    let epochs = done.iter().map(|(_, run)| run.epochs.len()).min().unwrap_or(0);
    let loss = |epoch: usize| {
        let (mut p, mut labels) = (Vec::new(), Vec::new());
        for (test, run) in done {
            p.extend(run.epochs[epoch].logits.iter().map(|&logit| sigmoid(logit)));
            labels.extend(test.iter().map(|&row| examples.truth[row] >= 0.5));
        }
        log_loss(&p, &labels)
    };
    (0..epochs).min_by(|&a, &b| loss(a).total_cmp(&loss(b))).unwrap_or(0)
}

/// A direction with its figures on held-out rows: each half is projected on the direction of the other half.
fn described(
    direction: RefusalDirection,
    held_out: &HeldOut,
    hidden: usize,
    labels: &[bool],
) -> (Vec<f32>, DirectionManifest) {
    let (rows, projections) = crossed(&held_out.embeddings, hidden, labels);
    direction.described(&rows, (&projections, &held_out.logits), labels)
}

/// Projections of each half of some rows on the direction of the other.
fn crossed(embeddings: &[f32], hidden: usize, labels: &[bool]) -> (Vec<usize>, Vec<f64>) {
    let halves: [Vec<usize>; 2] = [0, 1].map(|half| (half..labels.len()).step_by(2).collect());
    let mut projections = vec![0.0; labels.len()];
    for (from, to) in [(0, 1), (1, 0)] {
        let Ok(direction) = RefusalDirection::of(embeddings, hidden, &halves[from], labels) else {
            return (Vec::new(), projections);
        };
        for &row in &halves[to] {
            projections[row] = direction.deviations(&embeddings[row * hidden..(row + 1) * hidden]);
        }
    }
    ((0..labels.len()).collect(), projections)
}

/// Fits an encoder on an intermediate task, once for all fits of a store that request it.
pub(crate) fn tune_first(
    params: &TuneParams,
    examples: &Examples<'_>,
    (reads, base): (&Reads, &Arc<LoadedEncoder>),
    encoders: &EncoderStore,
    seed: u64,
) -> Result<Arc<LoadedEncoder>, TrainingError> {
    let _cores = encoders.all_cores();
    let rows = TuneRows::of(examples, base.tokens(reads, &examples.inputs)?, ClassWeight::None, params);
    let runs = Runs { params, base, rows: &rows, encoders, seed };
    let all = examples.labelled();
    let key = runs.key(&all, &[]);
    if let Some(encoder) = encoders.kept(&key, base)? {
        return Ok(encoder);
    }
    runs.estimate(&all, 1)?;
    let fitted = runs.run(&all, &[], params.epochs)?;
    let encoder = encoders.keep(&key, base, fitted.weights)?;
    runs.forget();
    Ok(encoder)
}
