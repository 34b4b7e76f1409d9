//! What changes when one thing in a prompt changes: the word in a slot, the group of people it mentions, the
//! target.
//!
//! All of it queries the predictor, never the target. It shows what the predictor has learned; only the
//! target itself can show whether it does the same.

mod slots;
mod swap;
mod targets;

pub use slots::{FillerFigures, Template};
pub use swap::{GroupFigures, SwapAudit, SwapList};
pub use targets::{TargetContrast, TargetTerm, contrast_targets};
