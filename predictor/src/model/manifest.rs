//! The manifest: what a model is, in one JSON file that a person can read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::kinds::KindSettings;
use crate::base_rate::check_base_rate;
use crate::calibration::Calibration;
use crate::calibration_report::CalibrationReport;
use crate::context::ContextShifts;
use crate::encoder::files::ENCODER;
use crate::encoder::manifest::EncoderManifest;
use crate::error::{ModelError, SettingsError};
use crate::field::Field;
use crate::model::description::ModelDescription;
use crate::model::digest::{FileDigest, sha256};
use crate::model::left_out::LeftOutReport;
use crate::model::parts::{MANIFEST, Parts, content};
use crate::model::training_data::TrainingData;
use crate::ngram::ngram_model::{View, ViewSettings};
use crate::policy::Policy;

/// The newest model format. This build writes it for models that read what a prompt is sent in, which an
/// older build would not know.
pub const FORMAT: u32 = 5;

/// The format of other models that state the base rate that their probabilities assume.
const FORMAT_OF_BASE_RATES: u32 = 4;

/// The format of other models with an encoder tier, so that older builds can read them.
const FORMAT_OF_ENCODERS: u32 = 3;

/// The format of other models without an encoder tier.
const FORMAT_OF_NGRAMS: u32 = 2;

/// The meaning of a logit above 0. Stored in every manifest and checked at load.
pub const POLARITY: &str = "refused=1";

/// What a model is and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format, at most [`FORMAT`].
    pub format: u32,
    /// [`POLARITY`].
    pub polarity: String,
    /// The version of Demur that wrote it.
    pub written_by: String,
    /// A short name.
    pub name: String,
    /// The field that it scores: a response classifier or a prompt predictor.
    pub field: Field,
    /// The models whose refusals it learned; empty if the data do not say.
    pub targets: Vec<String>,
    /// What each target that the model takes as an input adds to the logit; empty if it takes none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub target_shifts: BTreeMap<String, f32>,
    /// What contexts add to the logit; absent if the model does not read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contexts: Option<ContextShifts>,
    /// Seed of everything random in the fit.
    pub seed: u64,
    /// From the scorer's logit to P(refusal).
    pub calibration: Calibration,
    /// Calibrations of targets whose own rows differ, used instead; absent if there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub target_calibrations: BTreeMap<String, Calibration>,
    /// How the calibration was chosen; absent if nothing was calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_report: Option<CalibrationReport>,
    /// The share of refusals that its probabilities assume: the recipe's `base_rate`, which is also the score
    /// of a text without known features, or that of the weighted training rows. Absent in models of older
    /// builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_rate: Option<f64>,
    /// Thresholds of its decisions.
    pub policy: Policy,
    /// The views with the number of features of each, in the order of the weights.
    pub views: Vec<ViewManifest>,
    /// Whether measures of style are inputs beside the n-grams.
    #[serde(default)]
    pub style: bool,
    /// The model of kinds; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<KindManifest>,
    /// The encoder tier; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderManifest>,
    /// The data that it was fitted on.
    pub training: Vec<TrainingData>,
    /// Figures on rows that the fit has not seen, by name of the evaluation.
    pub figures: BTreeMap<String, Value>,
    /// Figures on sources that were left out whole; absent if none were measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOutReport>,
    /// The recipe of the fit, whole.
    pub recipe: Value,
    /// The other files of the directory.
    pub files: BTreeMap<String, FileDigest>,
}

/// A view and the size of its vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewManifest {
    /// What it reads.
    pub settings: ViewSettings,
    /// How many n-grams it has.
    pub features: usize,
}

/// A model of kinds: its settings and its views. Its n-grams and weights are stored after those of the model
/// itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindManifest {
    /// The kinds and the settings of each.
    pub settings: KindSettings,
    /// The views with the number of features of each.
    pub views: Vec<ViewManifest>,
}

/// The bytes of the manifest, whose digest is the digest of the model.
pub(crate) fn manifest_json(manifest: &Manifest) -> Result<String, ModelError> {
    serde_json::to_string_pretty(manifest)
        .map(|json| json + "\n")
        .map_err(|cause| ModelError::Manifest { path: PathBuf::from(MANIFEST), cause })
}

/// The views in the form of a manifest.
fn describe(views: &[View]) -> Vec<ViewManifest> {
    views
        .iter()
        .map(|view| ViewManifest { settings: view.settings, features: view.vectorizer.len() })
        .collect()
}

/// The oldest format that can express a model.
const fn format_needed(reads_contexts: bool, states_base_rate: bool, has_encoder: bool) -> u32 {
    if reads_contexts {
        FORMAT
    } else if states_base_rate {
        FORMAT_OF_BASE_RATES
    } else if has_encoder {
        FORMAT_OF_ENCODERS
    } else {
        FORMAT_OF_NGRAMS
    }
}

impl Manifest {
    /// The manifest of a model: its description, and what follows from its parts, which it cannot contradict.
    ///
    /// # Errors
    /// [`ModelError`] when a part cannot be written.
    pub(crate) fn of(description: ModelDescription, parts: &Parts) -> Result<Self, ModelError> {
        let digest = |(name, bytes): (&str, Vec<u8>)| {
            (name.to_owned(), FileDigest { bytes: bytes.len() as u64, sha256: sha256(&bytes) })
        };
        let mut files: BTreeMap<String, FileDigest> = content(parts)?.into_iter().map(digest).collect();
        if let Some(encoder) = &parts.encoder {
            files.insert(ENCODER.to_owned(), encoder.digest());
        }
        let kinds = parts.kinds.as_ref();
        Ok(Self {
            format: format_needed(
                parts.scorer.reads_contexts(),
                description.base_rate.is_some(),
                parts.encoder.is_some(),
            ),
            polarity: POLARITY.to_owned(),
            written_by: description.written_by,
            name: description.name,
            field: description.field,
            targets: description.targets,
            target_shifts: parts.scorer.dense().targets.clone(),
            contexts: parts.scorer.dense().contexts.clone(),
            seed: description.seed,
            calibration: description.calibration,
            target_calibrations: description.target_calibrations,
            calibration_report: description.calibration_report,
            base_rate: description.base_rate,
            policy: description.policy,
            views: describe(parts.scorer.views()),
            style: !parts.scorer.dense().style.is_empty(),
            kinds: kinds.map(|kinds| KindManifest {
                settings: kinds.settings().clone(),
                views: describe(kinds.views()),
            }),
            encoder: description.encoder.filter(|_| parts.encoder.is_some()),
            training: description.training,
            figures: description.figures,
            left_out: None,
            recipe: description.recipe,
            files,
        })
    }

    /// Checks policy, base rate and calibrations.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        self.policy.check()?;
        self.base_rate.map_or(Ok(0.0), check_base_rate)?;
        let calibrations = std::iter::once(&self.calibration).chain(self.target_calibrations.values());
        calibrations.into_iter().try_for_each(Calibration::check)?;
        let Some(encoder) = &self.encoder else { return Ok(()) };
        let calibrations = std::iter::once(&encoder.calibration).chain(encoder.target_calibrations.values());
        calibrations.into_iter().try_for_each(Calibration::check)?;
        let (stack, direction) = (encoder.stack, encoder.direction);
        let numbers = [stack.ngrams, stack.encoder, stack.bias, direction.middle, direction.deviation];
        if numbers.iter().any(|number| !number.is_finite()) || direction.deviation <= 0.0 {
            return Err(SettingsError::NotFinite { what: "the encoder tier's stack or direction" });
        }
        encoder.config.check().map_err(|reason| SettingsError::Encoder { reason })
    }
}
