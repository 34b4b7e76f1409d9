//! The maps themselves: each method, fitted on scores of any kind.

use std::collections::BTreeMap;

use demur_predictor::{Calibration, ln_sigmoid, sigmoid};
use linfa::dataset::DatasetBase;
use linfa::prelude::{Fit, ParamGuard};
use ndarray::Array1;

use super::{CalibrationMethod, FOLDS, OutOfFold};
use crate::error::TrainingError;
use crate::fit::logistic::LogisticParams;
use crate::fit::sparse::SparseMatrix;

impl OutOfFold {
    pub(super) fn fit(&self, method: CalibrationMethod) -> Result<Calibration, TrainingError> {
        let rows = |columns: &dyn Fn(f64) -> Vec<(u32, f64)>| -> Vec<Vec<(u32, f64)>> {
            self.logits.iter().map(|&z| columns(z)).collect()
        };
        Ok(match method {
            CalibrationMethod::None | CalibrationMethod::Auto => Calibration::None,
            CalibrationMethod::Temperature => self.temperature(),
            CalibrationMethod::Platt => {
                let (weights, intercept) = self.line(&rows(&|z| vec![(0, z)]), 1)?;
                Calibration::Platt { slope: weights[0].max(0.0), intercept }
            }
            CalibrationMethod::Beta => {
                let terms = |z: f64| vec![(0, ln_sigmoid(z)), (1, -ln_sigmoid(-z))];
                let (weights, c) = self.line(&rows(&terms), 2)?;
                // A map that falls on one side is not monotone. Drop that side and fit the other again, as
                // the method's authors do.
                match (weights[0] >= 0.0, weights[1] >= 0.0) {
                    (true, true) => Calibration::Beta { a: weights[0], b: weights[1], c },
                    (true, false) => {
                        let (weights, c) = self.line(&rows(&|z| vec![(0, ln_sigmoid(z))]), 1)?;
                        Calibration::Beta { a: weights[0].max(0.0), b: 0.0, c }
                    }
                    (false, _) => {
                        let (weights, c) = self.line(&rows(&|z| vec![(0, -ln_sigmoid(-z))]), 1)?;
                        Calibration::Beta { a: 0.0, b: weights[0].max(0.0), c }
                    }
                }
            }
            CalibrationMethod::Isotonic => self.isotonic(),
        })
    }

    /// A nearly unpenalised logistic regression of the truth on a few columns.
    fn line(&self, rows: &[Vec<(u32, f64)>], columns: usize) -> Result<(Vec<f64>, f64), TrainingError> {
        let x = SparseMatrix::from_rows(rows, columns);
        let weights = self.weights.iter().map(|&weight| weight as f32).collect();
        let dataset = DatasetBase::new(x, Array1::from_vec(self.truth.clone())).with_weights(weights);
        let fitted = LogisticParams::default().c(1e4).tolerance(1e-7).check()?.fit(&dataset)?;
        Ok((fitted.weights, fitted.bias))
    }

    /// The temperature with the least log loss; if sources are left out, the median of their temperatures.
    fn temperature(&self) -> Calibration {
        let temperature = if self.by_source() { self.median_temperature() } else { self.best_temperature() };
        if self.centre == 0.0 {
            return Calibration::Temperature { temperature };
        }
        let slope = 1.0 / temperature;
        Calibration::Platt { slope, intercept: self.centre * (1.0 - slope) }
    }

    /// The median over sources with ten rows of either class; with fewer than two such sources, one
    /// temperature for all rows.
    fn median_temperature(&self) -> f64 {
        let mut rows: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (row, &source) in self.clusters.iter().enumerate() {
            rows.entry(source).or_default().push(row);
        }
        let mut temperatures: Vec<f64> = Vec::new();
        for rows in rows.into_values() {
            let refused = rows.iter().filter(|&&row| self.truth[row] >= 0.5).count();
            if refused.min(rows.len() - refused) >= 2 * FOLDS {
                temperatures.push(self.subset(rows.into_iter()).best_temperature());
            }
        }
        if temperatures.len() < 2 {
            return self.best_temperature();
        }
        temperatures.sort_by(f64::total_cmp);
        let middle = temperatures.len() / 2;
        if temperatures.len() % 2 == 1 {
            return temperatures[middle];
        }
        (temperatures[middle - 1] * temperatures[middle]).sqrt()
    }

    /// Golden-section search over the logarithm of the temperature.
    fn best_temperature(&self) -> f64 {
        let loss = |log: f64| {
            let stretched = |z: &f64| sigmoid(self.centre + (z - self.centre) / log.exp());
            let p: Vec<f64> = self.logits.iter().map(stretched).collect();
            self.log_loss(&p)
        };
        let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
        let (mut low, mut high) = (-4.0, 4.0);
        for _ in 0..60 {
            let (left, right) = (high - golden * (high - low), low + golden * (high - low));
            if loss(left) < loss(right) { high = right } else { low = left }
        }
        f64::midpoint(low, high).exp()
    }

    /// Pooled adjacent violators: the best monotone map, as points for linear interpolation.
    fn isotonic(&self) -> Calibration {
        let mut order: Vec<usize> = (0..self.logits.len()).collect();
        order.sort_by(|&a, &b| self.logits[a].total_cmp(&self.logits[b]).then(a.cmp(&b)));
        let mut blocks: Vec<Block> = Vec::new();
        for row in order {
            let weight = self.weights[row];
            if weight <= 0.0 {
                continue;
            }
            let mut block =
                Block { logit: self.logits[row] * weight, truth: self.truth[row] * weight, weight };
            while let Some(before) = blocks.pop_if(|before| {
                before.mean() >= block.mean() || before.logit / before.weight >= block.logit / block.weight
            }) {
                block = block.joined(before);
            }
            blocks.push(block);
        }
        // One additional row, half of it refused, so that a pure block does not claim certainty.
        let smoothed = blocks.iter().map(|block| (block.truth + 0.5) / (block.weight + 1.0)).collect();
        Calibration::Isotonic {
            logits: blocks.iter().map(|block| block.logit / block.weight).collect(),
            probabilities: never_falling(smoothed),
        }
    }
}

/// Rows that share one probability: sums of weighted logits and labels.
#[derive(Debug, Clone, Copy)]
struct Block {
    logit: f64,
    truth: f64,
    weight: f64,
}

impl Block {
    fn mean(self) -> f64 {
        self.truth / self.weight
    }

    fn joined(self, other: Self) -> Self {
        Self {
            logit: self.logit + other.logit,
            truth: self.truth + other.truth,
            weight: self.weight + other.weight,
        }
    }
}

/// Smoothing moves small blocks more than large ones, which can break the order of the points; this restores
/// it.
fn never_falling(mut probabilities: Vec<f64>) -> Vec<f64> {
    let mut highest = 0.0_f64;
    for p in &mut probabilities {
        highest = highest.max(*p);
        *p = highest;
    }
    probabilities
}
