//! The rows of a leave-one-out evaluation: their facets, and which of them a fit must not see.

use std::collections::{BTreeMap, BTreeSet};

use demur_data::{Record, normalise};
use demur_predictor::Field;
use rustc_hash::FxHashSet;

use super::LeaveOneOut;
use crate::examples::{Examples, is_judged};
use crate::groups::Grouping;
use crate::rows::{identity, labeller, may_judge};

/// Responses that begin with this many equal words count as copies of each other.
const SAME_WORDS: usize = 25;

/// What is known about the rows, one entry each.
pub(super) struct FacetRows<'a> {
    pub(super) examples: Examples<'a>,
    pub(super) values: Vec<Option<&'a str>>,
    /// Who labelled the rows of each value.
    pub(super) labelled_by: BTreeMap<&'a str, String>,
    /// Normalised prompts, or responses where there is no prompt.
    texts: Vec<String>,
    /// The openings of the responses, if responses are classified.
    openings: Vec<Option<String>>,
    /// Whether the row counts in figures.
    judged: Vec<bool>,
}

impl<'a> FacetRows<'a> {
    pub(super) fn of(records: &'a [Record], plan: LeaveOneOut) -> Self {
        let labelled = || records.iter().filter(|record| is_judged(record));
        let opening = |record: &Record| {
            let response = record.response.as_deref().filter(|_| plan.field == Field::Response)?;
            Some(normalise(response).split_whitespace().take(SAME_WORDS).collect::<Vec<_>>().join(" "))
        };
        let mut of_value: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for record in labelled().filter(|record| may_judge(record)) {
            if let (Some(value), Some(by)) = (plan.facet.of(record), labeller(record)) {
                of_value.entry(value).or_default().insert(by.name());
            }
        }
        let named = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
        Self {
            // Rows that are included only for their kind have no label to fit on or to evaluate.
            examples: Examples::of(records, &Grouping::Similar.groups(records)).judged(),
            values: labelled().map(|record| plan.facet.of(record)).collect(),
            labelled_by: of_value.into_iter().map(|(value, names)| (value, named(names))).collect(),
            texts: labelled().map(|record| normalise(identity(record))).collect(),
            openings: labelled().map(opening).collect(),
            judged: labelled().map(may_judge).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many rows of each value count in figures.
    pub(super) fn judged_by_value(&self) -> BTreeMap<&'a str, usize> {
        let mut counts = BTreeMap::new();
        for (value, &judged) in self.values.iter().zip(&self.judged) {
            if let Some(value) = value {
                *counts.entry(*value).or_default() += usize::from(judged);
            }
        }
        counts
    }

    /// All rows that count in figures.
    pub(super) fn all_judged(&self) -> Vec<usize> {
        (0..self.len()).filter(|&row| self.judged[row]).collect()
    }

    /// The rows of a fit that must not know a value, and the rows of that value that evaluate it.
    pub(super) fn split(&self, value: &str) -> (Vec<usize>, Vec<usize>) {
        let (out, others): (Vec<usize>, Vec<usize>) =
            (0..self.len()).partition(|&row| self.values[row] == Some(value));
        let texts: FxHashSet<&str> = out.iter().map(|&row| self.texts[row].as_str()).collect();
        let openings: FxHashSet<&str> = out.iter().filter_map(|&row| self.openings[row].as_deref()).collect();
        let shares = |row: usize| {
            texts.contains(self.texts[row].as_str())
                || self.openings[row].as_deref().is_some_and(|opening| openings.contains(opening))
        };
        let train = others.into_iter().filter(|&row| !shares(row)).collect();
        (train, out.into_iter().filter(|&row| self.judged[row]).collect())
    }

    /// These rows, without those whose texts occur in `others`.
    pub(super) fn without(self, others: &FacetRows<'_>) -> Self {
        let texts: FxHashSet<&str> = others.texts.iter().map(String::as_str).collect();
        let openings: FxHashSet<&str> = others.openings.iter().filter_map(Option::as_deref).collect();
        let shares = |row: usize| {
            texts.contains(self.texts[row].as_str())
                || self.openings[row].as_deref().is_some_and(|opening| openings.contains(opening))
        };
        let keep: BTreeSet<usize> = (0..self.len()).filter(|&row| !shares(row)).collect();
        fn kept<T>(of: Vec<T>, keep: &BTreeSet<usize>) -> Vec<T> {
            of.into_iter().enumerate().filter(|(row, _)| keep.contains(row)).map(|(_, of)| of).collect()
        }
        Self {
            examples: self.examples.subset(&keep.iter().copied().collect::<Vec<_>>()),
            values: kept(self.values, &keep),
            labelled_by: self.labelled_by,
            texts: kept(self.texts, &keep),
            openings: kept(self.openings, &keep),
            judged: kept(self.judged, &keep),
        }
    }
}
