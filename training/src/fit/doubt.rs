//! Rows with doubtful labels, by confident learning (Northcutt, Jiang & Chuang, "Confident Learning:
//! Estimating Uncertainty in Dataset Labels", 2021). A row is suspect if a fit that has not seen it is more
//! certain of the other label than it is, on average, for rows that have that other label.
//!
//! The thresholds come from the scores themselves, so an under-confident fit, or one that knows one class
//! better, does not call a whole class wrong. A suspect row need not be mislabelled: it is a row to check
//! first.

use demur_data::Record;
use demur_predictor::Calibration;
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;
use crate::examples::{Examples, is_labelled};

/// How a fit treats rows whose labels it doubts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoubtParams {
    /// What the weight of such a row is multiplied by, from 0 to 1.
    pub weight: f64,
}

impl DoubtParams {
    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        let (name, value) = ("doubt.weight", self.weight);
        if (0.0..=1.0).contains(&value) {
            return Ok(());
        }
        Err(TrainingError::Parameter { name, value, wanted: "from 0 to 1" })
    }

    /// The same rows, with lower weights for those that out-of-fold logits make doubtful.
    pub(crate) fn weighed<'a>(
        &self,
        examples: &Examples<'a>,
        logits: &[f64],
        calibration: &Calibration,
    ) -> Examples<'a> {
        let p: Vec<f64> = logits.iter().map(|&logit| calibration.apply(logit).get()).collect();
        let mut weighed = examples.clone();
        for (row, _) in doubts(&p, &examples.truth) {
            weighed.weights[row] *= self.weight;
        }
        weighed
    }
}

/// A row whose label is doubtful.
#[derive(Debug, Clone, Copy)]
pub struct Suspect<'a> {
    /// The row.
    pub record: &'a Record,
    /// P(refusal) by a fit that has not seen it.
    pub p_refusal: f64,
    /// P(the other label) minus P(its label), from 0 to 1.
    pub doubt: f64,
}

/// The suspects among some records, the most doubtful first. `p` has one entry for each record that
/// [`Examples::of`] includes.
#[must_use]
pub fn suspects<'a>(records: &'a [Record], p: &[f64]) -> Vec<Suspect<'a>> {
    let taken: Vec<&Record> = records.iter().filter(|record| is_labelled(record)).collect();
    let truth: Vec<f64> = taken.iter().map(|record| label_of(record)).collect();
    doubts(p, &truth)
        .into_iter()
        .map(|(row, doubt)| Suspect { record: taken[row], p_refusal: p[row], doubt })
        .collect()
}

/// P(refusal) of a record's label; one half, which is never doubted, if it has a kind but no label.
fn label_of(record: &Record) -> f64 {
    record.label.as_ref().and_then(demur_data::Labelled::target).unwrap_or(0.5)
}

/// Doubtful rows and their doubt, the most doubtful first. Measured rates and machine probabilities are never
/// doubted, because they are not hard labels.
fn doubts(p: &[f64], truth: &[f64]) -> Vec<(usize, f64)> {
    let own = |p: f64, truth: f64| if truth > 0.5 { p } else { 1.0 - p };
    let mean_of = |label: f64| {
        let sure: Vec<f64> = p
            .iter()
            .zip(truth)
            .filter(|(_, truth)| **truth == label)
            .map(|(&p, &truth)| own(p, truth))
            .collect();
        sure.iter().sum::<f64>() / sure.len() as f64
    };
    // For a class without rows, the mean is NaN, and no comparison with NaN is true.
    let (complied, refused) = (mean_of(0.0), mean_of(1.0));
    let doubt = |row: usize| {
        let other = 1.0 - own(p[row], truth[row]);
        let wanted = if truth[row] == 1.0 {
            complied
        } else if truth[row] == 0.0 {
            refused
        } else {
            return None;
        };
        (other > 0.5 && other >= wanted).then_some((row, 2.0 * other - 1.0))
    };
    let mut doubts: Vec<(usize, f64)> = (0..p.len()).filter_map(doubt).collect();
    doubts.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    doubts
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_other_label_must_be_surer_than_its_own_rows_are() {
        // On average, refused rows score .9 (with one exception) and complied ones .2.
        let p = [0.95, 0.9, 0.85, 0.1, 0.3, 0.1, 0.2, 0.97, 0.6];
        let truth = [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let found = doubts(&p, &truth);
        assert_eq!(
            found.iter().map(|of| of.0).collect::<Vec<_>>(),
            [7, 3],
            "0.6 is less than what refused rows have"
        );
        assert!((found[0].1 - 0.94).abs() < 1e-12);
    }

    #[test]
    fn rates_are_not_in_doubt_and_one_class_has_none_to_compare_with() {
        assert!(doubts(&[0.9, 0.1, 0.05], &[0.0, 0.4, 0.0]).is_empty());
        assert!(doubts(&[], &[]).is_empty());
    }

    #[test]
    fn a_fit_weighs_suspects_down() {
        let examples = Examples {
            truth: vec![1.0, 1.0, 0.0, 0.0],
            weights: vec![1.0, 2.0, 1.0, 1.0],
            ..Examples::default()
        };
        let weighed =
            DoubtParams { weight: 0.25 }.weighed(&examples, &[3.0, -4.0, -3.0, -2.0], &Calibration::None);
        assert_eq!(weighed.weights, [1.0, 0.5, 1.0, 1.0]);
        assert!(DoubtParams { weight: 1.5 }.check().unwrap_err().to_string().contains("doubt.weight"));
    }
}
