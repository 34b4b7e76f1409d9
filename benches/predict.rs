//! One prompt in process: P(refusal) of prompts of about twenty words, and the loading of the model.
//!
//! `DEMUR_BENCH_MODEL` names a model directory; without it the bundled prompt model is used.
//! `DEMUR_BENCH_PROMPTS` names a JSON Lines file with the column `prompt`; without it the starter corpus is.
//! `benches/run` runs the peers on the same prompts.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use demur_predictor::{Bundled, Input, Model, Scratch};

fn model() -> Model {
    let model = env::var_os("DEMUR_BENCH_MODEL")
        .map_or_else(|| Model::bundled(Bundled::Prompt), |dir| Model::load(Path::new(&dir)));
    model.expect("a model")
}

/// The prompts of 18 to 22 words.
fn prompts() -> Vec<String> {
    let starter = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/starter/labelled.jsonl");
    let file = env::var("DEMUR_BENCH_PROMPTS").unwrap_or_else(|_| starter.to_owned());
    let text = fs::read_to_string(file).expect("readable prompts");
    let row = |line| serde_json::from_str::<serde_json::Value>(line).expect("a row");
    let prompts = text.lines().filter_map(|line| row(line)["prompt"].as_str().map(ToOwned::to_owned));
    prompts.filter(|prompt| (18..=22).contains(&prompt.split_whitespace().count())).collect()
}

fn predict(c: &mut Criterion) {
    let (model, prompts) = (model(), prompts());
    assert!(prompts.len() >= 10, "only {} prompts of about twenty words", prompts.len());
    let mut scratch = Scratch::default();
    let mut next = prompts.iter().cycle();
    let ngrams = model.scorer().weights().len();
    c.bench_function(
        &format!("predict a 20-word prompt ({} prompts, {ngrams} n-grams)", prompts.len()),
        |b| {
            b.iter(|| {
                let prompt = next.next().expect("a cycle does not end");
                model.predict_ngrams(black_box(&Input::prompt(prompt)), &mut scratch).p_refusal
            });
        },
    );
}

fn load(c: &mut Criterion) {
    c.bench_function("load the model", |b| b.iter(model));
}

criterion_group!(benches, predict, load);
criterion_main!(benches);
