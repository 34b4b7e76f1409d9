//! The fit of an n-gram model: examples in, views and weights out.
//!
//! The encoder tier, if there is one, is fitted first, because the n-grams may learn from it. Then
//! `second_stage` learns from out-of-fold scores, the first level is fitted on all rows, and the encoder is
//! joined on top.

use std::borrow::Cow;
use std::collections::BTreeMap;

use demur_predictor::{
    Calibration, CalibrationReport, Dense, Field, Input, KindModel, NgramModel, View, ViewText, log_odds,
    round,
};

use crate::encoder::distilled::with_distilled;
use crate::encoder::task::{EncoderTask, NgramLevel};
use crate::encoder::{EncoderStage, FittedEncoder};
use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::design::{Design, MIN_ROWS, Weights};
use crate::fit::first_level::NgramFit;
use crate::fit::level::one_class_sources;
use crate::fit::second_level::LinearModel;
use crate::fit::second_stage::SecondStage;
use crate::fit::start::joined;
use crate::metrics::Ranking;

/// A fitted model and the C that was used.
#[derive(Debug, Clone)]
pub struct FittedNgram {
    /// The model.
    pub model: NgramModel,
    /// The model of kinds, if the recipe has one and two kinds have enough rows.
    pub kinds: Option<KindModel>,
    /// The given or chosen C.
    pub c: f64,
    /// Mean log loss of each C in the inner cross-validation, `(c, nats)`; empty when there was none.
    pub choice: Vec<(f64, f64)>,
    /// The map from the model's logit to P(refusal).
    pub calibration: Calibration,
    /// Maps for targets whose own rows deviate.
    pub target_calibrations: BTreeMap<String, Calibration>,
    /// The quality of the calibration; `None` if it was not requested or not possible.
    pub report: Option<CalibrationReport>,
    /// The share of refusals that the probabilities assume: the recipe's, or the weighted share of the rows.
    pub base_rate: f64,
    /// How well the out-of-fold scores of the inner cross-validation rank the rows; `None` if there was none.
    pub ranking: Option<Ranking>,
    /// Sources that taught nothing: they have a shift of their own (`source_shift`), which explains their one
    /// label.
    pub one_class_sources: Vec<String>,
    /// The encoder tier, if the recipe has one.
    pub encoder: Option<FittedEncoder>,
}

impl FittedNgram {
    /// The calibrated P(refusal) of each input, by the tiers that the fitted model uses for it.
    ///
    /// # Errors
    /// [`TrainingError::Encoder`] when an encoder fails; n-grams never do.
    pub fn probabilities(&self, inputs: &[Input<'_>]) -> Result<Vec<f64>, TrainingError> {
        let logits = self.model.logits(inputs);
        let of = |(&logit, input): (&f64, &Input<'_>)| {
            let own = input.target.and_then(|target| self.target_calibrations.get(target));
            own.unwrap_or(&self.calibration).apply(logit).get()
        };
        let p = logits.iter().zip(inputs).map(of).collect();
        match &self.encoder {
            Some(encoder) => encoder.probabilities(inputs, (&logits, &self.target_calibrations), p),
            None => Ok(p),
        }
    }
}

/// How out-of-fold scores rank the labelled rows.
fn ranking(scores: &[f64], examples: &Examples<'_>) -> Ranking {
    let rows = examples.labelled();
    let scores: Vec<f64> = rows.iter().map(|&row| scores[row]).collect();
    let truth: Vec<f64> = rows.iter().map(|&row| examples.truth[row]).collect();
    let source = |&row: &usize| examples.facets.get(row).and_then(|facets| facets.source);
    let sources: Vec<Option<&str>> = rows.iter().map(source).collect();
    Ranking::of(&scores, &truth, &sources)
}

impl NgramFit<'_> {
    /// Fits on some rows. Groups stay whole in the inner cross-validation.
    ///
    /// # Errors
    /// Any [`TrainingError`] of parameters, vocabulary or solver.
    pub(crate) fn fit(self, examples: &Examples<'_>) -> Result<FittedNgram, TrainingError> {
        let (params, seed) = (self.params, self.seed);
        params.check()?;
        let examples = &examples.clone().shared_out(params.group_power).balanced(params.source_power);
        let stage = match &params.encoder {
            Some(encoder) => Some(EncoderStage::fit(encoder, &self.task(examples), self.encoders)?),
            None => None,
        };
        let distilled = stage.as_ref().and_then(EncoderStage::distilled);
        let second = SecondStage::learn(self, examples, distilled)?;
        let doubted = match (&params.doubt, &second.logits) {
            (Some(doubt), Some(logits)) => Cow::Owned(doubt.weighed(examples, logits, &second.calibration)),
            _ => Cow::Borrowed(examples),
        };
        let examples = doubted.as_ref();
        let rows = with_distilled(examples, distilled, None);
        let (design, mut by_c) = self.first_level(&rows, &[second.c])?;
        let model = self.model(design, &by_c.remove(0), second.line.as_ref())?;
        let kinds = match (&params.kinds, &second.logits) {
            (Some(kinds), Some(logits)) => {
                kinds.fit(examples, logits, &second.calibration, (seed, params.round))?
            }
            _ => None,
        };
        let encoder = match (&params.encoder, stage, &second.logits) {
            (Some(encoder), Some(stage), Some(logits)) => {
                let on_parts = match stage.parts().as_slice() {
                    [] => None,
                    parts => Some(self.held_out_logits(examples, parts, second.c)?),
                };
                let logits = on_parts.as_ref().unwrap_or(logits);
                let ngrams =
                    NgramLevel { logits, calibration: &second.calibration, spreads: &second.spreads };
                Some(stage.join(encoder, &self.task(examples), &ngrams)?)
            }
            _ => None,
        };
        Ok(FittedNgram {
            model,
            kinds,
            encoder,
            c: second.c,
            choice: second.choice,
            calibration: second.calibration,
            target_calibrations: second.target_calibrations,
            report: second.report,
            base_rate: params.base_rate.unwrap_or_else(|| examples.base_rate()),
            ranking: second.logits.as_ref().map(|logits| ranking(logits, examples)),
            one_class_sources: self.one_class_sources(examples),
        })
    }

    /// The model of a design and its weights, with the second level folded in.
    fn model(
        self,
        design: Design<'_>,
        weights: &Weights,
        second: Option<&LinearModel>,
    ) -> Result<NgramModel, TrainingError> {
        let single = |number: f64| if self.params.round { round(number as f32) } else { number as f32 };
        let (mut weights, style, mut bias) = fold(&design, weights, second);
        if let Some(rate) = self.params.base_rate {
            (weights.targets, bias) = (BTreeMap::new(), log_odds(rate));
        }
        let dense = Dense {
            style: style.into_iter().map(single).collect(),
            targets: weights.targets.iter().map(|(name, &shift)| (name.clone(), single(shift))).collect(),
            contexts: design.contexts.shifts(&weights.contexts, single),
        };
        let (views, ngrams) = match self.start {
            Some(start) => joined((start, weights.start), (design.views, weights.ngrams)),
            None => (design.views, weights.ngrams),
        };
        // System prompts may have no words in common.
        let is_kept = |view: &View| view.settings.field != ViewText::System || !view.vectorizer.is_empty();
        let views = views.into_iter().filter(is_kept).collect();
        Ok(NgramModel::new(views, ngrams.into_iter().map(single).collect(), dense, bias)?)
    }

    /// Sources that teach this fit nothing: all their rows have one label, and the source has a shift of its
    /// own.
    fn one_class_sources(self, examples: &Examples<'_>) -> Vec<String> {
        if self.params.source_shift <= 0.0 {
            return Vec::new();
        }
        let mut sources = one_class_sources(examples, MIN_ROWS);
        sources.retain(|source| !self.params.level_sources.contains(source));
        sources
    }

    /// The input of the encoder tier's fit.
    fn task<'a, 'e>(&'a self, examples: &'a Examples<'e>) -> EncoderTask<'a, 'e> {
        let params = self.params;
        let reads_response = params.views.iter().any(|view| view.field == Field::Response);
        EncoderTask {
            examples,
            field: if reads_response { Field::Response } else { Field::Prompt },
            folds: params.inner_folds,
            class_weight: params.class_weight,
            calibration: params.calibration,
            calibrate_on: params.calibrate_on,
            calibrate_targets: params.calibrate_targets,
            base_rate: params.base_rate,
            level_sources: &params.level_sources,
            intervals: params.intervals,
            seed: self.seed,
        }
    }
}

/// Folds the second level into the weights of the first: weights, style and bias of one linear model.
fn fold(design: &Design<'_>, weights: &Weights, second: Option<&LinearModel>) -> (Weights, Vec<f64>, f64) {
    let Some(line) = second else { return (weights.clone(), Vec::new(), weights.bias) };
    let (slopes, style) = line.weights.split_at(1 + design.views.len());
    let mut folded = weights.clone();
    let mut rest = folded.ngrams.as_mut_slice();
    for (view, slope) in design.views.iter().zip(&slopes[1..]) {
        let (own, others) = rest.split_at_mut(view.vectorizer.len());
        own.iter_mut().for_each(|weight| *weight *= slopes[0] + slope);
        rest = others;
    }
    folded.targets.values_mut().chain(&mut folded.contexts).for_each(|shift| *shift *= slopes[0]);
    (folded, style.to_vec(), slopes[0].mul_add(weights.bias, line.bias))
}
