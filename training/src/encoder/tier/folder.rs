//! A fitted encoder as a folder: the files of any encoder, its head, and the logits of its rows by encoders
//! that had not seen them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use demur_data::AtomicDir;
use demur_predictor::encoder::{Architecture, EncoderConfig, EncoderError, Head, Tokens, Weights};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::encoder::tier::cache::key;
use crate::error::TrainingError;

const HEAD: &str = "head.json";
const HELD_OUT: &str = "held-out.bin";

/// The logits of rows, each by an encoder that had not seen the row's part; by the tokens that it read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct HeldOutLogits(BTreeMap<ShortKey, HeldOutLogit>);

/// Half of the digest of a row's tokens: enough to tell some ten thousand rows apart.
type ShortKey = [u8; 8];

fn short(tokens: &Tokens) -> ShortKey {
    let mut short = ShortKey::default();
    short.copy_from_slice(&key(tokens)[..8]);
    short
}

/// A logit by an encoder that had not seen the row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct HeldOutLogit {
    pub(crate) logit: f32,
    /// The number of the parts that were held out together.
    pub(crate) fold: u8,
}

impl HeldOutLogits {
    #[cfg_attr(not(feature = "bert"), expect(dead_code, reason = "such a build fits no encoder"))]
    pub(crate) fn insert(&mut self, tokens: &Tokens, held_out: HeldOutLogit) {
        self.0.insert(short(tokens), held_out);
    }

    pub(crate) fn get(&self, tokens: &Tokens) -> Option<HeldOutLogit> {
        self.0.get(&short(tokens)).copied()
    }

    fn to_bytes(&self) -> Vec<u8> {
        let row = |(key, held_out): (&ShortKey, &HeldOutLogit)| {
            key.iter()
                .copied()
                .chain(held_out.logit.to_le_bytes())
                .chain([held_out.fold])
                .collect::<Vec<u8>>()
        };
        self.0.iter().flat_map(row).collect()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (rows, rest) = bytes.as_chunks::<13>();
        let row = |row: &[u8; 13]| {
            let (key, rest) = row.split_at(8);
            let (logit, fold) = (f32::from_le_bytes(rest[..4].try_into().ok()?), rest[4]);
            Some((ShortKey::try_from(key).ok()?, HeldOutLogit { logit, fold }))
        };
        rest.is_empty().then(|| rows.iter().map(row).collect::<Option<_>>())?.map(Self)
    }
}

/// What `head.json` holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadFile {
    /// Name of the base model.
    base: String,
    /// SHA-256 of the base model's file.
    base_sha256: String,
    weights: Vec<f32>,
    bias: f64,
}

/// A fitted encoder.
#[derive(Debug, Clone)]
pub struct EncoderFolder {
    pub(crate) config: EncoderConfig,
    pub(crate) vocabulary: Vec<u8>,
    pub(crate) weights: Weights,
    pub(crate) base: String,
    pub(crate) base_sha256: String,
    pub(crate) head: Head,
    pub(crate) held_out: HeldOutLogits,
}

/// What a fit on top of it takes from such a folder beside the encoder.
#[derive(Debug, Clone)]
pub(crate) struct FittedHead {
    pub(crate) base: String,
    pub(crate) base_sha256: String,
    pub(crate) head: Head,
    pub(crate) held_out: HeldOutLogits,
}

impl EncoderFolder {
    /// Writes the folder, which must not exist or be empty.
    ///
    /// # Errors
    /// [`TrainingError::Cache`].
    pub fn save(&self, folder: &Path) -> Result<(), TrainingError> {
        let files = self.files()?;
        let write = || {
            let unfinished = AtomicDir::create(folder)?;
            for (name, bytes) in &files {
                fs::write(unfinished.path().join(name), bytes)?;
            }
            unfinished.commit()
        };
        write().map_err(|cause| TrainingError::Cache { path: folder.to_owned(), cause })
    }

    fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>, TrainingError> {
        let config = &self.config;
        let is_bert = config.architecture == Architecture::Bert;
        let settings = json!({
            "model_type": if is_bert { "bert" } else { "mpnet" },
            "hidden_size": config.hidden,
            "num_hidden_layers": config.layers,
            "num_attention_heads": config.heads,
            "intermediate_size": config.intermediate,
            "max_position_embeddings": config.positions,
            "vocab_size": config.vocabulary,
            "type_vocab_size": config.token_types,
            "layer_norm_eps": config.layer_norm_eps,
            "pad_token_id": config.pad,
            "relative_attention_num_buckets": config.buckets,
            "hidden_dropout_prob": config.dropout,
        });
        let head = HeadFile {
            base: self.base.clone(),
            base_sha256: self.base_sha256.clone(),
            weights: self.head.weights.clone(),
            bias: self.head.bias,
        };
        let text = |value: serde_json::Value| format!("{value:#}\n").into_bytes();
        // Names and numbers, which JSON can hold.
        let head = serde_json::to_vec(&head).unwrap_or_default();
        Ok(vec![
            ("config.json", text(settings)),
            ("tokenizer_config.json", text(json!({ "do_lower_case": config.lowercase }))),
            ("vocab.txt", self.vocabulary.clone()),
            ("model.safetensors", self.weights.to_bytes()?),
            (HEAD, head),
            (HELD_OUT, self.held_out.to_bytes()),
        ])
    }
}

impl FittedHead {
    /// Reads the head of an encoder's folder, if it has one.
    ///
    /// # Errors
    /// [`EncoderError::File`].
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, TrainingError> {
        if !folder.join(HEAD).is_file() {
            return Ok(None);
        }
        let bad = |name: &str, reason: String| EncoderError::File { path: folder.join(name), reason };
        let file = |name: &str| fs::read(folder.join(name)).map_err(|cause| bad(name, cause.to_string()));
        let HeadFile { base, base_sha256, weights, bias } =
            serde_json::from_slice(&file(HEAD)?).map_err(|cause| bad(HEAD, cause.to_string()))?;
        let held_out = HeldOutLogits::of_bytes(&file(HELD_OUT)?)
            .ok_or_else(|| bad(HELD_OUT, "is cut off; fit the encoder again".to_owned()))?;
        Ok(Some(Self { base, base_sha256, head: Head { weights, bias }, held_out }))
    }
}
