//! Where encoders are kept between fits: the folders they lie in, those that are open, the embeddings computed so far.
//!
//! A cross-validation fits the same base model many times on rows that overlap, so what is dear is done once for all of
//! them. Where the folders lie is a matter of the machine, not of the experiment: it comes from the environment.

use std::collections::BTreeMap;
use std::env;
#[cfg(feature = "bert")]
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;

#[cfg(feature = "bert")]
use demur_data::AtomicFile;
use demur_predictor::Input;
use demur_predictor::encoder::{
    BaseFiles, Encoder, EncoderConfig, EncoderError, EncoderOptions, Reads, Tokens, Weights,
};
use demur_predictor::sha256;

use crate::encoder::cache::{EmbeddingCache, Key, key};
use crate::encoder::intermediate::Learnt;
use crate::encoder::report::Report;
use crate::error::TrainingError;

/// Rows that are embedded between two reports, and two writes of the cache.
const CHUNK: usize = 512;

/// An encoder with the embeddings that it has given.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) name: String,
    /// SHA-256 of the base model's file.
    pub(crate) base_sha256: String,
    pub(crate) config: EncoderConfig,
    pub(crate) vocabulary: Vec<u8>,
    pub(crate) weights: Weights,
    pub(crate) encoder: Arc<Encoder>,
    /// Stands for the weights as they are now and the layers that an embedding is made of: the same digest, the same
    /// embeddings.
    pub(crate) digest: String,
    cache: Mutex<EmbeddingCache>,
}

type Teller = Box<dyn Fn(&Report) + Send + Sync>;

/// The encoders of this process.
pub struct Workshop {
    folders: Vec<PathBuf>,
    cache: Mutex<Option<PathBuf>>,
    options: EncoderOptions,
    open: Mutex<BTreeMap<String, Arc<Bench>>>,
    learnt: Mutex<BTreeMap<String, Arc<Learnt>>>,
    teller: Mutex<Option<Teller>>,
    resume: Mutex<bool>,
    /// One fit of an encoder at a time: it takes all cores.
    pub(crate) busy: Mutex<()>,
}

static SHARED: LazyLock<Workshop> = LazyLock::new(Workshop::of_environment);

/// What a lock protects stays whole when a thread that holds it panics: maps and flags are changed in one step.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Workshop {
    /// The one of this process. `DEMUR_ENCODERS` names folders of encoders, separated as in `PATH` (default: `.bert`);
    /// `DEMUR_CACHE` the folder of embeddings and checkpoints (default: `demur` in the user's cache folder; `off` for none).
    #[must_use]
    pub fn shared() -> &'static Self {
        &SHARED
    }

    fn of_environment() -> Self {
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
        Self {
            folders,
            cache: Mutex::new(cache),
            options: EncoderOptions::default(),
            open: Mutex::default(),
            learnt: Mutex::default(),
            teller: Mutex::default(),
            resume: Mutex::default(),
            busy: Mutex::default(),
        }
    }

    /// Keeps embeddings and checkpoints in another folder from now on, or nowhere.
    pub fn keep_in(&self, folder: Option<PathBuf>) {
        *lock(&self.cache) = folder;
    }

    /// Who hears of long steps from now on.
    pub fn tell(&self, teller: impl Fn(&Report) + Send + Sync + 'static) {
        *lock(&self.teller) = Some(Box::new(teller));
    }

    /// Whether fits go on from the checkpoints of fits that were cut off.
    pub fn resume(&self, resume: bool) {
        *lock(&self.resume) = resume;
    }

    pub(crate) fn resumes(&self) -> bool {
        *lock(&self.resume)
    }

    pub(crate) fn report(&self, report: &Report) {
        if let Some(teller) = &*lock(&self.teller) {
            teller(report);
        }
    }

    /// What has been learned of an intermediate task.
    pub(crate) fn learnt(&self, key: &str) -> Option<Arc<Learnt>> {
        lock(&self.learnt).get(key).cloned()
    }

    /// Learns an intermediate task, unless another thread has meanwhile. `learn` must not wait for other threads of the
    /// pool: one of them may be waiting here.
    pub(crate) fn learn_once(
        &self,
        key: &str,
        learn: impl FnOnce() -> Result<Learnt, TrainingError>,
    ) -> Result<Arc<Learnt>, TrainingError> {
        let mut all = lock(&self.learnt);
        if let Some(learnt) = all.get(key) {
            return Ok(Arc::clone(learnt));
        }
        let learnt = Arc::new(learn()?);
        all.insert(key.to_owned(), Arc::clone(&learnt));
        Ok(learnt)
    }

    /// The folder of checkpoints, where one is kept.
    pub(crate) fn checkpoints(&self) -> Option<PathBuf> {
        lock(&self.cache).as_ref().map(|folder| folder.join("checkpoints"))
    }

    /// A base model by its folder or name, opened once; `taps` are the layers that an embedding is made of.
    pub(crate) fn base(&self, name: &str, taps: &[usize]) -> Result<Arc<Bench>, TrainingError> {
        let mut open = lock(&self.open);
        let known = format!("{taps:?} {name}");
        if let Some(bench) = open.get(&known) {
            return Ok(Arc::clone(bench));
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
        let of_base = (files.config, files.vocabulary);
        let bench = self.bench((&title, &files.sha256, &files.sha256), of_base, files.weights, true)?;
        open.insert(known, Arc::clone(&bench));
        Ok(bench)
    }

    /// Where the outcome of an intermediate fit is kept.
    #[cfg(feature = "bert")]
    fn place(&self, key: &str) -> Option<PathBuf> {
        lock(&self.cache)
            .as_ref()
            .map(|folder| folder.join("intermediate").join(format!("{key}.safetensors")))
    }

    /// The outcome of an intermediate fit that has been done before.
    #[cfg(feature = "bert")]
    pub(crate) fn kept(&self, key: &str, base: &Bench) -> Result<Option<Arc<Bench>>, TrainingError> {
        if let Some(bench) = lock(&self.open).get(key) {
            return Ok(Some(Arc::clone(bench)));
        }
        let Some(path) = self.place(key).filter(|path| path.is_file()) else { return Ok(None) };
        let bytes = std::fs::read(&path).map_err(|cause| TrainingError::Cache { path, cause })?;
        let bench = self.intermediate(key, base, Weights::read(&base.config, &bytes)?)?;
        lock(&self.open).insert(key.to_owned(), Arc::clone(&bench));
        Ok(Some(bench))
    }

    /// Keeps the outcome of an intermediate fit.
    #[cfg(feature = "bert")]
    pub(crate) fn keep(
        &self,
        key: &str,
        base: &Bench,
        weights: Weights,
    ) -> Result<Arc<Bench>, TrainingError> {
        if let Some(path) = self.place(key) {
            let bytes = weights.to_bytes()?;
            let write = || {
                path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
                let mut file = AtomicFile::create(&path)?;
                file.write_all(&bytes)?;
                file.commit()
            };
            write().map_err(|cause| TrainingError::Cache { path: path.clone(), cause })?;
        }
        let bench = self.intermediate(key, base, weights)?;
        lock(&self.open).insert(key.to_owned(), Arc::clone(&bench));
        Ok(bench)
    }

    /// An encoder with weights of a fit, of which `key` is the key, that no other fit will share.
    #[cfg(feature = "bert")]
    pub(crate) fn tuned(
        &self,
        key: &str,
        base: &Bench,
        weights: Weights,
    ) -> Result<Arc<Bench>, TrainingError> {
        let of_base = (base.config.clone(), base.vocabulary.clone());
        self.bench((&base.name, &base.base_sha256, key), of_base, weights, false)
    }

    #[cfg(feature = "bert")]
    fn intermediate(&self, key: &str, base: &Bench, weights: Weights) -> Result<Arc<Bench>, TrainingError> {
        let of_base = (base.config.clone(), base.vocabulary.clone());
        self.bench((&base.name, &base.base_sha256, key), of_base, weights, true)
    }

    fn bench(
        &self,
        (name, base_sha256, of_weights): (&str, &str, &str),
        (config, vocabulary): (EncoderConfig, Vec<u8>),
        weights: Weights,
        keep: bool,
    ) -> Result<Arc<Bench>, TrainingError> {
        let encoder = Arc::new(Encoder::new(&config, &vocabulary, &weights, self.options)?);
        let digest = sha256(format!("{of_weights} of {:?}", config.taps()).as_bytes());
        let cache = match lock(&self.cache).as_ref().filter(|_| keep) {
            None => EmbeddingCache::in_memory(config.width()),
            Some(folder) => {
                let path = folder.join("embeddings").join(format!(
                    "{}-{}.emb",
                    &digest[..16],
                    self.options.library.name()
                ));
                EmbeddingCache::open(&path, config.width())
                    .map_err(|cause| TrainingError::Cache { path: path.clone(), cause })?
            }
        };
        let cache = Mutex::new(cache);
        let (name, base_sha256) = (name.to_owned(), base_sha256.to_owned());
        Ok(Arc::new(Bench { name, base_sha256, config, vocabulary, weights, encoder, digest, cache }))
    }
}

impl Bench {
    /// The tokens of each input.
    pub(crate) fn tokens(&self, reads: &Reads, inputs: &[Input<'_>]) -> Result<Vec<Tokens>, TrainingError> {
        Ok(inputs.iter().map(|input| self.encoder.tokens(reads, input)).collect::<Result<_, _>>()?)
    }

    /// The embedding of each input, row-major: computed, or found.
    pub(crate) fn embed(&self, reads: &Reads, inputs: &[Input<'_>]) -> Result<Vec<f32>, TrainingError> {
        let tokens = self.tokens(reads, inputs)?;
        let keys: Vec<Key> = tokens.iter().map(key).collect();
        let mut cache = lock(&self.cache);
        let mut missing: BTreeMap<Key, usize> = BTreeMap::new();
        for (row, key) in keys.iter().enumerate().filter(|(_, key)| !cache.contains(key)) {
            missing.entry(*key).or_insert(row);
        }
        // Texts of like length go into one batch: they are sorted before they are taken in chunks.
        let mut rows: Vec<usize> = missing.into_values().collect();
        rows.sort_by_key(|&row| (tokens[row].ids.len(), row));
        let started = Instant::now();
        let lengths: Vec<usize> = rows.iter().map(|&row| tokens[row].ids.len()).collect();
        let (all, mut done): (usize, usize) = (lengths.iter().sum(), 0);
        for chunk in rows.chunks(CHUNK) {
            let texts: Vec<Tokens> = chunk.iter().map(|&row| tokens[row].clone()).collect();
            let keys: Vec<Key> = chunk.iter().map(|&row| keys[row]).collect();
            let embeddings = self.encoder.embed_tokens(&texts)?;
            cache
                .add(&keys, &embeddings)
                .map_err(|cause| TrainingError::Cache { path: PathBuf::from("embeddings"), cause })?;
            done += texts.iter().map(|text| text.ids.len()).sum::<usize>();
            let share = done as f64 / all.max(1) as f64;
            let left = started.elapsed().as_secs_f64() * (1.0 - share) / share;
            Workshop::shared().report(&Report::Embedded { rows: rows.len(), share, seconds_left: left });
        }
        let mut out = Vec::with_capacity(keys.len() * self.config.width());
        for key in &keys {
            // Every key was found, or has been added just now.
            out.extend_from_slice(cache.get(key).unwrap_or_default());
        }
        Ok(out)
    }
}
