//! Responses as teachers of a prompt predictor: softer labels for rows that have a response.
//!
//! A hard label of one sampled response is a noisy target for the prompt: the next sample might have been
//! answered. The score of a response classifier is smoother, and as a target it makes a better prompt
//! predictor than the label itself. This is distillation with privileged information (Lopez-Paz et al. 2016):
//! the response is available during the fit and not when the model is used.

use demur_predictor::{Model, Probability};
use rayon::prelude::*;

use crate::encoder::EncoderStore;
use crate::error::TrainingError;
use crate::examples::{Examples, split};
use crate::fit::calibrate::CalibrationMethod;
use crate::fit::first_level::NgramFit;
use crate::fit::ngram::FittedNgram;
use crate::fit::params::NgramParams;

/// A fit, with its teacher if it has one.
#[derive(Debug, Clone, Copy)]
pub struct FitPlan<'a> {
    /// The fit.
    pub params: &'a NgramParams,
    /// The teacher that softens its labels.
    pub teacher: Option<Teacher<'a>>,
    /// Where an encoder tier finds its encoders.
    pub encoders: &'a EncoderStore,
}

/// A response classifier that softens the labels of rows with a response.
#[derive(Debug, Clone, Copy)]
pub struct Teacher<'a> {
    /// Its fit.
    pub params: &'a NgramParams,
    /// The teacher's share of a label: target = (1 - share) label + share P(refusal | response).
    pub share: f64,
}

/// Folds of the teacher's cross-fit.
const FOLDS: usize = 5;

impl<'a> FitPlan<'a> {
    /// A fit without a teacher.
    #[must_use]
    pub const fn new(params: &'a NgramParams, encoders: &'a EncoderStore) -> Self {
        Self { params, teacher: None, encoders }
    }

    /// Whether the fit keeps groups together or uses them for weights.
    pub(crate) fn needs_groups(&self) -> bool {
        self.teacher.is_some() || self.params.needs_groups()
    }

    /// Softens the labels of some examples and fits on them.
    ///
    /// # Errors
    /// Any [`TrainingError`] of a fit.
    pub fn fit(&self, examples: &Examples<'_>, seed: u64) -> Result<FittedNgram, TrainingError> {
        let start = self.params.start_from.load()?;
        let start = start.as_ref().map(Model::scorer);
        let fit = NgramFit { params: self.params, encoders: self.encoders, start, seed };
        match self.teacher {
            Some(teacher) => fit.fit(&teacher.soften(examples, self.encoders, seed)?),
            None => fit.fit(examples),
        }
    }
}

impl Teacher<'_> {
    /// The examples with softened labels. Each response is scored by a classifier that has not seen its
    /// group. Rows without a response, and rows with soft labels, stay unchanged; so do all rows if there are
    /// too few to fit on.
    fn soften<'a>(
        &self,
        examples: &Examples<'a>,
        encoders: &EncoderStore,
        seed: u64,
    ) -> Result<Examples<'a>, TrainingError> {
        let is_hard = |&row: &usize| {
            examples.inputs[row].response.is_some() && [0.0, 1.0].contains(&examples.targets[row])
        };
        let rows: Vec<usize> = (0..examples.len()).filter(is_hard).collect();
        let taught = examples.subset(&rows);
        let refused = taught.labels().into_iter().filter(|&label| label).count();
        let mut softened = examples.clone();
        if refused.min(taught.len() - refused) < 2 * FOLDS {
            return Ok(softened);
        }
        // A target only needs the order of responses, not a calibrated number. If there are several values of
        // C, the first is good enough.
        let params = NgramParams {
            c: self.params.c[..1].to_vec(),
            calibration: CalibrationMethod::None,
            encoder: None,
            ..self.params.clone()
        };
        let fit = NgramFit { params: &params, encoders, start: None, seed };
        let folds = taught.folds(FOLDS, seed)?;
        let judge = |fold| {
            let (train, test) = split(&folds, fold);
            let model = fit.fit(&taught.subset(&train))?.model;
            Ok((model.logits(&taught.subset(&test).inputs), test))
        };
        let judged: Vec<_> = (0..FOLDS).into_par_iter().map(judge).collect::<Result<_, TrainingError>>()?;
        for (logits, test) in judged {
            for (at, logit) in test.into_iter().zip(logits) {
                let p_refusal = Probability::from_logit(logit).get();
                let target = &mut softened.targets[rows[at]];
                *target = (1.0 - self.share) * *target + self.share * p_refusal;
            }
        }
        Ok(softened)
    }
}
