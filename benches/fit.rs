//! Fitting the logistic regression on one sparse matrix, which is also written out for the scikit-learn side.
//!
//! `DEMUR_BENCH_ROWS` names the labelled rows, `DEMUR_BENCH_FIELD` the text (`prompt` or `response`),
//! `DEMUR_BENCH_LABEL` the label column, `DEMUR_BENCH_CSR` the file that the matrix goes to (its format is
//! described in `benches/peers/sklearn_fit.py`), `DEMUR_BENCH_NGRAMS` the longest n-gram and `DEMUR_BENCH_C`
//! the penalty.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::env;
use std::fs;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use demur_data::{Columns, LabelVocabulary, Meaning};
use demur_predictor::Field;
use demur_training::{
    DataSource, Examples, Grouping, LogisticParams, SparseMatrix, ViewParams, fit_views, transform,
};
use linfa::dataset::{DatasetBase, Records};
use linfa::prelude::{Fit, ParamGuard};
use ndarray::Array1;

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn fit(c: &mut Criterion) {
    let starter = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/starter/labelled.jsonl");
    let field =
        if setting("DEMUR_BENCH_FIELD", "response") == "prompt" { Field::Prompt } else { Field::Response };
    let label = env::var("DEMUR_BENCH_LABEL").ok();
    // The Quora rows are labelled sincere or insincere: as good a pair of classes as any for timing.
    let table = [("sincere", "complied"), ("insincere", "refused")];
    let table =
        table.map(|(value, meaning)| (value.to_owned(), meaning.parse::<Meaning>().expect("a meaning")));
    let source = DataSource {
        columns: Columns { label, ..Columns::default() },
        labels: LabelVocabulary::default().with(table.into()),
        ..DataSource::of(vec![PathBuf::from(setting("DEMUR_BENCH_ROWS", starter))])
    };
    let records = source.read(&[field], true, false).expect("readable rows").records;
    let examples = Examples::of(&records, &Grouping::Equal.groups(&records));
    let longest = setting("DEMUR_BENCH_NGRAMS", "3").parse().expect("a number");
    let view = ViewParams { ngrams: (1, longest), ..ViewParams::new(field) };
    let views = fit_views(&[view], &examples.inputs).expect("views");
    let x = transform(&views, &examples.inputs);
    if let Ok(path) = env::var("DEMUR_BENCH_CSR") {
        fs::write(path, csr(&x, &examples)).expect("a writable file");
    }
    let (rows, features) = (x.nsamples(), x.nfeatures());
    let dataset = DatasetBase::new(x, Array1::from_vec(examples.targets));
    let penalty: f64 = setting("DEMUR_BENCH_C", "1").parse().expect("a number");
    let params = LogisticParams::default().c(penalty).check().expect("checked parameters");
    let fitted = params.fit(&dataset).expect("a fit");
    println!("objective / C = {:.9}, {} Newton steps", fitted.objective / penalty, fitted.iterations);
    let mut group = c.benchmark_group("fit");
    group.sample_size(10);
    group.bench_function(format!("{rows} rows x {features} n-grams, C = {penalty}"), |b| {
        b.iter(|| params.fit(&dataset).expect("a fit"));
    });
    group.finish();
}

/// The matrix, targets and weights as `sklearn_fit.py` reads them.
fn csr(x: &SparseMatrix, examples: &Examples<'_>) -> Vec<u8> {
    let csr = x.csr();
    let (rows, cols, nnz) = (csr.rows(), csr.cols(), csr.nnz());
    let header = format!("{{\"format\":\"demur-csr-1\",\"rows\":{rows},\"cols\":{cols},\"nnz\":{nnz}}}\n");
    let mut bytes = header.into_bytes();
    bytes.extend(csr.indptr().raw_storage().iter().flat_map(|&end| (end as i64).to_le_bytes()));
    bytes.extend(csr.indices().iter().flat_map(|&index| index.cast_signed().to_le_bytes()));
    for numbers in [csr.data(), &examples.targets, &examples.weights] {
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }
    bytes
}

criterion_group!(benches, fit);
criterion_main!(benches);
