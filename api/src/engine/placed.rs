//! Files of placed targets and of learned lines, and models with the targets that were placed in them.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use demur_data::AtomicFile;
use demur_predictor::{Model, PLACED_FORMAT, POLARITY, PlacedFigures, PlacedIn, PlacedTarget, TargetLine};

/// The figures of a line of which none were taken.
pub(crate) const NO_FIGURES: PlacedFigures = PlacedFigures {
    average_log_loss: 0.0,
    log_loss: 0.0,
    average_accuracy: 0.0,
    accuracy: 0.0,
    majority: 0.0,
};

/// A line of a target in a model, before anything is known of the answers behind it; not sealed.
pub(crate) fn of_line(model: &Model, name: String, line: TargetLine) -> PlacedTarget {
    PlacedTarget {
        format: PLACED_FORMAT,
        polarity: POLARITY.to_owned(),
        written_by: concat!("demur ", env!("CARGO_PKG_VERSION")).to_owned(),
        name,
        model: PlacedIn { name: model.manifest().name.clone(), digest: model.digest().to_owned() },
        line,
        ngrams: Vec::new(),
        prompts: 0,
        answers: 0,
        refused: 0.0,
        ordinary: 0.0,
        figures: NO_FIGURES,
        training: Vec::new(),
        learned: None,
        sha256: String::new(),
    }
}

/// Writes a file of a target, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(path: &Path, placed: &PlacedTarget) -> anyhow::Result<()> {
    let name = || format!("cannot write {}", path.display());
    let mut file = AtomicFile::create(path).with_context(name)?;
    serde_json::to_writer(&mut file, placed).with_context(name)?;
    file.write_all(b"\n").with_context(name)?;
    file.commit().with_context(name)
}

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
