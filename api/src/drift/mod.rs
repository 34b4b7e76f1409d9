//! Whether predictions still hold: what targets really did beside what was predicted, over time.
//!
//! - `figures`: agreement, calibration and loss of some feedback, and the difference between two lots of it;
//! - `period`: days and weeks;
//! - `report`: the figures of each target by periods, and the change of late.
//!
//! This room knows the store. It prints nothing.

mod figures;
mod period;
mod report;

pub(crate) use figures::{Estimate, Figures, agrees};
pub(crate) use period::Period;
pub(crate) use report::{LEAST, TargetDrift, drift};
