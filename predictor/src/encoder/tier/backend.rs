//! The libraries that run encoders, behind one interface.

use crate::encoder::config::EncoderConfig;
use crate::encoder::error::EncoderError;
use crate::encoder::options::{EncoderOptions, Library};
use crate::encoder::tier::onnx::RtenEncoder;
use crate::encoder::tier::tokens::TokenBatch;
use crate::encoder::tier::torch::TorchEncoder;
use crate::encoder::tier::weights::Weights;

/// An encoder loaded in one of the libraries.
#[derive(Debug)]
pub(crate) enum Backend {
    Torch(Box<TorchEncoder>),
    Rten(Box<RtenEncoder>),
}

impl Backend {
    pub(crate) fn new(
        config: &EncoderConfig,
        weights: &Weights,
        options: EncoderOptions,
    ) -> Result<Self, EncoderError> {
        let threads = options.threads;
        Ok(match options.library {
            Library::Torch => Self::Torch(Box::new(TorchEncoder::on_threads(config, weights, threads)?)),
            Library::Rten => Self::Rten(Box::new(RtenEncoder::new(config, weights, threads)?)),
        })
    }

    /// The embeddings of a batch, row-major.
    pub(crate) fn embed(&mut self, batch: &TokenBatch) -> Result<Vec<f32>, EncoderError> {
        match self {
            Self::Torch(encoder) => encoder.embed(batch),
            Self::Rten(encoder) => encoder.embed(batch),
        }
    }
}
