//! The base rate of the traffic, as flags name it.

use clap::Args;
use demur_predictor::Model;

use crate::engine::base_rate::{at, parse};

/// The share of refusals that the traffic has, as flags name it.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct BaseRateArg {
    /// Share of refusals in your traffic, from 0 to 1: probabilities are moved to it from the one that the
    /// model's manifest states. Default: the manifest's.
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
