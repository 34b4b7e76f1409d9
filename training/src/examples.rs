//! Rows in the form that a fit takes: texts, targets, weights and groups in parallel vectors.

use std::sync::Arc;

use demur_data::{Record, assign_folds, normalise};
use demur_predictor::Input;
use rustc_hash::FxHashMap;

use crate::error::TrainingError;
use crate::facets::Facets;
use crate::metrics::Clusters;

/// Rows to fit on or to evaluate; all vectors have one entry per row.
#[derive(Debug, Clone, Default)]
pub struct Examples<'a> {
    /// The texts.
    pub inputs: Vec<Input<'a>>,
    /// The target of the fit: P(refusal) of the label, 0, 1 or a machine's probability.
    pub targets: Vec<f64>,
    /// What figures, calibration and the choice of C use: the target before any teacher softened it.
    pub truth: Vec<f64>,
    /// The weight of each row. A row of weight 0 has no label and is included only for its kind.
    pub weights: Vec<f64>,
    /// Rows of one group stay on one side of every split.
    pub groups: Vec<u32>,
    /// Other facts about each row, for figures by target, source and so on; may be empty.
    pub facets: Vec<Facets<'a>>,
    /// All rows that these were taken from. What a fit learns from elsewhere must not include them.
    pub corpus: Arc<Vec<Input<'a>>>,
}

impl<'a> Examples<'a> {
    /// The labelled records, each with its group, and, with weight 0, those whose kind has no label.
    #[must_use]
    pub fn of(records: &'a [Record], groups: &[u32]) -> Self {
        let mut examples = Self::default();
        for (record, &group) in records.iter().zip(groups) {
            let Some((target, weight)) = aim(record) else { continue };
            examples.inputs.push(input(record));
            examples.targets.push(target);
            examples.truth.push(target);
            examples.weights.push(weight);
            examples.groups.push(group);
            examples.facets.push(Facets::of(record));
        }
        examples.corpus = Arc::new(examples.inputs.clone());
        examples
    }

    /// The number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Only these rows, in this order.
    #[must_use]
    pub fn subset(&self, rows: &[usize]) -> Self {
        Self {
            inputs: rows.iter().map(|&row| self.inputs[row]).collect(),
            targets: rows.iter().map(|&row| self.targets[row]).collect(),
            truth: rows.iter().map(|&row| self.truth[row]).collect(),
            weights: rows.iter().map(|&row| self.weights[row]).collect(),
            groups: rows.iter().map(|&row| self.groups[row]).collect(),
            facets: rows.iter().filter_map(|&row| self.facets.get(row).copied()).collect(),
            corpus: Arc::clone(&self.corpus),
        }
    }

    /// Whether no row has a label.
    #[must_use]
    pub(crate) fn is_unlabelled(&self) -> bool {
        self.weights.iter().all(|&weight| weight <= 0.0)
    }

    /// Whether a row is of one of these sources; of none named, every row is.
    pub(crate) fn is_of(&self, row: usize, sources: &[String]) -> bool {
        let source = self.facets.get(row).and_then(|facets| facets.source);
        sources.is_empty() || sources.iter().any(|known| source == Some(known))
    }

    /// The indices of the rows that have a label.
    #[must_use]
    pub fn labelled(&self) -> Vec<usize> {
        (0..self.len()).filter(|&row| self.weights[row] > 0.0).collect()
    }

    /// The rows that have a label.
    #[must_use]
    pub fn judged(&self) -> Self {
        let rows = self.labelled();
        if rows.len() == self.len() { self.clone() } else { self.subset(&rows) }
    }

    /// The same rows; in a group of n, each weight is multiplied by n^-power.
    #[must_use]
    pub(crate) fn shared_out(mut self, power: f64) -> Self {
        let groups = self.groups.clone();
        share_out(&mut self.weights, &groups, power);
        self
    }

    /// The same rows; in a source of n, each weight is multiplied by n^-power. The result is rescaled to the
    /// same sum of weights, so that a C keeps its meaning.
    #[must_use]
    pub fn balanced(mut self, power: f64) -> Self {
        let before: f64 = self.weights.iter().sum();
        let sources: Vec<Option<&str>> = self.facets.iter().map(|facets| facets.source).collect();
        share_out(&mut self.weights, &sources, power);
        let after: f64 = self.weights.iter().sum();
        if after > 0.0 {
            self.weights.iter_mut().for_each(|weight| *weight *= before / after);
        }
        self
    }

    /// The same rows and one more without any features, whose target is the base rate. It weighs as much as
    /// all others together, so that the intercept of a fit stays there and the words explain the rest.
    #[must_use]
    pub(crate) fn anchored(mut self, base_rate: f64) -> Self {
        self.inputs.push(Input::default());
        self.targets.push(base_rate);
        self.truth.push(base_rate);
        self.weights.push(self.weights.iter().sum());
        self.groups.push(self.groups.iter().max().map_or(0, |last| last.saturating_add(1)));
        if !self.facets.is_empty() {
            self.facets.push(Facets::default());
        }
        self
    }

    /// The weighted share of refusals among the rows.
    #[must_use]
    pub(crate) fn base_rate(&self) -> f64 {
        let refused = self.truth.iter().zip(&self.weights).map(|(truth, weight)| truth * weight).sum::<f64>();
        refused / self.weights.iter().sum::<f64>()
    }

    /// Which rows have the same normalised prompt (response, if there is no prompt).
    #[must_use]
    pub fn prompts(&self) -> Clusters {
        let text = |input: &Input<'a>| normalise(input.prompt.or(input.response).unwrap_or_default());
        Clusters::of(self.inputs.iter().map(text))
    }

    /// The hard labels, for splits and fits that do not support rates: refused if the truth is 0.5 or more.
    #[must_use]
    pub fn labels(&self) -> Vec<bool> {
        self.truth.iter().map(|&truth| truth >= 0.5).collect()
    }

    /// A fold for each row: classes balanced, groups kept whole.
    ///
    /// # Errors
    /// [`TrainingError::Data`] when such a split is impossible.
    pub fn folds(&self, k: usize, seed: u64) -> Result<Vec<usize>, TrainingError> {
        let strata: Vec<u32> = self.labels().into_iter().map(u32::from).collect();
        Ok(assign_folds(&strata, Some(&self.groups), k, seed)?)
    }
}

/// Multiplies each weight by the size of its group to the power of -power.
fn share_out<T: std::hash::Hash + Eq>(weights: &mut [f64], groups: &[T], power: f64) {
    let mut sizes: FxHashMap<&T, f64> = FxHashMap::default();
    for group in groups {
        *sizes.entry(group).or_default() += 1.0;
    }
    for (weight, group) in weights.iter_mut().zip(groups) {
        *weight *= sizes[group].powf(-power);
    }
}

/// The target of a fit for a record, and the record's weight; `None` for a record that a fit cannot use.
fn aim(record: &Record) -> Option<(f64, f64)> {
    let label = record.label.as_ref()?;
    match label.target() {
        Some(target) => Some((target, record.weight)),
        None => label.kind.map(|_| (0.0, 0.0)),
    }
}

/// Whether [`Examples::of`] includes a record.
pub(crate) fn is_labelled(record: &Record) -> bool {
    aim(record).is_some()
}

/// Whether [`Examples::judged`] keeps a record.
pub(crate) fn is_judged(record: &Record) -> bool {
    aim(record).is_some_and(|(_, weight)| weight > 0.0)
}

/// What a model reads of a record.
#[must_use]
pub fn input(record: &Record) -> Input<'_> {
    record.sent_in.of(Input {
        prompt: record.prompt.as_deref(),
        response: record.response.as_deref(),
        target: record.target.as_deref(),
        ..Input::default()
    })
}

/// The rows outside a fold, and those in it.
#[must_use]
pub fn split(folds: &[usize], fold: usize) -> (Vec<usize>, Vec<usize>) {
    (0..folds.len()).partition(|&row| folds[row] != fold)
}
