//! The one trait of the project: text in, logit of P(refusal) out.
//!
//! A response classifier and a prompt predictor are the same thing on different columns, so both are scorers.

use crate::ScoreError;

/// What a scorer reads: either text may be missing, and a model reads only the fields it was fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Input<'a> {
    /// What the user asked.
    pub prompt: Option<&'a str>,
    /// What the target answered.
    pub response: Option<&'a str>,
    /// The model that is asked. A name that the scorer does not know counts as none.
    pub target: Option<&'a str>,
}

impl<'a> Input<'a> {
    /// A prompt alone.
    #[must_use]
    pub const fn prompt(prompt: &'a str) -> Self {
        Self { prompt: Some(prompt), response: None, target: None }
    }
}

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
