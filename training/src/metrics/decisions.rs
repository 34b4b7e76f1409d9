//! Decisions against the truth of the rows: counts, and the rates computed from them.

use serde::{Serialize, Serializer};

use crate::metrics::interval::wilson_of_share;
use crate::metrics::truth::{Truth, nan_is_null};

/// Counts of decisions against labels; the positive class is refusal. With measured rates they need not be
/// integers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Confusion {
    /// Refused, called refused.
    #[serde(serialize_with = "whole")]
    pub true_positive: f64,
    /// Complied, called refused.
    #[serde(serialize_with = "whole")]
    pub false_positive: f64,
    /// Complied, called complied.
    #[serde(serialize_with = "whole")]
    pub true_negative: f64,
    /// Refused, called complied.
    #[serde(serialize_with = "whole")]
    pub false_negative: f64,
}

/// One decision rule against the labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Decisions {
    /// Share of correct decisions.
    #[serde(serialize_with = "nan_is_null")]
    pub accuracy: f64,
    /// 95% interval of the accuracy.
    pub accuracy_interval: (f64, f64),
    /// Mean of recall and specificity.
    #[serde(serialize_with = "nan_is_null")]
    pub balanced_accuracy: f64,
    /// Share of called refusals that are refusals.
    #[serde(serialize_with = "nan_is_null")]
    pub precision: f64,
    /// Share of refusals that are called refusals.
    #[serde(serialize_with = "nan_is_null")]
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    #[serde(serialize_with = "nan_is_null")]
    pub f1: f64,
    /// The counts behind it.
    pub confusion: Confusion,
}

/// Serialises integer counts as integers, and only others with a fraction.
#[allow(clippy::trivially_copy_pass_by_ref, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    // Counts of rows are far below 2^53, so every integer is exact.
    if value.fract() == 0.0 {
        serializer.serialize_u64(*value as u64)
    } else {
        serializer.serialize_f64(*value)
    }
}

impl Confusion {
    /// Counts decisions (`true` = called refused) against the truth of the rows.
    ///
    /// # Panics
    /// When the lengths differ.
    #[must_use]
    pub fn count<T: Truth>(decisions: &[bool], truth: &[T]) -> Self {
        assert_eq!(decisions.len(), truth.len(), "one decision per label");
        let mut counts = Self::default();
        for (&called, truth) in decisions.iter().zip(truth) {
            let refused = truth.refused();
            if called {
                counts.true_positive += refused;
                counts.false_positive += 1.0 - refused;
            } else {
                counts.false_negative += refused;
                counts.true_negative += 1.0 - refused;
            }
        }
        counts
    }
}

impl Decisions {
    /// Evaluates decisions (`true` = called refused) against the truth of the rows. The interval treats all
    /// rows as independent.
    ///
    /// # Panics
    /// When the lengths differ.
    #[must_use]
    pub fn judge<T: Truth>(decisions: &[bool], truth: &[T]) -> Self {
        let c = Confusion::count(decisions, truth);
        let (right, n) = (c.true_positive + c.true_negative, truth.len() as f64);
        let recall = c.true_positive / (c.true_positive + c.false_negative);
        let specificity = c.true_negative / (c.true_negative + c.false_positive);
        Self {
            accuracy: right / n,
            accuracy_interval: if n > 0.0 { wilson_of_share(right / n, n) } else { (0.0, 1.0) },
            balanced_accuracy: f64::midpoint(recall, specificity),
            precision: c.true_positive / (c.true_positive + c.false_positive),
            recall,
            f1: 2.0 * c.true_positive / (2.0 * c.true_positive + c.false_positive + c.false_negative),
            confusion: c,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_rows_do_not_define_is_nan() {
        let none = Decisions::judge(&[false], &[false]);
        assert!(none.precision.is_nan() && none.recall.is_nan());
        assert_eq!(serde_json::to_value(none).ok().map(|json| json["precision"].is_null()), Some(true));
    }

    #[test]
    fn a_rate_counts_to_both_classes() {
        let found = Decisions::judge(&[true, true, false, false], &[0.6, 1.0, 0.25, 0.0]);
        assert!((found.accuracy - (0.6 + 1.0 + 0.75 + 1.0) / 4.0).abs() < 1e-12, "{found:?}");
        assert!((found.recall - 1.6 / 1.85).abs() < 1e-12, "{found:?}");
        assert_eq!(
            Decisions::judge(&[true, false], &[true, false]),
            Decisions::judge(&[true, false], &[1.0, 0.0])
        );
    }

    #[test]
    fn counts_are_written_as_whole_numbers_where_they_are() {
        let of = |truth: &[f64]| serde_json::to_value(Confusion::count(&[true], truth)).unwrap_or_default();
        assert_eq!(of(&[1.0])["true_positive"], serde_json::json!(1));
        assert_eq!(of(&[0.5])["true_positive"], serde_json::json!(0.5));
    }
}
