//! `demur reproduce`: the paper's tables on the published files, or on files in their format.

use serde_json::{Value, json};

use crate::support::{Dir, shared_data};

const QUORA: &str = "quora_insincere_hand_labeled.json";
const BOOTSTRAP: &str = "quora_insincere_large_bootstrap.json";

/// The starter's labelled rows in the format of the published files: a JSON array with tones.
fn published() -> Vec<Value> {
    let rows = Dir::with_starter().rows("labelled.jsonl");
    let row = |row: &serde_json::Map<String, Value>| {
        json!({
            "prompt": row["prompt"], "response": row["response"], "tone": row["kind"],
            "finish_reason": "stop", "is_insincere": "0",
        })
    };
    rows.iter().map(row).collect()
}

/// Tones as the authors' classifier assigns them; it has only two.
fn by_machine(rows: &[Value]) -> Vec<Value> {
    let two = |row: &Value| {
        let mut row = row.clone();
        if row["tone"] != "complied" {
            row["tone"] = json!("rejected");
        }
        row
    };
    rows.iter().map(two).collect()
}

fn array(rows: &[Value]) -> String {
    serde_json::to_string_pretty(rows).unwrap()
}

#[track_caller]
fn line<'a>(found: &'a Value, table: &str, model: &str) -> &'a Value {
    let mut lines = found["lines"].as_array().unwrap().iter();
    let is_it = |line: &&Value| line["table"] == table && line["model"] == model;
    lines.find(is_it).unwrap_or_else(|| panic!("no line {table}, {model}: {found:#}"))
}

#[test]
fn without_the_hand_labelled_responses_nothing_is_run() {
    let dir = Dir::new();
    let parts = ["no hand_labeled.json or all_hand_labeled.json", "data/", "chatgpt-refusals"];
    dir.demur("reproduce .").fails(1, &parts);
    dir.demur("reproduce nowhere --json").fails(1, &["nowhere: "]);
    dir.write(QUORA, array(&published()));
    dir.demur("reproduce .").fails(1, &parts);
    dir.demur("reproduce").fails(2, &["DIR_OF_CHATGPT_REFUSALS"]);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = Dir::new();
    dir.write("hand_labeled.json", "[{\"prompt\": \"x\"");
    dir.demur("reproduce .").fails(1, &["hand_labeled.json"]);
    dir.write("hand_labeled.json", "[{\"question\": \"Why?\"}]");
    dir.demur("reproduce .").fails(1, &["hand_labeled.json: 1 row read", "`tone`"]);
    // No rows are left to evaluate on.
    dir.write("hand_labeled.json", array(&published()[..1]));
    dir.demur("reproduce .").fails(1, &["response classifier: 0 rows to fit on, 1 to judge by"]);
}

#[test]
fn what_is_missing_is_said_and_the_rest_is_run() {
    let dir = Dir::new();
    let rows = published();
    dir.write("hand_labeled.json", array(&rows));
    let run = dir.demur("reproduce .").succeeds();
    let out = &run.stdout;
    assert!(out.contains("hand_labeled.json: rows: 340 ("), "{out}");
    assert!(out.contains("of 1,706 published: the split is not the authors'"), "{out}");
    for (table, model, paper) in [
        ("response classifier", "logistic regression", "0.906"),
        ("response classifier", "random forest", "0.867"),
        ("response classifier", "BERT", "0.965"),
        ("prompt predictor", "logistic regression", "0.739"),
        ("prompt predictor", "random forest", "0.722"),
        ("prompt predictor", "BERT", "0.759"),
    ] {
        let is_it = |line: &&str| line.starts_with(table) && line.contains(model);
        let line = out.lines().find(is_it).unwrap_or_else(|| panic!("{table}, {model}: {out}"));
        assert!(line.contains(paper), "{line}");
        let ran = (table, model) == ("response classifier", "logistic regression");
        assert_eq!(!line.contains("not run: "), ran, "{line}");
    }
    assert!(out.contains(&format!("not run: there is no {QUORA} in the folder")), "{out}");
    assert!(out.contains("figure: hand-labelled responses"), "{out}");
    assert!(out.contains(&format!("machine-labelled prompts (not run: there is no {BOOTSTRAP}")), "{out}");
}

/// 0.3 of the usable rows are held out, rounded up; half of these, rounded up, are the test rows.
fn test_rows(usable: usize) -> u64 {
    let held_out = (usable * 3).div_ceil(10);
    held_out.div_ceil(2) as u64
}

#[test]
fn a_clone_with_all_files_fills_the_tables() {
    let dir = Dir::new();
    let rows = published();
    let (questions, larger) = rows.split_at(120);
    dir.write("data/all_hand_labeled.json", array(&rows));
    dir.write(&format!("data/{QUORA}"), array(questions));
    // Ten of the evaluated prompts are also among the rows that the predictor may be fitted on.
    dir.write(&format!("data/{BOOTSTRAP}"), array(&by_machine(&[&questions[..10], larger].concat())));
    let found = dir.demur("reproduce . --json").succeeds().json();

    let keys: Vec<&String> = found.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["paper", "files", "lines", "figures"]);
    let files = found["files"].as_array().unwrap();
    assert_eq!(files.len(), 3);
    for file in files {
        let keys: Vec<&String> = file.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["file", "rows", "usable", "published", "complete", "note"]);
        assert_eq!(file["complete"], false);
    }
    for line in found["lines"].as_array().unwrap() {
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["table", "model", "paper", "ours", "note"]);
        assert_eq!(line["ours"].is_null(), line["note"].as_str().unwrap().starts_with("not run: "), "{line}");
        if let Some(ours) = line["ours"].as_object() {
            let keys: Vec<&String> = ours.keys().collect();
            assert_eq!(keys, ["accuracy", "accuracy_interval", "n", "right", "auroc"]);
        }
    }

    let usable = usize::try_from(files[0]["usable"].as_u64().unwrap()).unwrap();
    let responses = line(&found, "response classifier", "logistic regression");
    assert_eq!(responses["ours"]["n"], test_rows(usable));
    assert_eq!(responses["paper"], 0.9062);
    assert!(responses["ours"]["accuracy"].as_f64().unwrap() > 0.6, "{responses}");
    let prompts = line(&found, "prompt predictor", "logistic regression");
    assert_eq!(prompts["ours"]["n"], files[1]["usable"], "judged on all hand-labelled questions");
    assert!(prompts["note"].as_str().unwrap().contains("training prompts are among the judged ones"));
    line(&found, "prompts by hand labels", "Demur, default recipe");
    for figure in found["figures"].as_array().unwrap() {
        let ngrams = figure["ngrams"].as_array().unwrap();
        assert_eq!(ngrams.len(), 18, "{figure}");
        let weights: Vec<f64> = ngrams.iter().map(|ngram| ngram[1].as_f64().unwrap()).collect();
        assert!(weights.is_sorted_by(|a, b| a >= b), "{figure}");
    }
    let again = dir.demur("reproduce . --json").env("RAYON_NUM_THREADS", "1").succeeds().json();
    assert_eq!(again, found);
}

#[test]
fn a_broken_bootstrap_file_costs_only_its_lines() {
    let dir = Dir::new();
    let rows = published();
    dir.write("hand_labeled.json", array(&rows));
    dir.write(QUORA, array(&rows));
    dir.write(BOOTSTRAP, "[{\"question\": \"Why?\"}]");
    let found = dir.demur("reproduce . --json").succeeds().json();
    let prompts = line(&found, "prompt predictor", "logistic regression");
    assert!(prompts["note"].as_str().unwrap().contains(BOOTSTRAP), "{prompts}");
    assert!(line(&found, "prompts by hand labels", "logistic regression")["ours"].is_object());
}

#[test]
#[ignore = "needs ../shared/data"]
fn the_published_rows_are_reproduced_as_far_as_they_are_there() {
    let data = shared_data();
    let folder = data.join("chatgpt-refusals").canonicalize().unwrap();
    let found = Dir::new().demur(&format!("reproduce {} --json", folder.display())).succeeds().json();
    let files = found["files"].as_array().unwrap();
    assert_eq!((&files[0]["rows"], &files[0]["usable"]), (&json!(1_465), &json!(1_450)));
    assert_eq!((&files[1]["rows"], &files[1]["usable"]), (&json!(854), &json!(839)));
    // The counts are from scikit-learn 1.9.1 on the same rows and split (liblinear, C = 10).
    let responses = line(&found, "response classifier", "logistic regression");
    assert_eq!((&responses["ours"]["n"], &responses["ours"]["right"]), (&json!(218), &json!(198)));
    assert!((responses["ours"]["auroc"].as_f64().unwrap() - 0.977_582).abs() < 1e-5, "{responses}");
    assert!(responses["note"].as_str().unwrap().contains("not the authors'"), "{responses}");
    let prompts = line(&found, "prompts by hand labels", "logistic regression");
    assert_eq!((&prompts["ours"]["n"], &prompts["ours"]["right"]), (&json!(126), &json!(88)));
    assert!((prompts["ours"]["auroc"].as_f64().unwrap() - 0.639_653).abs() < 1e-5, "{prompts}");
}

/// Repeats rows until there are as many usable ones as in the paper, because only the wording is tested here.
#[test]
fn as_many_rows_as_published_are_said_to_be() {
    let dir = Dir::new();
    let rows = published();
    let usable = rows.iter().filter(|row| !matches!(row["tone"].as_str(), Some("dontknow" | "incoherent")));
    let all: Vec<Value> = usable.cycle().take(1_706).cloned().collect();
    dir.write("hand_labeled.json", array(&all));
    let found = dir.demur("reproduce . --json").succeeds().json();
    assert_eq!(found["files"][0]["complete"], true);
    assert_eq!(
        found["files"][0]["note"],
        "rows: 1,706 (1,706 usable), as many as published; if they are in the published order, the split is the authors'"
    );
    let responses = line(&found, "response classifier", "logistic regression");
    assert_eq!(responses["ours"]["n"], 256);
    assert!(!responses["note"].as_str().unwrap().contains("not the authors'"), "{responses}");
}
