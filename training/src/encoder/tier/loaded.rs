//! An encoder with its cache of embeddings, and what such an encoder has learned before a fit.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use demur_predictor::encoder::{Encoder, EncoderConfig, Head, Reads, Tokens, Weights};
use demur_predictor::{Input, SeenPrompts, TrainingData};

use crate::encoder::progress::EncoderProgress;
use crate::encoder::tier::cache::{EmbeddingCache, Key, key};
use crate::encoder::tier::folder::FittedHead;
use crate::encoder::tier::reporter::Reporter;
use crate::error::TrainingError;

/// Rows that are embedded between two reports and two writes of the cache.
const CHUNK: usize = 512;

/// An encoder with its cache of embeddings.
#[derive(Debug)]
pub(crate) struct LoadedEncoder {
    pub(crate) name: String,
    /// SHA-256 of the base model's file.
    pub(crate) base_sha256: String,
    pub(crate) config: EncoderConfig,
    pub(crate) vocabulary: Vec<u8>,
    pub(crate) weights: Weights,
    /// The head that was fitted with it, if its folder holds one.
    pub(crate) fitted: Option<FittedHead>,
    pub(crate) encoder: Arc<Encoder>,
    /// Digest of the current weights and of the layers that an embedding is made of: equal digests mean equal
    /// embeddings.
    pub(crate) digest: String,
    pub(crate) cache: Mutex<EmbeddingCache>,
    pub(crate) reporter: Reporter,
}

impl LoadedEncoder {
    /// The tokens of each input.
    pub(crate) fn tokens(&self, reads: &Reads, inputs: &[Input<'_>]) -> Result<Vec<Tokens>, TrainingError> {
        Ok(inputs.iter().map(|input| self.encoder.tokens(reads, input)).collect::<Result<_, _>>()?)
    }

    /// The embedding of each input, row-major: computed, or taken from the cache.
    pub(crate) fn embed(&self, reads: &Reads, inputs: &[Input<'_>]) -> Result<Vec<f32>, TrainingError> {
        let tokens = self.tokens(reads, inputs)?;
        let keys: Vec<Key> = tokens.iter().map(key).collect();
        // The cache stays valid if a thread that holds it panics, because an entry is added in one step.
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing: BTreeMap<Key, usize> = BTreeMap::new();
        for (row, key) in keys.iter().enumerate().filter(|(_, key)| !cache.contains(key)) {
            missing.entry(*key).or_insert(row);
        }
        // Texts of similar length share a batch, so rows are sorted before they are cut into chunks.
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
            let progress = EncoderProgress::Embedded { rows: rows.len(), share, seconds_left: left };
            self.reporter.report(&progress);
        }
        let mut out = Vec::with_capacity(keys.len() * self.config.width());
        for key in &keys {
            // Every key was in the cache or has just been added.
            out.extend_from_slice(cache.get(key).unwrap_or_default());
        }
        Ok(out)
    }
}

/// What an encoder has learned before the main task.
#[derive(Debug)]
pub(crate) struct TrainedEncoder {
    pub(crate) loaded: Arc<LoadedEncoder>,
    /// A head for each source of the intermediate task.
    pub(crate) heads: Vec<Head>,
    pub(crate) training: Vec<TrainingData>,
    pub(crate) seen: SeenPrompts,
}

impl TrainedEncoder {
    /// A base model, unchanged.
    pub(crate) fn untrained(loaded: Arc<LoadedEncoder>) -> Self {
        Self { loaded, heads: Vec::new(), training: Vec::new(), seen: SeenPrompts::default() }
    }
}
