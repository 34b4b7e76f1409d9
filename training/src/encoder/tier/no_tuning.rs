//! Fitting the encoder itself, in a build without libtorch: it says that it cannot.

use std::sync::Arc;

use demur_predictor::encoder::Reads;

use crate::encoder::params::TuneParams;
use crate::encoder::task::EncoderTask;
use crate::encoder::tier::head_fit::EncoderFit;
use crate::encoder::tier::loaded::LoadedEncoder;
use crate::encoder::tier::store::EncoderStore;
use crate::error::TrainingError;
use crate::examples::Examples;

/// Says that this build cannot.
pub(crate) fn tune(
    _params: &TuneParams,
    _task: &EncoderTask<'_, '_>,
    _reads: &Reads,
    _base: &Arc<LoadedEncoder>,
    _encoders: &EncoderStore,
) -> Result<EncoderFit, TrainingError> {
    Err(TrainingError::NoTorch)
}

/// Says that this build cannot.
pub(crate) fn tune_first(
    _params: &TuneParams,
    _examples: &Examples<'_>,
    _base: (&Reads, &Arc<LoadedEncoder>),
    _encoders: &EncoderStore,
    _seed: u64,
) -> Result<Arc<LoadedEncoder>, TrainingError> {
    Err(TrainingError::NoTorch)
}
