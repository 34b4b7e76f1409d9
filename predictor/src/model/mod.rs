//! A model directory: manifest, vocabulary, weights, digests of the prompts it has seen, and model card,
//! written and read whole.
//!
//! The vocabulary is text, one n-gram a line, view after view, each view sorted; weights and inverse document
//! frequencies are safetensors. A load checks, in this order: the files are there, the format is known, the
//! polarity is right, sizes and digests match, every number is finite, vocabulary and weights fit together.

pub(crate) mod bundled;
pub(crate) mod card;
pub(crate) mod digest;
pub(crate) mod left_out;
pub(crate) mod manifest;
pub(crate) mod seen;
pub(crate) mod tensors;
pub(crate) mod tiers;
pub(crate) mod training_data;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use demur_data::AtomicDir;
use serde::Deserialize;

use crate::answer::kinds::{KindDistribution, KindModel};
use crate::base_rate::check_base_rate;
use crate::calibration::Calibration;
#[cfg(not(feature = "encoder"))]
use crate::encoder::EncoderError;
#[cfg(feature = "encoder")]
use crate::encoder::tier::{ENCODER, HEAD, KNOWN, PIECES, TierFiles};
use crate::encoder::{EncoderManifest, EncoderOptions, EncoderTier};
use crate::error::{ModelError, ScoreError, SettingsError};
use crate::model::digest::sha256;
use crate::model::left_out::LeftOutReport;
use crate::model::manifest::{
    CalibrationReport, FORMAT, FileDigest, KindManifest, Manifest, POLARITY, ViewManifest,
};
use crate::model::seen::SeenPrompts;
use crate::model::tensors::Tensors;
use crate::model::tiers::Tier;
use crate::ngram::ngram_model::{Dense, NgramModel, View};
use crate::ngram::vectorizer::{Scratch, Vectorizer};
use crate::policy::Decision;
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
    parts: Parts,
    /// What is added to the logit of every calibrated probability: the way from the manifest's base rate to another.
    prior_shift: f64,
}

/// What the files of a model hold, beside the manifest.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Input -> logit.
    pub scorer: NgramModel,
    /// Input and logit -> kinds, where the model tells them apart.
    pub kinds: Option<KindModel>,
    /// The prompts that the fit has seen.
    pub seen: SeenPrompts,
    /// What is asked where the n-gram tier is not certain; none where the model has no such tier, or it was not loaded.
    pub encoder: Option<EncoderTier>,
}

/// How a model directory is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// [`Tier::Ngram`] leaves the encoder tier out, if there is one. Default: all tiers.
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
    /// Puts a manifest and its parts together. The manifest's views, format, polarity and file digests are set
    /// here from the parts, so they cannot contradict them.
    ///
    /// # Errors
    /// [`ModelError::Settings`] when policy or calibration is wrong.
    pub fn new(mut manifest: Manifest, parts: Parts) -> Result<Self, ModelError> {
        let settings = |cause| ModelError::Settings { path: PathBuf::from(MANIFEST), cause };
        check_maps(&manifest).map_err(settings)?;
        manifest.format = manifest.format_needed(parts.encoder.is_some());
        POLARITY.clone_into(&mut manifest.polarity);
        manifest.views = describe(parts.scorer.views());
        manifest.style = !parts.scorer.dense().style.is_empty();
        manifest.target_shifts.clone_from(&parts.scorer.dense().targets);
        manifest.kinds = parts
            .kinds
            .as_ref()
            .map(|kinds| KindManifest { settings: kinds.settings().clone(), views: describe(kinds.views()) });
        if parts.encoder.is_none() {
            manifest.encoder = None;
        }
        let digest = |(name, bytes): (&str, Vec<u8>)| {
            (name.to_owned(), FileDigest { bytes: bytes.len() as u64, sha256: sha256(&bytes) })
        };
        manifest.files = content(&parts)?.into_iter().map(digest).collect();
        #[cfg(feature = "encoder")]
        if let Some(encoder) = &parts.encoder {
            manifest.files.insert(ENCODER.to_owned(), encoder.digest());
        }
        let digest = sha256(manifest_json(&manifest)?.as_bytes());
        Ok(Self { manifest, digest, parts, prior_shift: 0.0 })
    }

    /// The same model, with figures on sources that its fit has not seen in its manifest; its digest is another.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_left_out(self, report: Option<LeftOutReport>) -> Result<Self, ModelError> {
        Self::new(Manifest { left_out: report, ..self.manifest }, self.parts)
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
        &self.parts.scorer
    }

    /// All that its files hold.
    pub(crate) const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The model of kinds, where there is one.
    #[must_use]
    pub const fn kinds(&self) -> Option<&KindModel> {
        self.parts.kinds.as_ref()
    }

    /// The prompts that its fit has seen.
    #[must_use]
    pub const fn seen(&self) -> &SeenPrompts {
        &self.parts.seen
    }

    /// P(refusal) of one input by the n-gram tier, with buffers that the caller keeps: microseconds.
    #[must_use]
    pub fn predict(&self, input: &Input<'_>, scratch: &mut Scratch) -> Probability {
        self.calibrated(self.parts.scorer.logit(input, scratch), input.target)
    }

    /// P(refusal) of one input and the distribution over its kinds, where the model tells kinds apart.
    #[must_use]
    pub fn predict_kind(
        &self,
        input: &Input<'_>,
        scratch: &mut Scratch,
    ) -> (Probability, Option<KindDistribution>) {
        let p_refusal = self.predict(input, scratch);
        let kinds = self.parts.kinds.as_ref().map(|kinds| kinds.predict(input, p_refusal, scratch));
        (p_refusal, kinds)
    }

    /// The targets that it takes as an input, sorted.
    #[must_use]
    pub fn known_targets(&self) -> Vec<&str> {
        let shifted = self.parts.scorer.dense().targets.keys();
        let mut known: Vec<&str> =
            shifted.chain(self.manifest.target_calibrations.keys()).map(String::as_str).collect();
        known.sort_unstable();
        known.dedup();
        known
    }

    /// Whether the model takes this target as an input: its rows moved the fit apart from those of others.
    #[must_use]
    pub fn knows_target(&self, target: &str) -> bool {
        self.parts.scorer.dense().targets.contains_key(target)
            || self.manifest.target_calibrations.contains_key(target)
    }

    /// P(refusal) of every input, in order, by all tiers that the model has. From the n-gram tier an input gets the same
    /// bits here as alone; from the encoder, the same to about 1e-6.
    ///
    /// # Errors
    /// [`ScoreError::MissingField`] when an input lacks the text that the model judges, [`ScoreError::Encoder`].
    pub fn predict_all(&self, inputs: &[Input<'_>]) -> Result<Vec<Probability>, ScoreError> {
        let all = self.predict_tiers(inputs, None, &mut Scratch::default())?;
        Ok(all.into_iter().map(|tiered| tiered.p_refusal).collect())
    }

    /// P(refusal) at one of the scorer's logits, for a target where it has a calibration of its own.
    #[must_use]
    pub fn calibrated(&self, logit: f64, target: Option<&str>) -> Probability {
        let of_target = target.and_then(|target| self.manifest.target_calibrations.get(target));
        self.at_prior(of_target.unwrap_or(&self.manifest.calibration).apply(logit))
    }

    /// A calibrated probability under the base rate that is assumed now.
    pub(crate) fn at_prior(&self, p_refusal: Probability) -> Probability {
        if self.prior_shift == 0.0 { p_refusal } else { p_refusal.shifted(self.prior_shift) }
    }

    pub(crate) const fn prior_shift(&self) -> f64 {
        self.prior_shift
    }

    pub(crate) fn with_prior_shift(self, prior_shift: f64) -> Self {
        Self { prior_shift, ..self }
    }

    /// The interval of a report at a probability, both under the base rate that is assumed now.
    pub(crate) fn interval_of(
        &self,
        report: &CalibrationReport,
        p_refusal: Probability,
    ) -> Option<(f64, f64)> {
        if self.prior_shift == 0.0 {
            return report.interval(p_refusal);
        }
        let (low, high) = report.interval(p_refusal.shifted(-self.prior_shift))?;
        let moved = |end: f64| Probability::new(end).map_or(end, |end| end.shifted(self.prior_shift).get());
        Some((moved(low), moved(high)))
    }

    /// The 95% interval of the share refused among rows that the fit had not seen and gave a similar P(refusal) (the same
    /// tenth) by the n-gram tier; none where the model does not hold it.
    #[must_use]
    pub fn interval(&self, p_refusal: Probability) -> Option<(f64, f64)> {
        self.interval_of(self.manifest.calibration_report.as_ref()?, p_refusal)
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
        Self::check_place(dir)?;
        let unfinished = AtomicDir::create(dir).map_err(io(dir))?;
        let described = [
            (MANIFEST, manifest_json(&self.manifest)?.into_bytes()),
            (CARD, card::render(&self.manifest, &self.digest).into_bytes()),
        ];
        for (name, bytes) in content(&self.parts)?.into_iter().chain(described) {
            fs::write(unfinished.path().join(name), bytes).map_err(io(&dir.join(name)))?;
        }
        #[cfg(feature = "encoder")]
        if let Some(encoder) = &self.parts.encoder {
            encoder.write_numbers(&unfinished.path().join(ENCODER)).map_err(io(&dir.join(ENCODER)))?;
        }
        unfinished.commit().map_err(io(dir))
    }

    /// Whether [`save`](Self::save) may write to this path: nothing is there, an empty directory, or a model.
    ///
    /// # Errors
    /// [`ModelError::NotAModel`].
    pub fn check_place(dir: &Path) -> Result<(), ModelError> {
        if dir.exists() && !is_replaceable(dir) {
            return Err(ModelError::NotAModel { path: dir.to_owned() });
        }
        Ok(())
    }

    /// Reads a model directory, all tiers of it, and checks all of it.
    ///
    /// # Errors
    /// One [`ModelError`] for each way in which a directory can be wrong.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        Self::load_with(dir, LoadOptions::default())
    }

    /// Reads a model directory as the options say, and checks all that is read.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(dir: &Path, options: LoadOptions) -> Result<Self, ModelError> {
        let read = |name: &str| read_file(dir.join(name));
        let mut model = Self::from_files(dir, read)?;
        if let Some(encoder) = model.manifest.encoder.as_ref().filter(|_| options.tier == Tier::Encoder) {
            let file = |name: &str| {
                let bytes = read(name)?;
                let digest = check(dir, name, &model.manifest, &bytes)?.clone();
                Ok((bytes, digest))
            };
            let tier = load_encoder(dir, encoder, file, options.encoder)?;
            model.parts.encoder = Some(tier);
        }
        Ok(model)
    }

    /// Puts a model together from its files and checks all of it; `dir` only names it in errors.
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
        let checked_settings = check_maps(&manifest);
        checked_settings.map_err(|cause| ModelError::Settings { path: path.clone(), cause })?;
        let file = |name: &str| {
            let bytes = read(name)?;
            check(dir, name, &manifest, bytes.as_ref())?;
            Ok::<B, ModelError>(bytes)
        };
        let (vocabulary, weights, seen) = (file(VOCABULARY)?, file(WEIGHTS)?, file(SEEN)?);
        let seen = SeenPrompts::from_bytes(seen.as_ref()).ok_or_else(|| ModelError::Layout {
            path: dir.join(SEEN),
            reason: "not a sorted list of 64-bit keys".to_owned(),
        })?;
        let parts = assemble(dir, &manifest, (vocabulary.as_ref(), weights.as_ref()), seen)?;
        Ok(Self { digest: sha256(text), manifest, parts, prior_shift: 0.0 })
    }
}

/// Reads a file of a model. A pipe or a device is refused before it is opened: reading one may wait forever.
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

/// Reads the encoder tier of a model directory.
#[cfg(feature = "encoder")]
fn load_encoder(
    dir: &Path,
    manifest: &EncoderManifest,
    file: impl Fn(&str) -> Result<(Vec<u8>, FileDigest), ModelError>,
    options: EncoderOptions,
) -> Result<EncoderTier, ModelError> {
    let known = if manifest.known > 0 { file(KNOWN)?.0 } else { Vec::new() };
    let ((numbers, digest), (pieces, _), (head, _)) = (file(ENCODER)?, file(PIECES)?, file(HEAD)?);
    let files = TierFiles { dir, numbers: &numbers, digest, pieces: &pieces, head: &head, known: &known };
    EncoderTier::from_files(manifest, &files, options)
        .map_err(|cause| ModelError::Encoder { path: dir.to_owned(), cause })
}

/// Says that this build cannot.
#[cfg(not(feature = "encoder"))]
fn load_encoder(
    dir: &Path,
    _manifest: &EncoderManifest,
    _file: impl Fn(&str) -> Result<(Vec<u8>, FileDigest), ModelError>,
    _options: EncoderOptions,
) -> Result<EncoderTier, ModelError> {
    Err(ModelError::Encoder { path: dir.to_owned(), cause: EncoderError::NotBuilt })
}

/// Whether a save may replace what stands at this path: a model, or an empty folder.
fn is_replaceable(dir: &Path) -> bool {
    dir.join(MANIFEST).is_file() || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

/// Compares a file of the model with the manifest's size and digest, and gives those.
fn check<'m>(
    dir: &Path,
    name: &str,
    manifest: &'m Manifest,
    bytes: &[u8],
) -> Result<&'m FileDigest, ModelError> {
    let Some(expected) = manifest.files.get(name) else {
        return Err(ModelError::Layout {
            path: dir.join(MANIFEST),
            reason: format!("`files` does not describe {name}"),
        });
    };
    let found = sha256(bytes);
    if found == expected.sha256 && bytes.len() as u64 == expected.bytes {
        return Ok(expected);
    }
    Err(ModelError::Digest {
        path: dir.join(name),
        bytes: bytes.len() as u64,
        found,
        expected_bytes: expected.bytes,
        expected: expected.sha256.clone(),
    })
}

/// The n-grams of a model that no view has taken yet.
struct Lines<'a> {
    dir: &'a Path,
    left: std::str::Lines<'a>,
}

impl Lines<'_> {
    /// The next views, their n-grams from the vocabulary and their inverse document frequencies from a tensor.
    fn views(&mut self, manifests: &[ViewManifest], idf: &[f32]) -> Result<Vec<View>, ModelError> {
        let mut left = idf;
        let view = |manifest: &ViewManifest| {
            let ngrams: Vec<&str> = self.left.by_ref().take(manifest.features).collect();
            // The sum of all views' features was compared with the numbers that are there.
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
    // A manifest may state any number: one that no memory could hold must not wrap round to one that fits.
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
    let dense = Dense { style, targets: manifest.target_shifts.clone() };
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

fn manifest_json(manifest: &Manifest) -> Result<String, ModelError> {
    serde_json::to_string_pretty(manifest)
        .map(|json| json + "\n")
        .map_err(|cause| ModelError::Manifest { path: PathBuf::from(MANIFEST), cause })
}

fn describe(views: &[View]) -> Vec<ViewManifest> {
    views
        .iter()
        .map(|view| ViewManifest { settings: view.settings, features: view.vectorizer.len() })
        .collect()
}

/// The files that the manifest describes, with their bytes; without the numbers of the encoder, which are too many.
fn content(parts: &Parts) -> Result<Vec<(&'static str, Vec<u8>)>, ModelError> {
    let kind_views = parts.kinds.as_ref().map_or(&[][..], KindModel::views);
    let vocabulary = vocabulary(parts.scorer.views().iter().chain(kind_views));
    let weights =
        weights(parts).map_err(|reason| ModelError::Layout { path: PathBuf::from(WEIGHTS), reason })?;
    #[allow(unused_mut, reason = "a build without encoders adds nothing")]
    let mut files =
        vec![(VOCABULARY, vocabulary.into_bytes()), (WEIGHTS, weights), (SEEN, parts.seen.to_bytes())];
    #[cfg(feature = "encoder")]
    if let Some(encoder) = &parts.encoder {
        let layout = |reason| ModelError::Layout { path: PathBuf::from(HEAD), reason };
        files.extend(encoder.small_files().map_err(layout)?);
    }
    Ok(files)
}

fn vocabulary<'a>(views: impl Iterator<Item = &'a View>) -> String {
    let mut out = String::new();
    for view in views {
        // A view has fewer than 2^32 features: they are numbered by u32.
        for feature in 0..u32::try_from(view.vectorizer.len()).unwrap_or(u32::MAX) {
            out.push_str(&view.vectorizer.ngram(feature));
            out.push('\n');
        }
    }
    out
}

fn weights(parts: &Parts) -> Result<Vec<u8>, String> {
    let idf = |views: &[View]| {
        let idf: Vec<f32> = views.iter().flat_map(|view| view.vectorizer.idf()).copied().collect();
        tensors::singles(&idf)
    };
    let scorer = &parts.scorer;
    let mut all = BTreeMap::from([
        ("bias", tensors::double(scorer.bias())),
        ("idf", idf(scorer.views())),
        ("weight", tensors::singles(scorer.weights())),
    ]);
    if !scorer.dense().style.is_empty() {
        all.insert("style", tensors::singles(&scorer.dense().style));
    }
    if let Some(kinds) = &parts.kinds {
        all.insert("kind.idf", idf(kinds.views()));
        all.insert("kind.weight", tensors::singles(kinds.weights()));
    }
    tensors::write(&all)
}

/// Checks policy and calibrations.
fn check_maps(manifest: &Manifest) -> Result<(), SettingsError> {
    manifest.policy.check()?;
    manifest.base_rate.map_or(Ok(0.0), check_base_rate)?;
    let calibrations = std::iter::once(&manifest.calibration).chain(manifest.target_calibrations.values());
    calibrations.into_iter().try_for_each(Calibration::check)?;
    let Some(encoder) = &manifest.encoder else { return Ok(()) };
    let calibrations = std::iter::once(&encoder.calibration).chain(encoder.target_calibrations.values());
    calibrations.into_iter().try_for_each(Calibration::check)?;
    let (stack, direction) = (encoder.stack, encoder.direction);
    let numbers = [stack.ngrams, stack.encoder, stack.bias, direction.middle, direction.deviation];
    if numbers.iter().any(|number| !number.is_finite()) || direction.deviation <= 0.0 {
        return Err(SettingsError::NotFinite { what: "the encoder tier's stack or direction" });
    }
    encoder.config.check().map_err(|reason| SettingsError::Encoder { reason })
}
