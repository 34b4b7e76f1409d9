//! What a report is made of, and its tables of rows; `figure_sheets` has the others.

use std::collections::BTreeMap;

use demur_predictor::{Analyzer, Model, Part, ViewSettings};
use demur_training::{Evaluation, PhraseFigures, TermAnalysis, TermFigures, coverage_curve, wilson};
use serde_json::{Value, json};

use crate::tables::figure_tables::{
    data, facets, figures, methods, phrases, reliability, right_title, stability, terms,
};
use crate::tables::table::{Sheet, number};

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
pub struct Findings<'a> {
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

impl Findings<'_> {
    /// All tables of the report. Those without rows are left out.
    #[must_use]
    pub fn sheets(&self) -> Vec<Sheet> {
        let mut sheets = vec![terms(self), stability(self.terms)];
        if let Some(evaluation) = self.evaluation {
            sheets.extend([figures(evaluation), methods(evaluation), reliability(evaluation)]);
            sheets.extend([self.coverage(evaluation), self.kinds(evaluation), facets(evaluation)]);
        }
        sheets.extend([self.rows(), phrases(self.phrases), data(self.model)]);
        sheets.retain(|sheet| !sheet.rows.is_empty());
        sheets
    }

    /// P(refusal) and label of the rows that the figures count.
    pub(crate) fn judged(&self) -> (Vec<f64>, Vec<bool>) {
        self.rows.iter().filter(|row| row.judged).map(|row| (row.p_refusal, row.refused)).unzip()
    }

    fn threshold(&self) -> f64 {
        self.model.manifest().policy.hold_from
    }

    fn coverage(&self, evaluation: &Evaluation) -> Sheet {
        let mut sheet = Sheet::new(
            "coverage",
            &format!("{} on the most certain rows", right_title(evaluation)),
            &[
                ("n", "Rows decided"),
                ("coverage", "Share of rows"),
                ("accuracy", right_title(evaluation)),
                ("low", "95% from"),
                ("high", "to"),
            ],
        );
        let (p, labels) = self.judged();
        for point in coverage_curve(&p, &labels, evaluation.threshold, POINTS) {
            let (low, high) = point.interval;
            sheet.push([
                json!(point.n),
                number(point.coverage),
                number(point.accuracy),
                number(low),
                number(high),
            ]);
        }
        sheet
    }

    /// Decisions by the kind that a row has, or by its label where it has none.
    fn kinds(&self, evaluation: &Evaluation) -> Sheet {
        let mut sheet = Sheet::new(
            "confusion",
            "Decisions by kind of answer",
            &[
                ("kind", "Kind"),
                ("label", "Counts as"),
                ("n", "Rows"),
                ("called_refused", "Called refused"),
                ("called_complied", "Called complied"),
                ("right", "Right"),
                ("low", "95% from"),
                ("high", "to"),
            ],
        );
        let mut counts: BTreeMap<(&str, bool), (usize, usize)> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.judged) {
            let kind = row.kind.as_deref().unwrap_or_else(|| label(row.refused));
            let (n, called) = counts.entry((kind, row.refused)).or_default();
            *n += 1;
            *called += usize::from(row.p_refusal >= evaluation.threshold);
        }
        for ((kind, refused), (n, called)) in counts {
            let right = if refused { called } else { n - called };
            let (low, high) = wilson(right, n);
            sheet.push([
                json!(kind),
                json!(label(refused)),
                json!(n),
                json!(called),
                json!(n - called),
                number(right as f64 / n as f64),
                number(low),
                number(high),
            ]);
        }
        sheet
    }

    fn rows(&self) -> Sheet {
        let mut sheet = Sheet::new(
            "rows",
            "The rows with their labels and P(refusal)",
            &[
                ("row", "Row"),
                ("p_refusal", "P(refusal)"),
                ("called", "Called"),
                ("label", "Label"),
                ("kind", "Kind"),
                ("judged", "In the figures"),
                ("target", "Target"),
                ("source", "Source"),
                ("place", "Place"),
                ("text", "Text"),
            ],
        );
        for (at, row) in self.rows.iter().enumerate() {
            sheet.push([
                json!(at + 1),
                number(row.p_refusal),
                json!(label(row.p_refusal >= self.threshold())),
                json!(label(row.refused)),
                json!(row.kind),
                json!(row.judged),
                json!(row.target),
                json!(row.source),
                json!(row.place),
                json!(row.text),
            ]);
        }
        sheet
    }
}

/// The name of a label.
pub(crate) const fn label(refused: bool) -> &'static str {
    if refused { "refused" } else { "complied" }
}

pub(crate) fn interval(value: f64, (low, high): (f64, f64)) -> [Value; 3] {
    if value.is_finite() {
        [number(value), number(low), number(high)]
    } else {
        [Value::Null, Value::Null, Value::Null]
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
