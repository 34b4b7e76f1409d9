//! An encoder in use: texts in, embeddings out, in batches of texts of similar length.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use demur_data::Input;

use crate::encoder::config::EncoderConfig;
use crate::encoder::error::EncoderError;
use crate::encoder::manifest::Reads;
use crate::encoder::options::EncoderOptions;
use crate::encoder::tier::backend::Backend;
use crate::encoder::tier::tokens::{TokenBatch, Tokenizer, Tokens};
use crate::encoder::tier::weights::Weights;
use crate::model::digest::sha256;

/// The most tokens of a batch, including padding: enough to keep two cores busy, in a few megabytes of
/// memory.
pub const BATCH_TOKENS: usize = 4096;
/// The most inputs of a batch.
const BATCH_ROWS: usize = 64;

/// A tokenizer and an encoder.
#[derive(Debug)]
pub struct Encoder {
    config: EncoderConfig,
    tokenizer: Tokenizer,
    backend: Mutex<Backend>,
}

/// The content of an encoder's folder.
#[derive(Debug, Clone)]
pub struct BaseFiles {
    /// Architecture and sizes.
    pub config: EncoderConfig,
    /// The bytes of `vocab.txt`.
    pub vocabulary: Vec<u8>,
    /// The weights.
    pub weights: Weights,
    /// SHA-256 of `model.safetensors`.
    pub sha256: String,
}

impl BaseFiles {
    /// Finds the folder of an encoder: the path itself, or a folder with that name in one of `folders`.
    ///
    /// # Errors
    /// [`EncoderError::NotFound`], which says where it was searched for and what to download.
    pub fn find(name: &str, folders: &[PathBuf]) -> Result<PathBuf, EncoderError> {
        let places =
            std::iter::once(PathBuf::from(name)).chain(folders.iter().map(|folder| folder.join(name)));
        let places: Vec<PathBuf> = places.collect();
        places.iter().find(|place| place.join("config.json").is_file()).cloned().ok_or_else(|| {
            let looked =
                places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ");
            EncoderError::NotFound { name: name.to_owned(), looked }
        })
    }

    /// Reads `config.json`, `vocab.txt` and `model.safetensors` of a folder.
    ///
    /// # Errors
    /// [`EncoderError::File`], [`EncoderError::Tensor`].
    pub fn read(folder: &Path) -> Result<Self, EncoderError> {
        let config = EncoderConfig::read(folder)?;
        let file = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|cause| {
                let reason = format!(
                    "{cause}; an encoder's folder holds config.json, model.safetensors and vocab.txt"
                );
                EncoderError::File { path, reason }
            })
        };
        let (vocabulary, bytes) = (file("vocab.txt")?, file("model.safetensors")?);
        let weights = Weights::read(&config, &bytes)?;
        Ok(Self { config, vocabulary, weights, sha256: sha256(&bytes) })
    }
}

impl Encoder {
    /// Puts an encoder together.
    ///
    /// # Errors
    /// [`EncoderError::File`] for a broken vocabulary, [`EncoderError::Library`].
    pub fn new(
        config: &EncoderConfig,
        vocabulary: &[u8],
        weights: &Weights,
        options: EncoderOptions,
    ) -> Result<Self, EncoderError> {
        let tokenizer = Tokenizer::new(config, vocabulary)
            .map_err(|reason| EncoderError::File { path: PathBuf::from("vocab.txt"), reason })?;
        let backend = Mutex::new(Backend::new(config, weights, options)?);
        Ok(Self { config: config.clone(), tokenizer, backend })
    }

    /// Architecture and sizes.
    #[must_use]
    pub const fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// The tokens of an input.
    ///
    /// # Errors
    /// [`EncoderError::Library`].
    pub fn tokens(&self, reads: &Reads, input: &Input<'_>) -> Result<Tokens, EncoderError> {
        self.tokenizer.encode(reads, input)
    }

    /// The embedding of each input, row-major: inputs x width. The same input in different batches agrees to
    /// about 1e-6, not to the last bit, because a library's sums depend on the shape of the batch.
    ///
    /// # Errors
    /// [`EncoderError::Library`].
    pub fn embed(&self, reads: &Reads, inputs: &[Input<'_>]) -> Result<Vec<f32>, EncoderError> {
        let tokens: Vec<Tokens> =
            inputs.iter().map(|input| self.tokens(reads, input)).collect::<Result<_, _>>()?;
        self.embed_tokens(&tokens)
    }

    /// The embedding of each row of tokens.
    ///
    /// # Errors
    /// [`EncoderError::Library`].
    pub fn embed_tokens(&self, tokens: &[Tokens]) -> Result<Vec<f32>, EncoderError> {
        let width = self.config.width();
        let mut all = vec![0.0; tokens.len() * width];
        for rows in batches(tokens) {
            let batch: Vec<&Tokens> = rows.iter().map(|&row| &tokens[row]).collect();
            let batch = TokenBatch::of(&self.config, &batch);
            // A panic in another thread left no inconsistent state: the library's calls do not change the
            // encoder.
            let mut backend = self.backend.lock().unwrap_or_else(PoisonError::into_inner);
            let embeddings = backend.embed(&batch)?;
            drop(backend);
            for (&row, embedding) in rows.iter().zip(embeddings.chunks_exact(width)) {
                all[row * width..(row + 1) * width].copy_from_slice(embedding);
            }
        }
        Ok(all)
    }
}

/// Row indices in batches of similar length, shortest first.
#[must_use]
pub fn batches(tokens: &[Tokens]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..tokens.len()).collect();
    order.sort_by_key(|&row| (tokens[row].ids.len(), row));
    let mut all: Vec<Vec<usize>> = Vec::new();
    for row in order {
        let length = tokens[row].ids.len();
        match all.last_mut() {
            // Rows come shortest first, so this row's length is the padded length of its batch.
            Some(batch) if batch.len() < BATCH_ROWS && (batch.len() + 1) * length <= BATCH_TOKENS => {
                batch.push(row);
            }
            _ => all.push(vec![row]),
        }
    }
    all
}
