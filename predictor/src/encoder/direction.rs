//! What the embedding of an input shows: its place along the refusal direction, and the inputs of the fit that are most like
//! it. Plain data, in every build, so that who shows it needs no encoder to be compiled.

use serde::Serialize;

/// Where an input lies along the refusal direction, and which inputs of the fit lie nearest to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Direction {
    /// Standard deviations from the point half way between complied and refused inputs, towards the refused.
    pub deviations: f64,
    /// AUROC of the projection on rows that had no part in it.
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
    /// Cosine of both embeddings.
    pub similarity: f64,
}
