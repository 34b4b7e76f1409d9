//! 95% intervals of shares and of AUROCs, for rows that are independent and for rows that are not.
//!
//! Rows of one prompt are not independent: five samples of a prompt say little more than one. If prompts
//! repeat, the variance comes from a seeded bootstrap of whole prompts (Efron & Tibshirani 1993, chapter 8).
//! It enters the same formulas as for independent rows. A share has the score interval (Wilson 1927) for the
//! number of independent rows with that variance (Korn & Graubard 1998). An AUROC has an interval on the
//! scale of its logit (Pepe 2003, section 5.2.3), which cannot leave 0..=1. If all pairs are ordered
//! correctly, or none, every such variance is 0 and says nothing. Then the interval is Newcombe's (2006, part
//! 2, method 5): the AUROCs for which this result would not be surprising.

use std::hash::Hash;

use demur_data::resampled;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::metrics::ranking::{auroc, ranking};
use crate::metrics::truth::{Truth, classes};

/// The 97.5% quantile of the standard normal distribution.
pub(crate) const Z: f64 = 1.959_963_984_540_054;

/// Number of bootstrap resamples.
pub(crate) const RESAMPLES: usize = 1000;

/// The 95% score interval of a share (Wilson 1927); (0, 1) when there are no trials.
#[must_use]
pub fn wilson(successes: usize, trials: usize) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    wilson_of_share(successes as f64 / trials as f64, trials as f64)
}

/// The same interval for a share that is not a ratio of counts: of weighted rows, or of soft labels. `n` is
/// above 0.
#[must_use]
pub fn wilson_of_share(p: f64, n: f64) -> (f64, f64) {
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let (centre, scale) = (p + Z * Z / (2.0 * n), 1.0 + Z * Z / n);
    // At 0 and at 1 the formula is exact, and rounding must not move the bound past the end.
    let low = if p <= 0.0 { 0.0 } else { (centre - spread) / scale };
    let high = if p >= 1.0 { 1.0 } else { (centre + spread) / scale };
    (low, high)
}

/// Standard error of an AUROC after `DeLong`, `DeLong` & Clarke-Pearson (1988). NaN when a class has fewer
/// than two.
#[must_use]
pub(crate) fn auroc_standard_error<T: Truth>(scores: &[f64], truth: &[T]) -> f64 {
    let (refused, complied) = classes(truth);
    if refused < 2.0 || complied < 2.0 {
        return f64::NAN;
    }
    let area = auroc(scores, truth);
    let order = ranking(scores);
    let (mut of_refused, mut of_complied) = (0.0, 0.0);
    let (mut refused_above, mut complied_above) = (0.0, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let positive: f64 = tied.iter().map(|&row| truth[row].refused()).sum();
        let negative = tied.len() as f64 - positive;
        // The share of the other class on the correct side of this score; a tie counts half.
        let below = (complied - complied_above - negative / 2.0) / complied;
        let above = (refused_above + positive / 2.0) / refused;
        of_refused += positive * (below - area).powi(2);
        of_complied += negative * (above - area).powi(2);
        refused_above += positive;
        complied_above += negative;
    }
    (of_refused / (refused - 1.0) / refused + of_complied / (complied - 1.0) / complied).sqrt()
}

/// The 95% interval of an AUROC of independent rows; (0, 1) when a class is missing.
#[must_use]
pub fn auroc_interval<T: Truth>(scores: &[f64], truth: &[T]) -> (f64, f64) {
    around(auroc(scores, truth), auroc_standard_error(scores, truth), classes(truth))
}

/// The interval around an AUROC, from its standard error; without a usable one, from the sizes of the
/// classes.
fn around(area: f64, error: f64, (refused, complied): (f64, f64)) -> (f64, f64) {
    if !area.is_finite() {
        return (0.0, 1.0);
    }
    if !(error > 0.0 && area > 0.0 && area < 1.0) {
        return newcombe(area, refused, complied);
    }
    let logit = (area / (1.0 - area)).ln();
    let spread = Z * error / (area * (1.0 - area));
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    (sigmoid(logit - spread), sigmoid(logit + spread))
}

/// The AUROCs that are within 1.96 of their own standard errors of the given one. That standard error is
/// Hanley & `McNeil`'s with the mean of both sizes in its middle (Newcombe, "Confidence intervals for an
/// effect size measure based on the Mann-Whitney statistic. Part 2", Statistics in Medicine 25, 2006, method
/// 5).
fn newcombe(area: f64, refused: f64, complied: f64) -> (f64, f64) {
    let other = (f64::midpoint(refused, complied) - 1.0).max(0.0);
    let error = |a: f64| {
        let middle = 1.0 + other * (1.0 - a) / (2.0 - a) + other * a / (1.0 + a);
        (a * (1.0 - a) * middle / (refused * complied)).max(0.0).sqrt()
    };
    // Between the end and the area itself, the distance falls below 1.96 standard errors exactly once.
    let edge = |end: f64| {
        let (mut out, mut within) = (end, area);
        for _ in 0..60 {
            let middle = f64::midpoint(out, within);
            if (middle - area).abs() > Z * error(middle) { out = middle } else { within = middle }
        }
        f64::midpoint(out, within)
    };
    (if area <= 0.0 { 0.0 } else { edge(0.0) }, if area >= 1.0 { 1.0 } else { edge(1.0) })
}

/// Which rows belong together: those of one prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// The number of each row's cluster, dense from 0.
    of: Vec<u32>,
    /// How many clusters there are.
    count: usize,
}

impl Clusters {
    /// Clusters rows with equal items.
    #[must_use]
    pub fn of<T: Eq + Hash>(items: impl Iterator<Item = T>) -> Self {
        let mut numbers: FxHashMap<T, u32> = FxHashMap::default();
        let of: Vec<u32> = items
            .map(|item| {
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                *numbers.entry(item).or_insert(next)
            })
            .collect();
        Self { count: numbers.len(), of }
    }

    /// The number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// The number of each row's cluster, dense from 0.
    #[cfg_attr(not(feature = "bert"), expect(dead_code, reason = "the fit of an encoder alone asks"))]
    pub(crate) fn numbers(&self) -> &[u32] {
        &self.of
    }

    /// Whether there are no rows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether every row is a cluster of its own.
    #[must_use]
    pub(crate) const fn are_rows(&self) -> bool {
        self.count == self.of.len()
    }

    /// The clusters of some of the rows.
    #[must_use]
    pub fn subset(&self, rows: &[usize]) -> Self {
        Self::of(rows.iter().map(|&row| self.of[row]))
    }

    /// How often each cluster is drawn, for one seed.
    fn draws(&self, seed: u64) -> Vec<f64> {
        let mut draws = vec![0.0; self.count];
        resampled(self.count, seed).into_iter().for_each(|cluster| draws[cluster] += 1.0);
        draws
    }

    /// Sums a number of each row by cluster.
    fn sums(&self, numbers: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut sums = vec![0.0; self.count];
        self.of.iter().zip(numbers).for_each(|(&cluster, number)| sums[cluster as usize] += number);
        sums
    }

    /// The numbers of clusters with refused rows and with complied rows.
    fn classes<T: Truth>(&self, truth: &[T]) -> (f64, f64) {
        let with = |sums: Vec<f64>| sums.into_iter().filter(|&sum| sum > 0.0).count() as f64;
        (
            with(self.sums(truth.iter().map(|truth| truth.refused()))),
            with(self.sums(truth.iter().map(|truth| 1.0 - truth.refused()))),
        )
    }
}

fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)
}

/// The seeds of the resamples: different from those of splits, and one per resample, so that threads cannot
/// change the result.
fn seeds(seed: u64) -> impl IndexedParallelIterator<Item = u64> {
    (0..RESAMPLES)
        .into_par_iter()
        .map(move |at| seed.wrapping_add(0xb007).wrapping_mul(1 << 20).wrapping_add(at as u64))
}

/// The 95% interval of an accuracy; `right` is how correct the decision on each row is.
pub(crate) fn accuracy_interval(right: &[f64], clusters: &Clusters, seed: u64) -> (f64, f64) {
    let n = right.len() as f64;
    if right.is_empty() {
        return (0.0, 1.0);
    }
    let share = right.iter().sum::<f64>() / n;
    if clusters.are_rows() {
        return wilson_of_share(share, n);
    }
    let (rights, rows) = (clusters.sums(right.iter().copied()), clusters.sums(right.iter().map(|_| 1.0)));
    let drawn = |seed| {
        let draws = clusters.draws(seed);
        let sum = |of: &[f64]| of.iter().zip(&draws).map(|(of, draws)| of * draws).sum::<f64>();
        sum(&rights) / sum(&rows)
    };
    let shares: Vec<f64> = seeds(seed).map(drawn).collect();
    let variance = variance(&shares);
    // The number of independent rows with this variance: at most all of them; without any variance, the
    // number of clusters.
    let rows = if variance > 0.0 { (share * (1.0 - share) / variance).min(n) } else { clusters.len() as f64 };
    wilson_of_share(share, rows.max(1.0))
}

/// Rows in order of their scores, ready for repeated resampling.
struct Ranked {
    /// The cluster, the refused part and the complied part of each row, the highest score first.
    rows: Vec<(u32, f64, f64)>,
    /// Whether a row's score is the same as the one before.
    tied: Vec<bool>,
}

impl Ranked {
    fn of<T: Truth>(scores: &[f64], truth: &[T], clusters: &Clusters) -> Self {
        let order = ranking(scores);
        let row = |&at: &usize| (clusters.of[at], truth[at].refused(), 1.0 - truth[at].refused());
        let tied = |place: usize| place > 0 && scores[order[place]] == scores[order[place - 1]];
        Self { tied: (0..order.len()).map(tied).collect(), rows: order.iter().map(row).collect() }
    }

    /// The AUROC if each cluster counts as often as it was drawn.
    fn auroc(&self, draws: &[f64]) -> f64 {
        let (mut right, mut refused_above, mut complied) = (0.0, 0.0, 0.0);
        let (mut positive, mut negative) = (0.0, 0.0);
        for (&(cluster, refused, answered), &tied) in self.rows.iter().zip(&self.tied) {
            if !tied {
                right += negative * (refused_above + positive / 2.0);
                refused_above += positive;
                complied += negative;
                (positive, negative) = (0.0, 0.0);
            }
            let draws = draws[cluster as usize];
            positive += draws * refused;
            negative += draws * answered;
        }
        right += negative * (refused_above + positive / 2.0);
        right / ((refused_above + positive) * (complied + negative))
    }
}

/// The 95% interval of the AUROC of clustered rows; (0, 1) when a class is missing.
fn clustered_auroc<T: Truth>(scores: &[f64], truth: &[T], clusters: &Clusters, seed: u64) -> (f64, f64) {
    let ranked = Ranked::of(scores, truth, clusters);
    // A draw without one of the classes has no AUROC.
    let areas: Vec<f64> =
        seeds(seed).map(|seed| ranked.auroc(&clusters.draws(seed))).filter(|area| area.is_finite()).collect();
    let error = if areas.len() > 1 { variance(&areas).sqrt() } else { 0.0 };
    around(auroc(scores, truth), error, clusters.classes(truth))
}

/// The 95% intervals of the accuracy and of the AUROC of some scores: analytic if every row is a cluster of
/// its own, otherwise by a seeded bootstrap of whole clusters.
#[must_use]
pub fn intervals<T: Truth + Sync>(
    p: &[f64],
    truth: &[T],
    threshold: f64,
    clusters: &Clusters,
    seed: u64,
) -> ((f64, f64), (f64, f64)) {
    let right = |(&p, truth): (&f64, &T)| {
        let refused = truth.refused();
        if p >= threshold { refused } else { 1.0 - refused }
    };
    let right: Vec<f64> = p.iter().zip(truth).map(right).collect();
    let accuracy = accuracy_interval(&right, clusters, seed);
    let auroc = if clusters.are_rows() {
        auroc_interval(p, truth)
    } else {
        clustered_auroc(p, truth, clusters, seed)
    };
    (accuracy, auroc)
}

/// The mean of some numbers and its 95% interval (normal). NaN if undefined: an interval of fewer than two
/// numbers, a mean of none.
#[must_use]
pub fn mean_interval(values: &[f64]) -> (f64, (f64, f64)) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let reach = if values.len() < 2 { f64::NAN } else { Z * (squares / (n - 1.0) / n).sqrt() };
    (mean, (mean - reach, mean + reach))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn six_rows_in_the_right_order_prove_little() {
        let (low, high) =
            auroc_interval(&[0.9, 0.8, 0.7, 0.3, 0.2, 0.1], &[true, true, true, false, false, false]);
        assert!((0.4..0.6).contains(&low) && high == 1.0, "{low} {high}");
        let (scores, truth): (Vec<f64>, Vec<bool>) = (0..600).map(|row| (f64::from(row), row >= 300)).unzip();
        let (low, high) = auroc_interval(&scores, &truth);
        assert!((0.985..0.999).contains(&low) && high == 1.0, "{low} {high}");
    }

    #[test]
    fn one_row_of_a_class_leaves_nearly_all_open() {
        assert!(auroc_standard_error(&[0.1, 0.9], &[true, false]).is_nan());
        let (low, high) = auroc_interval(&[0.1, 0.9], &[true, false]);
        assert!(low == 0.0 && high > 0.7, "{low} {high}");
        assert_eq!(auroc_interval(&[0.1, 0.9], &[true, true]), (0.0, 1.0));
    }

    /// Rows of some prompts, every one `copies` times.
    fn repeated(copies: usize) -> (Vec<f64>, Vec<bool>, Clusters) {
        let rows = (0..120_u32).flat_map(|prompt| std::iter::repeat_n(prompt, copies));
        let score = |prompt: u32| f64::from(prompt.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
        let (scores, truth): (Vec<f64>, Vec<bool>) = rows
            .clone()
            .map(|prompt| (score(prompt), (score(prompt) > 0.5) != prompt.is_multiple_of(4)))
            .unzip();
        (scores, truth, Clusters::of(rows))
    }

    #[test]
    fn a_prompt_asked_ten_times_is_no_ten_prompts() {
        let (scores, truth, once) = repeated(1);
        let ((low, high), (auroc_low, auroc_high)) = intervals(&scores, &truth, 0.5, &once, 0);
        let (scores, truth, clusters) = repeated(10);
        let ((low_ten, high_ten), (auroc_low_ten, auroc_high_ten)) =
            intervals(&scores, &truth, 0.5, &clusters, 0);
        let (naive_low, naive_high) = auroc_interval(&scores, &truth);
        assert!(
            (low - low_ten).abs() < 0.01 && (high - high_ten).abs() < 0.01,
            "{low} {high} {low_ten} {high_ten}"
        );
        assert!((auroc_low - auroc_low_ten).abs() < 0.02 && (auroc_high - auroc_high_ten).abs() < 0.02);
        assert!(naive_high - naive_low < 0.5 * (auroc_high_ten - auroc_low_ten));
    }

    #[test]
    fn a_bootstrap_is_the_same_twice_and_known_where_all_is_right() {
        let (scores, truth, clusters) = repeated(3);
        assert_eq!(
            intervals(&scores, &truth, 0.5, &clusters, 7),
            intervals(&scores, &truth, 0.5, &clusters, 7)
        );
        // Two prompts, each answered five times as predicted: all correct, but little evidence.
        let p = [0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1];
        let truth: Vec<bool> = p.iter().map(|&p| p > 0.5).collect();
        let two = Clusters::of(truth.iter());
        let ((low, high), (auroc_low, auroc_high)) = intervals(&p, &truth, 0.5, &two, 0);
        assert!(low < 0.4 && high == 1.0 && auroc_low < 0.3 && auroc_high == 1.0, "{low} {auroc_low}");
    }
}
