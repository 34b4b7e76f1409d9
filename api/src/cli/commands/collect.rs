//! `demur collect`: asks a target prompts, and keeps its answers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use demur_data::check_output;
use demur_predictor::Field;

use crate::cli::args::{Collect, DataArgs};
use crate::cli::collecting::{Asked, check_end, say_survey};
use crate::cli::sources;
use crate::cli::terminal::{self, note, say_read, waiting};
use crate::collect::{End, Limits, Strategy, Taken, Target, choose, estimate, export, import, survey};
use crate::engine::Usage;
use crate::engine::batch::PromptFiles;
use crate::engine::claims::{self, Claim, OutputPath};
use crate::engine::models;
use crate::store::{Store, StorePlace};

pub(crate) fn run(args: &Collect) -> anyhow::Result<()> {
    if args.endpoint.is_none() && args.import.is_empty() && args.export.is_none() {
        let why = "say whom to ask (--endpoint URL --model NAME PROMPTS), or what to --import or to --export";
        return Err(Usage(why.to_owned()).into());
    }
    if let Some(out) = &args.export {
        check_output(out)?;
    }
    let asked = match (&args.endpoint, &args.target) {
        (Some(endpoint), Some(model)) => Some(args.ask.target(endpoint, model)?),
        _ => None,
    };
    if let (Some(target), true) = (&asked, args.dry_run) {
        return dry_run(args, target);
    }
    let _claim = claim(args)?;
    let mut store = Store::open(&args.store)?;
    if !args.import.is_empty() {
        take(args, &mut store)?;
    }
    let (mut end, mut settings) = (None, None);
    if let Some(target) = asked {
        let id = store.keep_settings(&target.stored())?;
        settings = Some(id);
        store.claim(id)?;
        (store, end) = ask(args, store, (target, id))?;
    }
    if let Some(out) = &args.export {
        let count = waiting("writing", || export(&mut store, settings, out))?;
        note(&format!("{}: {count} answers", out.display()));
    }
    check_end(end)
}

/// Claims what is written, before anything is read.
fn claim(args: &Collect) -> anyhow::Result<Claim> {
    let outputs = args.store.file().into_iter().chain(args.export.as_deref());
    let outputs: Vec<OutputPath<'_>> = outputs.map(OutputPath::File).collect();
    let inputs: Vec<PathBuf> =
        args.inputs.iter().chain(&args.import).chain(&args.classifier).cloned().collect();
    claims::claim(&outputs, &inputs)
}

/// The prompts of the flags.
fn files(args: &Collect) -> PromptFiles {
    PromptFiles {
        inputs: args.inputs.clone(),
        format: args.reading.format,
        opening: args.reading.opening.opening(),
        reading: args.reading.reading(),
    }
}

/// Puts the answers of files into the store.
fn take(args: &Collect, store: &mut Store) -> anyhow::Result<()> {
    let columns = DataArgs {
        format: args.reading.format,
        opening: args.reading.opening.clone(),
        ..DataArgs::default()
    };
    let source = sources::files(&args.import, &columns)?;
    let read = waiting("reading", || source.read(&[Field::Prompt, Field::Response], false, false))?;
    say_read("answers", &read);
    let Taken { new, known, without } = waiting("importing", || import(store, read.records))?;
    let without =
        if without > 0 { format!(", {without} without a prompt or an answer") } else { String::new() };
    note(&format!("{new} answers are new in the store, {known} were there{without}"));
    Ok(())
}

/// Asks what is open; returns the store and why it ended before all was asked, if it did.
fn ask(
    args: &Collect,
    mut store: Store,
    (target, settings): (Target, i64),
) -> anyhow::Result<(Store, Option<End>)> {
    let limits = args.pace.limits(&target.model, args.until_ci)?;
    let access = args.ask.access()?;
    let options = if args.tier.tier.is_some() { args.tier.load_options()? } else { models::ngrams_alone() };
    let classifier = &models::of_field(Field::Response, args.classifier.as_deref(), options)?;
    let read = waiting("reading", || survey(&mut store, &files(args), args.sample))?;
    say_survey(&read)?;
    let prompts = chosen(args, &mut store, read.prompts, settings)?;
    let asked = Asked { target, access, limits, samples: args.ask.samples, classifier, settings };
    let collected = asked.ask(store, &prompts)?;
    if args.json {
        terminal::json(&collected.progress.json())?;
    }
    Ok((collected.store, collected.end))
}

/// The prompts that are asked, in their order.
fn chosen(args: &Collect, store: &mut Store, prompts: Vec<i64>, settings: i64) -> anyhow::Result<Vec<i64>> {
    let (budget, strategy) = match (args.budget, args.until_ci) {
        (Some(budget), _) => (budget, args.strategy.into()),
        // An interval says nothing of prompts that come by topic.
        (None, Some(_)) => (prompts.len(), Strategy::Random),
        (None, None) => return Ok(prompts),
    };
    let model = models::of_field(Field::Prompt, args.predictor.as_deref(), models::ngrams_alone())?;
    choose(store, &prompts, (settings, args.ask.samples), (budget, strategy), &model)
}

/// Says what would be asked.
fn dry_run(args: &Collect, target: &Target) -> anyhow::Result<()> {
    let limits = args.pace.limits(&target.model, args.until_ci)?;
    args.ask.access()?;
    let mut store = match &args.store {
        StorePlace::File(path) if !Path::new(path).exists() => Store::in_memory()?,
        place => Store::open(place)?,
    };
    let budget = args.budget.map(u64::try_from).transpose()?;
    let counts = (args.ask.samples, args.sample, budget);
    let found = waiting("reading", || estimate(&mut store, &files(args), target, counts))?;
    let (there, back) = found.tokens;
    let mut text = String::new();
    writeln!(
        text,
        "{} different prompts, {} bad rows; {} answers are in the store",
        found.prompts, found.rejected, found.answered
    )?;
    writeln!(text, "{} requests to {} for {}", found.requests, shown(&target.endpoint), target.model)?;
    write!(text, "about {there} tokens there, at most {back} back")?;
    if target.max_tokens.is_none() {
        write!(text, " (without --max-tokens a guess)")?;
    }
    if let Some(price) = limits.price {
        write!(text, "; cost at most {:.4}", price.of(there, back))?;
    }
    writeln!(text, "{}", budgeted(&limits))?;
    if let Some(first) = found.first {
        writeln!(text, "the first request:\n{first}")?;
    }
    Ok(terminal::data(&text)?)
}

/// The parts of a budget.
fn budgeted(limits: &Limits) -> String {
    let parts = [
        limits.max_requests.map(|most| format!("{most} requests")),
        limits.max_total_tokens.map(|most| format!("{most} tokens")),
        limits.max_cost.map(|most| format!("a cost of {most}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!("; ends at {}", parts.join(", ")) }
}

/// An address without its query, which may hold a key.
fn shown(endpoint: &str) -> &str {
    endpoint.split('?').next().unwrap_or_default()
}
