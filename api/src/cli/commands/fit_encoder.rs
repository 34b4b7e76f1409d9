//! `demur fit encoder`: fits the encoder of a recipe, which both models use.

use std::collections::BTreeSet;

use demur_data::write_rejected;
use demur_predictor::Field;
use demur_training::{SourceRows, check_encoder_place, fit_shared};

use crate::cli::args::Fit;
use crate::cli::commands::fit::{claim, weighed_in};
use crate::cli::sources;
use crate::cli::terminal::{encoders, note, say_sources, waiting};
use crate::engine::Usage;

pub(crate) fn run(args: &Fit) -> anyhow::Result<()> {
    if args.unseen.is_some() {
        let why = "--unseen judges a model: it goes with `fit response` and `fit prompt`";
        return Err(Usage(why.to_owned()).into());
    }
    let recipe = sources::recipe(&args.recipe)?;
    let Some(params) = &recipe.encoder else {
        let why = "fit encoder needs a recipe (--recipe) with an [encoder]; docs/encoder.md shows one";
        return Err(Usage(why.to_owned()).into());
    };
    let sources = sources::labelled(&args.data, &args.columns, &recipe, &args.recipe)?;
    let read = sources.read.iter().flat_map(|source| &source.files).chain(&args.recipe.recipe);
    let _claim = claim(args, &read.cloned().collect::<Vec<_>>())?;
    check_encoder_place(&args.out)?;
    let (mut rejected, mut places) = (Vec::new(), BTreeSet::new());
    let mut rows = |field| -> anyhow::Result<_> {
        let rows = waiting("reading", || SourceRows::labelled(&sources.read, field))?;
        say_sources("labelled rows", &rows, &[field]);
        // A row that neither fit can use is one bad row.
        rejected.extend(rows.rejected().into_iter().filter(|row| places.insert(row.place.clone())));
        Ok(weighed_in(field, rows.records(field), &recipe))
    };
    let (answers, prompts) = (rows(Field::Response)?, rows(Field::Prompt)?);
    if let Some(path) = write_rejected(&args.out, &rejected)? {
        note(&format!("bad rows are in {}", path.display()));
    }
    let encoders = encoders(args.recipe.settings.resume);
    waiting("fitting", || fit_shared(params, (&answers, &prompts), &encoders, recipe.seed, &args.out))?;
    note(&format!("{}: an encoder for both models", args.out.display()));
    Ok(())
}
