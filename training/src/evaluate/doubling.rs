//! What the last doubling of the answers was worth: a fit on half of the prompts beside the fit on all of
//! them, on prompts that neither has seen. It is the end of the learning curve, and says whether more answers
//! would help.

use std::collections::BTreeMap;

use demur_data::assign_holdout;
use serde::Serialize;

use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::teacher::FitPlan;
use crate::metrics::{Z, loss_of, mean};

/// Both fits, on the same held-out prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Doubling {
    /// How many prompts the smaller fit learned from.
    pub half: usize,
    /// How many the other.
    pub all: usize,
    /// The mean log loss of the smaller fit, in nats.
    pub log_loss_half: f64,
    /// That of the other.
    pub log_loss_all: f64,
    /// The first less the second: what the doubling gained.
    pub gain: f64,
    /// Its 95% interval, normal, from the differences row by row, summed within groups, for rows of one
    /// template are not independent; `None` of fewer than two groups.
    pub gain_interval: Option<(f64, f64)>,
}

impl Doubling {
    /// Fits on half of the rows that are not held out, and compares with P(refusal) of the held-out rows by a
    /// fit on all of them. Rows in which `halved` is false stay in both fits, with half their weight in the
    /// smaller.
    ///
    /// # Errors
    /// Any [`TrainingError`] of the fit.
    pub fn measure(
        plan: FitPlan<'_>,
        examples: &Examples<'_>,
        (held_out, halved): (&[bool], &[bool]),
        p_all: &[f64],
        seed: u64,
    ) -> Result<Self, TrainingError> {
        let strata: Vec<u32> = examples.labels().into_iter().map(u32::from).collect();
        let left_out = assign_holdout(&strata, Some(&examples.groups), 0.5, seed.wrapping_add(2))?;
        let (test, train): (Vec<usize>, Vec<usize>) = (0..examples.len()).partition(|&row| held_out[row]);
        let all = train.iter().filter(|&&row| halved[row]).count();
        let kept: Vec<usize> = train.into_iter().filter(|&row| !halved[row] || !left_out[row]).collect();
        let mut smaller = examples.subset(&kept);
        for (weight, &row) in smaller.weights.iter_mut().zip(&kept) {
            *weight *= if halved[row] { 1.0 } else { 0.5 };
        }
        let half = kept.iter().filter(|&&row| halved[row]).count();
        let test = examples.subset(&test);
        let p_half = plan.fit(&smaller, seed)?.probabilities(&test.inputs)?;
        let losses = |p: &[f64]| -> Vec<f64> {
            p.iter().zip(&test.truth).map(|(&p, &refused)| loss_of(p, refused)).collect()
        };
        let (of_half, of_all) = (losses(&p_half), losses(p_all));
        let gains: Vec<f64> = of_half.iter().zip(&of_all).map(|(half, all)| half - all).collect();
        let average = |losses: &[f64]| mean(losses.iter().copied());
        let gain = average(&gains);
        Ok(Self {
            half,
            all,
            log_loss_half: average(&of_half),
            log_loss_all: average(&of_all),
            gain,
            gain_interval: interval(&gains, &test.groups),
        })
    }
}

/// The 95% interval of the mean of numbers that are dependent within their groups.
fn interval(numbers: &[f64], groups: &[u32]) -> Option<(f64, f64)> {
    let center = mean(numbers.iter().copied());
    let mut sums: BTreeMap<u32, f64> = BTreeMap::new();
    for (number, &group) in numbers.iter().zip(groups) {
        *sums.entry(group).or_default() += number - center;
    }
    let (count, rows) = (sums.len() as f64, numbers.len() as f64);
    let squares: f64 = sums.values().map(|sum| sum * sum).sum();
    let half = Z * (squares * count / (count - 1.0)).sqrt() / rows;
    (sums.len() > 1).then_some((center - half, center + half))
}

#[cfg(test)]
mod tests {
    use super::interval;
    use crate::metrics::Z;

    #[test]
    fn rows_of_one_group_count_as_one() {
        let numbers = [1.0, 1.0, 3.0, 3.0];
        let (low, high) = interval(&numbers, &[0, 0, 1, 1]).unwrap_or_default();
        // Sums of -2 and 2: variance 8 * 2 / 1 of the sum of four.
        let half = Z * 16f64.sqrt() / 4.0;
        assert!((low - (2.0 - half)).abs() < 1e-12 && (high - (2.0 + half)).abs() < 1e-12, "{low} {high}");
        let apart = interval(&numbers, &[0, 1, 2, 3]).unwrap_or_default();
        assert!(apart.0 > low && apart.1 < high);
        assert_eq!(interval(&numbers, &[7; 4]), None);
    }
}
