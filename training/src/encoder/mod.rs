//! Fitting the encoder tier of a model.
//!
//! What a recipe says of it is read by every build. Fitting it takes the feature `ort` or `bert`: without them, `tier` is a
//! module of the same shape in which there is no such tier.

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
