//! The two models that are part of the program, so that the first answer needs no fit and no download.
//!
//! `scripts/bundle` creates their files. They are loaded like those of a directory, with all of its checks.

use std::path::Path;

use crate::error::ModelError;
use crate::field::Field;
use crate::model::Model;

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

    const fn files(self) -> &'static [(&'static str, &'static [u8])] {
        match self {
            Self::Response => {
                files!("response": "manifest.json", "vocabulary.txt", "weights.safetensors", "seen.bin")
            }
            Self::Prompt => {
                files!("prompt": "manifest.json", "vocabulary.txt", "weights.safetensors", "seen.bin")
            }
        }
    }
}

impl Model {
    /// A model that comes with this crate, checked like a directory. Loading takes a few milliseconds, so
    /// keep it.
    ///
    /// # Errors
    /// Never, unless this build's own files are broken (a test reads them); then as [`load`](Self::load).
    pub fn bundled(bundled: Bundled) -> Result<Self, ModelError> {
        // Not an existing directory: it only names the files in errors.
        let dir = Path::new("bundled").join(bundled.name());
        Self::from_files(&dir, |name| {
            let file = bundled.files().iter().find(|(known, _)| *known == name);
            file.map(|(_, bytes)| *bytes).ok_or_else(|| ModelError::Missing { path: dir.join(name) })
        })
    }
}
