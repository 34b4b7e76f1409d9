//! Fitting calibrations on out-of-fold logits and choosing among them.
//!
//! Each method is cross-fitted over the scores themselves, and the one with the least log loss is fitted again on
//! all of them. A method with more parameters must therefore earn them.

use std::collections::BTreeMap;

use demur_predictor::{Calibration, CalibrationReport, ReliabilityBin, ln_sigmoid, sigmoid};
use linfa::dataset::DatasetBase;
use linfa::prelude::{Fit, ParamGuard};
use ndarray::Array1;
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;
use crate::logistic::LogisticParams;
use crate::metrics::{BINS, wilson_of_share};
use crate::sparse::SparseMatrix;

/// How a fit is calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationMethod {
    /// Not at all.
    #[default]
    None,
    /// By the method with the least cross-fitted log loss, none of them included.
    Auto,
    /// By a temperature.
    Temperature,
    /// By Platt's line.
    Platt,
    /// By a beta calibration.
    Beta,
    /// By isotonic regression.
    Isotonic,
}

/// Out-of-fold scores with what was true of their rows.
#[derive(Debug, Clone, Default)]
pub struct OutOfFold {
    /// The logit of each row by a fit that had not seen it.
    pub logits: Vec<f64>,
    /// P(refusal) of the row's label.
    pub truth: Vec<f64>,
    /// The row's weight.
    pub weights: Vec<f64>,
    /// The logit about which a temperature stretches or shrinks: what nothing known stands at. Default: 0, one half.
    pub centre: f64,
}

const FOLDS: usize = 5;

impl OutOfFold {
    /// Fits by a method, or by the best one, and says what it was worth. With too few rows of a class to learn from
    /// (fewer than ten) there is no calibration and no report.
    ///
    /// # Errors
    /// [`TrainingError::NotConverged`].
    pub fn calibrate(
        &self,
        method: CalibrationMethod,
    ) -> Result<(Calibration, Option<CalibrationReport>), TrainingError> {
        use CalibrationMethod::{Auto, Beta, Isotonic, None, Platt, Temperature};
        let tried: &[CalibrationMethod] = match method {
            None => return Ok((Calibration::None, Option::None)),
            Auto => &[None, Temperature, Platt, Beta, Isotonic],
            Temperature => &[None, Temperature],
            Platt => &[None, Platt],
            Beta => &[None, Beta],
            Isotonic => &[None, Isotonic],
        };
        let refused = self.truth.iter().filter(|&&truth| truth >= 0.5).count();
        if refused.min(self.truth.len() - refused) < 2 * FOLDS {
            return Ok((Calibration::None, Option::None));
        }
        let mut results = Vec::with_capacity(tried.len());
        for &method in tried {
            let p = self.cross_fitted(method)?;
            results.push((method, self.log_loss(&p), p));
        }
        let asked =
            if method == Auto { results.iter().min_by(|a, b| a.1.total_cmp(&b.1)) } else { results.last() };
        let Some((best, _, p)) = asked else { return Ok((Calibration::None, Option::None)) };
        let name = |method: CalibrationMethod| format!("{method:?}").to_lowercase();
        let report = CalibrationReport {
            rows: self.truth.len(),
            ece_before: self.ece(&results[0].2),
            ece_after: self.ece(p),
            log_loss: results
                .iter()
                .map(|(method, loss, _)| (name(*method), *loss))
                .collect::<BTreeMap<_, _>>(),
            reliability: self.reliability(p),
        };
        Ok((self.fit(*best)?, Some(report)))
    }

    /// Platt's line for each target that has rows enough (200, and 20 of either class) and whose own line, cross-fitted over
    /// its rows, has a mean log loss below that of the map for all by more than two standard errors of the difference.
    ///
    /// # Errors
    /// [`TrainingError::NotConverged`].
    pub fn calibrate_targets(
        &self,
        all: &Calibration,
        targets: &[Option<&str>],
    ) -> Result<BTreeMap<String, Calibration>, TrainingError> {
        const ROWS: usize = 200;
        const OF_A_CLASS: usize = 20;
        let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (row, target) in targets.iter().enumerate() {
            if let Some(target) = target {
                rows.entry(target).or_default().push(row);
            }
        }
        let mut found = BTreeMap::new();
        for (target, rows) in rows {
            let own = self.subset(rows.into_iter());
            let refused = own.truth.iter().filter(|&&truth| truth >= 0.5).count();
            if own.truth.len() < ROWS || refused.min(own.truth.len() - refused) < OF_A_CLASS {
                continue;
            }
            let of_all: Vec<f64> = own.logits.iter().map(|&logit| all.apply(logit).get()).collect();
            let gains = own.gains(&of_all, &own.cross_fitted(CalibrationMethod::Platt)?);
            let n = gains.len() as f64;
            let mean = gains.iter().sum::<f64>() / n;
            let variance = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let line = own.fit(CalibrationMethod::Platt)?;
            // A flat line would say the same of every prompt.
            let rises = matches!(line, Calibration::Platt { slope, .. } if slope > 0.0);
            if rises && mean > 2.0 * (variance / n).sqrt() {
                found.insert(target.to_owned(), line);
            }
        }
        Ok(found)
    }

    /// By how much the log loss of each row falls from some probabilities to others, by the row's weight.
    fn gains(&self, from: &[f64], to: &[f64]) -> Vec<f64> {
        let loss = |row: usize, p: f64| {
            let (p, truth) = (p.clamp(f64::EPSILON, 1.0 - f64::EPSILON), self.truth[row]);
            -self.weights[row] * (truth * p.ln() + (1.0 - truth) * (1.0 - p).ln())
        };
        (0..self.truth.len()).map(|row| loss(row, from[row]) - loss(row, to[row])).collect()
    }

    /// P(refusal) of each row by a map fitted on the other folds. Rows are dealt out in the order of their logits,
    /// so that every fold covers the whole range.
    fn cross_fitted(&self, method: CalibrationMethod) -> Result<Vec<f64>, TrainingError> {
        let mut order: Vec<usize> = (0..self.logits.len()).collect();
        order.sort_by(|&a, &b| self.logits[a].total_cmp(&self.logits[b]).then(a.cmp(&b)));
        let mut p = vec![0.0; order.len()];
        for fold in 0..FOLDS {
            let (test, train): (Vec<_>, Vec<_>) =
                order.iter().enumerate().partition(|(at, _)| at % FOLDS == fold);
            let map = self.subset(train.into_iter().map(|(_, &row)| row)).fit(method)?;
            for (_, &row) in test {
                p[row] = map.apply(self.logits[row]).get();
            }
        }
        Ok(p)
    }

    fn subset(&self, rows: impl Iterator<Item = usize>) -> Self {
        let mut part = Self { centre: self.centre, ..Self::default() };
        for row in rows {
            part.logits.push(self.logits[row]);
            part.truth.push(self.truth[row]);
            part.weights.push(self.weights[row]);
        }
        part
    }

    /// The uncalibrated P(refusal) of each row.
    pub(crate) fn plain(&self) -> Vec<f64> {
        self.logits.iter().map(|&logit| sigmoid(logit)).collect()
    }

    /// Expected calibration error as in `metrics::ece`, by the rows' weights and soft labels.
    fn ece(&self, p: &[f64]) -> f64 {
        let mut gaps = [0.0; BINS];
        for ((&p, &truth), &weight) in p.iter().zip(&self.truth).zip(&self.weights) {
            // p lies within 0..=1, so the product is a small positive number.
            gaps[((p * BINS as f64) as usize).min(BINS - 1)] += weight * (p - truth);
        }
        gaps.iter().map(|gap| gap.abs()).sum::<f64>() / self.weights.iter().sum::<f64>()
    }

    /// What is true of rows by their P(refusal), in tenths.
    fn reliability(&self, p: &[f64]) -> Vec<ReliabilityBin> {
        // Rows, sums of the weights, of their squares, and of those of refused rows.
        let mut bins = [(0, 0.0, 0.0, 0.0); BINS];
        for ((&p, &truth), &weight) in p.iter().zip(&self.truth).zip(&self.weights) {
            // p lies within 0..=1, so the product is a small positive number.
            let bin = &mut bins[((p * BINS as f64) as usize).min(BINS - 1)];
            *bin = (bin.0 + 1, bin.1 + weight, bin.2 + weight * weight, bin.3 + weight * truth);
        }
        let bin = |(rows, weights, squares, refused): (usize, f64, f64, f64)| {
            if weights <= 0.0 {
                return ReliabilityBin { rows, refused: 0.0, low: 0.0, high: 1.0 };
            }
            let share = refused / weights;
            // Rows of unequal weights count as fewer equal ones (Kish 1965).
            let (low, high) = wilson_of_share(share, weights * weights / squares);
            ReliabilityBin { rows, refused: share, low, high }
        };
        bins.map(bin).to_vec()
    }

    /// Weighted mean log loss of some probabilities, in nats.
    pub(crate) fn log_loss(&self, p: &[f64]) -> f64 {
        let losses = p.iter().zip(&self.truth).zip(&self.weights).map(|((&p, &truth), &weight)| {
            let p = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
            -weight * (truth * p.ln() + (1.0 - truth) * (1.0 - p).ln())
        });
        losses.sum::<f64>() / self.weights.iter().sum::<f64>()
    }

    fn fit(&self, method: CalibrationMethod) -> Result<Calibration, TrainingError> {
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
                // A falling side is left out and the other fitted again, as the authors of the method do.
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

    /// An all but unpenalised logistic regression of the truth on a few columns.
    fn line(&self, rows: &[Vec<(u32, f64)>], columns: usize) -> Result<(Vec<f64>, f64), TrainingError> {
        let x = SparseMatrix::from_rows(rows, columns);
        let weights = self.weights.iter().map(|&weight| weight as f32).collect();
        let dataset = DatasetBase::new(x, Array1::from_vec(self.truth.clone())).with_weights(weights);
        let fitted = LogisticParams::default().c(1e4).tolerance(1e-7).check()?.fit(&dataset)?;
        Ok((fitted.weights, fitted.bias))
    }

    /// The temperature with the least log loss, by golden-section search over its logarithm.
    fn temperature(&self) -> Calibration {
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
        let temperature = f64::midpoint(low, high).exp();
        if self.centre == 0.0 {
            return Calibration::Temperature { temperature };
        }
        let slope = 1.0 / temperature;
        Calibration::Platt { slope, intercept: self.centre * (1.0 - slope) }
    }

    /// Pooled adjacent violators: the best map that never falls, as points to draw lines between.
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
        // One row more, half of it refused, keeps a pure block from claiming certainty.
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

/// Smoothing moves small blocks more than large ones, which can make the points fall again.
fn never_falling(mut probabilities: Vec<f64>) -> Vec<f64> {
    let mut highest = 0.0_f64;
    for p in &mut probabilities {
        highest = highest.max(*p);
        *p = highest;
    }
    probabilities
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::Probability;

    use super::*;

    /// Rows whose true logit is known, and scores that are a distortion of it. Labels are soft, so that nothing is
    /// left to chance.
    fn scores(distort: impl Fn(f64) -> f64) -> OutOfFold {
        let truth: Vec<f64> = (-200..=200).map(|step| f64::from(step) / 40.0).collect();
        OutOfFold {
            logits: truth.iter().map(|&z| distort(z)).collect(),
            weights: vec![1.0; truth.len()],
            centre: 0.0,
            truth: truth.into_iter().map(sigmoid).collect(),
        }
    }

    fn worst(scores: &OutOfFold, calibration: &Calibration) -> f64 {
        let distance = |(&logit, &truth): (&f64, &f64)| (calibration.apply(logit).get() - truth).abs();
        scores.logits.iter().zip(&scores.truth).map(distance).fold(0.0, f64::max)
    }

    #[test]
    fn each_method_undoes_the_distortion_that_it_is_for() {
        let stretched = scores(|z| 3.0 * z);
        let shifted = scores(|z| 0.5 * z - 1.0);
        let bent = scores(|z| if z < 0.0 { z } else { 4.0 * z });
        for (scores, method, bar) in [
            (&stretched, CalibrationMethod::Temperature, 1e-3),
            (&stretched, CalibrationMethod::Platt, 1e-3),
            (&shifted, CalibrationMethod::Platt, 1e-3),
            (&stretched, CalibrationMethod::Beta, 0.02),
            (&bent, CalibrationMethod::Isotonic, 0.35),
        ] {
            let calibration = scores.fit(method).unwrap();
            assert_eq!(calibration.check(), Ok(()));
            let (with, without) = (worst(scores, &calibration), worst(scores, &Calibration::None));
            assert!(with <= bar && with < without, "{method:?}: {with} with it, {without} without");
        }
    }

    #[test]
    fn a_target_gets_a_line_of_its_own_where_its_rows_say_so() {
        let mut rows = scores(|z| z);
        let mut other = scores(|z| 0.5 * z - 1.0);
        let mut few = scores(|z| 0.5 * z - 1.0).subset(0..150);
        for part in [&mut other, &mut few] {
            rows.logits.append(&mut part.logits);
            rows.truth.append(&mut part.truth);
            rows.weights.append(&mut part.weights);
        }
        let names = ["same", "other"].iter().flat_map(|name| std::iter::repeat_n(Some(*name), 401));
        let targets: Vec<_> = names.chain(std::iter::repeat_n(Some("few"), 150)).collect();
        let found = rows.calibrate_targets(&Calibration::None, &targets).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["other"]);
        assert!(worst(&scores(|z| 0.5 * z - 1.0), &found["other"]) < 1e-3);
    }

    #[test]
    fn the_choice_is_the_least_log_loss_and_is_reported() {
        let shifted = scores(|z| 0.5 * z - 1.0);
        let (calibration, report) = shifted.calibrate(CalibrationMethod::Auto).unwrap();
        let report = report.unwrap();
        let best = report.log_loss.values().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(report.log_loss[calibration.method()], best);
        assert_eq!(report.log_loss.len(), 5);
        assert_eq!(report.rows, 401);
    }

    #[test]
    fn good_scores_are_left_alone() {
        let good = scores(|z| z);
        let (calibration, _) = good.calibrate(CalibrationMethod::Auto).unwrap();
        for logit in [-3.0, 0.0, 3.0] {
            let p = calibration.apply(logit).get();
            assert!((p - Probability::from_logit(logit).get()).abs() < 0.01, "{}: {p}", calibration.method());
        }
    }

    #[test]
    fn a_method_that_is_asked_for_is_taken() {
        let (calibration, report) = scores(|z| z).calibrate(CalibrationMethod::Isotonic).unwrap();
        assert_eq!(calibration.method(), "isotonic");
        assert_eq!(report.unwrap().log_loss.len(), 2);
        assert_eq!(scores(|z| z).calibrate(CalibrationMethod::None).unwrap(), (Calibration::None, None));
    }

    #[test]
    fn scores_of_one_class_are_not_calibrated() {
        let mut scores = scores(|z| z);
        scores.truth.fill(0.0);
        assert_eq!(scores.calibrate(CalibrationMethod::Platt).unwrap(), (Calibration::None, None));
    }
}
