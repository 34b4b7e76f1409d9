//! The second level of a response classifier: a dense logistic regression, by linfa, on the logits of the
//! first level and the measures of style.
//!
//! Its inputs are out-of-fold: each row's logits come from a first level that has not seen the row, so the
//! second level learns how reliable they are on new rows. Everything is linear, so the fitted second level is
//! folded into the weights of the first, and the final model is still one sum of readable terms.

use demur_predictor::{Input, STYLE, Scratch, style};
use linfa::dataset::DatasetBase;
use linfa::prelude::Fit;
use linfa_logistic::{LogisticRegression, MultiLogisticRegression};
use ndarray::{Array1, Array2, ArrayView1, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;

/// How the second level is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondLevelParams {
    /// Strength of the L2 penalty on its weights, for standardised inputs; the slope of the first level's
    /// logit is not penalised. Default: 1.
    #[serde(default = "one")]
    pub alpha: f64,
}

const fn one() -> f64 {
    1.0
}

/// A linear function of dense inputs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LinearModel {
    pub(crate) weights: Vec<f64>,
    pub(crate) bias: f64,
}

impl LinearModel {
    pub(crate) fn at(&self, row: ArrayView1<'_, f64>) -> f64 {
        self.bias + self.weights.iter().zip(row).map(|(weight, value)| weight * value).sum::<f64>()
    }
}

/// The style measures of each input, one row per input.
pub(crate) fn styles(inputs: &[Input<'_>]) -> Array2<f64> {
    let rows: Vec<[f64; STYLE]> = inputs
        .par_iter()
        .with_min_len(64)
        .map_init(Scratch::default, |scratch, input| style(input, scratch))
        .collect();
    Array2::from_shape_fn((rows.len(), STYLE), |(row, column)| rows[row][column])
}

/// Mean and standard deviation of each column; a constant column has the deviation 1.
pub(crate) fn moments(x: &Array2<f64>) -> (Array1<f64>, Array1<f64>) {
    let mean = x.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(x.ncols()));
    let spread = x.std_axis(Axis(0), 0.0).mapv(|spread| if spread > 1e-9 { spread } else { 1.0 });
    (mean, spread)
}

/// The rows of a fit, standardised, with their targets.
fn standardised<T: Copy>(
    x: &Array2<f64>,
    (mean, spread): (&Array1<f64>, &Array1<f64>),
    rows: &[usize],
    targets: &[T],
) -> DatasetBase<Array2<f64>, Array1<T>> {
    let targets = rows.iter().map(|&row| targets[row]).collect();
    DatasetBase::new((&x.select(Axis(0), rows) - mean) / spread, targets)
}

const MAX_ITERATIONS: u64 = 300;
/// How much wider the first column is made than the others. Its weight is then penalised less, by the square
/// of this factor: practically not at all.
const FREE: f64 = 30.0;
/// Tolerance for the gradient of the summed loss, per row: far below what changes a third digit.
const TOLERANCE_PER_ROW: f64 = 1e-6;

/// A binary logistic regression on dense columns with row weights. The weight of the first column, the first
/// level's logit, is not penalised: a strong penalty is meant to keep the other columns small, and must not
/// shrink the first level.
///
/// # Errors
/// [`TrainingError::Dense`] when linfa fails, [`TrainingError::OneClass`].
pub(crate) fn fit_binary(
    x: &Array2<f64>,
    refused: &[bool],
    weights: &[f64],
    params: SecondLevelParams,
) -> Result<LinearModel, TrainingError> {
    if refused.iter().all(|&label| label) || !refused.iter().any(|&label| label) {
        return Err(TrainingError::OneClass { rows: refused.len() });
    }
    let (mean, mut spread) = moments(x);
    spread[0] /= FREE;
    let rows = resample(weights);
    let dataset = standardised(x, (&mean, &spread), &rows, refused);
    let fitted = LogisticRegression::default()
        .alpha(params.alpha)
        .max_iterations(MAX_ITERATIONS)
        .gradient_tolerance(TOLERANCE_PER_ROW * rows.len() as f64)
        .fit(&dataset)?;
    // linfa calls the larger class positive, whatever its label: flip the sign so that refusal is positive.
    let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
    Ok(unstandardise(fitted.params().view(), fitted.intercept(), (&mean, &spread), sign))
}

/// A multinomial logistic regression on dense columns: one line per class, classes numbered from 0. The rows
/// of a class are weighted by the square root of its rarity, so that a rare class influences the lines. The
/// intercepts are then corrected for that, so that the probabilities are those of the unweighted rows.
///
/// # Errors
/// [`TrainingError::Dense`] when linfa fails.
pub(crate) fn fit_multinomial(
    x: &Array2<f64>,
    classes: &[usize],
    count: usize,
    params: SecondLevelParams,
) -> Result<Vec<LinearModel>, TrainingError> {
    let (mean, spread) = moments(x);
    let mut rarity = vec![0.0; count];
    classes.iter().for_each(|&class| rarity[class] += 1.0);
    rarity.iter_mut().for_each(|rarity| *rarity = f64::sqrt(classes.len() as f64 / f64::max(*rarity, 1.0)));
    let rows = resample(&classes.iter().map(|&class| rarity[class]).collect::<Vec<_>>());
    let dataset = standardised(x, (&mean, &spread), &rows, classes);
    let fitted = MultiLogisticRegression::default()
        .alpha(params.alpha)
        .max_iterations(MAX_ITERATIONS)
        .gradient_tolerance(TOLERANCE_PER_ROW * rows.len() as f64)
        .fit(&dataset)?;
    // A class without rows gets a very low intercept: practically impossible, but finite.
    let mut lines = vec![LinearModel { weights: vec![0.0; x.ncols()], bias: -20.0 }; count];
    for (at, &class) in fitted.classes().iter().enumerate() {
        let intercept = fitted.intercept()[at] - rarity[class].ln();
        lines[class] = unstandardise(fitted.params().column(at), intercept, (&mean, &spread), 1.0);
    }
    Ok(lines)
}

/// Converts a line for standardised columns to one for the original columns.
pub(crate) fn unstandardise(
    weights: ArrayView1<'_, f64>,
    intercept: f64,
    (mean, spread): (&Array1<f64>, &Array1<f64>),
    sign: f64,
) -> LinearModel {
    let weights: Vec<f64> =
        weights.iter().zip(spread).map(|(weight, spread)| sign * weight / spread).collect();
    let at_mean: f64 = weights.iter().zip(mean).map(|(weight, mean)| weight * mean).sum();
    LinearModel { bias: sign * intercept - at_mean, weights }
}

/// Repeats rows by their weights, for a solver without weights. Row i appears as often as the running sum of
/// weights, scaled to twice the number of rows, passes a whole number at it. The result depends only on the
/// weights.
pub(crate) fn resample(weights: &[f64]) -> Vec<usize> {
    let total: f64 = weights.iter().sum();
    let scale = if total > 0.0 { 2.0 * weights.len() as f64 / total } else { 0.0 };
    let mut rows = Vec::with_capacity(2 * weights.len());
    let mut sum = 0.5;
    for (row, weight) in weights.iter().enumerate() {
        let before = f64::floor(sum);
        sum += weight * scale;
        let mut at = before;
        while at < sum.floor() {
            rows.push(row);
            at += 1.0;
        }
    }
    rows
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Rows of two columns; refused where the first is large, with a few exceptions.
    fn rows(refused_of_ten: usize) -> (Array2<f64>, Vec<bool>) {
        let refused: Vec<bool> = (0..400).map(|row| row % 10 < refused_of_ten).collect();
        let x = Array2::from_shape_fn((400, 2), |(row, column)| {
            let noise = ((row * 7919 + column * 104_729) % 1000) as f64 / 250.0 - 2.0;
            if column == 0 { f64::from(u8::from(refused[row])).mul_add(3.0, noise) } else { noise }
        });
        (x, refused)
    }

    #[test]
    fn refusal_is_positive_whichever_class_has_more_rows() {
        for refused_of_ten in [2, 5, 8] {
            let (x, refused) = rows(refused_of_ten);
            let line = fit_binary(&x, &refused, &vec![1.0; 400], SecondLevelParams { alpha: 1.0 }).unwrap();
            assert!(line.weights[0] > 1.0, "{refused_of_ten}: {line:?}");
            let right = x.outer_iter().zip(&refused).filter(|(row, label)| (line.at(*row) > 0.0) == **label);
            assert!(right.count() > 340, "{refused_of_ten}");
        }
    }

    #[test]
    fn a_penalty_keeps_the_first_column_and_shrinks_the_others() {
        let (mut x, refused) = rows(5);
        // The second column predicts the label as well as the first, with independent noise.
        for (row, label) in refused.iter().enumerate() {
            x[[row, 1]] += f64::from(u8::from(*label)) * 3.0;
        }
        let fit = |alpha| fit_binary(&x, &refused, &vec![1.0; 400], SecondLevelParams { alpha }).unwrap();
        let (loose, strict) = (fit(1e-3), fit(1e4));
        assert!(loose.weights[1] > 0.5, "{loose:?}");
        assert!(strict.weights[1].abs() < 0.05, "{strict:?}");
        assert!(strict.weights[0] > 1.0, "{strict:?}");
    }

    #[test]
    fn weights_count_as_repeated_rows_do() {
        let (x, refused) = rows(3);
        let weights: Vec<f64> = (0..400).map(|row| if row < 100 { 3.0 } else { 1.0 }).collect();
        let weighed = fit_binary(&x, &refused, &weights, SecondLevelParams { alpha: 1e-3 }).unwrap();
        let repeated: Vec<usize> = (0..100).chain(0..100).chain(0..400).collect();
        let labels: Vec<bool> = repeated.iter().map(|&row| refused[row]).collect();
        let expected = fit_binary(
            &x.select(Axis(0), &repeated),
            &labels,
            &vec![1.0; 600],
            SecondLevelParams { alpha: 1e-3 },
        )
        .unwrap();
        for (a, b) in weighed.weights.iter().zip(&expected.weights) {
            assert!((a - b).abs() < 0.1 * b.abs().max(1.0), "{weighed:?} {expected:?}");
        }
    }

    #[test]
    fn resampling_keeps_proportions() {
        assert_eq!(resample(&[1.0, 1.0]), [0, 0, 1, 1]);
        assert_eq!(resample(&[3.0, 0.0, 1.0]), [0, 0, 0, 0, 0, 2]);
        assert!(resample(&[0.0, 0.0]).is_empty());
    }

    #[test]
    fn one_class_alone_is_refused() {
        let (x, _) = rows(5);
        let error = fit_binary(&x, &[true; 400], &[1.0; 400], SecondLevelParams { alpha: 1.0 }).unwrap_err();
        assert!(matches!(error, TrainingError::OneClass { rows: 400 }));
    }

    #[test]
    fn classes_keep_their_numbers() {
        let classes: Vec<usize> = (0..300).map(|row| [0, 0, 2, 0, 3][row % 5]).collect();
        let x = Array2::from_shape_fn((300, 4), |(row, column)| {
            f64::from(u8::from(classes[row] == column)) + ((row * 31 + column * 17) % 10) as f64 / 20.0
        });
        let lines = fit_multinomial(&x, &classes, 4, SecondLevelParams { alpha: 0.1 }).unwrap();
        for (row, &class) in x.outer_iter().zip(&classes) {
            let best = (0..4).max_by(|&a, &b| lines[a].at(row).total_cmp(&lines[b].at(row)));
            assert_eq!(best, Some(class));
        }
        assert_eq!(lines[1].bias, -20.0, "a class without rows");
    }
}
