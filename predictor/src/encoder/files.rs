//! The names of a model's files that belong to its encoder tier.

/// The encoder's numbers.
pub(crate) const ENCODER: &str = "encoder.safetensors";
/// The head, and what explains it.
pub(crate) const HEAD: &str = "encoder-head.safetensors";
