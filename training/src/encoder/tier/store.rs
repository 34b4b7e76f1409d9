//! Where encoders are stored between fits: their folders, the loaded ones, and the embeddings computed so
//! far.
//!
//! A cross-validation fits the same base model many times on overlapping rows, so expensive work is done once
//! for all of them. The folders depend on the machine, not on the experiment, so they come from the
//! environment.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use demur_predictor::encoder::{BaseFiles, Encoder, EncoderConfig, EncoderError, EncoderOptions, Weights};
use demur_predictor::sha256;

use crate::encoder::progress::EncoderProgress;
use crate::encoder::tier::cache::EmbeddingCache;
use crate::encoder::tier::folder::FittedHead;
use crate::encoder::tier::loaded::{LoadedEncoder, TrainedEncoder};
use crate::encoder::tier::reporter::Reporter;
use crate::error::TrainingError;

/// Where fits find their encoders, and what they cache. One store serves all fits of a program.
#[derive(Debug, Default)]
pub struct EncoderStore {
    folders: Vec<PathBuf>,
    pub(crate) cache: Option<PathBuf>,
    options: EncoderOptions,
    pub(crate) loaded: Mutex<BTreeMap<String, Arc<LoadedEncoder>>>,
    trained: Mutex<BTreeMap<String, Arc<TrainedEncoder>>>,
    pub(crate) reporter: Reporter,
    #[cfg_attr(not(feature = "bert"), expect(dead_code, reason = "such a build fits no encoder"))]
    pub(crate) resumes: bool,
    /// Held while an encoder itself is fitted.
    #[cfg_attr(not(feature = "bert"), expect(dead_code, reason = "such a build fits no encoder"))]
    pub(crate) busy: Mutex<()>,
}

/// Ignores poisoning. The data behind the lock stays valid when a thread panics, because maps are changed in
/// one step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An encoder's files, as the store assembles them.
pub(crate) struct EncoderParts<'a> {
    pub(crate) name: &'a str,
    /// SHA-256 of the base model's file.
    pub(crate) base_sha256: &'a str,
    /// Equal keys mean equal weights.
    pub(crate) weights_key: &'a str,
    pub(crate) config: EncoderConfig,
    pub(crate) vocabulary: Vec<u8>,
    pub(crate) weights: Weights,
    pub(crate) fitted: Option<FittedHead>,
}

impl EncoderStore {
    /// The store described by the environment. `DEMUR_ENCODERS` lists folders of encoders, separated as in
    /// `PATH` (default: `.bert`). `DEMUR_CACHE` is the folder of embeddings and checkpoints (default: `demur`
    /// in the user's cache folder; `off` for none).
    #[must_use]
    pub fn from_environment() -> Self {
        let folders = env::var_os("DEMUR_ENCODERS");
        let folders = folders
            .map_or_else(|| vec![PathBuf::from(".bert")], |folders| env::split_paths(&folders).collect());
        let of_user = || {
            let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            cache
                .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
                .map(|folder| folder.join("demur"))
        };
        let cache = match env::var_os("DEMUR_CACHE") {
            Some(off) if off == "off" => None,
            Some(folder) => Some(PathBuf::from(folder)),
            None => of_user(),
        };
        Self { folders, cache, ..Self::default() }
    }

    /// Stores embeddings and checkpoints in another folder, or nowhere.
    #[must_use]
    pub fn keep_in(self, folder: Option<PathBuf>) -> Self {
        Self { cache: folder, ..self }
    }

    /// Reports the progress of long steps to a function.
    #[must_use]
    pub fn on_progress(self, report: impl Fn(&EncoderProgress) + Send + Sync + 'static) -> Self {
        Self { reporter: Reporter::new(report), ..self }
    }

    /// Whether fits resume from the checkpoints of interrupted fits.
    #[must_use]
    pub fn resuming(self, resumes: bool) -> Self {
        Self { resumes, ..self }
    }

    /// What has been learned from an intermediate task.
    pub(crate) fn trained(&self, key: &str) -> Option<Arc<TrainedEncoder>> {
        lock(&self.trained).get(key).cloned()
    }

    /// Learns an intermediate task unless another thread has done so meanwhile. `train` must not wait for
    /// other threads of the pool: one of them may be waiting here.
    pub(crate) fn train_once(
        &self,
        key: &str,
        train: impl FnOnce() -> Result<TrainedEncoder, TrainingError>,
    ) -> Result<Arc<TrainedEncoder>, TrainingError> {
        let mut all = lock(&self.trained);
        if let Some(trained) = all.get(key) {
            return Ok(Arc::clone(trained));
        }
        let trained = Arc::new(train()?);
        all.insert(key.to_owned(), Arc::clone(&trained));
        Ok(trained)
    }

    /// A base model by its folder or name, loaded once; `taps` are the layers that form an embedding.
    pub(crate) fn base(&self, name: &str, taps: &[usize]) -> Result<Arc<LoadedEncoder>, TrainingError> {
        let mut loaded = lock(&self.loaded);
        let known = format!("{taps:?} {name}");
        if let Some(encoder) = loaded.get(&known) {
            return Ok(Arc::clone(encoder));
        }
        let folder = BaseFiles::find(name, &self.folders)?;
        let mut files = BaseFiles::read(&folder)?;
        files.config.taps = taps.to_vec();
        files
            .config
            .check()
            .map_err(|reason| EncoderError::File { path: folder.join("config.json"), reason })?;
        let title =
            folder.file_name().map_or_else(|| name.to_owned(), |name| name.to_string_lossy().into_owned());
        let fitted = FittedHead::read(&folder)?;
        let (title, base_sha256) = match &fitted {
            Some(head) => (head.base.clone(), head.base_sha256.clone()),
            None => (title, files.sha256.clone()),
        };
        let parts = EncoderParts {
            name: &title,
            base_sha256: &base_sha256,
            weights_key: &files.sha256,
            config: files.config,
            vocabulary: files.vocabulary,
            weights: files.weights,
            fitted,
        };
        let encoder = self.load(parts, self.cache.as_ref())?;
        loaded.insert(known, Arc::clone(&encoder));
        Ok(encoder)
    }

    /// Assembles an encoder; its embeddings are cached in the cache folder, or in memory only.
    pub(crate) fn load(
        &self,
        parts: EncoderParts<'_>,
        cache: Option<&PathBuf>,
    ) -> Result<Arc<LoadedEncoder>, TrainingError> {
        let EncoderParts { name, base_sha256, weights_key, config, vocabulary, weights, fitted } = parts;
        let encoder = Arc::new(Encoder::new(&config, &vocabulary, &weights, self.options)?);
        let digest = sha256(format!("{weights_key} of {:?}", config.taps()).as_bytes());
        let cache = match cache {
            None => EmbeddingCache::in_memory(config.width()),
            Some(folder) => {
                let file = format!("{}-{}.emb", &digest[..16], self.options.library.name());
                let path = folder.join("embeddings").join(file);
                EmbeddingCache::open(&path, config.width())
                    .map_err(|cause| TrainingError::Cache { path: path.clone(), cause })?
            }
        };
        Ok(Arc::new(LoadedEncoder {
            name: name.to_owned(),
            base_sha256: base_sha256.to_owned(),
            config,
            vocabulary,
            weights,
            fitted,
            encoder,
            digest,
            cache: Mutex::new(cache),
            reporter: self.reporter.clone(),
        }))
    }
}
