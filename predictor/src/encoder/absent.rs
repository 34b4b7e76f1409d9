//! The encoder tier in a build without encoders: a type without values.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use demur_data::Input;

use crate::encoder::direction::Direction;
use crate::encoder::error::EncoderError;
use crate::encoder::manifest::EncoderManifest;
use crate::encoder::options::EncoderOptions;
use crate::model::digest::FileDigest;

/// An encoder with its head. This build has none.
#[derive(Debug, Clone)]
pub enum EncoderTier {}

impl EncoderTier {
    /// Gets the encoder ready to be asked.
    ///
    /// # Errors
    /// Never: there is no such tier in this build.
    pub const fn prepare(&self) -> Result<(), EncoderError> {
        match *self {}
    }

    /// The head's logit of each input.
    ///
    /// # Errors
    /// Never: there is no such tier in this build.
    pub const fn logits(&self, _inputs: &[Input<'_>]) -> Result<Vec<f64>, EncoderError> {
        match *self {}
    }

    /// The number of tokens of an input for the encoder.
    ///
    /// # Errors
    /// Never: there is no such tier in this build.
    pub const fn count_tokens(&self, _input: &Input<'_>) -> Result<usize, EncoderError> {
        match *self {}
    }

    /// The position of an input along the refusal direction.
    ///
    /// # Errors
    /// Never: there is no such tier in this build.
    pub const fn direction(&self, _input: &Input<'_>, _nearest: usize) -> Result<Direction, EncoderError> {
        match *self {}
    }

    pub(crate) const fn small_files(&self) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
        match *self {}
    }

    pub(crate) const fn digest(&self) -> FileDigest {
        match *self {}
    }

    pub(crate) const fn write_numbers(&self, _path: &Path) -> io::Result<()> {
        match *self {}
    }

    /// Returns the error that this build has no encoders.
    pub(crate) fn load<E>(
        _dir: &Path,
        _manifest: &EncoderManifest,
        _options: EncoderOptions,
        _file: impl Fn(&str) -> Result<(Cow<'static, [u8]>, FileDigest), E>,
    ) -> Result<Result<Self, EncoderError>, E> {
        Ok(Err(EncoderError::NotBuilt))
    }
}
