//! The base rate that the operator names: which share of refusals the probabilities are to assume.

use clap::Args;
use demur_predictor::{Model, check_base_rate};

use crate::error::Usage;
use crate::output::note;

/// The share of refusals that the traffic has, as flags name it.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct BaseRateArg {
    /// Share of refusals in your traffic, from 0 to 1: probabilities are moved to it from the one that the model's manifest
    /// states. Default: the manifest's.
    #[arg(long, value_name = "RATE", value_parser = parse)]
    base_rate: Option<f64>,
}

impl BaseRateArg {
    /// The model under the base rate that is asked for.
    ///
    /// # Errors
    /// Wrong use when the model does not state which one it assumes.
    pub(crate) fn of(self, model: Model) -> anyhow::Result<Model> {
        match self.base_rate {
            None => Ok(model),
            Some(rate) => at(model, rate),
        }
    }

    /// Whether one is asked for.
    pub(crate) const fn is_given(self) -> bool {
        self.base_rate.is_some()
    }
}

/// The base rate of traffic that is scored: given, or to be estimated from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TrafficRate {
    /// As given.
    Given(f64),
    /// Estimated from the traffic's own probabilities.
    Auto,
}

impl TrafficRate {
    /// Reads it as it is typed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        parse(text).map(Self::Given).map_err(|reason| format!("{reason}, or `auto`"))
    }
}

/// A model whose probabilities assume this base rate.
///
/// # Errors
/// Wrong use when it does not state which one they assume so far.
pub(crate) fn at(model: Model, rate: f64) -> anyhow::Result<Model> {
    model.at_base_rate(rate).map_err(|cause| Usage(format!("--base-rate: {cause}")).into())
}

/// Says what was estimated, and from how many rows.
pub(crate) fn say_estimated(rate: f64, rows: u64, stated: f64) {
    note(&format!(
        "base rate {rate:.4}, estimated from the probabilities of {rows} rows; the model's manifest states {stated:.4}"
    ));
}

/// Reads a base rate.
pub(crate) fn parse(text: &str) -> Result<f64, String> {
    let wanted = || "it must be a number between 0 and 1, both excluded".to_owned();
    text.parse().ok().and_then(|rate| check_base_rate(rate).ok()).ok_or_else(wanted)
}
