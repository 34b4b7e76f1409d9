//! What changes when one thing in a prompt changes: the word in a slot, the group of people it is about, the target.
//!
//! All of it asks the predictor, never the target, so it shows what the predictor has learned; whether the target does
//! the same must be asked of the target.

mod slots;
mod swap;
mod targets;

pub use slots::{FillerFigures, Template};
pub use swap::{GroupFigures, SwapAudit, SwapList};
pub use targets::{TargetContrast, TargetTerm, contrast_targets};
