//! A fitted encoder tier, as the surrounding fit uses it and a model stores it.

use std::collections::BTreeMap;
use std::sync::Arc;

use demur_predictor::encoder::{EncoderManifest, EncoderTier};
use demur_predictor::{Calibration, Input, SeenPrompts, TrainingData};

use crate::encoder::tier::loaded::LoadedEncoder;
use crate::error::TrainingError;

/// A fitted encoder tier.
#[derive(Debug, Clone)]
pub struct FittedEncoder {
    /// Its entry in the manifest.
    pub(crate) manifest: EncoderManifest,
    pub(crate) tier: EncoderTier,
    /// The files of the intermediate task, and of the texts that the n-grams learned from.
    pub(crate) training: Vec<TrainingData>,
    /// The prompts in those files.
    pub(crate) seen: SeenPrompts,
    pub(crate) loaded: Arc<LoadedEncoder>,
}

impl FittedEncoder {
    pub(crate) const fn manifest(&self) -> &EncoderManifest {
        &self.manifest
    }

    pub(crate) const fn tier(&self) -> &EncoderTier {
        &self.tier
    }

    pub(crate) fn training(&self) -> &[TrainingData] {
        &self.training
    }

    pub(crate) const fn seen(&self) -> &SeenPrompts {
        &self.seen
    }

    /// P(refusal) of inputs whose n-gram logits and probabilities are known, with the targets' calibrations
    /// of these.
    pub(crate) fn probabilities(
        &self,
        inputs: &[Input<'_>],
        (ngrams, targets): (&[f64], &BTreeMap<String, Calibration>),
        mut p: Vec<f64>,
    ) -> Result<Vec<f64>, TrainingError> {
        let manifest = &self.manifest;
        let asked: Vec<usize> =
            (0..p.len()).filter(|&row| manifest.is_asked(manifest.cascade, p[row], &inputs[row])).collect();
        let texts: Vec<Input<'_>> = asked.iter().map(|&row| inputs[row]).collect();
        let embeddings = self.loaded.embed(&manifest.reads, &texts)?;
        for (&row, embedding) in asked.iter().zip(embeddings.chunks_exact(manifest.config.width())) {
            let logit = manifest.stack.logit(ngrams[row], self.tier.learned().head.logit(embedding));
            p[row] = manifest.calibrated(logit, inputs[row].target, targets).get();
        }
        Ok(p)
    }
}
