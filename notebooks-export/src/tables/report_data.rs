//! What a report is made of, and how its parts are named.

use demur_predictor::{Analyzer, Model, Part, ViewSettings};
use demur_training::{Evaluation, PhraseFigures, TermAnalysis, TermFigures};

/// Points of the curve of accuracy against coverage.
pub(crate) const POINTS: usize = 50;

/// A labelled row with what the model says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedRow {
    /// The text that is judged.
    pub text: String,
    /// Where it was read: file and line.
    pub place: String,
    /// The data set.
    pub source: Option<String>,
    /// The model that was asked.
    pub target: Option<String>,
    /// The kind of the answer, where the rows tell it.
    pub kind: Option<String>,
    /// The label.
    pub refused: bool,
    /// P(refusal).
    pub p_refusal: f64,
    /// Whether the figures count it.
    pub judged: bool,
}

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct ReportData<'a> {
    /// The model.
    pub model: &'a Model,
    /// Its n-grams on the rows.
    pub terms: &'a TermAnalysis,
    /// The rows; the numbers of examples in `terms` are places here.
    pub rows: &'a [JudgedRow],
    /// The figures; `None` without rows.
    pub evaluation: Option<&'a Evaluation>,
    /// Phrases that mark kinds of answers; empty for a prompt predictor.
    pub phrases: &'a [PhraseFigures],
}

impl ReportData<'_> {
    /// P(refusal) and label of the rows that the figures count.
    pub(crate) fn judged(&self) -> (Vec<f64>, Vec<bool>) {
        self.rows.iter().filter(|row| row.judged).map(|row| (row.p_refusal, row.refused)).unzip()
    }

    pub(crate) fn threshold(&self) -> f64 {
        self.model.manifest().policy.hold_from
    }
}

/// What a view reads, in a line.
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

/// The label of a term in charts: with its view where there are several.
pub(crate) fn term_label(term: &TermFigures, views: usize) -> String {
    if views > 1 { format!("\"{}\" [view {}]", term.ngram, term.view) } else { format!("\"{}\"", term.ngram) }
}
