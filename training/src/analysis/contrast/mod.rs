//! What changes when one thing in a prompt changes: the word in a slot, the group of people it is about, the target.
//!
//! All of it asks the predictor, never the target, so it shows what the predictor has learned; whether the target does
//! the same must be asked of the target.

mod slots;
mod swap;
mod targets;

pub use slots::{FillerFigures, MOST_PROMPTS, Template};
pub use swap::{GroupFigures, SwapAudit, SwapList};
pub use targets::{TargetContrast, TargetTerm, contrast_targets};

const Z: f64 = 1.959_963_984_540_054;

/// The mean of some numbers and its 95% interval (normal); NaN for what the numbers do not define: an
/// interval of fewer than two, a mean of none.
#[must_use]
pub fn mean_interval(values: &[f64]) -> (f64, (f64, f64)) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let reach = if values.len() < 2 { f64::NAN } else { Z * (squares / (n - 1.0) / n).sqrt() };
    (mean, (mean - reach, mean + reach))
}
