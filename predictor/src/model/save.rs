//! Writing a model directory: first beside its place, then by rename.

use std::fs;
use std::path::Path;

use demur_data::AtomicDir;

use crate::encoder::files::ENCODER;
use crate::error::ModelError;
use crate::model::Model;
use crate::model::card;
use crate::model::manifest::manifest_json;
use crate::model::parts::{CARD, MANIFEST, content};

impl Model {
    /// Writes the model directory: first beside its place, then by rename. An existing model is replaced.
    ///
    /// # Errors
    /// [`ModelError::NotAModel`] if the path holds something other than a model, [`ModelError::Io`].
    pub fn save(&self, dir: &Path) -> Result<(), ModelError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |cause| ModelError::Io { path, cause }
        };
        Self::check_place(dir)?;
        let unfinished = AtomicDir::create(dir).map_err(io(dir))?;
        let described = [
            (MANIFEST, manifest_json(&self.manifest)?.into_bytes()),
            (CARD, card::render(&self.manifest, &self.digest).into_bytes()),
        ];
        for (name, bytes) in content(&self.parts)?.into_iter().chain(described) {
            fs::write(unfinished.path().join(name), bytes).map_err(io(&dir.join(name)))?;
        }
        if let Some(encoder) = &self.parts.encoder {
            encoder.write_numbers(&unfinished.path().join(ENCODER)).map_err(io(&dir.join(ENCODER)))?;
        }
        unfinished.commit().map_err(io(dir))
    }

    /// Whether [`save`](Self::save) may write to this path: it does not exist, or is an empty directory or a
    /// model.
    ///
    /// # Errors
    /// [`ModelError::NotAModel`].
    pub fn check_place(dir: &Path) -> Result<(), ModelError> {
        if dir.exists() && !is_replaceable(dir) {
            return Err(ModelError::NotAModel { path: dir.to_owned() });
        }
        Ok(())
    }
}

/// Whether a save may replace what is at this path: a model, or an empty folder.
fn is_replaceable(dir: &Path) -> bool {
    dir.join(MANIFEST).is_file() || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}
