//! The encoder tier of a model: an encoder, the head on its embeddings, and the data for explanations.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;

use serde::{Deserialize, Serialize};

use demur_data::Input;

use crate::encoder::config::EncoderConfig;
use crate::encoder::direction::{Direction, Nearest};
use crate::encoder::error::EncoderError;
use crate::encoder::files::{ENCODER, HEAD};
use crate::encoder::manifest::{DirectionManifest, EncoderManifest, Reads};
use crate::encoder::options::EncoderOptions;
use crate::encoder::tier::encoder::Encoder;
use crate::encoder::tier::in_use::shared;
use crate::encoder::tier::weights::Weights;
use crate::model::digest::{FileDigest, sha256};
use crate::model::tensors::{self, Tensors};

/// The word pieces of its tokenizer.
const PIECES: &str = "encoder-vocab.txt";
/// Stored inputs of the fit, named in explanations.
const KNOWN: &str = "known.jsonl";

/// A linear function of an embedding.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Head {
    /// One weight for each component.
    pub weights: Vec<f32>,
    /// The intercept.
    pub bias: f64,
}

impl Head {
    /// The logit at an embedding.
    #[must_use]
    pub fn logit(&self, embedding: &[f32]) -> f64 {
        self.bias + dot(&self.weights, embedding)
    }
}

/// A stored input of the fit, with its label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownInput {
    /// The text that the model scores.
    pub text: String,
    /// P(refusal) of its label.
    pub p_refusal: f64,
}

/// Stored inputs of the fit with their embeddings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KnownInputs {
    /// The inputs.
    pub inputs: Vec<KnownInput>,
    /// Their embeddings, normalised to length 1, row-major.
    pub embeddings: Vec<f32>,
}

/// The parameters that a fit learned on top of an encoder.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Learned {
    /// From an embedding to a logit.
    pub head: Head,
    /// The refusal direction, of length 1.
    pub direction: Vec<f32>,
    /// Stored inputs, named in explanations.
    pub known: KnownInputs,
}

/// Where the weights of an encoder are.
#[derive(Debug, Clone)]
enum Numbers {
    Bytes(Vec<u8>),
    /// Those of a bundled model.
    Program(&'static [u8]),
    File(PathBuf),
}

/// The encoder of a bundled model, which is checked and built when it is first asked: many commands never
/// ask.
#[derive(Debug)]
struct LateEncoder {
    built: OnceLock<Arc<Encoder>>,
    config: EncoderConfig,
    options: EncoderOptions,
    numbers: &'static [u8],
}

/// The encoder of a tier.
#[derive(Debug, Clone)]
enum TierEncoder {
    Built(Arc<Encoder>),
    Late(Arc<LateEncoder>),
}

/// An encoder with its head, ready to score.
#[derive(Debug, Clone)]
pub struct EncoderTier {
    encoder: TierEncoder,
    learned: Arc<Learned>,
    reads: Reads,
    direction: DirectionManifest,
    numbers: Arc<Numbers>,
    pieces: Arc<Vec<u8>>,
    digest: FileDigest,
}

/// The dot product of two vectors.
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// The embedding normalised to length 1.
#[must_use]
pub fn unit(embedding: &[f32]) -> Vec<f32> {
    let length = dot(embedding, embedding).sqrt().max(f64::MIN_POSITIVE);
    embedding.iter().map(|&number| (f64::from(number) / length) as f32).collect()
}

impl EncoderTier {
    /// Puts a tier together after a fit.
    ///
    /// # Errors
    /// [`EncoderError`] if weights and settings do not match.
    pub fn new(
        manifest: &EncoderManifest,
        (encoder, weights, pieces): (Arc<Encoder>, &Weights, Vec<u8>),
        learned: Learned,
    ) -> Result<Self, EncoderError> {
        let bytes = weights.to_bytes()?;
        let digest = FileDigest { bytes: bytes.len() as u64, sha256: sha256(&bytes) };
        check(manifest, &learned)?;
        Ok(Self {
            encoder: TierEncoder::Built(encoder),
            learned: Arc::new(learned),
            reads: manifest.reads,
            direction: manifest.direction,
            numbers: Arc::new(Numbers::Bytes(bytes)),
            pieces: Arc::new(pieces),
            digest,
        })
    }

    /// Gets the encoder ready to be asked, if it is not: that of a bundled model takes a part of a second.
    ///
    /// # Errors
    /// [`EncoderError`] if this build cannot run it.
    pub fn prepare(&self) -> Result<(), EncoderError> {
        self.encoder().map(drop)
    }

    fn encoder(&self) -> Result<&Encoder, EncoderError> {
        let late = match &self.encoder {
            TierEncoder::Built(encoder) => return Ok(encoder),
            TierEncoder::Late(late) => late,
        };
        if let Some(encoder) = late.built.get() {
            return Ok(encoder);
        }
        // The digest of twenty megabytes takes a sixth of the time that building takes, so it is found meanwhile.
        let (encoder, found) = thread::scope(|scope| {
            let found = scope.spawn(|| sha256(late.numbers));
            let encoder = shared(&late.config, (late.numbers, &self.digest), &self.pieces, late.options);
            (encoder, found.join())
        });
        if !found.is_ok_and(|found| found == self.digest.sha256) {
            let (path, reason) = (PathBuf::from(ENCODER), "is not what the manifest describes".to_owned());
            return Err(EncoderError::File { path, reason });
        }
        let encoder = encoder?;
        Ok(late.built.get_or_init(|| encoder))
    }

    /// The head's logit of each input.
    ///
    /// # Errors
    /// [`EncoderError::Library`].
    pub fn logits(&self, inputs: &[Input<'_>]) -> Result<Vec<f64>, EncoderError> {
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        let encoder = self.encoder()?;
        let embeddings = encoder.embed(&self.reads, inputs)?;
        Ok(embeddings
            .chunks_exact(encoder.config().width())
            .map(|row| self.learned.head.logit(row))
            .collect())
    }

    /// The number of tokens of an input for the encoder.
    ///
    /// # Errors
    /// [`EncoderError::Library`].
    pub fn count_tokens(&self, input: &Input<'_>) -> Result<usize, EncoderError> {
        Ok(self.encoder()?.tokens(&self.reads, input)?.ids.len())
    }

    /// The learned parameters.
    #[must_use]
    pub fn learned(&self) -> &Learned {
        &self.learned
    }

    /// The position of an input along the refusal direction, and the inputs of the fit nearest to it.
    ///
    /// # Errors
    /// [`EncoderError::Library`].
    pub fn direction(&self, input: &Input<'_>, nearest: usize) -> Result<Direction, EncoderError> {
        let embedding = self.encoder()?.embed(&self.reads, std::slice::from_ref(input))?;
        let along = dot(&self.learned.direction, &embedding);
        let unit = unit(&embedding);
        let known = &self.learned.known;
        let similarities = known.embeddings.chunks_exact(unit.len().max(1)).map(|row| dot(row, &unit));
        let mut order: Vec<(f64, usize)> = similarities.zip(0..).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let name = |&(similarity, at): &(f64, usize)| {
            let KnownInput { text, p_refusal } = known.inputs[at].clone();
            Nearest { text, p_refusal, similarity }
        };
        Ok(Direction {
            deviations: (along - self.direction.middle) / self.direction.deviation,
            auroc: self.direction.auroc,
            nearest: order.iter().take(nearest).map(name).collect(),
        })
    }

    /// The small files of the tier by name.
    pub(crate) fn small_files(&self) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
        let learned = &self.learned;
        let mut vectors = std::collections::BTreeMap::from([
            ("bias", tensors::double(learned.head.bias)),
            ("direction", tensors::singles(&learned.direction)),
            ("weight", tensors::singles(&learned.head.weights)),
        ]);
        let mut files = vec![(PIECES, self.pieces.to_vec())];
        if !learned.known.inputs.is_empty() {
            vectors.insert("known", tensors::singles(&learned.known.embeddings));
            let mut lines = Vec::new();
            for input in &learned.known.inputs {
                serde_json::to_writer(&mut lines, input).map_err(|cause| cause.to_string())?;
                lines.push(b'\n');
            }
            files.push((KNOWN, lines));
        }
        files.push((HEAD, tensors::write(&vectors)?));
        Ok(files)
    }

    pub(crate) fn digest(&self) -> FileDigest {
        self.digest.clone()
    }

    /// Writes the weights of the encoder.
    pub(crate) fn write_numbers(&self, path: &Path) -> std::io::Result<()> {
        match &*self.numbers {
            Numbers::Bytes(bytes) => fs::write(path, bytes),
            Numbers::Program(bytes) => fs::write(path, bytes),
            Numbers::File(from) => fs::copy(from, path).map(drop),
        }
    }

    /// Loads the tier of a model; `file` reads one of its files and checks the digest, but of weights that
    /// are part of the program, whose encoder is checked and built later. The outer error is that of `file`.
    pub(crate) fn load<E>(
        dir: &Path,
        manifest: &EncoderManifest,
        options: EncoderOptions,
        file: impl Fn(&str) -> Result<(Cow<'static, [u8]>, FileDigest), E>,
    ) -> Result<Result<Self, EncoderError>, E> {
        let known = if manifest.known > 0 { file(KNOWN)?.0 } else { Cow::default() };
        let ((numbers, digest), (pieces, _), (head, _)) = (file(ENCODER)?, file(PIECES)?, file(HEAD)?);
        let files = TierFiles { dir, digest, pieces: &pieces, head: &head, known: &known };
        Ok(Self::from_files(manifest, &files, options, numbers))
    }

    /// Puts a tier together from the files of a model.
    fn from_files(
        manifest: &EncoderManifest,
        files: &TierFiles<'_>,
        options: EncoderOptions,
        numbers: Cow<'static, [u8]>,
    ) -> Result<Self, EncoderError> {
        let bad = |name: &str, reason: String| EncoderError::File { path: files.dir.join(name), reason };
        let vectors = Tensors::read(files.head).map_err(|reason| bad(HEAD, reason))?;
        let singles = |name: &str| vectors.singles(name).map_err(|reason| bad(HEAD, reason));
        let bias = vectors.double("bias").map_err(|reason| bad(HEAD, reason))?;
        let mut known = KnownInputs::default();
        if manifest.known > 0 {
            let line = |(number, line): (usize, &[u8])| {
                serde_json::from_slice(line)
                    .map_err(|cause| bad(KNOWN, format!("line {}: {cause}", number + 1)))
            };
            let lines = files.known.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
            known.inputs = lines.enumerate().map(line).collect::<Result<_, _>>()?;
            known.embeddings = singles("known")?;
        }
        let head = Head { weights: singles("weight")?, bias };
        let learned = Learned { head, direction: singles("direction")?, known };
        check(manifest, &learned)?;
        let config = &manifest.config;
        let (encoder, numbers) = match numbers {
            Cow::Borrowed(numbers) => {
                let (built, config) = (OnceLock::new(), config.clone());
                let late = LateEncoder { built, config, options, numbers };
                (TierEncoder::Late(Arc::new(late)), Numbers::Program(numbers))
            }
            Cow::Owned(numbers) => {
                let encoder = shared(config, (&numbers, &files.digest), files.pieces, options)?;
                (TierEncoder::Built(encoder), Numbers::File(files.dir.join(ENCODER)))
            }
        };
        Ok(Self {
            encoder,
            learned: Arc::new(learned),
            reads: manifest.reads,
            direction: manifest.direction,
            numbers: Arc::new(numbers),
            pieces: Arc::new(files.pieces.to_vec()),
            digest: files.digest.clone(),
        })
    }
}

/// The files of a tier after reading.
struct TierFiles<'a> {
    dir: &'a Path,
    /// Size and digest of the weights.
    digest: FileDigest,
    pieces: &'a [u8],
    head: &'a [u8],
    /// Empty if the tier stores no inputs.
    known: &'a [u8],
}

/// Checks that the learned parameters match the encoder.
fn check(manifest: &EncoderManifest, learned: &Learned) -> Result<(), EncoderError> {
    let width = manifest.config.width();
    let bad = |name: &str, reason: String| Err(EncoderError::Tensor { name: name.to_owned(), reason });
    for (name, found, wanted) in [
        ("weight", learned.head.weights.len(), width),
        ("direction", learned.direction.len(), width),
        ("known", learned.known.embeddings.len(), manifest.known * width),
        ("known.jsonl", learned.known.inputs.len(), manifest.known),
    ] {
        if found != wanted {
            return bad(name, format!("has {found} numbers, the manifest says {wanted}"));
        }
    }
    let mut numbers = learned.head.weights.iter().chain(&learned.direction).chain(&learned.known.embeddings);
    if numbers.any(|number| !number.is_finite()) || !learned.head.bias.is_finite() {
        return bad("*", "holds a number that is not finite (NaN or infinite)".to_owned());
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::{Bundled, LoadOptions, Model};

    #[test]
    fn a_late_encoder_is_checked_before_it_is_built() {
        let model = Model::bundled_with(Bundled::Prompt, LoadOptions::default()).unwrap();
        let mut tier = model.encoder().unwrap().1.clone();
        tier.digest.sha256 = "0".repeat(64);
        let error = tier.prepare().unwrap_err().to_string();
        assert!(error.contains("encoder.safetensors") && error.contains("not what the manifest"), "{error}");
    }
}
