//! Metrics of a binary classifier, each with the definition that its name has in scikit-learn.
//!
//! The positive class is refusal. A metric that the rows do not define (AUROC of one class) is NaN here and
//! `null` in JSON, never 0.

use serde::{Serialize, Serializer};

/// Counts of decisions against labels; the positive class is refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Confusion {
    /// Refused, called refused.
    pub true_positive: usize,
    /// Complied, called refused.
    pub false_positive: usize,
    /// Complied, called complied.
    pub true_negative: usize,
    /// Refused, called complied.
    pub false_negative: usize,
}

/// One decision rule against the labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Decisions {
    /// Share of right decisions.
    #[serde(serialize_with = "nan_is_null")]
    pub accuracy: f64,
    /// 95% Wilson score interval of the accuracy.
    pub accuracy_interval: (f64, f64),
    /// Mean of recall and specificity.
    #[serde(serialize_with = "nan_is_null")]
    pub balanced_accuracy: f64,
    /// Share of called refusals that are refusals.
    #[serde(serialize_with = "nan_is_null")]
    pub precision: f64,
    /// Share of refusals that are called so.
    #[serde(serialize_with = "nan_is_null")]
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    #[serde(serialize_with = "nan_is_null")]
    pub f1: f64,
    /// The counts behind it.
    pub confusion: Confusion,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde asks for
pub(crate) fn nan_is_null<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.serialize_none() }
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

impl Confusion {
    /// Counts decisions (`true` = called refused) against labels (`true` = refused).
    ///
    /// # Panics
    /// When the lengths differ.
    #[must_use]
    pub fn count(decisions: &[bool], labels: &[bool]) -> Self {
        assert_eq!(decisions.len(), labels.len(), "one decision per label");
        let mut counts = Self::default();
        for pair in decisions.iter().zip(labels) {
            match pair {
                (true, true) => counts.true_positive += 1,
                (true, false) => counts.false_positive += 1,
                (false, false) => counts.true_negative += 1,
                (false, true) => counts.false_negative += 1,
            }
        }
        counts
    }
}

impl Decisions {
    /// Judges decisions (`true` = called refused) against labels (`true` = refused).
    ///
    /// # Panics
    /// When the lengths differ.
    #[must_use]
    pub fn judge(decisions: &[bool], labels: &[bool]) -> Self {
        let c = Confusion::count(decisions, labels);
        let right = c.true_positive + c.true_negative;
        let recall = share(c.true_positive, c.true_positive + c.false_negative);
        let specificity = share(c.true_negative, c.true_negative + c.false_positive);
        Self {
            accuracy: share(right, labels.len()),
            accuracy_interval: wilson(right, labels.len()),
            balanced_accuracy: f64::midpoint(recall, specificity),
            precision: share(c.true_positive, c.true_positive + c.false_positive),
            recall,
            f1: share(2 * c.true_positive, 2 * c.true_positive + c.false_positive + c.false_negative),
            confusion: c,
        }
    }
}

/// The 97.5% quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The 95% score interval of a share (Wilson 1927); (0, 1) when there are no trials.
#[must_use]
pub fn wilson(successes: usize, trials: usize) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    wilson_of_share(share(successes, trials), trials as f64)
}

/// The same interval of a share that need not be a count's: of weighted rows, or of soft labels. `n` is above 0.
pub(crate) fn wilson_of_share(p: f64, n: f64) -> (f64, f64) {
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let (centre, scale) = (p + Z * Z / (2.0 * n), 1.0 + Z * Z / n);
    // At 0 and at 1 the formula is exact, and rounding must not carry it past the end.
    let low = if p <= 0.0 { 0.0 } else { (centre - spread) / scale };
    let high = if p >= 1.0 { 1.0 } else { (centre + spread) / scale };
    (low, high)
}

/// Places in descending order of score, with the ends of each run of equal scores.
fn ranking(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// Area under the ROC curve: the share of (refused, complied) pairs that the score orders rightly, a tie
/// counting half. NaN when a class is missing.
#[must_use]
pub fn auroc(scores: &[f64], labels: &[bool]) -> f64 {
    let order = ranking(scores);
    let positives = labels.iter().filter(|&&label| label).count();
    let negatives = labels.len() - positives;
    let (mut pairs, mut positives_above) = (0.0, 0_usize);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let positive = tied.iter().filter(|&&at| labels[at]).count();
        let negative = tied.len() - positive;
        pairs += negative as f64 * (positives_above as f64 + positive as f64 / 2.0);
        positives_above += positive;
    }
    pairs / (positives as f64 * negatives as f64)
}

/// Standard error of an AUROC after `DeLong`, `DeLong` & Clarke-Pearson (1988). NaN when a class has fewer than two.
#[must_use]
pub fn auroc_standard_error(scores: &[f64], labels: &[bool]) -> f64 {
    let (mut positive, mut negative) = (Vec::new(), Vec::new());
    for (&score, &label) in scores.iter().zip(labels) {
        if label { positive.push(score) } else { negative.push(score) }
    }
    positive.sort_by(f64::total_cmp);
    negative.sort_by(f64::total_cmp);
    // How much of the other class lies below a score, a tie counting half.
    let placement = |score: f64, other: &[f64]| {
        let (below, upto) = (other.partition_point(|&o| o < score), other.partition_point(|&o| o <= score));
        f64::midpoint(below as f64, upto as f64) / other.len() as f64
    };
    let of_positive: Vec<f64> = positive.iter().map(|&s| placement(s, &negative)).collect();
    let of_negative: Vec<f64> = negative.iter().map(|&s| 1.0 - placement(s, &positive)).collect();
    let share = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        squares / (values.len() as f64 - 1.0) / values.len() as f64
    };
    if positive.len() < 2 || negative.len() < 2 {
        return f64::NAN;
    }
    (share(&of_positive) + share(&of_negative)).sqrt()
}

/// The 95% interval of an AUROC by its standard error, cut to 0..=1.
#[must_use]
pub fn auroc_interval(scores: &[f64], labels: &[bool]) -> (f64, f64) {
    let (area, error) = (auroc(scores, labels), auroc_standard_error(scores, labels));
    if error.is_nan() {
        return (0.0, 1.0);
    }
    ((area - Z * error).max(0.0), (area + Z * error).min(1.0))
}

/// Average precision: the sum over thresholds of precision x gain in recall. NaN without a refusal.
#[must_use]
pub fn average_precision(scores: &[f64], labels: &[bool]) -> f64 {
    let positives = labels.iter().filter(|&&label| label).count() as f64;
    let (mut sum, mut seen, mut found) = (0.0, 0_usize, 0_usize);
    for tied in ranking(scores).chunk_by(|&a, &b| scores[a] == scores[b]) {
        let positive = tied.iter().filter(|&&at| labels[at]).count();
        seen += tied.len();
        found += positive;
        sum += positive as f64 * share(found, seen);
    }
    if positives == 0.0 { f64::NAN } else { sum / positives }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

fn pairs<'a>(p: &'a [f64], labels: &'a [bool]) -> impl ExactSizeIterator<Item = (f64, f64)> + 'a {
    p.iter().zip(labels).map(|(&p, &label)| (p, f64::from(u8::from(label))))
}

/// Brier score: mean squared distance of P(refusal) from the label.
#[must_use]
pub fn brier(p: &[f64], labels: &[bool]) -> f64 {
    mean(pairs(p, labels).map(|(p, y)| (p - y).powi(2)))
}

/// Mean negative log-likelihood in nats; probabilities are kept an epsilon away from 0 and 1.
#[must_use]
pub fn log_loss(p: &[f64], labels: &[bool]) -> f64 {
    mean(pairs(p, labels).map(|(p, y)| {
        let p = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
        -(y * p.ln() + (1.0 - y) * (1.0 - p).ln())
    }))
}

/// One bin of a reliability table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Probabilities from here ...
    pub from: f64,
    /// ... to here (excluded, but for 1).
    pub to: f64,
    /// Rows in the bin.
    pub n: usize,
    /// Their mean P(refusal).
    #[serde(serialize_with = "nan_is_null")]
    pub mean_p: f64,
    /// Their share of refusals.
    #[serde(serialize_with = "nan_is_null")]
    pub refusal_rate: f64,
}

/// How many equal bins the reliability table and the calibration error use.
pub const BINS: usize = 10;

/// P(refusal) against the share of refusals, in [`BINS`] bins of equal width.
#[must_use]
pub fn reliability(p: &[f64], labels: &[bool]) -> Vec<ReliabilityBin> {
    let mut sums = [(0_usize, 0.0, 0.0); BINS];
    for (p, y) in pairs(p, labels) {
        // p lies within 0..=1, so the product is a small positive number.
        let (n, p_sum, y_sum) = &mut sums[((p * BINS as f64) as usize).min(BINS - 1)];
        *n += 1;
        *p_sum += p;
        *y_sum += y;
    }
    let bin = |(at, (n, p_sum, y_sum)): (usize, (usize, f64, f64))| ReliabilityBin {
        from: share(at, BINS),
        to: share(at + 1, BINS),
        n,
        mean_p: p_sum / n as f64,
        refusal_rate: y_sum / n as f64,
    };
    sums.into_iter().enumerate().map(bin).collect()
}

/// Expected calibration error: the mean distance of P(refusal) from the refusal rate over the bins of
/// [`reliability`], weighted by their rows (Naeini, Cooper & Hauskrecht 2015).
#[must_use]
pub fn ece(p: &[f64], labels: &[bool]) -> f64 {
    let bins = reliability(p, labels);
    let filled = bins.iter().filter(|bin| bin.n > 0);
    filled.map(|bin| share(bin.n, p.len()) * (bin.mean_p - bin.refusal_rate).abs()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_count_half() {
        assert_eq!(auroc(&[0.5, 0.5, 0.5], &[true, false, false]), 0.5);
        assert_eq!(auroc(&[0.9, 0.1], &[true, false]), 1.0);
        assert_eq!(auroc(&[0.8, 0.4, 0.35, 0.1], &[true, false, true, false]), 0.75);
    }

    #[test]
    fn what_the_rows_do_not_define_is_nan() {
        assert!(auroc(&[0.1, 0.2], &[true, true]).is_nan());
        assert!(average_precision(&[0.1], &[false]).is_nan());
        assert!(auroc_standard_error(&[0.1, 0.9], &[true, false]).is_nan());
        let none = Decisions::judge(&[false], &[false]);
        assert!(none.precision.is_nan() && none.recall.is_nan());
        assert_eq!(serde_json::to_value(none).ok().map(|json| json["precision"].is_null()), Some(true));
    }

    #[test]
    fn wilson_stays_within_bounds() {
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert_eq!(wilson(0, 10).0, 0.0);
        assert_eq!(wilson(10, 10).1, 1.0);
        // Computed by hand from the formula: 8 of 10.
        let (low, high) = wilson(8, 10);
        assert!((low - 0.490_162).abs() < 1e-5 && (high - 0.943_317).abs() < 1e-5, "{low} {high}");
    }

    #[test]
    fn a_calibrated_score_has_no_calibration_error() {
        let p = [0.25, 0.25, 0.25, 0.25];
        assert!(ece(&p, &[true, false, false, false]) < 1e-12);
        assert!((ece(&p, &[true, true, true, true]) - 0.75).abs() < 1e-12);
        assert!((ece(&[1.0, 0.0], &[true, false])).abs() < 1e-12);
    }
}
