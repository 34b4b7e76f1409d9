//! What the fit of an encoder needs of the store: base models with fewer pieces, and fitted encoders; those
//! of intermediate tasks are stored in files and looked up by the key of their fit.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};

use demur_data::AtomicFile;
use demur_predictor::encoder::Weights;
use demur_predictor::sha256;

use crate::encoder::shared::POSITIONS;
use crate::encoder::tier::loaded::LoadedEncoder;
use crate::encoder::tier::store::{EncoderParts, EncoderStore, lock};
use crate::error::TrainingError;

impl EncoderStore {
    /// Held while an encoder itself is fitted: only one such fit at a time, because it uses all cores.
    pub(crate) fn all_cores(&self) -> MutexGuard<'_, ()> {
        lock(&self.busy)
    }

    /// A base model for a fit with this dropout and fewer word pieces: those that are used, and the first up
    /// to `first`; 0 keeps all.
    pub(crate) fn with_pieces(
        &self,
        base: &Arc<LoadedEncoder>,
        (first, dropout): (usize, f64),
        used: &[bool],
    ) -> Result<Arc<LoadedEncoder>, TrainingError> {
        let lines: Vec<&[u8]> = base.vocabulary.split(|&byte| byte == b'\n').collect();
        // What is not used and never will be: BERT's vocabulary opens with a thousand empty places.
        let is_empty = |line: &[u8]| line.starts_with(b"[unused");
        let keep = |row: &usize| first == 0 || used[*row] || (*row < first && !is_empty(lines[*row]));
        let rows: Vec<usize> = (0..base.config.vocabulary.min(lines.len())).filter(keep).collect();
        let pad = usize::try_from(base.config.pad).unwrap_or_default();
        let vocabulary: Vec<&[u8]> = rows.iter().map(|&row| lines[row]).collect();
        let mut config = base.config.clone();
        config.vocabulary = rows.len();
        config.dropout = dropout;
        config.pad = rows.iter().position(|&row| row == pad).unwrap_or_default() as i64;
        config.positions = config.positions.min(POSITIONS);
        let positions: Vec<usize> = (0..config.positions).collect();
        let weights = base.weights.with_rows("embeddings.word_embeddings.weight", &rows)?;
        let weights = weights.with_rows("embeddings.position_embeddings.weight", &positions)?;
        let key = sha256(format!("{} {rows:?} {config:?}", base.digest).as_bytes());
        let parts = EncoderParts {
            name: &base.name,
            base_sha256: &base.base_sha256,
            weights_key: &key,
            config,
            vocabulary: vocabulary.join(&b'\n'),
            weights,
            fitted: None,
        };
        self.load(parts, None)
    }

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
        fitted: None,
    }
}
