//! The refusal direction: from the mean embedding of complied inputs to that of refused ones.

use demur_predictor::encoder::{DirectionManifest, dot};

use crate::error::TrainingError;
use crate::metrics::auroc;

/// A direction and the scale of projections on it.
#[derive(Debug, Clone)]
pub(crate) struct RefusalDirection {
    unit: Vec<f32>,
    middle: f64,
    deviation: f64,
}

impl RefusalDirection {
    /// The direction of some labelled rows of embeddings (row-major).
    ///
    /// # Errors
    /// [`TrainingError::OneClass`].
    pub(crate) fn of(
        embeddings: &[f32],
        hidden: usize,
        rows: &[usize],
        labels: &[bool],
    ) -> Result<Self, TrainingError> {
        let row = |row: usize| &embeddings[row * hidden..(row + 1) * hidden];
        let (mut sums, mut counts) = ([vec![0.0; hidden], vec![0.0; hidden]], [0.0, 0.0]);
        for &at in rows {
            let class = usize::from(labels[at]);
            counts[class] += 1.0;
            sums[class].iter_mut().zip(row(at)).for_each(|(sum, &number)| *sum += f64::from(number));
        }
        if counts.contains(&0.0) {
            return Err(TrainingError::OneClass { rows: rows.len() });
        }
        let difference: Vec<f64> = sums[1]
            .iter()
            .zip(&sums[0])
            .map(|(refused, complied)| refused / counts[1] - complied / counts[0])
            .collect();
        let length =
            difference.iter().map(|number| number * number).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        let unit: Vec<f32> = difference.iter().map(|number| (number / length) as f32).collect();
        let projections: Vec<(usize, f64)> =
            rows.iter().map(|&at| (usize::from(labels[at]), dot(&unit, row(at)))).collect();
        let mut means = [0.0, 0.0];
        projections.iter().for_each(|&(class, projection)| means[class] += projection / counts[class]);
        let squares: f64 =
            projections.iter().map(|&(class, projection)| (projection - means[class]).powi(2)).sum();
        let deviation = (squares / rows.len() as f64).sqrt();
        let deviation = if deviation > 1e-12 { deviation } else { 1.0 };
        Ok(Self { unit, middle: f64::midpoint(means[0], means[1]), deviation })
    }

    /// The position of an embedding along it, in standard deviations from the middle.
    pub(crate) fn deviations(&self, embedding: &[f32]) -> f64 {
        (dot(&self.unit, embedding) - self.middle) / self.deviation
    }

    /// The direction with its description, without figures.
    pub(crate) fn plain(self) -> (Vec<f32>, DirectionManifest) {
        let described = DirectionManifest {
            middle: self.middle,
            deviation: self.deviation,
            auroc: None,
            head_auroc: None,
        };
        (self.unit, described)
    }

    /// The same with figures: AUROC of projections and of the head's logits on rows that neither
    /// was computed from.
    pub(crate) fn described(
        self,
        rows: &[usize],
        (projections, head): (&[f64], &[f64]),
        labels: &[bool],
    ) -> (Vec<f32>, DirectionManifest) {
        let labels: Vec<bool> = rows.iter().map(|&row| labels[row]).collect();
        let of = |scores: &[f64]| {
            let scores: Vec<f64> = rows.iter().map(|&row| scores[row]).collect();
            Some(auroc(&scores, &labels)).filter(|auroc| auroc.is_finite())
        };
        let (auroc, head_auroc) = (of(projections), of(head));
        let (unit, described) = self.plain();
        (unit, DirectionManifest { auroc, head_auroc, ..described })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn it_points_from_complied_to_refused() {
        let embeddings = [0.0, 0.0, 2.0, 0.0, 10.0, 1.0, 12.0, -1.0];
        let labels = [false, false, true, true];
        let direction = RefusalDirection::of(&embeddings, 2, &[0, 1, 2, 3], &labels).unwrap();
        assert_eq!(direction.unit, [1.0, 0.0]);
        assert_eq!((direction.middle, direction.deviation), (6.0, 1.0));
        assert_eq!(direction.deviations(&[8.0, 5.0]), 2.0);
        let error = RefusalDirection::of(&embeddings, 2, &[0, 1], &labels).unwrap_err();
        assert!(matches!(error, TrainingError::OneClass { .. }));
    }
}
