//! liblinear's logistic regression, as the paper used it: its intercept is penalised like any other weight.
//!
//! scikit-learn's `LogisticRegression(solver="liblinear")` appends a feature that is always 1, so its
//! objective has the additional term `b^2 / 2` compared with [`SparseLogistic`]'s. Here, one row without
//! features represents that term: with a soft target `t` and weight `s` it adds the gradient `C s (p - t)`
//! and the curvature `C s p (1 - p)` in the intercept, where `p = 1 / (1 + e^-b)`. For a given `b`, `t` and
//! `s` can be chosen so that both equal those of `b^2 / 2`. A few fits, each with the row computed for the
//! previous intercept, converge to liblinear's optimum.

use demur_predictor::{Input, View, sigmoid};
use linfa::dataset::DatasetBase;
use linfa::prelude::{Fit, ParamGuard};
use ndarray::Array1;

use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::features::{ViewParams, fit_views, transform};
use crate::fit::logistic::{LogisticParams, SparseLogistic};

/// TF-IDF and a logistic regression whose intercept is penalised.
#[derive(Debug, Clone)]
pub struct Liblinear {
    /// The fitted views.
    pub views: Vec<View>,
    /// Weights and intercept.
    pub fit: SparseLogistic,
}

/// Maximum number of fits until the intercept converges; each fit squares its error.
const MAX_FITS: usize = 20;
/// The change of the intercept that counts as converged.
const STILL: f64 = 1e-6;

impl Liblinear {
    /// Fits on some weighted rows with inverse penalty `c`.
    ///
    /// # Errors
    /// Any [`TrainingError`] of vocabulary or solver.
    pub fn fit(views: &[ViewParams], c: f64, examples: &Examples<'_>) -> Result<Self, TrainingError> {
        // Without this check, the row for the penalty would count as a second class.
        let refused = examples.targets.iter().filter(|&&target| target >= 0.5).count();
        if refused == 0 || refused == examples.len() {
            return Err(TrainingError::OneClass { rows: examples.len() });
        }
        let views = fit_views(views, &examples.inputs)?;
        let mut inputs = examples.inputs.clone();
        inputs.push(Input::default());
        let x = transform(&views, &inputs);
        let params = LogisticParams::default().c(c).tolerance(1e-8).max_iterations(200).check()?;
        let mut bias = 0.0;
        for _ in 0..MAX_FITS {
            let p = sigmoid(bias);
            let slope = p * (1.0 - p);
            let targets = [examples.targets.as_slice(), &[p - bias * slope]].concat();
            let weights = [examples.weights.as_slice(), &[1.0 / (c * slope)]].concat();
            let dataset = DatasetBase::new(x.clone(), Array1::from_vec(targets))
                .with_weights(weights.into_iter().map(|weight| weight as f32).collect());
            let fit = params.fit(&dataset)?;
            if (fit.bias - bias).abs() < STILL {
                return Ok(Self { views, fit });
            }
            bias = fit.bias;
        }
        Err(TrainingError::NotConverged { iterations: MAX_FITS, c })
    }

    /// The logit of each input.
    #[must_use]
    pub fn logits(&self, inputs: &[Input<'_>]) -> Vec<f64> {
        self.fit.logits(&transform(&self.views, inputs))
    }

    /// The n-grams with the largest absolute weights, from the strongest for refusal to the strongest against
    /// it.
    #[must_use]
    pub fn strongest(&self, count: usize) -> Vec<(String, f64)> {
        let mut terms: Vec<(String, f64)> = Vec::with_capacity(count);
        let weights = &self.fit.weights;
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by(|&a, &b| weights[b].abs().total_cmp(&weights[a].abs()).then(a.cmp(&b)));
        order.truncate(count);
        order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
        for feature in order {
            let mut local = feature;
            for view in &self.views {
                if local < view.vectorizer.len() {
                    // Feature numbers are u32 everywhere; a vectorizer cannot be built with more.
                    terms.push((view.vectorizer.ngram(local as u32), weights[feature]));
                    break;
                }
                local -= view.vectorizer.len();
            }
        }
        terms
    }
}
