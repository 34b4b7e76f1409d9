//! Fitting calibrations on out-of-fold logits and choosing among them.
//!
//! Each method is cross-fitted on the scores themselves. "auto" takes the simplest method whose log loss is
//! within one standard error of the least (Breiman, Friedman, Olshen & Stone 1984, section 3.4.3), so that
//! additional parameters must pay off. It then fits that method again on all scores.

mod maps;
mod outside;

use std::collections::BTreeMap;

use demur_predictor::{Calibration, CalibrationReport, sigmoid};
use serde::{Deserialize, Serialize};

pub(crate) use self::outside::Spread;
pub use self::outside::{CalibrateOn, IntervalsFor};
use crate::error::TrainingError;
use crate::metrics::{ece, loss_of};

/// How a fit is calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationMethod {
    /// Not at all.
    #[default]
    None,
    /// By the simplest method whose cross-fitted log loss is within one standard error of the least; no
    /// calibration is one of the candidates. On left-out sources, it chooses between none and a temperature
    /// only: how much one source refuses says nothing about the next, so an intercept is fitted there only on
    /// request.
    Auto,
    /// By a temperature. On left-out sources, it is the median of the temperatures of the single sources,
    /// because that suits a typical new source. One temperature for all rows together would be dominated by
    /// the few sources that resemble no other.
    Temperature,
    /// By Platt's line.
    Platt,
    /// By a beta calibration.
    Beta,
    /// By isotonic regression.
    Isotonic,
}

/// Out-of-fold scores with the truth of their rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct OutOfFold {
    /// The logit of each row by a fit that has not seen it.
    pub(crate) logits: Vec<f64>,
    /// P(refusal) of the row's label.
    pub(crate) truth: Vec<f64>,
    /// The row's weight.
    pub(crate) weights: Vec<f64>,
    /// The logit around which a temperature stretches or shrinks: that of a text with no known n-grams.
    /// Default: 0, which is P = 1/2.
    pub(crate) centre: f64,
    /// Rows with the same number are not independent: they share a group or a left-out source. Empty: every
    /// row is its own cluster.
    pub(crate) clusters: Vec<u32>,
    /// The fold of each row if whole sources were left out, so that no map is evaluated on a source that it
    /// was fitted on. Empty: rows are dealt into folds in the order of their logits.
    pub(crate) source_folds: Vec<usize>,
    /// The source of each row, if the intervals of the reliability table are to hold for another source.
    /// Empty: for more rows of the same sources, or, where sources were left out, for another source anyway.
    pub(crate) sources: Vec<u32>,
    /// How sources differ in each tenth of P(refusal) where other scores of more sources say it. Empty: it is not known.
    pub(crate) spreads: Vec<Option<Spread>>,
    /// Whether these are a subset of scores whose clusters are whole left-out sources.
    pub(crate) part_of_sources: bool,
}

const FOLDS: usize = 5;

/// A candidate method: its cross-fitted log loss and P(refusal) of each row.
type Tried = (CalibrationMethod, f64, Vec<f64>);

impl OutOfFold {
    /// Fits the given method, or the best one, and reports its quality. There is no calibration and no report
    /// if a class has too few rows to learn from (fewer than ten), or if there are not two folds of sources
    /// with both classes.
    ///
    /// # Errors
    /// [`TrainingError::NotConverged`].
    pub(crate) fn calibrate(
        &self,
        method: CalibrationMethod,
    ) -> Result<(Calibration, Option<CalibrationReport>), TrainingError> {
        use CalibrationMethod::{Auto, Beta, Isotonic, None, Platt, Temperature};
        // From simple to complex, because `simplest` needs that order.
        let tried: &[CalibrationMethod] = match method {
            None => return Ok((Calibration::None, Option::None)),
            Auto if !self.source_folds.is_empty() => &[None, Temperature],
            Auto => &[None, Temperature, Platt, Beta, Isotonic],
            Temperature => &[None, Temperature],
            Platt => &[None, Platt],
            Beta => &[None, Beta],
            Isotonic => &[None, Isotonic],
        };
        let refused = self.truth.iter().filter(|&&truth| truth >= 0.5).count();
        // With a single fold of sources, nothing can be held out.
        let one_fold = self.source_folds.iter().all(|&fold| fold == self.source_folds[0]);
        if refused.min(self.truth.len() - refused) < 2 * FOLDS || (!self.source_folds.is_empty() && one_fold)
        {
            return Ok((Calibration::None, Option::None));
        }
        let mut results: Vec<Tried> = Vec::with_capacity(tried.len());
        for &method in tried {
            let p = match self.cross_fitted(method) {
                // All sources outside a fold refuse, or none does: a line through them has an infinite slope.
                Err(TrainingError::OneClass { .. }) => return Ok((Calibration::None, Option::None)),
                other => other?,
            };
            results.push((method, self.log_loss(&p), p));
        }
        let asked = if method == Auto { self.simplest(&results) } else { results.last() };
        let Some((best, _, p)) = asked else { return Ok((Calibration::None, Option::None)) };
        let report = CalibrationReport {
            rows: self.truth.len(),
            ece_before: ece(&results[0].2, &self.truth, &self.weights),
            ece_after: ece(p, &self.truth, &self.weights),
            log_loss: results
                .iter()
                .map(|(method, loss, _)| (format!("{method:?}").to_lowercase(), *loss))
                .collect::<BTreeMap<_, _>>(),
            left_out_sources: self.left_out_sources(),
            reliability: self.reliability(p),
        };
        Ok((self.fit(*best)?, Some(report)))
    }

    /// The first of some results, simplest first, whose loss exceeds the least by at most one standard error
    /// of the difference.
    fn simplest<'r>(&self, results: &'r [Tried]) -> Option<&'r Tried> {
        let best = results.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        results.iter().find(|tried| {
            let (excess, error) = self.mean_gain(&tried.2, &best.2);
            excess <= error
        })
    }

    /// Platt's line for each target with enough rows (200, and 20 of either class) whose own line,
    /// cross-fitted on its rows, has a mean log loss below that of the common map by more than two standard
    /// errors of the difference.
    ///
    /// # Errors
    /// [`TrainingError::NotConverged`].
    pub(crate) fn calibrate_targets(
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
            let (gain, error) = own.mean_gain(&of_all, &own.cross_fitted(CalibrationMethod::Platt)?);
            let line = own.fit(CalibrationMethod::Platt)?;
            // A flat line would return the same probability for every prompt.
            let rises = matches!(line, Calibration::Platt { slope, .. } if slope > 0.0);
            if rises && gain > 2.0 * error {
                found.insert(target.to_owned(), line);
            }
        }
        Ok(found)
    }

    /// The decrease of the weighted mean log loss from one list of probabilities to another, and its standard
    /// error: over clusters, if rows are not independent (Liang & Zeger 1986).
    fn mean_gain(&self, from: &[f64], to: &[f64]) -> (f64, f64) {
        let n = self.truth.len();
        let loss = |p: f64, row: usize| loss_of(p, self.truth[row]);
        let gains: Vec<f64> = (0..n).map(|row| loss(from[row], row) - loss(to[row], row)).collect();
        let total: f64 = self.weights.iter().sum();
        let mean = gains.iter().zip(&self.weights).map(|(gain, weight)| gain * weight).sum::<f64>() / total;
        // Deviations are summed per cluster, because only clusters are independent of each other.
        let mut sums: BTreeMap<usize, f64> = BTreeMap::new();
        for (row, (gain, weight)) in gains.iter().zip(&self.weights).enumerate() {
            let cluster = self.clusters.get(row).map_or(row, |&cluster| cluster as usize);
            *sums.entry(cluster).or_default() += weight * (gain - mean);
        }
        let clusters = sums.len() as f64;
        let squares: f64 = sums.values().map(|sum| sum * sum).sum();
        // A single cluster does not vary, so it proves nothing.
        let error = if clusters > 1.0 {
            (squares * clusters / (clusters - 1.0)).sqrt() / total
        } else {
            f64::INFINITY
        };
        (mean, error)
    }

    /// P(refusal) of each row by a map fitted on the other folds. If whole sources were left out, those are
    /// the folds; otherwise rows are dealt out in the order of their logits, so that every fold covers the
    /// whole range.
    fn cross_fitted(&self, method: CalibrationMethod) -> Result<Vec<f64>, TrainingError> {
        let mut fold_of = self.source_folds.clone();
        if fold_of.is_empty() {
            let mut order: Vec<usize> = (0..self.logits.len()).collect();
            order.sort_by(|&a, &b| self.logits[a].total_cmp(&self.logits[b]).then(a.cmp(&b)));
            fold_of = vec![0; order.len()];
            order.into_iter().enumerate().for_each(|(at, row)| fold_of[row] = at % FOLDS);
        }
        let mut p = vec![0.0; fold_of.len()];
        for fold in 0..fold_of.iter().max().map_or(0, |last| last + 1) {
            let (test, train): (Vec<usize>, Vec<usize>) =
                (0..fold_of.len()).partition(|&row| fold_of[row] == fold);
            let map = self.subset(train.into_iter()).fit(method)?;
            for row in test {
                p[row] = map.apply(self.logits[row]).get();
            }
        }
        Ok(p)
    }

    /// A subset of the rows, without folds of sources: it is dealt into folds by logit.
    fn subset(&self, rows: impl Iterator<Item = usize>) -> Self {
        let mut part = Self { centre: self.centre, part_of_sources: self.by_source(), ..Self::default() };
        for row in rows {
            part.logits.push(self.logits[row]);
            part.truth.push(self.truth[row]);
            part.weights.push(self.weights[row]);
            part.clusters.extend(self.clusters.get(row));
        }
        part
    }

    /// Whether the clusters are whole left-out sources.
    fn by_source(&self) -> bool {
        self.part_of_sources || !self.source_folds.is_empty()
    }

    /// The uncalibrated P(refusal) of each row.
    pub(crate) fn plain(&self) -> Vec<f64> {
        self.logits.iter().map(|&logit| sigmoid(logit)).collect()
    }

    /// Weighted mean log loss of some probabilities, in nats.
    pub(crate) fn log_loss(&self, p: &[f64]) -> f64 {
        let losses = p.iter().zip(&self.truth).zip(&self.weights);
        let losses = losses.map(|((&p, &truth), &weight)| weight * loss_of(p, truth));
        losses.sum::<f64>() / self.weights.iter().sum::<f64>()
    }
}

#[cfg(test)]
mod tests;
