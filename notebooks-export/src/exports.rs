//! Notebooks on exported tables: a report, an evaluation, a comparison of two models. They hold their outputs, and their code
//! makes the same from the Parquet tables beside them, with pandas and matplotlib alone.

use demur_predictor::Model;
use demur_training::{Evaluation, coverage_curve, mean_interval, wilson};
use serde_json::json;

use crate::curves::{agreement_chart, coverage_chart};
use crate::findings::{Findings, JudgedRow, POINTS, interval, label};
use crate::notebook::{Notebook, Output};
use crate::rows_report::{accuracy, bars, contrast};
use crate::sheet::{Sheet, number};
use crate::svg::{Interval, intervals, reliability_diagram};
use crate::text::code_span;

const SETUP: &str = include_str!("tables.py");
/// Terms of each side, and rows, that a notebook shows.
const SHOWN: usize = 10;

/// A notebook with the tables that it reads.
#[derive(Debug, Clone)]
pub struct Export {
    /// The notebook.
    pub notebook: Notebook,
    /// The tables, to be written as Parquet into the folder that was named.
    pub sheets: Vec<Sheet>,
}

/// A notebook begun with a heading, and the functions that its cells call.
fn begin(title: &str, text: &str, tables: &str) -> Notebook {
    let mut notebook = Notebook::new();
    notebook.markdown(format!(
        "# {title}\n\n{text}\n\nThe positive class is refusal. The outputs below were written by Demur; nothing needs to \
         run. To make them again, run the cells beside the folder {} with Python 3 (pandas with pyarrow, matplotlib).",
        code_span(tables)
    ));
    // A name of a folder, as a Python string holds it.
    let name = serde_json::to_string(tables).unwrap_or_default();
    notebook.collapsed_code(SETUP.trim_end().replacen("\"{{tables}}\"", &name, 1));
    notebook
}

/// Which model, in a line.
fn describe(model: &Model) -> String {
    let manifest = model.manifest();
    format!(
        "{} {} ({})",
        match manifest.field {
            demur_predictor::Field::Prompt => "Prompt predictor",
            demur_predictor::Field::Response => "Response classifier",
        },
        code_span(&manifest.name),
        code_span(&model.digest()[..12])
    )
}

/// The tables of some findings, as notebooks read them: methods say which of them is the model.
fn sheets_of(findings: &Findings<'_>) -> Vec<Sheet> {
    let mut sheets = findings.sheets();
    for sheet in sheets.iter_mut().filter(|sheet| sheet.name == "methods") {
        for (at, row) in sheet.rows.iter_mut().enumerate() {
            row.insert("model".to_owned(), json!(at == 0));
        }
    }
    sheets
}

/// Adds cells as long as the tables that they read are there.
struct Writer<'a> {
    notebook: Notebook,
    sheets: &'a [Sheet],
}

impl Writer<'_> {
    fn sheet(&self, name: &str) -> Option<&Sheet> {
        self.sheets.iter().find(|sheet| sheet.name == name)
    }

    /// A table whole, by its name.
    fn whole(&mut self, name: &str, text: &str) {
        let Some(table) = self.sheet(name).map(Sheet::whole) else { return };
        self.notebook.markdown(text);
        self.notebook.code(format!("show(\"{name}\")"), [Output::from(&table)]);
    }
}

/// The report as a notebook; its tables go into a folder of the name `tables` beside it.
#[must_use]
pub fn report_notebook(findings: &Findings<'_>, tables: &str) -> Export {
    let sheets = sheets_of(findings);
    let title = format!("Refusal report: {}", findings.model.manifest().name);
    let text = format!("{}, on {} labelled rows.", describe(findings.model), findings.terms.rows_in_all);
    let mut writer = Writer { notebook: begin(&title, &text, tables), sheets: &sheets };
    if let Some(evaluation) = findings.evaluation {
        figures(&mut writer, findings, evaluation);
    }
    words(&mut writer, findings);
    if findings.evaluation.is_some() {
        rows(&mut writer, findings);
    }
    writer.whole("phrases", "## Phrases by kind of answer\n\nBy where in the answer they stand.");
    writer.whole("data", "## Data\n\nWhat the model was fitted on.");
    writer.notebook.markdown(LIMITS);
    let notebook = writer.notebook;
    Export { notebook, sheets }
}

/// Figures of a model on rows as a notebook.
#[must_use]
pub fn evaluation_notebook(findings: &Findings<'_>, tables: &str) -> Export {
    let mut sheets = sheets_of(findings);
    sheets.retain(|sheet| !["terms", "stability", "phrases"].contains(&sheet.name));
    let title = format!("Evaluation: {}", findings.model.manifest().name);
    let text = format!("{}, on {} labelled rows.", describe(findings.model), findings.rows.len());
    let mut writer = Writer { notebook: begin(&title, &text, tables), sheets: &sheets };
    if let Some(evaluation) = findings.evaluation {
        figures(&mut writer, findings, evaluation);
        rows(&mut writer, findings);
    }
    writer.notebook.markdown(LIMITS);
    let notebook = writer.notebook;
    Export { notebook, sheets }
}

fn figures(writer: &mut Writer<'_>, findings: &Findings<'_>, evaluation: &Evaluation) {
    let method = code_span(&evaluation.method);
    writer.whole(
        "figures",
        &format!("## How good is it?\n\nHow the rows were kept apart from the fit: {method}."),
    );
    writer.notebook.code("intervals()", [accuracy(evaluation).into()]);
    let chart = reliability_diagram("Reliability", &evaluation.reliability);
    writer.notebook.markdown("## When to trust it");
    writer.notebook.code("reliability()", [chart.into()]);
    let (p, labels) = findings.judged();
    let curve = coverage_curve(&p, &labels, evaluation.threshold, POINTS);
    writer.notebook.code("coverage()", [coverage_chart("Accuracy against coverage", &curve).into()]);
    writer.whole("confusion", "Decisions by kind of answer, or by label where the rows tell no kinds:");
    writer.whole("facets", "By target, source and category:");
}

fn words(writer: &mut Writer<'_>, findings: &Findings<'_>) {
    let Some(terms) = writer.sheet("terms") else { return };
    let keys = [
        "rank",
        "ngram",
        "view",
        "z",
        "weight",
        "refused",
        "complied",
        "refusal_rate",
        "rate_low",
        "rate_high",
        "marks",
    ];
    let side = |refused: bool| {
        let all = findings.terms.terms.iter().enumerate();
        let of = all.filter(move |(at, _)| {
            let row = &terms.rows[*at];
            // As `top_terms` of the notebook tells the sides: by the rounded z, else by the rounded weight.
            let score = terms.cell(row, "z").as_f64().or_else(|| terms.cell(row, "weight").as_f64());
            (score.unwrap_or(0.0) > 0.0) == refused
        });
        terms.to_table(&keys, of.map(|(at, _)| at).take(SHOWN))
    };
    let (refused, complied) = (side(true), side(false));
    let first = findings.terms.terms.first();
    // The notebook finds the first term of this name, and so does this.
    let ngram = first.filter(|term| !term.examples.is_empty()).map(|term| term.ngram.clone());
    let examples = first.map(|term| term.examples.clone()).unwrap_or_default();
    let notebook = &mut writer.notebook;
    notebook.markdown(
        "## Which words\n\nz: log-odds in refused against answered rows, with an informative Dirichlet prior (Monroe et \
         al. 2008). The n-grams that speak most for refusal:",
    );
    notebook.code(format!("top_terms(\"refused\", {SHOWN})"), [Output::from(&refused)]);
    notebook.markdown("And for compliance:");
    notebook.code(format!("top_terms(\"complied\", {SHOWN})"), [Output::from(&complied)]);
    notebook.code("ngram_bars()", [bars(findings.model, findings.terms).into()]);
    if findings.terms.rows > 0 {
        notebook.code("contrast()", [contrast(findings).into()]);
    }
    if let (Some(ngram), Some(rows)) = (ngram, writer.sheets.iter().find(|sheet| sheet.name == "rows")) {
        let table = rows.to_table(&["row", "p_refusal", "label", "text"], examples);
        // JSON's strings are Python's, escapes and all.
        let name = serde_json::to_string(&ngram).unwrap_or_default();
        notebook.markdown(
            "Rows with an n-gram; `examples(\"...\", \"counter_examples\")` gives those of the other side:",
        );
        notebook.code(format!("examples({name})"), [Output::from(&table)]);
    }
    writer.whole("stability", "Top terms found again in random halves of the rows:");
}

fn rows(writer: &mut Writer<'_>, findings: &Findings<'_>) {
    let Some(rows) = writer.sheet("rows") else { return };
    // By the rounded P(refusal), as the notebook sorts, and stable like it.
    let p = |at: usize| rows.cell(&rows.rows[at], "p_refusal").as_f64().unwrap_or(0.0);
    let by_p = |wanted: Option<bool>, highest: bool| {
        let mut order: Vec<usize> = (0..findings.rows.len())
            .filter(|&at| {
                findings.rows[at].judged && wanted.is_none_or(|refused| findings.rows[at].refused == refused)
            })
            .collect();
        order.sort_by(|&a, &b| if highest { p(b).total_cmp(&p(a)) } else { p(a).total_cmp(&p(b)) });
        rows.to_table(&["row", "p_refusal", "label", "text"], order.into_iter().take(SHOWN))
    };
    let tables = [by_p(None, true), by_p(Some(false), true), by_p(Some(true), false)];
    let notebook = &mut writer.notebook;
    notebook.markdown(
        "## Rows to look at\n\nThe riskiest; then those that the model is most wrong about, of either label.",
    );
    let codes = ["judged_rows()", "judged_rows(\"complied\")", "judged_rows(\"refused\", highest=False)"];
    for (code, table) in codes.into_iter().zip(&tables) {
        notebook.code(code, [Output::from(table)]);
    }
}

/// Two models on the same rows.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// The models.
    pub models: [&'a Model; 2],
    /// What each says of the rows, in the same order.
    pub rows: [&'a [JudgedRow]; 2],
    /// The figures of each, on the same rows.
    pub evaluations: [&'a Evaluation; 2],
}

/// A comparison as a notebook.
#[must_use]
pub fn comparison_notebook(comparison: &Comparison<'_>, tables: &str) -> Export {
    let [first, second] = comparison.evaluations;
    let names = comparison.models.map(|model| model.manifest().name.clone());
    let sheets = vec![methods(comparison), paired(comparison), pairs(comparison)];
    let [a, b] = comparison.models.map(describe);
    let text = format!(
        "First: {a}, judged by {}. Second: {b}, judged by {}.",
        code_span(&first.method),
        code_span(&second.method)
    );
    let mut writer =
        Writer { notebook: begin("Two models on the same rows", &text, tables), sheets: &sheets };
    writer.whole("methods", "## Which is better?");
    let of = |evaluation: &Evaluation, label: String, strong: bool| Interval {
        label,
        value: evaluation.decisions.accuracy,
        interval: evaluation.decisions.accuracy_interval,
        strong,
    };
    let mut shown = vec![
        of(first, format!("first: {}", names[0]), true),
        of(second, format!("second: {}", names[1]), true),
    ];
    shown.extend(first.baselines.iter().map(|(name, baseline)| Interval {
        label: name.replace('_', " "),
        value: baseline.decisions.accuracy,
        interval: baseline.decisions.accuracy_interval,
        strong: false,
    }));
    writer.notebook.code("intervals()", [intervals("Accuracy", first.n, &shown).into()]);
    writer.whole(
        "paired",
        "## On the same rows\n\nRows that one decides rightly and the other does not carry all of the difference. The interval \
         is that of paired differences.",
    );
    let rows: Vec<(f64, f64, bool)> =
        judged_pairs(comparison).map(|(_, a, b)| (a.p_refusal, b.p_refusal, a.refused)).collect();
    let chart = agreement_chart("Agreement", [&names[0], &names[1]], &rows);
    writer.notebook.code("agreement()", [chart.into()]);
    let disagreements = {
        let pairs = &sheets[2];
        let gap = |at: usize| {
            let p = |key: &str| pairs.cell(&pairs.rows[at], key).as_f64().unwrap_or(0.0);
            // As pandas reckons it: the rounded difference.
            (p("p_first") - p("p_second")).abs()
        };
        let mut order: Vec<usize> = (0..pairs.rows.len()).collect();
        order.sort_by(|&a, &b| gap(b).total_cmp(&gap(a)));
        let keys = ["row", "label", "p_first", "p_second", "text"];
        pairs.to_table(&keys, order.into_iter().take(SHOWN))
    };
    writer.notebook.markdown("## Where they differ most");
    writer.notebook.code(
        format!(
            "rows = read(\"pairs\")\ngap = (rows[\"p_first\"] - rows[\"p_second\"]).abs()\nrows = \
             rows.loc[gap.sort_values(ascending=False, kind=\"stable\").index].head({SHOWN})\nshow(rows, [\"row\", \
             \"label\", \"p_first\", \"p_second\", \"text\"])"
        ),
        [Output::from(&disagreements)],
    );
    writer.notebook.markdown(LIMITS);
    let notebook = writer.notebook;
    Export { notebook, sheets }
}

/// The rows that both figures count, with their numbers.
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

fn methods(comparison: &Comparison<'_>) -> Sheet {
    let mut sheet = Sheet::new(
        "methods",
        "Both models beside baselines",
        &[
            ("method", "Method"),
            ("accuracy", "Accuracy"),
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
        sheet.push([
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
        sheet.push([
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
    sheet
}

/// How many rows each decides rightly, and the paired difference of the accuracies.
fn paired(comparison: &Comparison<'_>) -> Sheet {
    let mut sheet = Sheet::new(
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
        sheet.push([
            json!(format!("{name} ({count} of {n})")),
            number(count as f64 / n as f64),
            number(low),
            number(high),
        ]);
    }
    let (difference, (low, high)) = mean_interval(&differences);
    sheet.push([json!("accuracy, first less second"), number(difference), number(low), number(high)]);
    sheet
}

fn pairs(comparison: &Comparison<'_>) -> Sheet {
    let mut sheet = Sheet::new(
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
        sheet.push([
            json!(at + 1),
            json!(label(a.refused)),
            number(a.p_refusal),
            number(b.p_refusal),
            json!(a.place),
            json!(a.text),
        ]);
    }
    sheet
}

/// What no notebook of this kind can show.
const LIMITS: &str = "\
## What this does not show

- **Other models, other times.** The figures hold for the targets and rows named here.
- **All of the uncertainty.** Intervals count the chance in drawing rows; a doubtful label counts as a sure one, and rows \
of one template count as many.
- **Causes.** An n-gram that goes with refusal need not be what the target refuses.";
