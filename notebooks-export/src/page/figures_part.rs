//! The figures of a page: headline numbers, charts, and tables, expanded or collapsed.

use demur_training::Evaluation;
use maud::{Markup, PreEscaped, html};

use crate::figures::charts::Chart;
use crate::page::page_data::texts;
use crate::tables::figure_tables::labelled;
use crate::tables::report_data::ReportData;
use crate::tables::table::{Table, plain};
use crate::text::Shown;

/// A table with all its rows and columns.
pub(crate) fn all(table: &Table) -> Markup {
    let keys: Vec<&str> = table.columns.iter().map(|column| column.key.as_ref()).collect();
    table.to_html(&table.title, &keys, &(0..table.rows.len()).collect::<Vec<_>>())
}

/// The same, collapsed.
pub(crate) fn folded(table: &Table) -> Markup {
    html! { details { summary { "The numbers" } (all(table)) } }
}

/// A chart with its text alternative.
pub(crate) fn figure(chart: &Chart) -> Markup {
    html! {
        figure {
            div class="scroll" tabindex="0" role="group" aria-label=(Shown(&chart.title)) {
                (PreEscaped(chart.drawing.to_svg()))
            }
            details { summary { "The same as text" } pre { (Shown(&chart.text)) } }
        }
    }
}

/// The headline figures, each with its interval and the baseline that it must beat.
pub(crate) fn cards(figures: &Table, methods: &Table) -> Markup {
    let names = texts(figures, "figure");
    let at = |name: &str| names.iter().position(|found| found == name);
    let cell = |name: &str, key: &str| {
        at(name).map_or_else(String::new, |row| plain(figures.cell(&figures.rows[row], key)))
    };
    let baseline = |name: &str| {
        let row = texts(methods, "method").iter().position(|found| found == name);
        row.map_or_else(String::new, |row| plain(methods.cell(&methods.rows[row], "accuracy")))
    };
    let range = |name: &str| format!("95%: {} to {}", cell(name, "low"), cell(name, "high"));
    let right = if at("accuracy").is_some() { "accuracy" } else { "agreement" };
    let title = if right == "accuracy" { "Accuracy" } else { "Agreement with the labels" };
    let baselines =
        format!("majority guess {}, phrase list {}", baseline("majority"), baseline("phrase list"));
    let refused = "base rate of refusals";
    let rows = cell(right, "n");
    let ece = "mean distance of P(refusal) from the refusal rate, ten bins";
    html! {
        ul class="cards" {
            (headline(title, cell(right, "value"), &format!("{}; {baselines}", range(right))))
            (headline("AUROC", cell("AUROC", "value"), &format!("{}; chance 0.5", range("AUROC"))))
            (headline("Refused rows", cell(refused, "value"), &format!("{}; n = {rows} rows", range(refused))))
            (headline("Calibration error", cell("expected calibration error", "value"), ece))
        }
    }
}

fn headline(title: &str, value: String, note: &str) -> Markup {
    let value = if value.is_empty() { "not defined".to_owned() } else { value };
    html! { li { (title) strong { (Shown(&value)) } span class="note" { (Shown(note)) } } }
}

/// Whose labels the figures are based on, and how the rows were kept separate from the fit.
pub(crate) fn method(report: &ReportData<'_>, evaluation: &Evaluation) -> String {
    let seen = match report.rows.iter().filter(|row| !row.judged).count() {
        0 => String::new(),
        left => format!(" {left} rows that the fit has seen are in the tables and not in the figures."),
    };
    let (labelled, method) = (labelled(evaluation), &evaluation.method);
    format!("{labelled}. How the rows were kept apart from the fit: {method}.{seen}")
}
