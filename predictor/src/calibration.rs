//! From a logit to a calibrated probability: a map learned on scores of rows that the fit had not seen.
//!
//! All methods are monotone: a larger logit never gets a smaller probability.

use serde::{Deserialize, Serialize};

use crate::error::SettingsError;
use crate::probability::{Probability, ln_sigmoid};

/// A monotone map from a scorer's logit to P(refusal).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "method", deny_unknown_fields)]
pub enum Calibration {
    /// The logistic function of the logit as it is.
    #[default]
    None,
    /// The logit is divided by a temperature above 0 (Guo et al. 2017).
    Temperature {
        /// Above 1 it moves probabilities towards one half.
        temperature: f64,
    },
    /// A line through the logit (Platt 1999).
    Platt {
        /// At least 0.
        slope: f64,
        /// Added after the slope.
        intercept: f64,
    },
    /// A line through the logit, and a shift that sets in gradually between two of the line's logits and is 0
    /// below the first. For targets that differ in what may be refused at all, but not on ordinary inputs.
    Gated {
        /// At least 0.
        slope: f64,
        /// Added after the slope.
        intercept: f64,
        /// Added in full above `to`; more than `from - to`, so that the map rises.
        shift: f64,
        /// Where the shift begins, in the line's logit.
        from: f64,
        /// Where the shift is complete; above `from`.
        to: f64,
    },
    /// Logit of the result = a ln p - b ln(1 - p) + c, where p is the uncalibrated probability (Kull, Silva
    /// Filho & Flach 2017).
    Beta {
        /// At least 0.
        a: f64,
        /// At least 0.
        b: f64,
        /// Any number.
        c: f64,
    },
    /// Straight lines between points, flat beyond them (isotonic regression, Zadrozny & Elkan 2002).
    Isotonic {
        /// Logits, ascending.
        logits: Vec<f64>,
        /// P(refusal) at each, not descending.
        probabilities: Vec<f64>,
    },
}

impl Calibration {
    /// P(refusal) at a logit. A NaN logit returns one half under [`Calibration::None`], and stays within
    /// 0..=1 under all methods.
    #[must_use]
    pub fn apply(&self, logit: f64) -> Probability {
        match self {
            Self::None => Probability::from_logit(logit),
            Self::Temperature { temperature } => Probability::from_logit(logit / temperature),
            Self::Platt { slope, intercept } => Probability::from_logit(slope * logit + intercept),
            Self::Gated { slope, intercept, shift, from, to } => {
                let line = slope * logit + intercept;
                Probability::from_logit(line + shift * gate(line, *from, *to))
            }
            Self::Beta { a, b, c } => {
                Probability::from_logit(a * ln_sigmoid(logit) - b * ln_sigmoid(-logit) + c)
            }
            Self::Isotonic { logits, probabilities } => {
                // Both lists were checked to have the same length and to hold probabilities.
                Probability::new(interpolate(logits, probabilities, logit))
                    .unwrap_or_else(|_| Probability::from_logit(logit))
            }
        }
    }

    /// The name of the method in files.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Temperature { .. } => "temperature",
            Self::Platt { .. } => "platt",
            Self::Gated { .. } => "gated",
            Self::Beta { .. } => "beta",
            Self::Isotonic { .. } => "isotonic",
        }
    }

    /// This line with the shift of another map, which sets in at the same probabilities; `None` where this is
    /// no line or the other has no shift.
    #[must_use]
    pub fn with_shift_of(&self, other: &Self) -> Option<Self> {
        let &Self::Gated { shift, from, to, .. } = other else { return None };
        let (slope, intercept) = match *self {
            Self::None => (1.0, 0.0),
            Self::Temperature { temperature } => (temperature.recip(), 0.0),
            Self::Platt { slope, intercept } => (slope, intercept),
            _ => return None,
        };
        Some(Self::Gated { slope, intercept, shift, from, to })
    }

    /// Checks that the map is monotone and finite.
    ///
    /// # Errors
    /// [`SettingsError::Calibration`].
    pub fn check(&self) -> Result<(), SettingsError> {
        let at_least_0 = |number: &f64| number.is_finite() && *number >= 0.0;
        let good = match self {
            Self::None => true,
            Self::Temperature { temperature } => temperature.is_finite() && *temperature > 0.0,
            Self::Platt { slope, intercept } => at_least_0(slope) && intercept.is_finite(),
            Self::Gated { slope, intercept, shift, from, to } => {
                at_least_0(slope)
                    && [intercept, shift, from, to].into_iter().all(|number| number.is_finite())
                    && from < to
                    && *shift > from - to
            }
            Self::Beta { a, b, c } => at_least_0(a) && at_least_0(b) && c.is_finite(),
            Self::Isotonic { logits, probabilities } => {
                !logits.is_empty()
                    && logits.len() == probabilities.len()
                    && logits.iter().all(|logit| logit.is_finite())
                    && logits.is_sorted_by(|x, y| x < y)
                    && probabilities.iter().all(|p| (0.0..=1.0).contains(p))
                    && probabilities.is_sorted()
            }
        };
        if good { Ok(()) } else { Err(SettingsError::Calibration { method: self.method() }) }
    }
}

/// The part of a shift that applies at a logit: 0 up to `from`, 1 from `to` up, and linear between them.
#[must_use]
pub fn gate(logit: f64, from: f64, to: f64) -> f64 {
    ((logit - from) / (to - from)).clamp(0.0, 1.0)
}

fn interpolate(xs: &[f64], ys: &[f64], x: f64) -> f64 {
    let right = xs.partition_point(|&known| known < x);
    match (right.checked_sub(1), ys.get(right)) {
        (None, Some(&first)) => first,
        (Some(left), None) => ys[left],
        (Some(left), Some(&y)) => {
            let share = (x - xs[left]) / (xs[right] - xs[left]);
            (y - ys[left]).mul_add(share, ys[left])
        }
        (None, None) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigmoid;

    fn all() -> Vec<Calibration> {
        vec![
            Calibration::None,
            Calibration::Temperature { temperature: 2.0 },
            Calibration::Platt { slope: 0.5, intercept: -1.0 },
            Calibration::Gated { slope: 0.7, intercept: -1.0, shift: 3.0, from: -2.0, to: 0.5 },
            Calibration::Gated { slope: 0.7, intercept: -1.0, shift: -2.4, from: -2.0, to: 0.5 },
            Calibration::Beta { a: 0.5, b: 2.0, c: 0.3 },
            Calibration::Isotonic { logits: vec![-1.0, 0.0, 2.0], probabilities: vec![0.1, 0.1, 0.8] },
        ]
    }

    #[test]
    fn a_line_takes_the_shift_of_another_map() {
        let of_target = Calibration::Gated { slope: 0.7, intercept: -1.0, shift: 3.0, from: -2.0, to: 0.5 };
        let line = Calibration::Platt { slope: 1.5, intercept: 0.2 };
        let Some(shifted) = line.with_shift_of(&of_target) else { panic!("no shift") };
        assert_eq!(shifted.apply(-2.0), line.apply(-2.0), "below the gate it is the line itself");
        let logit = |calibration: &Calibration| crate::log_odds(calibration.apply(2.0).get());
        let (with, without) = (logit(&shifted), logit(&line));
        assert!((with - without - 3.0).abs() < 1e-9, "{with} {without}");
        assert_eq!(line.with_shift_of(&line), None);
        let isotonic = Calibration::Isotonic { logits: vec![0.0], probabilities: vec![0.5] };
        assert_eq!(isotonic.with_shift_of(&of_target), None, "it is no line");
    }

    #[test]
    fn every_method_is_monotone_and_gives_probabilities() {
        for calibration in all() {
            assert_eq!(calibration.check(), Ok(()));
            let mut before = 0.0;
            for step in -2000..=2000 {
                let p = calibration.apply(f64::from(step) / 10.0).get();
                assert!((before..=1.0).contains(&p), "{calibration:?} at {step}: {p} after {before}");
                before = p;
            }
            assert!((0.0..=1.0).contains(&calibration.apply(f64::NAN).get()), "{calibration:?}");
        }
    }

    #[test]
    fn the_neutral_parameters_change_nothing() {
        for logit in [-50.0, -3.0, 0.0, 0.7, 20.0] {
            let expected = sigmoid(logit);
            for neutral in [
                Calibration::Temperature { temperature: 1.0 },
                Calibration::Platt { slope: 1.0, intercept: 0.0 },
                Calibration::Gated { slope: 1.0, intercept: 0.0, shift: 0.0, from: -2.0, to: 0.0 },
                Calibration::Beta { a: 1.0, b: 1.0, c: 0.0 },
            ] {
                let p = neutral.apply(logit).get();
                assert!((p - expected).abs() <= 1e-12, "{neutral:?} at {logit}: {p} {expected}");
            }
        }
    }

    #[test]
    fn a_gate_leaves_alone_what_lies_below_it() {
        let gated = |shift| Calibration::Gated { slope: 1.0, intercept: 0.0, shift, from: -2.0, to: 0.0 };
        for shift in [-1.9, 5.0] {
            for logit in [-9.0, -2.5, -2.0] {
                assert_eq!(gated(shift).apply(logit), Probability::from_logit(logit));
            }
            assert_eq!(gated(shift).apply(1.0), Probability::from_logit(1.0 + shift));
            assert_eq!(gated(shift).apply(-1.0), Probability::from_logit(-1.0 + shift / 2.0));
        }
    }

    #[test]
    fn points_are_joined_by_lines() {
        let isotonic = Calibration::Isotonic { logits: vec![0.0, 2.0], probabilities: vec![0.2, 0.8] };
        for (logit, expected) in [(-9.0, 0.2), (0.0, 0.2), (1.0, 0.5), (2.0, 0.8), (9.0, 0.8)] {
            assert!((isotonic.apply(logit).get() - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn maps_that_are_not_monotone_or_finite_are_refused() {
        for wrong in [
            Calibration::Temperature { temperature: 0.0 },
            Calibration::Platt { slope: -1.0, intercept: 0.0 },
            Calibration::Platt { slope: 1.0, intercept: f64::NAN },
            Calibration::Gated { slope: 1.0, intercept: 0.0, shift: -2.1, from: -2.0, to: 0.0 },
            Calibration::Gated { slope: 1.0, intercept: 0.0, shift: 1.0, from: 0.0, to: 0.0 },
            Calibration::Gated { slope: 1.0, intercept: 0.0, shift: f64::NAN, from: -2.0, to: 0.0 },
            Calibration::Beta { a: 1.0, b: -0.1, c: 0.0 },
            Calibration::Isotonic { logits: vec![], probabilities: vec![] },
            Calibration::Isotonic { logits: vec![1.0, 0.0], probabilities: vec![0.1, 0.2] },
            Calibration::Isotonic { logits: vec![0.0, 1.0], probabilities: vec![0.3, 0.2] },
            Calibration::Isotonic { logits: vec![0.0], probabilities: vec![1.2] },
            Calibration::Isotonic { logits: vec![0.0, 1.0], probabilities: vec![0.2] },
        ] {
            assert_eq!(
                wrong.check(),
                Err(SettingsError::Calibration { method: wrong.method() }),
                "{wrong:?}"
            );
        }
    }
}
