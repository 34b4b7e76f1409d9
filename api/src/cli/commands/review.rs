//! `demur review`: labels by persons, on a local page, and how far they agree.

use std::fmt::Write as _;
use std::sync::Arc;

use actix_web::rt::System;
use anyhow::bail;
use demur_predictor::{Field, Phrases};
use demur_training::labelled_by;
use serde_json::{Value, json};

use crate::cli::args::Review;
use crate::cli::commands::drift::check_there;
use crate::cli::terminal::{data, json as print_json, note, waiting};
use crate::engine::judgement::Judge;
use crate::engine::models;
use crate::engine::tiered_model::TieredModel;
use crate::review::{Desk, Page, Pair, agreement, label_all, serve};
use crate::store::Store;

pub(crate) fn run(args: &Review) -> anyhow::Result<()> {
    check_there(&args.store)?;
    let mut store = Store::open(&args.store)?;
    let Some(reviewer) = &args.reviewer else { return print_agreement(&mut store, args.json) };
    let page = Page::bind(args.port)?;
    let classifier = models::of_field(Field::Response, None, models::ngrams_alone())?;
    let policy = classifier.manifest().policy;
    let judge = Judge { tiered: TieredModel::here(&classifier, None), policy, phrases: &Phrases::default() };
    let labelled = waiting("labelling", || label_all(&mut store, &judge, &labelled_by(&classifier)))?;
    if labelled > 0 {
        note(&format!("{labelled} answers without a label of Demur's have one now"));
    }
    if store.doubtful(reviewer, 0, 1)?.is_empty() {
        bail!("{} has no answer that {reviewer} has not reviewed", args.store);
    }
    let desk = Arc::new(Desk::new(store, reviewer.clone()));
    data(&format!("{}\n", page.url()))?;
    note("open it in a browser of this machine; Ctrl-C ends it");
    System::new().block_on(serve(page, Arc::clone(&desk)))
}

fn print_agreement(store: &mut Store, as_json: bool) -> anyhow::Result<()> {
    let pairs = agreement(store)?;
    if pairs.is_empty() {
        bail!("there are no reviews yet; --reviewer NAME begins them");
    }
    if as_json {
        return print_json(&Value::Array(pairs.iter().map(json_of).collect()));
    }
    let names: Vec<String> = pairs.iter().map(|pair| format!("{}, {}", pair.one, pair.other)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default().max(9);
    let mut text =
        format!("{:width$}  {:>6}  {:>5}  {:<24}  no answer\n", "labellers", "both", "same", "kappa (95%)");
    for (name, pair) in names.iter().zip(&pairs) {
        let agreement = &pair.agreement;
        let same = if agreement.n > 0 {
            format!("{:.3}", agreement.same.count / agreement.n as f64)
        } else {
            "-".to_owned()
        };
        let kappa = match (agreement.kappa.is_finite(), agreement.interval) {
            (false, _) => "-".to_owned(),
            (true, None) => format!("{:.3}", agreement.kappa),
            (true, Some((low, high))) => format!("{:.3} ({low:.3} to {high:.3})", agreement.kappa),
        };
        // A string takes any text.
        let _ = writeln!(text, "{name:width$}  {:>6}  {same:>5}  {kappa:<24}  {}", agreement.n, pair.without);
    }
    Ok(data(&text)?)
}

fn json_of(pair: &Pair) -> Value {
    let Pair { one, other, agreement, without } = pair;
    json!({
        "labellers": [one, other],
        "both": agreement.n,
        "confusion": agreement.confusion,
        "kappa": agreement.kappa.is_finite().then_some(agreement.kappa),
        "interval": agreement.interval,
        "no_answer": without,
    })
}
