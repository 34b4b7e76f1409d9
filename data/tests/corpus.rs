//! The project's own corpus (`data/corpus`): every row is complete, no row occurs twice, and the counts in
//! its README are correct.
//!
//! Models are fitted on these rows, and readers rely on the README to assess them, so an error in either is a
//! bug.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use demur_data::{Kind, Label, normalise};
use serde_json::{Map, Value};

type Row = Map<String, Value>;
/// Rows by label: refused, complied, without a label.
type Counts = BTreeMap<String, [usize; 3]>;

const LANGUAGES: [&str; 19] = [
    "ar", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko", "nl", "pl", "pt", "ru", "sw", "tr", "uk",
    "vi", "zh",
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
}

fn rows(name: &str) -> Vec<Row> {
    let parse = |(line, row): (usize, &str)| {
        serde_json::from_str(row).unwrap_or_else(|cause| panic!("{name}, line {}: {cause}", line + 1))
    };
    text(name).lines().enumerate().map(parse).collect()
}

/// A field that must be a non-empty text.
fn field<'a>(row: &'a Row, name: &str) -> &'a str {
    match row.get(name).and_then(Value::as_str) {
        Some(value) if !value.trim().is_empty() => value,
        _ => panic!("`{name}` is missing or blank in {row:?}"),
    }
}

fn label(row: &Row) -> Option<Label> {
    match &row["label"] {
        Value::Null => None,
        Value::String(name) if name == "refused" => Some(Label::Refused),
        Value::String(name) if name == "complied" => Some(Label::Complied),
        other => panic!("label {other} in {row:?}"),
    }
}

/// What all rows share: their columns, unique ids, a known language, and a labeller.
fn check_rows(rows: &[Row], columns: &[&str]) {
    let mut ids = BTreeSet::new();
    for row in rows {
        let named = row.keys().map(String::as_str).filter(|&name| name != "weight");
        assert_eq!(named.collect::<Vec<_>>(), columns, "{row:?}");
        assert!(ids.insert(field(row, "id")), "the id is there twice: {row:?}");
        assert!(LANGUAGES.contains(&field(row, "language")), "{row:?}");
        assert_eq!(field(row, "labelled_by"), "norm", "{row:?}");
        field(row, "topic");
        field(row, "why");
    }
}

#[test]
fn prompts_are_whole_and_no_two_are_equal() {
    let mut rows = rows("prompts.jsonl");
    rows.extend(self::rows("languages.jsonl"));
    check_rows(&rows, &["id", "prompt", "label", "topic", "language", "why", "labelled_by"]);
    let mut seen = BTreeMap::new();
    for row in &rows {
        assert!(label(row).is_some(), "no label: {row:?}");
        let before = seen.insert(normalise(field(row, "prompt")), field(row, "id"));
        assert_eq!(before, None, "the prompt of {} is there already", field(row, "id"));
    }
}

#[test]
fn answers_are_whole_and_labels_agree_with_kinds() {
    let rows = rows("answers.jsonl");
    check_rows(
        &rows,
        &["id", "prompt", "response", "label", "kind", "topic", "language", "why", "labelled_by"],
    );
    let mut seen = BTreeMap::new();
    for row in &rows {
        let kind = Kind::from_name(field(row, "kind")).unwrap_or_else(|| panic!("kind in {row:?}"));
        let expected = match kind {
            Kind::Complied | Kind::Disclaimed => Some(Label::Complied),
            Kind::DontKnow | Kind::Incoherent => None,
            Kind::Contradicted | Kind::Redirected | Kind::Counseling | Kind::Rejected => Some(Label::Refused),
        };
        assert_eq!(label(row), expected, "label and kind of {row:?}");
        let needs_its_prompt = matches!(kind, Kind::Contradicted | Kind::Redirected);
        let weight = row.get("weight").and_then(Value::as_f64);
        assert_eq!(weight, needs_its_prompt.then_some(0.25), "the weight of {row:?}");
        let prompt = if row["prompt"].is_null() { "" } else { field(row, "prompt") };
        let pair = (normalise(prompt), normalise(field(row, "response")));
        let before = seen.insert(pair, field(row, "id"));
        assert_eq!(before, None, "the pair of {} is there already", field(row, "id"));
    }
}

/// The counts in the README's tables, by heading. A row of a table is `| name | refused | complied | no label
/// |`.
fn stated(readme: &str) -> BTreeMap<String, Counts> {
    let mut tables: BTreeMap<String, Counts> = BTreeMap::new();
    let mut heading = String::new();
    for line in readme.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            title.clone_into(&mut heading);
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", name, refused, complied, neither, ""] = cells[..] {
            let numbers: Result<Vec<usize>, _> =
                [refused, complied, neither].iter().map(|n| n.parse()).collect();
            if let Ok(numbers) = numbers {
                let counts = [numbers[0], numbers[1], numbers[2]];
                tables.entry(heading.clone()).or_default().insert(name.to_owned(), counts);
            }
        }
    }
    tables
}

fn count(rows: &[Row], column: &str) -> Counts {
    let mut counts = Counts::new();
    for row in rows {
        let place = match label(row) {
            Some(Label::Refused) => 0,
            Some(Label::Complied) => 1,
            None => 2,
        };
        for name in [field(row, column), "all"] {
            counts.entry(name.to_owned()).or_default()[place] += 1;
        }
    }
    counts
}

#[test]
fn the_counts_in_the_readme_are_true() {
    let (prompts, answers) = (rows("prompts.jsonl"), rows("answers.jsonl"));
    let languages = rows("languages.jsonl");
    let counted = BTreeMap::from([
        ("Prompts by language".to_owned(), count(&prompts, "language")),
        ("Prompts by topic".to_owned(), count(&prompts, "topic")),
        ("Prompts in other languages than English".to_owned(), count(&languages, "language")),
        ("Answers by language".to_owned(), count(&answers, "language")),
        ("Answers by kind".to_owned(), count(&answers, "kind")),
        ("Answers by topic".to_owned(), count(&answers, "topic")),
    ]);
    let stated = stated(&text("README.md"));
    let headings = |tables: &BTreeMap<String, Counts>| tables.keys().cloned().collect::<Vec<_>>();
    assert_eq!(headings(&stated), headings(&counted));
    for (heading, counts) in &counted {
        let told = &stated[heading];
        let names = counts.keys().chain(told.keys()).filter(|name| counts.get(*name) != told.get(*name));
        let wrong: BTreeMap<_, _> = names.map(|name| (name, (told.get(name), counts.get(name)))).collect();
        assert!(wrong.is_empty(), "{heading}, stated and counted: {wrong:?}");
    }
}

#[cfg(feature = "frames")]
#[test]
fn the_reader_keeps_every_row() {
    for name in ["prompts.jsonl", "languages.jsonl", "answers.jsonl"] {
        let corpus = demur_data::read(&[path(name)], &demur_data::ReadOptions::default()).unwrap();
        assert_eq!((corpus.records.len(), corpus.rejected.len()), (rows(name).len(), 0), "{name}");
    }
}
