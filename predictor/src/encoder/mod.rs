//! The encoder tier: a BERT or `MPNet` whose mean embedding goes to a linear head, above the n-gram tier of the same model.
//!
//! What a manifest says of it is read by every build; running it takes the feature `bert` (libtorch, which trains too) or
//! `ort` (ONNX Runtime).

#[cfg(all(feature = "encoder", not(any(feature = "bert", feature = "ort"))))]
compile_error!("the feature `encoder` is what `bert` and `ort` share: choose one of them, or both");

mod config;
mod error;
mod manifest;
mod options;

#[cfg(feature = "encoder")]
mod backend;
#[cfg(feature = "encoder")]
mod buckets;
#[cfg(feature = "bert")]
mod mpnet;
#[cfg(feature = "encoder")]
mod run;
#[cfg(feature = "encoder")]
pub(crate) mod tier;
#[cfg(feature = "encoder")]
mod tokens;
#[cfg(feature = "bert")]
mod torch;
#[cfg(feature = "encoder")]
mod weights;

pub use config::{Architecture, EncoderConfig, LayerNames};
pub use error::EncoderError;
pub use manifest::{BaseModel, Cascade, CascadeFigures, DirectionManifest, EncoderManifest, Reads, Stack};
pub use options::{EncoderOptions, Library};
#[cfg(feature = "encoder")]
pub use run::{BATCH_TOKENS, BaseFiles, Encoder, batches};
#[cfg(feature = "encoder")]
pub use tier::{Direction, EncoderTier, Head, KnownInput, KnownInputs, Learned, Nearest, unit};
#[cfg(feature = "encoder")]
pub use tokens::{TokenBatch, Tokenizer, Tokens};
#[cfg(feature = "bert")]
pub use torch::{Context, TorchEncoder};
#[cfg(feature = "encoder")]
pub use weights::Weights;

/// An encoder with its head. This build has none: build it with the feature `bert` or `ort`.
#[cfg(not(feature = "encoder"))]
#[derive(Debug, Clone, Copy)]
pub enum EncoderTier {}

#[cfg(not(feature = "encoder"))]
impl EncoderTier {
    /// The head's logit of each input.
    ///
    /// # Errors
    /// Never: there is no such tier in this build.
    pub const fn logits(&self, _inputs: &[crate::Input<'_>]) -> Result<Vec<f64>, EncoderError> {
        match *self {}
    }
}

#[cfg(all(test, feature = "encoder"))]
pub(crate) mod tests {
    use super::*;

    /// The settings of a tiny encoder.
    pub(crate) fn config(architecture: Architecture) -> EncoderConfig {
        let is_bert = architecture == Architecture::Bert;
        EncoderConfig {
            architecture,
            hidden: 8,
            layers: 2,
            heads: 2,
            intermediate: 16,
            positions: 64,
            vocabulary: 32,
            token_types: if is_bert { 2 } else { 0 },
            layer_norm_eps: if is_bert { 1e-12 } else { 1e-5 },
            pad: i64::from(!is_bert),
            buckets: if is_bert { 0 } else { 8 },
            dropout: 0.1,
            lowercase: true,
            taps: Vec::new(),
        }
    }
}
