//! The two models that are part of the program, so that the first answer needs no fit and no download.
//!
//! `scripts/bundle` creates their files. They are loaded like those of a directory, with all of its checks.

use std::borrow::Cow;
use std::path::Path;

use crate::error::ModelError;
use crate::field::Field;
use crate::model::Model;
use crate::model::load::LoadOptions;
use crate::model::tier::Tier;

/// A model that comes with this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bundled {
    /// The response classifier.
    Response,
    /// The prompt predictor.
    Prompt,
}

/// The files of a bundled model by name, as [`Model::save`] wrote them.
macro_rules! files {
    ($model:literal: $($file:literal),+) => {
        &[$(($file, include_bytes!(concat!("../../bundled/", $model, "/", $file)))),+]
    };
}

/// The encoder of both, in builds that can run it.
#[cfg(not(feature = "encoder"))]
const SHARED: &[(&str, &[u8])] = &[];
#[cfg(feature = "encoder")]
const SHARED: &[(&str, &[u8])] = files!("encoder": "encoder.safetensors", "encoder-vocab.txt");

impl Bundled {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Response, Self::Prompt];

    /// The name used in flags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.field().name()
    }

    /// The bundled model with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bundled| bundled.name() == name)
    }

    /// The model that scores this field.
    #[must_use]
    pub const fn of(field: Field) -> Self {
        match field {
            Field::Response => Self::Response,
            Field::Prompt => Self::Prompt,
        }
    }

    /// The field that it scores.
    #[must_use]
    pub const fn field(self) -> Field {
        match self {
            Self::Response => Field::Response,
            Self::Prompt => Field::Prompt,
        }
    }

    /// Its own files; both have the same encoder.
    const fn files(self) -> &'static [(&'static str, &'static [u8])] {
        match self {
            Self::Response => {
                files!("response": "manifest.json", "vocabulary.txt", "weights.safetensors", "seen.bin", "encoder-head.safetensors")
            }
            Self::Prompt => {
                files!("prompt": "manifest.json", "vocabulary.txt", "weights.safetensors", "seen.bin", "encoder-head.safetensors")
            }
        }
    }
}

impl Model {
    /// The n-gram tier of a model that comes with this crate, checked like a directory. Loading takes a few
    /// milliseconds, so keep it.
    ///
    /// # Errors
    /// Never, unless this build's own files are broken (a test reads them); then as [`load`](Self::load).
    pub fn bundled(bundled: Bundled) -> Result<Self, ModelError> {
        Self::bundled_with(bundled, LoadOptions { tier: Tier::Ngram, ..LoadOptions::default() })
    }

    /// A model that comes with this crate, with these options: all of its tiers, unless they say otherwise.
    /// Its encoder is built when it is first asked.
    ///
    /// # Errors
    /// As [`bundled`](Self::bundled).
    pub fn bundled_with(bundled: Bundled, options: LoadOptions) -> Result<Self, ModelError> {
        // Not an existing directory: it only names the files in errors.
        let dir = Path::new("bundled").join(bundled.name());
        let read = |name: &str| {
            let file = bundled.files().iter().chain(SHARED).find(|(known, _)| *known == name);
            file.map(|(_, bytes)| *bytes).ok_or_else(|| ModelError::Missing { path: dir.join(name) })
        };
        Self::from_files(&dir, read)?.with_encoder(&dir, options, |name| read(name).map(Cow::Borrowed))
    }
}
