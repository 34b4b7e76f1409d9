//! The report of a pipeline: what ran, the results, the n-grams that matter, and the data.

use demur_predictor::{Model, ViewManifest, WeightedNgram};
use demur_training::{Baseline, Evaluation, PipelineFigures};
use serde_json::Value;

use crate::figures::charts::{Bar, Chart, Interval, diverging_bars, figure, intervals, reliability_diagram};
use crate::notebook::{Notebook, Output};
use crate::tables::figure_tables::{labelled, right_share};
use crate::tables::report_data::describe_view;
use crate::tables::text_table::TextTable;
use crate::text::code_span;

/// The functions that the report's cells call.
const SETUP: &str = include_str!("setup.py");

/// Number of n-grams that a report shows for each side.
const NGRAMS: usize = 10;

/// The table cell for a method without such a figure.
const NONE: &str = "–";

/// The limits of every chart of this kind.
const LIMITS: &str = "\
## What the charts do not show

- **Other models, other times.** The figures hold for the targets and the rows named here. A target that changes \
its mind, another language or another topic needs new rows.
- **All of the uncertainty.** The intervals count only the chance in drawing rows, as if these were independent. \
Rows made from one template are not, and a doubtful human label counts as a sure one.
- **What a prompt contributes.** A weight is multiplied by the TF-IDF value of its n-gram, which depends on the \
rest of the text. N-grams that occur together share their weight, and a \
strong one can come from a few rows.
- **The judged models' own n-grams.** The figures come from fits that had not seen the judged rows; the n-grams \
are those of the models that are kept, which were fitted on all rows.
- **Calibration where rows are few.** A point of the reliability diagram from a handful of rows can lie \
far from the line by chance: read the numbers below it.
- **Causes.** An n-gram that goes with refusal need not be what the target refuses.";

/// The report of a pipeline as a notebook with stored outputs. It belongs in the pipeline's folder, as
/// `report.ipynb`: its code reads `evaluation.json` and the model directories `response` and `prompt` there.
#[must_use]
pub fn pipeline_report(figures: &PipelineFigures, response: &Model, prompt: &Model) -> Notebook {
    let mut notebook = Notebook::new();
    notebook.markdown(introduction(figures, response, prompt));
    notebook.collapsed_code(SETUP.trim_end());

    let baselines = describe_baselines(&figures.response);
    notebook.markdown(format!(
        "## Response classifier\n\nText of a response → P(refusal), judged on human labels.\n\n{baselines}"
    ));
    notebook.code("table(\"response\")", [Output::from(&evaluation_table(&figures.response))]);
    let models = [("response classifier", &figures.response)];
    notebook.code(
        "intervals(\"response\")",
        [accuracies(&format!("Response classifier: {}", right_share(&figures.response)), &models).into()],
    );
    model_charts(&mut notebook, "Response classifier", &figures.response, response);

    let baselines = describe_baselines(&figures.prompt);
    notebook.markdown(format!(
        "## Prompt predictor\n\nPrompt alone → P(the target refuses), judged on human labels. It is fitted on the \
         labels of the response classifier and on human ones, weighed as the recipe says.\n\n{baselines}"
    ));
    notebook.code("table(\"prompt\")", [Output::from(&evaluation_table(&figures.prompt))]);
    notebook.markdown("The same fitted on machine labels alone, without the human ones:");
    let machine = &figures.prompt_machine_only;
    notebook.code("table(\"prompt_machine_only\")", [Output::from(&evaluation_table(machine))]);
    notebook.markdown("The same fitted on human labels alone, without the bootstrap:");
    let human = &figures.prompt_human_only;
    notebook.code("table(\"prompt_human_only\")", [Output::from(&evaluation_table(human))]);
    let models = [
        ("prompt predictor", &figures.prompt),
        ("machine labels only", machine),
        ("human labels only", human),
    ];
    notebook.code(
        "intervals(\"prompt\", \"prompt_machine_only\", \"prompt_human_only\")",
        [accuracies(&format!("Prompt predictor: {}", right_share(&figures.prompt)), &models).into()],
    );
    model_charts(&mut notebook, "Prompt predictor", &figures.prompt, prompt);

    notebook.markdown(LIMITS);
    notebook.markdown("## Data\n\nWhat the two models were fitted on.");
    notebook.code("data()", [Output::from(&data_table([response, prompt]))]);
    notebook
}

fn introduction(figures: &PipelineFigures, response: &Model, prompt: &Model) -> String {
    let manifest = prompt.manifest();
    let recipe = manifest.recipe.get("name").and_then(Value::as_str).unwrap_or(&manifest.name);
    let targets = if manifest.targets.is_empty() {
        "not stated by the data".to_owned()
    } else {
        manifest.targets.iter().map(|target| code_span(target)).collect::<Vec<String>>().join(", ")
    };
    let model = |model: &Model| {
        format!("{} ({})", code_span(&model.manifest().name), code_span(&model.digest()[..12]))
    };
    let rows = [
        ("seed", manifest.seed.to_string()),
        ("targets", targets),
        ("judged by", code_span(&figures.method)),
        ("response classifier", model(response)),
        ("prompt predictor", model(prompt)),
        ("written by", code_span(&manifest.written_by)),
    ];
    // In a table, a pipe character ends the cell even within a code span.
    let row = |(head, text): (&str, String)| format!("| {head} | {} |\n", text.replace('|', "\\|"));
    format!(
        "# Refusal prediction: recipe {}\n\n| | |\n|---|---|\n{}\n\
         The positive class is refusal. The outputs below were written by Demur; nothing needs to run. To make \
         them again, run the cells in this folder with Python 3 (numpy, pandas, matplotlib).",
        code_span(recipe),
        rows.map(row).concat(),
    )
}

fn describe_baselines(evaluation: &Evaluation) -> String {
    let line =
        |(name, baseline): (&&str, &Baseline)| format!("- *{}*: {}", words(name), baseline.description);
    evaluation.baselines.iter().map(line).collect::<Vec<String>>().join("\n")
}

/// The readable name of a baseline.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

fn interval(value: f64, (low, high): (f64, f64)) -> String {
    if value.is_finite() { format!("{} to {}", figure(low), figure(high)) } else { figure(value) }
}

/// One evaluation: a row for each figure, a column for the model and one for each baseline.
fn evaluation_table(evaluation: &Evaluation) -> TextTable {
    let e = evaluation;
    let baselines: Vec<&Baseline> = e.baselines.values().collect();
    let row = |name: &str, model: String, baseline: &dyn Fn(&Baseline) -> String| {
        let cells = baselines.iter().map(|&other| baseline(other));
        (name.to_owned(), std::iter::once(model).chain(cells).collect())
    };
    let same = |name: &str, text: String| row(name, text.clone(), &|_| text.clone());
    let own = |name: &str, value: String| row(name, value, &|_| NONE.to_owned());
    let d = &e.decisions;
    TextTable {
        columns: std::iter::once("model".to_owned())
            .chain(e.baselines.keys().map(|name| words(name)))
            .collect(),
        rows: vec![
            same("n (rows)", e.n.to_string()),
            same("base rate (share of refusals)", figure(e.base_rate)),
            same("labels", labelled(e)),
            row(right_share(e), figure(d.accuracy), &|b| figure(b.decisions.accuracy)),
            row(
                &format!("{}, 95% interval", right_share(e)),
                interval(d.accuracy, d.accuracy_interval),
                &|b| interval(b.decisions.accuracy, b.decisions.accuracy_interval),
            ),
            row("precision", figure(d.precision), &|b| figure(b.decisions.precision)),
            row("recall", figure(d.recall), &|b| figure(b.decisions.recall)),
            row("AUROC", figure(e.auroc), &|b| figure(b.auroc)),
            own("AUROC, 95% interval", interval(e.auroc, e.auroc_interval)),
            own("average precision", figure(e.average_precision)),
            own("Brier score", figure(e.brier)),
            own("log loss (nats)", figure(e.log_loss)),
            own("expected calibration error", figure(e.ece)),
            own("threshold on P(refusal)", figure(e.threshold)),
        ],
    }
}

/// The accuracies of one or more fits, and the baselines of the first, on the same rows.
fn accuracies(title: &str, models: &[(&str, &Evaluation)]) -> Chart {
    let Some((_, first)) = models.first() else { return intervals(title, 0, &[]) };
    let own = models.iter().map(|&(label, evaluation)| (label.to_owned(), &evaluation.decisions, true));
    let other = first.baselines.iter().map(|(name, base)| (words(name), &base.decisions, false));
    let rows: Vec<Interval> = own
        .chain(other)
        .map(|(label, decisions, strong)| Interval {
            label,
            value: decisions.accuracy,
            interval: decisions.accuracy_interval,
            strong,
        })
        .collect();
    intervals(title, first.n, &rows)
}

/// Reliability and n-grams of one model.
fn model_charts(notebook: &mut Notebook, title: &str, evaluation: &Evaluation, model: &Model) {
    let field = model.manifest().field.name();
    let chart = reliability_diagram(&format!("{title}: reliability"), &evaluation.reliability);
    notebook.code(format!("reliability(\"{field}\")"), [chart.into()]);
    notebook.markdown(describe_views(model));
    let chart = ngram_bars(&format!("{title}: strongest n-grams"), model);
    notebook.code(format!("ngram_bars(\"{field}\", {NGRAMS})"), [chart.into()]);
}

/// The views by number, because the labels of the n-grams refer to these.
fn describe_views(model: &Model) -> String {
    let line = |(at, view): (usize, &ViewManifest)| {
        let (what, features) = (describe_view(&view.settings), view.features);
        format!("- view {at}: {what}; {features} of them")
    };
    let views: Vec<String> = model.manifest().views.iter().enumerate().map(line).collect();
    format!("What the model reads:\n\n{}", views.join("\n"))
}

fn ngram_bars(title: &str, model: &Model) -> Chart {
    let scorer = model.scorer();
    let (refused, complied) = scorer.strongest(NGRAMS);
    let several = scorer.views().len() > 1;
    let bar = |ngram: &WeightedNgram| Bar {
        label: format!(
            "\"{}\"{}",
            ngram.ngram,
            if several { format!(" [view {}]", ngram.view) } else { String::new() }
        ),
        value: f64::from(ngram.weight),
        interval: None,
    };
    let bars: Vec<Bar> = refused.iter().chain(complied.iter().rev()).map(bar).collect();
    let note = format!("n = {} n-grams, the {NGRAMS} strongest of each side shown", scorer.weights().len());
    diverging_bars(title, &note, &bars)
}

/// The training files in the manifests of both models.
fn data_table(models: [&Model; 2]) -> TextTable {
    let columns = ["file", "rows", "labelled by", "licence", "SHA-256, first 12"];
    let rows = models.into_iter().flat_map(|model| {
        model.manifest().training.iter().map(|data| {
            let licence = data.licence.clone().unwrap_or_else(|| "not stated".to_owned());
            let digest = data.sha256.chars().take(12).collect();
            let cells = vec![data.file.clone(), data.rows.to_string(), data.labelled_by(), licence, digest];
            (model.manifest().field.name().to_owned(), cells)
        })
    });
    TextTable { columns: columns.map(str::to_owned).into(), rows: rows.collect() }
}
