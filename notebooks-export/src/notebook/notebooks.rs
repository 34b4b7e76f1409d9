//! Notebooks on exported tables: a report and an evaluation (`comparison` has the third). They have stored
//! outputs, and their code reproduces these from the Parquet tables beside them, with pandas and matplotlib
//! only.

use demur_predictor::Model;
use demur_training::{Evaluation, coverage_curve};
use serde_json::json;

use crate::figures::charts::reliability_diagram;
use crate::figures::curves::coverage_chart;
use crate::notebook::{Notebook, Output};
use crate::page::report::{accuracy, bars, contrast};
use crate::tables::figure_tables::right_title;
use crate::tables::report_data::{POINTS, ReportData};
use crate::tables::table::Table;
use crate::tables::top_terms::{TopTerms, has_pieces_alone};
use crate::text::code_span;

const SETUP: &str = include_str!("tables.py");
/// Number of terms of each side, and of rows, that a notebook shows.
pub(crate) const SHOWN: usize = 10;

/// A notebook with the tables that it reads.
#[derive(Debug, Clone)]
pub struct Export {
    /// The notebook.
    pub notebook: Notebook,
    /// The tables, to be written as Parquet to the given folder.
    pub tables: Vec<Table>,
}

/// A new notebook with a heading and the functions that its cells call.
pub(crate) fn begin(title: &str, text: &str, folder: &str) -> Notebook {
    let mut notebook = Notebook::new();
    notebook.markdown(format!(
        "# {title}\n\n{text}\n\nThe positive class is refusal. The outputs below were written by Demur; nothing needs to \
         run. To make them again, run the cells beside the folder {} with Python 3 (pandas with pyarrow, matplotlib).",
        code_span(folder)
    ));
    // The folder name as a Python string literal.
    let name = serde_json::to_string(folder).unwrap_or_default();
    notebook.collapsed_code(SETUP.trim_end().replacen("\"{{tables}}\"", &name, 1));
    notebook
}

/// The model's task, name and digest, in one line.
pub(crate) fn describe(model: &Model) -> String {
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

/// The tables of a report for notebooks, in which `methods` has a column that marks the model.
fn tables_of(report: &ReportData<'_>) -> Vec<Table> {
    let mut tables = report.tables();
    for table in tables.iter_mut().filter(|table| table.name == "methods") {
        for (at, row) in table.rows.iter_mut().enumerate() {
            row.insert("model".to_owned(), json!(at == 0));
        }
    }
    tables
}

/// Adds cells, skipping those whose tables are missing.
pub(crate) struct Writer<'a> {
    pub(crate) notebook: Notebook,
    pub(crate) tables: &'a [Table],
}

impl Writer<'_> {
    fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// A complete table, by its name.
    pub(crate) fn whole(&mut self, name: &str, text: &str) {
        let Some(table) = self.table(name).map(Table::whole) else { return };
        self.notebook.markdown(text);
        self.notebook.code(format!("show(\"{name}\")"), [Output::from(&table)]);
    }
}

/// The report as a notebook; its tables go into a folder called `folder` beside it.
#[must_use]
pub fn report_notebook(report: &ReportData<'_>, folder: &str) -> Export {
    let tables = tables_of(report);
    let title = format!("Refusal report: {}", report.model.manifest().name);
    let text = format!("{}, on {} labelled rows.", describe(report.model), report.terms.rows_in_all);
    let mut writer = Writer { notebook: begin(&title, &text, folder), tables: &tables };
    if let Some(evaluation) = report.evaluation {
        figures(&mut writer, report, evaluation);
    }
    words(&mut writer, report);
    if report.evaluation.is_some() {
        rows(&mut writer, report);
    }
    writer.whole("phrases", "## Phrases by kind of answer\n\nBy their place in the answer.");
    writer.whole("data", "## Data\n\nWhat the model was fitted on.");
    writer.notebook.markdown(LIMITS);
    let notebook = writer.notebook;
    Export { notebook, tables }
}

/// Figures of a model on rows as a notebook.
#[must_use]
pub fn evaluation_notebook(report: &ReportData<'_>, folder: &str) -> Export {
    let mut tables = tables_of(report);
    tables.retain(|table| !["terms", "stability", "phrases"].contains(&table.name));
    let title = format!("Evaluation: {}", report.model.manifest().name);
    let text = format!("{}, on {} labelled rows.", describe(report.model), report.rows.len());
    let mut writer = Writer { notebook: begin(&title, &text, folder), tables: &tables };
    if let Some(evaluation) = report.evaluation {
        figures(&mut writer, report, evaluation);
        rows(&mut writer, report);
    }
    writer.notebook.markdown(LIMITS);
    let notebook = writer.notebook;
    Export { notebook, tables }
}

fn figures(writer: &mut Writer<'_>, report: &ReportData<'_>, evaluation: &Evaluation) {
    let method = code_span(&evaluation.method);
    writer.whole(
        "figures",
        &format!("## How good is it?\n\nHow the rows were kept apart from the fit: {method}."),
    );
    writer.notebook.code("intervals()", [accuracy(evaluation).into()]);
    let chart = reliability_diagram("Reliability", &evaluation.reliability);
    writer.notebook.markdown("## When to trust it");
    writer.notebook.code("reliability()", [chart.into()]);
    let (p, labels) = report.judged();
    let curve = coverage_curve(&p, &labels, evaluation.threshold, POINTS);
    writer.notebook.code(
        "coverage()",
        [coverage_chart(&format!("{} against coverage", right_title(evaluation)), &curve).into()],
    );
    writer.whole("confusion", "Decisions by kind of answer, or by label where the rows tell no kinds:");
    writer.whole("facets", "By target, source and category:");
}

fn words(writer: &mut Writer<'_>, report: &ReportData<'_>) {
    let Some(terms) = writer.table("terms") else { return };
    let keys = [
        "rank",
        "ngram",
        "unit",
        "z",
        "weight",
        "refused",
        "complied",
        "refusal_rate",
        "rate_low",
        "rate_high",
        "marks",
    ];
    let top = TopTerms::of(report.terms, has_pieces_alone(report.terms));
    let side = |refused| terms.to_text_table(&keys, top.shown(report.terms, refused).into_iter().take(SHOWN));
    let what = if has_pieces_alone(report.terms) { "pieces of words" } else { "words and phrases" };
    let tested = top.describe(report.terms, what);
    let (refused, complied) = (side(true), side(false));
    let first = report.terms.terms.first();
    // The notebook picks the first term with this name, so this code must too.
    let ngram = first.filter(|term| !term.examples.is_empty()).map(|term| term.ngram.clone());
    let examples = first.map(|term| term.examples.clone()).unwrap_or_default();
    let notebook = &mut writer.notebook;
    notebook.markdown(format!(
        "## Which words\n\nz: log-odds of a row having the n-gram, refused against answered, over their standard deviation, \
         with a flat Dirichlet prior (Monroe et al. 2008). {tested} Those that speak most for refusal:"
    ));
    notebook.code(format!("top_terms(\"refused\", {SHOWN})"), [Output::from(&refused)]);
    notebook.markdown("And for compliance; `top_terms(\"complied\", unit=\"piece\", shown=False)` has pieces of words, unstable ones too:");
    notebook.code(format!("top_terms(\"complied\", {SHOWN})"), [Output::from(&complied)]);
    notebook.code("ngram_bars()", [bars(report.model, report.terms).into()]);
    if report.terms.rows > 0 {
        notebook.code("contrast()", [contrast(report).into()]);
    }
    if let (Some(ngram), Some(rows)) = (ngram, writer.tables.iter().find(|table| table.name == "rows")) {
        let table = rows.to_text_table(&["row", "p_refusal", "label", "text"], examples);
        // A JSON string is a valid Python string, including escapes.
        let name = serde_json::to_string(&ngram).unwrap_or_default();
        notebook.markdown(
            "Rows with an n-gram; `examples(\"...\", \"counter_examples\")` gives those of the other side:",
        );
        notebook.code(format!("examples({name})"), [Output::from(&table)]);
    }
    writer.whole("stability", "Top terms found again in random halves of the rows:");
}

fn rows(writer: &mut Writer<'_>, report: &ReportData<'_>) {
    let Some(rows) = writer.table("rows") else { return };
    // Sorted by the rounded P(refusal) and stable, like the notebook.
    let p = |at: usize| rows.cell(&rows.rows[at], "p_refusal").as_f64().unwrap_or(0.0);
    let by_p = |wanted: Option<bool>, highest: bool| {
        let mut order: Vec<usize> = (0..report.rows.len())
            .filter(|&at| {
                report.rows[at].judged && wanted.is_none_or(|refused| report.rows[at].refused == refused)
            })
            .collect();
        order.sort_by(|&a, &b| if highest { p(b).total_cmp(&p(a)) } else { p(a).total_cmp(&p(b)) });
        rows.to_text_table(&["row", "p_refusal", "label", "text"], order.into_iter().take(SHOWN))
    };
    let shown = [by_p(None, true), by_p(Some(false), true), by_p(Some(true), false)];
    let notebook = &mut writer.notebook;
    notebook.markdown(
        "## Rows to look at\n\nThe riskiest; then those that the model is most wrong about, of either label.",
    );
    let codes = ["judged_rows()", "judged_rows(\"complied\")", "judged_rows(\"refused\", highest=False)"];
    for (code, table) in codes.into_iter().zip(&shown) {
        notebook.code(code, [Output::from(table)]);
    }
}

/// The limits of every notebook of this kind.
pub(crate) const LIMITS: &str = "\
## What this does not show

- **Other models, other times.** The figures hold for the targets and rows named here.
- **All of the uncertainty.** Intervals count the chance in drawing rows; a doubtful label counts as a sure one, and rows \
of one template count as many.
- **Causes.** An n-gram that goes with refusal need not be what the target refuses.";
