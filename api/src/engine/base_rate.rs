//! The base rate that the operator sets: the share of refusals that the probabilities assume.

use demur_predictor::{Model, check_base_rate};

use crate::engine::Usage;

/// Returns the model with its probabilities moved to this base rate.
///
/// # Errors
/// [`Usage`] when the manifest does not state the base rate that the model assumes so far.
pub(crate) fn at(model: Model, rate: f64) -> anyhow::Result<Model> {
    model.at_base_rate(rate).map_err(|cause| Usage(format!("--base-rate: {cause}")).into())
}

/// Parses a base rate.
pub(crate) fn parse(text: &str) -> Result<f64, String> {
    let wanted = || "it must be a number between 0 and 1, both excluded".to_owned();
    text.parse().ok().and_then(|rate| check_base_rate(rate).ok()).ok_or_else(wanted)
}
