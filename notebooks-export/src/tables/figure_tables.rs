//! The tables of a report that hold figures: for an evaluation, for n-grams, for phrases, and for the data
//! behind a model.

use std::collections::BTreeSet;

use demur_predictor::Model;
use demur_training::{Decisions, Evaluation, PhraseFigures, TermAnalysis, TermFigures, wilson_of_share};
use serde_json::{Value, json};

use crate::tables::report_data::ReportData;
use crate::tables::table::{Table, interval, label, number};
use crate::tables::top_terms::{TopTerms, has_pieces_alone};

/// A target or source with fewer rows is left out.
const FEWEST: usize = 20;

/// The name of the share of correct decisions: an accuracy if people labelled the rows, otherwise an
/// agreement.
pub(crate) fn right_share(e: &Evaluation) -> &'static str {
    if e.is_accuracy() { "accuracy" } else { "agreement" }
}

/// The same as a column title.
pub(crate) fn right_title(e: &Evaluation) -> &'static str {
    if e.is_accuracy() { "Accuracy" } else { "Agreement" }
}

/// Whose labels the figures are based on, and what the figures therefore measure.
pub(crate) fn labelled(e: &Evaluation) -> String {
    let rows = e.labelled_by.iter();
    let rows: Vec<String> = rows.map(|(labeller, n)| format!("{n} {}", labeller.in_words())).collect();
    format!("Rows labelled {}; figures are {}", rows.join(", "), e.measures)
}

pub(crate) fn figures(e: &Evaluation) -> Table {
    let mut table = Table::new(
        "figures",
        "Figures",
        &[("figure", "Figure"), ("value", "Value"), ("low", "95% from"), ("high", "to"), ("n", "Rows")],
    );
    let d = &e.decisions;
    let none = (f64::NAN, f64::NAN);
    // An evaluation has at least one row.
    let refused = wilson_of_share(e.base_rate, e.n as f64);
    for (name, value, range) in [
        (right_share(e), d.accuracy, d.accuracy_interval),
        ("AUROC", e.auroc, e.auroc_interval),
        ("AUROC within sources", e.auroc_within_sources, none),
        ("true positive rate at 1% false positives", e.tpr_at_1_fpr, none),
        ("base rate of refusals", e.base_rate, refused),
        (if e.is_accuracy() { "balanced accuracy" } else { "balanced agreement" }, d.balanced_accuracy, none),
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
        table.push([json!(name), value, low, high, json!(e.n)]);
    }
    table
}

pub(crate) fn methods(e: &Evaluation) -> Table {
    let mut table = Table::new(
        "methods",
        "The model beside baselines, on the same rows",
        &[
            ("method", "Method"),
            ("description", "What it does"),
            ("accuracy", right_title(e)),
            ("low", "95% from"),
            ("high", "to"),
            ("auroc", "AUROC"),
            ("n", "Rows"),
        ],
    );
    let mut push = |method: String, description: &str, decisions: &Decisions, auroc: f64| {
        let [accuracy, low, high] = interval(decisions.accuracy, decisions.accuracy_interval);
        table.push([json!(method), json!(description), accuracy, low, high, number(auroc), json!(e.n)]);
    };
    push("model".to_owned(), &e.method, &e.decisions, e.auroc);
    for (name, baseline) in &e.baselines {
        push(name.replace('_', " "), baseline.description, &baseline.decisions, baseline.auroc);
    }
    table
}

pub(crate) fn reliability(e: &Evaluation) -> Table {
    let mut table = Table::new(
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
        table.push([from, to, json!(bin.n), number(bin.mean_p), number(bin.refusal_rate)]);
    }
    table
}

/// Figures by target, source and category, for values with at least [`FEWEST`] rows.
pub(crate) fn facets(e: &Evaluation) -> Table {
    let mut table = Table::new(
        "facets",
        "By target, source and category",
        &[
            ("facet", "By"),
            ("value", "Value"),
            ("n", "Rows"),
            ("base_rate", "Refused"),
            ("accuracy", right_title(e)),
            ("low", "95% from"),
            ("high", "to"),
            ("auroc", "AUROC"),
            ("ece", "Calibration error"),
        ],
    );
    for (&facet, values) in e.by.iter().filter(|(facet, _)| **facet != "kind") {
        for of in values.iter().filter(|of| of.n >= FEWEST) {
            let [accuracy, low, high] = interval(of.accuracy, of.accuracy_interval);
            table.push([
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
    table
}

/// The columns of the table of terms.
const TERMS: [(&str, &str); 29] = [
    ("rank", "Rank"),
    ("ngram", "N-gram"),
    ("unit", "Unit"),
    ("view", "View"),
    ("side", "Speaks for"),
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
    ("stable", "Stable"),
    ("shown", "At the top"),
    ("marks", "Marks"),
    ("examples", "Examples"),
    ("counter_examples", "Counter-examples"),
];

pub(crate) fn terms(report: &ReportData<'_>) -> Table {
    let mut table = Table::new("terms", "The n-grams of the model on the rows", &TERMS);
    let top = TopTerms::of(report.terms, has_pieces_alone(report.terms));
    let shown: BTreeSet<usize> =
        [true, false].into_iter().flat_map(|refused| top.shown(report.terms, refused)).collect();
    for (at, term) in report.terms.terms.iter().enumerate() {
        table.push(term_cells(term, at, shown.contains(&at), report.terms.rows));
    }
    table
}

/// The cells of a term: `at` is its position, `rows` the number of counted rows. Without rows nothing was
/// counted, so the counts are null, not 0.
fn term_cells(term: &TermFigures, at: usize, shown: bool, rows: usize) -> [Value; TERMS.len()] {
    let counted = |count: usize| if rows > 0 { json!(count) } else { Value::Null };
    let rate = term.refusal_rate();
    let [rate, rate_low, rate_high] = interval(rate, term.refusal_rate_interval());
    let refit = term.refit;
    let [refit_weight, refit_low, refit_high] =
        refit.map_or([Value::Null, Value::Null, Value::Null], |refit| interval(refit.weight, refit.interval));
    let [within, within_low, within_high] =
        term.within.map_or([Value::Null, Value::Null, Value::Null], |within| {
            interval(within.difference, within.interval)
        });
    let seen = term.rows() > 0;
    let of_rows = |value: f64| if seen { number(value) } else { Value::Null };
    [
        json!(at + 1),
        json!(term.ngram),
        json!(unit(term)),
        json!(term.view),
        json!(label(term.speaks_for_refusal())),
        of_rows(term.log_odds.z),
        number(term.weight),
        counted(term.rows()),
        counted(term.refused),
        counted(term.complied),
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
        counted(term.groups),
        json!(term.halves),
        json!(term.subsumed_by),
        json!(term.stable()),
        json!(shown),
        json!(term.marks.to_string()),
        json!(numbers(&term.examples)),
        json!(numbers(&term.counter_examples)),
    ]
}

/// The unit of an n-gram.
pub(crate) const fn unit(term: &TermFigures) -> &'static str {
    if term.is_piece { "piece" } else { "word" }
}

/// Row numbers as used in the table of rows.
fn numbers(rows: &[usize]) -> String {
    rows.iter().map(|row| (row + 1).to_string()).collect::<Vec<_>>().join(" ")
}

pub(crate) fn stability(analysis: &TermAnalysis) -> Table {
    let mut table = Table::new(
        "stability",
        "Top terms found again in random halves of the rows",
        &[("half", "Half"), ("by_z", "Share, by z"), ("by_weight", "Share, by refitted weight")],
    );
    for (at, share) in analysis.recurrence.iter().enumerate() {
        let by_weight = analysis.weight_recurrence.get(at).copied();
        table.push([json!(at + 1), number(*share), by_weight.map_or(Value::Null, number)]);
    }
    table
}

pub(crate) fn phrases(phrases: &[PhraseFigures]) -> Table {
    let mut table = Table::new(
        "phrases",
        "Phrases that mark a kind of answer, by their place in it",
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
        table.push([
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
    table
}

pub(crate) fn data(model: &Model) -> Table {
    let mut table = Table::new(
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
        table.push([
            json!(data.file),
            json!(data.rows),
            json!(data.labelled_by()),
            json!(data.licence),
            json!(data.sha256),
        ]);
    }
    table
}
