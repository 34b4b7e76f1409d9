//! Reading a model directory. A load checks in this order: the files exist, the format is known, the polarity
//! is right, sizes and digests match, every number is finite, and vocabulary and weights match.

use std::borrow::Cow;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::answer::kinds::KindModel;
use crate::encoder::files::ENCODER;
use crate::encoder::options::EncoderOptions;
use crate::encoder::tier::EncoderTier;
use crate::error::ModelError;
use crate::model::Model;
use crate::model::digest::{FileDigest, sha256};
use crate::model::manifest::{FORMAT, Manifest, POLARITY, ViewManifest};
use crate::model::parts::{MANIFEST, Parts, SEEN, VOCABULARY, WEIGHTS};
use crate::model::seen::SeenPrompts;
use crate::model::tensors::Tensors;
use crate::model::tier::Tier;
use crate::ngram::ngram_model::{Dense, NgramModel, View};
use crate::ngram::vectorizer::Vectorizer;

/// Options for loading a model directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// [`Tier::Ngram`] leaves out the encoder tier, if there is one. Default: all tiers.
    pub tier: Tier,
    /// How the encoder is run.
    pub encoder: EncoderOptions,
}

/// The part of a manifest that must be readable in every format, present and future.
#[derive(Deserialize)]
struct Header {
    format: u32,
    polarity: String,
}

impl Model {
    /// Reads a model directory with all its tiers, and checks all of it.
    ///
    /// # Errors
    /// One [`ModelError`] for each way in which a directory can be wrong.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        Self::load_with(dir, LoadOptions::default())
    }

    /// Reads a model directory with these options, and checks all that is read.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(dir: &Path, options: LoadOptions) -> Result<Self, ModelError> {
        let read = |name: &str| read_file(dir.join(name));
        Self::from_files(dir, read)?.with_encoder(dir, options, |name| read(name).map(Cow::Owned))
    }

    /// The model with its encoder tier, if it has one and the options do not leave it out.
    pub(crate) fn with_encoder(
        mut self,
        dir: &Path,
        options: LoadOptions,
        read: impl Fn(&str) -> Result<Cow<'static, [u8]>, ModelError>,
    ) -> Result<Self, ModelError> {
        if let Some(encoder) = self.manifest.encoder.as_ref().filter(|_| options.tier == Tier::Encoder) {
            let file = |name: &str| {
                let bytes = read(name)?;
                // Those of the program have twenty megabytes that many commands never use: the tier checks
                // them.
                let is_late = name == ENCODER && matches!(bytes, Cow::Borrowed(_));
                let digest = described(dir, name, &self.manifest)?;
                if !is_late {
                    matches_digest(dir, name, digest, &bytes)?;
                }
                Ok((bytes, digest.clone()))
            };
            let named = |cause| ModelError::Encoder { path: dir.to_owned(), cause };
            Arc::make_mut(&mut self.parts).encoder =
                Some(EncoderTier::load(dir, encoder, options.encoder, file)?.map_err(named)?);
        }
        Ok(self)
    }

    /// Builds a model from its files and checks all of it; `dir` only names it in errors.
    pub(crate) fn from_files<B: AsRef<[u8]>>(
        dir: &Path,
        read: impl Fn(&str) -> Result<B, ModelError>,
    ) -> Result<Self, ModelError> {
        let path = dir.join(MANIFEST);
        let text = read(MANIFEST)?;
        let text = text.as_ref();
        let bad = |cause| ModelError::Manifest { path: path.clone(), cause };
        let header: Header = serde_json::from_slice(text).map_err(bad)?;
        if header.format > FORMAT {
            return Err(ModelError::NewerFormat { path, found: header.format, supported: FORMAT });
        }
        if header.polarity != POLARITY {
            return Err(ModelError::Polarity { path, found: header.polarity });
        }
        let manifest: Manifest = serde_json::from_slice(text).map_err(bad)?;
        manifest.check().map_err(|cause| ModelError::Settings { path: path.clone(), cause })?;
        let file = |name: &str| {
            let bytes = read(name)?;
            matches_digest(dir, name, described(dir, name, &manifest)?, bytes.as_ref())?;
            Ok::<B, ModelError>(bytes)
        };
        let (vocabulary, weights, seen) = (file(VOCABULARY)?, file(WEIGHTS)?, file(SEEN)?);
        let seen = SeenPrompts::from_bytes(seen.as_ref()).ok_or_else(|| ModelError::Layout {
            path: dir.join(SEEN),
            reason: "not a sorted list of 64-bit keys".to_owned(),
        })?;
        let parts = assemble(dir, &manifest, (vocabulary.as_ref(), weights.as_ref()), seen)?;
        Ok(Self::of_parts(manifest, sha256(text), Arc::new(parts)))
    }
}

/// Reads a file of a model. A pipe or a device is refused before it is opened, because reading one may wait
/// forever.
fn read_file(path: PathBuf) -> Result<Vec<u8>, ModelError> {
    let read = || {
        if fs::metadata(&path)?.is_file() {
            return fs::read(&path);
        }
        Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"))
    };
    read().map_err(|cause| match cause.kind() {
        ErrorKind::NotFound => ModelError::Missing { path },
        _ => ModelError::Io { path, cause },
    })
}

/// The size and digest that a file of the model has by its manifest.
fn described<'m>(dir: &Path, name: &str, manifest: &'m Manifest) -> Result<&'m FileDigest, ModelError> {
    manifest.files.get(name).ok_or_else(|| ModelError::Layout {
        path: dir.join(MANIFEST),
        reason: format!("`files` does not describe {name}"),
    })
}

/// Compares a file of the model with the manifest's size and digest.
fn matches_digest(dir: &Path, name: &str, expected: &FileDigest, bytes: &[u8]) -> Result<(), ModelError> {
    let found = sha256(bytes);
    if found == expected.sha256 && bytes.len() as u64 == expected.bytes {
        return Ok(());
    }
    Err(ModelError::Digest {
        path: dir.join(name),
        bytes: bytes.len() as u64,
        found,
        expected_bytes: expected.bytes,
        expected: expected.sha256.clone(),
    })
}

/// The n-grams of a model that have not been assigned to a view yet.
struct Lines<'a> {
    dir: &'a Path,
    left: std::str::Lines<'a>,
}

impl Lines<'_> {
    /// The next views: their n-grams from the vocabulary, their inverse document frequencies from a tensor.
    fn views(&mut self, manifests: &[ViewManifest], idf: &[f32]) -> Result<Vec<View>, ModelError> {
        let mut left = idf;
        let view = |manifest: &ViewManifest| {
            let ngrams: Vec<&str> = self.left.by_ref().take(manifest.features).collect();
            // The total number of features was compared with the numbers in the tensor before.
            let Some((idf, rest)) = left.split_at_checked(manifest.features) else {
                let reason = format!("a view has {} features, {} are left", manifest.features, left.len());
                return Err(ModelError::Layout { path: self.dir.join(WEIGHTS), reason });
            };
            let idf = idf.to_vec();
            left = rest;
            let settings = manifest.settings;
            let vectorizer = Vectorizer::new(settings.vectorizer, &ngrams, idf)
                .map_err(|cause| ModelError::Settings { path: self.dir.to_owned(), cause })?;
            Ok(View { settings, vectorizer })
        };
        manifests.iter().map(view).collect()
    }
}

fn assemble(
    dir: &Path,
    manifest: &Manifest,
    (vocabulary, weights): (&[u8], &[u8]),
    seen: SeenPrompts,
) -> Result<Parts, ModelError> {
    let tensors_path = dir.join(WEIGHTS);
    let layout = |reason| ModelError::Layout { path: tensors_path.clone(), reason };
    let settings = |cause| ModelError::Settings { path: dir.to_owned(), cause };
    let size = |file: &str, what, found, expected| {
        let path = dir.join(file);
        if found == expected { Ok(()) } else { Err(ModelError::Size { path, what, found, expected }) }
    };
    let tensors = Tensors::read(weights).map_err(layout)?;
    let text = std::str::from_utf8(vocabulary)
        .map_err(|source| ModelError::Layout { path: dir.join(VOCABULARY), reason: source.to_string() })?;
    // A manifest may state any number; one that no memory could hold must not overflow to one that fits.
    let features = |views: &[ViewManifest]| {
        let sum = views.iter().try_fold(0_usize, |sum, view| sum.checked_add(view.features));
        sum.ok_or_else(|| ModelError::Layout {
            path: dir.join(MANIFEST),
            reason: "the features of its views are more than can be counted".to_owned(),
        })
    };
    let own = features(&manifest.views)?;
    let of_kinds = manifest.kinds.as_ref().map_or(Ok(0), |kinds| features(&kinds.views))?;
    size(VOCABULARY, "n-grams", text.lines().count(), own.saturating_add(of_kinds))?;
    let (weight, idf) = (tensors.singles("weight").map_err(layout)?, tensors.singles("idf").map_err(layout)?);
    size(WEIGHTS, "weights", weight.len(), own)?;
    size(WEIGHTS, "inverse document frequencies", idf.len(), own)?;
    let mut lines = Lines { dir, left: text.lines() };
    let views = lines.views(&manifest.views, &idf)?;
    let style = if manifest.style { tensors.singles("style").map_err(layout)? } else { Vec::new() };
    let dense = Dense { style, targets: manifest.target_shifts.clone(), contexts: manifest.contexts.clone() };
    let bias = tensors.double("bias").map_err(layout)?;
    let scorer = NgramModel::new(views, weight, dense, bias).map_err(settings)?;
    let kinds = match &manifest.kinds {
        None => None,
        Some(kinds) => {
            let idf = tensors.singles("kind.idf").map_err(layout)?;
            size(WEIGHTS, "inverse document frequencies of kinds", idf.len(), of_kinds)?;
            let views = lines.views(&kinds.views, &idf)?;
            let weights = tensors.singles("kind.weight").map_err(layout)?;
            Some(KindModel::new(kinds.settings.clone(), views, weights).map_err(settings)?)
        }
    };
    Ok(Parts { scorer, kinds, seen, encoder: None })
}
