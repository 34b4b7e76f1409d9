//! `demur score`: P(refusal) and decision beside every prompt of files of any size.

use std::env;

use anyhow::{Context, anyhow, bail};
use demur_data::{AtomicDir, Format};
use demur_predictor::{Field, Model, Probability, SettingsError, estimate_base_rate};

use crate::args::{Rows, Score};
use crate::asking::Asking;
use crate::base_rate::{self, TrafficRate};
use crate::error::Usage;
use crate::model;
use crate::rules;
use crate::score::{Asked, Counts, Judge, Reading, Run};

/// Rows that a base rate is estimated from.
const ESTIMATED_FROM: usize = 100_000;

pub(crate) fn run(args: Score) -> anyhow::Result<()> {
    let model = model::judging(Field::Prompt, args.model.as_deref(), args.tiers.tier)?;
    let model = match args.base_rate {
        None => model,
        Some(TrafficRate::Given(rate)) => base_rate::at(model, rate)?,
        Some(TrafficRate::Auto) => estimated(model, &args)?,
    };
    let asking = Asking::here(&model, args.tiers.of(&model)?);
    let policy = rules::policy_of_flags(&model, args.send_below, args.hold_from)?;
    rules::check_target(&model, args.target.as_deref())?;
    if args.kinds && model.kinds().is_none() {
        return Err(Usage(
            "--kinds: this predictor does not tell kinds apart; fit one with prompt.kinds".to_owned(),
        )
        .into());
    }
    if args.interval && Probability::new(0.5).ok().and_then(|p| model.interval(p)).is_none() {
        return Err(Usage(
            "--interval: this model holds no table of its reliability; fit it again with calibration"
                .to_owned(),
        )
        .into());
    }
    let (kinds, interval, ngrams, target) = (args.kinds, args.interval, args.explain, args.target);
    let judge = Judge::Prompts { asking, policy, target, kinds, interval, ngrams };
    let reading = Reading::Prompt {
        column: args.prompt_column,
        messages: args.messages_column,
        longest: args.max_chars,
    };
    super::judge(Asked {
        inputs: args.inputs,
        model: args.model,
        out: args.out,
        format: args.format,
        judge,
        reading,
        rows: args.rows,
    })
}

/// The model under the base rate of the inputs' first rows, by their probabilities under its own.
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
    base_rate::say_estimated(found.rate, found.rows, stated);
    base_rate::at(model, found.rate)
}

/// Scores the first rows and writes none of them.
fn counted(model: &Model, args: &Score) -> anyhow::Result<Counts> {
    let folder = AtomicDir::create(env::temp_dir().join("demur-base-rate"))
        .context("cannot make a folder for the estimate of the base rate")?;
    let none = "p_refusal > 1".parse().map_err(|reason| anyhow!("{reason}"))?;
    let rows = Rows {
        to: Some(Format::Jsonl),
        r#where: Some(none),
        sample: Some(args.rows.sample.unwrap_or(ESTIMATED_FROM).min(ESTIMATED_FROM)),
        top: None,
        sort: false,
        resume: false,
        strict: false,
        threads: None,
        json: false,
    };
    let judge = Judge::Prompts {
        asking: Asking::here(model, args.tiers.of(model)?),
        policy: model.manifest().policy,
        target: args.target.clone(),
        kinds: false,
        interval: false,
        ngrams: 0,
    };
    let reading = Reading::Prompt {
        column: args.prompt_column.clone(),
        messages: args.messages_column.clone(),
        longest: args.max_chars,
    };
    let (inputs, out) = (args.inputs.clone(), folder.path().join("none.jsonl"));
    let model = args.model.clone();
    Ok(Run::new(Asked { inputs, model, out, format: args.format, judge, reading, rows })?.run()?.counts)
}
