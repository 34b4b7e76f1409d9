//! How well a score orders rows: AUROC over all rows and within their sources, average precision, and how
//! many refusals are found if hardly any answered row may be called one.

use std::collections::BTreeMap;

use crate::metrics::truth::{Truth, classes};

/// Row indices in descending order of score.
pub(crate) fn ranking(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// The refused and the complied part of each run of equal scores, the highest score first.
fn steps<T: Truth>(scores: &[f64], truth: &[T]) -> Vec<(f64, f64)> {
    let part = |tied: &[usize]| {
        let refused: f64 = tied.iter().map(|&row| truth[row].refused()).sum();
        (refused, tied.len() as f64 - refused)
    };
    ranking(scores).chunk_by(|&a, &b| scores[a] == scores[b]).map(part).collect()
}

/// How many (refused, complied) pairs the score orders correctly, with ties as one half, and how many pairs
/// there are.
fn pairs<T: Truth>(scores: &[f64], truth: &[T]) -> (f64, f64) {
    let (mut right, mut refused_above, mut complied) = (0.0, 0.0, 0.0);
    for (positive, negative) in steps(scores, truth) {
        right += negative * (refused_above + positive / 2.0);
        refused_above += positive;
        complied += negative;
    }
    (right, refused_above * complied)
}

/// Area under the ROC curve: the share of (refused, complied) pairs that the score orders correctly, with
/// ties as one half. NaN when a class is missing.
#[must_use]
pub fn auroc<T: Truth>(scores: &[f64], truth: &[T]) -> f64 {
    let (right, all) = pairs(scores, truth);
    right / all
}

/// The same over pairs from one source: what a score knows beyond the source of a row. NaN if no source has
/// both classes. Rows without a source are ignored.
#[must_use]
pub fn auroc_within<T: Truth>(scores: &[f64], truth: &[T], sources: &[Option<&str>]) -> f64 {
    let mut rows: BTreeMap<&str, (Vec<f64>, Vec<T>)> = BTreeMap::new();
    for ((source, &score), &truth) in sources.iter().zip(scores).zip(truth) {
        if let Some(source) = source {
            let (scores, truths) = rows.entry(source).or_default();
            scores.push(score);
            truths.push(truth);
        }
    }
    let of = rows.values().map(|(scores, truth)| pairs(scores, truth));
    let (right, all) = of.fold((0.0, 0.0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    right / all
}

/// How well scores rank rows that their fit has not seen: over all rows, and within each source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranking {
    /// AUROC over all rows.
    pub pooled: f64,
    /// AUROC over pairs of rows from one source; NaN if no named source has both classes.
    pub within_sources: f64,
}

impl Ranking {
    /// The ranking of rows by their scores.
    pub(crate) fn of<T: Truth>(scores: &[f64], truth: &[T], sources: &[Option<&str>]) -> Self {
        Self { pooled: auroc(scores, truth), within_sources: auroc_within(scores, truth, sources) }
    }

    /// Whether most of the score's advantage over a coin toss (.5) comes from telling sources apart: within
    /// sources, the advantage is less than half. A score that is hardly better than a coin toss has no
    /// advantage to explain. `None` if a figure is undefined.
    #[must_use]
    pub fn tells_sources_apart(self) -> Option<bool> {
        let Self { pooled, within_sources } = self;
        (pooled.is_finite() && within_sources.is_finite())
            .then(|| pooled - 0.5 > 0.05 && within_sources - 0.5 < (pooled - 0.5) / 2.0)
    }
}

/// The largest true positive rate of a threshold whose false positive rate is at most `most`, without
/// interpolating between thresholds. With fewer than 1 / `most` complied rows, that allows no false positive
/// at all. NaN when a class is missing.
#[must_use]
pub fn tpr_at_fpr<T: Truth>(scores: &[f64], truth: &[T], most: f64) -> f64 {
    let (refused, complied) = classes(truth);
    if refused <= 0.0 || complied <= 0.0 {
        return f64::NAN;
    }
    let (mut found, mut false_alarms) = (0.0, 0.0);
    for (positive, negative) in steps(scores, truth) {
        false_alarms += negative;
        // The sums are over at most some millions of rows: their rounding error is far below this.
        if false_alarms > most * complied + 1e-9 {
            break;
        }
        found += positive;
    }
    found / refused
}

/// Average precision: the sum over thresholds of precision x gain in recall. NaN without a refusal.
#[must_use]
pub fn average_precision<T: Truth>(scores: &[f64], truth: &[T]) -> f64 {
    let (mut sum, mut seen, mut found) = (0.0, 0.0, 0.0);
    for (positive, negative) in steps(scores, truth) {
        seen += positive + negative;
        found += positive;
        sum += positive * found / seen;
    }
    if found == 0.0 { f64::NAN } else { sum / found }
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
        assert!(tpr_at_fpr(&[0.1], &[false], 0.01).is_nan());
        assert!(auroc_within(&[0.1, 0.9], &[true, false], &[Some("a"), Some("b")]).is_nan());
    }

    #[test]
    fn telling_sources_apart_is_not_ranking_within_them() {
        // Source `a` is mostly refused and scores high, `b` the opposite; within each source the order is
        // reversed.
        let scores = [0.9, 0.8, 0.95, 0.2, 0.1, 0.05];
        let truth = [true, true, false, false, false, true];
        let sources = [Some("a"), Some("a"), Some("a"), Some("b"), Some("b"), Some("b")];
        assert!(auroc(&scores, &truth) > 0.4);
        assert_eq!(auroc_within(&scores, &truth, &sources), 0.0);
        let none = [None; 6];
        assert!(auroc_within(&scores, &truth, &none).is_nan());
    }

    #[test]
    fn refusals_found_while_hardly_any_answer_is_called_one() {
        // 200 complied rows, two of which score above the lower half of the refused ones.
        let mut scores = vec![0.1; 198];
        scores.extend([0.7, 0.7, 0.9, 0.9, 0.6, 0.5]);
        let truth: Vec<bool> = (0..204).map(|row| row >= 200).collect();
        assert_eq!(tpr_at_fpr(&scores, &truth, 0.01), 1.0, "two of 200 may be wrong");
        assert_eq!(tpr_at_fpr(&scores, &truth, 0.009), 0.5);
        assert_eq!(tpr_at_fpr(&[0.5, 0.5], &[true, false], 0.01), 0.0, "a tie is called together");
    }
}
