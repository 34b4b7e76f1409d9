//! The model directory and the scores of a small model that is built here.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod damage;
mod directory;
mod scoring;

use std::collections::BTreeMap;

use demur_predictor::{
    Analyzer, Calibration, Dense, Field, Model, ModelDescription, NgramModel, Part, Parts, Policy,
    SeenPrompts, Vectorizer, VectorizerSettings, View, ViewSettings,
};
use serde_json::Value;
use tempfile::TempDir;

fn view(settings: VectorizerSettings, part: Part, ngrams: &[&str]) -> View {
    let idf = (0..ngrams.len()).map(|at| 1.0 + at as f32 / 7.0).collect();
    let vectorizer = Vectorizer::new(settings, ngrams, idf).unwrap();
    View { settings: ViewSettings { field: Field::Prompt.into(), part, vectorizer: settings }, vectorizer }
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

fn manifest() -> ModelDescription {
    ModelDescription {
        written_by: "demur test".to_owned(),
        name: "test-prompt".to_owned(),
        field: Field::Prompt,
        targets: vec!["some model".to_owned()],
        seed: 3,
        calibration: Calibration::Platt { slope: 0.9, intercept: 0.1 },
        target_calibrations: std::collections::BTreeMap::new(),
        calibration_report: None,
        policy: Policy { send_below: 0.4, hold_from: 0.6 },
        base_rate: None,
        encoder: None,
        training: Vec::new(),
        figures: BTreeMap::new(),
        recipe: Value::Null,
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
