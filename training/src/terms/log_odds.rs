//! Log-odds of a term in two sets of texts, z-scored, with an informative Dirichlet prior.
//!
//! Monroe, Colaresi & Quinn, "Fightin' Words" (Political Analysis 2008), equations 15, 16, 22: with counts y in texts of n
//! terms and the prior a of sum A, the log-odds of a term in a set are ln((y + a) / (n + A - y - a)), the difference of
//! two sets has the variance 1 / (y1 + a) + 1 / (y2 + a), and z is difference over standard deviation. The prior here is
//! the term's count in both sets together, so a rare term is held near no difference.

use serde::Serialize;

use super::index::Index;

/// The log-odds of a term in one set of texts against another.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct LogOdds {
    /// Difference of the log-odds: above 0 the term belongs to the first set.
    pub difference: f64,
    /// The difference over its standard deviation; 0 for a term that occurs in neither set.
    pub z: f64,
}

/// The log-odds of a term: its counts in both sets, and the counts of all terms in both.
#[must_use]
pub fn log_odds(first: f64, second: f64, (all_first, all_second): (f64, f64)) -> LogOdds {
    let prior = first + second;
    if prior <= 0.0 {
        return LogOdds::default();
    }
    let all_prior = all_first + all_second;
    let odds = |count: f64, all: f64| {
        // A vocabulary of one term has no other terms; half a count keeps its odds finite.
        let others = (all + all_prior - count - prior).max(0.5);
        ((count + prior) / others).ln()
    };
    let difference = odds(first, all_first) - odds(second, all_second);
    let variance = 1.0 / (first + prior) + 1.0 / (second + prior);
    LogOdds { difference, z: difference / variance.sqrt() }
}

/// The log-odds of every term in refused against answered rows, of the rows that are included. Each view is a set of
/// terms of its own.
pub(crate) fn of_index(index: &Index, labels: &[bool], included: &[bool]) -> Vec<LogOdds> {
    let counts = |feature: usize| {
        let (mut refused, mut complied) = (0.0, 0.0);
        for (&row, &count) in index.rows(feature).iter().zip(index.counts(feature)) {
            let row = row as usize;
            if included[row] {
                *(if labels[row] { &mut refused } else { &mut complied }) += f64::from(count);
            }
        }
        (refused, complied)
    };
    let mut odds = Vec::with_capacity(index.features());
    for view in index.views() {
        let of_view: Vec<(f64, f64)> = view.map(counts).collect();
        let all = of_view.iter().fold((0.0, 0.0), |all, of| (all.0 + of.0, all.1 + of.1));
        odds.extend(of_view.into_iter().map(|(refused, complied)| log_odds(refused, complied, all)));
    }
    odds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_formula() {
        // By hand: (8 + 10) / (100 + 200 - 18) = 18/282, (2 + 10) / (100 + 200 - 12) = 12/288.
        let odds = log_odds(8.0, 2.0, (100.0, 100.0));
        let difference = (18.0_f64 / 282.0).ln() - (12.0_f64 / 288.0).ln();
        assert!((odds.difference - difference).abs() < 1e-12);
        assert!((odds.z - difference / (1.0_f64 / 18.0 + 1.0 / 12.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_frequent_term_is_surer_than_a_rare_one_of_the_same_odds() {
        let (rare, frequent) = (log_odds(2.0, 0.0, (1000.0, 1000.0)), log_odds(200.0, 0.0, (1000.0, 1000.0)));
        assert!(rare.z > 0.0 && frequent.z > 5.0 * rare.z, "{rare:?} {frequent:?}");
        let mirrored = log_odds(0.0, 2.0, (1000.0, 1000.0));
        assert!((mirrored.z + rare.z).abs() < 1e-12);
        assert_eq!(log_odds(0.0, 0.0, (5.0, 5.0)), LogOdds::default());
        assert!(log_odds(3.0, 2.0, (3.0, 2.0)).z.is_finite(), "a vocabulary of one term");
    }
}
