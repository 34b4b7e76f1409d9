//! `demur pipeline`: the whole path of one recipe.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use demur_data::{AtomicDir, AtomicFile, write_rejected};
use demur_predictor::Field;
use demur_training::{
    PipelineData, PipelineOutput, Recipe, STARTER_LABELLED, STARTER_RECIPE, STARTER_UNLABELLED,
    run as run_recipe,
};

use crate::args::Pipeline;
use crate::commands::{bootstrap, evaluate};
use crate::input;
use crate::output::{self, Bars, note, say_read, say_sources, waiting};

pub(crate) fn run(args: &Pipeline) -> anyhow::Result<()> {
    output::hear_of_encoders(&args.settings);
    let starter = if args.recipe.is_none() { Some(starter_files()?) } else { None };
    let (mut recipe, text, folder) = load(args, starter.as_ref())?;
    let mut resolved = recipe.clone();
    resolved.resolve(&folder);
    recipe.look_in(&folder);
    let data = waiting("reading", || PipelineData::read(&resolved))?;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    say(args, &data)?;
    // The manifests hold the file names as the recipe has them, not as this machine does.
    let output = Bars::during(|progress| run_recipe(&recipe, &data, progress))?;
    write(args, &output, &text)?;
    bootstrap::say_targets(&output.machine);
    note(&format!("results are in {}", args.out.display()));
    if args.json {
        return output::json(&output.figures.to_json());
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
    Ok(output::data(&tables)?)
}

/// The starter corpus as files, since a recipe names files; gone when the run ends.
fn starter_files() -> anyhow::Result<AtomicDir> {
    // Never committed: it goes when it is dropped, and when the run is interrupted.
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
            Ok((recipe, text, input::folder(Some(path), args.data_dir.as_deref())))
        }
        (None, starter) => {
            let recipe = Recipe::parse(STARTER_RECIPE, Path::new("starter.toml"), &args.settings.set)?;
            let folder = starter.map(|dir| dir.path().to_owned()).unwrap_or_default();
            Ok((recipe, STARTER_RECIPE.to_owned(), folder))
        }
    }
}

/// Says what was read and writes the bad rows of each corpus beside its name.
fn say(args: &Pipeline, data: &PipelineData) -> anyhow::Result<()> {
    say_sources("labelled rows", &data.labelled, &[Field::Response, Field::Prompt]);
    say_sources("unlabelled rows", &data.unlabelled, &[Field::Prompt]);
    let mut rejected =
        vec![("labelled", data.labelled.rejected()), ("unlabelled", data.unlabelled.rejected())];
    if let Some(corpus) = &data.evaluation {
        say_read("evaluation rows", corpus);
        rejected.push(("evaluation", corpus.rejected.clone()));
    }
    for (name, rejected) in rejected {
        let output = args.out.join(name);
        if let Some(path) = write_rejected(&output, &rejected)? {
            note(&format!("bad rows are in {}", path.display()));
        }
    }
    Ok(())
}

fn write(args: &Pipeline, output: &PipelineOutput, recipe: &str) -> anyhow::Result<()> {
    output.response.save(&args.out.join("response"))?;
    output.prompt.save(&args.out.join("prompt"))?;
    let corpus = args.out.join("bootstrap.jsonl");
    bootstrap::write(&corpus, &output.machine)?;
    bootstrap::write_seen(&corpus, &output.response)?;
    write_text(&args.out.join("evaluation.json"), &(serde_json::to_string_pretty(&output.figures)? + "\n"))?;
    let report = demur_notebooks_export::pipeline_report(&output.figures, &output.response, &output.prompt);
    write_text(&args.out.join("report.ipynb"), &report.to_string())?;
    let mut recipe = recipe.to_owned();
    for setting in &args.settings.set {
        recipe += &format!("# run with --set {setting}\n");
    }
    write_text(&args.out.join("recipe.toml"), &recipe)
}

fn write_text(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        let mut file = AtomicFile::create(path)?;
        file.write_all(text.as_bytes())?;
        file.commit()
    };
    write().with_context(|| path.display().to_string())
}
