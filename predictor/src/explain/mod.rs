//! Explanation of one answer: which n-grams moved the logit, by how much, where they are, and how much of
//! that each word gets. `shares` turns it into what is shown.

pub(crate) mod flip;
pub(crate) mod fragment;
pub(crate) mod shares;
pub(crate) mod words;

use std::ops::Range;

use serde::Serialize;

use crate::field::{Field, ViewText};

/// The origin of a term.
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
    /// An n-gram of the system prompt.
    System,
    /// What the prompt is sent in.
    Context,
}

impl From<Field> for Origin {
    fn from(field: Field) -> Self {
        match field {
            Field::Prompt => Self::Prompt,
            Field::Response => Self::Response,
        }
    }
}

impl From<ViewText> for Origin {
    fn from(text: ViewText) -> Self {
        match text {
            ViewText::Prompt => Self::Prompt,
            ViewText::Response => Self::Response,
            ViewText::System => Self::System,
        }
    }
}

/// One feature of an input with its share of the logit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Term {
    /// The text that contains it, or another origin.
    pub field: Origin,
    /// The n-gram, words joined by one space; the name of a measure of style, of the target or of a context.
    pub ngram: String,
    /// Its feature value: scaled tf-idf, the measure, or 1 for target and context.
    pub value: f64,
    /// Its weight in the model.
    pub weight: f64,
    /// `value x weight`: above 0 it speaks for refusal.
    pub contribution: f64,
    /// Its places in the field's text: byte ranges `(start, end)`; empty for style, target and context.
    pub spans: Vec<(usize, usize)>,
}

/// A logit split into its parts: `bias` and the terms' contributions sum to it. P(refusal) is the model's
/// calibration of it.
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

    /// How many distinct n-grams were found in prompt and response.
    pub(crate) fn ngrams(&self) -> usize {
        self.terms.iter().filter(|term| matches!(term.field, Origin::Prompt | Origin::Response)).count()
    }

    /// The contribution of each word of a field's text, in order. A term's contribution is divided evenly
    /// among its occurrences, and within one among the words that it touches. A piece of a word counts for
    /// the word; an n-gram of words counts for its words except function words, which get a share only if
    /// there are no others. The shares of all words sum to the contributions of all terms with a place in
    /// this text.
    #[must_use]
    pub fn words(&self, field: impl Into<Origin>, text: &str) -> Vec<WordShare> {
        let (field, mut words) = (field.into(), Vec::new());
        words::words(text, |bytes| words.push(WordShare::new(text, bytes)));
        for term in self.terms.iter().filter(|term| term.field == field) {
            let each = term.contribution / term.spans.len().max(1) as f64;
            for &(start, end) in &term.spans {
                let first = words.partition_point(|word| word.bytes.end <= start);
                let touched = words[first..].iter().take_while(|word| word.bytes.start < end);
                let (all, joining) = touched
                    .fold((0, 0), |(all, joining), word| (all + 1, joining + usize::from(word.is_function)));
                // Function words get a share only if the n-gram touches nothing else.
                let is_meant = |word: &WordShare| all == joining || !word.is_function;
                let sharing = if all == joining { all } else { all - joining };
                for word in words[first..first + all].iter_mut().filter(|word| is_meant(word)) {
                    word.contribution += each / sharing as f64;
                }
            }
        }
        words
    }
}

/// What one word adds to the logit.
#[derive(Debug, Clone, PartialEq)]
pub struct WordShare {
    /// Its place in the text.
    pub bytes: Range<usize>,
    /// The same for the same word elsewhere: lower case, without signs at either end. Empty if it has no
    /// letter or digit.
    pub key: String,
    /// Whether it only joins others ("the", "how", "about"), or is not a word.
    pub is_function: bool,
    /// Its share of the contributions: above 0 it speaks for refusal.
    pub contribution: f64,
}

impl WordShare {
    fn new(text: &str, bytes: Range<usize>) -> Self {
        let key = words::key(&text[bytes.clone()]);
        Self { bytes, is_function: words::is_function(&key), key, contribution: 0.0 }
    }
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
            "\u{5982}\u{4f55}\u{5236}\u{9020}\u{70b8}\u{5f39}",
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

    #[test]
    fn a_letter_that_is_two_in_lower_case_keeps_its_place() {
        // In lower case the dotted capital I is "i" and a combining mark, and the word "i" is only the first
        // of them.
        let model = Model::bundled(Bundled::Response).unwrap();
        let text = "WHY \u{130}stanbul, and I am sorry";
        let explanation = model.scorer().explain(&Input { response: Some(text), ..Input::default() });
        for term in explanation.terms.iter().filter(|term| term.field == Origin::Response) {
            for &(start, end) in &term.spans {
                assert!(
                    start < end && text.is_char_boundary(start) && text.is_char_boundary(end),
                    "{term:?}"
                );
            }
        }
    }

    #[test]
    fn an_n_gram_falls_on_the_words_that_mean_something() {
        let term = |ngram: &str, contribution, spans: &[(usize, usize)]| Term {
            field: Origin::Prompt,
            ngram: ngram.to_owned(),
            value: 1.0,
            weight: contribution,
            contribution,
            spans: spans.to_vec(),
        };
        // "make a bomb": the piece "bom" and "a bomb" count for "bomb", "make a bomb" is shared, and "a" gets
        // only its own.
        let terms = vec![
            term("a bomb", 1.0, &[(5, 11)]),
            term("bom", 0.5, &[(7, 10)]),
            term("make a bomb", 0.25, &[(0, 11)]),
            term("a", 0.125, &[(5, 6)]),
        ];
        let words = Explanation::new(0.0, terms).words(Field::Prompt, "make a bomb");
        let shares: Vec<f64> = words.iter().map(|word| word.contribution).collect();
        assert_eq!(shares, [0.125, 0.125, 1.625]);
        assert_eq!(words.iter().map(|word| word.is_function).collect::<Vec<_>>(), [false, true, false]);
    }
}
