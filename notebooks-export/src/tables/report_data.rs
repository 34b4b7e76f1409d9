//! The data of a report, and how its parts are named.

use demur_predictor::{Analyzer, Model, Part, ViewSettings};
use demur_training::{Evaluation, PhraseFigures, TermAnalysis, TermFigures};

/// Number of points of the curve of accuracy against coverage.
pub(crate) const POINTS: usize = 50;

/// A labelled row with the model's score.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedRow {
    /// The text that is classified.
    pub text: String,
    /// Where it was read from: file and line.
    pub place: String,
    /// The data set.
    pub source: Option<String>,
    /// The model that answered.
    pub target: Option<String>,
    /// The kind of the answer, if the rows have kinds.
    pub kind: Option<String>,
    /// The label.
    pub refused: bool,
    /// P(refusal).
    pub p_refusal: f64,
    /// Whether it counts in the figures.
    pub judged: bool,
}

/// The data of a report.
#[derive(Debug, Clone, Copy)]
pub struct ReportData<'a> {
    /// The model.
    pub model: &'a Model,
    /// Its n-grams, analysed on the rows.
    pub terms: &'a TermAnalysis,
    /// The rows; the example numbers in `terms` are indices into them.
    pub rows: &'a [JudgedRow],
    /// The figures; `None` without rows.
    pub evaluation: Option<&'a Evaluation>,
    /// Phrases that mark kinds of answers; empty for a prompt predictor.
    pub phrases: &'a [PhraseFigures],
}

impl ReportData<'_> {
    /// P(refusal) and label of the rows that count in the figures.
    pub(crate) fn judged(&self) -> (Vec<f64>, Vec<bool>) {
        self.rows.iter().filter(|row| row.judged).map(|row| (row.p_refusal, row.refused)).unzip()
    }

    pub(crate) fn threshold(&self) -> f64 {
        self.model.manifest().policy.hold_from
    }
}

/// What a view reads, in one line.
pub(crate) fn describe_view(settings: &ViewSettings) -> String {
    let (shortest, longest) = settings.vectorizer.ngrams;
    let unit = match settings.vectorizer.analyzer {
        Analyzer::Word => "words",
        Analyzer::Token => "words with apostrophes",
        Analyzer::CharWb => "characters within words",
    };
    let part = match settings.part {
        Part::Whole => "whole".to_owned(),
        Part::FirstWords(count) => format!("first {count} words"),
        Part::LastWords(count) => format!("last {count} words"),
    };
    format!("{}, {part}; n-grams of {shortest} to {longest} {unit}", settings.field.name())
}

/// The label of a term in charts, with its view if there are several.
pub(crate) fn term_label(term: &TermFigures, views: usize) -> String {
    if views > 1 { format!("\"{}\" [view {}]", term.ngram, term.view) } else { format!("\"{}\"", term.ngram) }
}
