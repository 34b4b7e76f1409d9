//! A written model is read back exactly, and the card shows what is in the manifest.

use std::fs;

use demur_predictor::{Input, Model, ModelDescription, ModelError, Parts, Scratch, SeenPrompts};
use tempfile::TempDir;

use crate::{manifest, model, saved, scorer};

#[test]
fn a_model_read_back_scores_to_the_same_bits() {
    let dir = saved();
    let path = dir.path().join("model");
    let (before, after) = (model(), Model::load(&path).unwrap());
    assert_eq!(before.digest(), after.digest());
    assert_eq!(before.manifest(), after.manifest());
    assert_eq!(after.manifest().format, 2, "builds of before read models without an encoder tier");
    assert_eq!(before.seen(), after.seen());
    let mut scratch = Scratch::default();
    for prompt in ["How to kill a process?", "", "poem poem poem", "naïvé how HOW to"] {
        let input = Input::prompt(prompt);
        let (a, b) = (
            before.predict_ngrams(&input, &mut scratch).p_refusal,
            after.predict_ngrams(&input, &mut scratch).p_refusal,
        );
        assert_eq!(a.get().to_bits(), b.get().to_bits(), "{prompt:?}");
    }
}

#[test]
fn a_save_writes_the_same_bytes_each_time_and_replaces_a_model() {
    let dir = saved();
    let path = dir.path().join("model");
    let read = || {
        let mut files: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect::<Vec<_>>()
    };
    let before = read();
    assert_eq!(before.len(), 5);
    model().save(&path).unwrap();
    assert_eq!(read(), before);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something was left beside the model");
}

#[test]
fn a_save_does_not_replace_what_is_no_model() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("thesis.txt"), "precious").unwrap();
    let error = model().save(dir.path()).unwrap_err();
    assert!(matches!(error, ModelError::NotAModel { .. }), "{error}");
    assert!(dir.path().join("thesis.txt").exists());
}

/// The card of a model with this description.
fn card(of: &ModelDescription) -> String {
    let parts = Parts { scorer: scorer(), kinds: None, seen: SeenPrompts::default(), encoder: None };
    card_of(&Model::new(of.clone(), parts).unwrap())
}

fn card_of(model: &Model) -> String {
    let dir = TempDir::new().unwrap();
    model.save(dir.path().join("m").as_path()).unwrap();
    fs::read_to_string(dir.path().join("m/README.md")).unwrap()
}

#[test]
fn a_card_names_labellers_and_sets_baselines_beside_figures() {
    let figures = |measures: &str| {
        serde_json::json!({
            "n": 40, "base_rate": 0.25, "accuracy": 0.9, "auroc": 0.95, "ece": 0.05, "measures": measures,
            "baselines": { "majority": { "accuracy": 0.75 }, "phrase_list": { "accuracy": 0.8 } },
        })
    };
    let mut of = manifest();
    of.training = vec![demur_predictor::TrainingData {
        source: Some("ours".to_owned()),
        file: "a.jsonl".to_owned(),
        sha256: "00".to_owned(),
        rows: 40,
        labellers: vec![demur_predictor::LabelledRows {
            by: demur_data::Labeller::Judge,
            who: Some("gpt-4o".to_owned()),
            rows: 40,
        }],
        licence: None,
    }];
    of.figures.insert("cross-fit".to_owned(), figures("agreement with judge models' labels"));
    let judged = card(&of);
    assert!(judged.contains("Rows by who labelled them: 40 by judge models."), "{judged}");
    assert!(judged.contains("| ours | a.jsonl | 40 | judge (gpt-4o) | `00` |"), "{judged}");
    let line = "| cross-fit | 40 | 0.250 | 0.900 | 0.750 | 0.800 | 0.950 | 0.050 | agreement with judge models' labels |";
    assert!(judged.contains(line) && !judged.contains("accuracy"), "{judged}");
    of.figures.insert("cross-fit".to_owned(), figures("accuracy"));
    assert!(card(&of).contains("| evaluation | n | base rate | accuracy | majority | phrase list |"));
    // A figure from an older version has no labeller, so it is not called an accuracy.
    of.figures.insert("cross-fit".to_owned(), serde_json::json!({ "n": 40, "accuracy": 0.9 }));
    let before = card(&of);
    assert!(
        before.contains("| cross-fit | 40 | - | 0.900 | - | - | - | - | agreement with labels of unknown"),
        "{before}"
    );
}

#[test]
fn a_card_says_what_the_model_is_worth_on_sources_left_out() {
    let mean = demur_predictor::SourceFigures {
        n: 10,
        refused: 0.5,
        accuracy: 0.6,
        majority: 0.5,
        phrase_list: 0.55,
        auroc: None,
        ece: 0.2,
    };
    let report = demur_predictor::LeftOutReport {
        limits: "Weak on other sources.".to_owned(),
        sources: vec![demur_predictor::LeftOutSource {
            name: "theirs".to_owned(),
            labeller: demur_data::Labeller::Norm,
            figures: mean,
        }],
        mean,
    };
    let limited = card_of(&model().with_left_out(Some(report)).unwrap());
    assert!(limited.contains("## Limits and use\n\nWeak on other sources.\n"), "{limited}");
    assert!(
        limited.contains("| theirs | norm | 10 | 0.500 | 0.600 | 0.500 | 0.550 | - | 0.200 |"),
        "{limited}"
    );
}
