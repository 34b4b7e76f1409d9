//! Models with the targets that were placed in them.

use std::path::PathBuf;

use anyhow::{Context, bail};
use demur_predictor::{Model, PlacedTarget};

/// The targets of some files and folders.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<PlacedTarget>> {
    let mut placed = Vec::new();
    for path in paths {
        placed.extend(PlacedTarget::load_all(path).context("cannot load the placed target")?);
    }
    Ok(placed)
}

/// A model with the targets of some files and folders.
///
/// # Errors
/// When one cannot be read, or belongs to another model.
pub(crate) fn with_placed(model: Model, paths: &[PathBuf]) -> anyhow::Result<Model> {
    read(paths)?.into_iter().try_fold(model, |model, placed| Ok(model.with_placed(placed)?))
}

/// Several models, each with those targets that were placed in it.
///
/// # Errors
/// When a file cannot be read, or belongs to none of them.
pub(crate) fn among(models: Vec<(String, Model)>, paths: &[PathBuf]) -> anyhow::Result<Vec<(String, Model)>> {
    let mut models = models;
    for placed in read(paths)? {
        let Some(at) = models.iter().position(|(_, model)| model.digest() == placed.model.digest) else {
            bail!(
                "the target `{}` was placed in the model {} ({}), which is not served; place it again with `demur place`",
                placed.name,
                placed.model.name,
                placed.model.digest
            );
        };
        let (name, model) = models.swap_remove(at);
        models.push((name, model.with_placed(placed)?));
        // The first model of a field is its default, so the order stays.
        let last = models.len() - 1;
        models[at..=last].rotate_right(1);
    }
    Ok(models)
}
