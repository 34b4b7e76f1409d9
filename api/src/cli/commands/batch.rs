//! A run over files and its summary, shared by `score`, `route` and `label`.

use std::path::PathBuf;

use anyhow::bail;

use crate::cli::args::PromptRows;
use crate::cli::terminal::{Screen, json, note};
use crate::engine::batch::{RowQuestion, Run, RunRequest};
use crate::engine::process::peak_memory;

/// Asks a question about the prompts of files, and prints a summary at the end; `model` is the path of the
/// model.
///
/// # Errors
/// As [`score_files`].
pub(super) fn score_prompts(
    (inputs, model, out): (Vec<PathBuf>, Option<PathBuf>, PathBuf),
    prompts: PromptRows,
    question: RowQuestion<'_>,
) -> anyhow::Result<()> {
    let PromptRows { rows, reading } = prompts;
    let (threads, json, options, opening) =
        (rows.threads, rows.json, rows.options(), reading.opening.opening());
    let (format, reading) = (reading.format, reading.reading());
    let asked = RunRequest { inputs, model, out, format, opening, question, reading, options };
    score_files(asked, threads, json)
}

/// Scores the rows of files, and prints a summary at the end.
///
/// # Errors
/// When the run fails, or all rows of an input are bad.
pub(super) fn score_files(
    asked: RunRequest<'_>,
    threads: Option<usize>,
    as_json: bool,
) -> anyhow::Result<()> {
    if let Some(threads) = threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    let outcomes = asked.question.outcomes();
    let has_encoder = asked.question.tiered().has_encoder();
    let by = asked.question.tiered().model.digest()[..12].to_owned();
    let outcome = Run::new(asked)?.run(&Screen::default())?;
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
        if !outcome.read_as.is_empty() {
            summary["read_as"] = outcome.read_as.into();
        }
        json(&summary)?;
    }
    match outcome.failure {
        Some(failure) => bail!(failure),
        None => Ok(()),
    }
}
