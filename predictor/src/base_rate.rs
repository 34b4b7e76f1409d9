//! The base rate: the share of refusals that a model's probabilities assume, and the conversion to another
//! one.
//!
//! A probability depends on one text *and* on the traffic it comes from. If the traffic differs from the
//! manifest's assumption only in its share of refusals, every probability moves by the same shift of its
//! logit, `ln(odds of the new rate) - ln(odds of the old)`. The new rate can be given, or estimated from the
//! traffic's own probabilities by expectation maximisation (Saerens, Latinne & Decaestecker 2002).

use crate::error::SettingsError;
use crate::probability::Probability;

/// An estimated base rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BaseRateEstimate {
    /// The estimated share of refusals.
    pub rate: f64,
    /// How many rows it was estimated from.
    pub rows: u64,
}

/// Steps after which the estimate is used as it is.
const STEPS: usize = 1000;
/// An estimate that moves by less than this has converged.
const TOLERANCE: f64 = 1e-9;
/// The estimate stays this far from 0 and 1, where no evidence could move a probability again.
const LEAST: f64 = 1e-6;

/// The logarithm of the odds of a rate.
#[must_use]
pub fn log_odds(rate: f64) -> f64 {
    (rate / (1.0 - rate)).ln()
}

/// Checks that a base rate lies between 0 and 1, both excluded.
///
/// # Errors
/// [`SettingsError::BaseRate`].
pub fn check_base_rate(rate: f64) -> Result<f64, SettingsError> {
    if rate > 0.0 && rate < 1.0 { Ok(rate) } else { Err(SettingsError::BaseRate { rate }) }
}

/// Estimates the base rate of traffic from its probabilities under an assumed base rate, each with the number
/// of its rows; `None` without rows.
///
/// Each step takes the mean of the probabilities under the rate so far. A fixed point is a rate that makes
/// the traffic most likely, provided that refused and answered texts look as they did in the fit and only
/// their shares differ.
#[must_use]
pub fn estimate_base_rate(probabilities: &[(f64, u64)], assumed: f64) -> Option<BaseRateEstimate> {
    let rows: u64 = probabilities.iter().map(|(_, rows)| rows).sum();
    if rows == 0 || check_base_rate(assumed).is_err() {
        return None;
    }
    let mut rate = assumed;
    for _ in 0..STEPS {
        let shift = log_odds(rate) - log_odds(assumed);
        let sum: f64 = probabilities.iter().map(|&(p, rows)| rows as f64 * shifted(p, shift)).sum();
        let next = (sum / rows as f64).clamp(LEAST, 1.0 - LEAST);
        let moved = (next - rate).abs();
        rate = next;
        if moved < TOLERANCE {
            break;
        }
    }
    Some(BaseRateEstimate { rate, rows })
}

/// A probability after a shift of its logit; 0 and 1 stay.
fn shifted(p: f64, shift: f64) -> f64 {
    let odds = shift.exp();
    let refused = p * odds;
    refused / (refused + (1.0 - p))
}

impl Probability {
    /// The probability whose logit is larger by this much. 0 and 1 stay as they are.
    #[must_use]
    pub fn shifted(self, shift: f64) -> Self {
        // A weighted mean of 0 and 1 is a probability; a shift that is NaN changes nothing.
        Self::new(shifted(self.get(), shift)).unwrap_or(self)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Probabilities of rows whose evidence is exact: refused and answered rows draw logits of evidence from
    /// two mirrored normal distributions, so that ln(p(x | refused) / p(x | answered)) is the evidence
    /// itself.
    fn traffic(rate: f64, assumed: f64) -> Vec<(f64, u64)> {
        let spread = |at: usize, n: usize| {
            // Quantiles of a logistic distribution, close enough to a normal one for a mean.
            let u = (at as f64 + 0.5) / n as f64;
            log_odds(u) / 1.7
        };
        let refused = (rate * 20_000.0).round() as usize;
        let answered = 20_000 - refused;
        // If the means are +-m and the variance is v = 2 m, the log likelihood ratio at a number is the
        // number itself: m = 2, v = 4.
        let logit = |evidence: f64| log_odds(assumed) + evidence;
        (0..refused)
            .map(|at| logit(2.0 + 2.0 * spread(at, refused)))
            .chain((0..answered).map(|at| logit(-2.0 + 2.0 * spread(at, answered))))
            .map(|z| (Probability::from_logit(z).get(), 1))
            .collect()
    }

    #[test]
    fn the_estimate_finds_the_share_that_the_traffic_has() {
        for rate in [0.02, 0.1, 0.3, 0.6] {
            for assumed in [0.05, 0.4] {
                let found = estimate_base_rate(&traffic(rate, assumed), assumed).unwrap();
                assert!((found.rate - rate).abs() < 0.02, "{rate} assumed {assumed}: {found:?}");
                assert_eq!(found.rows, 20_000);
            }
        }
    }

    #[test]
    fn without_rows_or_with_a_senseless_assumption_there_is_no_estimate() {
        assert_eq!(estimate_base_rate(&[], 0.1), None);
        assert_eq!(estimate_base_rate(&[(0.5, 1)], 1.0), None);
    }

    #[test]
    fn a_shift_goes_there_and_back_and_keeps_certainties() {
        let p = Probability::new(0.3).unwrap();
        let there = p.shifted(log_odds(0.02) - log_odds(0.3));
        assert!((there.get() - 0.02).abs() < 1e-12, "a text of the old rate is one of the new: {there}");
        assert!((there.shifted(log_odds(0.3) - log_odds(0.02)).get() - 0.3).abs() < 1e-12);
        for certain in [0.0, 1.0] {
            assert_eq!(Probability::new(certain).unwrap().shifted(5.0).get(), certain);
        }
        assert_eq!(p.shifted(f64::NAN), p);
    }

    #[test]
    fn rates_that_are_none_are_refused() {
        for rate in [0.0, 1.0, -0.1, f64::NAN, f64::INFINITY] {
            assert!(matches!(check_base_rate(rate), Err(SettingsError::BaseRate { .. })), "{rate}");
        }
    }
}
