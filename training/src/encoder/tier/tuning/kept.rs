//! Fitted encoders in the store: those of intermediate tasks are stored in files and looked up by the key of
//! their fit.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use demur_data::AtomicFile;
use demur_predictor::encoder::Weights;

use crate::encoder::tier::loaded::LoadedEncoder;
use crate::encoder::tier::store::{EncoderParts, EncoderStore, lock};
use crate::error::TrainingError;

impl EncoderStore {
    /// The folder of checkpoints, if there is one.
    pub(crate) fn checkpoints(&self) -> Option<PathBuf> {
        self.cache.as_ref().map(|folder| folder.join("checkpoints"))
    }

    /// Where the result of an intermediate fit is stored.
    fn place(&self, key: &str) -> Option<PathBuf> {
        self.cache.as_ref().map(|folder| folder.join("intermediate").join(format!("{key}.safetensors")))
    }

    /// The stored result of an earlier intermediate fit.
    pub(crate) fn kept(
        &self,
        key: &str,
        base: &LoadedEncoder,
    ) -> Result<Option<Arc<LoadedEncoder>>, TrainingError> {
        if let Some(encoder) = lock(&self.loaded).get(key) {
            return Ok(Some(Arc::clone(encoder)));
        }
        let Some(path) = self.place(key).filter(|path| path.is_file()) else { return Ok(None) };
        let bytes = fs::read(&path).map_err(|cause| TrainingError::Cache { path, cause })?;
        let encoder = self.intermediate(key, base, Weights::read(&base.config, &bytes)?)?;
        lock(&self.loaded).insert(key.to_owned(), Arc::clone(&encoder));
        Ok(Some(encoder))
    }

    /// Stores the result of an intermediate fit.
    pub(crate) fn keep(
        &self,
        key: &str,
        base: &LoadedEncoder,
        weights: Weights,
    ) -> Result<Arc<LoadedEncoder>, TrainingError> {
        if let Some(path) = self.place(key) {
            let bytes = weights.to_bytes()?;
            let write = || {
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                let mut file = AtomicFile::create(&path)?;
                file.write_all(&bytes)?;
                file.commit()
            };
            write().map_err(|cause| TrainingError::Cache { path: path.clone(), cause })?;
        }
        let encoder = self.intermediate(key, base, weights)?;
        lock(&self.loaded).insert(key.to_owned(), Arc::clone(&encoder));
        Ok(encoder)
    }

    /// An encoder with fitted weights, identified by `key`, that no other fit shares.
    pub(crate) fn tuned(
        &self,
        key: &str,
        base: &LoadedEncoder,
        weights: Weights,
    ) -> Result<Arc<LoadedEncoder>, TrainingError> {
        self.load(of_base(key, base, weights), None)
    }

    fn intermediate(
        &self,
        key: &str,
        base: &LoadedEncoder,
        weights: Weights,
    ) -> Result<Arc<LoadedEncoder>, TrainingError> {
        self.load(of_base(key, base, weights), self.cache.as_ref())
    }
}

/// A base model's files with other weights.
fn of_base<'a>(key: &'a str, base: &'a LoadedEncoder, weights: Weights) -> EncoderParts<'a> {
    EncoderParts {
        name: &base.name,
        base_sha256: &base.base_sha256,
        weights_key: key,
        config: base.config.clone(),
        vocabulary: base.vocabulary.clone(),
        weights,
    }
}
