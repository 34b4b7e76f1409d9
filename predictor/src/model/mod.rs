//! A fitted model, and the directory that holds it: manifest, vocabulary, weights, digests of the prompts
//! that it has seen, and model card. It is written and read as a whole.

pub(crate) mod bundled;
pub(crate) mod card;
pub(crate) mod description;
pub(crate) mod digest;
pub(crate) mod familiarity;
pub(crate) mod figures;
pub(crate) mod left_out;
pub(crate) mod load;
pub(crate) mod manifest;
pub(crate) mod parts;
mod prior;
mod save;
pub(crate) mod seen;
pub(crate) mod tensors;
pub(crate) mod tier;
pub(crate) mod tiers;
pub(crate) mod training_data;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use demur_data::Input;

use crate::answer::kinds::KindModel;
use crate::calibration_report::CalibrationReport;
use crate::error::ModelError;
use crate::learned::LearnedInUse;
use crate::model::description::ModelDescription;
use crate::model::digest::sha256;
use crate::model::left_out::LeftOutReport;
use crate::model::manifest::{Manifest, manifest_json};
use crate::model::parts::{MANIFEST, Parts};
use crate::model::seen::SeenPrompts;
use crate::ngram::known::KnownScripts;
use crate::ngram::ngram_model::NgramModel;
use crate::placed::InUse;
use crate::policy::Decision;
use crate::probability::Probability;

/// A fitted model with its manifest: what a model directory holds.
#[derive(Debug, Clone)]
pub struct Model {
    manifest: Manifest,
    digest: String,
    /// Shared by its copies, for it is large.
    parts: Arc<Parts>,
    /// Added to the logit of every calibrated probability: the shift from the manifest's base rate to another
    /// one.
    prior_shift: f64,
    /// The targets that were placed, which are in no manifest.
    pub(crate) placed: BTreeMap<String, InUse>,
    /// The lines that were learned from feedback, by target; each goes behind all else.
    pub(crate) learned: BTreeMap<String, LearnedInUse>,
    /// The scripts of its vocabulary, counted when they are first needed.
    scripts: OnceLock<KnownScripts>,
}

impl Model {
    /// Builds a model from a description and its parts.
    ///
    /// # Errors
    /// [`ModelError::Settings`] if policy or calibration is wrong.
    pub fn new(description: ModelDescription, parts: Parts) -> Result<Self, ModelError> {
        let manifest = Manifest::of(description, &parts)?;
        manifest.check().map_err(|cause| ModelError::Settings { path: PathBuf::from(MANIFEST), cause })?;
        Self::sealed(manifest, Arc::new(parts))
    }

    /// The model with this manifest, whose digest is the model's.
    fn sealed(manifest: Manifest, parts: Arc<Parts>) -> Result<Self, ModelError> {
        let digest = sha256(manifest_json(&manifest)?.as_bytes());
        Ok(Self::of_parts(manifest, digest, parts))
    }

    /// The model of a manifest with this digest.
    fn of_parts(manifest: Manifest, digest: String, parts: Arc<Parts>) -> Self {
        let (placed, learned) = (BTreeMap::new(), BTreeMap::new());
        Self { manifest, digest, parts, prior_shift: 0.0, placed, learned, scripts: OnceLock::new() }
    }

    /// The same model, with figures on sources that its fit has not seen in its manifest; its digest changes.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_left_out(self, report: Option<LeftOutReport>) -> Result<Self, ModelError> {
        Self::sealed(Manifest { left_out: report, ..self.manifest }, self.parts)
    }

    /// The manifest.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the manifest, which contains the digests of everything else: the identity of the model.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The fitted scorer.
    #[must_use]
    pub fn scorer(&self) -> &NgramModel {
        &self.parts.scorer
    }

    /// All parts that are stored in its files.
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The model of kinds, if there is one.
    #[must_use]
    pub fn kinds(&self) -> Option<&KindModel> {
        self.parts.kinds.as_ref()
    }

    /// The prompts that its fit has seen.
    #[must_use]
    pub fn seen(&self) -> &SeenPrompts {
        &self.parts.seen
    }

    /// The targets that it takes as an input, sorted.
    #[must_use]
    pub fn known_targets(&self) -> Vec<&str> {
        let shifted = self.parts.scorer.dense().targets.keys();
        let mut known: Vec<&str> = shifted
            .chain(self.manifest.target_calibrations.keys())
            .chain(self.placed.keys())
            .chain(self.learned.keys())
            .map(String::as_str)
            .collect();
        known.sort_unstable();
        known.dedup();
        known
    }

    /// Whether the model takes this target as an input, that is, whether the fit learned a difference from
    /// other targets, or the target was placed or learned.
    #[must_use]
    pub fn knows_target(&self, target: &str) -> bool {
        self.parts.scorer.dense().targets.contains_key(target)
            || self.manifest.target_calibrations.contains_key(target)
            || self.placed.contains_key(target)
            || self.learned.contains_key(target)
    }

    /// P(refusal) at the scorer's logit of an input, by the calibration of the input's target if it has one
    /// of its own.
    #[must_use]
    pub fn calibrated(&self, logit: f64, input: &Input<'_>) -> Probability {
        if let Some(placed) = self.placed_at(&self.manifest.calibration, logit, input) {
            return self.as_learned(self.at_prior(placed), input);
        }
        let of_target = input.target.and_then(|target| self.manifest.target_calibrations.get(target));
        let own = of_target.unwrap_or(&self.manifest.calibration).apply(logit);
        self.as_learned(self.at_prior(own), input)
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

    /// The 95% interval of the share refused among rows that the fit had not seen and that the n-gram tier
    /// scored with a similar P(refusal) (the same tenth); `None` if the model does not store it.
    #[must_use]
    pub fn interval(&self, p_refusal: Probability) -> Option<(f64, f64)> {
        self.interval_of(self.manifest.calibration_report.as_ref()?, p_refusal)
    }

    /// The decision of the model's policy at a probability.
    #[must_use]
    pub fn decide(&self, p_refusal: Probability) -> Decision {
        self.manifest.policy.decide(p_refusal)
    }
}
