//! From a probability to what to do: send the prompt, hold it, or abstain.

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

    /// What to do at this probability.
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
    fn thresholds_out_of_order_are_refused() {
        for (send_below, hold_from) in [(0.8, 0.2), (-0.1, 0.5), (0.5, 1.5), (f64::NAN, 0.5)] {
            let error = Policy { send_below, hold_from }.check();
            assert!(matches!(error, Err(SettingsError::Policy { .. })), "{send_below} {hold_from}");
        }
    }
}
