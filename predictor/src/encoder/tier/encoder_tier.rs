//! The encoder tier of a model: an encoder, the head on its embeddings, and the data for explanations.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use serde::{Deserialize, Serialize};

use demur_data::Input;

use crate::encoder::config::EncoderConfig;
use crate::encoder::direction::{Direction, Nearest};
use crate::encoder::error::EncoderError;
use crate::encoder::files::{ENCODER, HEAD};
use crate::encoder::manifest::{DirectionManifest, EncoderManifest, Reads};
use crate::encoder::options::EncoderOptions;
use crate::encoder::tier::encoder::Encoder;
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

/// An encoder with its head, ready to score.
#[derive(Debug, Clone)]
pub struct EncoderTier {
    /// Empty until a text is asked of it, for a bundled model alone: many commands never ask.
    encoder: Arc<OnceLock<Arc<Encoder>>>,
    config: EncoderConfig,
    options: EncoderOptions,
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
            encoder: Arc::new(OnceLock::from(encoder)),
            config: manifest.config.clone(),
            options: EncoderOptions::default(),
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

    /// The encoder, which is built when it is first needed.
    fn encoder(&self) -> Result<&Encoder, EncoderError> {
        if let Some(encoder) = self.encoder.get() {
            return Ok(encoder);
        }
        let numbers = match &*self.numbers {
            Numbers::Bytes(bytes) => Cow::Borrowed(bytes.as_slice()),
            Numbers::Program(bytes) => Cow::Borrowed(*bytes),
            Numbers::File(path) => Cow::Owned(
                fs::read(path)
                    .map_err(|cause| EncoderError::File { path: path.clone(), reason: cause.to_string() })?,
            ),
        };
        let encoder = shared(&self.config, (&numbers, &self.digest), &self.pieces, self.options)?;
        Ok(self.encoder.get_or_init(|| encoder))
    }

    /// The head's logit of each input.
    ///
    /// # Errors
    /// [`EncoderError::Library`].
    pub fn logits(&self, inputs: &[Input<'_>]) -> Result<Vec<f64>, EncoderError> {
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        let embeddings = self.encoder()?.embed(&self.reads, inputs)?;
        Ok(embeddings.chunks_exact(self.config.width()).map(|row| self.learned.head.logit(row)).collect())
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

    /// Loads the tier of a model; `file` reads one of its files and checks the digest. The encoder is built
    /// at once, but for files that are part of the program. The outer error is that of `file`.
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

    /// Puts a tier together from the files of a model, whose digests have been checked.
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
        let (encoder, numbers) = match numbers {
            Cow::Borrowed(bytes) => (OnceLock::new(), Numbers::Program(bytes)),
            Cow::Owned(bytes) => {
                let encoder = shared(&manifest.config, (&bytes, &files.digest), files.pieces, options)?;
                (OnceLock::from(encoder), Numbers::File(files.dir.join(ENCODER)))
            }
        };
        Ok(Self {
            encoder: Arc::new(encoder),
            config: manifest.config.clone(),
            options,
            learned: Arc::new(learned),
            reads: manifest.reads,
            direction: manifest.direction,
            numbers: Arc::new(numbers),
            pieces: Arc::new(files.pieces.to_vec()),
            digest: files.digest.clone(),
        })
    }
}

/// The encoders in use, by their files and settings: two models with the same encoder have it in memory once.
static IN_USE: Mutex<Vec<(String, Weak<Encoder>)>> = Mutex::new(Vec::new());

/// The encoder of these weights and word pieces: one that is in use, or a new one.
fn shared(
    config: &EncoderConfig,
    (numbers, digest): (&[u8], &FileDigest),
    pieces: &[u8],
    options: EncoderOptions,
) -> Result<Arc<Encoder>, EncoderError> {
    let key = format!("{} {} {:?} {options:?}", digest.sha256, sha256(pieces), config);
    // Each change of the list is one step, so a panic elsewhere leaves it whole.
    let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    in_use.retain(|(_, encoder)| encoder.strong_count() > 0);
    let known = in_use.iter().find(|(known, _)| *known == key).and_then(|(_, encoder)| encoder.upgrade());
    if let Some(encoder) = known {
        return Ok(encoder);
    }
    let weights = Weights::read(config, numbers)?;
    let encoder = Arc::new(Encoder::new(config, pieces, &weights, options)?);
    in_use.push((key, Arc::downgrade(&encoder)));
    Ok(encoder)
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
    use super::*;
    use crate::encoder::config::Architecture;
    use crate::encoder::tier::tests::small;

    #[test]
    fn an_encoder_in_use_is_not_built_again() {
        let (config, weights) = small(Architecture::Bert);
        let numbers = weights.to_bytes().unwrap();
        let digest = FileDigest { bytes: numbers.len() as u64, sha256: sha256(&numbers) };
        let pieces = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n";
        let of = |threads| {
            let options = EncoderOptions { threads, ..EncoderOptions::default() };
            shared(&config, (&numbers, &digest), pieces, options).unwrap()
        };
        let first = of(1);
        assert!(Arc::ptr_eq(&first, &of(1)));
        assert!(!Arc::ptr_eq(&first, &of(2)), "other threads are another encoder");
    }
}
