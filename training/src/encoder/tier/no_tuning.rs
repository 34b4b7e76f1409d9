//! Fitting the encoder itself, in a build without libtorch: it returns an error.

use std::path::Path;
use std::sync::Arc;

use demur_predictor::encoder::Reads;

use crate::encoder::params::TuneParams;
use crate::encoder::shared::{SharedEncoder, SharedRow};
use crate::encoder::task::EncoderTask;
use crate::encoder::tier::head_fit::EncoderFit;
use crate::encoder::tier::loaded::LoadedEncoder;
use crate::encoder::tier::store::EncoderStore;
use crate::error::TrainingError;
use crate::examples::Examples;

/// Fails: this build cannot fit encoders.
pub(crate) fn tune(
    _params: &TuneParams,
    _task: &EncoderTask<'_, '_>,
    _reads: &Reads,
    _base: &Arc<LoadedEncoder>,
    _encoders: &EncoderStore,
) -> Result<EncoderFit, TrainingError> {
    Err(TrainingError::NoTorch)
}

/// Fails: this build cannot fit encoders.
pub(crate) fn tune_first(
    _params: &TuneParams,
    _examples: &Examples<'_>,
    _base: (&Reads, &Arc<LoadedEncoder>),
    _encoders: &EncoderStore,
    _seed: u64,
) -> Result<Arc<LoadedEncoder>, TrainingError> {
    Err(TrainingError::NoTorch)
}

/// Fails: this build cannot fit encoders.
pub(crate) fn tune_shared(
    _params: &SharedEncoder,
    _rows: &[SharedRow<'_>],
    _encoders: &EncoderStore,
    _seed: u64,
    _out: &Path,
) -> Result<(), TrainingError> {
    Err(TrainingError::NoTorch)
}
