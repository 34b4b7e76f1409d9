//! Calibration for rows from elsewhere: folds that keep whole sources together, and a reliability table whose intervals
//! are those of a source that has not been seen.
//!
//! A fit knows the sources that it has seen: held-out rows of them flatter it, and a calibration on such rows claims more
//! certainty than rows from elsewhere bear out. Here each source is scored by a fit that has seen none of it, nor any row
//! of a group (template, near-duplicate) that reaches into it.

use std::collections::{BTreeMap, BTreeSet};

use demur_data::assign_folds;
use demur_predictor::ReliabilityBin;
use serde::{Deserialize, Serialize};

use super::OutOfFold;
use crate::error::TrainingError;
use crate::examples::{Examples, split};
use crate::metrics::{BINS, bin_of, wilson_of_share};

/// Which rows are left out together when a fit is scored on rows that it has not seen, for its calibration and for all
/// else that is learned from such scores (C, the second level).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalibrateOn {
    /// Groups of rows: templates and near-duplicates. What comes out holds for more rows of the same sources.
    #[default]
    Folds,
    /// Whole sources. What comes out holds for rows from elsewhere.
    LeftOutSources,
}

impl CalibrateOn {
    /// Whether this is the default, which manifests do not mention.
    #[must_use]
    pub(crate) fn is_folds(&self) -> bool {
        *self == Self::Folds
    }

    /// A fold for each row; of sources, there are no more folds than sources.
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

    /// The rows that a fold's fit is on, and those that it scores. Where sources are left out, a row whose group reaches
    /// into one of them is in neither.
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

    /// Scores with what calibration must know of how they came about.
    pub(crate) fn scores(self, examples: &Examples<'_>, logits: Vec<f64>, folds: Vec<usize>) -> OutOfFold {
        let (clusters, source_folds) = match self {
            Self::Folds => (examples.groups.clone(), Vec::new()),
            Self::LeftOutSources => (sources(examples), folds),
        };
        let (truth, weights) = (examples.truth.clone(), examples.weights.clone());
        OutOfFold { logits, truth, weights, clusters, source_folds, ..OutOfFold::default() }
    }
}

/// The number of each row's source; rows without one go by their group.
fn sources(examples: &Examples<'_>) -> Vec<u32> {
    let names: BTreeSet<&str> = examples.facets.iter().filter_map(|facets| facets.source).collect();
    let names: BTreeMap<&str, u32> = names.into_iter().zip(0..).collect();
    // There are fewer sources than rows, and rows are numbered by u32 throughout.
    let after = u32::try_from(names.len()).unwrap_or(u32::MAX);
    let of = |row: usize| {
        let source = examples.facets.get(row).and_then(|facets| facets.source);
        source.map_or_else(|| after + examples.groups[row], |source| names[source])
    };
    (0..examples.len()).map(of).collect()
}

/// Rows of one source in one bin: how many, and sums of their weights, of the squares of these, and of those refused.
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

    /// Rows of unequal weights count as fewer equal ones (Kish 1965).
    fn size(self) -> f64 {
        self.weights * self.weights / self.squares
    }

    fn share(self) -> f64 {
        self.refused / self.weights
    }
}

impl OutOfFold {
    /// How many sources were left out; none where rows were.
    pub(super) fn left_out_sources(&self) -> Option<usize> {
        let sources = || self.clusters.iter().collect::<BTreeSet<_>>().len();
        (!self.source_folds.is_empty()).then(sources)
    }

    /// What is true of rows by their P(refusal), in tenths.
    pub(super) fn reliability(&self, p: &[f64]) -> Vec<ReliabilityBin> {
        let mut bins: Vec<BTreeMap<u32, Part>> = vec![BTreeMap::new(); BINS];
        for (row, &p) in p.iter().enumerate() {
            let weight = self.weights[row];
            if weight <= 0.0 {
                continue;
            }
            let source = if self.source_folds.is_empty() { 0 } else { self.clusters[row] };
            let one = Part {
                rows: 1,
                weights: weight,
                squares: weight * weight,
                refused: weight * self.truth[row],
            };
            let part = bins[bin_of(p)].entry(source).or_default();
            *part = part.add(one);
        }
        let bin = |parts: &BTreeMap<u32, Part>| {
            let all = parts.values().fold(Part::default(), |all, &part| all.add(part));
            if all.rows == 0 {
                return ReliabilityBin { rows: 0, refused: 0.0, low: 0.0, high: 1.0 };
            }
            let parts: Vec<Part> = parts.values().copied().collect();
            let size =
                if self.source_folds.is_empty() { all.size() } else { size_for_strangers(&parts, all) };
            let (low, high) = wilson_of_share(all.share(), size);
            ReliabilityBin { rows: all.rows, refused: all.share(), low, high }
        };
        bins.iter().map(bin).collect()
    }
}

/// As many independent rows as foretell the share refused in another source as well as these do.
///
/// Sources differ beyond chance: tau squared by the method of moments (`DerSimonian` & Laird 1986). The next one differs from
/// the mean of these by its own tau squared and by what the mean is uncertain of (Higgins, Thompson & Spiegelhalter 2009).
fn size_for_strangers(parts: &[Part], all: Part) -> f64 {
    let sources = parts.len() as f64;
    // Half a row of either kind more, so that a share of 0 or 1 has a variance.
    let share = (all.share() * all.size() + 0.5) / (all.size() + 1.0);
    let spread = share * (1.0 - share);
    if parts.len() < 2 {
        // One source says nothing of how sources differ: it counts as one row.
        return 1.0;
    }
    let within: Vec<f64> = parts.iter().map(|part| spread / part.size()).collect();
    let precision: f64 = within.iter().map(|within| 1.0 / within).sum();
    let squares: f64 = within.iter().map(|within| within.powi(-2)).sum();
    let mean = parts.iter().zip(&within).map(|(part, within)| part.share() / within).sum::<f64>() / precision;
    let q: f64 = parts.iter().zip(&within).map(|(part, within)| (part.share() - mean).powi(2) / within).sum();
    let between = ((q - (sources - 1.0)) / (precision - squares / precision)).max(0.0);
    let of_mean = 1.0 / within.iter().map(|within| 1.0 / (within + between)).sum::<f64>();
    let size = spread / (between + of_mean) / wider(sources - 2.0);
    size.min(all.size()).max(1.0)
}

/// How much wider, squared, an interval is that knows a spread from so many degrees of freedom: Student's 97.5% quantile
/// over the normal one (the expansion of Abramowitz & Stegun 1964, 26.7.5).
fn wider(freedom: f64) -> f64 {
    const Z: f64 = 1.959_963_984_540_054;
    let freedom = freedom.max(1.0);
    let first = (Z.powi(3) + Z) / (4.0 * freedom);
    let second = (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * freedom * freedom);
    ((Z + first + second) / Z).powi(2)
}
