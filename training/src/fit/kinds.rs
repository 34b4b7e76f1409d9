//! Fitting the kinds of answers: one n-gram model per kind against all others, and above them a multinomial
//! logistic regression by linfa on their out-of-fold logits. (With measures of style as additional inputs,
//! rare kinds with a dozen rows were found less often.)

use demur_data::{Kind, KindPolicy, assign_folds};
use demur_predictor::{Calibration, KindModel, KindReport, KindSettings, round, softmax};
use linfa::dataset::DatasetBase;
use linfa::prelude::{Fit, ParamGuard};
use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;
use crate::examples::{Examples, split};
use crate::facets::Facets;
use crate::fit::features::{ViewParams, fit_views, transform};
use crate::fit::logistic::{LogisticParams, SparseLogistic};
use crate::fit::second_level::{LinearModel, SecondLevelParams, fit_multinomial};
use crate::fit::sparse::SparseMatrix;

/// How kinds are classified, as configured by a recipe's `[response.kinds]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindParams {
    /// The views of the per-kind models.
    pub views: Vec<ViewParams>,
    /// Inverse strength of their penalty. Default: 3.
    #[serde(default = "three")]
    pub c: f64,
    /// Strength of the penalty of the second level. Default: 1.
    #[serde(default = "one")]
    pub alpha: f64,
    /// Kinds with fewer rows are left out: from a dozen rows, a fit learns their wording and not the kind.
    /// Default: 60.
    #[serde(default = "sixty")]
    pub min_rows: usize,
    /// The sources whose labels distinguish kinds. In others, "complied" need not mean that nothing was
    /// disclaimed. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The binary label of each kind.
    #[serde(default)]
    pub policy: KindPolicy,
}

const fn one() -> f64 {
    1.0
}
const fn three() -> f64 {
    3.0
}
const fn sixty() -> usize {
    60
}

/// Folds of the cross-fit of the second level. They do not keep templates together: some kinds consist of one
/// template, and learning about a kind from other rows of its template is the purpose of the model.
const FOLDS: usize = 5;

/// Number of temperatures that are tried.
const STEPS: usize = 21;

/// Data shared by the steps of one fit.
struct KindRows<'a> {
    examples: Examples<'a>,
    /// The kind of each row, as a number.
    classes: Vec<usize>,
    kinds: Vec<Kind>,
    /// The binary model's out-of-fold logit of each row.
    logits: Vec<f64>,
}

impl KindParams {
    /// Checks everything that can be checked without rows.
    ///
    /// # Errors
    /// [`TrainingError::Parameter`].
    pub fn check(&self) -> Result<(), TrainingError> {
        if self.views.is_empty() {
            return Err(TrainingError::Parameter {
                name: "kinds.views",
                value: 0.0,
                wanted: "at least one view",
            });
        }
        if !(self.alpha.is_finite() && self.alpha >= 0.0) {
            let wanted = "a finite number of at least 0";
            return Err(TrainingError::Parameter { name: "kinds.alpha", value: self.alpha, wanted });
        }
        LogisticParams::default().c(self.c).check_ref()?;
        Ok(())
    }

    /// Fits on the examples that have a kind. `logits` are the binary model's out-of-fold logits of all
    /// examples. `None` if fewer than two kinds have enough rows.
    ///
    /// # Errors
    /// Any [`TrainingError`] of a fit.
    pub(crate) fn fit(
        &self,
        examples: &Examples<'_>,
        logits: &[f64],
        calibration: &Calibration,
        (seed, rounded): (u64, bool),
    ) -> Result<Option<KindModel>, TrainingError> {
        let Some(rows) = self.rows(examples, logits) else { return Ok(None) };
        let strata: Vec<u32> =
            rows.classes.iter().map(|&class| u32::try_from(class).unwrap_or(u32::MAX)).collect();
        let folds = assign_folds(&strata, None, FOLDS, seed)?;
        let dense = self.out_of_fold(&rows, &folds)?;
        let scores = self.cross_fitted(&rows, &folds, &dense)?;
        let mut settings = settings(&rows, &scores, self.policy, calibration);
        let views = fit_views(&self.views, &rows.examples.inputs)?;
        let heads = self.heads(&rows.classes, rows.kinds.len(), &transform(&views, &rows.examples.inputs))?;
        let lines = fit_multinomial(&dense, &rows.classes, rows.kinds.len(), self.second())?;
        let single = |number: f64| if rounded { round(number as f32) } else { number as f32 };
        let weights = fold(&heads, &lines, &mut settings).into_iter().map(single).collect();
        Ok(Some(KindModel::new(settings, views, weights)?))
    }

    const fn second(&self) -> SecondLevelParams {
        SecondLevelParams { alpha: self.alpha }
    }

    /// The examples of kinds with enough rows, in the order of [`Kind::ALL`].
    fn rows<'a>(&self, examples: &Examples<'a>, logits: &[f64]) -> Option<KindRows<'a>> {
        let kind_of = |facets: &Facets<'_>| {
            let told = self.sources.is_empty()
                || facets.source.is_some_and(|source| self.sources.iter().any(|known| known == source));
            facets.kind.filter(|_| told)
        };
        let of_kind =
            |kind: Kind| examples.facets.iter().filter(|facets| kind_of(facets) == Some(kind)).count();
        let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|&kind| of_kind(kind) >= self.min_rows).collect();
        if kinds.len() < 2 {
            return None;
        }
        let class = |row: usize| {
            let kind = kind_of(examples.facets.get(row)?)?;
            kinds.iter().position(|&known| known == kind)
        };
        let (rows, classes): (Vec<usize>, Vec<usize>) =
            (0..examples.len()).filter_map(|row| Some((row, class(row)?))).unzip();
        let examples = examples.subset(&rows);
        Some(KindRows { logits: rows.iter().map(|&row| logits[row]).collect(), examples, classes, kinds })
    }

    /// One model per kind: this kind against all others. Rows of rare kinds have larger weights, by the
    /// square root of their rarity.
    fn heads(
        &self,
        classes: &[usize],
        kinds: usize,
        x: &SparseMatrix,
    ) -> Result<Vec<SparseLogistic>, TrainingError> {
        let params = LogisticParams::default().c(self.c).check()?;
        let fit = |class: usize| {
            let of_class = |other: &usize| f64::from(u8::from(*other == class));
            let targets: Array1<f64> = classes.iter().map(of_class).collect();
            let rarity = (targets.len() as f64 - targets.sum()) / targets.sum().max(1.0);
            let weights = targets.iter().map(|&target| if target > 0.5 { rarity.sqrt() as f32 } else { 1.0 });
            params.fit(&DatasetBase::new(x.clone(), targets.clone()).with_weights(weights.collect()))
        };
        (0..kinds).into_par_iter().map(fit).collect()
    }

    /// The inputs of the second level: each kind's logit of each row, by a model that has not seen the row.
    fn out_of_fold(&self, rows: &KindRows<'_>, folds: &[usize]) -> Result<Array2<f64>, TrainingError> {
        let kinds = rows.kinds.len();
        let mut heads = Array2::zeros((rows.classes.len(), kinds));
        let score = |fold| {
            let (train, test) = split(folds, fold);
            let inputs = |rows_of: &[usize]| rows.examples.subset(rows_of).inputs;
            let views = fit_views(&self.views, &inputs(&train))?;
            let classes: Vec<usize> = train.iter().map(|&row| rows.classes[row]).collect();
            let fitted = self.heads(&classes, kinds, &transform(&views, &inputs(&train)))?;
            let x = transform(&views, &inputs(&test));
            Ok((test, fitted.iter().map(|head| head.logits(&x)).collect::<Vec<_>>()))
        };
        let parts: Vec<_> = (0..FOLDS).into_par_iter().map(score).collect::<Result<_, TrainingError>>()?;
        for (test, logits) in parts {
            for (class, logits) in logits.into_iter().enumerate() {
                test.iter().zip(logits).for_each(|(&row, logit)| heads[[row, class]] = logit);
            }
        }
        Ok(heads)
    }

    /// The scores of each row by a second level that has not seen it.
    fn cross_fitted(
        &self,
        rows: &KindRows<'_>,
        folds: &[usize],
        dense: &Array2<f64>,
    ) -> Result<Vec<Vec<f64>>, TrainingError> {
        let mut scores = vec![Vec::new(); rows.classes.len()];
        for fold in 0..FOLDS {
            let (train, test) = split(folds, fold);
            let classes: Vec<usize> = train.iter().map(|&row| rows.classes[row]).collect();
            let lines =
                fit_multinomial(&dense.select(Axis(0), &train), &classes, rows.kinds.len(), self.second())?;
            for row in test {
                scores[row] = lines.iter().map(|line| line.at(dense.row(row))).collect();
            }
        }
        Ok(scores)
    }
}

/// The temperature with the least log loss, and the F1 of predicting each kind, on scores of rows that the
/// fit has not seen.
fn settings(
    rows: &KindRows<'_>,
    scores: &[Vec<f64>],
    policy: KindPolicy,
    calibration: &Calibration,
) -> KindSettings {
    let loss = |temperature: f64| {
        let losses = scores.iter().zip(&rows.classes);
        let losses = losses.map(|(scores, &class)| -softmax(scores, temperature)[class].max(1e-12).ln());
        losses.sum::<f64>() / scores.len() as f64
    };
    let temperatures = (0..STEPS).map(|step| 2.0_f64.powf(step as f64 / 5.0 - 2.0));
    let temperature = temperatures.min_by(|a, b| loss(*a).total_cmp(&loss(*b))).unwrap_or(1.0);
    let support: Vec<usize> = (0..rows.kinds.len())
        .map(|kind| rows.classes.iter().filter(|&&class| class == kind).count())
        .collect();
    let zeros = vec![0.0; rows.kinds.len()];
    let mut settings = KindSettings {
        kinds: rows.kinds.clone(),
        bias: zeros.clone(),
        temperature,
        // The most probable kind is returned. A bonus for rare kinds would raise macro-F1 but mislabel plain
        // refusals.
        naming: zeros,
        policy,
        report: KindReport {
            rows: rows.classes.len(),
            support,
            log_loss_before: loss(1.0),
            log_loss_after: loss(temperature),
            f1: Vec::new(),
        },
    };
    settings.report.f1 = naming_f1(&settings, rows, scores, calibration);
    settings
}

/// The F1 of predicting each kind.
fn naming_f1(
    settings: &KindSettings,
    rows: &KindRows<'_>,
    scores: &[Vec<f64>],
    calibration: &Calibration,
) -> Vec<f64> {
    // Settings of matching lengths always make a valid model; without views it only turns scores into a
    // distribution.
    let Ok(model) = KindModel::new(settings.clone(), Vec::new(), Vec::new()) else {
        return Vec::new();
    };
    let named: Vec<Kind> = scores
        .iter()
        .zip(&rows.logits)
        .map(|(scores, &logit)| model.distribution(scores, calibration.apply(logit)).kind)
        .collect();
    let f1 = |(class, kind): (usize, &Kind)| {
        let count = |test: &dyn Fn(usize) -> bool| (0..named.len()).filter(|&row| test(row)).count() as f64;
        let found = count(&|row| named[row] == *kind && rows.classes[row] == class);
        let either = count(&|row| named[row] == *kind) + count(&|row| rows.classes[row] == class);
        if either > 0.0 { 2.0 * found / either } else { 0.0 }
    };
    settings.kinds.iter().enumerate().map(f1).collect()
}

/// Folds the second level into the weights of the first: one number per n-gram and kind, and the biases in
/// the settings.
fn fold(heads: &[SparseLogistic], lines: &[LinearModel], settings: &mut KindSettings) -> Vec<f64> {
    let kinds = heads.len();
    let features = heads.first().map_or(0, |head| head.weights.len());
    let mut weights = vec![0.0; features * kinds];
    for (kind, line) in lines.iter().enumerate() {
        settings.bias[kind] =
            line.bias + heads.iter().zip(&line.weights).map(|(head, weight)| head.bias * weight).sum::<f64>();
        for (head, weight) in heads.iter().zip(&line.weights) {
            for (feature, own) in head.weights.iter().enumerate() {
                weights[feature * kinds + kind] += weight * own;
            }
        }
    }
    weights
}
