//! How an analysis of terms is done.

use crate::fit::params::NgramParams;

/// Random halves of the rows in which the top terms are looked up again.
pub const HALVES: usize = 5;
/// Folds of the refits that measure how stable a weight's sign is.
pub const FOLDS: usize = 5;
/// How many terms of each side count as the top.
pub const TOP: usize = 30;

/// How an analysis is done.
#[derive(Debug, Clone, PartialEq)]
pub struct TermParams {
    /// How the model was fitted; the refits use the same settings. `None`: no refits.
    pub refit: Option<NgramParams>,
    /// Bootstrap samples behind the intervals of the weights.
    pub resamples: usize,
    /// Example rows for and against, per term.
    pub examples: usize,
    /// Seed of samples, halves and folds.
    pub seed: u64,
}
