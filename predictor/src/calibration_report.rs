//! What a calibration was worth, and what was true of rows by their P(refusal): a part of manifests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::probability::Probability;

/// What calibration was worth on out-of-fold scores of the training rows. The figures after it are cross-fitted: no
/// score is judged by a map that it helped to fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationReport {
    /// Scores that it was fitted on.
    pub rows: usize,
    /// Expected calibration error (ten bins of equal width) without it.
    pub ece_before: f64,
    /// And with it.
    pub ece_after: f64,
    /// Log loss in nats of each method that was tried, by name.
    pub log_loss: BTreeMap<String, f64>,
    /// How many sources were left out, each scored by a fit that had seen none of it; none where rows of all sources were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out_sources: Option<usize>,
    /// What was true of rows by their P(refusal), in tenths from 0 up; empty in models of before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reliability: Vec<ReliabilityBin>,
}

impl CalibrationReport {
    /// The 95% interval of the share refused among rows with a similar P(refusal) (the same tenth); none where the report
    /// has no such table.
    #[must_use]
    pub fn interval(&self, p_refusal: Probability) -> Option<(f64, f64)> {
        let bins = &self.reliability;
        // A probability is from 0 to 1.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let bin = (p_refusal.get() * bins.len() as f64) as usize;
        let bin = bins.get(bin.min(bins.len().checked_sub(1)?))?;
        Some((bin.low, bin.high))
    }
}

/// Rows that the fit had not seen and gave a similar P(refusal).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReliabilityBin {
    /// How many they are.
    pub rows: usize,
    /// Share of them that was refused, by their weights.
    pub refused: f64,
    /// Lower end of the 95% interval of that share (Wilson 1927); where sources were left out, of the share in a source that
    /// has not been seen.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}
