//! Parity of both encoders with the reference implementation, on the fixture that
//! `tests/golden/make_encoder.py` makes, with each library. They need the encoders that scripts/setup-bert.sh
//! fetches with libtorch, so they are of the builds with `bert` and ignored even there by default.

#![cfg(feature = "bert")]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use demur_predictor::Input;
use demur_predictor::encoder::{BaseFiles, Encoder, EncoderOptions, Library, Reads};
use serde_json::Value;

fn fixture() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/encoder.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The folder of an installed encoder.
fn folder(name: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.bert");
    BaseFiles::find(name, &[place]).unwrap()
}

fn numbers<T>(value: &Value, of: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    value.as_array().unwrap().iter().map(|number| of(number).unwrap()).collect()
}

/// Compares tokens and embedding of an input with a row of the fixture.
fn compare(encoder: &Encoder, reads: &Reads, input: &Input<'_>, row: &Value, what: &str) {
    let tokens = encoder.tokens(reads, input).unwrap();
    let expected = numbers(&row["ids"], |id| u32::try_from(id.as_u64()?).ok());
    assert_eq!(tokens.ids, expected, "{what}");
    let embedding = encoder.embed(reads, std::slice::from_ref(input)).unwrap();
    let norm = embedding.iter().map(|&number| f64::from(number).powi(2)).sum::<f64>().sqrt();
    let expected_norm = row["norm"].as_f64().unwrap();
    assert!(
        (norm - expected_norm).abs() < 1e-5 * expected_norm.max(1.0),
        "{what}: {norm} for {expected_norm}"
    );
    let (expected, found): (Vec<f64>, Vec<f32>) = match row.get("embedding") {
        Some(all) => (numbers(all, Value::as_f64), embedding),
        None => {
            let step = embedding.len() / 16;
            (numbers(&row["sample"], Value::as_f64), embedding.iter().step_by(step).copied().collect())
        }
    };
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (&found, expected)) in found.iter().zip(expected).enumerate() {
        let found = f64::from(found);
        assert!(
            (found - expected).abs() < 1e-5 * expected.abs().max(1.0),
            "{what}, {at}: {found} for {expected}"
        );
    }
}

fn parity(name: &str, of_fixture: &str) {
    let folder = folder(name);
    let fixture = fixture();
    let files = BaseFiles::read(&folder).unwrap();
    let rows = &fixture["encoders"][of_fixture];
    assert_eq!(files.sha256, rows["model"].as_str().unwrap(), "the weights that the fixture is of");
    let prompt_tokens = usize::try_from(fixture["prompt_tokens"].as_u64().unwrap()).unwrap();
    let most = |input: &Value| usize::try_from(input["max_len"].as_u64().unwrap()).unwrap();
    for library in Library::ALL {
        let options = EncoderOptions { library, ..EncoderOptions::default() };
        let encoder = Encoder::new(&files.config, &files.vocabulary, &files.weights, options).unwrap();
        let texts = fixture["texts"].as_array().unwrap().iter().zip(rows["texts"].as_array().unwrap());
        for (input, row) in texts {
            let (text, tokens) = (input["text"].as_str().unwrap(), most(input));
            let what = format!("{} {text:.40?}", library.name());
            compare(&encoder, &Reads::Prompt { tokens }, &Input::prompt(text), row, &what);
        }
        let pairs = fixture["pairs"].as_array().unwrap().iter().zip(rows["pairs"].as_array().unwrap());
        for (pair, row) in pairs {
            let (prompt, response) = (pair["prompt"].as_str(), pair["response"].as_str());
            let reads = Reads::Both { tokens: most(pair), prompt_tokens };
            let what = format!("{} pair {prompt:.40?}", library.name());
            compare(&encoder, &reads, &Input { prompt, response, ..Input::default() }, row, &what);
        }
    }
}

#[test]
#[ignore = "needs an encoder; scripts/setup-bert.sh fetches it"]
fn minilm_is_the_reference() {
    parity("all-MiniLM-L6-v2", "minilm");
}

#[test]
#[ignore = "needs an encoder; scripts/setup-bert.sh fetches it"]
fn mpnet_is_the_reference() {
    parity("all-mpnet-base-v2", "mpnet");
}

/// An input's result does not depend on the rest of its batch beyond the last digits, and the order of inputs
/// is kept.
#[test]
#[ignore = "needs an encoder; scripts/setup-bert.sh fetches it"]
fn company_hardly_matters() {
    let folder = folder("all-MiniLM-L6-v2");
    let files = BaseFiles::read(&folder).unwrap();
    let texts: Vec<String> = (1..=40).map(|words| "what is this word ".repeat(words % 11 + 1)).collect();
    let inputs: Vec<Input<'_>> = texts.iter().map(|text| Input::prompt(text)).collect();
    let reads = Reads::Prompt { tokens: 64 };
    for library in Library::ALL {
        let options = EncoderOptions { library, threads: 1 };
        let encoder = Encoder::new(&files.config, &files.vocabulary, &files.weights, options).unwrap();
        let together = encoder.embed(&reads, &inputs).unwrap();
        for (input, row) in inputs.iter().zip(together.chunks_exact(files.config.width())) {
            let alone = encoder.embed(&reads, std::slice::from_ref(input)).unwrap();
            for (a, b) in alone.iter().zip(row) {
                assert!((a - b).abs() < 1e-5, "{}: {a} {b}", library.name());
            }
        }
    }
}
