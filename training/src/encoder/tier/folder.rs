//! The folder of a fitted encoder: the files of any encoder, its head, and the logits of its rows by encoders
//! that had not seen them. `tuning::folder` writes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use demur_predictor::encoder::{EncoderError, Head, Tokens};
use serde::{Deserialize, Serialize};

use crate::encoder::tier::cache::key;
use crate::error::TrainingError;

pub(super) const HEAD: &str = "head.json";
pub(super) const HELD_OUT: &str = "held-out.bin";

/// The logits of rows, each by an encoder that had not seen the row's part; by the tokens that it read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct HeldOutLogits(pub(super) BTreeMap<ShortKey, HeldOutLogit>);

/// Half of the digest of a row's tokens: enough to tell some ten thousand rows apart.
type ShortKey = [u8; 8];

pub(super) fn short(tokens: &Tokens) -> ShortKey {
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
    pub(crate) fn get(&self, tokens: &Tokens) -> Option<HeldOutLogit> {
        self.0.get(&short(tokens)).copied()
    }

    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
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
pub(super) struct HeadFile {
    /// Name of the base model.
    pub(super) base: String,
    /// SHA-256 of the base model's file.
    pub(super) base_sha256: String,
    pub(super) weights: Vec<f32>,
    pub(super) bias: f64,
}

/// What a fit on top of it takes from such a folder beside the encoder.
#[derive(Debug, Clone)]
pub(crate) struct FittedHead {
    pub(crate) base: String,
    pub(crate) base_sha256: String,
    pub(crate) head: Head,
    pub(crate) held_out: HeldOutLogits,
}

/// Whether a fit may write the folder of an encoder to this path: it does not exist, or is an empty folder or
/// one of a fitted encoder.
///
/// # Errors
/// [`EncoderError::File`].
pub fn check_encoder_place(folder: &Path) -> Result<(), TrainingError> {
    let is_empty = || fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    if !folder.exists() || folder.join(HEAD).is_file() || is_empty() {
        return Ok(());
    }
    let reason = "there is something else than a fitted encoder; give another folder".to_owned();
    Err(EncoderError::File { path: folder.to_owned(), reason }.into())
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
