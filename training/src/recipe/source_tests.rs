//! Sources as a recipe writes them, and the rows read from them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use demur_data::{Corpus, Record};
use demur_predictor::Field;
use serde_json::{Value, json};

use super::SourceRows;
use crate::recipe::source::is_like;
use crate::{DataSource, Deduplicate, Recipe, STARTER_RECIPE, TrainingError};

const BOTH: [Field; 2] = [Field::Response, Field::Prompt];

/// The starter recipe with another `[labelled]`.
fn recipe(labelled: &str) -> Result<Recipe, TrainingError> {
    let (head, rest) = STARTER_RECIPE.split_once("[labelled]").unwrap();
    let (_, rest) = rest.split_once("[unlabelled]").unwrap();
    Recipe::parse(&format!("{head}{labelled}\n[unlabelled]{rest}"), Path::new("my.toml"), &[])
}

#[track_caller]
fn refused(labelled: &str, parts: &[&str]) {
    let error = recipe(labelled).unwrap_err();
    for part in parts {
        assert!(error.to_string().contains(part), "`{part}` is not in: {error}");
    }
}

fn source(folder: &Path, name: &str, rows: &[Value]) -> DataSource {
    let path = folder.join(name);
    fs::write(&path, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    DataSource::of(vec![path])
}

fn read(source: &DataSource) -> Result<Corpus, TrainingError> {
    source.read(&[], false, false)
}

fn prompts(records: &[Record]) -> Vec<&str> {
    records.iter().filter_map(|record| record.prompt.as_deref()).collect()
}

#[test]
fn one_source_is_a_table_and_several_are_a_list() {
    let one = recipe("[labelled]\nfiles = [\"a.jsonl\"]").unwrap();
    assert_eq!(one.labelled, [DataSource::of(vec!["a.jsonl".into()])]);
    let two = recipe(
        "[[labelled]]\nname = \"a\"\nfiles = [\"a.jsonl\"]\nweight = 0.5\n\
         [[labelled]]\nfiles = [\"b.jsonl\"]\nprompt_weight = 0\nlimit = 9\ndeduplicate = \"response\"",
    )
    .unwrap();
    let [a, b] = two.labelled.as_slice() else { panic!("{:?}", two.labelled) };
    assert_eq!((a.title(), b.title()), ("a".to_owned(), "b.jsonl".to_owned()));
    assert_eq!(BOTH.map(|field| a.weight_in(field)), [0.5, 0.5]);
    assert_eq!(BOTH.map(|field| b.weight_in(field)), [1.0, 0.0]);
    assert_eq!((b.limit, b.deduplicate), (Some(9), Deduplicate::Response));
    let again: Recipe = serde_json::from_value(two.to_json()).unwrap();
    assert_eq!(again, two, "a manifest holds it whole");
}

#[test]
fn every_word_for_duplicates_is_read() {
    for (written, expected) in [
        ("false", Deduplicate::No),
        ("true", Deduplicate::Prompt),
        ("\"prompt\"", Deduplicate::Prompt),
        ("\"response\"", Deduplicate::Response),
    ] {
        let recipe = recipe(&format!("[labelled]\ndeduplicate = {written}")).unwrap();
        assert_eq!(recipe.labelled[0].deduplicate, expected, "{written}");
    }
    refused("[labelled]\ndeduplicate = \"answer\"", &["\"answer\"", "\"prompt\" or \"response\"", "line"]);
}

#[test]
fn a_wrong_source_is_named() {
    refused("[labelled]\ncolour = 1", &["my.toml", "unknown field `colour`", "line"]);
    refused("labelled = 3", &["a table of one source or a list of tables"]);
    refused(
        "[[labelled]]\nfiles = [\"a.jsonl\"]\n[[labelled]]\nname = \"b\"\nweight = -1.0",
        &["source b: `weight` is -1: it must be a finite number of at least 0"],
    );
    refused(
        "[labelled]\nfiles = [\"a.jsonl\"]\nprompt_weight = nan",
        &["source a.jsonl: `prompt_weight` is NaN"],
    );
    refused("[labelled]\nlimit = 0", &["source no file: `limit` is 0", "weight 0"]);
    let error = recipe("[labelled]\nweight = inf").unwrap_err();
    assert!(matches!(error, TrainingError::Source { name: "weight", .. }), "{error}");
}

#[test]
fn a_name_goes_before_what_the_rows_say() {
    let dir = tempfile::TempDir::new().unwrap();
    let rows = [json!({"prompt": "a", "source": "theirs"}), json!({"prompt": "b"})];
    let mut source = source(dir.path(), "a.jsonl", &rows);
    let names =
        |source: &DataSource| read(source).unwrap().records.into_iter().map(|r| r.source).collect::<Vec<_>>();
    assert_eq!(names(&source), [Some("theirs".to_owned()), None]);
    source.name = Some("ours".to_owned());
    assert_eq!(names(&source), [Some("ours".to_owned()), Some("ours".to_owned())]);
}

#[test]
fn a_limit_takes_the_same_rows_of_each_label_in_any_order() {
    let dir = tempfile::TempDir::new().unwrap();
    let label = |n: usize| if n < 30 { "refused" } else { "complied" };
    let mut rows: Vec<Value> =
        (0..40).map(|n| json!({"prompt": format!("prompt {n}"), "label": label(n)})).collect();
    let limited = |rows: &[Value]| {
        let source = DataSource { limit: Some(12), ..source(dir.path(), "a.jsonl", rows) };
        read(&source).unwrap()
    };
    let one = limited(&rows);
    rows.reverse();
    let other = limited(&rows);
    assert_eq!(
        one.summary.to_string(),
        "40 rows read from 1 file: 22 kept, 0 rejected, 18 dropped (18 over the limit of 12 per label)"
    );
    let mut reversed = prompts(&other.records);
    reversed.reverse();
    assert_eq!(prompts(&one.records), reversed);
    assert!(one.records[..12].iter().any(|record| record.place.line > 12), "not just the first rows");
}

#[test]
fn duplicates_and_other_targets_are_dropped_before_the_limit() {
    let dir = tempfile::TempDir::new().unwrap();
    let row = |prompt: &str, response: &str, model: &str| json!({"prompt": prompt, "response": response, "model": model});
    let rows = [row("a", "No.", "x"), row("b", "no", "x"), row("A!", "Yes.", "x"), row("d", "Well", "y")];
    let plain = DataSource { targets: vec!["x".to_owned()], ..source(dir.path(), "a.jsonl", &rows) };
    let summary = |deduplicate| {
        let source = DataSource { deduplicate, limit: Some(1), ..plain.clone() };
        read(&source).unwrap().summary.dropped
    };
    let counts = |entries: &[(&str, usize)]| entries.iter().map(|&(why, n)| (why.to_owned(), n)).collect();
    let (target, limit) = (("of another target", 1), "over the limit of 1 per label");
    assert_eq!(summary(Deduplicate::No), counts(&[target, (limit, 2)]));
    assert_eq!(summary(Deduplicate::Prompt), counts(&[target, ("duplicate prompt", 1), (limit, 1)]));
    assert_eq!(summary(Deduplicate::Response), counts(&[target, ("duplicate response", 1), (limit, 1)]));
}

#[test]
fn each_fit_takes_the_rows_that_have_its_text_with_its_weight() {
    let dir = tempfile::TempDir::new().unwrap();
    let both = json!({"prompt": "a", "response": "b", "label": "refused", "weight": 3.0});
    let sources = [
        DataSource { weight: 0.5, ..source(dir.path(), "both.jsonl", std::slice::from_ref(&both)) },
        DataSource {
            prompt_weight: Some(0.1),
            ..source(
                dir.path(),
                "prompts.jsonl",
                &[json!({"prompt": "p", "response": null, "label": "refused"})],
            )
        },
        source(dir.path(), "responses.jsonl", &[json!({"response": "r", "label": "complied"})]),
        DataSource { prompt_weight: Some(0.0), ..source(dir.path(), "out.jsonl", &[both]) },
    ];
    for read_for in BOTH {
        let rows = SourceRows::labelled(&sources, read_for).unwrap();
        let weights = |field| rows.records(field).iter().map(|record| record.weight).collect::<Vec<_>>();
        assert_eq!(weights(Field::Response), [1.5, 1.0, 3.0]);
        assert_eq!(weights(Field::Prompt), [1.5, 0.1]);
        assert_eq!(BOTH.map(|field| rows.left_out(field)), [1, 2]);
        let files = |field| rows.describe(field).unwrap().into_iter().map(|f| f.file).collect::<Vec<_>>();
        assert_eq!(files(Field::Response), ["both.jsonl", "responses.jsonl", "out.jsonl"]);
        assert_eq!(files(Field::Prompt), ["both.jsonl", "prompts.jsonl"]);
    }
}

#[test]
fn a_missing_text_is_still_a_bad_row_where_others_have_it() {
    let dir = tempfile::TempDir::new().unwrap();
    let rows = [
        json!({"prompt": "a", "response": "b", "label": "refused"}),
        json!({"prompt": "a", "label": "refused"}),
        json!({"prompt": "a", "response": " ", "label": "refused"}),
    ];
    let prompts = [json!({"prompt": "a", "label": "refused"}), json!({"prompt": null, "label": "refused"})];
    let sources = [source(dir.path(), "a.jsonl", &rows), source(dir.path(), "b.jsonl", &prompts)];
    let read = SourceRows::labelled(&sources, Field::Response).unwrap();
    assert_eq!(read.left_out(Field::Response), 2, "an answer that did not come, and a prompt alone");
    assert_eq!(read.decided_by_signs(), 1);
    let rejected = read.rejected();
    let reasons: Vec<_> = rejected.iter().map(|bad| (bad.place.line, bad.reason.as_str())).collect();
    assert_eq!(reasons, [(2, "there is no response"), (2, "there is no prompt")]);
}

#[test]
fn rows_to_be_labelled_by_a_machine_come_without_labels() {
    let dir = tempfile::TempDir::new().unwrap();
    let row = json!({"prompt": "a", "response": "b", "label": "refused"});
    let rows = SourceRows::unlabelled(&[source(dir.path(), "a.jsonl", &[row])]).unwrap();
    assert_eq!(rows.records(Field::Prompt)[0].label, None);
    assert_eq!(rows.describe(Field::Prompt).unwrap()[0].labelled_by(), "demur");
}

#[test]
fn a_star_in_a_category_stands_for_any_text() {
    for (pattern, text) in
        [("a", "a"), ("*", ""), ("*;lang=zh", "[x];lang=zh"), ("a*c", "abbc"), ("*ü*", "für")]
    {
        assert!(is_like(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [("a", "ab"), ("*;lang=zh", "[x];lang=zhx"), ("a*c", "abb"), ("", "a")] {
        assert!(!is_like(pattern, text), "{pattern} {text}");
    }
}
