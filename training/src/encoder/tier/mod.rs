//! The encoder tier in a build that has encoders: where they are kept, what is fitted on their embeddings, and the fit of an
//! encoder itself where libtorch is there.

mod cache;
mod direction;
mod distil;
mod fitted;
mod head;
mod head_fit;
mod intermediate;
mod loaded;
mod reporter;
mod stack;
mod stage;
mod store;
#[cfg(feature = "bert")]
mod tuning;
#[cfg(not(feature = "bert"))]
#[path = "no_tuning.rs"]
mod tuning;

pub use fitted::FittedEncoder;
pub(crate) use stage::EncoderStage;
pub use store::EncoderStore;
