//! `demur fit encoder`: fits the encoder of a recipe, which both models use.

use demur_predictor::Field;
use demur_training::{SourceRows, fit_shared};

use crate::cli::args::Fit;
use crate::cli::sources;
use crate::cli::terminal::{encoders, note, say_sources, waiting};
use crate::engine::claims::{self, OutputPath};

pub(crate) fn run(args: &Fit) -> anyhow::Result<()> {
    let recipe = sources::recipe(&args.recipe)?;
    let sources = sources::labelled(&args.data, &args.columns, &recipe, &args.recipe)?;
    let read: Vec<_> =
        sources.read.iter().flat_map(|source| &source.files).chain(&args.recipe.recipe).cloned().collect();
    let _claim = claims::claim(&[OutputPath::Folder(&args.out)], &read)?;
    let rows = |field| -> anyhow::Result<_> {
        let rows = waiting("reading", || SourceRows::labelled(&sources.read, field))?;
        say_sources("labelled rows", &rows, &[field]);
        Ok(rows.records(field))
    };
    let (answers, prompts) = (rows(Field::Response)?, rows(Field::Prompt)?);
    let encoders = encoders(args.recipe.settings.resume);
    let fitted = waiting("fitting", || fit_shared(&recipe, &answers, &prompts, &encoders))?;
    fitted.save(&args.out)?;
    note(&format!("{}: an encoder for both models", args.out.display()));
    Ok(())
}
