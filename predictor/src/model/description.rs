//! What is known of a fit beside the parts of its model. The manifest is this, and what follows from the
//! parts.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::calibration::Calibration;
use crate::calibration_report::CalibrationReport;
use crate::encoder::manifest::EncoderManifest;
use crate::field::Field;
use crate::model::training_data::TrainingData;
use crate::policy::Policy;

/// What is known of a fit beside the parts of its model; the fields are those of the
/// [`Manifest`](crate::Manifest).
#[derive(Debug, Clone, PartialEq)]
pub struct ModelDescription {
    /// The version of Demur that fitted it.
    pub written_by: String,
    /// A short name.
    pub name: String,
    /// The field that it scores.
    pub field: Field,
    /// The models whose refusals it learned.
    pub targets: Vec<String>,
    /// Seed of everything random in the fit.
    pub seed: u64,
    /// From the scorer's logit to P(refusal).
    pub calibration: Calibration,
    /// Calibrations of single targets.
    pub target_calibrations: BTreeMap<String, Calibration>,
    /// How the calibration was chosen.
    pub calibration_report: Option<CalibrationReport>,
    /// The share of refusals that its probabilities assume.
    pub base_rate: Option<f64>,
    /// Thresholds of its decisions.
    pub policy: Policy,
    /// The encoder tier, if there is one.
    pub encoder: Option<EncoderManifest>,
    /// The data that it was fitted on.
    pub training: Vec<TrainingData>,
    /// Figures on rows that the fit has not seen, by name of the evaluation.
    pub figures: BTreeMap<String, Value>,
    /// The recipe of the fit, whole.
    pub recipe: Value,
}

impl ModelDescription {
    /// A description of an uncalibrated model, of which nothing else is known.
    #[must_use]
    pub fn new(name: impl Into<String>, field: Field) -> Self {
        Self {
            written_by: concat!("demur ", env!("CARGO_PKG_VERSION")).to_owned(),
            name: name.into(),
            field,
            targets: Vec::new(),
            seed: 0,
            calibration: Calibration::None,
            target_calibrations: BTreeMap::new(),
            calibration_report: None,
            base_rate: None,
            policy: Policy::default(),
            encoder: None,
            training: Vec::new(),
            figures: BTreeMap::new(),
            recipe: Value::Null,
        }
    }
}
