//! `demur bootstrap`: the machine-labelled prompt corpus.

use std::io::Write;

use anyhow::Context;
use demur_data::{AtomicFile, Destination, check_output, rejected_path, write_rejected, write_rows};
use demur_predictor::Field;
use demur_training::{DataSource, MachineLabelled, bootstrap, by_target};

use crate::cli::args::Bootstrap;
use crate::cli::commands::fit;
use crate::cli::sources;
use crate::cli::terminal::{note, say_read, waiting};
use crate::engine::claims::{self, OutputPath};

pub(crate) fn run(args: &Bootstrap) -> anyhow::Result<()> {
    check_output(&args.out)?;
    let _claim = claims::claim(
        &[
            OutputPath::File(&args.out),
            OutputPath::Beside(&fit::seen_path(&args.out)),
            OutputPath::Beside(&rejected_path(&args.out)),
        ],
        &args.inputs.iter().chain(&args.model.model).cloned().collect::<Vec<_>>(),
    )?;
    let model = args.model.load(args.tier)?;
    let source = sources::source(&args.columns, DataSource::of(args.inputs.clone()))?;
    let corpus = waiting("reading", || source.read(&[Field::Prompt, Field::Response], false, false))?;
    say_read("rows", &corpus);
    let phrases = args.phrases.read()?;
    let labelled = waiting("labelling", || bootstrap(&model, &corpus.records, &phrases))?;
    let machine = labelled.rows;
    write(&args.out, &machine)?;
    if matches!(Destination::of(&args.out)?, Destination::File(_)) {
        write_seen(&args.out, &model)?;
    } else {
        note(
            "stdout takes no .seen file: write to a file for `fit prompt` to know the classifier's own prompts",
        );
    }
    if let Some(path) = write_rejected(&args.out, &corpus.rejected)? {
        note(&format!("bad rows are in {}", path.display()));
    }
    say_no_answer(labelled.no_answer);
    say_targets(&machine);
    Ok(())
}

/// Logs how many rows have no answer.
pub(crate) fn say_no_answer(rows: usize) {
    if rows > 0 {
        note(&format!(
            "no answer {rows}: an outage, a limit or nothing at all; nothing is learned from these rows"
        ));
    }
}

/// Writes a machine-labelled corpus.
pub(crate) fn write(out: &std::path::Path, machine: &[MachineLabelled]) -> anyhow::Result<()> {
    let rows = machine.iter().map(MachineLabelled::to_row).collect::<Result<Vec<_>, _>>()?;
    Ok(write_rows(out, None, &rows)?)
}

/// Writes the digests of the classifier's own prompts beside the corpus.
pub(crate) fn write_seen(out: &std::path::Path, model: &demur_predictor::Model) -> anyhow::Result<()> {
    let path = fit::seen_path(out);
    let mut file = AtomicFile::create(&path).with_context(|| path.display().to_string())?;
    file.write_all(&model.seen().to_bytes()).with_context(|| path.display().to_string())?;
    file.commit().with_context(|| path.display().to_string())
}

/// Logs how many prompts each target refused.
pub(crate) fn say_targets(machine: &[MachineLabelled]) {
    for (target, (prompts, answers, refused, mean)) in by_target(machine) {
        note(&format!(
            "{target}: {prompts} prompts, {answers} answers, {refused} refused, mean P(refusal) {mean:.3}"
        ));
    }
}
