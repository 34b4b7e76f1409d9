//! Whether probabilities can be trusted: Brier score, log loss, reliability by tenths and the calibration
//! error.
//!
//! One definition for manifests and evaluations, with row weights (an empty list: all 1).

use serde::Serialize;

use crate::metrics::truth::{Truth, nan_is_null};

pub(crate) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// Brier score: mean squared distance of P(refusal) from the label; for a measured rate, the mean over its
/// samples.
#[must_use]
pub fn brier<T: Truth>(p: &[f64], truth: &[T]) -> f64 {
    mean(p.iter().zip(truth).map(|(p, truth)| {
        let y = truth.refused();
        y * (1.0 - p).powi(2) + (1.0 - y) * p.powi(2)
    }))
}

/// The negative log-likelihood of one row in nats; probabilities are clamped an epsilon away from 0 and 1.
pub(crate) fn loss_of(p: f64, refused: f64) -> f64 {
    let p = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    -(refused * p.ln() + (1.0 - refused) * (1.0 - p).ln())
}

/// Mean negative log-likelihood in nats; probabilities are clamped an epsilon away from 0 and 1.
#[must_use]
pub fn log_loss<T: Truth>(p: &[f64], truth: &[T]) -> f64 {
    mean(p.iter().zip(truth).map(|(&p, truth)| loss_of(p, truth.refused())))
}

/// One bin of a reliability table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Lower bound, included ...
    pub from: f64,
    /// ... and upper bound (excluded, except for 1).
    pub to: f64,
    /// Rows in the bin.
    pub n: usize,
    /// Sum of their weights.
    #[serde(skip)]
    pub weight: f64,
    /// Their mean P(refusal).
    #[serde(serialize_with = "nan_is_null")]
    pub mean_p: f64,
    /// Their share of refusals.
    #[serde(serialize_with = "nan_is_null")]
    pub refusal_rate: f64,
}

/// The number of equal bins in the reliability table and the calibration error.
pub(crate) const BINS: usize = 10;

/// The bin of a P(refusal).
pub(crate) fn bin_of(p: f64) -> usize {
    // p is in 0..=1, so the product is a small positive number.
    ((p * BINS as f64) as usize).min(BINS - 1)
}

/// P(refusal) against the share of refusals, in ten bins of equal width. `weights` is empty if all rows count
/// equally.
#[must_use]
pub fn reliability<T: Truth>(p: &[f64], truth: &[T], weights: &[f64]) -> Vec<ReliabilityBin> {
    let mut sums = [(0_usize, 0.0, 0.0, 0.0); BINS];
    for (row, (&p, truth)) in p.iter().zip(truth).enumerate() {
        let weight = weights.get(row).copied().unwrap_or(1.0);
        let (n, weights, p_sum, refused) = &mut sums[bin_of(p)];
        *n += 1;
        *weights += weight;
        *p_sum += weight * p;
        *refused += weight * truth.refused();
    }
    let bin = |(at, (n, weight, p_sum, refused)): (usize, (usize, f64, f64, f64))| ReliabilityBin {
        from: at as f64 / BINS as f64,
        to: (at + 1) as f64 / BINS as f64,
        n,
        weight,
        mean_p: p_sum / weight,
        refusal_rate: refused / weight,
    };
    sums.into_iter().enumerate().map(bin).collect()
}

/// Expected calibration error: the mean distance of P(refusal) from the refusal rate over the bins of
/// [`reliability`], weighted by their rows (Naeini, Cooper & Hauskrecht 2015).
#[must_use]
pub fn ece<T: Truth>(p: &[f64], truth: &[T], weights: &[f64]) -> f64 {
    let bins = reliability(p, truth, weights);
    let total: f64 = bins.iter().map(|bin| bin.weight).sum();
    let filled = bins.iter().filter(|bin| bin.weight > 0.0);
    filled.map(|bin| bin.weight * (bin.mean_p - bin.refusal_rate).abs()).sum::<f64>() / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calibrated_score_has_no_calibration_error() {
        let p = [0.25, 0.25, 0.25, 0.25];
        assert!(ece(&p, &[true, false, false, false], &[]) < 1e-12);
        assert!((ece(&p, &[true, true, true, true], &[]) - 0.75).abs() < 1e-12);
        assert!((ece(&[1.0, 0.0], &[true, false], &[])).abs() < 1e-12);
    }

    #[test]
    fn a_rate_is_judged_as_a_rate() {
        let (p, rates) = ([0.6; 8], [0.6; 8]);
        assert!(ece(&p, &rates, &[]) < 1e-12);
        // Each of ten samples, six of them refused, at P = 0.6: 0.6 * 0.16 + 0.4 * 0.36.
        assert!((brier(&p, &rates) - 0.24).abs() < 1e-12);
        assert!((log_loss(&p, &rates) - 0.673_011_667).abs() < 1e-8, "{}", log_loss(&p, &rates));
    }

    #[test]
    fn a_row_of_weight_two_is_two_rows() {
        let twice = ece(&[0.2, 0.2, 0.9], &[true, true, false], &[]);
        assert!((ece(&[0.2, 0.9], &[true, false], &[2.0, 1.0]) - twice).abs() < 1e-12);
    }
}
