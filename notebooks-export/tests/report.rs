//! The report of a pipeline with hostile names and n-grams: same bytes, right numbers, nothing unescaped.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use demur_data::Labeller;
use demur_notebooks_export::{Cell, Notebook, Output, pipeline_report};
use demur_predictor::{
    Analyzer, Dense, Field, Input, LabelledRows, Model, ModelDescription, NgramModel, Part, Parts, Policy,
    SeenPrompts, TrainingData, Vectorizer, VectorizerSettings, View, ViewSettings,
};
use demur_training::{Evaluation, Examples, PipelineFigures, Scored};
use serde_json::json;

const HOSTILE: &str = "<script>alert(1)</script>";

fn evaluation(field: Field, labels: &[f64], p: &[f64]) -> Evaluation {
    let texts = vec![Input { response: Some("I cannot"), ..Input::prompt("can you") }; labels.len()];
    let examples = Examples {
        inputs: texts,
        targets: labels.to_vec(),
        truth: labels.to_vec(),
        facets: Vec::new(),
        weights: vec![1.0; labels.len()],
        groups: vec![0; labels.len()],
        ..Examples::default()
    };
    let scored = Scored { field, method: "by | hand".to_owned(), threshold: 0.5, seed: 1 };
    scored.judge(&examples, p.to_vec())
}

fn figures() -> PipelineFigures {
    let labels = [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
    let judged = |field, p: [f64; 7]| evaluation(field, &labels, &p);
    PipelineFigures {
        method: format!("{HOSTILE} `by` | hand"),
        response: judged(Field::Response, [0.91, 0.82, 0.07, 0.55, 0.64, 0.13, 0.21]),
        prompt: judged(Field::Prompt, [0.71, 0.42, 0.37, 0.58, 0.66, 0.23, 0.49]),
        prompt_machine_only: judged(Field::Prompt, [0.51, 0.52, 0.47, 0.61, 0.44, 0.33, 0.72]),
        // One class only: what needs both is not defined.
        prompt_human_only: evaluation(Field::Prompt, &[0.0; 7], &[0.1; 7]),
    }
}

fn model(field: Field) -> Model {
    let vectorizer =
        VectorizerSettings { analyzer: Analyzer::CharWb, ngrams: (1, 8), ..VectorizerSettings::default() };
    let ngrams = [" \"a\" ", "&'", "<script>", "]]>", "`$x$`"];
    let view = View {
        settings: ViewSettings { field: field.into(), part: Part::Whole, vectorizer },
        vectorizer: Vectorizer::new(vectorizer, &ngrams, vec![1.0; ngrams.len()]).unwrap(),
    };
    let scorer =
        NgramModel::new(vec![view], vec![-1.25, 0.5, 2.0, 0.25, -0.125], Dense::default(), 0.1).unwrap();
    let data = |by: Labeller, licence: Option<&str>| TrainingData {
        source: None,
        file: format!("{HOSTILE}.csv"),
        sha256: "0123456789abcdef".repeat(4),
        rows: 7,
        labellers: vec![LabelledRows { by, who: Some(HOSTILE.to_owned()), rows: 7 }],
        licence: licence.map(str::to_owned),
    };
    let manifest = ModelDescription {
        written_by: "demur test".to_owned(),
        name: format!("x|{}", field.name()),
        field,
        targets: vec!["a`b".to_owned()],
        seed: 17,
        calibration: demur_predictor::Calibration::None,
        target_calibrations: std::collections::BTreeMap::new(),
        calibration_report: None,
        policy: Policy::default(),
        base_rate: None,
        encoder: None,
        training: vec![data(Labeller::Demur, None), data(Labeller::Person, Some("CC0 & more"))],
        figures: BTreeMap::new(),
        recipe: json!({ "name": HOSTILE }),
    };
    Model::new(manifest, Parts { scorer, kinds: None, seen: SeenPrompts::default(), encoder: None }).unwrap()
}

fn report() -> Notebook {
    pipeline_report(&figures(), &model(Field::Response), &model(Field::Prompt))
}

/// The output of the cell with this code.
fn output(notebook: &Notebook, code: &str) -> Output {
    let found = notebook.cells().iter().find_map(|cell| match cell {
        Cell::Code { source, outputs, .. } if source == code => outputs.first().cloned(),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no cell {code}"))
}

/// The texts of the cells of an HTML table, row by row.
fn cells(html: &str) -> Vec<Vec<String>> {
    let text = |cell: &str| {
        let cell = cell.trim().trim_start_matches("<th>").trim_start_matches("<td>");
        cell.trim_end_matches("</th>").trim_end_matches("</td>").to_owned()
    };
    let row = |row: &str| {
        row.lines()
            .filter(|line| line.contains("<t") && line.contains("</t"))
            .map(text)
            .collect::<Vec<String>>()
    };
    html.split("<tr>").skip(1).map(row).collect()
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(report().to_string(), report().to_string());
}

#[test]
fn every_number_of_the_tables_is_the_evaluations() {
    let (report, figures) = (report(), figures());
    for (name, evaluation) in [
        ("response", &figures.response),
        ("prompt", &figures.prompt),
        ("prompt_machine_only", &figures.prompt_machine_only),
        ("prompt_human_only", &figures.prompt_human_only),
    ] {
        let table = cells(output(&report, &format!("table(\"{name}\")")).get("text/html").unwrap());
        assert_eq!(table[0], ["", "model", "majority", "phrase list", "shuffled labels"]);
        // From the JSON, which is what the analyst's own code reads.
        let json = evaluation.to_json();
        let number = |value: &serde_json::Value| {
            value.as_f64().map_or("not defined".to_owned(), |value| format!("{value:.3}"))
        };
        let range = |of: &serde_json::Value, key: &str| match &of[key] {
            value if value.is_null() => "not defined".to_owned(),
            _ => {
                let ends = &of[format!("{key}_interval")];
                format!("{} to {}", number(&ends[0]), number(&ends[1]))
            }
        };
        // On labels of others than persons, the share of right decisions is no accuracy.
        let right = if json["measures"] == "accuracy" { "accuracy" } else { "agreement" };
        let right_interval = format!("{right}, 95% interval");
        let none = "–".to_owned();
        let baselines = ["majority", "phrase_list", "shuffled_labels"];
        for (column, judged) in
            [&json].into_iter().chain(baselines.map(|b| &json["baselines"][b])).enumerate()
        {
            let own = |text: String| if column == 0 { text } else { none.clone() };
            let expected = [
                ("n (rows)", "7".to_owned()),
                ("base rate (share of refusals)", number(&json["base_rate"])),
                (right, number(&judged["accuracy"])),
                (right_interval.as_str(), range(judged, "accuracy")),
                ("precision", number(&judged["precision"])),
                ("recall", number(&judged["recall"])),
                ("AUROC", number(&judged["auroc"])),
                ("AUROC, 95% interval", own(range(&json, "auroc"))),
                ("average precision", own(number(&json["average_precision"]))),
                ("Brier score", own(number(&json["brier"]))),
                ("log loss (nats)", own(number(&json["log_loss"]))),
                ("expected calibration error", own(number(&json["ece"]))),
                ("threshold on P(refusal)", own(number(&json["threshold"]))),
            ];
            let (labels, figures): (Vec<_>, Vec<_>) = table[1..].iter().partition(|row| row[0] == "labels");
            assert_eq!((labels.len(), figures.len()), (1, expected.len()));
            assert!(labels[0][column + 1].contains(json["measures"].as_str().unwrap()), "{labels:?}");
            for (row, (head, text)) in figures.into_iter().zip(expected) {
                assert_eq!((row[0].as_str(), &row[column + 1]), (head, &text), "{name}, column {column}");
            }
        }
    }
}

#[test]
fn what_the_rows_do_not_define_is_said() {
    let output = output(&report(), "table(\"prompt_human_only\")");
    let (html, text) = (output.get("text/html").unwrap(), output.get("text/plain").unwrap());
    let auroc = cells(html).into_iter().find(|row| row[0] == "AUROC, 95% interval").unwrap();
    assert_eq!(auroc[1], "not defined");
    assert!(!html.contains("NaN") && !text.contains("NaN") && text.contains("not defined"), "{text}");
    assert!(!report().to_string().contains("NaN"));
}

#[test]
fn nothing_hostile_becomes_mark_up() {
    for cell in report().cells() {
        match cell {
            Cell::Markdown { source } => {
                let outside: String = source.split('`').step_by(2).collect();
                assert!(!outside.contains("<script"), "{source}");
            }
            Cell::Code { source, outputs, .. } => {
                assert!(!source.contains("script>"), "data must not reach the code: {source}");
                for form in
                    outputs.iter().flat_map(|o| [o.get("text/html"), o.get("image/svg+xml")]).flatten()
                {
                    assert!(!form.contains("<script") && !form.contains("]]>"), "{form}");
                }
            }
        }
    }
    let data = output(&report(), "data()");
    let html = data.get("text/html").unwrap();
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;.csv") && html.contains("CC0 &amp; more"));
    assert!(html.contains("not stated") && html.contains(">0123456789ab<"), "{html}");
}

#[test]
fn the_bars_show_every_ngram_with_its_weight() {
    let bars = output(&report(), "ngram_bars(\"prompt\", 10)");
    assert_eq!(
        bars.get("text/plain").unwrap().lines().skip(2).collect::<Vec<&str>>(),
        [
            "+2.000  \"<script>\"",
            "+0.500  \"&'\"",
            "+0.250  \"]]>\"",
            "-0.125  \"`$x$`\"",
            "-1.250  \" \"a\" \""
        ]
    );
    let svg = bars.get("image/svg+xml").unwrap();
    assert!(svg.contains(">&quot;&lt;script&gt;&quot;</text>") && svg.contains(">+2.000</text>"), "{svg}");
}

#[test]
fn charts_say_n_and_what_their_axes_are() {
    let report = report();
    for (code, n, axes) in [
        ("ngram_bars(\"response\", 10)", "n = 5 n-grams", &["weight (logit per unit of TF-IDF value)"][..]),
        (
            "reliability(\"prompt\")",
            "n = 7 rows",
            &["mean P(refusal) of the bin", "share of refusals in the bin", "rows in bin"],
        ),
        (
            "intervals(\"response\")",
            "n = 7 rows",
            &["accuracy (share of right decisions), 95% Wilson interval"],
        ),
    ] {
        let output = output(&report, code);
        let svg = output.get("image/svg+xml").unwrap();
        assert!(svg.contains(n) && axes.iter().all(|axis| svg.contains(axis)), "{code}: {svg}");
        assert!(svg.contains("fill=\"#ffffff\"") && svg.contains("width=\"640\""), "{code}");
        assert!(output.get("text/plain").unwrap().contains(n), "{code}");
        let html = output.get("text/html").unwrap();
        assert!(
            html.starts_with("<img alt=\"") && html.contains("src=\"data:image/svg+xml,%3Csvg"),
            "{html}"
        );
    }
}
