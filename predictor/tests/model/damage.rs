//! Each kind of damage to a model directory has its own error, and nothing panics.

use std::fs;
use std::path::Path;

use demur_predictor::{
    Dense, FORMAT, Input, Model, ModelError, NgramModel, Part, Scratch, SettingsError, Vectorizer,
    VectorizerSettings, sha256,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::{saved, view};

/// Loads the model after a change to its directory.
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

/// Replaces a file and updates the manifest to match it.
fn forge(dir: &Path, name: &str, bytes: &[u8]) {
    fs::write(dir.join(name), bytes).unwrap();
    edit_manifest(dir, |manifest| {
        manifest["files"][name] = serde_json::json!({ "bytes": bytes.len(), "sha256": sha256(bytes) });
    });
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The author of a model directory can make its digests match, so the content behind them is untrusted
    /// too.
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
