//! `demur learn`: from a target's answers to a predictor of that target. With an endpoint it gets the answers
//! itself (`gather`).
//!
//! The answers are labelled by the response classifier, as `bootstrap` does it; a quarter of the prompts,
//! templates and near-duplicates together, is held back from a fit that is judged on them beside the bundled
//! predictor; the model that is kept is fitted on all of them. Everyday prompts, answered, are rows of every
//! fit: a log of nothing but dubious requests would teach that a greeting is refused like them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;
use demur_data::{Label, Mode, write_rejected};
use demur_predictor::{Field, Model, ViewText, system_digest};
use demur_training::{
    DataSource, DocumentFrequency, EVERYDAY, MachineLabelled, Provenance, Recipe, STARTER_RECIPE, SourceRows,
    ViewParams, bootstrap as label_answers, by_target, train,
};
use serde_json::json;

use crate::cli::args::{DataArgs, Learn};
use crate::cli::commands::learn_figures::{Figures, judge};
use crate::cli::commands::pipeline::write_text;
use crate::cli::commands::report::write_report;
use crate::cli::commands::unseen_rows::ScoredRows;
use crate::cli::commands::{bootstrap, gather};
use crate::cli::sources;
use crate::cli::terminal::{self, encoders, note, say_read, waiting};
use crate::engine::Usage;
use crate::engine::claims::{self, OutputPath};

/// The answers of an endpoint, as they are learned from.
const ANSWERS: &str = "answers.jsonl";
/// All entries of the results folder.
const PARTS: [&str; 9] = [
    "prompt",
    "report",
    "answers.db",
    ANSWERS,
    "labelled.jsonl",
    "labelled.jsonl.seen",
    "labelled.jsonl.rejected.jsonl",
    "everyday.jsonl",
    "evaluation.json",
];
/// The weight of all everyday prompts beside that of all answers.
const EVERYDAY_WEIGHT: f64 = 0.25;
/// How a target is learned: as the starter recipe learns prompts, from the words of the bundled predictor.
const SETTINGS: [&str; 5] = [
    "name=learned",
    "prompt.teacher_share=0.0",
    "prompt.fit.start_from=bundled",
    "prompt.fit.c=[1.0, 3.0, 10.0]",
    "prompt.fit.inner_folds=5",
];

/// The setting that learns contexts, and what it is where the answers have several.
const CONTEXTS: &str = "prompt.fit.context_shift";
const CONTEXT_SHIFT: f64 = 2.0;
/// How wide the view of system prompts is beside it.
const SYSTEM_SCALE: f64 = 0.5;

pub(crate) fn run(args: &Learn) -> anyhow::Result<()> {
    if args.from.is_empty() && args.endpoint.is_none() {
        let why = "say where answers come from: --from FILE, or --endpoint URL --target NAME to ask for them";
        return Err(Usage(why.to_owned()).into());
    }
    let settings: Vec<String> = SETTINGS.map(str::to_owned).into_iter().chain(args.set.clone()).collect();
    let mut recipe = Recipe::parse(STARTER_RECIPE, Path::new("starter.toml"), &settings)?;
    let inputs: Vec<PathBuf> =
        args.from.iter().chain(&args.prompts).chain(&args.model.model).cloned().collect();
    let _claim = claims::claim(&[OutputPath::Into(&args.out, &PARTS)], &inputs)?;
    let place = args.out.join("prompt");
    Model::check_place(&place)?;
    let corpus = args.out.join("labelled.jsonl");
    let classifier = args.model.load(args.tier)?;
    let answers = if args.endpoint.is_some() {
        let answers = gather::gather(args, &classifier, &args.out.join(ANSWERS))?;
        label(args, &sources::files(&[answers], &DataArgs::default())?, &classifier, &corpus)?
    } else {
        label(args, &sources::files(&args.from, &args.columns)?, &classifier, &corpus)?
    };
    let is_said = args.set.iter().any(|setting| setting.trim_start().starts_with(CONTEXTS));
    let has_contexts = learn_contexts(&mut recipe, &answers, is_said)?;
    let sources = [DataSource::of(vec![corpus]), everyday(&args.out, &answers, has_contexts)?];
    let rows = SourceRows::labelled(&sources, Field::Prompt)?;
    (recipe.labelled, recipe.unlabelled) = (sources.map(named).to_vec(), Vec::new());
    let records = rows.records(Field::Prompt);
    let figures = waiting("judging", || judge(&recipe, &records))?;
    let provenance = Provenance {
        training: rows.describe(Field::Prompt)?,
        figures: BTreeMap::from([("held-back".to_owned(), figures.learned.for_manifest())]),
        teacher: classifier.seen().clone(),
        recipe,
    };
    let (model, _) = waiting("fitting", || train(Field::Prompt, &records, provenance, &encoders(false)))?;
    model.save(&place)?;
    waiting("reporting", || {
        write_report(&model, &ScoredRows::none(Field::Prompt), 0, &args.out.join("report"))
    })?;
    let Figures { learned, bundled, are_seen, doubling } = &figures;
    let json = json!({
        "learned": learned, "bundled": bundled, "bundled_has_seen_them": are_seen, "doubling": doubling,
    });
    write_text(&args.out.join("evaluation.json"), &(serde_json::to_string_pretty(&json)? + "\n"))?;
    if args.json {
        return terminal::json(&json);
    }
    Ok(terminal::data(&(figures.table()? + &next_steps(&place)))?)
}

/// Reads the answers, labels them, and writes the prompts with their labels; returns these.
fn label(
    args: &Learn,
    source: &DataSource,
    classifier: &Model,
    corpus: &Path,
) -> anyhow::Result<Vec<MachineLabelled>> {
    let read = waiting("reading", || source.read(&[Field::Prompt, Field::Response], false, false))?;
    say_read("rows", &read);
    if let Some(path) = write_rejected(corpus, &read.rejected)? {
        note(&format!("bad rows are in {}", path.display()));
    }
    let phrases = args.phrases.read()?;
    let labelled = waiting("labelling", || label_answers(classifier, &read.records, &phrases))?;
    bootstrap::say_no_answer(labelled.no_answer);
    let machine = of_one_target(labelled.rows, args.target.as_deref())?;
    bootstrap::say_targets(&machine);
    let refused = machine.iter().filter(|row| row.label == Label::Refused).count();
    if refused == 0 || refused == machine.len() {
        let what = if refused == 0 { "answered" } else { "refused" };
        bail!(
            "all {} prompts were {what}: a predictor needs both; ask the target what it may refuse and what it may not \
             (`demur probes 100` names prompts)",
            machine.len()
        );
    }
    bootstrap::write(corpus, &machine)?;
    bootstrap::write_seen(corpus, classifier)?;
    Ok(machine)
}

/// Lets the fit learn what contexts add, where the answers were given in two or more and no setting says
/// otherwise; returns whether it learns them.
fn learn_contexts(recipe: &mut Recipe, answers: &[MachineLabelled], is_said: bool) -> anyhow::Result<bool> {
    let of = |row: &MachineLabelled| (row.system.as_deref().map(system_digest), row.mode);
    let contexts: BTreeSet<(Option<String>, Mode)> = answers.iter().map(of).collect();
    let fit = &mut recipe.prompt.fit;
    if !is_said && contexts.len() > 1 {
        fit.context_shift = CONTEXT_SHIFT;
        note(&format!("{} contexts (system prompts, agents): what each adds is learned", contexts.len()));
    }
    let is_learned = fit.context_shift > 0.0;
    if is_learned {
        // Words of one system prompt alone say no more than its shift, and may be secret.
        let min_df = DocumentFrequency::Count(2);
        fit.views.push(ViewParams { min_df, scale: SYSTEM_SCALE, ..ViewParams::new(ViewText::System) });
        recipe.check()?;
    }
    Ok(is_learned)
}

/// Writes the everyday prompts; returns them as a source whose weight is a share of the number of answers.
/// With contexts, they are sent in those of the answers in turn, so that no context is taken for harmless
/// because they are in it.
fn everyday(folder: &Path, answers: &[MachineLabelled], contexts: bool) -> anyhow::Result<DataSource> {
    let path = folder.join("everyday.jsonl");
    let rows = EVERYDAY.lines().count();
    if contexts {
        let mut text = String::new();
        for (at, line) in EVERYDAY.lines().enumerate() {
            let mut row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line)?;
            // There are answers, or nothing would be learned.
            let Some(of) = answers.get(at * answers.len() / rows) else { continue };
            if let Some(system) = &of.system {
                row.insert("system".to_owned(), json!(system));
            }
            if !of.mode.is_chat() {
                row.insert("mode".to_owned(), json!(of.mode));
            }
            writeln!(text, "{}", serde_json::Value::Object(row))?;
        }
        write_text(&path, &text)?;
    } else {
        write_text(&path, EVERYDAY)?;
    }
    let weight = EVERYDAY_WEIGHT * answers.len() as f64 / rows as f64;
    Ok(DataSource { weight, ..DataSource::of(vec![path]) })
}

/// A source as a manifest names it: without the folders of this machine.
fn named(source: DataSource) -> DataSource {
    let files = source.files.iter().filter_map(|file| file.file_name()).map(PathBuf::from).collect();
    DataSource { files, ..source }
}

/// The rows of the target that is learned: the named one, or the only one.
fn of_one_target(rows: Vec<MachineLabelled>, name: Option<&str>) -> anyhow::Result<Vec<MachineLabelled>> {
    let found = by_target(&rows);
    let listed = || {
        let counts = found.iter().map(|(target, (prompts, ..))| format!("{target} ({prompts} prompts)"));
        counts.collect::<Vec<_>>().join(", ")
    };
    match name {
        None if found.len() > 1 => {
            Err(Usage(format!("the answers are of several targets, name one with --target: {}", listed()))
                .into())
        }
        None => Ok(rows),
        Some(name) => {
            let listed = listed();
            let of_target: Vec<_> =
                rows.into_iter().filter(|row| row.target.as_deref() == Some(name)).collect();
            if of_target.is_empty() {
                bail!("no answer is of --target {name}; there are: {listed}");
            }
            Ok(of_target)
        }
    }
}

fn next_steps(place: &Path) -> String {
    let place = place.display();
    format!("\ndemur predict --model {place} \"...\"\ndemur serve --model {place}\n")
}
