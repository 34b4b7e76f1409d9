//! `demur pipeline`: runs all steps of one recipe.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use demur_data::{AtomicDir, AtomicFile, Rejection, rejected_path, remove_stale, write_rejected};
use demur_predictor::{Field, Model};
use demur_training::{
    PipelineData, PipelineOutput, Recipe, STARTER_LABELLED, STARTER_RECIPE, STARTER_UNLABELLED,
    run as run_recipe,
};

use crate::cli::args::Pipeline;
use crate::cli::commands::{bootstrap, evaluate, fit};
use crate::cli::sources;
use crate::cli::terminal::{self, Bars, note, say_read, say_sources, waiting};
use crate::engine::claims::{self, Claim, OutputPath};

pub(crate) fn run(args: &Pipeline) -> anyhow::Result<()> {
    let starter = if args.recipe.is_none() { Some(starter_files()?) } else { None };
    let (mut recipe, text, folder) = load(args, starter.as_ref())?;
    let mut resolved = recipe.clone();
    resolved.resolve(&folder);
    recipe.look_in(&folder);
    let _claim = claim(args, &resolved)?;
    let data = waiting("reading", || PipelineData::read(&resolved))?;
    let rejected = say(&data);
    // The manifests hold the file names of the recipe, not paths of this machine.
    let encoders = terminal::encoders(args.settings.resume);
    let output = Bars::during(|progress| run_recipe(&recipe, &data, &encoders, progress))?;
    write(args, &output, &text, &rejected)?;
    bootstrap::say_no_answer(output.no_answer);
    bootstrap::say_targets(&output.machine);
    fit::say_one_class_sources(&output.one_class_sources);
    note(&format!("results are in {}", args.out.display()));
    if args.json {
        return terminal::json(&output.figures.to_json());
    }
    let mut tables = String::new();
    for (title, evaluation) in [
        ("response classifier", &output.figures.response),
        ("prompt predictor", &output.figures.prompt),
        ("prompt predictor, machine labels only", &output.figures.prompt_machine_only),
        ("prompt predictor, human labels only", &output.figures.prompt_human_only),
    ] {
        tables += &format!("{title}\n{}\n", evaluate::table(evaluation)?);
    }
    Ok(terminal::data(&tables)?)
}

/// The model folders among the results; each is replaced as a whole.
const MODELS: [&str; 2] = ["response", "prompt"];
/// All entries of the results folder.
const PARTS: [&str; 10] = [
    "response",
    "prompt",
    "bootstrap.jsonl",
    "bootstrap.jsonl.seen",
    "evaluation.json",
    "report.ipynb",
    "recipe.toml",
    "labelled.rejected.jsonl",
    "unlabelled.rejected.jsonl",
    "evaluation.rejected.jsonl",
];

/// Checks that the results can be written, and that no input is overwritten.
fn claim(args: &Pipeline, recipe: &Recipe) -> anyhow::Result<Claim> {
    let sources = recipe.labelled.iter().chain(&recipe.unlabelled).chain([&recipe.evaluation.data]);
    let inputs: Vec<PathBuf> =
        sources.flat_map(|source| &source.files).chain(&args.recipe).cloned().collect();
    let claim = claims::claim(&[OutputPath::Into(&args.out, &PARTS)], &inputs)?;
    MODELS.iter().try_for_each(|name| Model::check_place(&args.out.join(name)))?;
    Ok(claim)
}

/// The starter corpus as files, because a recipe names files; removed when the run ends.
fn starter_files() -> anyhow::Result<AtomicDir> {
    // It is never committed, so it is removed when it is dropped or when the run is interrupted.
    let dir = AtomicDir::create(std::env::temp_dir().join("demur-starter"));
    let dir = dir.context("cannot make a temporary folder")?;
    for (name, content) in [("labelled.jsonl", STARTER_LABELLED), ("unlabelled.jsonl", STARTER_UNLABELLED)] {
        fs::write(dir.path().join(name), content).context("cannot write the starter corpus")?;
    }
    Ok(dir)
}

/// The recipe, its text, and the folder that its file names are relative to.
fn load(args: &Pipeline, starter: Option<&AtomicDir>) -> anyhow::Result<(Recipe, String, PathBuf)> {
    match (&args.recipe, starter) {
        (Some(path), _) => {
            let recipe = Recipe::load(path, &args.settings.set)?;
            let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
            Ok((recipe, text, sources::folder(Some(path), args.data_dir.as_deref())))
        }
        (None, starter) => {
            let recipe = Recipe::parse(STARTER_RECIPE, Path::new("starter.toml"), &args.settings.set)?;
            let folder = starter.map(|dir| dir.path().to_owned()).unwrap_or_default();
            Ok((recipe, STARTER_RECIPE.to_owned(), folder))
        }
    }
}

/// Logs what was read; returns the bad rows of each corpus with its name.
fn say(data: &PipelineData) -> Vec<(&'static str, Vec<Rejection>)> {
    say_sources("labelled rows", &data.labelled, &[Field::Response, Field::Prompt]);
    say_sources("unlabelled rows", &data.unlabelled, &[Field::Prompt]);
    let mut rejected =
        vec![("labelled", data.labelled.rejected()), ("unlabelled", data.unlabelled.rejected())];
    if let Some(corpus) = &data.evaluation {
        say_read("evaluation rows", corpus);
        rejected.push(("evaluation", corpus.rejected.clone()));
    }
    rejected
}

/// Writes the results to a temporary folder beside theirs, and moves them in when all are complete.
fn write(
    args: &Pipeline,
    output: &PipelineOutput,
    recipe: &str,
    rejected: &[(&str, Vec<Rejection>)],
) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", args.out.display());
    let unfinished = AtomicDir::create(&args.out).with_context(cannot)?;
    let folder = unfinished.path();
    output.response.save(&folder.join("response"))?;
    output.prompt.save(&folder.join("prompt"))?;
    let corpus = folder.join("bootstrap.jsonl");
    bootstrap::write(&corpus, &output.machine)?;
    bootstrap::write_seen(&corpus, &output.response)?;
    write_text(&folder.join("evaluation.json"), &(serde_json::to_string_pretty(&output.figures)? + "\n"))?;
    let report = demur_notebooks_export::pipeline_report(&output.figures, &output.response, &output.prompt);
    write_text(&folder.join("report.ipynb"), &report.to_string())?;
    let mut recipe = recipe.to_owned();
    for setting in &args.settings.set {
        recipe += &format!("# run with --set {setting}\n");
    }
    write_text(&folder.join("recipe.toml"), &recipe)?;
    for (name, rows) in rejected {
        write_rejected(&folder.join(name), rows)?;
    }
    unfinished.commit_into(&MODELS).with_context(cannot)?;
    for (name, rows) in rejected {
        let sidecar = rejected_path(&args.out.join(name));
        if rows.is_empty() {
            // A file left by an earlier run would describe other rows.
            remove_stale(&sidecar).with_context(|| format!("cannot remove {}", sidecar.display()))?;
        } else {
            note(&format!("bad rows are in {}", sidecar.display()));
        }
    }
    Ok(())
}

/// Writes a file as a whole.
pub(crate) fn write_text(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        let mut file = AtomicFile::create(path)?;
        file.write_all(text.as_bytes())?;
        file.commit()
    };
    write().with_context(|| path.display().to_string())
}
