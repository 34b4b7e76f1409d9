//! Loads the model to work with: from a directory, or one of those that are bundled.

use std::path::Path;

use anyhow::{Context, bail};
use demur_predictor::encoder::Cascade;
use demur_predictor::{Bundled, Field, LoadOptions, Model, Tier};

use crate::engine::Usage;

/// Loads the n-gram tier alone, for commands that only look at n-grams; this works in every build.
pub(crate) fn ngrams_alone() -> LoadOptions {
    LoadOptions { tier: Tier::Ngram, ..LoadOptions::default() }
}

/// The names of the bundled models, as a list in a message.
pub(crate) fn names() -> String {
    Bundled::ALL.map(|bundled| format!("`{}`", bundled.name())).join(" and ")
}

/// Loads the model that the command line names: a directory, else the bundled model of that name.
pub(crate) fn load(name: &Path, options: LoadOptions) -> anyhow::Result<Model> {
    read(name, options).context("cannot load the model")
}

fn read(name: &Path, options: LoadOptions) -> anyhow::Result<Model> {
    if !name.is_dir()
        && let Some(bundled) = name.to_str().and_then(Bundled::from_name)
    {
        return Ok(Model::bundled_with(bundled, options)?);
    }
    if !name.exists() {
        let (name, names) = (name.display(), names());
        bail!("{name}: there is no such directory; give the directory of a model, or a bundled one: {names}");
    }
    Ok(Model::load_with(name, options)?)
}

/// Loads the bundled model of a field.
pub(crate) fn bundled(field: Field, options: LoadOptions) -> anyhow::Result<Model> {
    Model::bundled_with(Bundled::of(field), options).context("cannot load the model")
}

/// The model for a command that needs one of this field: the named one, else the bundled one.
pub(crate) fn of_field(field: Field, name: Option<&Path>, options: LoadOptions) -> anyhow::Result<Model> {
    let Some(name) = name else { return bundled(field, options) };
    let model = load(name, options)?;
    let found = model.manifest().field;
    if found != field {
        let (name, found, needed) = (name.display(), kind(found), kind(field));
        return Err(Usage(format!("{name} is a {found}; this command needs a {needed}")).into());
    }
    Ok(model)
}

/// The tiers that answered, appended to the model's name; empty if the model has only one tier.
pub(crate) fn tiers_in_words(model: &Model, cascade: Option<Cascade>) -> String {
    match (&model.manifest().encoder, model.encoder()) {
        (None, _) => String::new(),
        (Some(_), None) => ", n-gram tier alone".to_owned(),
        (Some(encoder), Some(_)) => {
            let Cascade { below, from } = cascade.unwrap_or(encoder.cascade);
            if below <= 0.0 && from > 1.0 {
                return ", both tiers".to_owned();
            }
            let [below, from] = [below, from].map(|p| (p * 1e4).round() / 1e4);
            format!(", both tiers, the n-gram tier alone below {below} and from {from}")
        }
    }
}

const fn kind(field: Field) -> &'static str {
    match field {
        Field::Response => "response classifier",
        Field::Prompt => "prompt predictor",
    }
}
