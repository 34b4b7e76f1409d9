//! A recipe on rows that its fits have not seen: by folds, or on a held-out part.

use demur_data::shuffled;
use demur_predictor::{Field, KindDistribution, Probability, Scratch};
use rayon::prelude::*;

use crate::encoder::EncoderParams;
use crate::error::TrainingError;
use crate::evaluate::evaluation::Evaluation;
use crate::evaluate::scored::{FITTED_ON_SHUFFLED, MethodScores, Scored};
use crate::examples::{Examples, split};
use crate::fit::ngram::FittedNgram;
use crate::fit::params::NgramParams;
use crate::fit::teacher::FitPlan;
use crate::groups::Grouping;
use crate::progress::Progress;

/// A cross-validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrossValidation {
    /// The field to classify.
    pub field: Field,
    /// Number of folds.
    pub folds: usize,
    /// How the examples were grouped; used only for the description.
    pub grouping: Grouping,
    /// Seed of the split and of the shuffled labels.
    pub seed: u64,
}

impl CrossValidation {
    /// Evaluates a recipe: every row is scored by a fit that has seen neither it nor any row of its group. C
    /// is chosen within the training rows of each fold.
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

    /// Like [`judge`](Self::judge), but also returns P(refusal) of every row.
    ///
    /// # Errors
    /// Those of [`judge`](Self::judge).
    pub fn judge_with_scores(
        self,
        plan: FitPlan<'_>,
        examples: &Examples<'_>,
        progress: Progress<'_>,
    ) -> Result<(Evaluation, Vec<f64>), TrainingError> {
        if examples.is_unlabelled() {
            return Err(TrainingError::no_labels("cross-validation"));
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
        let mut all = MethodScores { p: zeros.clone(), kinds: vec![None; n], shuffled: zeros, majority };
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
    /// P(refusal) of every row under a fit that has seen neither it nor any row of its group.
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

    /// A description for the method of an evaluation.
    #[must_use]
    pub fn describe(self) -> String {
        let Self { folds, grouping, seed, .. } = self;
        format!("{folds}-fold cross-validation, {}, stratified, seed {seed}", grouping.describe())
    }
}

/// Fits a recipe on some of the examples and evaluates it on others: `held_out` has one entry per example.
/// Returns P(refusal) of the others too, in their order.
///
/// # Errors
/// Any [`TrainingError`] of the fit.
pub fn judge_holdout(
    plan: FitPlan<'_>,
    examples: &Examples<'_>,
    held_out: &[bool],
    scored: Scored,
) -> Result<(Evaluation, Vec<f64>), TrainingError> {
    let (test, train): (Vec<usize>, Vec<usize>) = (0..examples.len()).partition(|&row| held_out[row]);
    let scores = score_fold(plan, examples, (train, test), scored.seed)?;
    let test = examples.subset(&scores.rows);
    let majority = vec![scores.majority; test.len()];
    let all = MethodScores { p: scores.p, kinds: scores.kinds, shuffled: scores.shuffled, majority };
    Ok((scored.judge_all(&test, &all, FITTED_ON_SHUFFLED), all.p))
}

/// The predicted kinds of some examples with known P(refusal).
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
    // The shuffled twin of a fitted encoder is a head on the original encoder. Hours of tuning an encoder on
    // shuffled labels would teach it no more than a head learns from them in seconds.
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
