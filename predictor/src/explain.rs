//! Per-prompt explanation: which n-grams moved the logit, by how much, and where they stand.

use serde::Serialize;

use crate::ngram_model::Field;

/// Where a term comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// An n-gram of the prompt.
    Prompt,
    /// An n-gram of the response.
    Response,
    /// A measure of the response's style.
    Style,
    /// The target.
    Target,
}

impl From<Field> for Origin {
    fn from(field: Field) -> Self {
        match field {
            Field::Prompt => Self::Prompt,
            Field::Response => Self::Response,
        }
    }
}

/// One feature of an input with its share of the logit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Term {
    /// The text in which it stands, or what else it is.
    pub field: Origin,
    /// The n-gram, words joined by one space; the name of a measure of style or of the target.
    pub ngram: String,
    /// Its feature value: scaled tf-idf, the measure, or 1 for the target.
    pub value: f64,
    /// Its weight in the model.
    pub weight: f64,
    /// `value x weight`: above 0 it speaks for refusal.
    pub contribution: f64,
    /// Where it stands in the field's text: byte ranges `(start, end)`; none for style and target.
    pub spans: Vec<(usize, usize)>,
}

/// A logit taken apart: `bias` and the terms' contributions sum to it. P(refusal) is the model's calibration of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Bias plus all contributions, before calibration.
    pub logit: f64,
    /// The logit of an input in which no n-gram is known.
    pub bias: f64,
    /// The n-grams, the strongest first (by size of the contribution, then by name).
    pub terms: Vec<Term>,
}

impl Explanation {
    pub(crate) fn new(bias: f64, mut terms: Vec<Term>) -> Self {
        let logit = bias + terms.iter().map(|term| term.contribution).sum::<f64>();
        terms.sort_by(|a, b| {
            let strength = b.contribution.abs().total_cmp(&a.contribution.abs());
            strength.then_with(|| (a.field, &a.ngram).cmp(&(b.field, &b.ngram)))
        });
        Self { logit, bias, terms }
    }
}
