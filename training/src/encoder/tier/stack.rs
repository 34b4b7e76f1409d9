//! What is built on both tiers: the second level that combines two logits into one, its calibration, and the
//! figures of cascades.
//!
//! All of it is learned from out-of-fold logits by cross-fitting: no row influences the map that scores it.

use std::collections::BTreeMap;

use demur_predictor::encoder::{Cascade, CascadeFigures, Stack};
use demur_predictor::{Calibration, CalibrationReport, log_odds};
use ndarray::Array2;

use crate::error::TrainingError;
use crate::examples::{Examples, split};
use crate::fit::calibrate::{CalibrationMethod, OutOfFold};
use crate::fit::level::KnownOf;
use crate::fit::second_level::{LinearModel, SecondLevelParams, fit_binary};
use crate::metrics::auroc;

/// Out-of-fold logits of both tiers, on rows with labels.
#[derive(Debug, Clone, Default)]
pub(crate) struct Levels<'a> {
    pub(crate) ngrams: Vec<f64>,
    pub(crate) encoder: Vec<f64>,
    /// P(refusal) of the label.
    pub(crate) truth: Vec<f64>,
    pub(crate) weights: Vec<f64>,
    pub(crate) folds: Vec<usize>,
    /// As in [`OutOfFold`].
    pub(crate) clusters: Vec<u32>,
    /// As in [`OutOfFold`].
    pub(crate) source_folds: Vec<usize>,
    /// As in [`OutOfFold`].
    pub(crate) sources: Vec<u32>,
    pub(crate) targets: Vec<Option<&'a str>>,
    /// The base rate that the fit states, with the rows that tell how targets deviate from it.
    pub(crate) level: Option<(f64, Examples<'a>)>,
}

/// The result of fitting the second level.
#[derive(Debug, Clone)]
pub(crate) struct Stacked {
    pub(crate) stack: Stack,
    pub(crate) calibration: Calibration,
    pub(crate) target_calibrations: BTreeMap<String, Calibration>,
    pub(crate) report: Option<CalibrationReport>,
    /// The logit of each row by a second level that has not seen it.
    pub(crate) logits: Vec<f64>,
}

impl Levels<'_> {
    fn labels(&self) -> Vec<bool> {
        self.truth.iter().map(|&truth| truth >= 0.5).collect()
    }

    fn line(&self, rows: &[usize]) -> Result<Stack, TrainingError> {
        let labels = self.labels();
        let labels: Vec<bool> = rows.iter().map(|&row| labels[row]).collect();
        let weights: Vec<f64> = rows.iter().map(|&row| self.weights[row]).collect();
        let fit = |columns: &[&Vec<f64>]| {
            let x =
                Array2::from_shape_fn((rows.len(), columns.len()), |(at, column)| columns[column][rows[at]]);
            fit_binary(&x, &labels, &weights, SecondLevelParams { alpha: 1.0 })
        };
        let LinearModel { weights: slopes, bias } = fit(&[&self.encoder, &self.ngrams])?;
        // A tier with a negative slope adds nothing to the other, so it gets no weight.
        match (slopes[0], slopes[1]) {
            (encoder, ngrams) if encoder > 0.0 && ngrams > 0.0 => Ok(Stack { ngrams, encoder, bias }),
            (_, ngrams) if ngrams > 0.0 => {
                let line = fit(&[&self.ngrams])?;
                Ok(Stack { ngrams: line.weights[0].max(0.0), encoder: 0.0, bias: line.bias })
            }
            _ => {
                let line = fit(&[&self.encoder])?;
                Ok(Stack { ngrams: 0.0, encoder: line.weights[0].max(0.0), bias: line.bias })
            }
        }
    }

    /// Fits the second level (without `stack`, the encoder alone counts) and the calibration above it.
    pub(crate) fn fit(
        &self,
        stack: bool,
        method: CalibrationMethod,
        calibrate_targets: bool,
    ) -> Result<Stacked, TrainingError> {
        let alone = Stack { ngrams: 0.0, encoder: 1.0, bias: 0.0 };
        let all: Vec<usize> = (0..self.truth.len()).collect();
        let mut logits = self.encoder.clone();
        if stack {
            for fold in 0..self.folds.iter().max().map_or(0, |last| last + 1) {
                let (train, test) = split(&self.folds, fold);
                let line = self.line(&train)?;
                test.into_iter()
                    .for_each(|row| logits[row] = line.logit(self.ngrams[row], self.encoder[row]));
            }
        }
        let out_of_fold = OutOfFold {
            logits: logits.clone(),
            truth: self.truth.clone(),
            weights: self.weights.clone(),
            clusters: self.clusters.clone(),
            source_folds: self.source_folds.clone(),
            sources: self.sources.clone(),
            centre: self.level.as_ref().map_or(0.0, |(base_rate, _)| log_odds(*base_rate)),
            ..OutOfFold::default()
        };
        let (calibration, report) = out_of_fold.calibrate(method)?;
        let target_calibrations = match &self.level {
            _ if !calibrate_targets => BTreeMap::new(),
            None => out_of_fold.calibrate_targets(&calibration, &self.targets)?,
            Some((base_rate, examples)) => {
                let start = log_odds(*base_rate);
                let words: Vec<f64> = logits.iter().map(|logit| logit - start).collect();
                KnownOf { words: &words, examples, base_rate: *base_rate }.targets(&calibration)
            }
        };
        let stack = if stack { self.line(&all)? } else { alone };
        Ok(Stacked { stack, calibration, target_calibrations, report, logits })
    }

    /// Figures of cascades from none of the rows cheap to nearly all of them, in twentieths.
    pub(crate) fn cascades(&self, ngrams: &Calibration, stacked: &Stacked) -> Vec<CascadeFigures> {
        let labels = self.labels();
        let cheap: Vec<f64> = self.ngrams.iter().map(|&logit| ngrams.apply(logit).get()).collect();
        let full: Vec<f64> =
            stacked.logits.iter().map(|&logit| stacked.calibration.apply(logit).get()).collect();
        let figures = |cascade: Cascade| {
            let p: Vec<f64> = cheap
                .iter()
                .zip(&full)
                .map(|(&cheap, &full)| if cascade.is_cheap(cheap) { cheap } else { full })
                .collect();
            let right = p.iter().zip(&labels).filter(|&(&p, &label)| (p >= 0.5) == label).count();
            CascadeFigures {
                cascade,
                cheap: cheap.iter().filter(|&&p| cascade.is_cheap(p)).count() as f64 / labels.len() as f64,
                accuracy: right as f64 / labels.len() as f64,
                auroc: auroc(&p, &labels),
            }
        };
        (0..20).map(|twentieth| figures(self.cascade(ngrams, f64::from(twentieth) / 20.0))).collect()
    }

    /// The cascade in which the n-gram tier answers this share of the rows: those that it is most certain of.
    pub(crate) fn cascade(&self, ngrams: &Calibration, share: f64) -> Cascade {
        if share <= 0.0 {
            return Cascade::NEVER_CHEAP;
        }
        let mut certainties: Vec<f64> = self
            .ngrams
            .iter()
            .map(|&logit| {
                let p = ngrams.apply(logit).get();
                p.max(1.0 - p)
            })
            .collect();
        certainties.sort_by(|a, b| b.total_cmp(a));
        // A share is between 0 and 1.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let last =
            ((share * certainties.len() as f64).round() as usize).clamp(1, certainties.len().max(1)) - 1;
        let certain = certainties.get(last).copied().unwrap_or(1.0);
        // Just above the value of the last row, because that row is cheap too.
        Cascade { below: 1.0 - certain + f64::EPSILON, from: certain }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The encoder knows more than the n-grams; both are sometimes wrong.
    fn levels() -> Levels<'static> {
        let noise = |row: usize, by: usize| ((row * by) % 997) as f64 / 250.0 - 2.0;
        let truth: Vec<f64> = (0..600).map(|row| f64::from(u8::from(row % 3 == 0))).collect();
        Levels {
            ngrams: (0..600).map(|row| truth[row] - 0.5 + noise(row, 7919)).collect(),
            encoder: (0..600).map(|row| 2.0 * truth[row] - 1.0 + noise(row, 104_729)).collect(),
            weights: vec![1.0; 600],
            folds: (0..600).map(|row| row % 5).collect(),
            targets: vec![None; 600],
            truth,
            ..Levels::default()
        }
    }

    #[test]
    fn both_tiers_have_a_say() {
        let levels = levels();
        let stacked = levels.fit(true, CalibrationMethod::Platt, false).unwrap();
        let Stack { ngrams, encoder, .. } = stacked.stack;
        assert!(ngrams > 0.1 && encoder > ngrams, "{:?}", stacked.stack);
        let labels = levels.labels();
        let of_stack = auroc(&stacked.logits, &labels);
        assert!(of_stack > auroc(&levels.encoder, &labels) && of_stack > auroc(&levels.ngrams, &labels));
        let alone = levels.fit(false, CalibrationMethod::Platt, false).unwrap();
        assert_eq!(alone.stack, Stack { ngrams: 0.0, encoder: 1.0, bias: 0.0 });
    }

    #[test]
    fn a_tier_that_is_upside_down_is_left_out() {
        let mut levels = levels();
        levels.ngrams.iter_mut().for_each(|logit| *logit = -*logit);
        let stacked = levels.fit(true, CalibrationMethod::None, false).unwrap();
        assert_eq!(stacked.stack.ngrams, 0.0);
        assert!(stacked.stack.encoder > 0.0);
    }

    #[test]
    fn a_cascade_keeps_the_share_that_was_asked_for() {
        let levels = levels();
        let stacked = levels.fit(true, CalibrationMethod::Platt, false).unwrap();
        let figures = levels.cascades(&Calibration::None, &stacked);
        assert_eq!(figures.len(), 20);
        assert_eq!(figures[0].cheap, 0.0);
        for (twentieth, figures) in figures.iter().enumerate() {
            let share = twentieth as f64 / 20.0;
            assert!((figures.cheap - share).abs() < 0.02, "{share}: {figures:?}");
        }
        assert!(figures[0].auroc > figures[19].auroc + 0.05);
    }
}
