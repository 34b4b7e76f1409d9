//! The encoder tier in a build without encoders: an empty store, and types that have no value.

use std::path::PathBuf;

use demur_predictor::encoder::{EncoderError, EncoderManifest, EncoderTier};
use demur_predictor::{Calibration, Input, SeenPrompts, TrainingData};

use crate::encoder::distilled::DistilledRows;
use crate::encoder::params::EncoderParams;
use crate::encoder::progress::EncoderProgress;
use crate::encoder::task::EncoderTask;
use crate::error::TrainingError;

/// Where fits find their encoders. This build has none: the feature `bert` or `ort` adds them.
#[derive(Debug, Default)]
pub struct EncoderStore {
    _nothing: (),
}

impl EncoderStore {
    /// An empty store.
    #[must_use]
    pub const fn from_environment() -> Self {
        Self { _nothing: () }
    }

    /// The same store: nothing is cached.
    #[must_use]
    pub fn keep_in(self, _folder: Option<PathBuf>) -> Self {
        self
    }

    /// The same store: there is no progress to report.
    #[must_use]
    pub fn on_progress(self, _report: impl Fn(&EncoderProgress) + Send + Sync + 'static) -> Self {
        self
    }

    /// The same store: there is no checkpoint to resume from.
    #[must_use]
    pub const fn resuming(self, _resume: bool) -> Self {
        self
    }
}

/// A fitted encoder tier. This build has none.
#[derive(Debug, Clone)]
pub enum FittedEncoder {}

impl FittedEncoder {
    pub(crate) const fn manifest(&self) -> &EncoderManifest {
        match *self {}
    }

    pub(crate) const fn tier(&self) -> &EncoderTier {
        match *self {}
    }

    pub(crate) const fn training(&self) -> &[TrainingData] {
        match *self {}
    }

    pub(crate) const fn seen(&self) -> &SeenPrompts {
        match *self {}
    }

    pub(crate) fn probabilities(
        &self,
        _inputs: &[Input<'_>],
        _ngrams: &[f64],
        _p: Vec<f64>,
    ) -> Result<Vec<f64>, TrainingError> {
        match *self {}
    }
}

/// An encoder tier without the parts that need the n-grams. This build has none.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EncoderStage {}

impl EncoderStage {
    /// Fails: this build has no encoders.
    pub(crate) fn fit(
        _params: &EncoderParams,
        _task: &EncoderTask<'_, '_>,
        _encoders: &EncoderStore,
    ) -> Result<Self, TrainingError> {
        Err(EncoderError::NotBuilt.into())
    }

    pub(crate) const fn distilled(&self) -> Option<&DistilledRows> {
        match *self {}
    }

    pub(crate) fn join(
        self,
        _params: &EncoderParams,
        _task: &EncoderTask<'_, '_>,
        _ngrams: (&[f64], &Calibration),
    ) -> Result<FittedEncoder, TrainingError> {
        match self {}
    }
}
