//! The columns of a fit: the n-grams of the views, then one column per target and one per source, then those
//! of contexts (`contexts`), then the words of the model that the fit starts from.
//!
//! Targets and sources differ in how much they refuse. A fit without columns for them would attribute that to
//! the words that happen to be common in each ("harmful words: refused", "politics: answered"). With columns
//! of their own, the words explain the differences within each. The target is known when the model is used;
//! the source is not, so its columns exist only during the fit.

use std::collections::BTreeMap;

use demur_predictor::{Input, NgramModel, Scratch, View};

use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::contexts::ContextColumns;
use crate::fit::features::{ViewParams, fit_views, transform, write_row};
use crate::fit::sparse::SparseMatrix;
use crate::fit::start::words;

/// Targets, sources and contexts with fewer rows have no column.
pub(crate) const MIN_ROWS: usize = 20;

/// The settings that determine the columns of a fit, besides its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DesignParams<'p, 's> {
    pub(crate) views: &'p [ViewParams],
    /// The model that the fit starts from.
    pub(crate) start: Option<&'s NgramModel>,
    /// The prior width of a target's shift of the logit; 0 for no such columns.
    pub(crate) target_shift: f64,
    /// The same for a source.
    pub(crate) source_shift: f64,
    /// The same for a context.
    pub(crate) context_shift: f64,
    /// Sources without a column.
    pub(crate) level_sources: &'p [String],
}

/// The columns of a fit.
#[derive(Debug, Clone)]
pub(crate) struct Design<'s> {
    pub(crate) views: Vec<View>,
    start: Option<&'s NgramModel>,
    /// The length of the rows of each view.
    scales: Vec<f64>,
    targets: Shifts,
    sources: Shifts,
    pub(crate) contexts: ContextColumns,
}

/// Names with one column each, and the value in that column: the prior width of the name's shift of the
/// logit.
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

/// A fitted linear model, by the parts of its design.
#[derive(Debug, Clone)]
pub(crate) struct Weights {
    /// One per n-gram, view after view.
    pub(crate) ngrams: Vec<f64>,
    /// The shift of each target, centred.
    pub(crate) targets: BTreeMap<String, f64>,
    /// The shift of each column of contexts.
    pub(crate) contexts: Vec<f64>,
    /// The factor of the words of the model that the fit started from; 0 without one.
    pub(crate) start: f64,
    /// Includes the average shift of targets and sources.
    pub(crate) bias: f64,
}

impl<'s> Design<'s> {
    /// Chooses vocabularies, targets, sources and contexts on some examples.
    pub(crate) fn fit(params: &DesignParams<'_, 's>, examples: &Examples<'_>) -> Result<Self, TrainingError> {
        let views = fit_views(params.views, &examples.inputs)?;
        Ok(Self::with_views(&views, params, examples))
    }

    /// The design of a fit whose vocabularies already exist. Views without parameters keep the length 1.
    pub(crate) fn with_views(views: &[View], params: &DesignParams<'_, 's>, examples: &Examples<'_>) -> Self {
        let described = params.views.len() == views.len();
        let scale = |at: usize| if described { params.views[at].scale } else { 1.0 };
        let has_shift = |source: &&str| !params.level_sources.iter().any(|level| level == source);
        Self {
            scales: (0..views.len()).map(scale).collect(),
            views: views.to_vec(),
            start: params.start,
            targets: Shifts::of(params.target_shift, examples.inputs.iter().map(|input| input.target)),
            sources: Shifts::of(
                params.source_shift,
                examples.facets.iter().map(|facets| facets.source.filter(has_shift)),
            ),
            contexts: ContextColumns::of(params.context_shift, &examples.inputs),
        }
    }

    fn ngrams(&self) -> usize {
        self.views.iter().map(|view| view.vectorizer.len()).sum()
    }

    /// One past the last feature of each view.
    pub(crate) fn ends(&self) -> Vec<usize> {
        let end = |end: &mut usize, view: &View| {
            *end += view.vectorizer.len();
            Some(*end)
        };
        self.views.iter().scan(0, end).collect()
    }

    /// Converts weights for the rows of the fit to weights for rows of length 1.
    fn unscaled(&self, ngrams: &[f64]) -> Vec<f64> {
        let ends = self.ends();
        let scale = |feature| self.scales[ends.partition_point(|&end| end <= feature)];
        ngrams.iter().enumerate().map(|(feature, weight)| weight * scale(feature)).collect()
    }

    /// The rows of a fit.
    pub(crate) fn matrix(&self, examples: &Examples<'_>) -> SparseMatrix {
        let ngrams = self.ngrams();
        let shifts = self.targets.names.len() + self.sources.names.len() + self.contexts.len();
        if shifts == 0 && self.start.is_none() && self.scales.iter().all(|&scale| scale == 1.0) {
            return transform(&self.views, &examples.inputs);
        }
        let ends = self.ends();
        let (target, source) = (ngrams, ngrams + self.targets.names.len());
        let context = source + self.sources.names.len();
        // Feature numbers are u32 everywhere; a vectorizer cannot be built with more.
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let columns = ngrams + shifts + usize::from(self.start.is_some());
        SparseMatrix::build(examples.len(), columns, |at, scratch, row| {
            write_row(&self.views, &examples.inputs[at], scratch, row);
            for (feature, value) in &mut *row {
                *value *= self.scales[ends.partition_point(|&end| end <= *feature as usize)];
            }
            if let Some(column) = self.targets.column(examples.inputs[at].target) {
                row.push((number(target + column), self.targets.value));
            }
            if let Some(column) =
                self.sources.column(examples.facets.get(at).and_then(|facets| facets.source))
            {
                row.push((number(source + column), self.sources.value));
            }
            let columns = self.contexts.columns(&examples.inputs[at]).into_iter();
            row.extend(columns.map(|column| (number(context + column), self.contexts.value())));
            if let Some(start) = self.start {
                row.push((number(ngrams + shifts), words(start, &examples.inputs[at], scratch)));
            }
        })
    }

    /// Splits the weights of a fit into parts. Targets and sources are centred on their average over the
    /// rows, which is added to the bias, so an unknown target counts as the average one.
    pub(crate) fn read(&self, weights: &[f64], bias: f64, examples: &Examples<'_>) -> Weights {
        let (ngrams, shifts) = weights.split_at(self.ngrams());
        let (targets, rest) = shifts.split_at(self.targets.names.len());
        let (sources, rest) = rest.split_at(self.sources.names.len());
        let (contexts, start) = rest.split_at(self.contexts.len());
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
            ngrams: self.unscaled(ngrams),
            targets: self.targets.names.iter().zip(targets).map(shift).collect(),
            contexts: contexts.iter().map(|weight| weight * self.contexts.value()).collect(),
            start: start.first().copied().unwrap_or_default(),
            bias: bias + mean_target + mean_source,
        }
    }

    /// What the context of an input adds to its logit.
    pub(crate) fn context(&self, weights: &Weights, input: &Input<'_>) -> f64 {
        let columns = self.contexts.columns(input).into_iter();
        columns.filter_map(|column| weights.contexts.get(column)).sum()
    }

    /// The contribution of each view to the logits of some rows, one list per view, and the logits that the
    /// model returns: with the target if it is known and the context, without the source.
    pub(crate) fn logits(&self, weights: &Weights, examples: &Examples<'_>) -> (Vec<Vec<f64>>, Vec<f64>) {
        let x = transform(&self.views, &examples.inputs);
        let ends = self.ends();
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
        let mut scratch = Scratch::default();
        let mut logit = |at: usize| {
            let target = examples.inputs[at].target.and_then(|target| weights.targets.get(target));
            let start = self.start.map_or(0.0, |start| words(start, &examples.inputs[at], &mut scratch));
            weights.bias
                + weights.start * start
                + target.copied().unwrap_or(0.0)
                + self.context(weights, &examples.inputs[at])
                + parts.iter().map(|part| part[at]).sum::<f64>()
        };
        let logits = (0..examples.len()).map(&mut logit).collect();
        (parts, logits)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::Field;

    use super::*;
    use crate::facets::Facets;

    fn examples() -> Examples<'static> {
        let mut examples = Examples::default();
        for row in 0..60 {
            let target = ["a", "b", "c"][row % 3];
            examples
                .inputs
                .push(Input { target: Some(target), ..Input::prompt(["red bird", "old tree"][row % 2]) });
            examples.targets.push(0.0);
            examples.truth.push(0.0);
            examples.groups.push(0);
            examples.weights.push(if target == "a" { 2.0 } else { 1.0 });
            examples.facets.push(Facets { source: Some(["x", "y"][row / 30]), ..Facets::default() });
        }
        examples
    }

    const fn plain(views: &[ViewParams]) -> DesignParams<'_, 'static> {
        DesignParams {
            views,
            start: None,
            target_shift: 0.0,
            source_shift: 0.0,
            context_shift: 0.0,
            level_sources: &[],
        }
    }

    fn design((target_shift, source_shift): (f64, f64), scale: f64) -> Design<'static> {
        let views = [ViewParams { scale, ..ViewParams::new(Field::Prompt) }];
        let params = DesignParams { target_shift, source_shift, ..plain(&views) };
        Design::fit(&params, &examples()).unwrap()
    }

    #[test]
    fn a_source_that_sets_the_level_has_no_column() {
        let (views, level_sources) = ([ViewParams::new(Field::Prompt)], ["x".to_owned()]);
        let params = DesignParams { source_shift: 3.0, level_sources: &level_sources, ..plain(&views) };
        let x = Design::fit(&params, &examples()).unwrap().matrix(&examples());
        assert_eq!(x.csr().cols(), 4 + 1, "the words, and source y");
        let last = |row: usize| x.csr().outer_view(row).unwrap().iter().map(|(at, _)| at).last();
        assert!(last(0) < Some(4) && last(31) == Some(4), "source x is left out");
    }

    #[test]
    fn targets_and_sources_have_columns_behind_the_ngrams() {
        let x = design((1.0, 3.0), 1.0).matrix(&examples());
        assert_eq!((x.csr().rows(), x.csr().cols()), (60, 4 + 3 + 2));
        let row: Vec<(usize, f64)> = x.csr().outer_view(31).unwrap().iter().map(|(at, v)| (at, *v)).collect();
        assert_eq!(row[2..], [(5, 1.0), (8, 3.0)], "target b, source y");
        let without = design((0.0, 0.0), 1.0).matrix(&examples());
        assert_eq!(without.csr().cols(), 4);
    }

    #[test]
    fn shifts_are_centred_and_sources_forgotten() {
        let (design, examples) = (design((2.0, 1.0), 1.0), examples());
        let weights = design.read(&[0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.5, 0.1], 0.25, &examples);
        // Targets add 2, 0 and -2 with weights 2, 1 and 1: 0.5 on average; sources 0.3.
        assert!((weights.bias - (0.25 + 0.5 + 0.3)).abs() < 1e-12, "{}", weights.bias);
        let shifts: Vec<f64> = weights.targets.values().copied().collect();
        assert_eq!(shifts, [1.5, -0.5, -2.5]);
        let (_, logits) = design.logits(&weights, &examples.subset(&[0]));
        assert!((logits[0] - (weights.bias + 1.5)).abs() < 1e-12);
    }

    #[test]
    fn a_scaled_view_scores_as_it_was_fitted() {
        let (examples, half) = (examples(), design((0.0, 0.0), 0.5));
        let x = half.matrix(&examples);
        let fitted = [1.0, -2.0, 0.5, 3.0];
        let weights = half.read(&fitted, 0.0, &examples);
        let (parts, logits) = half.logits(&weights, &examples);
        for (row, expected) in x.csr().outer_iterator().enumerate() {
            let expected: f64 = expected.iter().map(|(at, value)| value * fitted[at]).sum();
            assert!((logits[row] - expected).abs() < 1e-12 && (parts[0][row] - expected).abs() < 1e-12);
        }
    }
}
