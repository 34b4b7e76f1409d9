//! What the n-grams of a model do on labelled rows. For each n-gram: its weight and how certain that is, how
//! often it occurs in refused and in answered rows, whether a longer n-gram or a template explains it, and
//! example rows.
//!
//! Everything is counted on one inverted index over the rows, so the time grows with the occurrences of
//! n-grams, not with rows times n-grams. The refits behind the intervals are a fixed number of sparse fits.
//! More than 20,000 rows are sampled.

mod analyse;
mod examples;
mod figures;
mod index;
mod log_odds;
mod params;
mod refit;
mod strata;
mod subsume;
mod top;
mod units;

pub use analyse::{analyse_terms, probabilities};
pub use figures::{Marks, TermAnalysis, TermFigures};
pub use log_odds::{LogOdds, log_odds};
pub use params::{FOLDS, HALVES, TOP, TermParams};
pub use refit::Refitted;
pub use strata::Within;

pub(crate) use index::Index;
pub(crate) use log_odds::of_index;
pub(crate) use subsume::subsumers;
pub(crate) use top::sample;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
