//! libtorch in a build without it: an encoder type without values.

use crate::encoder::config::EncoderConfig;
use crate::encoder::error::EncoderError;
use crate::encoder::options::Library;
use crate::encoder::tier::tokens::TokenBatch;
use crate::encoder::tier::weights::Weights;

/// An encoder on libtorch's tensors. This build has none: build it with the feature `bert`.
#[derive(Debug)]
pub enum TorchEncoder {}

impl TorchEncoder {
    /// Returns the error that this build has no libtorch.
    pub(crate) fn on_threads(
        _config: &EncoderConfig,
        _weights: &Weights,
        _threads: usize,
    ) -> Result<Self, EncoderError> {
        let reason = Library::NOT_BUILT.to_owned();
        Err(EncoderError::Library { library: Library::Torch.name(), reason })
    }

    pub(crate) const fn embed(&self, _batch: &TokenBatch) -> Result<Vec<f32>, EncoderError> {
        match *self {}
    }
}
