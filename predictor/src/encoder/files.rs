//! The names of a model's files that belong to its encoder tier.

/// The encoder's weights.
pub(crate) const ENCODER: &str = "encoder.safetensors";
/// The head, and the data for its explanations.
pub(crate) const HEAD: &str = "encoder-head.safetensors";
