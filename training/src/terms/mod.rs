//! What the n-grams of a model do on labelled rows: for each its weight and how sure that is, how often it occurs in
//! refused and in answered rows, whether a longer n-gram or a template explains it, and rows to look at.
//!
//! Everything is counted on one inverted index over the rows, so the time goes with the occurrences of n-grams and not
//! with rows times n-grams; the refits behind the intervals are a fixed number of sparse fits. More than
//! [`MAX_ROWS`] rows are sampled.

mod examples;
mod index;
mod log_odds;
mod refit;
mod strata;
mod subsume;

use std::collections::BTreeMap;
use std::fmt;

use demur_data::shuffled;
use demur_predictor::{Field, Model, Scratch};
use serde::Serialize;

use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::NgramParams;
use crate::metrics::wilson;
use crate::progress::Progress;

pub use log_odds::{LogOdds, log_odds};
pub use refit::Refitted;
pub use strata::Within;

pub(crate) use index::Index;
pub(crate) use log_odds::of_index;
pub(crate) use subsume::subsumers;

/// More rows than these are sampled, which bounds time and memory.
pub const MAX_ROWS: usize = 20_000;
/// So are rows whose texts, as the views read them, have more bytes than these in all.
pub const MAX_BYTES: usize = 20_000_000;
/// Random halves of the rows in which the top terms are looked for again.
pub const HALVES: usize = 5;
/// Folds of the refits that tell how stable a weight's sign is.
pub const FOLDS: usize = 5;
/// How many terms of each side count as the top.
pub const TOP: usize = 30;
/// Below this |z| a term has no effect that could disappear within groups.
const EFFECT: f64 = 1.96;

/// How an analysis is done.
#[derive(Debug, Clone, PartialEq)]
pub struct TermParams {
    /// How the model was fitted; the refits are made so. `None`: no refits.
    pub refit: Option<NgramParams>,
    /// Bootstrap samples behind the intervals of the weights.
    pub resamples: usize,
    /// Rows to look at, for and against, of each term.
    pub examples: usize,
    /// Seed of samples, halves and folds.
    pub seed: u64,
}

/// What is known of all terms of a model.
#[derive(Debug, Clone)]
pub struct TermAnalysis {
    /// Rows that were counted.
    pub rows: usize,
    /// Refused ones among them.
    pub refused: usize,
    /// Rows that there were, before sampling.
    pub rows_in_all: usize,
    /// The terms: in rows first, by |z| falling; then those that no row has, by |weight| falling.
    pub terms: Vec<TermFigures>,
    /// Of the top terms of both sides by z, the share that is among the top of each half of the rows too.
    pub recurrence: Vec<f64>,
    /// The same of the top terms by weight, as refitted on each half; empty without refits.
    pub weight_recurrence: Vec<f64>,
    /// Bootstrap samples that the intervals stand on; 0 without refits.
    pub resamples: usize,
    /// The C of the refits.
    pub c: f64,
}

/// One n-gram of a model on labelled rows.
#[derive(Debug, Clone, PartialEq)]
pub struct TermFigures {
    /// Its number in the model.
    pub feature: usize,
    /// The text that its view reads.
    pub field: Field,
    /// 0-based number of the view.
    pub view: usize,
    /// The n-gram.
    pub ngram: String,
    /// Its weight in the model: above 0 it speaks for refusal.
    pub weight: f64,
    /// Refused rows that contain it.
    pub refused: usize,
    /// Answered rows that contain it.
    pub complied: usize,
    /// Log-odds of the term in refused against answered rows, and their z-score.
    pub log_odds: LogOdds,
    /// Its weight in refits on these rows; `None` without refits.
    pub refit: Option<Refitted>,
    /// A longer n-gram that stands in at least nine of ten rows that contain this one.
    pub subsumed_by: Option<String>,
    /// The effect that remains within templates.
    pub within: Option<Within>,
    /// Groups (templates, near-duplicates) among the rows that contain it.
    pub groups: usize,
    /// In how many of the halves of the rows it is among the top too; `None` for a term that is not among the top.
    pub halves: Option<usize>,
    /// What to be careful of.
    pub marks: Marks,
    /// Rows of the side that it speaks for, as numbers of the examples given: those nearest the top by P(refusal).
    pub examples: Vec<usize>,
    /// Rows of the other side that contain it: those that the model is most wrong about.
    pub counter_examples: Vec<usize>,
}

impl TermFigures {
    /// Rows that contain it.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.refused + self.complied
    }

    /// Share of refusals among the rows that contain it; NaN when there are none.
    #[must_use]
    pub fn refusal_rate(&self) -> f64 {
        self.refused as f64 / self.rows() as f64
    }

    /// 95% Wilson interval of the refusal rate.
    #[must_use]
    pub fn refusal_rate_interval(&self) -> (f64, f64) {
        wilson(self.refused, self.rows())
    }

    /// Whether it speaks for refusal: by its rows, else by its weight.
    #[must_use]
    pub fn speaks_for_refusal(&self) -> bool {
        if self.rows() > 0 { self.log_odds.z > 0.0 } else { self.weight > 0.0 }
    }
}

/// What to be careful of with a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Marks {
    /// A top term that is not among the top in every half of the rows, or a term whose weight changes its sign
    /// when a fold of the rows is left out.
    pub unstable: bool,
    /// Its effect disappears within groups: it tells templates apart, not refused rows of one template from answered.
    pub between_groups: bool,
    /// A longer n-gram says the same.
    pub subsumed: bool,
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marks = [
            (self.unstable, "unstable"),
            (self.between_groups, "between groups"),
            (self.subsumed, "subsumed"),
        ];
        let set: Vec<&str> = marks.into_iter().filter_map(|(set, name)| set.then_some(name)).collect();
        f.write_str(&set.join(", "))
    }
}

/// Looks at every n-gram of a model. `p` is P(refusal) of each example, by which rows to look at are chosen. Rows without
/// a label take no part; without rows the terms have their weights alone.
///
/// # Errors
/// [`TrainingError::Lengths`] unless there is one P(refusal) per example, or any error of a refit.
pub fn analyse_terms(
    model: &Model,
    examples: &Examples<'_>,
    p: &[f64],
    params: &TermParams,
    progress: Progress<'_>,
) -> Result<TermAnalysis, TrainingError> {
    if p.len() != examples.len() {
        return Err(TrainingError::Lengths {
            what: "probabilities",
            found: p.len(),
            expected: examples.len(),
        });
    }
    let labelled: Vec<usize> = (0..examples.len()).filter(|&row| examples.weights[row] > 0.0).collect();
    let views = model.scorer().views();
    let size = |row: usize| views.iter().map(|view| view.settings.text(&examples.inputs[row]).len()).sum();
    let chosen = sample(&labelled, params.seed, size);
    let rows = examples.subset(&chosen);
    let p: Vec<f64> = chosen.iter().map(|&row| p[row]).collect();
    let labels = rows.labels();
    let scorer = model.scorer();
    let index = Index::of(scorer.views(), &rows.inputs);
    let all = vec![true; labels.len()];
    let odds = of_index(&index, &labels, &all);
    let halves = halves(&rows, params.seed);
    let by_z: Vec<f64> = odds.iter().map(|odds| odds.z).collect();
    let in_halves: Vec<Vec<f64>> = halves
        .iter()
        .map(|half| of_index(&index, &labels, half).into_iter().map(|odds| odds.z).collect())
        .collect();
    let top = top(&by_z);
    let (recurrence, recurs) = recurrence(&top, &in_halves);
    let refits = match &params.refit {
        Some(fit) if !rows.is_empty() => {
            match refit::refit(scorer.views(), fit, &rows, &halves, params, progress) {
                // Rows of one class teach no weights; all else can be said of them.
                Err(TrainingError::OneClass { .. }) => None,
                refits => Some(refits?),
            }
        }
        _ => None,
    };
    let weight_recurrence = refits.as_ref().map_or_else(Vec::new, |refits| refits.recurrence.clone());
    let strata = strata::Strata::of(&rows.groups, &labels);
    let subsumed = subsumers(scorer.views(), &index);
    let finder = examples::Finder { index: &index, labels: &labels, p: &p, groups: &rows.groups };
    let mut terms = Vec::with_capacity(scorer.weights().len());
    let mut offset = 0;
    for (number, view) in scorer.views().iter().enumerate() {
        for local in 0..view.vectorizer.len() {
            let feature = offset + local;
            let containing = index.rows(feature);
            let refused = containing.iter().filter(|&&row| labels[row as usize]).count();
            let halves = top.iter().position(|&at| at == feature).map(|at| recurs[at]);
            let refit = refits.as_ref().map(|refits| refits.of(feature));
            let (within, groups) = strata.within(containing, &labels, &rows.groups);
            let odds = odds[feature];
            let lost = |within: &Option<Within>| within.is_none_or(|within| within.includes_none());
            let marks = Marks {
                unstable: halves.is_some_and(|halves| halves < HALVES)
                    || refit.is_some_and(|refit| containing.len() > 1 && refit.sign_stability < 1.0),
                between_groups: odds.z.abs() >= EFFECT && strata.is_grouped() && lost(&within),
                subsumed: subsumed[feature].is_some(),
            };
            terms.push(TermFigures {
                feature,
                field: view.settings.field,
                view: number,
                // A view has fewer than 2^32 features: they are numbered by u32.
                ngram: view.vectorizer.ngram(u32::try_from(local).unwrap_or(u32::MAX)),
                weight: f64::from(scorer.weights()[feature]),
                refused,
                complied: containing.len() - refused,
                log_odds: odds,
                refit,
                subsumed_by: None,
                within,
                groups,
                halves,
                marks,
                examples: Vec::new(),
                counter_examples: Vec::new(),
            });
        }
        offset += view.vectorizer.len();
    }
    for feature in 0..terms.len() {
        let by = subsumed[feature].map(|by| terms[by as usize].ngram.clone());
        let for_refusal = terms[feature].speaks_for_refusal();
        let found = |of_refused| -> Vec<usize> {
            let rows = finder.find(feature, of_refused, for_refusal == of_refused, params.examples);
            rows.into_iter().map(|row| chosen[row]).collect()
        };
        let (own, counter) = (found(for_refusal), found(!for_refusal));
        let term = &mut terms[feature];
        (term.subsumed_by, term.examples, term.counter_examples) = (by, own, counter);
    }
    sort(&mut terms);
    Ok(TermAnalysis {
        rows: labels.len(),
        refused: labels.iter().filter(|&&label| label).count(),
        rows_in_all: labelled.len(),
        terms,
        recurrence,
        weight_recurrence,
        resamples: refits.as_ref().map_or(0, |refits| refits.resamples),
        c: refits.as_ref().map_or(f64::NAN, |refits| refits.c),
    })
}

/// Some rows in their order: all of them, or as many in random order as the bounds allow.
pub(crate) fn sample(rows: &[usize], seed: u64, size: impl Fn(usize) -> usize) -> Vec<usize> {
    let bytes: usize = rows.iter().map(|&row| size(row)).sum();
    if rows.len() <= MAX_ROWS && bytes <= MAX_BYTES {
        return rows.to_vec();
    }
    let mut left = MAX_BYTES;
    let fits = |row: &usize| {
        let fits = size(*row) <= left;
        left = left.saturating_sub(size(*row));
        fits
    };
    let order = shuffled(rows.len(), seed).into_iter().map(|at| rows[at]);
    let mut chosen: Vec<usize> = order.take(MAX_ROWS).take_while(fits).collect();
    chosen.sort_unstable();
    chosen
}

/// Which rows are in each of the halves: groups in random order, whole, until half of the rows are in.
fn halves(rows: &Examples<'_>, seed: u64) -> Vec<Vec<bool>> {
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (row, &group) in rows.groups.iter().enumerate() {
        members.entry(group).or_default().push(row);
    }
    let members: Vec<Vec<usize>> = members.into_values().collect();
    let half = |at: u64| {
        let mut within = vec![false; rows.len()];
        let mut left = rows.len() / 2;
        for group in shuffled(members.len(), seed.wrapping_add(at)) {
            if left == 0 {
                break;
            }
            // A group that is larger than what is left goes in part, so that every half is one.
            for &row in members[group].iter().take(left) {
                within[row] = true;
            }
            left = left.saturating_sub(members[group].len());
        }
        within
    };
    (0..HALVES as u64).map(half).collect()
}

/// The [`TOP`] terms with the largest and with the smallest numbers, those of 0 left out.
fn top(numbers: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..numbers.len()).filter(|&at| numbers[at] != 0.0).collect();
    order.sort_by(|&a, &b| numbers[b].total_cmp(&numbers[a]).then(a.cmp(&b)));
    let refused = order.iter().copied().filter(|&at| numbers[at] > 0.0).take(TOP);
    let complied = order.iter().rev().copied().filter(|&at| numbers[at] < 0.0).take(TOP);
    refused.chain(complied).collect()
}

/// For each half the share of the top terms that are among its own top, and for each top term in how many halves it is.
fn recurrence(whole: &[usize], halves: &[Vec<f64>]) -> (Vec<f64>, Vec<usize>) {
    let mut found = vec![0; whole.len()];
    let share = |half: &Vec<f64>| {
        let again = top(half);
        let mut hits = 0;
        for (count, at) in found.iter_mut().zip(whole) {
            if again.contains(at) {
                *count += 1;
                hits += 1;
            }
        }
        f64::from(hits) / whole.len() as f64
    };
    let shares = halves.iter().map(share).collect();
    (shares, found)
}

/// By |z|, then by |weight|, then by name and view.
fn sort(terms: &mut [TermFigures]) {
    terms.sort_by(|a, b| {
        let seen = (b.rows() > 0).cmp(&(a.rows() > 0));
        let z = b.log_odds.z.abs().total_cmp(&a.log_odds.z.abs());
        let weight = b.weight.abs().total_cmp(&a.weight.abs());
        seen.then(z).then(weight).then_with(|| a.ngram.cmp(&b.ngram)).then(a.view.cmp(&b.view))
    });
}

/// P(refusal) of every example under a model, in order.
#[must_use]
pub fn probabilities(model: &Model, examples: &Examples<'_>) -> Vec<f64> {
    let mut scratch = Scratch::default();
    examples.inputs.iter().map(|input| model.predict(input, &mut scratch).get()).collect()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
