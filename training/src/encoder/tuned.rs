//! Fitting the encoder itself: which rows each run sees, which epoch is taken, what is kept of it.
//!
//! A part of the rows is held out (or each fold in turn) to find the epoch after which more teaches nothing, and to have
//! logits of rows that the encoder has not seen. Then the encoder is fitted on all rows, for so many epochs.

use std::sync::{Arc, PoisonError};

use demur_predictor::encoder::Reads;

use crate::encoder::fit::{Task, Topped};
use crate::encoder::intermediate::Learnt;
use crate::encoder::params::TuneParams;
use crate::encoder::workshop::{Bench, Workshop};
use crate::error::TrainingError;
use crate::examples::Examples;

/// Fits an encoder on the task that counts.
#[cfg(feature = "bert")]
pub(crate) fn tune(
    params: &TuneParams,
    task: &Task<'_, '_>,
    reads: &Reads,
    learnt: &Learnt,
) -> Result<Topped, TrainingError> {
    use demur_predictor::sigmoid;

    use crate::encoder::direction::RefusalDirection;
    use crate::encoder::tune::{Run, Runs, TuneRows};
    use crate::examples::split;
    use crate::metrics::log_loss;

    let workshop = Workshop::shared();
    // What the lock guards is the machine's cores, not data.
    let _busy = workshop.busy.lock().unwrap_or_else(PoisonError::into_inner);
    let (examples, bench) = (task.examples, &learnt.bench);
    let rows = TuneRows::of(examples, bench.tokens(reads, &examples.inputs)?, task.class_weight, params);
    let runs = Runs { params, bench, rows: &rows, seed: task.seed };
    let all = examples.labelled();
    // Without folds, one part of so many is held out.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let parts =
        if params.folds > 1 { params.folds } else { (1.0 / params.validation).round().max(2.0) as usize };
    let folds = task.calibrate_on.folds(examples, parts, task.seed)?;
    // Of whole sources there may be fewer folds than were asked for.
    let found = folds.iter().max().map_or(0, |last| last + 1);
    let held_out = if params.folds > 1 { found } else { 1 };
    runs.estimate(&all, held_out + 1)?;
    let mut done: Vec<(Vec<usize>, Run)> = Vec::with_capacity(held_out);
    for fold in 0..held_out {
        let (train, test) = split(&folds, fold);
        let keep = |rows: Vec<usize>| rows.into_iter().filter(|&row| examples.weights[row] > 0.0).collect();
        let (train, test): (Vec<usize>, Vec<usize>) = (keep(train), keep(test));
        let run = runs.run(&train, &test, params.epochs)?;
        done.push((test, run));
    }
    // The epoch with the least loss on rows that were held out, over all parts.
    let epochs = done.iter().map(|(_, run)| run.epochs.len()).min().unwrap_or(0);
    let loss = |epoch: usize| {
        let (mut p, mut labels) = (Vec::new(), Vec::new());
        for (test, run) in &done {
            p.extend(run.epochs[epoch].logits.iter().map(|&logit| sigmoid(logit)));
            labels.extend(test.iter().map(|&row| examples.truth[row] >= 0.5));
        }
        log_loss(&p, &labels)
    };
    let best = (0..epochs).min_by(|&a, &b| loss(a).total_cmp(&loss(b))).unwrap_or(0);
    let out_of_fold: Vec<(usize, f64)> = done
        .iter()
        .flat_map(|(test, run)| test.iter().copied().zip(run.epochs[best].logits.iter().copied()))
        .collect();
    let fitted = runs.run(&all, &[], best + 1)?;
    let tuned = workshop.tuned(&runs.key(&all, &[]), bench, fitted.weights)?;
    let hidden = tuned.config.hidden;
    let labels = examples.labels();
    let embeddings = tuned.embed(reads, &examples.inputs)?;
    let direction = RefusalDirection::of(&embeddings, hidden, &all, &labels)?;
    // What the direction is worth is measured on the first part that was held out, half by half.
    let (test, run) = &done[0];
    let of_test: Vec<bool> = test.iter().map(|&row| labels[row]).collect();
    let kept = &run.epochs[best];
    let (rows, projections) = crossed(&kept.embeddings, hidden, &of_test);
    let (direction, described) = direction.described(&rows, (&projections, &kept.logits), &of_test);
    runs.forget();
    Ok(Topped { bench: tuned, head: fitted.head, out_of_fold, direction, described, choice: Vec::new() })
}

/// Projections of each half of some rows on the direction of the other.
#[cfg(feature = "bert")]
fn crossed(embeddings: &[f32], hidden: usize, labels: &[bool]) -> (Vec<usize>, Vec<f64>) {
    use crate::encoder::direction::RefusalDirection;

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

/// Fits an encoder on an intermediate task, once for all fits of this process that ask for it.
#[cfg(feature = "bert")]
pub(crate) fn tune_first(
    params: &TuneParams,
    examples: &Examples<'_>,
    (reads, base): (&Reads, &Arc<Bench>),
    seed: u64,
) -> Result<Arc<Bench>, TrainingError> {
    use crate::encoder::tune::{Runs, TuneRows};
    use crate::fit::logistic::ClassWeight;

    let workshop = Workshop::shared();
    // What the lock guards is the machine's cores, not data.
    let _busy = workshop.busy.lock().unwrap_or_else(PoisonError::into_inner);
    let rows = TuneRows::of(examples, base.tokens(reads, &examples.inputs)?, ClassWeight::None, params);
    let runs = Runs { params, bench: base, rows: &rows, seed };
    let all = examples.labelled();
    let key = runs.key(&all, &[]);
    if let Some(bench) = workshop.kept(&key, base)? {
        return Ok(bench);
    }
    runs.estimate(&all, 1)?;
    let fitted = runs.run(&all, &[], params.epochs)?;
    let bench = workshop.keep(&key, base, fitted.weights)?;
    runs.forget();
    Ok(bench)
}

/// Says that this build cannot.
#[cfg(not(feature = "bert"))]
pub(crate) fn tune(
    _params: &TuneParams,
    _task: &Task<'_, '_>,
    _reads: &Reads,
    _learnt: &Learnt,
) -> Result<Topped, TrainingError> {
    Err(TrainingError::NoTorch)
}

/// Says that this build cannot.
#[cfg(not(feature = "bert"))]
pub(crate) fn tune_first(
    _params: &TuneParams,
    _examples: &Examples<'_>,
    _base: (&Reads, &Arc<Bench>),
    _seed: u64,
) -> Result<Arc<Bench>, TrainingError> {
    Err(TrainingError::NoTorch)
}
