//! What a manifest says of a model's encoder tier. Every build reads it, so that a build without encoders can say what the
//! model would need.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::calibration_report::CalibrationReport;
use crate::encoder::config::EncoderConfig;
use crate::probability::Probability;

/// The encoder tier of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderManifest {
    /// The model that it was made from.
    pub base: BaseModel,
    /// Whether a fit has changed the base model's numbers.
    pub tuned: bool,
    /// Architecture and sizes.
    pub config: EncoderConfig,
    /// What it reads.
    pub reads: Reads,
    /// How both tiers make one logit.
    pub stack: Stack,
    /// From that logit to P(refusal).
    pub calibration: Calibration,
    /// In its place for targets whose own rows say otherwise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub target_calibrations: BTreeMap<String, Calibration>,
    /// What the calibration was chosen by; absent where nothing was calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_report: Option<CalibrationReport>,
    /// When the n-gram tier answers alone, unless the user says otherwise.
    pub cascade: Cascade,
    /// What other settings of the cascade would do, on rows that the fit had not seen; from the most certain up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cascades: Vec<CascadeFigures>,
    /// Where refused inputs lie.
    pub direction: DirectionManifest,
    /// How many inputs of the fit it holds, to name the nearest ones in explanations.
    #[serde(default)]
    pub known: usize,
}

impl EncoderManifest {
    /// P(refusal) at the logit of both tiers, for a target where it has a calibration of its own.
    #[must_use]
    pub fn calibrated(&self, logit: f64, target: Option<&str>) -> Probability {
        let of_target = target.and_then(|target| self.target_calibrations.get(target));
        of_target.unwrap_or(&self.calibration).apply(logit)
    }
}

/// The model that an encoder was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseModel {
    /// Its name.
    pub name: String,
    /// Its licence, where the recipe names it.
    pub licence: Option<String>,
    /// SHA-256 of its `model.safetensors`.
    pub sha256: String,
}

/// What an encoder reads of an input, and how many tokens of it, special ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "text", deny_unknown_fields)]
pub enum Reads {
    /// The prompt.
    Prompt {
        /// Of all.
        tokens: usize,
    },
    /// The response.
    Response {
        /// Of all.
        tokens: usize,
    },
    /// Prompt and response, as a pair.
    Both {
        /// Of all.
        tokens: usize,
        /// Of the prompt.
        prompt_tokens: usize,
    },
}

/// One logit of two: `ngrams` x that of the n-gram tier + `encoder` x that of the encoder's head + `bias`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// Slope of the n-gram tier's logit.
    pub ngrams: f64,
    /// Slope of the head's logit.
    pub encoder: f64,
    /// Added.
    pub bias: f64,
}

impl Stack {
    /// The logit of both tiers.
    #[must_use]
    pub fn logit(&self, ngrams: f64, encoder: f64) -> f64 {
        self.ngrams.mul_add(ngrams, self.encoder.mul_add(encoder, self.bias))
    }
}

/// The n-gram tier answers alone where its P(refusal) lies below `below` or from `from` up; between them the encoder is
/// asked. `below` 0 and `from` above 1 ask it always.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cascade {
    /// Below this the n-gram tier is certain of compliance.
    pub below: f64,
    /// From this up it is certain of refusal.
    pub from: f64,
}

impl Cascade {
    /// Asks the encoder always.
    pub const NEVER_CHEAP: Self = Self { below: 0.0, from: 2.0 };

    /// Whether the n-gram tier answers alone.
    #[must_use]
    pub fn is_cheap(&self, p_refusal: f64) -> bool {
        p_refusal < self.below || p_refusal >= self.from
    }
}

/// What a setting of the cascade does, on rows that the fit had not seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CascadeFigures {
    /// The setting.
    pub cascade: Cascade,
    /// Share of the rows that the n-gram tier answers alone.
    pub cheap: f64,
    /// Share of right decisions at one half.
    pub accuracy: f64,
    /// Area under the ROC curve.
    pub auroc: f64,
}

/// The refusal direction: from the mean embedding of complied inputs to that of refused ones (Arditi et al. 2024 use the
/// same difference inside a target). Projections are measured from the point half way between, in units of the spread of
/// inputs along it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectionManifest {
    /// The projection half way between both means.
    pub middle: f64,
    /// Standard deviation of projections within a class.
    pub deviation: f64,
    /// AUROC of the projection on rows that had no part in it.
    pub auroc: Option<f64>,
    /// AUROC of the head on the same rows.
    pub head_auroc: Option<f64>,
}
