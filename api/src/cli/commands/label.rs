//! `demur label`: adds P(refusal), label and kind to every answer in files of any size.

use std::path::{Path, PathBuf};

use anyhow::Context;
use demur_data::{Columns, Format, ReadOptions, is_stdout, remove_stale, stream};
use demur_training::labelled_by;

use crate::cli::args::Label;
use crate::cli::commands::batch::score_files;
use crate::cli::spool::Spool;
use crate::cli::terminal::note;
use crate::engine::Usage;
use crate::engine::batch::{Cut, Filter, Observer, Reading, RowQuestion, Run, RunOptions, RunRequest};
use crate::engine::judgement::Judge;
use crate::engine::tiered_model::TieredModel;

pub(crate) fn run(args: Label) -> anyhow::Result<()> {
    let model = args.base_rate.of(args.model.load(args.tiers.tier)?)?;
    let tiered = TieredModel::here(&model, args.tiers.of(&model)?);
    let columns = Columns {
        prompt: args.texts.prompt_column.clone(),
        response: args.texts.response_column.clone(),
        messages: args.texts.messages_column.clone(),
        target: args.target_column.clone(),
        ..Columns::default()
    };
    let options = ReadOptions { columns, need_response: true, ..ReadOptions::default() };
    let labelled_by = labelled_by(&model);
    let phrases = args.phrases.read()?;
    let judge = Judge { tiered, policy: model.manifest().policy, phrases: &phrases };
    let (threads, json, mut rows) = (args.rows.threads, args.rows.json, args.rows.options());
    if is_stdout(&args.out) {
        // A pipe usually leads to a JSON tool, so its default is JSON Lines for any input format.
        rows.to.get_or_insert(Format::Jsonl);
    }
    let dropped = args.filter.as_ref().map(|_| dropped_path(&args.out)).transpose()?;
    if args.cut.is_some() && args.filter.as_ref().is_some_and(|label| label != "complied") {
        let why = "--cut takes refused answers out of chats: it goes with --filter complied";
        return Err(Usage(why.to_owned()).into());
    }
    // Listed and copied once, so that the first of two outputs is no input of the second, and a pipe is read
    // twice.
    let listed = if dropped.is_some() { stream::files(&args.inputs)? } else { args.inputs.clone() };
    let spool = dropped.as_ref().map(|_| Spool::of(&listed, &args.out)).transpose()?;
    let inputs = spool.as_ref().map_or(&listed, |spool| &spool.inputs);
    let request = |out: &Path, filter: Option<Filter>, (bare, cut): (bool, Option<Cut>)| RunRequest {
        inputs: inputs.clone(),
        model: args.model.model.clone(),
        out: out.to_owned(),
        format: args.format,
        opening: args.opening.opening(),
        question: RowQuestion::Responses { judge, labelled_by: &labelled_by, prefix: args.prefix },
        reading: Reading::Answer(Box::new(options.clone())),
        options: RunOptions { filter: filter.or_else(|| rows.filter.clone()), bare, cut, ..rows.clone() },
    };
    let (Some(label), Some(dropped)) = (&args.filter, dropped) else {
        return score_files(request(&args.out, None, (false, None)), threads, json);
    };
    let filter: Filter = format!("label == {label}").parse().map_err(Usage)?;
    let cut = |cut: Cut| args.cut.as_ref().map(|_| cut);
    score_files(request(&args.out, Some(filter.clone()), (true, cut(Cut::Left))), threads, json)?;
    let others = request(&dropped, Some(filter.others()), (false, cut(Cut::Out)));
    let outcome = Run::new(others)?.run(&Quiet)?;
    if outcome.counts.written == 0 {
        note("no row was dropped");
        return remove_stale(&dropped).with_context(|| format!("cannot remove {}", dropped.display()));
    }
    let what = if args.cut.is_some() { "dropped or cut" } else { "dropped" };
    note(&format!(
        "{what}: {} rows, which are in {} with their labels",
        outcome.counts.written,
        dropped.display()
    ));
    Ok(())
}

/// The second run says nothing of its own.
struct Quiet;

impl Observer for Quiet {}

/// The file of the dropped rows: `clean.dropped.jsonl` beside `clean.jsonl`.
fn dropped_path(out: &Path) -> anyhow::Result<PathBuf> {
    let is_special = out.exists() && !out.is_file() && !out.is_dir();
    if is_stdout(out) || is_special {
        let why = "--filter writes a second file beside the first: name a file with --out";
        return Err(Usage(why.to_owned()).into());
    }
    let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let packed =
        [".gz", ".zst"].into_iter().find(|ending| name.to_lowercase().ends_with(ending)).unwrap_or_default();
    let (stem, ending) = name[..name.len() - packed.len()].rsplit_once('.').unwrap_or((&name, ""));
    let ending = if ending.is_empty() {
        String::new()
    } else {
        format!(".{ending}{}", &name[name.len() - packed.len()..])
    };
    Ok(out.with_file_name(format!("{stem}.dropped{ending}")))
}
