//! A build without encoders loads a model that has one: it reports which build is needed, and can serve the
//! n-grams.

#![cfg(not(any(feature = "bert", feature = "ort")))]

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::Dir;

/// A model whose manifest has an encoder tier, as a build with encoders would write it.
fn with_encoder() -> Dir {
    let dir = Dir::with_models();
    let mut manifest: Value = serde_json::from_str(&dir.text("prompt/manifest.json")).unwrap();
    manifest["format"] = json!(3);
    let cascade = |below: f64, from: f64| json!({"below": below, "from": from});
    manifest["encoder"] = json!({
        "base": {"name": "tiny", "licence": null, "sha256": "0".repeat(64)},
        "tuned": true,
        "config": {
            "architecture": "bert", "hidden": 8, "layers": 2, "heads": 2, "intermediate": 16, "positions": 64,
            "vocabulary": 32, "token_types": 2, "layer_norm_eps": 1e-12, "pad": 0, "buckets": 0, "dropout": 0.1,
            "lowercase": true,
        },
        "reads": {"text": "prompt", "tokens": 32},
        "stack": {"ngrams": 0.5, "encoder": 1.5, "bias": -0.25},
        "calibration": manifest["calibration"],
        "cascade": cascade(0.1, 0.9),
        "cascades": [{"cascade": cascade(0.2, 0.8), "cheap": 0.4, "accuracy": 0.7, "auroc": 0.75}],
        "direction": {"middle": 0.0, "deviation": 1.0, "auroc": 0.79, "head_auroc": 0.83},
    });
    dir.write("prompt/manifest.json", manifest.to_string());
    dir
}

#[test]
fn a_model_with_an_encoder_is_refused_with_what_it_needs() {
    let dir = with_encoder();
    dir.write_rows("in.jsonl", &[json!({"prompt": "hello"})]);
    for command in ["predict hello", "explain hello", "score in.jsonl --out out.jsonl", "serve --port 0"] {
        dir.demur(&format!("{command} --model prompt"))
            .fails(1, &["prompt: this demur was built without encoders", "--features bert", "--tier ngram"]);
    }
    assert!(!dir.path("out.jsonl").exists());
}

#[test]
fn its_n_grams_are_served_in_every_build() {
    let dir = with_encoder();
    let told = dir.demur("predict hello --model prompt --tier ngram --json").succeeds().json();
    assert_eq!(told.get("tier"), None);
    let before = Dir::with_models().demur("predict hello --model prompt --json").succeeds().json();
    assert_eq!(told["p_refusal"], before["p_refusal"]);
    dir.write_rows("in.jsonl", &[json!({"prompt": "hello"})]);
    dir.demur("score in.jsonl --model prompt --tier ngram --out out.jsonl").succeeds();
    let columns: Vec<String> = dir.rows("out.jsonl")[0].keys().cloned().collect();
    assert_eq!(columns, ["prompt", "p_refusal", "decision", "model_digest"]);
    let server = Server::start(&dir, "--model prompt --tier ngram");
    let answer = server.post("/v1/predict", r#"{"prompt": "hello"}"#).ok();
    assert!(
        (answer["predictions"][0]["p_refusal"].as_f64().unwrap() - told["p_refusal"].as_f64().unwrap()).abs()
            < 1e-12
    );
    assert_eq!(server.get("/v1/models/prompt").ok()["encoder"], Value::Null);
    dir.demur("predict hello --model prompt --tier ngram --cheap 0.4")
        .fails(2, &["only the model's n-gram tier is loaded"]);
}

#[test]
fn inspect_tells_of_an_encoder_that_is_not_loaded() {
    let out = with_encoder().demur("inspect prompt").succeeds().stdout;
    for part in [
        "base        tiny (licence not stated)",
        "tuned       yes",
        "logit       0.500 x n-grams +1.500 x encoder -0.250",
        "direction   AUROC 0.790; the head 0.830",
        "cascade     the n-gram tier answers alone below 0.100 and from 0.900",
        "   0.40     0.700   0.750   0.200   0.800",
    ] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
}
