//! One prompt in process: P(refusal) of prompts of about twenty words under the starter recipe's prompt model.
//!
//! `DEMUR_BENCH_ROWS` names a JSON array or JSON Lines file of labelled prompts to fit on; without it the starter
//! corpus is used. `benches/run` runs the scikit-learn side on the same rows.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use demur_data::Record;
use demur_predictor::{Field, Input, Scratch};
use demur_training::{DataSource, Examples, Grouping, Recipe};

/// The labelled prompts to fit on.
fn records() -> Vec<Record> {
    let starter = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/starter/labelled.jsonl");
    let file = std::env::var_os("DEMUR_BENCH_ROWS").map_or_else(|| PathBuf::from(starter), PathBuf::from);
    DataSource::of(vec![file]).read(&[Field::Prompt], true, false).expect("readable rows").records
}

fn predict(c: &mut Criterion) {
    let records = records();
    let examples = Examples::of(&records, &Grouping::Equal.groups(&records));
    let recipe = Recipe::starter().expect("the starter recipe");
    let model = recipe.prompt.fit.fit(&examples, recipe.seed).expect("a fit").model;
    let prompts: Vec<&str> = records
        .iter()
        .filter_map(|record| record.prompt.as_deref())
        .filter(|prompt| (18..=22).contains(&prompt.split_whitespace().count()))
        .collect();
    assert!(prompts.len() >= 10, "only {} prompts of about twenty words", prompts.len());
    let mut scratch = Scratch::default();
    let mut next = prompts.iter().cycle();
    let name =
        format!("predict a 20-word prompt ({} rows, {} n-grams)", records.len(), model.weights().len());
    c.bench_function(&name, |b| {
        b.iter(|| {
            let prompt = next.next().expect("a cycle does not end");
            model.logit(black_box(&Input::prompt(prompt)), &mut scratch)
        });
    });
}

criterion_group!(benches, predict);
criterion_main!(benches);
