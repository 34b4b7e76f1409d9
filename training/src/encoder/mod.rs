//! Fitting the encoder tier of a model.

pub(crate) mod distil;
mod params;
mod report;

#[cfg(feature = "bert")]
mod adamw;
#[cfg(feature = "encoder")]
mod cache;
#[cfg(feature = "bert")]
mod checkpoint;
#[cfg(feature = "encoder")]
mod direction;
#[cfg(feature = "encoder")]
pub(crate) mod fit;
#[cfg(feature = "encoder")]
mod head;
#[cfg(feature = "encoder")]
mod intermediate;
#[cfg(feature = "encoder")]
mod stack;
#[cfg(feature = "bert")]
mod tune;
#[cfg(feature = "encoder")]
mod tuned;
#[cfg(feature = "encoder")]
mod workshop;

#[cfg(feature = "encoder")]
pub use fit::FittedEncoder;
pub use params::{Distil, EncoderParams, Intermediate, Precision, TuneParams};
pub use report::Report;
#[cfg(feature = "encoder")]
pub use workshop::Workshop;
