//! `demur fit`: one model from labelled rows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use demur_data::{Record, write_rejected};
use demur_predictor::{Field, SeenPrompts};
use demur_training::{DataSource, Provenance, describe, is_human, train, weighed};

use crate::args::Fit;
use crate::error::Usage;
use crate::input;
use crate::output::{note, say_read, waiting};

pub(crate) fn run(args: &Fit) -> anyhow::Result<()> {
    let field = Field::from(args.model);
    let mut recipe = input::recipe(&args.recipe)?;
    let source = input::source(&args.data, &args.columns, recipe.labelled.clone())?;
    if source.files.is_empty() {
        return Err(
            Usage("fit: name the labelled rows with --data FILE, or a recipe that does".to_owned()).into()
        );
    }
    let corpus = waiting("reading", || source.read(&[field], true, false))?;
    say_read("labelled rows", &corpus);
    if let Some(path) = write_rejected(&args.out, &corpus.rejected)? {
        note(&format!("bad rows are in {}", path.display()));
    }
    let by_machine = corpus.records.iter().filter(|record| !is_human(record)).count();
    let labelled_by = match by_machine {
        0 => "human",
        all if all == corpus.records.len() => "machine",
        _ => "human and machine",
    };
    let training = describe(&source, &corpus.records, labelled_by)?;
    let teacher = teacher(&source.files, by_machine)?;
    let records: Vec<Record> = match field {
        Field::Response => corpus.records,
        Field::Prompt => weighed(corpus.records, recipe.prompt.machine_weight, recipe.prompt.human_weight),
    };
    // The manifest names the files, not where they lie on this machine.
    let name = |file: &PathBuf| file.file_name().map_or_else(|| file.clone(), PathBuf::from);
    recipe.labelled = DataSource { files: source.files.iter().map(name).collect(), ..source };
    let provenance = Provenance { recipe, training, figures: BTreeMap::new(), teacher };
    let (model, fitted) = waiting("fitting", || train(field, &records, provenance))?;
    model.save(&args.out)?;
    for (c, loss) in &fitted.choice {
        note(&format!("c = {c}: log loss {loss:.4} by inner cross-validation"));
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

/// Where the digests of the classifier's own prompts stand beside a machine-labelled corpus.
pub(crate) fn seen_path(corpus: &Path) -> PathBuf {
    let mut name = corpus.as_os_str().to_owned();
    name.push(".seen");
    PathBuf::from(name)
}

/// The prompts that the labels of machine-labelled files stand on.
fn teacher(files: &[PathBuf], by_machine: usize) -> anyhow::Result<SeenPrompts> {
    let mut seen = SeenPrompts::default();
    let mut found = false;
    for path in files.iter().map(|file| seen_path(file)).filter(|path| path.is_file()) {
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let Some(prompts) = SeenPrompts::from_bytes(&bytes) else {
            bail!("{}: not a file of prompt digests; run `demur bootstrap` again", path.display());
        };
        seen = seen.union(&prompts);
        found = true;
    }
    if by_machine > 0 && !found {
        note(
            "warning: there is no .seen file beside the machine-labelled rows: figures of this model on the \
             classifier's own training prompts would be too good, and evaluate cannot know them",
        );
    }
    Ok(seen)
}
