//! `Probability`, the one number that Demur returns: always P(refusal), always within 0..=1.

use std::fmt;

use serde::{Deserialize, Serialize};

/// P(refusal) under a model, checked to lie within 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Probability(f64);

/// A number that is no probability.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is no probability: it must be a number from 0 to 1")]
pub struct NotAProbability(pub f64);

impl Probability {
    /// Checks a number.
    ///
    /// # Errors
    /// If it is not finite or is outside 0..=1.
    pub fn new(value: f64) -> Result<Self, NotAProbability> {
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err(NotAProbability(value)) }
    }

    /// The logistic function of a logit, 1 / (1 + e^-logit); a NaN logit counts as 0 (no knowledge).
    #[must_use]
    pub fn from_logit(logit: f64) -> Self {
        if logit.is_nan() { Self(0.5) } else { Self(sigmoid(logit)) }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Probability {
    type Error = NotAProbability;

    fn try_from(value: f64) -> Result<Self, NotAProbability> {
        Self::new(value)
    }
}

impl From<Probability> for f64 {
    fn from(probability: Probability) -> Self {
        probability.0
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The logistic function, computed without overflow for large and small arguments.
#[must_use]
pub fn sigmoid(logit: f64) -> f64 {
    if logit >= 0.0 {
        1.0 / (1.0 + (-logit).exp())
    } else {
        let e = logit.exp();
        e / (1.0 + e)
    }
}

/// ln of the logistic function, without losing the digits of large negative logits.
#[must_use]
pub fn ln_sigmoid(logit: f64) -> f64 {
    if logit < -30.0 { logit } else { sigmoid(logit).ln() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_its_range() {
        for bad in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = Probability::new(bad).map(Probability::get);
            assert!(error.is_err(), "{bad} was taken for a probability");
        }
        assert_eq!(Probability::new(1.0).map(Probability::get), Ok(1.0));
    }

    #[test]
    fn logits_of_any_size_give_probabilities() {
        for logit in [-1e9, -40.0, 0.0, 40.0, 1e9, f64::INFINITY, f64::NEG_INFINITY] {
            let p = Probability::from_logit(logit).get();
            assert!((0.0..=1.0).contains(&p), "{logit} gave {p}");
        }
        assert_eq!(sigmoid(0.0), 0.5);
        assert!((sigmoid(2.0) + sigmoid(-2.0) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn reads_only_probabilities_from_json() {
        assert!(serde_json::from_str::<Probability>("0.25").is_ok());
        assert!(serde_json::from_str::<Probability>("1.25").is_err());
    }
}
