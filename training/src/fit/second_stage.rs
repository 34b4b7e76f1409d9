//! Everything that is learned from out-of-fold scores of the first level: C, the second level, calibration.

use std::collections::BTreeMap;

use demur_data::DataError;
use demur_predictor::{Calibration, CalibrationReport, STYLE, log_odds};
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use crate::encoder::distilled::{DistilledRows, with_distilled};
use crate::error::TrainingError;
use crate::examples::{Examples, split};
use crate::fit::calibrate::{CalibrateOn, OutOfFold, Spread};
use crate::fit::first_level::NgramFit;
use crate::fit::level::KnownOf;
use crate::fit::params::NgramParams;
use crate::fit::second_level::{LinearModel, SecondLevelParams, fit_binary, styles};

/// The results learned from out-of-fold scores.
#[derive(Debug, Default)]
pub(crate) struct SecondStage {
    pub(crate) c: f64,
    pub(crate) choice: Vec<(f64, f64)>,
    /// The second level, where there is one.
    pub(crate) line: Option<LinearModel>,
    pub(crate) calibration: Calibration,
    pub(crate) target_calibrations: BTreeMap<String, Calibration>,
    pub(crate) report: Option<CalibrationReport>,
    /// How sources differ in each tenth of P(refusal), as in [`OutOfFold`].
    pub(crate) spreads: Vec<Option<Spread>>,
    /// The out-of-fold logits, including the second level.
    pub(crate) logits: Option<Vec<f64>>,
}

impl SecondStage {
    /// Learns everything that a fit learns from out-of-fold scores. If there is nothing to learn, no fold is
    /// fitted.
    pub(crate) fn learn(
        fit: NgramFit<'_>,
        examples: &Examples<'_>,
        distilled: Option<&DistilledRows>,
    ) -> Result<Self, TrainingError> {
        let params = fit.params;
        let mut stage = Self { c: params.c[0], ..Self::default() };
        if !params.needs_folds() {
            return Ok(stage);
        }
        let mut by_c = match out_of_fold(fit, examples, distilled) {
            // There are too few rows, groups or classes to hold any out. If C need not be chosen, this costs
            // only the calibration, and the missing report shows that.
            Err(TrainingError::OneClass { .. } | TrainingError::Data(DataError::Split { .. }))
                if params.c.len() == 1 && !params.needs_logits() =>
            {
                return Ok(stage);
            }
            other => other?,
        };
        stage.choice = by_c
            .iter()
            .map(|(c, scores)| {
                let scores = scores.out_of_fold(examples, params.calibrate_on);
                (*c, scores.log_loss(&scores.plain()))
            })
            .collect();
        let best = (0..by_c.len()).min_by(|&a, &b| stage.choice[a].1.total_cmp(&stage.choice[b].1));
        let (c, mut scores) = by_c.swap_remove(best.unwrap_or_default());
        stage.c = c;
        if let Some(second) = params.second_level {
            let (line, logits) = scores.second_level(examples, second)?;
            stage.line = Some(line);
            scores.logits = logits;
        }
        stage.calibrate(params, &mut scores, examples)?;
        stage.logits = Some(scores.logits);
        Ok(stage)
    }

    /// Fits the calibrations; if the recipe states a base rate, the scores start there.
    fn calibrate(
        &mut self,
        params: &NgramParams,
        scores: &mut OutOfFoldScores,
        examples: &Examples<'_>,
    ) -> Result<(), TrainingError> {
        if let Some(rate) = params.base_rate {
            scores.logits = scores.starting_at(log_odds(rate));
        }
        let mut out_of_fold = scores.out_of_fold(examples, params.calibrate_on);
        out_of_fold.centre = params.base_rate.map_or(0.0, log_odds);
        out_of_fold.sources = params.intervals.sources(examples);
        (self.calibration, self.report) = out_of_fold.calibrate(params.calibration)?;
        self.spreads = out_of_fold.spreads(&self.calibration);
        if let (true, Some(base_rate)) = (params.calibrate_targets, params.base_rate) {
            let known = KnownOf { words: &scores.words(), examples, base_rate };
            self.target_calibrations = known.targets(&self.calibration);
        } else if params.calibrate_targets {
            let targets: Vec<Option<&str>> = examples.inputs.iter().map(|input| input.target).collect();
            self.target_calibrations = out_of_fold.calibrate_targets(&self.calibration, &targets)?;
        }
        Ok(())
    }
}

impl NgramFit<'_> {
    /// The logit of each row by n-grams that had not seen its fold. A row without a fold teaches all of them,
    /// and its own logit means nothing.
    pub(crate) fn held_out_logits(
        self,
        examples: &Examples<'_>,
        folds: &[(usize, usize)],
        c: f64,
    ) -> Result<Vec<f64>, TrainingError> {
        let mut of_row = vec![None; examples.len()];
        folds.iter().for_each(|&(row, fold)| of_row[row] = Some(fold));
        let count = folds.iter().map(|&(_, fold)| fold + 1).max().unwrap_or_default();
        let split = |fold| (0..examples.len()).partition(|&row| of_row[row] != Some(fold));
        let splits: Vec<(Vec<usize>, Vec<usize>)> = (0..count).map(split).collect();
        // These scores are only read, so no calibration asks for their folds.
        let by_c = scored(self, (examples, None), &[c], &splits, &[])?;
        let scores = by_c.into_iter().map(|(_, scores)| match self.params.base_rate {
            Some(rate) => scores.starting_at(log_odds(rate)),
            None => scores.logits,
        });
        Ok(scores.flatten().collect())
    }
}

/// The out-of-fold scores of all rows for each C, ascending by C.
fn out_of_fold(
    fit: NgramFit<'_>,
    examples: &Examples<'_>,
    distilled: Option<&DistilledRows>,
) -> Result<Vec<(f64, OutOfFoldScores)>, TrainingError> {
    let params = fit.params;
    let mut cs = params.c.clone();
    cs.sort_by(f64::total_cmp);
    let folds = params.calibrate_on.folds(examples, params.inner_folds, fit.seed)?;
    let count = folds.iter().max().map_or(0, |last| last + 1);
    let splits: Vec<_> = (0..count).map(|fold| params.calibrate_on.split(examples, &folds, fold)).collect();
    scored(fit, (examples, distilled), &cs, &splits, &folds)
}

/// The scores of the rows of each split, by a fit on its other rows, for each C. A split has the rows that
/// the fit uses and those that it scores.
fn scored(
    fit: NgramFit<'_>,
    (examples, distilled): (&Examples<'_>, Option<&DistilledRows>),
    cs: &[f64],
    splits: &[(Vec<usize>, Vec<usize>)],
    folds: &[usize],
) -> Result<Vec<(f64, OutOfFoldScores)>, TrainingError> {
    let score = |(fold, (train, rows)): (usize, &(Vec<usize>, Vec<usize>))| {
        let (train, test) = (examples.subset(train), examples.subset(rows));
        let (design, by_c) = fit.first_level(&with_distilled(&train, distilled, Some(fold)), cs)?;
        let scores = by_c.iter().map(|weights| design.logits(weights, &test));
        Ok(scores.collect::<Vec<_>>())
    };
    let parts: Vec<_> = splits.par_iter().enumerate().map(score).collect::<Result<_, TrainingError>>()?;
    let gather = |(at, &c): (usize, &f64)| {
        let mut scores = OutOfFoldScores {
            parts: vec![vec![0.0; examples.len()]; fit.params.views.len()],
            logits: vec![0.0; examples.len()],
            folds: folds.to_vec(),
        };
        for ((_, rows), by_c) in splits.iter().zip(&parts) {
            let (of_views, logits) = &by_c[at];
            for (to, from) in scores.parts.iter_mut().zip(of_views) {
                rows.iter().zip(from).for_each(|(&row, &part)| to[row] = part);
            }
            rows.iter().zip(logits).for_each(|(&row, &logit)| scores.logits[row] = logit);
        }
        (c, scores)
    };
    Ok(cs.iter().enumerate().map(gather).collect())
}

/// Out-of-fold scores of the first level.
struct OutOfFoldScores {
    /// The contribution of each view to each row's logit.
    parts: Vec<Vec<f64>>,
    logits: Vec<f64>,
    /// The fold that each row was scored in.
    folds: Vec<usize>,
}

impl OutOfFoldScores {
    /// The contribution of the words to each row's logit: the sum over the views.
    fn words(&self) -> Vec<f64> {
        let rows = self.logits.len();
        (0..rows).map(|row| self.parts.iter().map(|part| part[row]).sum()).collect()
    }

    /// Each row's logit if a text without known words has this one.
    fn starting_at(&self, start: f64) -> Vec<f64> {
        self.words().into_iter().map(|words| start + words).collect()
    }

    fn out_of_fold(&self, examples: &Examples<'_>, on: CalibrateOn) -> OutOfFold {
        on.scores(examples, self.logits.clone(), self.folds.clone())
    }

    /// Fits the second level on all rows, and returns each row's logit by a second level that has not seen
    /// the row.
    fn second_level(
        &self,
        examples: &Examples<'_>,
        params: SecondLevelParams,
    ) -> Result<(LinearModel, Vec<f64>), TrainingError> {
        let style = styles(&examples.inputs);
        let views = self.parts.len();
        let dense =
            Array2::from_shape_fn((examples.len(), 1 + views + STYLE), |(row, column)| match column {
                0 => self.logits[row],
                column if column <= views => self.parts[column - 1][row],
                column => style[[row, column - 1 - views]],
            });
        let labels = examples.labels();
        let fit = |rows: &[usize]| {
            let x = dense.select(Axis(0), rows);
            let labels: Vec<bool> = rows.iter().map(|&row| labels[row]).collect();
            let weights: Vec<f64> = rows.iter().map(|&row| examples.weights[row]).collect();
            fit_binary(&x, &labels, &weights, params)
        };
        let mut logits = vec![0.0; examples.len()];
        for fold in 0..self.folds.iter().max().map_or(0, |last| last + 1) {
            let (train, test) = split(&self.folds, fold);
            let line = fit(&train)?;
            test.into_iter().for_each(|row| logits[row] = line.at(dense.row(row)));
        }
        Ok((fit(&(0..examples.len()).collect::<Vec<_>>())?, logits))
    }
}
