//! Two models on the same rows, as a notebook: which is better, by how much, and where they differ.

use demur_predictor::Model;
use demur_training::{Decisions, Evaluation, mean_interval, wilson};
use serde_json::json;

use crate::figures::charts::{Chart, Interval, intervals};
use crate::figures::curves::agreement_chart;
use crate::notebook::Output;
use crate::notebook::notebooks::{Export, LIMITS, SHOWN, Writer, begin, describe};
use crate::tables::figure_tables::{labelled, right_share, right_title};
use crate::tables::report_data::JudgedRow;
use crate::tables::table::{Table, interval, label, number};
use crate::tables::text_table::TextTable;
use crate::text::code_span;

/// Two models on the same rows.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// The models.
    pub models: [&'a Model; 2],
    /// The scores of each model for the rows, in the same order.
    pub rows: [&'a [JudgedRow]; 2],
    /// The figures of each, on the same rows.
    pub evaluations: [&'a Evaluation; 2],
}

/// A comparison as a notebook.
#[must_use]
pub fn comparison_notebook(comparison: &Comparison<'_>, folder: &str) -> Export {
    let [first, second] = comparison.evaluations;
    let names = comparison.models.map(|model| model.manifest().name.clone());
    let tables = vec![methods(comparison), paired(comparison), pairs(comparison)];
    let [a, b] = comparison.models.map(describe);
    let text = format!(
        "First: {a}, judged by {}. Second: {b}, judged by {}. {}.",
        code_span(&first.method),
        code_span(&second.method),
        labelled(first)
    );
    let mut writer =
        Writer { notebook: begin("Two models on the same rows", &text, folder), tables: &tables };
    writer.whole("methods", "## Which is better?");
    writer.notebook.code("intervals()", [accuracies(comparison, &names).into()]);
    writer.whole(
        "paired",
        "## On the same rows\n\nRows that one decides rightly and the other does not carry all of the difference. The interval \
         is that of paired differences.",
    );
    let rows: Vec<(f64, f64, bool)> =
        judged_pairs(comparison).map(|(_, a, b)| (a.p_refusal, b.p_refusal, a.refused)).collect();
    let chart = agreement_chart("Agreement", [&names[0], &names[1]], &rows);
    writer.notebook.code("agreement()", [chart.into()]);
    writer.notebook.markdown("## Where they differ most");
    writer.notebook.code(
        format!(
            "rows = read(\"pairs\")\ngap = (rows[\"p_first\"] - rows[\"p_second\"]).abs()\nrows = \
             rows.loc[gap.sort_values(ascending=False, kind=\"stable\").index].head({SHOWN})\nshow(rows, [\"row\", \
             \"label\", \"p_first\", \"p_second\", \"text\"])"
        ),
        [Output::from(&disagreements(&tables[2]))],
    );
    writer.notebook.markdown(LIMITS);
    let notebook = writer.notebook;
    Export { notebook, tables }
}

/// The accuracies of both, and of the baselines.
fn accuracies(comparison: &Comparison<'_>, names: &[String; 2]) -> Chart {
    let [first, second] = comparison.evaluations;
    let of = |label: String, decisions: &Decisions, strong: bool| Interval {
        label,
        value: decisions.accuracy,
        interval: decisions.accuracy_interval,
        strong,
    };
    let mut shown = vec![
        of(format!("first: {}", names[0]), &first.decisions, true),
        of(format!("second: {}", names[1]), &second.decisions, true),
    ];
    let baselines = first.baselines.iter();
    shown.extend(baselines.map(|(name, baseline)| of(name.replace('_', " "), &baseline.decisions, false)));
    intervals(right_title(first), first.n, &shown)
}

/// The rows on which the models differ most.
fn disagreements(pairs: &Table) -> TextTable {
    let gap = |at: usize| {
        let p = |key: &str| pairs.cell(&pairs.rows[at], key).as_f64().unwrap_or(0.0);
        // Like pandas: the difference of the rounded values.
        (p("p_first") - p("p_second")).abs()
    };
    let mut order: Vec<usize> = (0..pairs.rows.len()).collect();
    order.sort_by(|&a, &b| gap(b).total_cmp(&gap(a)));
    let keys = ["row", "label", "p_first", "p_second", "text"];
    pairs.to_text_table(&keys, order.into_iter().take(SHOWN))
}

/// The rows that count in the figures of both, with their row numbers.
fn judged_pairs<'a>(
    comparison: &Comparison<'a>,
) -> impl Iterator<Item = (usize, &'a JudgedRow, &'a JudgedRow)> {
    let [first, second] = comparison.rows;
    first
        .iter()
        .zip(second)
        .enumerate()
        .filter(|(_, (a, b))| a.judged && b.judged)
        .map(|(at, (a, b))| (at, a, b))
}

fn methods(comparison: &Comparison<'_>) -> Table {
    let mut table = Table::new(
        "methods",
        "Both models beside baselines",
        &[
            ("method", "Method"),
            ("accuracy", right_title(comparison.evaluations[0])),
            ("low", "95% from"),
            ("high", "to"),
            ("auroc", "AUROC"),
            ("ece", "Calibration error"),
            ("n", "Rows"),
            ("model", "A model"),
        ],
    );
    let [first, second] = comparison.evaluations;
    for (place, e, model) in
        [("first", first, comparison.models[0]), ("second", second, comparison.models[1])]
    {
        let [accuracy, low, high] = interval(e.decisions.accuracy, e.decisions.accuracy_interval);
        let name = format!("{place}: {}", model.manifest().name);
        table.push([
            json!(name),
            accuracy,
            low,
            high,
            number(e.auroc),
            number(e.ece),
            json!(e.n),
            json!(true),
        ]);
    }
    for (name, baseline) in &first.baselines {
        let decisions = &baseline.decisions;
        let [accuracy, low, high] = interval(decisions.accuracy, decisions.accuracy_interval);
        let name = name.replace('_', " ");
        let auroc = number(baseline.auroc);
        table.push([
            json!(name),
            accuracy,
            low,
            high,
            auroc,
            serde_json::Value::Null,
            json!(first.n),
            json!(false),
        ]);
    }
    table
}

/// How many rows each model classifies correctly, and the paired difference of the accuracies.
fn paired(comparison: &Comparison<'_>) -> Table {
    let mut table = Table::new(
        "paired",
        "Right decisions on the same rows",
        &[("what", "What"), ("value", "Value"), ("low", "95% from"), ("high", "to")],
    );
    let [first, second] = comparison.evaluations.map(|evaluation| evaluation.threshold);
    let mut counts = [0; 4];
    let mut differences = Vec::new();
    for (_, a, b) in judged_pairs(comparison) {
        let right = [(a.p_refusal >= first) == a.refused, (b.p_refusal >= second) == b.refused];
        counts[usize::from(!right[0]) * 2 + usize::from(!right[1])] += 1;
        differences.push(f64::from(u8::from(right[0])) - f64::from(u8::from(right[1])));
    }
    let n: usize = counts.iter().sum();
    let names = ["both right", "only the first right", "only the second right", "neither right"];
    for (name, count) in names.into_iter().zip(counts) {
        let (low, high) = wilson(count, n);
        table.push([
            json!(format!("{name} ({count} of {n})")),
            number(count as f64 / n as f64),
            number(low),
            number(high),
        ]);
    }
    let (difference, (low, high)) = mean_interval(&differences);
    let right = right_share(comparison.evaluations[0]);
    table.push([json!(format!("{right}, first less second")), number(difference), number(low), number(high)]);
    table
}

fn pairs(comparison: &Comparison<'_>) -> Table {
    let mut table = Table::new(
        "pairs",
        "P(refusal) of both models",
        &[
            ("row", "Row"),
            ("label", "Label"),
            ("p_first", "P(refusal), first"),
            ("p_second", "P(refusal), second"),
            ("place", "Place"),
            ("text", "Text"),
        ],
    );
    for (at, a, b) in judged_pairs(comparison) {
        table.push([
            json!(at + 1),
            json!(label(a.refused)),
            number(a.p_refusal),
            number(b.p_refusal),
            json!(a.place),
            json!(a.text),
        ]);
    }
    table
}
