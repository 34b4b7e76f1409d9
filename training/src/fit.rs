//! Fitting an n-gram model: examples in, views and weights out, C chosen by inner cross-validation.

use demur_data::{DataError, Record, assign_folds};
use demur_predictor::{Calibration, CalibrationReport, Input, NgramModel, Policy, Scorer};
use linfa::dataset::DatasetBase;
use linfa::prelude::{Fit, ParamGuard};
use ndarray::Array1;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer, Serialize};

use crate::breakdown::Facets;
use crate::calibrate::{CalibrationMethod, OutOfFold};
use crate::error::TrainingError;
use crate::features::{ViewParams, fit_views, transform};
use crate::logistic::{ClassWeight, LogisticParams, SparseLogistic};
use crate::sparse::SparseMatrix;

/// How a model is fitted: its views and its solver, as a recipe's `[response]` or `[prompt]` describes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NgramParams {
    /// The views, side by side.
    pub views: Vec<ViewParams>,
    /// Inverse strength of the penalty. With several values, inner cross-validation on the training rows takes
    /// the one with the least log loss. A recipe may give one number or a list. Default: 1.
    #[serde(default = "default_c", deserialize_with = "one_or_several")]
    pub c: Vec<f64>,
    /// Default: none.
    #[serde(default)]
    pub class_weight: ClassWeight,
    /// Rows of a group of n (a template with a hundred names in its slot) weigh n^-power each: 0 counts every row
    /// alike, 1 counts a group as one row. Default: 0.
    #[serde(default)]
    pub group_power: f64,
    /// Folds of the inner cross-validation. Default: 5.
    #[serde(default = "default_inner_folds")]
    pub inner_folds: usize,
    /// The fit ends when the gradient has shrunk by this factor. Default: 2e-5.
    #[serde(default = "default_tolerance")]
    pub tolerance: f64,
    /// Newton steps before a fit gives up. Default: 100.
    #[serde(default = "default_max_iterations")]
    pub max_iterations: usize,
    /// Fitted on out-of-fold scores of the inner cross-validation. Default: none.
    #[serde(default)]
    pub calibration: CalibrationMethod,
    /// Thresholds that the fitted model decides by. Default: 0.5 and 0.5.
    #[serde(default)]
    pub policy: Policy,
}

fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number or a list of numbers")]
    enum Numbers {
        One(f64),
        Several(Vec<f64>),
    }
    Ok(match Numbers::deserialize(deserializer)? {
        Numbers::One(number) => vec![number],
        Numbers::Several(numbers) => numbers,
    })
}

fn default_c() -> Vec<f64> {
    vec![1.0]
}
const fn default_inner_folds() -> usize {
    5
}
const fn default_tolerance() -> f64 {
    2e-5
}
const fn default_max_iterations() -> usize {
    100
}

/// Rows to fit on or to be judged by; all vectors have one entry per row.
#[derive(Debug, Clone, Default)]
pub struct Examples<'a> {
    /// The texts.
    pub inputs: Vec<Input<'a>>,
    /// What a fit aims at: P(refusal) of the label, 0, 1 or a machine's probability.
    pub targets: Vec<f64>,
    /// What figures, calibration and the choice of C go by: the target before any teacher softened it.
    pub truth: Vec<f64>,
    /// The weight of each row.
    pub weights: Vec<f64>,
    /// Rows of one group stay on one side of every split.
    pub groups: Vec<u32>,
    /// What else is known of each row, for figures by target, source and so on; may be empty.
    pub facets: Vec<Facets<'a>>,
}

impl<'a> Examples<'a> {
    /// The labelled ones of some records, each with its group.
    #[must_use]
    pub fn of(records: &'a [Record], groups: &[u32]) -> Self {
        let mut examples = Self::default();
        for (record, &group) in records.iter().zip(groups) {
            let Some(target) = record.label.as_ref().and_then(demur_data::Labelled::target) else { continue };
            examples.inputs.push(input(record));
            examples.targets.push(target);
            examples.truth.push(target);
            examples.weights.push(record.weight);
            examples.groups.push(group);
            examples.facets.push(Facets::of(record));
        }
        examples
    }

    /// How many rows there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// These rows alone, in this order.
    #[must_use]
    pub fn subset(&self, rows: &[usize]) -> Self {
        Self {
            inputs: rows.iter().map(|&row| self.inputs[row]).collect(),
            targets: rows.iter().map(|&row| self.targets[row]).collect(),
            truth: rows.iter().map(|&row| self.truth[row]).collect(),
            weights: rows.iter().map(|&row| self.weights[row]).collect(),
            groups: rows.iter().map(|&row| self.groups[row]).collect(),
            facets: rows.iter().filter_map(|&row| self.facets.get(row).copied()).collect(),
        }
    }

    /// The same rows, those of a group of n weighing n^-power of what they did.
    #[must_use]
    pub fn shared_out(mut self, power: f64) -> Self {
        let mut sizes: FxHashMap<u32, f64> = FxHashMap::default();
        for &group in &self.groups {
            *sizes.entry(group).or_default() += 1.0;
        }
        for (weight, group) in self.weights.iter_mut().zip(&self.groups) {
            *weight *= sizes[group].powf(-power);
        }
        self
    }

    /// The hard labels: refused where the truth is 0.5 or more.
    #[must_use]
    pub fn labels(&self) -> Vec<bool> {
        self.truth.iter().map(|&truth| truth >= 0.5).collect()
    }

    /// A fold for each row: classes balanced, groups whole.
    ///
    /// # Errors
    /// [`TrainingError::Data`] when the rows cannot be split so.
    pub fn folds(&self, k: usize, seed: u64) -> Result<Vec<usize>, TrainingError> {
        let strata: Vec<u32> = self.labels().into_iter().map(u32::from).collect();
        Ok(assign_folds(&strata, Some(&self.groups), k, seed)?)
    }
}

/// The texts of a record.
#[must_use]
pub fn input(record: &Record) -> Input<'_> {
    Input { prompt: record.prompt.as_deref(), response: record.response.as_deref() }
}

/// The rows outside a fold, and those in it.
#[must_use]
pub fn split(folds: &[usize], fold: usize) -> (Vec<usize>, Vec<usize>) {
    (0..folds.len()).partition(|&row| folds[row] != fold)
}

/// A fitted model with the C that it was fitted with.
#[derive(Debug, Clone)]
pub struct FittedNgram {
    /// The model.
    pub model: NgramModel,
    /// The C that was given or chosen.
    pub c: f64,
    /// Mean log loss of each C in the inner cross-validation, `(c, nats)`; empty when there was none.
    pub choice: Vec<(f64, f64)>,
    /// From the model's logit to P(refusal).
    pub calibration: Calibration,
    /// What the calibration was worth; `None` when there was none, asked for or not possible.
    pub report: Option<CalibrationReport>,
}

impl FittedNgram {
    /// P(refusal) of each input, calibrated.
    ///
    /// # Errors
    /// Never for an n-gram model; the type is that of all scorers.
    pub fn probabilities(&self, inputs: &[Input<'_>]) -> Result<Vec<f64>, TrainingError> {
        Ok(self.model.logits(inputs)?.into_iter().map(|logit| self.calibration.apply(logit).get()).collect())
    }
}

impl NgramParams {
    /// Checks what can be checked without rows.
    ///
    /// # Errors
    /// [`TrainingError::Parameter`], [`TrainingError::Settings`].
    pub fn check(&self) -> Result<(), TrainingError> {
        let few =
            |name, found: usize, wanted| Err(TrainingError::Parameter { name, value: found as f64, wanted });
        if self.views.is_empty() {
            return few("views", 0, "at least one view");
        }
        if self.c.is_empty() {
            return few("c", 0, "one number or several");
        }
        if self.inner_folds < 2 {
            return few("inner_folds", self.inner_folds, "2 or more");
        }
        if !(self.group_power.is_finite() && self.group_power >= 0.0) {
            let (name, wanted) = ("group_power", "a finite number of at least 0");
            return Err(TrainingError::Parameter { name, value: self.group_power, wanted });
        }
        for &c in &self.c {
            self.logistic(c).check_ref()?;
        }
        Ok(self.policy.check()?)
    }

    fn logistic(&self, c: f64) -> LogisticParams {
        LogisticParams::default()
            .c(c)
            .tolerance(self.tolerance)
            .max_iterations(self.max_iterations)
            .class_weight(self.class_weight)
    }

    /// Fits on some rows. Groups stay whole in the inner cross-validation.
    ///
    /// # Errors
    /// Any [`TrainingError`] of parameters, vocabulary or solver.
    pub fn fit(&self, examples: &Examples<'_>, seed: u64) -> Result<FittedNgram, TrainingError> {
        self.check()?;
        let examples = &examples.clone().shared_out(self.group_power);
        let (mut c, mut choice) = (self.c[0], Vec::new());
        let (mut calibration, mut report) = (Calibration::None, None);
        if self.c.len() > 1 || self.calibration != CalibrationMethod::None {
            let by_c = match self.out_of_fold(examples, seed) {
                // Too few rows, groups or classes to hold any out: without a choice of C, only calibration is lost,
                // and the missing report says so.
                Err(TrainingError::OneClass { .. } | TrainingError::Data(DataError::Split { .. }))
                    if self.c.len() == 1 =>
                {
                    Vec::new()
                }
                other => other?,
            };
            choice = by_c.iter().map(|(c, scores)| (*c, scores.log_loss(&scores.plain()))).collect();
            let best = choice.iter().zip(&by_c).min_by(|(a, _), (b, _)| a.1.total_cmp(&b.1));
            if let Some((&(best, _), (_, scores))) = best {
                c = best;
                (calibration, report) = scores.calibrate(self.calibration)?;
            }
        }
        let views = fit_views(&self.views, &examples.inputs)?;
        let x = transform(&views, &examples.inputs);
        let fitted = self.fit_weights(x, examples, &[c])?.remove(0);
        let weights = fitted.weights.iter().map(|&weight| weight as f32).collect();
        let model = NgramModel::new(views, weights, fitted.bias)?;
        Ok(FittedNgram { model, c, choice, calibration, report })
    }

    /// One fit per C on the same matrix, each begun where the one before ended.
    fn fit_weights(
        &self,
        x: SparseMatrix,
        examples: &Examples<'_>,
        cs: &[f64],
    ) -> Result<Vec<SparseLogistic>, TrainingError> {
        let weights = examples.weights.iter().map(|&weight| weight as f32).collect();
        let targets = Array1::from_vec(examples.targets.clone());
        let dataset = DatasetBase::new(x, targets).with_weights(weights);
        let mut fits: Vec<SparseLogistic> = Vec::with_capacity(cs.len());
        for &c in cs {
            let mut params = self.logistic(c);
            if let Some(before) = fits.last() {
                params = params.start(before.clone());
            }
            fits.push(params.check()?.fit(&dataset)?);
        }
        Ok(fits)
    }

    /// The out-of-fold logits of all rows under each C, ascending by C.
    fn out_of_fold(
        &self,
        examples: &Examples<'_>,
        seed: u64,
    ) -> Result<Vec<(f64, OutOfFold)>, TrainingError> {
        let mut cs = self.c.clone();
        cs.sort_by(f64::total_cmp);
        let folds = examples.folds(self.inner_folds, seed)?;
        let score = |fold| {
            let (train, rows) = split(&folds, fold);
            let (train, test) = (examples.subset(&train), examples.subset(&rows));
            let views = fit_views(&self.views, &train.inputs)?;
            let x = transform(&views, &test.inputs);
            let fits = self.fit_weights(transform(&views, &train.inputs), &train, &cs)?;
            Ok((rows, fits.iter().map(|fit| fit.logits(&x)).collect::<Vec<_>>()))
        };
        let parts: Vec<_> =
            (0..self.inner_folds).into_par_iter().map(score).collect::<Result<_, TrainingError>>()?;
        let gather = |(at, &c): (usize, &f64)| {
            let mut logits = vec![0.0; examples.len()];
            for (rows, by_c) in &parts {
                rows.iter().zip(&by_c[at]).for_each(|(&row, &logit)| logits[row] = logit);
            }
            (c, OutOfFold { logits, truth: examples.truth.clone(), weights: examples.weights.clone() })
        };
        Ok(cs.iter().enumerate().map(gather).collect())
    }
}
