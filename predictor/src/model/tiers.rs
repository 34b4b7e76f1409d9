//! Predictions by all tiers of a model: the n-gram tier if it is certain, otherwise the encoder, in batches.

use demur_data::Input;

use crate::answer::kinds::KindDistribution;
use crate::encoder::manifest::{Cascade, EncoderManifest};
use crate::encoder::tier::EncoderTier;
use crate::error::ScoreError;
use crate::explain::Explanation;
use crate::model::Model;
use crate::model::tier::Tier;
use crate::ngram::ngram_model::Found;
use crate::ngram::scratch::Scratch;
use crate::probability::Probability;

/// A prediction with the tier that made it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tiered {
    /// P(refusal), calibrated.
    pub p_refusal: Probability,
    /// The logit before calibration.
    pub logit: f64,
    /// The tier.
    pub tier: Tier,
    /// What was found of the vocabularies in the input.
    pub found: Found,
}

impl Model {
    /// The encoder tier with its description, if the model has one and it is loaded.
    #[must_use]
    pub fn encoder(&self) -> Option<(&EncoderManifest, &EncoderTier)> {
        self.manifest().encoder.as_ref().zip(self.parts().encoder.as_ref())
    }

    /// The prediction of the n-gram tier alone, whether or not an encoder is loaded. It takes microseconds
    /// and uses the caller's buffers.
    #[must_use]
    pub fn predict_ngrams(&self, input: &Input<'_>, scratch: &mut Scratch) -> Tiered {
        let (logit, found) = self.scorer().logit_and_found(input, scratch);
        Tiered { p_refusal: self.calibrated(logit, input), logit, tier: Tier::Ngram, found }
    }

    /// The same from an explanation of the input, whose terms its logit sums.
    #[must_use]
    pub fn explained(&self, explanation: &Explanation, input: &Input<'_>) -> Tiered {
        let (logit, found) = (explanation.logit, Found { ngrams: explanation.ngrams(), known: None });
        Tiered { p_refusal: self.calibrated(logit, input), logit, tier: Tier::Ngram, found }
    }

    /// The prediction of both tiers for one input, from the logits of each; `None` without an encoder tier.
    #[must_use]
    pub fn stacked(&self, ngrams: &Tiered, encoder_logit: f64, input: &Input<'_>) -> Option<Tiered> {
        let manifest = self.manifest().encoder.as_ref()?;
        let logit = manifest.stack.logit(ngrams.logit, encoder_logit);
        let own = || manifest.calibrated(logit, input.target, &self.manifest().target_calibrations);
        let placed = self.placed_at(&manifest.calibration, logit, input);
        let p_refusal = self.as_learned(self.at_prior(placed.unwrap_or_else(own)), input);
        Some(Tiered { p_refusal, logit, tier: Tier::Encoder, found: ngrams.found })
    }

    /// P(refusal) of every input, in order, by all tiers. Without an encoder tier it is the n-gram tier's.
    ///
    /// # Errors
    /// [`ScoreError::MissingField`] if an input lacks the text that the model scores,
    /// [`ScoreError::Encoder`].
    pub fn predict_tiers(
        &self,
        inputs: &[Input<'_>],
        cascade: Option<Cascade>,
        scratch: &mut Scratch,
    ) -> Result<Vec<Tiered>, ScoreError> {
        let field = self.manifest().field;
        if let Some(index) = inputs.iter().position(|input| field.of(input).is_none()) {
            return Err(ScoreError::MissingField { index, field: field.name() });
        }
        let mut all: Vec<Tiered> = inputs.iter().map(|input| self.predict_ngrams(input, scratch)).collect();
        let Some((manifest, tier)) = self.encoder() else { return Ok(all) };
        let cascade = cascade.unwrap_or(manifest.cascade);
        let asked: Vec<usize> = (0..all.len())
            .filter(|&row| manifest.is_asked(cascade, all[row].p_refusal.get(), &inputs[row]))
            .collect();
        let texts: Vec<Input<'_>> = asked.iter().map(|&row| inputs[row]).collect();
        for (&row, logit) in asked.iter().zip(tier.logits(&texts)?) {
            if let Some(stacked) = self.stacked(&all[row], logit, &inputs[row]) {
                all[row] = stacked;
            }
        }
        Ok(all)
    }

    /// P(refusal) of every input, in order, by all tiers that the model has. The n-gram tier returns the same
    /// bits in a batch as alone; the encoder agrees to about 1e-6.
    ///
    /// # Errors
    /// [`ScoreError::MissingField`] if an input lacks the text that the model scores,
    /// [`ScoreError::Encoder`].
    pub fn predict_all(&self, inputs: &[Input<'_>]) -> Result<Vec<Probability>, ScoreError> {
        let all = self.predict_tiers(inputs, None, &mut Scratch::default())?;
        Ok(all.into_iter().map(|tiered| tiered.p_refusal).collect())
    }

    /// The 95% interval of the share refused among rows that the fit had not seen and that the same tier
    /// scored with a similar P(refusal); `None` if the model does not store it.
    #[must_use]
    pub fn interval_at(&self, tiered: &Tiered) -> Option<(f64, f64)> {
        match tiered.tier {
            Tier::Ngram => self.interval(tiered.p_refusal),
            Tier::Encoder => {
                let report = self.manifest().encoder.as_ref()?.calibration_report.as_ref();
                self.interval_of(report?, tiered.p_refusal)
            }
        }
    }

    /// The distribution over kinds at a P(refusal), if the model has a kind model.
    #[must_use]
    pub fn kinds_at(
        &self,
        input: &Input<'_>,
        p_refusal: Probability,
        scratch: &mut Scratch,
    ) -> Option<KindDistribution> {
        self.kinds().map(|kinds| kinds.predict(input, p_refusal, scratch))
    }
}
