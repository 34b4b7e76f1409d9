//! Log-odds of a term in two sets of rows, divided by their standard deviation, with a flat Dirichlet prior.
//!
//! Monroe, Colaresi & Quinn, "Fightin' Words" (Political Analysis 2008), equations 15, 16, 22, counting rows:
//! a row contains the term or does not. With x of n rows and the prior a, the log-odds are ln((x + a) / (n -
//! x + a)). The variance of the difference of two sets is the sum of the reciprocals of all four counts plus
//! their priors.
//!
//! The prior is one row with the term and one without, divided between the sets in proportion to their sizes.
//! It depends on no count, so the data do not determine their own prior. It gives both sets the same odds, so
//! a small set is not drawn towards a term that none of its rows contains. If labels carry no information, z
//! has mean 0 and a standard deviation of about 1; below 1 for terms of a few rows, which cannot move far
//! from 0.
//!
//! Occurrences are not counted. A text that repeats a word ten times is one row, and the ten are not
//! independent: counting them would make z too large.

use serde::Serialize;

use super::index::Index;

/// Rows with the term, and rows without it, that the prior adds to the two sets together.
const PRIOR: f64 = 1.0;

/// The log-odds of a term in one set of rows against another.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct LogOdds {
    /// Difference of the log-odds: above 0, the term belongs to the first set.
    pub difference: f64,
    /// The difference over its standard deviation; 0 for a term that no row has, or where a set is empty.
    pub z: f64,
}

/// The log-odds of a term, from `(rows with the term, all rows)` of both sets.
#[must_use]
pub fn log_odds(first: (usize, usize), second: (usize, usize)) -> LogOdds {
    let all = (first.1 + second.1) as f64;
    if first.0 + second.0 == 0 || first.1 == 0 || second.1 == 0 {
        return LogOdds::default();
    }
    let of = |(with, rows): (usize, usize)| {
        let prior = PRIOR * rows as f64 / all;
        let (with, without) = (with as f64 + prior, rows.saturating_sub(with) as f64 + prior);
        ((with / without).ln(), 1.0 / with + 1.0 / without)
    };
    let ((odds, variance), (other_odds, other_variance)) = (of(first), of(second));
    let difference = odds - other_odds;
    LogOdds { difference, z: difference / (variance + other_variance).sqrt() }
}

/// The log-odds of every term in refused against answered rows, over the included rows.
pub(crate) fn of_index(index: &Index, labels: &[bool], included: &[bool]) -> Vec<LogOdds> {
    // Answered rows are at 0, refused ones at 1.
    let mut all = [0_usize; 2];
    for (&label, _) in labels.iter().zip(included).filter(|(_, included)| **included) {
        all[usize::from(label)] += 1;
    }
    let of_feature = |feature: usize| {
        let mut with = [0_usize; 2];
        for &row in index.rows(feature) {
            let row = row as usize;
            with[usize::from(labels[row])] += usize::from(included[row]);
        }
        log_odds((with[1], all[1]), (with[0], all[0]))
    };
    (0..index.features()).map(of_feature).collect()
}

#[cfg(test)]
mod tests {
    use demur_data::shuffled;

    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_formula() {
        // By hand: 8 of 100 and 2 of 300; the prior is a quarter and three quarters of a row.
        let odds = log_odds((8, 100), (2, 300));
        let difference = (8.25_f64 / 92.25).ln() - (2.75_f64 / 298.75).ln();
        let variance = 1.0 / 8.25 + 1.0 / 92.25 + 1.0 / 2.75 + 1.0 / 298.75;
        assert!((odds.difference - difference).abs() < 1e-12);
        assert!((odds.z - difference / f64::sqrt(variance)).abs() < 1e-12);
    }

    #[test]
    fn a_frequent_term_is_surer_than_a_rare_one_of_the_same_odds() {
        let (rare, frequent) = (log_odds((2, 1000), (0, 1000)), log_odds((200, 1000), (0, 1000)));
        assert!(rare.z > 0.0 && frequent.z > 3.0 * rare.z, "{rare:?} {frequent:?}");
        let mirrored = log_odds((0, 1000), (2, 1000));
        assert!((mirrored.z + rare.z).abs() < 1e-12);
        assert!(log_odds((5, 5), (3, 3)).z.is_finite(), "a term of every row");
        for none in [log_odds((0, 5), (0, 5)), log_odds((0, 0), (3, 5)), log_odds((3, 5), (0, 0))] {
            assert_eq!(none, LogOdds::default());
        }
    }

    #[test]
    fn sets_of_any_sizes_with_one_rate_have_no_difference() {
        for (first, second) in [((10, 100), (100, 1000)), ((1, 10), (900, 9000))] {
            assert!(log_odds(first, second).z.abs() < 1e-9, "{first:?} {second:?}");
        }
    }

    /// Mean and standard deviation of z, and the share beyond 1.96, over shuffled labels of `n` rows.
    fn null(n: usize, refused: usize, with: usize) -> (f64, f64, f64) {
        const DRAWS: u64 = 1500;
        let z: Vec<f64> = (0..DRAWS)
            .map(|seed| {
                let order = shuffled(n, seed * 7919 + (n + refused + with) as u64);
                let of_refused = order[..refused].iter().filter(|&&row| row < with).count();
                log_odds((of_refused, refused), (with - of_refused, n - refused)).z
            })
            .collect();
        let draws = DRAWS as f64;
        let mean = z.iter().sum::<f64>() / draws;
        let variance = z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / draws;
        let beyond = z.iter().filter(|z| z.abs() > 1.96).count() as f64 / draws;
        (mean, variance.sqrt(), beyond)
    }

    #[test]
    fn where_labels_say_nothing_z_is_standard_normal() {
        for (n, refused) in [(600, 300), (600, 120)] {
            for with in [30, 100, 400] {
                let (mean, deviation, beyond) = null(n, refused, with);
                let case = format!("{with} of {n} rows, {refused} refused: {mean} {deviation} {beyond}");
                assert!(mean.abs() < 0.15 && (0.85..1.1).contains(&deviation), "{case}");
                assert!((0.015..0.08).contains(&beyond), "{case}");
            }
            // A few rows cannot be sure of anything.
            let (_, deviation, beyond) = null(n, refused, 2);
            assert!(deviation < 1.0 && beyond < 0.05, "{deviation} {beyond}");
        }
    }
}
