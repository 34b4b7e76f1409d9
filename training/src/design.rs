//! The columns of a fit: the n-grams of the views, then one column per target and one per source.
//!
//! Targets and sources differ in how much they refuse, and a fit that could not say so would put it down to the words
//! that happen to be common in each ("harmful words: refused", "politics: answered"). With columns of their own the
//! words are left to explain the differences within each. The target is known when the model is used; the source is
//! not, so its columns are for the fit alone and go with it.

use std::collections::BTreeMap;

use demur_predictor::View;

use crate::error::TrainingError;
use crate::features::{ViewParams, fit_views, transform};
use crate::fit::Examples;
use crate::sparse::SparseMatrix;

/// Targets and sources with fewer rows have no column.
const MIN_ROWS: usize = 20;

/// What the columns of a fit are.
#[derive(Debug, Clone)]
pub(crate) struct Design {
    pub(crate) views: Vec<View>,
    targets: Shifts,
    sources: Shifts,
}

/// Names with a column each, and the value in it: the prior width of what it may add to the logit.
#[derive(Debug, Clone, Default)]
struct Shifts {
    names: Vec<String>,
    value: f64,
}

impl Shifts {
    fn of<'a>(value: f64, names: impl Iterator<Item = Option<&'a str>>) -> Self {
        if value <= 0.0 {
            return Self::default();
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        names.flatten().for_each(|name| *counts.entry(name).or_default() += 1);
        let names = counts.into_iter().filter(|(_, count)| *count >= MIN_ROWS);
        Self { names: names.map(|(name, _)| name.to_owned()).collect(), value }
    }

    fn column(&self, name: Option<&str>) -> Option<usize> {
        name.and_then(|name| self.names.binary_search_by(|known| known.as_str().cmp(name)).ok())
    }
}

/// A fitted linear model by the parts of its design.
#[derive(Debug, Clone)]
pub(crate) struct Weights {
    /// One per n-gram, view after view.
    pub(crate) ngrams: Vec<f64>,
    /// What each target adds, centred.
    pub(crate) targets: BTreeMap<String, f64>,
    /// With the average of targets and sources in it.
    pub(crate) bias: f64,
}

impl Design {
    /// Chooses vocabularies, targets and sources on some examples.
    pub(crate) fn fit(
        views: &[ViewParams],
        (target_shift, source_shift): (f64, f64),
        examples: &Examples<'_>,
    ) -> Result<Self, TrainingError> {
        Ok(Self {
            views: fit_views(views, &examples.inputs)?,
            targets: Shifts::of(target_shift, examples.inputs.iter().map(|input| input.target)),
            sources: Shifts::of(source_shift, examples.facets.iter().map(|facets| facets.source)),
        })
    }

    fn ngrams(&self) -> usize {
        self.views.iter().map(|view| view.vectorizer.len()).sum()
    }

    /// The rows of a fit.
    pub(crate) fn matrix(&self, examples: &Examples<'_>) -> SparseMatrix {
        let ngrams = self.ngrams();
        let shifts = self.targets.names.len() + self.sources.names.len();
        if shifts == 0 {
            return transform(&self.views, &examples.inputs);
        }
        let (target, source) = (ngrams, ngrams + self.targets.names.len());
        // Feature numbers are u32 throughout; a vectorizer cannot be built with more.
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let mut rows = crate::features::rows(&self.views, &examples.inputs);
        for (at, row) in rows.iter_mut().enumerate() {
            if let Some(column) = self.targets.column(examples.inputs[at].target) {
                row.push((number(target + column), self.targets.value));
            }
            if let Some(column) =
                self.sources.column(examples.facets.get(at).and_then(|facets| facets.source))
            {
                row.push((number(source + column), self.sources.value));
            }
        }
        SparseMatrix::from_rows(&rows, ngrams + shifts)
    }

    /// Takes the weights of a fit apart. Targets and sources are centred on their average over the rows, which goes
    /// into the bias: a target that is not known stands for the average one.
    pub(crate) fn read(&self, weights: &[f64], bias: f64, examples: &Examples<'_>) -> Weights {
        let (ngrams, shifts) = weights.split_at(self.ngrams());
        let (targets, sources) = shifts.split_at(self.targets.names.len());
        let total: f64 = examples.weights.iter().sum();
        let mean = |shifts: &Shifts, weights: &[f64], names: Vec<Option<&str>>| {
            let of = |name| shifts.column(name).map_or(0.0, |column| weights[column] * shifts.value);
            let sum: f64 =
                names.into_iter().zip(&examples.weights).map(|(name, weight)| weight * of(name)).sum();
            if total > 0.0 { sum / total } else { 0.0 }
        };
        let mean_target =
            mean(&self.targets, targets, examples.inputs.iter().map(|input| input.target).collect());
        let mean_source =
            mean(&self.sources, sources, examples.facets.iter().map(|facets| facets.source).collect());
        let shift =
            |(name, weight): (&String, &f64)| (name.clone(), weight * self.targets.value - mean_target);
        Weights {
            ngrams: ngrams.to_vec(),
            targets: self.targets.names.iter().zip(targets).map(shift).collect(),
            bias: bias + mean_target + mean_source,
        }
    }

    /// The part of each view in the logits of some rows, one list per view, and the logits as the model gives them: with
    /// the target where it is known, and no source.
    pub(crate) fn logits(&self, weights: &Weights, examples: &Examples<'_>) -> (Vec<Vec<f64>>, Vec<f64>) {
        let x = transform(&self.views, &examples.inputs);
        let mut ends = Vec::with_capacity(self.views.len());
        let mut end = 0;
        for view in &self.views {
            end += view.vectorizer.len();
            ends.push(end);
        }
        let mut parts = vec![vec![0.0; examples.len()]; self.views.len()];
        for (at, row) in x.csr().outer_iterator().enumerate() {
            let mut view = 0;
            for (feature, value) in row.iter() {
                while feature >= ends[view] {
                    view += 1;
                }
                parts[view][at] += value * weights.ngrams[feature];
            }
        }
        let logit = |at: usize| {
            let target = examples.inputs[at].target.and_then(|target| weights.targets.get(target));
            weights.bias + target.copied().unwrap_or(0.0) + parts.iter().map(|part| part[at]).sum::<f64>()
        };
        let logits = (0..examples.len()).map(logit).collect();
        (parts, logits)
    }
}
