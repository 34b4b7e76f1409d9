//! What the fit of an encoder tier is given by the fit around it.

use demur_predictor::Field;

use crate::examples::Examples;
use crate::fit::calibrate::{CalibrateOn, CalibrationMethod};
use crate::fit::logistic::ClassWeight;

/// The rows of a fit, and how the fit around the encoder's goes about them.
pub(crate) struct EncoderTask<'a, 'e> {
    pub(crate) examples: &'a Examples<'e>,
    /// The column that is judged.
    pub(crate) field: Field,
    pub(crate) folds: usize,
    pub(crate) class_weight: ClassWeight,
    pub(crate) calibration: CalibrationMethod,
    pub(crate) calibrate_on: CalibrateOn,
    pub(crate) calibrate_targets: bool,
    pub(crate) seed: u64,
}
