//! ONNX Runtime in a build without it: an encoder type without values.

use crate::encoder::config::EncoderConfig;
use crate::encoder::error::EncoderError;
use crate::encoder::options::Library;
use crate::encoder::tier::tokens::TokenBatch;
use crate::encoder::tier::weights::Weights;

/// An encoder in ONNX Runtime. This build has none: build it with the feature `ort`.
#[derive(Debug)]
pub enum OrtEncoder {}

impl OrtEncoder {
    /// Returns the error that this build has no ONNX Runtime.
    pub(crate) fn new(
        _config: &EncoderConfig,
        _weights: &Weights,
        _threads: usize,
    ) -> Result<Self, EncoderError> {
        let reason = Library::NOT_BUILT.to_owned();
        Err(EncoderError::Library { library: Library::Onnx.name(), reason })
    }

    pub(crate) const fn embed(&mut self, _batch: &TokenBatch) -> Result<Vec<f32>, EncoderError> {
        match *self {}
    }
}
