//! Which model a command works with: a directory, or one of those that come with the program.

use std::path::Path;

use anyhow::{Context, bail};
use demur_predictor::{Bundled, Field, Model};

use crate::error::Usage;

/// The names of the bundled models, as a message lists them.
pub(crate) fn names() -> String {
    Bundled::ALL.map(|bundled| format!("`{}`", bundled.name())).join(" and ")
}

/// Loads the model that the command line names: a directory, else the bundled model of that name.
pub(crate) fn load(name: &Path) -> anyhow::Result<Model> {
    read(name).context("cannot load the model")
}

fn read(name: &Path) -> anyhow::Result<Model> {
    if !name.is_dir()
        && let Some(bundled) = name.to_str().and_then(Bundled::from_name)
    {
        return Ok(Model::bundled(bundled)?);
    }
    if !name.exists() {
        let (name, names) = (name.display(), names());
        bail!("{name}: there is no such directory; give the directory of a model, or a bundled one: {names}");
    }
    Ok(Model::load(name)?)
}

/// Loads the bundled model of a field.
pub(crate) fn bundled(field: Field) -> anyhow::Result<Model> {
    Model::bundled(Bundled::of(field)).context("cannot load the model")
}

/// The model for a command that needs one of this field: the one that is named, else the bundled one.
pub(crate) fn judging(field: Field, name: Option<&Path>) -> anyhow::Result<Model> {
    let Some(name) = name else { return bundled(field) };
    let model = load(name)?;
    let found = model.manifest().field;
    if found != field {
        let (name, found, needed) = (name.display(), kind(found), kind(field));
        return Err(Usage(format!("{name} is a {found}; this command needs a {needed}")).into());
    }
    Ok(model)
}

const fn kind(field: Field) -> &'static str {
    match field {
        Field::Response => "response classifier",
        Field::Prompt => "prompt predictor",
    }
}
