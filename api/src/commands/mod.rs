//! One file a command.

mod bootstrap;
mod contrast;
mod doubts;
mod evaluate;
mod explain;
mod export_notebook;
mod fit;
mod inspect;
mod judged;
mod key;
mod label;
mod leave_one_out;
mod pipeline;
mod predict;
mod report;
mod reproduce;
mod score;
mod serve;

use anyhow::bail;

use crate::args::Command;
use crate::output::{json, note};
use crate::score::{Asked, Run, peak_memory};

/// Runs a command.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Pipeline(args) => pipeline::run(&args),
        Command::Fit(args) => fit::run(&args),
        Command::Label(args) => label::run(args),
        Command::Bootstrap(args) => bootstrap::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Contrast(args) => contrast::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::ExportNotebook(args) => export_notebook::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Score(args) => score::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Key(args) => key::run(&args),
    }
}

/// Judges the rows of files, and says at the end what came of it.
fn judge(asked: Asked<'_>) -> anyhow::Result<()> {
    let as_json = asked.rows.json;
    if let Some(threads) = asked.rows.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    let outcomes = asked.judge.outcomes();
    let has_encoder = asked.judge.asking().has_encoder();
    let by = asked.judge.asking().model.digest()[..12].to_owned();
    let outcome = Run::new(asked)?.run()?;
    note(&outcome.counts.to_text(&by, outcomes, outcome.seconds, peak_memory()));
    if has_encoder {
        let tiers = outcome.counts.tiers().map(|(tier, rows)| format!("{} {rows}", tier.name()));
        note(&format!("answered by: {}", tiers.join(", ")));
    }
    if let Some(fault) = &outcome.first_fault {
        note(&format!("the first bad row: {fault}"));
    }
    match &outcome.rejected {
        Some(path) => note(&format!("bad rows are in {}", path.display())),
        None if outcome.counts.rejected > 0 && outcome.failure.is_none() => {
            note("bad rows were left out; with --out FILE they go to a file beside it");
        }
        None => {}
    }
    if as_json {
        let mut summary = outcome.counts.to_json(outcomes, outcome.seconds, peak_memory());
        if has_encoder {
            let tiers = outcome.counts.tiers().map(|(tier, rows)| (tier.name().to_owned(), rows.into()));
            summary["tiers"] = serde_json::Value::Object(tiers.into_iter().collect());
        }
        json(&summary)?;
    }
    match outcome.failure {
        Some(failure) => bail!(failure),
        None => Ok(()),
    }
}
