//! `demur fit response` and `demur fit prompt`: fit one model on labelled rows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use demur_data::{Record, rejected_path, write_rejected};
use demur_predictor::{Field, Model, SeenPrompts, labellers_in_words};
use demur_training::{Provenance, Recipe, SourceRows, judge_unseen, may_judge, train, weighed};

use crate::cli::args::Fit;
use crate::cli::commands::evaluate::{note_unknown, warn_of_sources};
use crate::cli::sources;
use crate::cli::terminal::{encoders, note, say_sources, waiting};
use crate::engine::claims::{self, Claim, OutputPath};

pub(crate) fn run(args: &Fit, field: Field) -> anyhow::Result<()> {
    let mut recipe = sources::recipe(&args.recipe)?;
    let mut sources = sources::labelled(&args.data, &args.columns, &recipe, &args.recipe)?;
    let read = sources.read.iter().flat_map(|source| &source.files).chain(&args.recipe.recipe);
    let _claim = claim(args, &read.cloned().collect::<Vec<_>>())?;
    Model::check_place(&args.out)?;
    // A fit of kinds also learns from rows whose kind implies no label.
    if recipe.fit_of(field).kinds.is_some() {
        let told = sources.told.iter_mut();
        sources.read.iter_mut().chain(told).for_each(|source| source.keep_kinds = true);
    }
    let rows = waiting("reading", || SourceRows::labelled(&sources.read, field))?;
    say_sources("labelled rows", &rows, &[field]);
    if let Some(path) = write_rejected(&args.out, &rows.rejected())? {
        note(&format!("bad rows are in {}", path.display()));
    }
    let records = rows.records(field);
    let by_machine = records.iter().any(|record| !may_judge(record));
    let teacher = teacher(sources.read.iter().flat_map(|source| &source.files), by_machine)?;
    let records = weighed_in(field, records, &recipe);
    let training = rows.describe(field)?;
    note(&format!("fitted on rows labelled {}", labellers_in_words(&training)));
    note_unknown(&records);
    recipe.labelled = sources.told;
    let provenance = Provenance { recipe, training, figures: BTreeMap::new(), teacher };
    let encoders = encoders(args.recipe.settings.resume);
    let (model, fitted) = waiting("fitting", || train(field, &records, provenance, &encoders))?;
    let unseen =
        args.unseen.as_ref().map(|path| sources::unseen(path, args.recipe.data_dir.as_deref(), field));
    let model = match unseen.transpose()? {
        Some(unseen) => {
            let report = judge_unseen(&model, unseen)?;
            model.with_left_out(report)?
        }
        None => model,
    };
    model.save(&args.out)?;
    for (c, loss) in &fitted.choice {
        note(&format!("c = {c}: log loss {loss:.4} by inner cross-validation"));
    }
    say_one_class_sources(&fitted.one_class_sources);
    if let Some(ranking) = fitted.ranking {
        let shown = "`demur evaluate --leave-one-out source` shows it, `--confounds` what betrays a source";
        warn_of_sources(ranking, shown);
    }
    note(&format!(
        "{}: {} n-grams, c = {}, digest {}",
        args.out.display(),
        model.scorer().weights().len(),
        fitted.c,
        &model.digest()[..12]
    ));
    Ok(())
}

/// The rows with the weights of their labels in the fit of a model.
pub(crate) fn weighed_in(field: Field, records: Vec<Record>, recipe: &Recipe) -> Vec<Record> {
    match field {
        Field::Response => records,
        Field::Prompt => weighed(records, recipe.prompt.machine_weight, recipe.prompt.human_weight),
    }
}

/// Takes the outputs, and checks that no input is overwritten.
pub(crate) fn claim(args: &Fit, read: &[PathBuf]) -> anyhow::Result<Claim> {
    let seen = read.iter().map(|file| seen_path(file));
    let inputs: Vec<PathBuf> = read.iter().cloned().chain(seen).collect();
    let sidecar = rejected_path(&args.out);
    claims::claim(&[OutputPath::Folder(&args.out), OutputPath::Beside(&sidecar)], &inputs)
}

/// Warns of sources that a fit could learn nothing from.
pub(crate) fn say_one_class_sources(sources: &[String]) {
    if sources.is_empty() {
        return;
    }
    note(&format!(
        "warning: all rows of {} have one label, and source_shift gives the source a shift of its own, which explains them: \
         the words learn nothing from them. Give them one name together with rows of the other label, or name them in \
         level_sources",
        sources.join(", ")
    ));
}

/// The path of the digests of the classifier's own prompts, beside a machine-labelled corpus.
pub(crate) fn seen_path(corpus: &Path) -> PathBuf {
    let mut name = corpus.as_os_str().to_owned();
    name.push(".seen");
    PathBuf::from(name)
}

/// Reads the prompts behind the labels of machine-labelled files.
fn teacher<'a>(files: impl Iterator<Item = &'a PathBuf>, by_machine: bool) -> anyhow::Result<SeenPrompts> {
    let mut seen = SeenPrompts::default();
    let mut found = false;
    for path in files.map(|file| seen_path(file)).filter(|path| path.is_file()) {
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let Some(prompts) = SeenPrompts::from_bytes(&bytes) else {
            bail!("{}: not a file of prompt digests; run `demur bootstrap` again", path.display());
        };
        seen = seen.union(&prompts);
        found = true;
    }
    if by_machine && !found {
        note(
            "warning: there is no .seen file beside the machine-labelled rows: figures of this model on the \
             classifier's own training prompts would be too good, and evaluate cannot know them",
        );
    }
    Ok(seen)
}
