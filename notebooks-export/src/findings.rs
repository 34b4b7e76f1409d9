//! What a report is made of, and its tables.

use std::collections::BTreeMap;

use demur_predictor::{Analyzer, Model, Part, ViewSettings};
use demur_training::{
    Decisions, Evaluation, PhraseFigures, TermAnalysis, TermFigures, coverage_curve, wilson,
};
use serde_json::{Value, json};

use crate::sheet::{Sheet, number};

/// Points of the curve of accuracy against coverage.
pub(crate) const POINTS: usize = 50;
/// A target or source with fewer rows has no figures of its own.
const FEWEST: usize = 20;

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
            "Accuracy on the most certain rows",
            &[
                ("n", "Rows decided"),
                ("coverage", "Share of rows"),
                ("accuracy", "Accuracy"),
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

pub(crate) fn figures(e: &Evaluation) -> Sheet {
    let mut sheet = Sheet::new(
        "figures",
        "Figures",
        &[("figure", "Figure"), ("value", "Value"), ("low", "95% from"), ("high", "to"), ("n", "Rows")],
    );
    let d = &e.decisions;
    let none = (f64::NAN, f64::NAN);
    let refused = d.confusion.true_positive + d.confusion.false_negative;
    for (name, value, range) in [
        ("accuracy", d.accuracy, d.accuracy_interval),
        ("AUROC", e.auroc, e.auroc_interval),
        ("base rate of refusals", e.base_rate, wilson(refused, e.n)),
        ("balanced accuracy", d.balanced_accuracy, none),
        ("precision", d.precision, none),
        ("recall", d.recall, none),
        ("F1", d.f1, none),
        ("average precision", e.average_precision, none),
        ("Brier score", e.brier, none),
        ("log loss (nats)", e.log_loss, none),
        ("expected calibration error", e.ece, none),
        ("threshold on P(refusal)", e.threshold, none),
    ] {
        let [value, low, high] = interval(value, range);
        sheet.push([json!(name), value, low, high, json!(e.n)]);
    }
    sheet
}

fn methods(e: &Evaluation) -> Sheet {
    let mut sheet = Sheet::new(
        "methods",
        "The model beside baselines, on the same rows",
        &[
            ("method", "Method"),
            ("description", "What it does"),
            ("accuracy", "Accuracy"),
            ("low", "95% from"),
            ("high", "to"),
            ("auroc", "AUROC"),
            ("n", "Rows"),
        ],
    );
    let mut push = |method: String, description: &str, decisions: &Decisions, auroc: f64| {
        let [accuracy, low, high] = interval(decisions.accuracy, decisions.accuracy_interval);
        sheet.push([json!(method), json!(description), accuracy, low, high, number(auroc), json!(e.n)]);
    };
    push("model".to_owned(), &e.method, &e.decisions, e.auroc);
    for (name, baseline) in &e.baselines {
        push(name.replace('_', " "), baseline.description, &baseline.decisions, baseline.auroc);
    }
    sheet
}

fn reliability(e: &Evaluation) -> Sheet {
    let mut sheet = Sheet::new(
        "reliability",
        "P(refusal) against the share of refusals",
        &[
            ("from", "P(refusal) from"),
            ("to", "to"),
            ("n", "Rows"),
            ("mean_p", "Mean P(refusal)"),
            ("refusal_rate", "Share of refusals"),
        ],
    );
    for bin in &e.reliability {
        let cells = [bin.from, bin.to].map(number);
        let [from, to] = cells;
        sheet.push([from, to, json!(bin.n), number(bin.mean_p), number(bin.refusal_rate)]);
    }
    sheet
}

/// Figures by target, source and category, of values with at least [`FEWEST`] rows.
fn facets(e: &Evaluation) -> Sheet {
    let mut sheet = Sheet::new(
        "facets",
        "By target, source and category",
        &[
            ("facet", "By"),
            ("value", "Value"),
            ("n", "Rows"),
            ("base_rate", "Refused"),
            ("accuracy", "Accuracy"),
            ("low", "95% from"),
            ("high", "to"),
            ("auroc", "AUROC"),
            ("ece", "Calibration error"),
        ],
    );
    for (&facet, values) in e.by.iter().filter(|(facet, _)| **facet != "kind") {
        for of in values.iter().filter(|of| of.n >= FEWEST) {
            let [accuracy, low, high] = interval(of.accuracy, of.accuracy_interval);
            sheet.push([
                json!(facet),
                json!(of.value),
                json!(of.n),
                number(of.base_rate),
                accuracy,
                low,
                high,
                number(of.auroc),
                number(of.ece),
            ]);
        }
    }
    sheet
}

fn terms(findings: &Findings<'_>) -> Sheet {
    let mut sheet = Sheet::new(
        "terms",
        "The n-grams of the model on the rows",
        &[
            ("rank", "Rank"),
            ("ngram", "N-gram"),
            ("view", "View"),
            ("z", "z"),
            ("weight", "Weight"),
            ("rows", "Rows"),
            ("refused", "Refused"),
            ("complied", "Complied"),
            ("refusal_rate", "Refusal rate"),
            ("rate_low", "95% from"),
            ("rate_high", "to"),
            ("log_odds", "Log-odds"),
            ("refit_weight", "Refitted weight"),
            ("refit_low", "95% from"),
            ("refit_high", "to"),
            ("sign_stability", "Same sign"),
            ("within_groups", "Effect within groups"),
            ("within_low", "95% from"),
            ("within_high", "to"),
            ("groups", "Groups"),
            ("halves", "Halves"),
            ("subsumed_by", "Subsumed by"),
            ("marks", "Marks"),
            ("examples", "Examples"),
            ("counter_examples", "Counter-examples"),
        ],
    );
    for (at, term) in findings.terms.terms.iter().enumerate() {
        let rate = term.refusal_rate();
        let [rate, rate_low, rate_high] = interval(rate, term.refusal_rate_interval());
        let refit = term.refit;
        let [refit_weight, refit_low, refit_high] = refit
            .map_or([Value::Null, Value::Null, Value::Null], |refit| interval(refit.weight, refit.interval));
        let [within, within_low, within_high] =
            term.within.map_or([Value::Null, Value::Null, Value::Null], |within| {
                interval(within.difference, within.interval)
            });
        let seen = term.rows() > 0;
        let of_rows = |value: f64| if seen { number(value) } else { Value::Null };
        sheet.push([
            json!(at + 1),
            json!(term.ngram),
            json!(term.view),
            of_rows(term.log_odds.z),
            number(term.weight),
            json!(term.rows()),
            json!(term.refused),
            json!(term.complied),
            rate,
            rate_low,
            rate_high,
            of_rows(term.log_odds.difference),
            refit_weight,
            refit_low,
            refit_high,
            refit.filter(|_| seen).map_or(Value::Null, |refit| number(refit.sign_stability)),
            within,
            within_low,
            within_high,
            json!(term.groups),
            json!(term.halves),
            json!(term.subsumed_by),
            json!(term.marks.to_string()),
            json!(numbers(&term.examples)),
            json!(numbers(&term.counter_examples)),
        ]);
    }
    sheet
}

/// Rows as the table of rows numbers them.
fn numbers(rows: &[usize]) -> String {
    rows.iter().map(|row| (row + 1).to_string()).collect::<Vec<_>>().join(" ")
}

fn stability(analysis: &TermAnalysis) -> Sheet {
    let mut sheet = Sheet::new(
        "stability",
        "Top terms found again in random halves of the rows",
        &[("half", "Half"), ("by_z", "Share, by z"), ("by_weight", "Share, by refitted weight")],
    );
    for (at, share) in analysis.recurrence.iter().enumerate() {
        let by_weight = analysis.weight_recurrence.get(at).copied();
        sheet.push([json!(at + 1), number(*share), by_weight.map_or(Value::Null, number)]);
    }
    sheet
}

fn phrases(phrases: &[PhraseFigures]) -> Sheet {
    let mut sheet = Sheet::new(
        "phrases",
        "Phrases that mark a kind of answer, by where they stand in it",
        &[
            ("kind", "Kind"),
            ("position", "Where"),
            ("phrase", "Phrase"),
            ("z", "z"),
            ("of_kind", "Answers of the kind with it"),
            ("kind_rows", "of"),
            ("of_others", "Others with it"),
            ("other_rows", "of"),
        ],
    );
    for of in phrases {
        sheet.push([
            json!(of.kind),
            json!(of.position.name()),
            json!(of.phrase),
            number(of.z),
            json!(of.of_kind),
            json!(of.kind_rows),
            json!(of.of_others),
            json!(of.other_rows),
        ]);
    }
    sheet
}

fn data(model: &Model) -> Sheet {
    let mut sheet = Sheet::new(
        "data",
        "What the model was fitted on",
        &[
            ("file", "File"),
            ("rows", "Rows"),
            ("labelled_by", "Labelled by"),
            ("licence", "Licence"),
            ("sha256", "SHA-256"),
        ],
    );
    for data in &model.manifest().training {
        sheet.push([
            json!(data.file),
            json!(data.rows),
            json!(data.labelled_by),
            json!(data.licence),
            json!(data.sha256),
        ]);
    }
    sheet
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
