//! `demur score`: adds P(refusal) and decision to every prompt in files of any size.

use std::env;

use anyhow::{Context, anyhow, bail};
use demur_data::{AtomicDir, Format};
use demur_predictor::{Model, Probability, SettingsError, estimate_base_rate};

use crate::cli::args::{Score, TrafficRate, policy_of_flags};
use crate::cli::commands::batch::score_prompts;
use crate::cli::terminal::{Screen, note};
use crate::engine::Usage;
use crate::engine::base_rate;
use crate::engine::batch::{Counts, PromptQuestion, RowQuestion, Run, RunOptions, RunRequest};
use crate::engine::tiered_model::TieredModel;

/// How many rows a base rate is estimated from.
const ESTIMATED_FROM: usize = 100_000;

pub(crate) fn run(args: Score) -> anyhow::Result<()> {
    let model = args.model.load(args.tiers.tier)?;
    let model = match args.base_rate {
        None => model,
        Some(TrafficRate::Given(rate)) => base_rate::at(model, rate)?,
        Some(TrafficRate::Auto) => estimated(model, &args)?,
    };
    let model = args.target.place(model)?;
    let tiered = TieredModel::here(&model, args.tiers.of(&model)?);
    let policy = policy_of_flags(&model, args.send_below, args.hold_from)?;
    if args.kinds && model.kinds().is_none() {
        return Err(Usage(
            "--kinds: this predictor does not tell kinds apart; fit one with prompt.kinds".to_owned(),
        )
        .into());
    }
    // The value is arbitrary: this only checks whether the model has a table.
    if args.interval && Probability::new(0.5).ok().and_then(|p| model.interval(p)).is_none() {
        return Err(Usage(
            "--interval: this model holds no table of its reliability; fit it again with calibration"
                .to_owned(),
        )
        .into());
    }
    let Score { kinds, interval, coverage, explain: ngrams, why, .. } = args;
    let target = args.target.target;
    let asked = PromptQuestion::new(tiered, policy);
    let question =
        RowQuestion::Prompts(PromptQuestion { target, kinds, interval, coverage, ngrams, why, ..asked });
    score_prompts((args.inputs, args.model.model, args.out), args.prompts, question)
}

/// Estimates the base rate from the model's probabilities for the first rows, and moves the model to it.
fn estimated(model: Model, args: &Score) -> anyhow::Result<Model> {
    if args.inputs.iter().any(|input| input.as_os_str() == "-") {
        let why =
            "--base-rate auto reads the inputs twice, and stdin can be read once; save it to a file first";
        return Err(Usage(why.to_owned()).into());
    }
    let Some(stated) = model.base_rate() else {
        return Err(Usage(format!("--base-rate: {}", SettingsError::NoBaseRate)).into());
    };
    let counts = counted(&model, args)?;
    let Some(found) = estimate_base_rate(&counts.probabilities(), stated) else {
        bail!("--base-rate auto: no row of the inputs could be scored, so there is nothing to estimate from");
    };
    say_estimated(found.rate, found.rows, stated);
    base_rate::at(model, found.rate)
}

/// Logs the estimate, and the number of rows that it is from.
fn say_estimated(rate: f64, rows: u64, stated: f64) {
    note(&format!(
        "base rate {rate:.4}, estimated from the probabilities of {rows} rows; the model's manifest states {stated:.4}"
    ));
}

/// Scores the first rows without writing any of them.
fn counted(model: &Model, args: &Score) -> anyhow::Result<Counts> {
    let folder = AtomicDir::create(env::temp_dir().join("demur-base-rate"))
        .context("cannot make a folder for the estimate of the base rate")?;
    let none = "p_refusal > 1".parse().map_err(|reason| anyhow!("{reason}"))?;
    let options = RunOptions {
        to: Some(Format::Jsonl),
        filter: Some(none),
        sample: Some(args.prompts.rows.sample.unwrap_or(ESTIMATED_FROM).min(ESTIMATED_FROM)),
        ..RunOptions::default()
    };
    let tiered = TieredModel::here(model, args.tiers.of(model)?);
    let question = RowQuestion::Prompts(PromptQuestion {
        target: args.target.target.clone(),
        ..PromptQuestion::new(tiered, model.manifest().policy)
    });
    let (inputs, out) = (args.inputs.clone(), folder.path().join("none.jsonl"));
    let model = args.model.model.clone();
    let asked = RunRequest {
        inputs,
        model,
        out,
        format: args.prompts.reading.format,
        opening: args.prompts.reading.opening.opening(),
        question,
        reading: args.prompts.reading.reading(),
        options,
    };
    Ok(Run::new(asked)?.run(&Screen::default())?.counts)
}
