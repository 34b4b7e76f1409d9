//! Teaching a prompt predictor by the responses: softer labels for rows that have a response.
//!
//! A hard label of one sampled response is a noisy target for the prompt: the same prompt might have been answered
//! at the next try. What a response classifier makes of the response is smoother, and as a target it gives a
//! better prompt predictor than the label itself. This is distillation with privileged information (Lopez-Paz et
//! al. 2016): the response is there when the model is fitted, and not when it is used.

use demur_predictor::Probability;
use rayon::prelude::*;

use crate::encoder::EncoderStore;
use crate::error::TrainingError;
use crate::examples::{Examples, split};
use crate::fit::calibrate::CalibrationMethod;
use crate::fit::first_level::NgramFit;
use crate::fit::ngram::FittedNgram;
use crate::fit::params::NgramParams;

/// A fit, with its teacher where it has one.
#[derive(Debug, Clone, Copy)]
pub struct FitPlan<'a> {
    /// The fit.
    pub params: &'a NgramParams,
    /// Who softens its labels.
    pub teacher: Option<Teacher<'a>>,
    /// Where an encoder tier finds its encoders.
    pub encoders: &'a EncoderStore,
}

/// A response classifier that softens the labels of rows with a response.
#[derive(Debug, Clone, Copy)]
pub struct Teacher<'a> {
    /// Its fit.
    pub params: &'a NgramParams,
    /// How much of a label is the teacher's: target = (1 - share) label + share P(refusal | response).
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

    /// Whether the fit keeps groups together or weighs by them.
    pub(crate) fn needs_groups(&self) -> bool {
        self.teacher.is_some() || self.params.needs_groups()
    }

    /// Fits on some examples, their labels softened first.
    ///
    /// # Errors
    /// Any [`TrainingError`] of a fit.
    pub fn fit(&self, examples: &Examples<'_>, seed: u64) -> Result<FittedNgram, TrainingError> {
        let fit = NgramFit { params: self.params, encoders: self.encoders, seed };
        match self.teacher {
            Some(teacher) => fit.fit(&teacher.soften(examples, self.encoders, seed)?),
            None => fit.fit(examples),
        }
    }
}

impl Teacher<'_> {
    /// The examples with softened labels. Each response is judged by a classifier that has not seen its group.
    /// Rows without a response, and rows whose label is soft already, stay as they are; so do all when there are
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
        // What a target needs is the order of responses, not a calibrated number; and of several C the first will do.
        let params = NgramParams {
            c: self.params.c[..1].to_vec(),
            calibration: CalibrationMethod::None,
            encoder: None,
            ..self.params.clone()
        };
        let fit = NgramFit { params: &params, encoders, seed };
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
