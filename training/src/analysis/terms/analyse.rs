//! The analysis itself: rows are sampled, counted and refitted once, and the figures of each term are
//! assembled from that.

use std::collections::BTreeMap;

use demur_data::shuffled;
use demur_predictor::{Model, Scratch, View, ViewText};

use crate::analysis::terms::examples::Finder;
use crate::analysis::terms::figures::{Marks, TermAnalysis, TermFigures};
use crate::analysis::terms::index::Index;
use crate::analysis::terms::log_odds::{LogOdds, of_index};
use crate::analysis::terms::params::{HALVES, TermParams};
use crate::analysis::terms::refit::{Refits, refit};
use crate::analysis::terms::strata::{Strata, Within};
use crate::analysis::terms::subsume::subsumers;
use crate::analysis::terms::top::{recurrence, sample, top};
use crate::analysis::terms::units::Units;
use crate::error::TrainingError;
use crate::examples::Examples;
use crate::progress::Progress;

/// Below this |z|, a term has no effect that could disappear within groups.
const EFFECT: f64 = 1.96;

/// What is computed over the rows before the terms are described one by one.
struct Counted<'a> {
    model: &'a Model,
    rows: Examples<'a>,
    labels: Vec<bool>,
    index: Index,
    odds: Vec<LogOdds>,
    /// For each top term, in how many halves it is among the top.
    recurs: BTreeMap<usize, usize>,
    /// For each half, the share of the top terms that are also in its own top.
    recurrence: Vec<f64>,
    refits: Option<Refits>,
    strata: Strata,
    subsumed: Vec<Option<u32>>,
    units: Units,
}

/// Describes every n-gram of a model. `p` is P(refusal) of each example and decides which example rows are
/// shown. Rows without a label are ignored; without any rows, the terms have only their weights.
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
    let labelled = examples.labelled();
    let views = model.scorer().views();
    let size = |row: usize| views.iter().map(|view| view.settings.text(&examples.inputs[row]).len()).sum();
    let chosen = sample(&labelled, params.seed, size);
    let counted = Counted::of(model, examples.subset(&chosen), params, progress)?;
    let mut terms = counted.terms();
    let p: Vec<f64> = chosen.iter().map(|&row| p[row]).collect();
    counted.add_examples(&mut terms, &p, params.examples, &chosen);
    sort(&mut terms);
    let Counted { labels, recurrence, refits, .. } = counted;
    Ok(TermAnalysis {
        rows: labels.len(),
        refused: labels.iter().filter(|&&label| label).count(),
        rows_in_all: labelled.len(),
        terms,
        recurrence,
        resamples: refits.as_ref().map_or(0, |refits| refits.resamples),
        c: refits.as_ref().map_or(f64::NAN, |refits| refits.c),
        weight_recurrence: refits.map_or_else(Vec::new, |refits| refits.recurrence),
    })
}

impl<'a> Counted<'a> {
    fn of(
        model: &'a Model,
        rows: Examples<'a>,
        params: &TermParams,
        progress: Progress<'_>,
    ) -> Result<Self, TrainingError> {
        let views = model.scorer().views();
        let labels = rows.labels();
        let index = Index::of(views, &rows.inputs);
        let halves = halves(&rows, params.seed);
        let odds = of_index(&index, &labels, &vec![true; labels.len()]);
        let units = Units::of(views, &index, &odds, model.scorer().weights());
        let z = |odds: Vec<LogOdds>| odds.into_iter().map(|odds| odds.z).collect::<Vec<f64>>();
        let in_halves: Vec<Vec<f64>> = halves.iter().map(|half| z(of_index(&index, &labels, half))).collect();
        let all = z(odds.clone());
        let mut recurs = BTreeMap::new();
        // Words and pieces have separate tops. In a shared one, the pieces of a few words would take all
        // places.
        let [of_words, of_pieces] = [false, true].map(|pieces| {
            let top = top(&units.only(pieces, &all));
            let in_halves: Vec<Vec<f64>> = in_halves.iter().map(|half| units.only(pieces, half)).collect();
            let (shares, times) = recurrence(&top, &in_halves);
            recurs.extend(top.into_iter().zip(times));
            shares
        });
        let recurrence = if units.has_words() { of_words } else { of_pieces };
        let refits = match &params.refit {
            Some(fit) if !rows.is_empty() => {
                match refit((views, &units), fit, &rows, &halves, params, progress) {
                    // Rows of one class cannot be fitted, so there are no refits. Everything else can still
                    // be computed.
                    Err(TrainingError::OneClass { .. }) => None,
                    refits => Some(refits?),
                }
            }
            _ => None,
        };
        Ok(Self {
            strata: Strata::of(&rows.groups, &labels),
            subsumed: subsumers(views, &index),
            recurs,
            model,
            rows,
            labels,
            index,
            odds,
            recurrence,
            refits,
            units,
        })
    }

    /// The terms in the order of the features, without examples.
    fn terms(&self) -> Vec<TermFigures> {
        let views = self.model.scorer().views();
        let of_view = |((number, view), range): ((usize, &View), std::ops::Range<usize>)| {
            let first = range.start;
            // A view has fewer than 2^32 features because they are numbered by u32.
            let name =
                |feature: usize| view.vectorizer.ngram(u32::try_from(feature - first).unwrap_or(u32::MAX));
            let field = view.settings.field;
            range.map(|feature| self.figures(feature, (field, number), name(feature))).collect::<Vec<_>>()
        };
        views.iter().enumerate().zip(self.index.views()).flat_map(of_view).collect()
    }

    /// The counts for one feature, which belongs to this field and view.
    fn figures(&self, feature: usize, (field, view): (ViewText, usize), ngram: String) -> TermFigures {
        let containing = self.index.rows(feature);
        let refused = containing.iter().filter(|&&row| self.labels[row as usize]).count();
        let halves = self.recurs.get(&feature).copied();
        let refit = self.refits.as_ref().map(|refits| refits.of(feature));
        let (within, groups) = self.strata.within(containing, &self.labels, &self.rows.groups);
        let odds = self.odds[feature];
        let is_lost = within.as_ref().is_none_or(Within::includes_none);
        TermFigures {
            feature,
            field,
            view,
            ngram,
            is_piece: self.units.is_piece(feature),
            weight: f64::from(self.model.scorer().weights()[feature]),
            refused,
            complied: containing.len() - refused,
            log_odds: odds,
            refit,
            subsumed_by: None,
            within,
            groups,
            halves,
            marks: Marks {
                unstable: halves.is_some_and(|halves| halves < HALVES)
                    || refit.is_some_and(|refit| containing.len() > 1 && refit.sign_stability < 1.0),
                between_groups: odds.z.abs() >= EFFECT && self.strata.is_grouped() && is_lost,
                subsumed: self.subsumed[feature].is_some(),
                duplicate: self.units.is_duplicate(feature),
            },
            examples: Vec::new(),
            counter_examples: Vec::new(),
        }
    }

    /// Adds to each term its example rows, as indices into all examples, and the name of the longer n-gram.
    fn add_examples(&self, terms: &mut [TermFigures], p: &[f64], count: usize, chosen: &[usize]) {
        let finder = Finder { index: &self.index, labels: &self.labels, p, groups: &self.rows.groups };
        for feature in 0..terms.len() {
            let by = self.subsumed[feature].map(|by| terms[by as usize].ngram.clone());
            let for_refusal = terms[feature].speaks_for_refusal();
            let found = |of_refused| -> Vec<usize> {
                let rows = finder.find(feature, of_refused, for_refusal == of_refused, count);
                rows.into_iter().map(|row| chosen[row]).collect()
            };
            let (own, counter) = (found(for_refusal), found(!for_refusal));
            let term = &mut terms[feature];
            (term.subsumed_by, term.examples, term.counter_examples) = (by, own, counter);
        }
    }
}

/// Which rows are in each half: whole groups in random order until half of the rows are in. No rows, no
/// halves.
fn halves(rows: &Examples<'_>, seed: u64) -> Vec<Vec<bool>> {
    if rows.is_empty() {
        return Vec::new();
    }
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
            // A group larger than the remaining space is cut, so that every half has the right size.
            for &row in members[group].iter().take(left) {
                within[row] = true;
            }
            left = left.saturating_sub(members[group].len());
        }
        within
    };
    (0..HALVES as u64).map(half).collect()
}

/// Sorts words first, each text once; then by |z|, by |weight|, by name and view.
fn sort(terms: &mut [TermFigures]) {
    terms.sort_by(|a, b| {
        let is_second = |term: &TermFigures| term.is_piece || term.marks.duplicate;
        let first = is_second(a).cmp(&is_second(b));
        let seen = (b.rows() > 0).cmp(&(a.rows() > 0));
        let z = b.log_odds.z.abs().total_cmp(&a.log_odds.z.abs());
        let weight = b.weight.abs().total_cmp(&a.weight.abs());
        first.then(seen).then(z).then(weight).then_with(|| a.ngram.cmp(&b.ngram)).then(a.view.cmp(&b.view))
    });
}

/// P(refusal) of every example under a model, in order.
#[must_use]
pub fn probabilities(model: &Model, examples: &Examples<'_>) -> Vec<f64> {
    let mut scratch = Scratch::default();
    examples.inputs.iter().map(|input| model.predict_ngrams(input, &mut scratch).p_refusal.get()).collect()
}
