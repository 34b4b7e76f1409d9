//! How certain a weight is: the same fit on the same n-grams again, on bootstrap samples, without each fold,
//! on halves.
//!
//! The vocabulary and the inverse document frequencies stay those of the model, so a weight means the same in
//! every refit. A refit has neither second level nor calibration: it shows how the rows move the weights, and
//! its own weight is reported next to the model's. Samples are drawn from whole groups (a template is one
//! draw, however many rows it has), by weighting the rows of one matrix that is built once.

use demur_data::resampled;
use demur_predictor::View;
use linfa::dataset::DatasetBase;
use linfa::prelude::{Fit, ParamGuard};
use ndarray::Array1;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::analysis::terms::params::{FOLDS, TermParams};
use crate::analysis::terms::top::{recurrence, top};
use crate::analysis::terms::units::Units;
use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::design::Design;
use crate::fit::logistic::{LogisticParams, SparseLogistic};
use crate::fit::params::NgramParams;
use crate::fit::sparse::SparseMatrix;
use crate::metrics::Z;
use crate::progress::Progress;

/// Weights need no more precision than their intervals have.
const TOLERANCE: f64 = 1e-3;

/// A weight in refits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Refitted {
    /// Its value on all rows.
    pub weight: f64,
    /// 95% interval: 1.96 standard deviations of the bootstrap around it.
    pub interval: (f64, f64),
    /// Share of the folds without which it keeps its sign; NaN if there are too few rows for folds.
    pub sign_stability: f64,
}

/// The weights of all refits, summarised.
pub(crate) struct Refits {
    weights: Vec<f64>,
    deviations: Vec<f64>,
    same_sign: Vec<u8>,
    folds: usize,
    pub(crate) resamples: usize,
    pub(crate) recurrence: Vec<f64>,
    pub(crate) c: f64,
}

impl Refits {
    pub(crate) fn of(&self, feature: usize) -> Refitted {
        let weight = self.weights[feature];
        let reach = Z * self.deviations[feature];
        Refitted {
            weight,
            interval: (weight - reach, weight + reach),
            sign_stability: f64::from(self.same_sign[feature]) / self.folds as f64,
        }
    }
}

struct RefitProblem<'a> {
    design: &'a Design<'a>,
    matrix: &'a SparseMatrix,
    examples: &'a Examples<'a>,
    params: LogisticParams,
}

impl RefitProblem<'_> {
    fn fit(&self, factors: &[f64]) -> Result<SparseLogistic, TrainingError> {
        let weights = self.examples.weights.iter().zip(factors).map(|(w, f)| (w * f) as f32).collect();
        let targets = Array1::from_vec(self.examples.targets.clone());
        let dataset = DatasetBase::new(self.matrix.clone(), targets).with_weights(weights);
        self.params.clone().check()?.fit(&dataset)
    }

    /// The weights of a refit with each row weighted by its factor; `None` if one class is missing.
    fn weights(&self, factors: &[f64]) -> Result<Option<Vec<f64>>, TrainingError> {
        match self.fit(factors) {
            Ok(fit) => Ok(Some(self.design.read(&fit.weights, fit.bias, self.examples).ngrams)),
            Err(TrainingError::OneClass { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

pub(crate) fn refit(
    (views, units): (&[View], &Units),
    fit: &NgramParams,
    rows: &Examples<'_>,
    halves: &[Vec<bool>],
    params: &TermParams,
    progress: Progress<'_>,
) -> Result<Refits, TrainingError> {
    let rows = rows.clone().shared_out(fit.group_power).balanced(fit.source_power);
    let design = Design::with_views(views, &fit.design(None), &rows);
    let matrix = design.matrix(&rows);
    let c = fit.c[fit.c.len() / 2];
    let base = fit.logistic(c).tolerance(TOLERANCE);
    let mut problem =
        RefitProblem { design: &design, matrix: &matrix, examples: &rows, params: base.clone() };
    let whole = problem.fit(&vec![1.0; rows.len()])?;
    let weights = design.read(&whole.weights, whole.bias, &rows).ngrams;
    problem.params = base.start(whole);
    let folds = rows.folds(FOLDS, params.seed).unwrap_or_default();
    let drawn = |at: usize| draw(&rows.groups, params.seed.wrapping_add(at as u64));
    let without = |fold: usize| folds.iter().map(|&of| f64::from(u8::from(of != fold))).collect();
    let half = |at: usize| halves[at].iter().map(|&within| f64::from(u8::from(within))).collect();
    let folds_in_all = if folds.is_empty() { 0 } else { FOLDS };
    let total = params.resamples + folds_in_all + halves.len();
    // One index runs over all refits: bootstrap samples first, then folds, then halves.
    let each = |at: usize| -> Result<Option<Vec<f64>>, TrainingError> {
        let factors: Vec<f64> = match at.checked_sub(params.resamples) {
            None => drawn(at),
            Some(at) if at < folds_in_all => without(at),
            Some(at) => half(at - folds_in_all),
        };
        let weights = problem.weights(&factors);
        progress.step("refits", total);
        weights
    };
    // In order, so that sums do not depend on the number of threads.
    let mut all: Vec<Option<Vec<f64>>> =
        (0..total).into_par_iter().map(each).collect::<Result<_, TrainingError>>()?;
    let of_halves = all.split_off(params.resamples + folds_in_all).into_iter().flatten();
    let pieces = !units.has_words();
    let of_halves: Vec<Vec<f64>> = of_halves.map(|half| units.only(pieces, &half)).collect();
    let of_folds: Vec<Vec<f64>> = all.split_off(params.resamples).into_iter().flatten().collect();
    let samples: Vec<Vec<f64>> = all.into_iter().flatten().collect();
    let same = |feature: usize| {
        let sign = |weight: f64| (weight > 0.0, weight < 0.0);
        let own = sign(weights[feature]);
        // The count is at most FOLDS.
        of_folds.iter().filter(|of| sign(of[feature]) == own && own != (false, false)).count() as u8
    };
    Ok(Refits {
        same_sign: (0..weights.len()).map(same).collect(),
        deviations: (0..weights.len()).map(|feature| deviation(&samples, feature)).collect(),
        recurrence: recurrence(&top(&units.only(pieces, &weights)), &of_halves).0,
        weights,
        folds: of_folds.len(),
        resamples: samples.len(),
        c,
    })
}

/// How often a bootstrap sample of groups draws each row.
fn draw(groups: &[u32], seed: u64) -> Vec<f64> {
    let mut numbers: FxHashMap<u32, usize> = FxHashMap::default();
    for &group in groups {
        let next = numbers.len();
        numbers.entry(group).or_insert(next);
    }
    let mut times = vec![0.0; numbers.len()];
    resampled(numbers.len(), seed).into_iter().for_each(|group| times[group] += 1.0);
    groups.iter().map(|group| times[numbers[group]]).collect()
}

/// The standard deviation of a feature's weight over samples; NaN with fewer than two.
fn deviation(samples: &[Vec<f64>], feature: usize) -> f64 {
    let n = samples.len() as f64;
    let mean = samples.iter().map(|sample| sample[feature]).sum::<f64>() / n;
    let squares = samples.iter().map(|sample| (sample[feature] - mean).powi(2)).sum::<f64>();
    if samples.len() < 2 { f64::NAN } else { (squares / (n - 1.0)).sqrt() }
}
