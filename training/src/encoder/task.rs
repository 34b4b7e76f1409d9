//! What the surrounding fit passes to the fit of an encoder tier.

use demur_predictor::{Calibration, Field};

use crate::examples::Examples;
use crate::fit::calibrate::{CalibrateOn, CalibrationMethod, IntervalsFor, Spread};
use crate::fit::logistic::ClassWeight;

/// The rows of a fit, and the settings of the surrounding fit that the encoder's fit follows.
pub(crate) struct EncoderTask<'a, 'e> {
    pub(crate) examples: &'a Examples<'e>,
    /// The field that is classified.
    pub(crate) field: Field,
    pub(crate) folds: usize,
    pub(crate) class_weight: ClassWeight,
    pub(crate) calibration: CalibrationMethod,
    pub(crate) calibrate_on: CalibrateOn,
    pub(crate) calibrate_targets: bool,
    /// The base rate that the fit states.
    pub(crate) base_rate: Option<f64>,
    /// The sources whose labels describe the text itself; empty: all.
    pub(crate) level_sources: &'a [String],
    /// What the intervals beside predictions hold for.
    pub(crate) intervals: IntervalsFor,
    pub(crate) seed: u64,
}

/// What the n-gram tier of the same fit says.
pub(crate) struct NgramLevel<'a> {
    /// The out-of-fold logit of each row.
    pub(crate) logits: &'a [f64],
    /// From these to P(refusal).
    pub(crate) calibration: &'a Calibration,
    /// How the sources of its rows differ, which are more than the encoder's.
    pub(crate) spreads: &'a [Option<Spread>],
}
