//! A model under another base rate: every probability moves by the same shift of its logit.

use crate::base_rate::{check_base_rate, log_odds};
use crate::error::SettingsError;
use crate::model::Model;
use crate::probability::Probability;

impl Model {
    /// The share of refusals that the probabilities assume: the one set with
    /// [`at_base_rate`](Self::at_base_rate), otherwise the manifest's; `None` if the manifest has none.
    #[must_use]
    pub fn base_rate(&self) -> Option<f64> {
        let stated = log_odds(self.manifest().base_rate?);
        Some(Probability::from_logit(stated + self.prior_shift()).get())
    }

    /// The same model with probabilities that assume another share of refusals in the traffic.
    ///
    /// # Errors
    /// [`SettingsError::BaseRate`] unless it is between 0 and 1, [`SettingsError::NoBaseRate`] if the
    /// manifest does not say which share the probabilities assume so far.
    pub fn at_base_rate(self, rate: f64) -> Result<Self, SettingsError> {
        let stated = self.manifest().base_rate.ok_or(SettingsError::NoBaseRate)?;
        let shift = log_odds(check_base_rate(rate)?) - log_odds(stated);
        Ok(self.with_prior_shift(shift))
    }
}
