//! Two targets on the prompts that both answered: who refuses what, and how surely they differ.
//!
//! Their answers to one prompt are not independent, so the comparison is paired. It goes by the prompts on
//! which they differ (`McNemar` 1947), by the exact binomial test at any size; the interval of the difference
//! is Newcombe's square-and-add of two Wilson intervals with their correlation (Statistics in Medicine 17,
//! 1998, pages 2635 to 2650, method 10).

use std::hash::Hash;

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::metrics::{nan_is_null, wilson};

/// The test behind the p-value.
pub const MCNEMAR: &str = "McNemar's exact test (two-sided binomial)";

/// The interval of the difference.
pub const DIFFERENCE_INTERVAL: &str = "Newcombe's paired score interval (1998, method 10)";

/// Two targets on the prompts that both answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairedRates {
    /// The column whose values pair the rows.
    pub column: String,
    /// The two targets.
    pub targets: [String; 2],
    /// How many values both answered.
    pub pairs: usize,
    /// How many values the first, and the second, answered alone.
    pub unpaired: [usize; 2],
    /// Pairs for which a target has several answers; it counts as refused if at least half of them are.
    pub several: usize,
    /// Refused by both.
    pub both: usize,
    /// Refused by the first alone.
    pub only_first: usize,
    /// Refused by the second alone.
    pub only_second: usize,
    /// Refused by neither.
    pub neither: usize,
    /// The rate of the first and of the second, over the pairs.
    pub rates: [Option<f64>; 2],
    /// The first rate less the second.
    #[serde(serialize_with = "nan_is_null")]
    pub difference: f64,
    /// 95% interval of the difference; `None` without pairs.
    pub interval: Option<(f64, f64)>,
    /// Its method.
    pub interval_method: &'static str,
    /// The probability of a split of the discordant pairs at least as uneven, if the targets are alike.
    pub p_value: f64,
    /// Its test.
    pub test: &'static str,
}

/// The answers of a target to one prompt: their number, and how much of them was refused.
type Answers = (usize, f64);

impl PairedRates {
    /// Compares the targets on rows of (value of the column, first or second target, how much was refused).
    #[must_use]
    pub fn of<K: Eq + Hash>(
        column: &str,
        targets: [String; 2],
        rows: impl Iterator<Item = (K, usize, f64)>,
    ) -> Self {
        let mut answers: FxHashMap<K, [Answers; 2]> = FxHashMap::default();
        for (key, side, refused) in rows {
            let (n, sum) = &mut answers.entry(key).or_default()[side];
            *n += 1;
            *sum += refused;
        }
        // The counts are in the order of `[neither, only second, only first, both]`.
        let (mut counts, mut unpaired, mut several) = ([0_usize; 4], [0_usize; 2], 0);
        for [first, second] in answers.into_values() {
            match (first.0, second.0) {
                (_, 0) => unpaired[0] += 1,
                (0, _) => unpaired[1] += 1,
                (of_first, of_second) => {
                    several += usize::from(of_first > 1 || of_second > 1);
                    let refused = |(n, sum): Answers| usize::from(2.0 * sum >= n as f64);
                    counts[2 * refused(first) + refused(second)] += 1;
                }
            }
        }
        let [neither, only_second, only_first, both] = counts;
        let pairs: usize = counts.iter().sum();
        let rate = |refused: usize| (pairs > 0).then(|| refused as f64 / pairs as f64);
        Self {
            column: column.to_owned(),
            targets,
            pairs,
            unpaired,
            several,
            both,
            only_first,
            only_second,
            neither,
            rates: [rate(both + only_first), rate(both + only_second)],
            difference: (only_first as f64 - only_second as f64) / pairs as f64,
            interval: (pairs > 0).then(|| newcombe([both, only_first, only_second, neither])),
            interval_method: DIFFERENCE_INTERVAL,
            p_value: mcnemar(only_first, only_second),
            test: MCNEMAR,
        }
    }
}

/// The two-sided p-value of `McNemar`'s exact test: twice the binomial probability of at most the smaller
/// count, if each discordant pair falls to either side with probability one half.
fn mcnemar(one: usize, other: usize) -> f64 {
    let (n, few) = (one + other, one.min(other));
    if 2 * few == n {
        return 1.0;
    }
    let choose: f64 = (1..=few).map(|i| ((n - few + i) as f64 / i as f64).ln()).sum();
    let largest = (choose - n as f64 * std::f64::consts::LN_2).exp();
    // Terms from the largest down; those that no longer change the sum are left out.
    let (mut sum, mut term) = (0.0, 1.0);
    for i in (0..=few).rev() {
        sum += term;
        term *= i as f64 / (n - i + 1) as f64;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    (2.0 * largest * sum).min(1.0)
}

/// The 95% interval of the difference of two paired proportions, from the counts of pairs: both, only the
/// first, only the second, neither.
fn newcombe([both, first, second, neither]: [usize; 4]) -> (f64, f64) {
    let n = both + first + second + neither;
    let (of_first, of_second) = (both + first, both + second);
    let (p1, p2) = (of_first as f64 / n as f64, of_second as f64 / n as f64);
    let ((low1, high1), (low2, high2)) = (wilson(of_first, n), wilson(of_second, n));
    let marginals = [of_first, n - of_first, of_second, n - of_second].map(|count| count as f64);
    let product: f64 = marginals.iter().product();
    let covered = both as f64 * neither as f64 - first as f64 * second as f64;
    // A positive correlation is lowered by half a pair, but not below 0.
    let covered = if covered > 0.0 { (covered - n as f64 / 2.0).max(0.0) } else { covered };
    let phi = if product > 0.0 { covered / product.sqrt() } else { 0.0 };
    let reach = |a: f64, b: f64| (a * a - 2.0 * phi * a * b + b * b).max(0.0).sqrt();
    let difference = p1 - p2;
    (difference - reach(p1 - low1, high2 - p2), difference + reach(p2 - low2, high1 - p1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9 * expected.abs().max(1.0)
    }

    /// `mcnemar(table, exact=True).pvalue` of statsmodels 0.15.
    #[test]
    fn p_values_are_those_of_statsmodels() {
        for (one, other, expected) in [
            (12, 2, 0.012_939_453_125),
            (6, 16, 0.052_478_790_283_203_125),
            (3, 12, 0.035_156_25),
            (60, 90, 0.017_597_691_928_785_828),
            (520, 400, 8.549_170_923_883_781e-05),
            (0, 20, 1.907_348_632_812_5e-06),
            (5, 5, 1.0),
            (0, 0, 1.0),
        ] {
            let found = mcnemar(one, other);
            assert!(near(found, expected) && (found / expected - 1.0).abs() < 1e-9, "{one} {other}: {found}");
            assert_eq!(found, mcnemar(other, one));
        }
        let many = mcnemar(1_000_000, 1_010_000);
        assert!((1e-13..1e-11).contains(&many), "{many}");
    }

    /// (1, 1, 7, 12) and (59, 6, 16, 80) are the examples of Fagerland, Lydersen & Laake, "Statistical
    /// Analysis of Contingency Tables" (2017), chapter 8; (14, 5, 0, 22) is that of Altman et al.,
    /// "Statistics with Confidence" (2000), table 6.2. The digits come from the formula over statsmodels'
    /// Wilson intervals.
    #[test]
    fn intervals_are_newcombes() {
        for (counts, low, high) in [
            ([1, 1, 7, 12], -0.506_920_226_686_141, -0.025_559_124_164_860),
            ([59, 6, 16, 80], -0.118_621_195_638_710, -0.004_625_113_933_050),
            ([20, 12, 2, 16], 0.056_156_424_841_748, 0.329_206_995_400_141),
            ([14, 5, 0, 22], 0.011_483_241_383_033, 0.226_492_684_351_211),
            ([0, 0, 0, 10], -0.277_532_799_862_889, 0.277_532_799_862_889),
            ([0, 5, 5, 0], -0.526_813_818_974_872, 0.526_813_818_974_872),
        ] {
            let (found_low, found_high) = newcombe(counts);
            assert!(near(found_low, low) && near(found_high, high), "{counts:?}: {found_low} {found_high}");
        }
    }

    #[test]
    fn only_prompts_that_both_answered_are_compared() {
        let targets = || ["a".to_owned(), "b".to_owned()];
        let rows = [
            ("p", 0, 1.0),
            ("p", 1, 0.0),
            ("q", 0, 1.0),
            ("q", 1, 1.0),
            ("r", 0, 0.0),
            // Two of three answers are refused, so the prompt is.
            ("s", 1, 1.0),
            ("s", 1, 0.0),
            ("s", 1, 1.0),
            ("s", 0, 0.0),
        ];
        let found = PairedRates::of("prompt", targets(), rows.into_iter());
        assert_eq!((found.pairs, found.unpaired, found.several), (3, [1, 0], 1));
        assert_eq!((found.both, found.only_first, found.only_second, found.neither), (1, 1, 1, 0));
        assert_eq!((found.rates, found.difference, found.p_value), ([Some(2.0 / 3.0); 2], 0.0, 1.0));
        let none = PairedRates::of("prompt", targets(), [("p", 0, 1.0)].into_iter());
        assert_eq!((none.pairs, none.rates, none.interval), (0, [None, None], None));
        assert!(none.difference.is_nan());
    }
}
