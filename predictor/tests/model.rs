//! The model directory: what is written is read back to the last bit, and each kind of damage has its own error.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use demur_predictor::{
    Analyzer, Calibration, Dense, FORMAT, Field, Input, Manifest, Model, ModelError, NgramModel, Part, Parts,
    Policy, Probability, Scratch, SeenPrompts, SettingsError, Vectorizer, VectorizerSettings, View,
    ViewSettings, sha256,
};
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

fn view(settings: VectorizerSettings, part: Part, ngrams: &[&str]) -> View {
    let idf = (0..ngrams.len()).map(|at| 1.0 + at as f32 / 7.0).collect();
    let vectorizer = Vectorizer::new(settings, ngrams, idf).unwrap();
    View { settings: ViewSettings { field: Field::Prompt, part, vectorizer: settings }, vectorizer }
}

fn scorer() -> NgramModel {
    let words = VectorizerSettings { ngrams: (1, 2), sublinear_tf: true, ..Default::default() };
    let chars = VectorizerSettings { analyzer: Analyzer::CharWb, ngrams: (2, 3), ..Default::default() };
    let views = vec![
        view(words, Part::Whole, &["how", "how to", "kill", "poem", "process", "to"]),
        view(chars, Part::FirstWords(3), &[" h", "ho", "how", "ill", "ow", "é "]),
    ];
    let weights = (0..12_i16).map(|at| f32::from(at - 6) / 3.0).collect();
    NgramModel::new(views, weights, Dense::default(), -0.25).unwrap()
}

fn manifest() -> Manifest {
    Manifest {
        format: 0,
        polarity: String::new(),
        written_by: "demur test".to_owned(),
        name: "test-prompt".to_owned(),
        field: Field::Prompt,
        targets: vec!["some model".to_owned()],
        seed: 3,
        calibration: Calibration::Platt { slope: 0.9, intercept: 0.1 },
        target_calibrations: std::collections::BTreeMap::new(),
        calibration_report: None,
        policy: Policy { send_below: 0.4, hold_from: 0.6 },
        views: Vec::new(),
        target_shifts: BTreeMap::new(),
        base_rate: None,
        style: false,
        kinds: None,
        encoder: None,
        training: Vec::new(),
        figures: BTreeMap::new(),
        left_out: None,
        recipe: Value::Null,
        files: BTreeMap::new(),
    }
}

fn model() -> Model {
    let seen = SeenPrompts::of(["how to"].into_iter());
    Model::new(manifest(), Parts { scorer: scorer(), kinds: None, seen, encoder: None }).unwrap()
}

fn saved() -> TempDir {
    let dir = TempDir::new().unwrap();
    model().save(&dir.path().join("model")).unwrap();
    dir
}

/// Loads the model after something was done to its directory.
fn load_after(damage: impl FnOnce(&Path)) -> ModelError {
    let dir = saved();
    let path = dir.path().join("model");
    damage(&path);
    Model::load(&path).expect_err("a damaged model was loaded")
}

fn edit_manifest(dir: &Path, edit: impl FnOnce(&mut Value)) {
    let path = dir.join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    edit(&mut manifest);
    fs::write(path, manifest.to_string()).unwrap();
}

/// Replaces a file and makes the manifest describe the new one.
fn forge(dir: &Path, name: &str, bytes: &[u8]) {
    fs::write(dir.join(name), bytes).unwrap();
    edit_manifest(dir, |manifest| {
        manifest["files"][name] = serde_json::json!({ "bytes": bytes.len(), "sha256": sha256(bytes) });
    });
}

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

#[test]
fn a_missing_file_is_named() {
    for name in ["manifest.json", "vocabulary.txt", "weights.safetensors", "seen.bin"] {
        let error = load_after(|dir| fs::remove_file(dir.join(name)).unwrap());
        assert!(matches!(error, ModelError::Missing { .. }) && error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_folder_in_the_place_of_a_file_is_an_io_error() {
    let error = load_after(|dir| {
        fs::remove_file(dir.join("seen.bin")).unwrap();
        fs::create_dir(dir.join("seen.bin")).unwrap();
    });
    assert!(matches!(error, ModelError::Io { .. }), "{error}");
}

#[test]
fn truncated_and_altered_files_are_told_by_their_digest() {
    for name in ["vocabulary.txt", "weights.safetensors", "seen.bin"] {
        let error = load_after(|dir| {
            let bytes = fs::read(dir.join(name)).unwrap();
            fs::write(dir.join(name), &bytes[..bytes.len() - 1]).unwrap();
        });
        assert!(matches!(error, ModelError::Digest { .. }) && error.to_string().contains(name), "{error}");
        let error = load_after(|dir| {
            let mut bytes = fs::read(dir.join(name)).unwrap();
            bytes[0] ^= 1;
            fs::write(dir.join(name), bytes).unwrap();
        });
        assert!(matches!(error, ModelError::Digest { .. }), "{error}");
    }
}

#[test]
fn a_manifest_that_is_none_is_located() {
    let error = load_after(|dir| fs::write(dir.join("manifest.json"), "{\n  \"format\": }").unwrap());
    assert!(matches!(error, ModelError::Manifest { .. }) && error.to_string().contains("line 2"), "{error}");
    let error = load_after(|dir| edit_manifest(dir, |manifest| manifest["colour"] = Value::from("red")));
    assert!(error.to_string().contains("colour"), "{error}");
}

#[test]
fn a_newer_format_is_refused_whatever_else_it_holds() {
    let error = load_after(|dir| {
        fs::write(dir.join("manifest.json"), r#"{"format": 99, "polarity": "refused=1", "new": []}"#)
            .unwrap();
    });
    assert!(matches!(error, ModelError::NewerFormat { found: 99, supported: FORMAT, .. }), "{error}");
}

#[test]
fn the_wrong_polarity_is_refused() {
    let error =
        load_after(|dir| edit_manifest(dir, |manifest| manifest["polarity"] = Value::from("complied=1")));
    assert!(matches!(&error, ModelError::Polarity { found, .. } if found == "complied=1"), "{error}");
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    let error = load_after(|dir| {
        let mut bytes = fs::read(dir.join("weights.safetensors")).unwrap();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        forge(dir, "weights.safetensors", &bytes);
    });
    let expected =
        ModelError::Settings { path: error_path(&error), cause: SettingsError::NotFinite { what: "weight" } };
    assert_eq!(error.to_string(), expected.to_string());
}

fn error_path(error: &ModelError) -> std::path::PathBuf {
    match error {
        ModelError::Settings { path, .. } => path.clone(),
        other => panic!("{other}"),
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let error = load_after(|dir| forge(dir, "vocabulary.txt", b"how\n"));
    assert!(matches!(error, ModelError::Size { what: "n-grams", found: 1, expected: 12, .. }), "{error}");
    let error = load_after(|dir| {
        edit_manifest(dir, |manifest| manifest["views"].as_array_mut().unwrap().truncate(1));
        let text = fs::read_to_string(dir.join("vocabulary.txt")).unwrap();
        let first: String = text.lines().take(6).flat_map(|line| [line, "\n"]).collect();
        forge(dir, "vocabulary.txt", first.as_bytes());
    });
    assert!(matches!(error, ModelError::Size { what: "weights", found: 12, expected: 6, .. }), "{error}");
}

#[test]
fn what_is_no_safetensors_file_is_refused() {
    let error = load_after(|dir| forge(dir, "weights.safetensors", b"not a tensor file"));
    assert!(matches!(error, ModelError::Layout { .. }), "{error}");
    let error = load_after(|dir| forge(dir, "seen.bin", b"123"));
    assert!(matches!(error, ModelError::Layout { .. }) && error.to_string().contains("64-bit"), "{error}");
    let error = load_after(|dir| forge(dir, "vocabulary.txt", &[0xff; 20]));
    assert!(matches!(error, ModelError::Layout { .. }), "{error}");
    let error = load_after(|dir| {
        edit_manifest(dir, |m| drop(m["files"].as_object_mut().unwrap().remove("seen.bin")));
    });
    assert!(matches!(error, ModelError::Layout { .. }) && error.to_string().contains("seen.bin"), "{error}");
}

#[test]
fn a_vocabulary_or_policy_that_contradicts_itself_is_refused() {
    let error = load_after(|dir| {
        let text = fs::read_to_string(dir.join("vocabulary.txt")).unwrap();
        forge(dir, "vocabulary.txt", text.replacen("how\nhow to\n", "how to\nhow\n", 1).as_bytes());
    });
    assert!(matches!(error, ModelError::Settings { cause: SettingsError::NotSorted(_), .. }), "{error}");
    let error = load_after(|dir| edit_manifest(dir, |m| m["calibration"]["slope"] = Value::from(-1.0)));
    assert!(
        matches!(error, ModelError::Settings { cause: SettingsError::Calibration { .. }, .. }),
        "{error}"
    );
    let error = load_after(|dir| edit_manifest(dir, |m| m["policy"]["send_below"] = Value::from(0.9)));
    assert!(matches!(error, ModelError::Settings { cause: SettingsError::Policy { .. }, .. }), "{error}");
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let wrong = VectorizerSettings { ngrams: (3, 2), ..Default::default() };
    assert!(matches!(Vectorizer::new(wrong, &["a"], vec![1.0]), Err(SettingsError::NgramRange { .. })));
    let words = VectorizerSettings::default();
    let lengths = Vectorizer::new(words, &["ab"], vec![]);
    assert!(matches!(lengths, Err(SettingsError::Lengths { ngrams: 1, idf: 0 })));
    let long = Vectorizer::new(words, &["ab cd"], vec![1.0]);
    assert!(matches!(long, Err(SettingsError::NgramLength { length: 2, .. })));
    let weights = NgramModel::new(vec![view(words, Part::Whole, &["ab"])], vec![], Dense::default(), 0.0);
    assert!(matches!(weights, Err(SettingsError::Weights { weights: 0, features: 1 })));
    let bias = NgramModel::new(vec![], vec![], Dense::default(), f64::NAN);
    assert!(matches!(bias, Err(SettingsError::NotFinite { what: "bias" })));
}

#[test]
fn an_input_without_the_judged_text_is_refused() {
    let inputs = [Input::prompt("how"), Input { response: Some("x"), ..Input::default() }];
    let error = model().predict_all(&inputs).unwrap_err();
    assert_eq!(error.to_string(), "the model reads the prompt, and input 1 has none");
}

#[test]
fn the_strongest_ngrams_come_in_order() {
    let (refused, complied) = scorer().strongest(2);
    let names = |ngrams: &[demur_predictor::WeightedNgram]| {
        ngrams.iter().map(|ngram| format!("{}:{}", ngram.view, ngram.ngram)).collect::<Vec<_>>()
    };
    assert_eq!(names(&refused), ["1:é ", "1:ow"]);
    assert_eq!(names(&complied), ["0:how", "0:how to"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_input_gets_the_same_bits_alone_and_in_any_batch(
        prompts in prop::collection::vec("(how|to|kill|poem|É|[ a-zA-Zİß?!]{0,12}| ){0,12}", 1..8)
    ) {
        let model = model();
        let inputs: Vec<Input<'_>> = prompts.iter().map(|prompt| Input::prompt(prompt)).collect();
        let batch = model.predict_all(&inputs).unwrap();
        for (input, in_batch) in inputs.iter().zip(batch) {
            let alone = model.predict_ngrams(input, &mut Scratch::default()).p_refusal;
            prop_assert_eq!(alone.get().to_bits(), in_batch.get().to_bits());
        }
    }

    #[test]
    fn contributions_sum_to_the_logit_and_stand_where_they_say(text in "(how|to|Kill|poem|É|İ|Σ|[ a-zA-Z]{0,9}| ){0,12}") {
        let scorer = scorer();
        let input = Input::prompt(&text);
        let explanation = scorer.explain(&input);
        let logit = scorer.logit(&input, &mut Scratch::default());
        prop_assert!((explanation.logit - logit).abs() < 1e-9, "{} {}", explanation.logit, logit);
        let sum: f64 = explanation.terms.iter().map(|term| term.contribution).sum();
        prop_assert!((explanation.bias + sum - logit).abs() < 1e-9);
        for term in &explanation.terms {
            prop_assert!(!term.spans.is_empty());
            for &(start, end) in &term.spans {
                let written: String = text[start..end].to_lowercase();
                let trimmed = term.ngram.trim();
                prop_assert!(written.contains(trimmed) || trimmed.split(' ').all(|word| written.contains(word)),
                    "{:?} at {:?}", term.ngram, written);
            }
        }
    }

    #[test]
    fn features_are_the_counted_ngrams_of_the_text(
        words in prop::collection::vec("(how|to|kill|poem|İx|Σας|été|a)", 0..12)
    ) {
        let text = words.join(" ").to_uppercase();
        let view = &scorer().views()[0].vectorizer.clone();
        // The same by its definition: lower-case, words of two characters or more, sublinear counts, tf-idf, unit length.
        let lower = text.to_lowercase();
        let tokens: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|t| t.chars().count() >= 2).collect();
        let ngrams: Vec<String> = (1..=2).flat_map(|n| tokens.windows(n).map(|w| w.join(" "))).collect();
        let mut expected: Vec<(u32, f64)> = Vec::new();
        for feature in 0..u32::try_from(view.len()).unwrap() {
            let count = ngrams.iter().filter(|ngram| **ngram == view.ngram(feature)).count();
            if count > 0 {
                expected.push((feature, (1.0 + (count as f64).ln()) * f64::from(view.idf()[feature as usize])));
            }
        }
        let length = expected.iter().map(|(_, value)| value * value).sum::<f64>().sqrt();
        let found = view.transform(&text, &mut Scratch::default());
        prop_assert_eq!(found.len(), expected.len());
        for ((feature, value), (wanted, expected)) in found.into_iter().zip(expected) {
            prop_assert_eq!(feature, wanted);
            prop_assert!((value - expected / length).abs() < 1e-12);
        }
    }

    #[test]
    fn any_text_gives_a_probability(text in "\\PC*") {
        let p = model().predict_ngrams(&Input::prompt(&text), &mut Scratch::default()).p_refusal;
        prop_assert!((0.0..=1.0).contains(&p.get()));
        prop_assert_eq!(Probability::new(p.get()), Ok(p));
    }

    /// Whoever writes a model directory can make its digests agree: what lies behind them is hostile all the same.
    #[test]
    fn a_forged_model_is_refused_or_scores_and_never_panics(
        name in prop_oneof![Just("vocabulary.txt"), Just("weights.safetensors"), Just("seen.bin")],
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let dir = saved();
        let path = dir.path().join("model");
        let mut bytes = fs::read(path.join(name)).unwrap();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        forge(&path, name, &bytes);
        if let Ok(model) = Model::load(&path) {
            let p = model.predict_ngrams(&Input::prompt("how to kill a poem"), &mut Scratch::default()).p_refusal;
            prop_assert!((0.0..=1.0).contains(&p.get()));
        }
    }

    #[test]
    fn a_damaged_manifest_is_refused_or_scores_and_never_panics(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let dir = saved();
        let path = dir.path().join("model");
        let file = path.join("manifest.json");
        let mut bytes = fs::read(&file).unwrap();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        fs::write(&file, &bytes).unwrap();
        if let Ok(model) = Model::load(&path) {
            let p = model.predict_ngrams(&Input::prompt("how to kill a poem"), &mut Scratch::default()).p_refusal;
            prop_assert!((0.0..=1.0).contains(&p.get()));
        }
    }
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
    let card = |of: &Manifest| {
        let dir = TempDir::new().unwrap();
        let parts = Parts { scorer: scorer(), kinds: None, seen: SeenPrompts::default(), encoder: None };
        Model::new(of.clone(), parts).unwrap().save(dir.path().join("m").as_path()).unwrap();
        fs::read_to_string(dir.path().join("m/README.md")).unwrap()
    };
    of.figures.insert("cross-fit".to_owned(), figures("agreement with judge models' labels"));
    let judged = card(&of);
    assert!(judged.contains("Rows by who labelled them: 40 by judge models."), "{judged}");
    assert!(judged.contains("| ours | a.jsonl | 40 | judge (gpt-4o) | `00` |"), "{judged}");
    let line = "| cross-fit | 40 | 0.250 | 0.900 | 0.750 | 0.800 | 0.950 | 0.050 | agreement with judge models' labels |";
    assert!(judged.contains(line) && !judged.contains("accuracy"), "{judged}");
    of.figures.insert("cross-fit".to_owned(), figures("accuracy"));
    assert!(card(&of).contains("| evaluation | n | base rate | accuracy | majority | phrase list |"));
    // A figure of before names no labeller, so it is no accuracy.
    of.figures.insert("cross-fit".to_owned(), serde_json::json!({ "n": 40, "accuracy": 0.9 }));
    let before = card(&of);
    assert!(
        before.contains("| cross-fit | 40 | - | 0.900 | - | - | - | - | agreement with labels of unknown"),
        "{before}"
    );
    let mean = demur_predictor::SourceFigures {
        n: 10,
        refused: 0.5,
        accuracy: 0.6,
        majority: 0.5,
        phrase_list: 0.55,
        auroc: None,
        ece: 0.2,
    };
    of.left_out = Some(demur_predictor::LeftOutReport {
        limits: "Weak on other sources.".to_owned(),
        sources: vec![demur_predictor::LeftOutSource {
            name: "theirs".to_owned(),
            labeller: demur_data::Labeller::Norm,
            figures: mean,
        }],
        mean,
    });
    let limited = card(&of);
    assert!(limited.contains("## Limits and use\n\nWeak on other sources.\n"), "{limited}");
    assert!(
        limited.contains("| theirs | norm | 10 | 0.500 | 0.600 | 0.500 | 0.550 | - | 0.200 |"),
        "{limited}"
    );
}
