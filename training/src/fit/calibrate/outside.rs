//! Calibration for rows from new sources: folds that keep whole sources together, and a reliability table
//! with intervals for a source that has not been seen.
//!
//! Held-out rows of sources that a fit has seen flatter it, and a calibration on such rows claims more
//! certainty than it has on rows from elsewhere. Here each source is scored by a fit that has seen none of
//! it, nor any row of a group (template, near-duplicate) that has rows in it.

use std::collections::{BTreeMap, BTreeSet};

use demur_data::assign_folds;
use demur_predictor::{Calibration, ReliabilityBin, sigmoid};
use serde::{Deserialize, Serialize};

use super::OutOfFold;
use crate::error::TrainingError;
use crate::examples::{Examples, split};
use crate::metrics::{BINS, Z, bin_of, wilson_of_share};

/// Which rows are left out together when a fit scores rows that it has not seen, for its calibration and for
/// everything else that is learned from such scores (C, the second level).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalibrateOn {
    /// Groups of rows: templates and near-duplicates. The result holds for more rows of the same sources.
    #[default]
    Folds,
    /// Whole sources. The result holds for rows from elsewhere.
    LeftOutSources,
}

/// What the intervals beside predictions hold for: the share refused among rows with a similar P(refusal), in
/// more rows of the same sources or in another source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalsFor {
    /// More rows of the same sources; where `calibrate_on` leaves sources out, another source.
    #[default]
    Rows,
    /// Another source, whatever the calibration was fitted on.
    Sources,
}

impl IntervalsFor {
    /// Whether this is the default, which manifests omit.
    #[must_use]
    pub(crate) fn is_rows(&self) -> bool {
        *self == Self::Rows
    }

    /// The source of each row, if intervals are for another source.
    pub(crate) fn sources(self, examples: &Examples<'_>) -> Vec<u32> {
        if self.is_rows() { Vec::new() } else { sources(examples) }
    }
}

impl CalibrateOn {
    /// Whether this is the default, which manifests omit.
    #[must_use]
    pub(crate) fn is_folds(&self) -> bool {
        *self == Self::Folds
    }

    /// A fold for each row; for sources, there are at most as many folds as sources.
    ///
    /// # Errors
    /// [`TrainingError::FewSources`] when there are not two sources to leave out, or as [`Examples::folds`].
    pub(crate) fn folds(
        self,
        examples: &Examples<'_>,
        folds: usize,
        seed: u64,
    ) -> Result<Vec<usize>, TrainingError> {
        match self {
            Self::Folds => examples.folds(folds, seed),
            Self::LeftOutSources => {
                let sources = sources(examples);
                let found = sources.iter().collect::<BTreeSet<_>>().len();
                if found < 2 || examples.facets.iter().all(|facets| facets.source.is_none()) {
                    return Err(TrainingError::FewSources);
                }
                let strata: Vec<u32> = examples.labels().into_iter().map(u32::from).collect();
                Ok(assign_folds(&strata, Some(&sources), folds.min(found), seed)?)
            }
        }
    }

    /// The rows that a fold's fit uses, and those that it scores. If sources are left out, a row that shares
    /// a group with one of them is in neither.
    pub(crate) fn split(
        self,
        examples: &Examples<'_>,
        folds: &[usize],
        fold: usize,
    ) -> (Vec<usize>, Vec<usize>) {
        let (mut train, test) = split(folds, fold);
        if self == Self::LeftOutSources {
            let reach: BTreeSet<u32> = test.iter().map(|&row| examples.groups[row]).collect();
            train.retain(|&row| !reach.contains(&examples.groups[row]));
        }
        (train, test)
    }

    /// Scores with the facts about their folds that calibration needs.
    pub(crate) fn scores(self, examples: &Examples<'_>, logits: Vec<f64>, folds: Vec<usize>) -> OutOfFold {
        let (clusters, source_folds) = match self {
            Self::Folds => (examples.groups.clone(), Vec::new()),
            Self::LeftOutSources => (sources(examples), folds),
        };
        let (truth, weights) = (examples.truth.clone(), examples.weights.clone());
        OutOfFold { logits, truth, weights, clusters, source_folds, ..OutOfFold::default() }
    }
}

/// The number of each row's source; rows without a source use their group instead.
fn sources(examples: &Examples<'_>) -> Vec<u32> {
    let names: BTreeSet<&str> = examples.facets.iter().filter_map(|facets| facets.source).collect();
    let names: BTreeMap<&str, u32> = names.into_iter().zip(0..).collect();
    // There are fewer sources than rows, and rows are numbered by u32 everywhere.
    let after = u32::try_from(names.len()).unwrap_or(u32::MAX);
    let of = |row: usize| {
        let source = examples.facets.get(row).and_then(|facets| facets.source);
        source.map_or_else(|| after + examples.groups[row], |source| names[source])
    };
    (0..examples.len()).map(of).collect()
}

/// Rows of one source in one bin: their count, and the sums of their weights, of the squared weights and of
/// the weights of refused rows.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    rows: usize,
    weights: f64,
    squares: f64,
    refused: f64,
}

impl Part {
    fn add(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            weights: self.weights + other.weights,
            squares: self.squares + other.squares,
            refused: self.refused + other.refused,
        }
    }

    /// The effective sample size: rows of unequal weight count as fewer rows of equal weight (Kish 1965).
    fn size(self) -> f64 {
        self.weights * self.weights / self.squares
    }

    fn share(self) -> f64 {
        self.refused / self.weights
    }
}

impl OutOfFold {
    /// How many sources were left out; `None` if single rows were.
    pub(super) fn left_out_sources(&self) -> Option<usize> {
        let sources = || self.clusters.iter().collect::<BTreeSet<_>>().len();
        (!self.source_folds.is_empty()).then(sources)
    }

    /// The source of each row, if intervals are for a source that has not been seen.
    fn sources_of_intervals(&self) -> Option<&[u32]> {
        match (&self.sources[..], self.source_folds.is_empty()) {
            ([], true) => None,
            ([], false) => Some(&self.clusters),
            _ => Some(&self.sources),
        }
    }

    /// The rows of each tenth of P(refusal), by source.
    fn parts(&self, p: &[f64]) -> Vec<BTreeMap<u32, Part>> {
        let sources = self.sources_of_intervals();
        let mut bins: Vec<BTreeMap<u32, Part>> = vec![BTreeMap::new(); BINS];
        for (row, &p) in p.iter().enumerate() {
            let weight = self.weights[row];
            if weight <= 0.0 {
                continue;
            }
            let source = sources.map_or(0, |sources| sources[row]);
            let one = Part {
                rows: 1,
                weights: weight,
                squares: weight * weight,
                refused: weight * self.truth[row],
            };
            let part = bins[bin_of(p)].entry(source).or_default();
            *part = part.add(one);
        }
        bins
    }

    /// How sources differ in each tenth of P(refusal); `None` where there are not two.
    pub(crate) fn spreads(&self, calibration: &Calibration) -> Vec<Option<Spread>> {
        let p: Vec<f64> = self.logits.iter().map(|&logit| calibration.apply(logit).get()).collect();
        let of =
            |parts: &BTreeMap<u32, Part>| Logits::of(&parts.values().copied().collect::<Vec<_>>()).spread();
        self.parts(&p).iter().map(of).collect()
    }

    /// The truth of rows by their P(refusal), in tenths.
    pub(super) fn reliability(&self, p: &[f64]) -> Vec<ReliabilityBin> {
        let by_source = self.sources_of_intervals().is_some();
        let bin = |(at, parts): (usize, &BTreeMap<u32, Part>)| {
            let all = parts.values().fold(Part::default(), |all, &part| all.add(part));
            if all.rows == 0 {
                return ReliabilityBin { rows: 0, refused: 0.0, low: 0.0, high: 1.0 };
            }
            let parts: Vec<Part> = parts.values().copied().collect();
            let (low, high) = if by_source {
                let other = self.spreads.get(at).copied().flatten();
                interval_of_new_source(&Logits::of(&parts), all, other)
            } else {
                wilson_of_share(all.share(), all.size())
            };
            ReliabilityBin { rows: all.rows, refused: all.share(), low, high }
        };
        self.parts(p).iter().enumerate().map(bin).collect()
    }
}

/// How sources differ beyond chance in the share refused, on the scale of logits: a share of .02 cannot fall by what
/// a share of .5 can.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    /// Tau squared, by the method of moments (`DerSimonian` & Laird 1986).
    pub(super) between: f64,
    /// Sources, less one.
    pub(super) freedom: f64,
}

/// The logits of the refused shares of some sources, and their variances.
struct Logits {
    of_source: Vec<f64>,
    within: Vec<f64>,
}

impl Logits {
    fn of(parts: &[Part]) -> Self {
        // Half a row is added to each class, so that a share of 0 or 1 has a logit.
        let counts =
            |part: &Part| (part.share() * part.size() + 0.5, (1.0 - part.share()) * part.size() + 0.5);
        let of =
            |(refused, complied): (f64, f64)| ((refused / complied).ln(), 1.0 / refused + 1.0 / complied);
        let (of_source, within) = parts.iter().map(counts).map(of).unzip();
        Self { of_source, within }
    }

    /// Their mean where sources differ by this tau squared, and its precision.
    fn mean_by(&self, between: f64) -> (f64, f64) {
        let each = || self.of_source.iter().zip(&self.within);
        let precision: f64 = each().map(|(_, within)| 1.0 / (within + between)).sum();
        let sum: f64 = each().map(|(logit, within)| logit / (within + between)).sum();
        (sum / precision, precision)
    }

    fn spread(&self) -> Option<Spread> {
        if self.of_source.len() < 2 {
            return None;
        }
        let (mean, precision) = self.mean_by(0.0);
        let squares: f64 = self.within.iter().map(|within| within.powi(-2)).sum();
        let each = self.of_source.iter().zip(&self.within);
        let q: f64 = each.map(|(logit, within)| (logit - mean).powi(2) / within).sum();
        let freedom = self.of_source.len() as f64 - 1.0;
        Some(Spread { between: ((q - freedom) / (precision - squares / precision)).max(0.0), freedom })
    }
}

/// The 95% interval of the refused share in a source that has not been seen: it differs from the mean of these by
/// their tau squared and by the uncertainty of the mean (Higgins, Thompson & Spiegelhalter 2009).
///
/// Where other scores of the same tenth are of more sources, it is theirs: how sources differ is theirs to say,
/// whatever scored them, and two or three say next to nothing of it.
fn interval_of_new_source(logits: &Logits, all: Part, other: Option<Spread>) -> (f64, f64) {
    let freedom = |spread: Option<Spread>| spread.map_or(0.0, |spread| spread.freedom);
    let own = logits.spread();
    let Some(Spread { between, freedom }) = (if freedom(other) > freedom(own) { other } else { own }) else {
        // A single source says nothing about how sources differ, so it counts as one row.
        return wilson_of_share(all.share(), 1.0);
    };
    let (mean, precision) = logits.mean_by(between);
    let half = quantile(freedom - 1.0) * (between + 1.0 / precision).sqrt();
    (sigmoid(mean - half), sigmoid(mean + half))
}

/// Student's 97.5% quantile (the expansion of Abramowitz & Stegun 1964, 26.7.5), for one degree of freedom at
/// least.
fn quantile(freedom: f64) -> f64 {
    let freedom = freedom.max(1.0);
    let first = (Z.powi(3) + Z) / (4.0 * freedom);
    let second = (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * freedom * freedom);
    Z + first + second
}
