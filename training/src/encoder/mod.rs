//! Fitting the encoder tier of a model.
//!
//! Every build fits heads on embeddings; the fit of the encoder itself needs the feature `bert`.

pub(crate) mod distilled;
mod params;
mod progress;
pub(crate) mod shared;
pub(crate) mod task;
mod tier;

pub use params::{Distil, EncoderParams, Intermediate, Precision, TuneParams};
pub use progress::EncoderProgress;
pub use shared::SharedEncoder;
pub(crate) use tier::EncoderStage;
pub use tier::{EncoderStore, FittedEncoder, check_encoder_place, fit_shared};
