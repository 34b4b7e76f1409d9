//! From a probability to a decision: send the prompt, hold it, or abstain.

use demur_data::Label;
use serde::{Deserialize, Serialize};

use crate::Probability;
use crate::error::SettingsError;

/// What to do with a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Send it: the target will answer.
    Send,
    /// Not sure enough either way.
    Abstain,
    /// Hold it: the target will refuse.
    Hold,
}

impl Decision {
    /// All decisions, from the lowest P(refusal) to the highest.
    pub const ALL: [Self; 3] = [Self::Send, Self::Abstain, Self::Hold];

    /// The name used in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Abstain => "abstain",
            Self::Hold => "hold",
        }
    }
}

/// The thresholds of a decision. Between them the policy abstains.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// A prompt with P(refusal) below this is sent. Default: 0.5.
    pub send_below: f64,
    /// A prompt with P(refusal) from this up is held, and a response counts as refused. Default: 0.5.
    pub hold_from: f64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { send_below: 0.5, hold_from: 0.5 }
    }
}

impl Policy {
    /// Checks the thresholds.
    ///
    /// # Errors
    /// [`SettingsError::Policy`] unless `0 <= send_below <= hold_from <= 1`.
    pub fn check(&self) -> Result<(), SettingsError> {
        let Self { send_below, hold_from } = *self;
        if 0.0 <= send_below && send_below <= hold_from && hold_from <= 1.0 {
            Ok(())
        } else {
            Err(SettingsError::Policy { send_below, hold_from })
        }
    }

    /// This policy with the thresholds of a command or request. A `hold_from` without a `send_below` sets
    /// both: everything below it is sent.
    #[must_use]
    pub fn with(self, send_below: Option<f64>, hold_from: Option<f64>) -> Self {
        Self {
            send_below: send_below.or(hold_from).unwrap_or(self.send_below),
            hold_from: hold_from.unwrap_or(self.hold_from),
        }
    }

    /// The decision at this probability.
    #[must_use]
    pub fn decide(&self, p_refusal: Probability) -> Decision {
        if p_refusal.get() >= self.hold_from {
            Decision::Hold
        } else if p_refusal.get() < self.send_below {
            Decision::Send
        } else {
            Decision::Abstain
        }
    }

    /// Whether P(refusal) is on this side of `hold_from`, held or not, by at least `margin` in log-odds.
    #[must_use]
    pub fn is_clear(&self, p_refusal: Probability, held: bool, margin: f64) -> bool {
        let log_odds = |p: f64| (p / (1.0 - p)).ln();
        // The difference is NaN if both are 0 or both are 1, and then nothing is clear.
        let above = log_odds(p_refusal.get()) - log_odds(self.hold_from);
        if held { above >= margin } else { above <= -margin }
    }

    /// The binary label at this probability.
    #[must_use]
    pub fn label(&self, p_refusal: Probability) -> Label {
        Label::at(p_refusal.get(), self.hold_from)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn decides_by_both_thresholds() {
        let policy = Policy { send_below: 0.3, hold_from: 0.7 };
        let decide = |p| policy.decide(Probability::new(p).unwrap());
        assert_eq!(decide(0.29), Decision::Send);
        assert_eq!(decide(0.3), Decision::Abstain);
        assert_eq!(decide(0.7), Decision::Hold);
        assert_eq!(policy.label(Probability::new(0.5).unwrap()), Label::Complied);
    }

    #[test]
    fn one_threshold_alone_decides_all() {
        let own = Policy { send_below: 0.3, hold_from: 0.7 };
        assert_eq!(own.with(None, None), own);
        assert_eq!(own.with(None, Some(0.9)), Policy { send_below: 0.9, hold_from: 0.9 });
        assert_eq!(own.with(Some(0.1), None), Policy { send_below: 0.1, hold_from: 0.7 });
    }

    #[test]
    fn a_side_is_clear_by_a_margin_in_log_odds() {
        let policy = Policy { send_below: 0.5, hold_from: 0.5 };
        let clear = |p, held| policy.is_clear(Probability::new(p).unwrap(), held, 0.2);
        assert!(clear(0.56, true) && !clear(0.54, true) && !clear(0.44, true));
        assert!(clear(0.44, false) && !clear(0.46, false) && !clear(0.56, false));
        let always = Policy { send_below: 1.0, hold_from: 1.0 };
        assert!(!always.is_clear(Probability::new(1.0).unwrap(), true, 0.2), "nothing is beyond 1");
        let strict = Policy { send_below: 0.01, hold_from: 0.01 };
        assert!(strict.is_clear(Probability::new(0.013).unwrap(), true, 0.2), "points mean more near 0");
    }

    #[test]
    fn thresholds_out_of_order_are_refused() {
        for (send_below, hold_from) in [(0.8, 0.2), (-0.1, 0.5), (0.5, 1.5), (f64::NAN, 0.5)] {
            let error = Policy { send_below, hold_from }.check();
            assert!(matches!(error, Err(SettingsError::Policy { .. })), "{send_below} {hold_from}");
        }
    }
}
