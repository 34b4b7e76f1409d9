//! What is built on both tiers: the second level that combines two logits into one, its calibration, and the
//! figures of cascades.
//!
//! All of it is learned from out-of-fold logits. By cross-fitting no row influences the map that scores it,
//! but for the two slopes of a second level over whole parts.

use std::collections::BTreeMap;

use demur_predictor::encoder::{Cascade, CascadeFigures, Stack};
use demur_predictor::{Calibration, CalibrationReport, log_odds};
use ndarray::Array2;

use crate::error::TrainingError;
use crate::examples::{Examples, split};
use crate::fit::calibrate::{CalibrationMethod, OutOfFold, Spread};
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
    /// The rows that the second level and its calibration are learned from: those whose labels describe the
    /// text, and not the habits of one target.
    pub(crate) level_rows: Vec<usize>,
    pub(crate) folds: Vec<usize>,
    /// Whether the folds are whole sources or files, whose shares of refusals differ: an intercept that was
    /// learned on some would be wrong on others, so the second level has none.
    pub(crate) by_parts: bool,
    /// As in [`OutOfFold`].
    pub(crate) clusters: Vec<u32>,
    /// As in [`OutOfFold`].
    pub(crate) source_folds: Vec<usize>,
    /// As in [`OutOfFold`].
    pub(crate) sources: Vec<u32>,
    /// As in [`OutOfFold`].
    pub(crate) spreads: Vec<Option<Spread>>,
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
    /// The logit of each row: by a second level that has not seen it, or, over whole parts, by that of all.
    pub(crate) logits: Vec<f64>,
}

impl Levels<'_> {
    fn labels(&self) -> Vec<bool> {
        self.truth.iter().map(|&truth| truth >= 0.5).collect()
    }

    fn line(&self, rows: &[usize]) -> Result<Stack, TrainingError> {
        let labels = self.labels();
        // Rows with their mirror images, all signs changed, have no intercept and the slopes that a fit
        // without one has.
        let signs: &[f64] = if self.by_parts { &[1.0, -1.0] } else { &[1.0] };
        let rows: Vec<(usize, f64)> =
            signs.iter().flat_map(|&sign| rows.iter().map(move |&row| (row, sign))).collect();
        let labels: Vec<bool> = rows.iter().map(|&(row, sign)| labels[row] == (sign > 0.0)).collect();
        let weights: Vec<f64> = rows.iter().map(|&(row, _)| self.weights[row]).collect();
        let fit = |columns: &[&Vec<f64>]| {
            let number = |(at, column): (usize, usize)| rows[at].1 * columns[column][rows[at].0];
            let x = Array2::from_shape_fn((rows.len(), columns.len()), number);
            let line = fit_binary(&x, &labels, &weights, SecondLevelParams { alpha: 1.0 })?;
            // Weights are rounded to whole rows, which leaves a trace of an intercept.
            Ok::<_, TrainingError>(LinearModel { bias: if self.by_parts { 0.0 } else { line.bias }, ..line })
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
        let of_all = if stack { self.line(&self.level_rows)? } else { alone };
        let by = |line: &Stack, row: usize| line.logit(self.ngrams[row], self.encoder[row]);
        let mut logits: Vec<f64> = (0..self.encoder.len()).map(|row| by(&of_all, row)).collect();
        // A few whole parts are too few to leave one of them out: the two slopes of all are kept.
        if stack && !self.by_parts {
            for fold in 0..self.folds.iter().max().map_or(0, |last| last + 1) {
                let (_, test) = split(&self.folds, fold);
                let others = self.level_rows.iter().copied().filter(|&row| self.folds[row] != fold);
                let line = self.line(&others.collect::<Vec<_>>())?;
                test.into_iter().for_each(|row| logits[row] = by(&line, row));
            }
        }
        let out_of_fold = self.out_of_fold(&logits);
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
        Ok(Stacked { stack: of_all, calibration, target_calibrations, report, logits })
    }

    /// The rows that the calibration is learned from, with their logits.
    fn out_of_fold(&self, logits: &[f64]) -> OutOfFold {
        OutOfFold {
            logits: self.of_level(logits),
            truth: self.of_level(&self.truth),
            weights: self.of_level(&self.weights),
            clusters: self.of_level(&self.clusters),
            source_folds: self.of_level(&self.source_folds),
            sources: self.of_level(&self.sources),
            spreads: self.spreads.clone(),
            centre: self.level.as_ref().map_or(0.0, |(base_rate, _)| log_odds(*base_rate)),
            ..OutOfFold::default()
        }
    }

    /// The values of these rows; none of a column without values.
    fn of_level<T: Copy>(&self, column: &[T]) -> Vec<T> {
        self.level_rows.iter().filter_map(|&row| column.get(row).copied()).collect()
    }

    /// Figures of cascades from none of the rows cheap to nearly all of them, in twentieths; on the rows that
    /// the second level is learned from, by their weights. The AUROC is the mean over the folds, for the
    /// logits of different folds are by different encoders.
    pub(crate) fn cascades(&self, ngrams: &Calibration, stacked: &Stacked) -> Vec<CascadeFigures> {
        let (labels, weights) = (self.of_level(&self.labels()), self.of_level(&self.weights));
        let of_rows = self.of_level(&self.folds);
        let p_of = |logits: &[f64], map: &Calibration| -> Vec<f64> {
            self.of_level(logits).into_iter().map(|logit| map.apply(logit).get()).collect()
        };
        let cheap = p_of(&self.ngrams, ngrams);
        let full = p_of(&stacked.logits, &stacked.calibration);
        let share = |is: &dyn Fn(usize) -> bool| {
            let of = |row: usize| if is(row) { weights[row] } else { 0.0 };
            (0..weights.len()).map(of).sum::<f64>() / weights.iter().sum::<f64>()
        };
        let figures = |cascade: Cascade| {
            let answer = |(&cheap, &full): (&f64, &f64)| if cascade.is_cheap(cheap) { cheap } else { full };
            let p: Vec<f64> = cheap.iter().zip(&full).map(answer).collect();
            CascadeFigures {
                cascade,
                cheap: share(&|row| cascade.is_cheap(cheap[row])),
                accuracy: share(&|row| (p[row] >= 0.5) == labels[row]),
                auroc: within(&p, &labels, &of_rows),
            }
        };
        (0..20).map(|twentieth| figures(self.cascade(ngrams, f64::from(twentieth) / 20.0))).collect()
    }

    /// The cascade in which the n-gram tier answers this share of the rows: those that it is most certain of.
    pub(crate) fn cascade(&self, ngrams: &Calibration, share: f64) -> Cascade {
        if share <= 0.0 {
            return Cascade::NEVER_CHEAP;
        }
        let certainty = |&row: &usize| {
            let p = ngrams.apply(self.ngrams[row]).get();
            (p.max(1.0 - p), self.weights[row])
        };
        let mut certainties: Vec<(f64, f64)> = self.level_rows.iter().map(certainty).collect();
        certainties.sort_by(|a, b| b.0.total_cmp(&a.0));
        let wanted = share * certainties.iter().map(|(_, weight)| weight).sum::<f64>();
        let mut sum = 0.0;
        let last = certainties.iter().find(|(_, weight)| {
            sum += weight;
            sum >= wanted - weight / 2.0
        });
        let certain = last.map_or(1.0, |&(certain, _)| certain);
        // Just above the value of the last row, because that row is cheap too.
        Cascade { below: 1.0 - certain + f64::EPSILON, from: certain }
    }
}

/// The mean of the AUROCs of the folds that have both classes.
fn within(p: &[f64], labels: &[bool], folds: &[usize]) -> f64 {
    let count = folds.iter().max().map_or(0, |last| last + 1);
    let of_fold = |fold: usize| {
        let rows = (0..p.len()).filter(|&row| folds[row] == fold);
        let (p, labels): (Vec<f64>, Vec<bool>) = rows.map(|row| (p[row], labels[row])).unzip();
        let both = labels.contains(&true) && labels.contains(&false);
        both.then(|| auroc(&p, &labels))
    };
    let of_folds: Vec<f64> = (0..count).filter_map(of_fold).collect();
    of_folds.iter().sum::<f64>() / of_folds.len() as f64
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
            level_rows: (0..600).collect(),
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
    fn parts_with_other_shares_of_refusals_move_no_intercept() {
        let mut levels = levels();
        // One part has four times the refusals of the others.
        for row in 0..600 {
            levels.weights[row] =
                if (levels.folds[row] == 0) == (levels.truth[row] > 0.5) { 1.0 } else { 0.25 };
        }
        assert!(levels.fit(true, CalibrationMethod::None, false).unwrap().stack.bias.abs() > 0.1);
        levels.by_parts = true;
        let Stack { ngrams, encoder, bias } = levels.fit(true, CalibrationMethod::None, false).unwrap().stack;
        assert!(bias == 0.0 && ngrams > 0.1 && encoder > ngrams, "{ngrams} {encoder} {bias}");
    }

    #[test]
    fn rows_of_other_sources_do_not_move_the_second_level() {
        let alone = levels();
        let mut with_others = levels();
        // Labels that say the opposite of the text, of a target that refuses nothing that others do.
        for row in 0..600 {
            with_others.ngrams.push(alone.ngrams[row]);
            with_others.encoder.push(alone.encoder[row]);
            with_others.truth.push(1.0 - alone.truth[row]);
            with_others.weights.push(1.0);
            with_others.folds.push(alone.folds[row]);
            with_others.targets.push(None);
        }
        let of = |levels: &Levels<'_>| levels.fit(true, CalibrationMethod::Platt, false).unwrap();
        let (alone, with_others) = (of(&alone), of(&with_others));
        assert_eq!((alone.stack, alone.calibration), (with_others.stack, with_others.calibration));
        assert_eq!(alone.logits, with_others.logits[..600]);
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
