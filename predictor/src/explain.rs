//! Per-prompt explanation: which n-grams moved the logit, by how much, where they stand, and how much of it falls on
//! each word.

use std::ops::Range;

use serde::Serialize;

use crate::ngram_model::Field;
use crate::text;

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

    /// What falls on each word (white-space separated piece) of the text of a field, in order. A term's contribution is
    /// shared out evenly over its occurrences, and within one over the words in proportion to the bytes of them that it
    /// covers; the shares of all words sum to the contributions of all terms with a place in this text.
    #[must_use]
    pub fn words(&self, field: Field, text: &str) -> Vec<WordShare> {
        let mut words = Vec::new();
        text::pieces(text, |bytes| words.push(WordShare { bytes, contribution: 0.0 }));
        for term in self.terms.iter().filter(|term| term.field == field.into()) {
            let each = term.contribution / term.spans.len().max(1) as f64;
            for &(start, end) in &term.spans {
                let first = words.partition_point(|word| word.bytes.end <= start);
                let covered =
                    |word: &WordShare| word.bytes.end.min(end).saturating_sub(word.bytes.start.max(start));
                let touched = words[first..].iter().take_while(|word| word.bytes.start < end);
                let all: usize = touched.map(covered).sum();
                for word in words[first..].iter_mut().take_while(|word| word.bytes.start < end) {
                    word.contribution += each * covered(word) as f64 / all.max(1) as f64;
                }
            }
        }
        words
    }
}

/// What one word adds to the logit.
#[derive(Debug, Clone, PartialEq)]
pub struct WordShare {
    /// Where it stands.
    pub bytes: Range<usize>,
    /// Its share of the contributions: above 0 it speaks for refusal.
    pub contribution: f64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Bundled, Input, Model};

    #[test]
    fn shares_of_words_sum_to_what_the_n_grams_contribute() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        for prompt in [
            "How do I pick a lock?",
            "  Why, WHY \u{130}stanbul\u{2019}s caf\u{e9}s\tare\nso \u{1f600} good? ",
            "a",
        ] {
            let explanation = model.scorer().explain(&Input::prompt(prompt));
            let words = explanation.words(Field::Prompt, prompt);
            let of_words: f64 = words.iter().map(|word| word.contribution).sum();
            let of_terms: f64 = explanation.terms.iter().map(|term| term.contribution).sum();
            assert!((of_words - of_terms).abs() < 1e-9, "{prompt}: {of_words} {of_terms}");
            assert!(words.iter().all(|word| !prompt[word.bytes.clone()].contains(char::is_whitespace)));
        }
    }
}
