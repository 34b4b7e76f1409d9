//! The first level of a fit: the columns of its rows, and their weights for one or several values of C.

use std::borrow::Cow;

use demur_predictor::NgramModel;
use linfa::dataset::DatasetBase;
use linfa::prelude::{Fit, ParamGuard};
use ndarray::Array1;

use crate::encoder::EncoderStore;
use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::design::{Design, Weights};
use crate::fit::logistic::SparseLogistic;
use crate::fit::params::NgramParams;
use crate::fit::prune::strongest;

/// The context of a running fit: its parameters, its encoders and its seed.
#[derive(Clone, Copy)]
pub(crate) struct NgramFit<'a> {
    pub(crate) params: &'a NgramParams,
    pub(crate) encoders: &'a EncoderStore,
    /// The model that the fit starts from.
    pub(crate) start: Option<&'a NgramModel>,
    pub(crate) seed: u64,
}

impl<'a> NgramFit<'a> {
    /// The design of the first level and its weights for each C. Each fit starts from the result of the
    /// previous one.
    pub(crate) fn first_level(
        self,
        examples: &Examples<'_>,
        cs: &[f64],
    ) -> Result<(Design<'a>, Vec<Weights>), TrainingError> {
        let mut design = Design::fit(&self.params.design(self.start), examples)?;
        if let Some(keep) = self.params.keep {
            let all = self.fit_weights(&design, examples, &cs[..1])?.remove(0);
            design.views = strongest(design.views, &all.weights, keep)?;
        }
        let fits = self.fit_weights(&design, examples, cs)?;
        let weights = fits.iter().map(|fit| design.read(&fit.weights, fit.bias, examples)).collect();
        Ok((design, weights))
    }

    fn fit_weights(
        self,
        design: &Design<'_>,
        examples: &Examples<'_>,
        cs: &[f64],
    ) -> Result<Vec<SparseLogistic>, TrainingError> {
        let examples = &*match self.params.base_rate {
            Some(rate) => Cow::Owned(examples.clone().anchored(rate)),
            None => Cow::Borrowed(examples),
        };
        let weights = examples.weights.iter().map(|&weight| weight as f32).collect();
        let targets = Array1::from_vec(examples.targets.clone());
        let dataset = DatasetBase::new(design.matrix(examples), targets).with_weights(weights);
        let mut fits: Vec<SparseLogistic> = Vec::with_capacity(cs.len());
        for &c in cs {
            let mut params = self.params.logistic(c);
            if let Some(before) = fits.last() {
                params = params.start(before.clone());
            }
            fits.push(params.check()?.fit(&dataset)?);
        }
        Ok(fits)
    }
}
