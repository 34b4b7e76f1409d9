//! What the embedding of an input shows: its position along the refusal direction, and the inputs of the fit
//! that are most similar to it. Plain data in every build, so that it can be shown without compiling an
//! encoder.

use serde::Serialize;

/// The position of an input along the refusal direction, and the inputs of the fit nearest to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Direction {
    /// Standard deviations from the point halfway between complied and refused inputs, towards the refused.
    pub deviations: f64,
    /// AUROC of the projection on rows that were not used to fit it.
    pub auroc: Option<f64>,
    /// The nearest inputs of the fit, nearest first.
    pub nearest: Vec<Nearest>,
}

/// An input of the fit near another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Nearest {
    /// Its text.
    pub text: String,
    /// P(refusal) of its label.
    pub p_refusal: f64,
    /// Cosine similarity of the two embeddings.
    pub similarity: f64,
}
