//! The one trait of the project: text in, logit of P(refusal) out.
//!
//! A response classifier and a prompt predictor are the same thing on different columns, so both are scorers.

pub use demur_data::Input;

use crate::ScoreError;

/// Text -> logit of P(refusal).
///
/// The logit, not the probability, is what a scorer gives: calibration, explanation and stacking all work on
/// it, and it keeps its digits where a probability has run into 0 or 1.
pub trait Scorer {
    /// One logit per input, in order. The logit of an input does not depend on the other inputs.
    ///
    /// # Errors
    /// When the model behind it fails; the n-gram model never does.
    fn logits(&self, inputs: &[Input<'_>]) -> Result<Vec<f64>, ScoreError>;
}
