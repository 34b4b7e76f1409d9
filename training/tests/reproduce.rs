//! The random numbers and splits behind `demur reproduce`, compared with `NumPy` and scikit-learn:
//! `tests/golden/make_permutations.py` made the fixture (versions in it).

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use demur_data::{Label, Labelled, Labeller, Place, Record};
use demur_predictor::Field;
use demur_training::{
    Examples, Liblinear, PaperFiles, RandomState, TrainingError, ViewParams, paper_split, train_test_split,
};
use serde_json::Value;

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().unwrap()
}

fn whole(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

fn rows(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|row| whole(row) as usize).collect()
}

#[test]
fn permutations_are_those_of_numpy() {
    let fixture = fixture("permutations.json");
    let cases = list(&fixture, "permutations");
    assert_eq!(cases.len(), 24);
    for case in cases {
        let (n, seed) = (whole(&case["n"]), whole(&case["seed"]));
        let order = RandomState::new(seed).permutation(n);
        if case["order"].is_array() {
            assert_eq!(order, rows(&case["order"]), "n {n}, seed {seed}");
        } else {
            assert_eq!(order[..10], rows(&case["first"]), "n {n}, seed {seed}");
            let checksum: u64 = (1..).zip(&order).map(|(at, &value)| at * value as u64).sum();
            assert_eq!(checksum, case["checksum"].as_u64().unwrap(), "n {n}, seed {seed}");
        }
    }
}

#[test]
fn splits_are_those_of_scikit_learn() {
    let fixture = fixture("permutations.json");
    for case in list(&fixture, "splits") {
        let split = paper_split(whole(&case["n"]));
        assert_eq!(split.train, rows(&case["train"]), "{}", case["n"]);
        assert_eq!(split.validation, rows(&case["validation"]), "{}", case["n"]);
        assert_eq!(split.test, rows(&case["test"]), "{}", case["n"]);
    }
    for case in list(&fixture, "shares") {
        let (n, share, seed) = (whole(&case["n"]), case["share"].as_f64().unwrap(), whole(&case["seed"]));
        assert_eq!(
            train_test_split(n, share, seed).test,
            rows(&case["test"]),
            "n {n}, share {share}, seed {seed}"
        );
    }
}

fn view() -> ViewParams {
    ViewParams { ngrams: (1, 3), ..ViewParams::new(Field::Prompt) }
}

fn record(prompt: &str, label: Label) -> Record {
    Record {
        id: None,
        prompt: Some(prompt.to_owned()),
        response: None,
        signs: None,
        context: Vec::new(),
        sent_in: demur_data::Context::default(),
        target: None,
        source: None,
        category: None,
        split: None,
        group: None,
        label: Some(Labelled::of(label, Labeller::Person)),
        weight: 1.0,
        place: Place { file: "rows".into(), line: 1 },
        row: None,
    }
}

#[test]
fn the_penalised_intercept_is_that_of_liblinear() {
    let (fixture, texts) = (fixture("permutations.json"), fixture("texts.json"));
    let label = |row: &Value| if row["label"] == 1 { Label::Refused } else { Label::Complied };
    let records: Vec<Record> =
        list(&texts, "texts").iter().map(|row| record(row["text"].as_str().unwrap(), label(row))).collect();
    let examples = Examples::of(&records, &vec![0; records.len()]);
    for case in list(&fixture, "liblinear") {
        let c = case["c"].as_f64().unwrap();
        let fitted = Liblinear::fit(&[view()], c, &examples).unwrap();
        let expected = case["intercept"].as_f64().unwrap();
        assert!((fitted.fit.bias - expected).abs() < 1e-5, "C {c}: {}, {expected}", fitted.fit.bias);
        for (logit, expected) in fitted.logits(&examples.inputs).into_iter().zip(list(case, "decision")) {
            let expected = expected.as_f64().unwrap();
            assert!((logit - expected).abs() < 1e-5, "C {c}: {logit}, scikit-learn {expected}");
        }
        let strongest = fitted.strongest(5);
        assert_eq!(strongest.len(), 5);
        assert!(strongest.is_sorted_by(|a, b| a.1 >= b.1), "{strongest:?}");
    }
}

#[test]
fn one_class_is_refused() {
    for label in [Label::Complied, Label::Refused] {
        let records = vec![record("why so", label); 3];
        let error = Liblinear::fit(&[view()], 1.0, &Examples::of(&records, &[0, 0, 0])).unwrap_err();
        assert!(matches!(error, TrainingError::OneClass { rows: 3 }), "{error}");
    }
}

#[test]
fn the_published_files_are_found_in_a_folder_and_in_a_clone() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(PaperFiles::find(dir.path()), None);
    fs::create_dir(dir.path().join("data")).unwrap();
    fs::write(dir.path().join("data/all_hand_labeled.json"), "[]").unwrap();
    let found = PaperFiles::find(dir.path()).unwrap();
    assert_eq!(found.hand_labelled, dir.path().join("data/all_hand_labeled.json"));
    assert_eq!((found.quora, found.bootstrap), (None, None));
    fs::write(dir.path().join("hand_labeled.json"), "[]").unwrap();
    fs::write(dir.path().join(PaperFiles::QUORA), "[]").unwrap();
    let found = PaperFiles::find(dir.path()).unwrap();
    assert_eq!(found.hand_labelled, dir.path().join("hand_labeled.json"));
    assert_eq!(found.quora, Some(dir.path().join(PaperFiles::QUORA)));
}
