//! Figures: a fitted model on rows that it has not seen, or a recipe by cross-validation, always beside baselines.

pub(crate) mod baselines;
pub(crate) mod breakdown;
pub(crate) mod confounds;
pub(crate) mod kind_figures;
pub(crate) mod leave_one_out;
pub(crate) mod unseen;

use std::collections::BTreeMap;

use demur_data::{Labeller, shuffled};
use demur_predictor::encoder::Cascade;
use demur_predictor::{Field, KindDistribution, Model, Probability, Scratch};
use rayon::prelude::*;
use serde::Serialize;

use crate::encoder::EncoderParams;
use crate::error::TrainingError;
use crate::evaluate::baselines::phrase_list;
use crate::evaluate::breakdown::{Coverage, FacetFigures, by_facet, coverage};
use crate::evaluate::kind_figures::KindFigures;
use crate::examples::{Examples, split};
use crate::fit::teacher::FitPlan;
use crate::fit::{FittedNgram, NgramParams};
use crate::metrics::{
    Clusters, Decisions, FEW_FALSE_POSITIVES, ReliabilityBin, accuracy_interval, auroc, auroc_within,
    average_precision, brier, ece, intervals, log_loss, nan_is_null, reliability, tpr_at_fpr,
};
use crate::progress::Progress;
use crate::train::Grouping;

/// All figures of one evaluation. The positive class is refusal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The column that was judged.
    pub field: Field,
    /// How the rows were kept apart from the fit, in words.
    pub method: String,
    /// Rows judged.
    pub n: usize,
    /// How many of them each labeller has labelled.
    pub labelled_by: BTreeMap<Labeller, usize>,
    /// What a share of right decisions is on such labels: `accuracy`, or an agreement with those who gave them.
    pub measures: String,
    /// Different prompts among them (responses, where there is no prompt), once normalised; where they are fewer than the
    /// rows, intervals come from a bootstrap of whole prompts.
    pub prompts: usize,
    /// Share of refusals among them; a measured rate counts as the rate that it is.
    #[serde(serialize_with = "nan_is_null")]
    pub base_rate: f64,
    /// P(refusal) from which a row counts as called refused.
    pub threshold: f64,
    /// Figures at the threshold.
    #[serde(flatten)]
    pub decisions: Decisions,
    /// Area under the ROC curve.
    #[serde(serialize_with = "nan_is_null")]
    pub auroc: f64,
    /// 95% interval of the AUROC.
    pub auroc_interval: (f64, f64),
    /// Area under the ROC curve over pairs of rows of one source; NaN where the rows name no source with both classes.
    #[serde(serialize_with = "nan_is_null")]
    pub auroc_within_sources: f64,
    /// The share of refusals that a threshold finds which calls at most one complied row in a hundred refused.
    #[serde(serialize_with = "nan_is_null")]
    pub tpr_at_1_fpr: f64,
    /// Average precision.
    #[serde(serialize_with = "nan_is_null")]
    pub average_precision: f64,
    /// Brier score.
    #[serde(serialize_with = "nan_is_null")]
    pub brier: f64,
    /// Log loss, nats.
    #[serde(serialize_with = "nan_is_null")]
    pub log_loss: f64,
    /// Expected calibration error over ten bins of equal width.
    #[serde(serialize_with = "nan_is_null")]
    pub ece: f64,
    /// P(refusal) against the refusal rate, by those bins.
    pub reliability: Vec<ReliabilityBin>,
    /// How many rows can be decided at 90, 95, 98 and 99% accuracy when the uncertain ones are left open.
    pub coverage: Vec<Coverage>,
    /// Figures by `kind`, `target`, `source`, `category`, where the rows have them, and by the `language` of the text that
    /// is judged, where it can be told.
    pub by: BTreeMap<&'static str, Vec<FacetFigures>>,
    /// Telling kinds apart, where the model does and the rows have kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kinds: Option<KindFigures>,
    /// `majority`, `phrase_list` and `shuffled_labels` on the same rows.
    pub baselines: BTreeMap<&'static str, Baseline>,
}

/// What a simpler method reaches on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baseline {
    /// What it does.
    pub description: &'static str,
    /// Figures of its decisions.
    #[serde(flatten)]
    pub decisions: Decisions,
    /// Area under the ROC curve of its score.
    #[serde(serialize_with = "nan_is_null")]
    pub auroc: f64,
}

/// What is judged, and how the rows were kept apart from the fit.
#[derive(Debug, Clone)]
pub struct Scored {
    /// The column that was judged.
    pub field: Field,
    /// How the rows were kept apart from the fit, in words.
    pub method: String,
    /// P(refusal) from which a row counts as called refused.
    pub threshold: f64,
    /// Seed of the shuffled labels and of resampled prompts.
    pub seed: u64,
}

/// P(refusal) of each row under the method and under its shuffled twin, and the majority guess of each row.
struct Scores {
    p: Vec<f64>,
    /// The kinds of each row; all `None` without a model of kinds.
    kinds: Vec<Option<KindDistribution>>,
    shuffled: Vec<f64>,
    majority: Vec<bool>,
}

const FITTED_ON_SHUFFLED: &str = "the same recipe fitted on shuffled labels, same split";
const JUDGED_ON_SHUFFLED: &str = "the same scores judged against shuffled labels";

fn as_scores(decisions: &[bool]) -> Vec<f64> {
    decisions.iter().map(|&decision| f64::from(u8::from(decision))).collect()
}

impl Scores {
    /// Those of the rows that have a label.
    fn judged(&self, examples: &Examples<'_>) -> Self {
        let rows = examples.labelled();
        Self {
            p: rows.iter().map(|&row| self.p[row]).collect(),
            kinds: Vec::new(),
            shuffled: rows.iter().map(|&row| self.shuffled[row]).collect(),
            majority: rows.iter().map(|&row| self.majority[row]).collect(),
        }
    }
}

impl Scored {
    /// Judges one score per example.
    ///
    /// # Panics
    /// When there is not exactly one score per example.
    #[must_use]
    pub fn judge(self, examples: &Examples<'_>, p: Vec<f64>) -> Evaluation {
        let kinds = vec![None; p.len()];
        self.judge_with_kinds(examples, p, kinds)
    }

    fn judge_with_kinds(
        self,
        examples: &Examples<'_>,
        p: Vec<f64>,
        kinds: Vec<Option<KindDistribution>>,
    ) -> Evaluation {
        let refused: f64 = examples.truth.iter().sum();
        // Judging shuffled scores against the labels is judging the scores against shuffled labels.
        let shuffled = shuffled(p.len(), self.seed).into_iter().map(|row| p[row]).collect();
        let majority = vec![2.0 * refused > examples.len() as f64; examples.len()];
        self.judge_all(examples, &Scores { p, kinds, shuffled, majority }, JUDGED_ON_SHUFFLED)
    }

    fn judge_all(self, all: &Examples<'_>, scores: &Scores, twin: &'static str) -> Evaluation {
        let kinds = kind_figures::judge(&all.facets, &scores.kinds);
        // Rows that are there for their kind alone have no label to judge a score by.
        let (examples, scores) = (&all.judged(), &scores.judged(all));
        let (p, truth, clusters) = (&scores.p, examples.truth.as_slice(), examples.prompts());
        let refused = |p: &[f64]| p.iter().map(|&p| p >= self.threshold).collect::<Vec<bool>>();
        let phrases: Vec<bool> = examples.inputs.iter().map(|input| phrase_list(self.field, input)).collect();
        let baseline = |description, called: &[bool], p: &[f64]| Baseline {
            description,
            decisions: self.decisions(called, truth, &clusters),
            auroc: auroc(p, truth),
        };
        let sources: Vec<Option<&str>> = examples.facets.iter().map(|facets| facets.source).collect();
        let (_, auroc_interval) = intervals(p, truth, self.threshold, &clusters, self.seed);
        let mut labelled_by: BTreeMap<Labeller, usize> = BTreeMap::new();
        for labeller in examples.facets.iter().filter_map(|facets| facets.labeller) {
            *labelled_by.entry(labeller).or_default() += 1;
        }
        Evaluation {
            field: self.field,
            n: truth.len(),
            prompts: clusters.len(),
            measures: Labeller::figure(&labelled_by.keys().copied().collect()),
            labelled_by,
            base_rate: truth.iter().sum::<f64>() / truth.len() as f64,
            threshold: self.threshold,
            decisions: self.decisions(&refused(p), truth, &clusters),
            auroc: auroc(p, truth),
            auroc_interval,
            auroc_within_sources: auroc_within(p, truth, &sources),
            tpr_at_1_fpr: tpr_at_fpr(p, truth, FEW_FALSE_POSITIVES),
            average_precision: average_precision(p, truth),
            brier: brier(p, truth),
            log_loss: log_loss(p, truth),
            ece: ece(p, truth, &[]),
            reliability: reliability(p, truth, &[]),
            coverage: coverage(p, truth, self.threshold),
            kinds,
            by: by_facet(examples, self.field, p, (self.threshold, self.seed)),
            baselines: BTreeMap::from([
                (
                    "majority",
                    baseline("the more frequent label", &scores.majority, &as_scores(&scores.majority)),
                ),
                ("phrase_list", baseline("a short list of phrases", &phrases, &as_scores(&phrases))),
                ("shuffled_labels", baseline(twin, &refused(&scores.shuffled), &scores.shuffled)),
            ]),
            method: self.method,
        }
    }

    /// Decisions against what is true, with an interval that knows which rows belong together.
    fn decisions(&self, called: &[bool], truth: &[f64], clusters: &Clusters) -> Decisions {
        let right = |(&called, &refused): (&bool, &f64)| if called { refused } else { 1.0 - refused };
        let right: Vec<f64> = called.iter().zip(truth).map(right).collect();
        let accuracy_interval = accuracy_interval(&right, clusters, self.seed);
        Decisions { accuracy_interval, ..Decisions::judge(called, truth) }
    }
}

impl Evaluation {
    /// Whether most of what the score is above a coin's .5 is telling sources apart: within sources it ranks less than half
    /// as well. `None` where the rows do not name sources with both classes.
    #[must_use]
    pub fn tells_sources_apart(&self) -> Option<bool> {
        tells_sources_apart(self.auroc, self.auroc_within_sources)
    }
}

/// The rule of [`Evaluation::tells_sources_apart`]. A score that is hardly above a coin gains nothing by anything.
pub(crate) fn tells_sources_apart(pooled: f64, within: f64) -> Option<bool> {
    (pooled.is_finite() && within.is_finite())
        .then(|| pooled - 0.5 > 0.05 && within - 0.5 < (pooled - 0.5) / 2.0)
}

impl Evaluation {
    /// The figures as a manifest holds them: without those by category, of which there can be thousands.
    #[must_use]
    pub fn for_manifest(&self) -> serde_json::Value {
        let mut short = self.clone();
        short.by.remove("category");
        short.to_json()
    }

    /// Whether its shares of right decisions are accuracies: persons gave all labels.
    #[must_use]
    pub fn is_accuracy(&self) -> bool {
        self.labelled_by.keys().eq([&Labeller::Person])
    }

    /// The figures as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        // Every field is a number, a string or a list of them; NaN becomes null.
        serde_json::to_value(self).unwrap_or_default()
    }
}

fn none_left(step: &'static str) -> TrainingError {
    let hint = "the file needs rows with a label and with the text that the model judges".to_owned();
    TrainingError::NoRows { step, hint }
}

/// Judges a fitted model, all tiers of it, on labelled rows; without a cascade, by the model's own. That it has not seen
/// them is the caller's business.
///
/// # Errors
/// [`TrainingError::NoRows`], or [`TrainingError::Score`] when a row lacks the text that the model judges.
pub fn evaluate_model(
    model: &Model,
    examples: &Examples<'_>,
    cascade: Option<Cascade>,
    method: String,
    seed: u64,
) -> Result<Evaluation, TrainingError> {
    if examples.is_unlabelled() {
        return Err(none_left("evaluate"));
    }
    let manifest = model.manifest();
    let field = manifest.field;
    let scored = Scored { field, method, threshold: manifest.policy.hold_from, seed };
    let mut scratch = Scratch::default();
    let (p, kinds) = model
        .predict_tiers(&examples.inputs, cascade, &mut scratch)?
        .into_iter()
        .zip(&examples.inputs)
        .map(|(tiered, input)| {
            (tiered.p_refusal.get(), model.kinds_at(input, tiered.p_refusal, &mut scratch))
        })
        .unzip();
    Ok(scored.judge_with_kinds(examples, p, kinds))
}

/// A cross-validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrossValidation {
    /// The column to judge.
    pub field: Field,
    /// Number of folds.
    pub folds: usize,
    /// How the examples were grouped; this only names it.
    pub grouping: Grouping,
    /// Seed of the split and of the shuffled labels.
    pub seed: u64,
}

impl CrossValidation {
    /// Judges a recipe: every row is scored by a fit that has not seen it, nor any row of its group. C is chosen
    /// within the training rows of each fold.
    ///
    /// # Errors
    /// Any [`TrainingError`] of a fit.
    pub fn judge(
        self,
        plan: FitPlan<'_>,
        examples: &Examples<'_>,
        progress: Progress<'_>,
    ) -> Result<Evaluation, TrainingError> {
        Ok(self.judge_with_scores(plan, examples, progress)?.0)
    }

    /// As [`judge`](Self::judge), with P(refusal) of every row.
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub fn judge_with_scores(
        self,
        plan: FitPlan<'_>,
        examples: &Examples<'_>,
        progress: Progress<'_>,
    ) -> Result<(Evaluation, Vec<f64>), TrainingError> {
        if examples.is_unlabelled() {
            return Err(none_left("cross-validation"));
        }
        let folds = examples.folds(self.folds, self.seed)?;
        let score = |fold| {
            let scores = score_fold(plan, examples, split(&folds, fold), self.seed);
            progress.step("cross-validation", self.folds);
            scores
        };
        let parts: Vec<FoldScores> = (0..self.folds).into_par_iter().map(score).collect::<Result<_, _>>()?;
        let n = examples.len();
        let (zeros, majority) = (vec![0.0; n], vec![false; n]);
        let mut all = Scores { p: zeros.clone(), kinds: vec![None; n], shuffled: zeros, majority };
        for part in parts {
            for (at, &row) in part.rows.iter().enumerate() {
                all.p[row] = part.p[at];
                all.kinds[row].clone_from(&part.kinds[at]);
                all.shuffled[row] = part.shuffled[at];
                all.majority[row] = part.majority;
            }
        }
        let method = self.describe();
        let scored =
            Scored { field: self.field, method, threshold: plan.params.policy.hold_from, seed: self.seed };
        Ok((scored.judge_all(examples, &all, FITTED_ON_SHUFFLED), all.p))
    }
}

impl CrossValidation {
    /// P(refusal) of every row under a fit that has not seen it, nor any row of its group.
    ///
    /// # Errors
    /// Any [`TrainingError`] of a fit.
    pub fn probabilities(
        self,
        plan: FitPlan<'_>,
        examples: &Examples<'_>,
        progress: Progress<'_>,
    ) -> Result<Vec<f64>, TrainingError> {
        let folds = examples.folds(self.folds, self.seed)?;
        let score = |fold| {
            let (train, rows) = split(&folds, fold);
            let fitted = plan.fit(&examples.subset(&train), self.seed)?;
            let p = fitted.probabilities(&examples.subset(&rows).inputs)?;
            progress.step("cross-fit", self.folds);
            Ok((rows, p))
        };
        let parts: Vec<(Vec<usize>, Vec<f64>)> =
            (0..self.folds).into_par_iter().map(score).collect::<Result<_, TrainingError>>()?;
        let mut all = vec![0.0; examples.len()];
        for (rows, p) in parts {
            rows.into_iter().zip(p).for_each(|(row, p)| all[row] = p);
        }
        Ok(all)
    }

    /// In words, for the method of an evaluation.
    #[must_use]
    pub fn describe(self) -> String {
        let Self { folds, grouping, seed, .. } = self;
        format!("{folds}-fold cross-validation, {}, stratified, seed {seed}", grouping.describe())
    }
}

/// Fits a recipe on some of the examples and judges it on others: `held_out` has one entry per example.
///
/// # Errors
/// Any [`TrainingError`] of the fit.
pub fn judge_holdout(
    plan: FitPlan<'_>,
    examples: &Examples<'_>,
    held_out: &[bool],
    scored: Scored,
) -> Result<Evaluation, TrainingError> {
    let (test, train): (Vec<usize>, Vec<usize>) = (0..examples.len()).partition(|&row| held_out[row]);
    let scores = score_fold(plan, examples, (train, test), scored.seed)?;
    let test = examples.subset(&scores.rows);
    let majority = vec![scores.majority; test.len()];
    let all = Scores { p: scores.p, kinds: scores.kinds, shuffled: scores.shuffled, majority };
    Ok(scored.judge_all(&test, &all, FITTED_ON_SHUFFLED))
}

/// The kinds of some examples whose P(refusal) is known.
fn kinds(fitted: &FittedNgram, examples: &Examples<'_>, p: &[f64]) -> Vec<Option<KindDistribution>> {
    let mut scratch = Scratch::default();
    let kinds = |(input, &p)| {
        let kinds = fitted.kinds.as_ref()?;
        Some(kinds.predict(input, Probability::new(p).ok()?, &mut scratch))
    };
    examples.inputs.iter().zip(p).map(kinds).collect()
}

struct FoldScores {
    rows: Vec<usize>,
    p: Vec<f64>,
    kinds: Vec<Option<KindDistribution>>,
    shuffled: Vec<f64>,
    majority: bool,
}

fn score_fold(
    plan: FitPlan<'_>,
    examples: &Examples<'_>,
    (train, rows): (Vec<usize>, Vec<usize>),
    seed: u64,
) -> Result<FoldScores, TrainingError> {
    let (train, test) = (examples.subset(&train), examples.subset(&rows));
    let fitted = plan.fit(&train, seed)?;
    let p = fitted.probabilities(&test.inputs)?;
    let kinds = kinds(&fitted, &test, &p);
    let mut blind = train.clone();
    for (at, from) in shuffled(train.len(), seed.wrapping_add(1)).into_iter().enumerate() {
        blind.targets[at] = train.targets[from];
        blind.truth[at] = train.truth[from];
    }
    // The twin of a fitted encoder is a head on the encoder as it was: what labels without sense teach an encoder in
    // hours is no better than what they teach a head in seconds.
    let encoder = plan.params.encoder.clone().map(|encoder| EncoderParams { tune: None, ..encoder });
    let params = NgramParams { c: vec![fitted.c], kinds: None, encoder, ..plan.params.clone() };
    let twin = FitPlan { params: &params, ..plan }.fit(&blind, seed)?;
    let refused: f64 = train.truth.iter().sum();
    Ok(FoldScores {
        p,
        kinds,
        shuffled: twin.probabilities(&test.inputs)?,
        majority: 2.0 * refused > train.len() as f64,
        rows,
    })
}
