//! All left-out fits on one count of n-grams.
//!
//! A fit spends most of its time reading texts, and the vocabulary of a million n-grams is much the same
//! whichever source is left out. Here texts are read once and one fit is made on all rows. The fit without a
//! value starts from it, with the weights of the value's rows at 0. Three things differ from complete fits,
//! all of them small. The left-out texts (not their labels) contribute to `min_df` and to the document
//! frequencies. `keep` is ignored, because it would choose n-grams by weights that have seen the left-out
//! labels, and so is the second level. The calibration is fitted on the left-out scores of the other values,
//! without shifts by target, which is what `calibrate_on = "left-out-sources"` does with fewer folds.

use demur_predictor::{Norm, log_odds};
use linfa::dataset::DatasetBase;
use linfa::prelude::{Fit, ParamGuard};
use ndarray::Array1;

use super::rows::FacetRows;
use super::{LeaveOneOut, ScoredValue, most_are_refused};
use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::calibrate::OutOfFold;
use crate::fit::design::Design;
use crate::fit::features::ViewParams;
use crate::fit::logistic::SparseLogistic;
use crate::fit::params::NgramParams;
use crate::fit::sparse::SparseMatrix;
use crate::fit::teacher::FitPlan;
use crate::progress::Progress;

type Dataset = DatasetBase<SparseMatrix, Array1<f64>>;

/// One fit: its training rows, and the logits of the rows that it has not seen.
struct LeftOutFit {
    train: Described,
    rows: Vec<usize>,
    logits: Vec<f64>,
}

/// What is kept of the training rows after the fit.
struct Described {
    n: usize,
    majority: bool,
}

/// What all fits share.
struct Shared<'p, 'a> {
    params: &'p NgramParams,
    rows: &'p FacetRows<'a>,
    design: Design<'p>,
    /// One past the last feature of each view.
    ends: Vec<usize>,
    dataset: Dataset,
    all: SparseLogistic,
}

impl LeaveOneOut {
    /// Scores each value, and rows without a value, on one count of n-grams.
    pub(super) fn score_shared(
        self,
        plan: FitPlan<'_>,
        rows: &FacetRows<'_>,
        values: &[&str],
        strangers: &FacetRows<'_>,
        progress: Progress<'_>,
    ) -> Result<(Vec<ScoredValue>, Option<ScoredValue>), TrainingError> {
        check(plan)?;
        let mut shared = Shared::of(plan.params, rows)?;
        let mut fits = Vec::with_capacity(values.len());
        for &value in values {
            let fit = shared.without(value, self);
            fits.push(fit.map_err(|cause| TrainingError::LeftOut {
                value: value.to_owned(),
                cause: Box::new(cause),
            })?);
            progress.step("leave one out", values.len());
        }
        let centre = plan.params.base_rate.map_or(0.0, log_odds);
        let all = OutOfFold { centre, ..out_of_fold(rows, &fits) };
        let mut scored = Vec::with_capacity(fits.len());
        for (at, fit) in fits.into_iter().enumerate() {
            // The calibration for a value must not have seen that value's labels either.
            let (calibration, report) = all.without_fold(at).calibrate(plan.params.calibration)?;
            let p = fit.logits.iter().map(|&logit| calibration.apply(logit).get()).collect();
            let (fitted_on, majority) = (Some(fit.train.n), fit.train.majority);
            scored.push(ScoredValue { rows: fit.rows, fitted_on, majority, p, report });
        }
        if strangers.is_empty() {
            return Ok((scored, None));
        }
        let (calibration, report) = all.calibrate(plan.params.calibration)?;
        let out = strangers.all_judged();
        let weights = rows.examples.clone();
        let logits = shared.logits(&shared.all, &weights, &strangers.examples.subset(&out));
        let p = logits.into_iter().map(|logit| calibration.apply(logit).get()).collect();
        let majority = most_are_refused(&rows.examples);
        Ok((scored, Some(ScoredValue { rows: out, fitted_on: None, majority, p, report })))
    }
}

/// Settings that such fits do not support are an error, not ignored.
fn check(plan: FitPlan<'_>) -> Result<(), TrainingError> {
    let params = plan.params;
    params.check()?;
    let refuse = |name, value, wanted| Err(TrainingError::Parameter { name, value, wanted });
    if params.c.len() != 1 {
        let wanted = "one number where n-grams are counted once for all fits (--share-counts)";
        return refuse("c", params.c.len() as f64, wanted);
    }
    if let Some(teacher) = plan.teacher {
        return refuse(
            "prompt.teacher_share",
            teacher.share,
            "0 where n-grams are counted once (--share-counts)",
        );
    }
    if !params.start_from.is_nothing() {
        return refuse("start_from", 1.0, "left out where n-grams are counted once (--share-counts)");
    }
    if params.encoder.is_some() {
        return refuse("encoder", 1.0, "left out where n-grams are counted once (--share-counts)");
    }
    Ok(())
}

/// The weights that a fit on these rows would use.
fn weighed(params: &NgramParams, examples: Examples<'_>) -> Vec<f64> {
    examples.shared_out(params.group_power).balanced(params.source_power).weights
}

/// Appends the weight of the row that anchors the level, if the recipe sets a base rate: the total weight of
/// all other rows.
fn with_anchor(params: &NgramParams, mut weights: Vec<f64>) -> Vec<f64> {
    if params.base_rate.is_some() {
        weights.push(weights.iter().sum());
    }
    weights
}

fn as_f32(weights: &[f64]) -> Array1<f32> {
    weights.iter().map(|&weight| weight as f32).collect()
}

impl<'p, 'a> Shared<'p, 'a> {
    fn of(params: &'p NgramParams, rows: &'p FacetRows<'a>) -> Result<Self, TrainingError> {
        let examples = &rows.examples;
        let design = Design::fit(&params.design(None), examples)?;
        let anchored = match params.base_rate {
            Some(rate) => examples.clone().anchored(rate),
            None => examples.clone(),
        };
        let weights = with_anchor(params, weighed(params, examples.clone()));
        let targets = Array1::from_vec(anchored.targets.clone());
        let dataset = DatasetBase::new(design.matrix(&anchored), targets).with_weights(as_f32(&weights));
        let all = params.logistic(params.c[0]).check()?.fit(&dataset)?;
        Ok(Self { params, rows, ends: design.ends(), design, dataset, all })
    }

    /// The fit without a value, and its logits of the value's rows.
    fn without(&mut self, value: &str, plan: LeaveOneOut) -> Result<LeftOutFit, TrainingError> {
        let (train, out) = self.rows.split(value);
        if train.is_empty() {
            return Err(plan.nothing_to_fit());
        }
        let examples = self.rows.examples.subset(&train);
        let described = Described { n: train.len(), majority: most_are_refused(&examples) };
        let mut weights = vec![0.0; self.rows.len()];
        for (&row, weight) in train.iter().zip(weighed(self.params, examples)) {
            weights[row] = weight;
        }
        self.dataset.weights = as_f32(&with_anchor(self.params, weights.clone()));
        let params = self.params.logistic(self.params.c[0]).start(self.all.clone());
        let fit = params.check()?.fit(&self.dataset)?;
        let weighted = Examples { weights, ..self.rows.examples.clone() };
        let logits = self.left_out_logits(&fit, &weighted, (&train, &out));
        Ok(LeftOutFit { train: described, rows: out, logits })
    }

    /// The logits of left-out rows. A fit without these rows would not know the n-grams that occur only in
    /// them, and such n-grams would not count in the norm of a row. So they are ignored here as well.
    fn left_out_logits(
        &self,
        fit: &SparseLogistic,
        weighted: &Examples<'_>,
        (train, out): (&[usize], &[usize]),
    ) -> Vec<f64> {
        let x = self.dataset.records().csr();
        let mut known = vec![false; x.cols()];
        for row in train.iter().filter_map(|&row| x.outer_view(row)) {
            row.indices().iter().for_each(|&feature| known[feature as usize] = true);
        }
        let weights = self.design.read(&fit.weights, fit.bias, weighted);
        // Sums each view without the n-grams that the fit does not know, and normalises by the rest.
        let logit = |&row: &usize| {
            let target = self.rows.examples.inputs[row].target.and_then(|target| weights.targets.get(target));
            let context = self.design.context(&weights, &self.rows.examples.inputs[row]);
            let base =
                self.level().unwrap_or_else(|| weights.bias + target.copied().unwrap_or(0.0) + context);
            let Some(row) = x.outer_view(row) else { return base };
            let mut parts = vec![(0.0, 0.0); self.ends.len()];
            for (feature, value) in row.iter().filter(|(feature, _)| known[*feature]) {
                // Columns after the last view belong to targets and sources.
                let view = self.ends.partition_point(|&end| end <= feature);
                if let Some((sum, squares)) = parts.get_mut(view) {
                    *sum += value * fit.weights[feature];
                    *squares += value * value;
                }
            }
            let of_view = |(&(sum, squares), view): (&(f64, f64), &ViewParams)| match view.norm {
                Norm::L2 if squares > 0.0 => sum * view.scale / f64::sqrt(squares),
                _ => sum,
            };
            base + parts.iter().zip(&self.params.views).map(of_view).sum::<f64>()
        };
        out.iter().map(logit).collect()
    }

    /// The logits of some rows by a fit with these row weights.
    fn logits(&self, fit: &SparseLogistic, weighted: &Examples<'_>, judged: &Examples<'_>) -> Vec<f64> {
        let weights = self.design.read(&fit.weights, fit.bias, weighted);
        let (parts, logits) = self.design.logits(&weights, judged);
        let words = |row: usize| parts.iter().map(|part| part[row]).sum::<f64>();
        match self.level() {
            Some(level) => (0..judged.len()).map(|row| level + words(row)).collect(),
            None => logits,
        }
    }

    /// The logit of a text with no known n-grams, if the recipe sets a base rate.
    fn level(&self) -> Option<f64> {
        self.params.base_rate.map(log_odds)
    }
}

/// The left-out scores of all values; each value is a fold.
fn out_of_fold(rows: &FacetRows<'_>, fits: &[LeftOutFit]) -> OutOfFold {
    let mut all = OutOfFold::default();
    for (fold, fit) in fits.iter().enumerate() {
        all.logits.extend(&fit.logits);
        all.truth.extend(fit.rows.iter().map(|&row| rows.examples.truth[row]));
        all.weights.extend(fit.rows.iter().map(|&row| rows.examples.weights[row]));
        // Values are numbered by u32, like rows.
        all.clusters.extend(std::iter::repeat_n(u32::try_from(fold).unwrap_or(u32::MAX), fit.rows.len()));
        all.source_folds.extend(std::iter::repeat_n(fold, fit.rows.len()));
    }
    all
}

impl OutOfFold {
    /// The scores of all folds but one, with their folds numbered from 0.
    fn without_fold(&self, fold: usize) -> Self {
        let keep: Vec<usize> = (0..self.logits.len()).filter(|&row| self.source_folds[row] != fold).collect();
        let renumbered = |of: usize| if of > fold { of - 1 } else { of };
        Self {
            logits: keep.iter().map(|&row| self.logits[row]).collect(),
            truth: keep.iter().map(|&row| self.truth[row]).collect(),
            weights: keep.iter().map(|&row| self.weights[row]).collect(),
            clusters: keep.iter().map(|&row| self.clusters[row]).collect(),
            centre: self.centre,
            source_folds: keep.iter().map(|&row| renumbered(self.source_folds[row])).collect(),
            sources: Vec::new(),
            spreads: Vec::new(),
            part_of_sources: self.part_of_sources,
        }
    }
}
