//! The base rate that the operator names: which share of refusals the probabilities are to assume.

use demur_predictor::{Model, check_base_rate};

use crate::engine::Usage;

/// A model whose probabilities assume this base rate.
///
/// # Errors
/// Wrong use when it does not state which one they assume so far.
pub(crate) fn at(model: Model, rate: f64) -> anyhow::Result<Model> {
    model.at_base_rate(rate).map_err(|cause| Usage(format!("--base-rate: {cause}")).into())
}

/// Reads a base rate.
pub(crate) fn parse(text: &str) -> Result<f64, String> {
    let wanted = || "it must be a number between 0 and 1, both excluded".to_owned();
    text.parse().ok().and_then(|rate| check_base_rate(rate).ok()).ok_or_else(wanted)
}
