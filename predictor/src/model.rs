//! A model directory: manifest, vocabulary, weights, digests of the prompts it has seen, and model card,
//! written and read whole.
//!
//! The vocabulary is text, one n-gram a line, view after view, each view sorted; weights and inverse document
//! frequencies are safetensors. A load checks, in this order: the files are there, the format is known, the
//! polarity is right, sizes and digests match, every number is finite, vocabulary and weights fit together.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use demur_data::AtomicDir;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Deserialize;

use crate::card;
use crate::digest::sha256;
use crate::error::{ModelError, ScoreError};
use crate::manifest::{FORMAT, FileDigest, Manifest, POLARITY};
use crate::ngram_model::{NgramModel, View};
use crate::policy::Decision;
use crate::seen::SeenPrompts;
use crate::vectorizer::{Scratch, Vectorizer};
use crate::{Input, Probability};

const MANIFEST: &str = "manifest.json";
const VOCABULARY: &str = "vocabulary.txt";
const WEIGHTS: &str = "weights.safetensors";
const SEEN: &str = "seen.bin";
const CARD: &str = "README.md";

/// A fitted model with its manifest: what a model directory holds.
#[derive(Debug, Clone)]
pub struct Model {
    manifest: Manifest,
    digest: String,
    scorer: NgramModel,
    seen: SeenPrompts,
}

/// The part of a manifest that must be readable in every format, present and future.
#[derive(Deserialize)]
struct Header {
    format: u32,
    polarity: String,
}

impl Model {
    /// Puts a manifest and a scorer together. The manifest's views, format, polarity and file digests are set
    /// here from the scorer, so they cannot contradict it.
    ///
    /// # Errors
    /// [`ModelError::Settings`] when policy or calibration is wrong.
    pub fn new(mut manifest: Manifest, scorer: NgramModel, seen: SeenPrompts) -> Result<Self, ModelError> {
        let settings = |cause| ModelError::Settings { path: PathBuf::from(MANIFEST), cause };
        manifest.policy.check().and_then(|()| manifest.calibration.check()).map_err(settings)?;
        manifest.format = FORMAT;
        POLARITY.clone_into(&mut manifest.polarity);
        manifest.views = scorer
            .views()
            .iter()
            .map(|view| crate::ViewManifest { settings: view.settings, features: view.vectorizer.len() })
            .collect();
        manifest.files = content(&scorer, &seen)?
            .map(|(name, bytes)| {
                (name.to_owned(), FileDigest { bytes: bytes.len() as u64, sha256: sha256(&bytes) })
            })
            .into();
        let digest = sha256(manifest_json(&manifest)?.as_bytes());
        Ok(Self { manifest, digest, scorer, seen })
    }

    /// The manifest.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the manifest, which holds the digests of all else: the identity of the model.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The fitted scorer.
    #[must_use]
    pub const fn scorer(&self) -> &NgramModel {
        &self.scorer
    }

    /// The prompts that its fit has seen.
    #[must_use]
    pub const fn seen(&self) -> &SeenPrompts {
        &self.seen
    }

    /// P(refusal) of one input, with buffers that the caller keeps: microseconds.
    #[must_use]
    pub fn predict(&self, input: &Input<'_>, scratch: &mut Scratch) -> Probability {
        self.calibrated(self.scorer.logit(input, scratch))
    }

    /// P(refusal) of every input, in order. An input gets the same bits here as alone.
    ///
    /// # Errors
    /// [`ScoreError::MissingField`] when an input lacks the text that the model judges.
    pub fn predict_all(&self, inputs: &[Input<'_>]) -> Result<Vec<Probability>, ScoreError> {
        let field = self.manifest.field;
        let mut scratch = Scratch::default();
        let score = |(index, input): (usize, &Input<'_>)| match field.of(input) {
            Some(_) => Ok(self.predict(input, &mut scratch)),
            None => Err(ScoreError::MissingField { index, field: field.name() }),
        };
        inputs.iter().enumerate().map(score).collect()
    }

    /// P(refusal) at one of the scorer's logits.
    #[must_use]
    pub fn calibrated(&self, logit: f64) -> Probability {
        self.manifest.calibration.apply(logit)
    }

    /// What the model's policy does at a probability.
    #[must_use]
    pub fn decide(&self, p_refusal: Probability) -> Decision {
        self.manifest.policy.decide(p_refusal)
    }

    /// Writes the model directory: beside its place first, then by rename. An existing model is replaced.
    ///
    /// # Errors
    /// [`ModelError::NotAModel`] when something else than a model stands there, [`ModelError::Io`].
    pub fn save(&self, dir: &Path) -> Result<(), ModelError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |cause| ModelError::Io { path, cause }
        };
        if dir.exists() && !is_replaceable(dir) {
            return Err(ModelError::NotAModel { path: dir.to_owned() });
        }
        let unfinished = AtomicDir::create(dir).map_err(io(dir))?;
        let described = [
            (MANIFEST, manifest_json(&self.manifest)?.into_bytes()),
            (CARD, card::render(&self.manifest, &self.digest).into_bytes()),
        ];
        for (name, bytes) in content(&self.scorer, &self.seen)?.into_iter().chain(described) {
            fs::write(unfinished.path().join(name), bytes).map_err(io(&dir.join(name)))?;
        }
        unfinished.commit().map_err(io(dir))
    }

    /// Reads a model directory and checks all of it.
    ///
    /// # Errors
    /// One [`ModelError`] for each way in which a directory can be wrong.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        let path = dir.join(MANIFEST);
        let text = read(&path)?;
        let bad = |cause| ModelError::Manifest { path: path.clone(), cause };
        let header: Header = serde_json::from_slice(&text).map_err(bad)?;
        if header.format > FORMAT {
            return Err(ModelError::NewerFormat { path, found: header.format, supported: FORMAT });
        }
        if header.polarity != POLARITY {
            return Err(ModelError::Polarity { path, found: header.polarity });
        }
        let manifest: Manifest = serde_json::from_slice(&text).map_err(bad)?;
        let checked_settings = manifest.policy.check().and_then(|()| manifest.calibration.check());
        checked_settings.map_err(|cause| ModelError::Settings { path: path.clone(), cause })?;
        let vocabulary = checked(dir, VOCABULARY, &manifest)?;
        let weights = checked(dir, WEIGHTS, &manifest)?;
        let seen = SeenPrompts::from_bytes(&checked(dir, SEEN, &manifest)?).ok_or_else(|| {
            ModelError::Layout { path: dir.join(SEEN), reason: "not a sorted list of 64-bit keys".to_owned() }
        })?;
        let scorer = assemble(dir, &manifest, &vocabulary, &weights)?;
        Ok(Self { digest: sha256(&text), manifest, scorer, seen })
    }
}

/// Whether a save may replace what stands at this path: a model, or an empty folder.
fn is_replaceable(dir: &Path) -> bool {
    dir.join(MANIFEST).is_file() || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    fs::read(path).map_err(|cause| match cause.kind() {
        ErrorKind::NotFound => ModelError::Missing { path: path.to_owned() },
        _ => ModelError::Io { path: path.to_owned(), cause },
    })
}

/// Reads a file of the model and compares it with the manifest's size and digest.
fn checked(dir: &Path, name: &str, manifest: &Manifest) -> Result<Vec<u8>, ModelError> {
    let path = dir.join(name);
    let Some(expected) = manifest.files.get(name) else {
        return Err(ModelError::Layout {
            path: dir.join(MANIFEST),
            reason: format!("`files` does not describe {name}"),
        });
    };
    let bytes = read(&path)?;
    let found = sha256(&bytes);
    if found == expected.sha256 && bytes.len() as u64 == expected.bytes {
        return Ok(bytes);
    }
    Err(ModelError::Digest {
        path,
        bytes: bytes.len() as u64,
        found,
        expected_bytes: expected.bytes,
        expected: expected.sha256.clone(),
    })
}

fn assemble(
    dir: &Path,
    manifest: &Manifest,
    vocabulary: &[u8],
    weights: &[u8],
) -> Result<NgramModel, ModelError> {
    let path = dir.join(WEIGHTS);
    let tensors = Tensors::read(&path, weights)?;
    let path = dir.join(VOCABULARY);
    let text = std::str::from_utf8(vocabulary)
        .map_err(|source| ModelError::Layout { path: path.clone(), reason: source.to_string() })?;
    let ngrams: Vec<&str> = text.lines().collect();
    let expected = manifest.views.iter().map(|view| view.features).sum();
    let size = |what, found, path: &Path| {
        if found == expected {
            Ok(())
        } else {
            Err(ModelError::Size { path: path.to_owned(), what, found, expected })
        }
    };
    size("n-grams", ngrams.len(), &path)?;
    size("weights", tensors.weight.len(), &dir.join(WEIGHTS))?;
    size("inverse document frequencies", tensors.idf.len(), &dir.join(WEIGHTS))?;
    let settings = |cause| ModelError::Settings { path: dir.to_owned(), cause };
    let mut views = Vec::with_capacity(manifest.views.len());
    let mut start = 0;
    for view in &manifest.views {
        let range = start..start + view.features;
        start = range.end;
        let idf = tensors.idf[range.clone()].to_vec();
        let vectorizer = Vectorizer::new(view.settings.vectorizer, &ngrams[range], idf).map_err(settings)?;
        views.push(View { settings: view.settings, vectorizer });
    }
    NgramModel::new(views, tensors.weight, tensors.bias).map_err(settings)
}

fn manifest_json(manifest: &Manifest) -> Result<String, ModelError> {
    serde_json::to_string_pretty(manifest)
        .map(|json| json + "\n")
        .map_err(|cause| ModelError::Manifest { path: PathBuf::from(MANIFEST), cause })
}

/// The files that the manifest describes, with their bytes.
fn content(scorer: &NgramModel, seen: &SeenPrompts) -> Result<[(&'static str, Vec<u8>); 3], ModelError> {
    Ok([(VOCABULARY, vocabulary(scorer).into_bytes()), (WEIGHTS, weights(scorer)?), (SEEN, seen.to_bytes())])
}

fn vocabulary(scorer: &NgramModel) -> String {
    let mut out = String::new();
    for view in scorer.views() {
        // A view has fewer than 2^32 features: they are numbered by u32.
        for feature in 0..u32::try_from(view.vectorizer.len()).unwrap_or(u32::MAX) {
            out.push_str(&view.vectorizer.ngram(feature));
            out.push('\n');
        }
    }
    out
}

/// The numbers of a weights file.
struct Tensors {
    weight: Vec<f32>,
    idf: Vec<f32>,
    bias: f64,
}

fn weights(scorer: &NgramModel) -> Result<Vec<u8>, ModelError> {
    let path = PathBuf::from(WEIGHTS);
    let weight: Vec<u8> = scorer.weights().iter().flat_map(|w| w.to_le_bytes()).collect();
    let idf: Vec<u8> = scorer
        .views()
        .iter()
        .flat_map(|view| view.vectorizer.idf())
        .flat_map(|idf| idf.to_le_bytes())
        .collect();
    let bias = scorer.bias().to_le_bytes();
    let tensors = [
        ("bias", Dtype::F64, 1, &bias[..]),
        ("idf", Dtype::F32, idf.len() / 4, &idf[..]),
        ("weight", Dtype::F32, weight.len() / 4, &weight[..]),
    ]
    .map(|(name, dtype, length, data)| TensorView::new(dtype, vec![length], data).map(|view| (name, view)));
    let layout = |source: safetensors::SafeTensorError| ModelError::Layout {
        path: path.clone(),
        reason: source.to_string(),
    };
    let tensors = tensors.into_iter().collect::<Result<Vec<_>, _>>().map_err(layout)?;
    safetensors::serialize(tensors, None).map_err(layout)
}

impl Tensors {
    fn read(path: &Path, bytes: &[u8]) -> Result<Self, ModelError> {
        let bad = |reason: String| ModelError::Layout { path: path.to_owned(), reason };
        let file = SafeTensors::deserialize(bytes).map_err(|source| bad(source.to_string()))?;
        let tensor = |name: &str, dtype: Dtype| -> Result<Vec<u8>, ModelError> {
            let view = file.tensor(name).map_err(|source| bad(source.to_string()))?;
            if view.dtype() == dtype && view.shape().len() == 1 {
                Ok(view.data().to_vec())
            } else {
                Err(bad(format!(
                    "tensor `{name}` is {:?} {:?}, not a vector of {dtype:?}",
                    view.dtype(),
                    view.shape()
                )))
            }
        };
        let singles = |bytes: Vec<u8>| -> Vec<f32> {
            bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        };
        let bias = tensor("bias", Dtype::F64)?;
        let bias =
            <[u8; 8]>::try_from(bias.as_slice()).map_err(|_| bad("`bias` is not one number".to_owned()))?;
        Ok(Self {
            weight: singles(tensor("weight", Dtype::F32)?),
            idf: singles(tensor("idf", Dtype::F32)?),
            bias: f64::from_le_bytes(bias),
        })
    }
}
