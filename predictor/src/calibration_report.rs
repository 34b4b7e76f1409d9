//! The effect of a calibration, and the outcome of rows by their P(refusal): a part of manifests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::probability::Probability;

/// The effect of calibration on out-of-fold scores of the training rows. The figures after calibration are
/// cross-fitted: no score is evaluated by a map that it helped to fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationReport {
    /// Scores that it was fitted on.
    pub rows: usize,
    /// Expected calibration error (ten bins of equal width) without calibration.
    pub ece_before: f64,
    /// The same with calibration.
    pub ece_after: f64,
    /// Log loss in nats of each method tried, by name.
    pub log_loss: BTreeMap<String, f64>,
    /// How many sources were left out, each scored by a fit that had seen none of it; absent if only rows
    /// were left out, not whole sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out_sources: Option<usize>,
    /// The outcome of rows by their P(refusal), in tenths from 0 up; empty in models of older builds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reliability: Vec<ReliabilityBin>,
}

impl CalibrationReport {
    /// The 95% interval of the share refused among rows with a similar P(refusal) (the same tenth); `None` if
    /// the report has no such table.
    #[must_use]
    pub fn interval(&self, p_refusal: Probability) -> Option<(f64, f64)> {
        let bins = &self.reliability;
        // A probability is between 0 and 1.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let bin = (p_refusal.get() * bins.len() as f64) as usize;
        let bin = bins.get(bin.min(bins.len().checked_sub(1)?))?;
        Some((bin.low, bin.high))
    }
}

/// Rows that the fit had not seen and scored with a similar P(refusal).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReliabilityBin {
    /// The number of rows.
    pub rows: usize,
    /// Share of them that was refused, by their weights.
    pub refused: f64,
    /// Lower end of the 95% interval of that share (Wilson 1927). If sources were left out, of the share in
    /// an unseen source.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}
