//! Fitting the encoder tier of a model.
//!
//! Every build reads what a recipe says about the tier. Fitting it needs the feature `ort` or `bert`: without
//! them, `tier` is a module of the same shape that has no encoders.

pub(crate) mod distilled;
mod params;
mod progress;
#[cfg_attr(not(feature = "encoder"), expect(dead_code, reason = "nothing is fitted by it in such a build"))]
pub(crate) mod task;
#[cfg(feature = "encoder")]
mod tier;
#[cfg(not(feature = "encoder"))]
#[path = "absent.rs"]
mod tier;

pub use params::{Distil, EncoderParams, Intermediate, Precision, TuneParams};
pub use progress::EncoderProgress;
pub(crate) use tier::EncoderStage;
pub use tier::{EncoderStore, FittedEncoder};
