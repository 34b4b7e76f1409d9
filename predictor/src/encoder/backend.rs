//! The libraries that run an encoder, behind one call.

use crate::encoder::config::EncoderConfig;
use crate::encoder::error::EncoderError;
use crate::encoder::options::{EncoderOptions, Library};
#[cfg(feature = "ort")]
use crate::encoder::ort::OrtEncoder;
use crate::encoder::tokens::TokenBatch;
#[cfg(feature = "bert")]
use crate::encoder::torch::TorchEncoder;
use crate::encoder::weights::Weights;

/// An encoder in a library's hands.
#[derive(Debug)]
pub(crate) enum Backend {
    #[cfg(feature = "bert")]
    Torch(Box<TorchEncoder>),
    #[cfg(feature = "ort")]
    Onnx(Box<OrtEncoder>),
}

impl Backend {
    pub(crate) fn new(
        config: &EncoderConfig,
        weights: &Weights,
        options: EncoderOptions,
    ) -> Result<Self, EncoderError> {
        match options.library {
            #[cfg(feature = "bert")]
            Library::Torch => {
                tch::set_num_threads(i32::try_from(options.threads.max(1)).unwrap_or(1));
                Ok(Self::Torch(Box::new(TorchEncoder::new(config, weights)?)))
            }
            #[cfg(feature = "ort")]
            Library::Onnx => Ok(Self::Onnx(Box::new(OrtEncoder::new(config, weights, options.threads)?))),
            #[allow(unreachable_patterns, reason = "with both features every library is built in")]
            other => Err(EncoderError::Library {
                library: other.name(),
                reason: "is not part of this build: build demur with `--features bert` for torch, `--features ort` for ort"
                    .to_owned(),
            }),
        }
    }

    /// The embeddings of a batch, row-major.
    pub(crate) fn embed(&mut self, batch: &TokenBatch) -> Result<Vec<f32>, EncoderError> {
        match self {
            #[cfg(feature = "bert")]
            Self::Torch(encoder) => encoder.embed(batch),
            #[cfg(feature = "ort")]
            Self::Onnx(encoder) => encoder.embed(batch),
        }
    }
}
