//! The head of an encoder: linfa's logistic regression on embeddings.
//!
//! linfa's gradient reads a row-major matrix by columns, which on ten thousand rows takes a hundred times as
//! long as the product itself. Heads with that many rows use the solver of the n-grams instead.
//!
//! linfa supports neither weights nor soft labels, so a row is repeated in proportion to its weight, and a
//! row whose label is a probability appears in both classes, in proportion to that probability. Heads whose
//! scores feed other heads are fitted on machine labels, which are all of that kind: they use the solver of
//! the n-grams too, because it takes labels and weights directly.

use std::collections::BTreeMap;

use demur_data::Labeller;
use demur_predictor::encoder::Head;
use linfa::dataset::DatasetBase;
use linfa::prelude::{Fit, ParamGuard};
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, Axis};

use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::logistic::{ClassWeight, LogisticParams};
use crate::fit::second_level::{LinearModel, moments, resample, unstandardise};
use crate::fit::sparse::SparseMatrix;

/// From this number of rows on, a head is fitted by the solver of the n-grams.
const LARGE: usize = 3000;
/// The part of the gradient that may remain after such a fit.
const TOLERANCE_OF_LARGE: f64 = 1e-4;
const MAX_ITERATIONS: u64 = 300;
/// Tolerance for the gradient of the summed loss, per row.
const TOLERANCE_PER_ROW: f64 = 1e-5;
/// How much wider the last columns are made than the others. Their weights are then penalised less, by the
/// square of this factor.
const WIDER: f64 = 10.0;

/// The data of a head's fit: one row of numbers for each label.
pub(crate) struct HeadRows<'a> {
    pub(crate) x: &'a Array2<f64>,
    /// P(refusal).
    pub(crate) targets: &'a [f64],
    pub(crate) weights: &'a [f64],
    /// How many of the last columns are scores of other heads, which are hardly penalised.
    pub(crate) scores: usize,
}

impl HeadRows<'_> {
    /// Fits on a subset of the rows.
    ///
    /// # Errors
    /// [`TrainingError::Dense`] when linfa fails, [`TrainingError::OneClass`].
    pub(crate) fn fit(
        &self,
        rows: &[usize],
        c: f64,
        class_weight: ClassWeight,
    ) -> Result<LinearModel, TrainingError> {
        if rows.len() >= LARGE {
            return self.fit_large(rows, c, class_weight);
        }
        let entries = self.entries(rows, class_weight);
        let (mut places, mut labels) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
        let weights: Vec<f64> = entries.iter().map(|entry| entry.weight).collect();
        let total: f64 = weights.iter().sum();
        let alike = weights.iter().all(|&weight| (weight - weights[0]).abs() < 1e-12);
        let repeated = if alike { (0..entries.len()).collect() } else { resample(&weights) };
        for at in repeated {
            places.push(entries[at].row);
            labels.push(entries[at].refused);
        }
        if labels.iter().all(|&label| label) || !labels.contains(&true) {
            return Err(TrainingError::OneClass { rows: rows.len() });
        }
        let mut x = self.x.select(Axis(0), &places);
        let (mean, spread) = self.moments(&x);
        x -= &mean;
        x /= &spread;
        // The penalty of `c` refers to the original weights; the repeated rows have a larger total weight.
        let alpha = labels.len() as f64 / (total * c);
        let tolerance = TOLERANCE_PER_ROW * labels.len() as f64;
        let fitted = LogisticRegression::default()
            .alpha(alpha)
            .max_iterations(MAX_ITERATIONS)
            .gradient_tolerance(tolerance)
            .fit(&DatasetBase::new(x, Array1::from_vec(labels)))?;
        // linfa calls the larger class positive, whatever its label: flip the sign so that refusal is
        // positive.
        let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
        Ok(unstandardise(fitted.params().view(), fitted.intercept(), (&mean, &spread), sign))
    }

    /// The same, by the solver of the n-grams.
    fn fit_large(
        &self,
        rows: &[usize],
        c: f64,
        class_weight: ClassWeight,
    ) -> Result<LinearModel, TrainingError> {
        let x = self.x.select(Axis(0), rows);
        let (mean, spread) = self.moments(&x);
        let row = |row: ndarray::ArrayView1<'_, f64>| {
            let values =
                row.iter().zip(&mean).zip(&spread).map(|((value, mean), spread)| (value - mean) / spread);
            (0..).zip(values).collect::<Vec<(u32, f64)>>()
        };
        let matrix = SparseMatrix::from_rows(&x.outer_iter().map(row).collect::<Vec<_>>(), x.ncols());
        let of = |numbers: &[f64]| rows.iter().map(|&row| numbers[row]).collect::<Vec<f64>>();
        let weights = of(self.weights).into_iter().map(|weight| weight as f32).collect();
        let dataset = DatasetBase::new(matrix, Array1::from_vec(of(self.targets))).with_weights(weights);
        let params = LogisticParams::default()
            .c(c)
            .class_weight(class_weight)
            .tolerance(TOLERANCE_OF_LARGE)
            .check()?;
        let fitted = apart(|| params.fit(&dataset))??;
        Ok(unstandardise((&fitted.weights).into(), fitted.bias, (&mean, &spread), 1.0))
    }

    /// Mean and deviation of each column; columns of scores are made wider.
    fn moments(&self, x: &Array2<f64>) -> (Array1<f64>, Array1<f64>) {
        let (mean, mut spread) = moments(x);
        spread.iter_mut().skip(x.ncols() - self.scores).for_each(|spread| *spread /= WIDER);
        (mean, spread)
    }

    fn entries(&self, rows: &[usize], class_weight: ClassWeight) -> Vec<Entry> {
        // All of one class, then all of the other. If the two parts of a soft label were adjacent, they would
        // always add up to one whole repeated row, which would then go to the class of the larger part alone.
        let of = |refused: bool| {
            rows.iter().map(move |&row| {
                let share = if refused { self.targets[row] } else { 1.0 - self.targets[row] };
                Entry { row, refused, weight: share * self.weights[row] }
            })
        };
        let mut entries: Vec<Entry> = of(true).chain(of(false)).filter(|entry| entry.weight > 0.0).collect();
        let sum = |refused: bool| -> f64 {
            entries.iter().filter(|entry| entry.refused == refused).map(|entry| entry.weight).sum()
        };
        let (of_refused, of_others) = class_weight.factors(sum(true), sum(false));
        for entry in &mut entries {
            entry.weight *= if entry.refused { of_refused } else { of_others };
        }
        entries
    }
}

/// Runs some work on its own threads. A thread of the shared pool steals other work while it waits, and that
/// work may need a lock that the thread itself already holds.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, TrainingError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .build()
        .map_err(|cause| TrainingError::Threads { cause: cause.to_string() })?;
    let run = std::thread::scope(|scope| scope.spawn(|| pool.install(work)).join());
    run.map_err(|_| TrainingError::Threads { cause: "the fit of a head panicked".to_owned() })
}

struct Entry {
    row: usize,
    refused: bool,
    weight: f64,
}

/// The `c` of a head whose score is an input of another. It has plenty of rows, and stable scores matter more
/// than exact ones.
const OF_TEACHERS: f64 = 0.003;

/// The weight that either class must have in a source with a head of its own.
const OF_A_SOURCE: f64 = 20.0;

/// Fits a head whose score will be an input of another head, on some rows of the embeddings.
///
/// # Errors
/// As [`HeadRows::fit`].
pub(crate) fn teacher(
    embeddings: &Array2<f64>,
    examples: &Examples<'_>,
    rows: &[usize],
) -> Result<Head, TrainingError> {
    let (targets, weights) = (examples.targets.as_slice(), examples.weights.as_slice());
    let of_rows = HeadRows { x: embeddings, targets, weights, scores: 0 };
    Ok(folded(&of_rows.fit_large(rows, OF_TEACHERS, ClassWeight::None)?, &[], embeddings.ncols()))
}

/// Folds a head over an embedding and the scores of other heads into one over the embedding alone.
pub(crate) fn folded(line: &LinearModel, heads: &[Head], width: usize) -> Head {
    let (own, slopes) = line.weights.split_at(width);
    let mut weights = own.to_vec();
    let mut bias = line.bias;
    for (head, slope) in heads.iter().zip(slopes) {
        weights.iter_mut().zip(&head.weights).for_each(|(to, &from)| *to += slope * f64::from(from));
        bias += slope * head.bias;
    }
    Head { weights: weights.into_iter().map(|weight| weight as f32).collect(), bias }
}

/// Embeddings as a matrix, followed by the columns of scores.
pub(crate) fn matrix(embeddings: &[f32], width: usize, scores: &[Vec<f64>]) -> Array2<f64> {
    let rows = embeddings.len() / width.max(1);
    Array2::from_shape_fn((rows, width + scores.len()), |(row, column)| match column.checked_sub(width) {
        None => f64::from(embeddings[row * width + column]),
        Some(score) => scores[score][row],
    })
}

/// The rows of each source with enough of both classes for a head of its own, then the rows of all other
/// sources together. Sources differ in what they refuse (questions meant to provoke a refusal, everyday
/// tasks), and the head above weights each source separately.
pub(crate) fn by_source(examples: &Examples<'_>, rows: &[usize]) -> Vec<Vec<usize>> {
    let mut sources: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for &row in rows {
        sources.entry(examples.facets.get(row).and_then(|facets| facets.source)).or_default().push(row);
    }
    let enough = |rows: &[usize]| {
        let of = |share: fn(f64) -> f64| -> f64 {
            rows.iter().map(|&row| share(examples.targets[row]) * examples.weights[row]).sum()
        };
        of(|p| p).min(of(|p| 1.0 - p)) >= OF_A_SOURCE
    };
    let (mut out, small): (Vec<_>, Vec<_>) = sources.into_values().partition(|rows| enough(rows));
    let rest = small.concat();
    if enough(&rest) {
        out.push(rest);
    }
    out
}

/// The labelled rows that a fit is about, and those that only support it: rows labelled by a machine, if
/// people have labelled others. If there are no such others, the fit is about the machine's rows.
pub(crate) fn taught(examples: &Examples<'_>) -> (Vec<usize>, Vec<usize>) {
    let by_machine = |&row: &usize| {
        examples.facets.get(row).is_some_and(|facets| facets.labeller == Some(Labeller::Demur))
    };
    let (machine, human): (Vec<usize>, Vec<usize>) = examples.labelled().into_iter().partition(by_machine);
    if human.is_empty() { (machine, human) } else { (human, machine) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::facets::Facets;

    /// 300 rows of three columns; the first determines the label.
    fn rows() -> (Array2<f64>, Vec<f64>) {
        let targets: Vec<f64> = (0..300).map(|row| f64::from(u8::from(row % 3 == 0))).collect();
        let x = Array2::from_shape_fn((300, 3), |(row, column)| {
            let noise = ((row * 7919 + column * 104_729) % 1000) as f64 / 250.0 - 2.0;
            if column == 0 { targets[row].mul_add(2.0, noise) } else { noise }
        });
        (x, targets)
    }

    #[test]
    fn refusal_is_positive_though_it_is_rare() {
        let (x, targets) = rows();
        let rows = HeadRows { x: &x, targets: &targets, weights: &[1.0; 300], scores: 0 };
        let line = rows.fit(&(0..300).collect::<Vec<_>>(), 1.0, ClassWeight::None).unwrap();
        assert!(line.weights[0] > 0.5 && line.bias < 0.0, "{line:?}");
        let balanced = rows.fit(&(0..300).collect::<Vec<_>>(), 1.0, ClassWeight::Balanced).unwrap();
        assert!(balanced.bias > line.bias + 0.3, "{balanced:?}");
    }

    #[test]
    fn a_soft_label_is_as_much_of_each_class() {
        let (x, targets) = rows();
        let all: Vec<usize> = (0..300).collect();
        let soft: Vec<f64> = targets.iter().map(|&target| 0.1 + 0.8 * target).collect();
        let hard = HeadRows { x: &x, targets: &targets, weights: &[1.0; 300], scores: 0 };
        let soft = HeadRows { x: &x, targets: &soft, weights: &[1.0; 300], scores: 0 };
        let (hard, soft) = (
            hard.fit(&all, 1.0, ClassWeight::None).unwrap(),
            soft.fit(&all, 1.0, ClassWeight::None).unwrap(),
        );
        assert!(soft.weights[0] > 0.0 && soft.weights[0] < 0.9 * hard.weights[0], "{soft:?} {hard:?}");
    }

    #[test]
    fn a_penalty_spares_the_scores() {
        let (x, targets) = rows();
        let all: Vec<usize> = (0..300).collect();
        let of = |scores| HeadRows { x: &x, targets: &targets, weights: &[1.0; 300], scores };
        let strict = of(0).fit(&all, 1e-4, ClassWeight::None).unwrap();
        // Here the column that determines the label is last.
        let turned = Array2::from_shape_fn((300, 3), |(row, column)| x[[row, 2 - column]]);
        let rows = HeadRows { x: &turned, targets: &targets, weights: &[1.0; 300], scores: 1 };
        let spared = rows.fit(&all, 1e-4, ClassWeight::None).unwrap();
        assert!(spared.weights[2] > 5.0 * strict.weights[0], "{spared:?} {strict:?}");
    }

    #[test]
    fn both_solvers_find_the_same() {
        let (x, targets) = rows();
        let weights: Vec<f64> = (0..300).map(|row| f64::from(1 + row % 2)).collect();
        let all: Vec<usize> = (0..300).collect();
        let rows = HeadRows { x: &x, targets: &targets, weights: &weights, scores: 1 };
        let (small, large) = (
            rows.fit(&all, 0.1, ClassWeight::Balanced).unwrap(),
            rows.fit_large(&all, 0.1, ClassWeight::Balanced).unwrap(),
        );
        // Repeated rows approximate weights to a few hundredths.
        for (a, b) in small.weights.iter().zip(&large.weights).chain([(&small.bias, &large.bias)]) {
            assert!((a - b).abs() < 0.05 * b.abs().max(0.2), "{small:?} {large:?}");
        }
    }

    #[test]
    fn a_source_with_enough_of_both_classes_has_a_head_of_its_own() {
        let sources = [("large", 60), ("small", 30), ("scarce", 25), ("calm", 50)];
        let of = |&(source, rows): &(&'static str, usize)| (0..rows).map(move |_| Some(source));
        let facets: Vec<Facets<'_>> =
            sources.iter().flat_map(of).map(|source| Facets { source, ..Facets::default() }).collect();
        // Half of each source is refused, but nothing from `calm`.
        let targets = facets.iter().map(|facets| if facets.source == Some("calm") { 0.0 } else { 0.5 });
        let (targets, weights) = (targets.collect(), vec![1.0; facets.len()]);
        let examples = Examples { targets, weights, facets, ..Examples::default() };
        let all: Vec<usize> = (0..165).collect();
        let rest: Vec<usize> = (115..165).chain(90..115).chain(60..90).collect();
        assert_eq!(
            by_source(&examples, &all),
            [(0..60).collect(), rest],
            "calm, scarce and small go together"
        );
        assert_eq!(by_source(&examples, &(60..90).collect::<Vec<_>>()), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn one_class_is_refused() {
        let (x, _) = rows();
        let rows = HeadRows { x: &x, targets: &[1.0; 300], weights: &[1.0; 300], scores: 0 };
        let error = rows.fit(&(0..300).collect::<Vec<_>>(), 1.0, ClassWeight::None).unwrap_err();
        assert!(matches!(error, TrainingError::OneClass { .. }));
    }
}
