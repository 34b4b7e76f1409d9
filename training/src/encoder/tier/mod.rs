//! The encoder tier in a build with encoders: where they are stored, what is fitted on their embeddings, and,
//! with libtorch, the fit of the encoder itself.

mod cache;
mod direction;
mod distil;
mod fitted;
mod folder;
mod head;
mod head_fit;
mod head_kept;
mod intermediate;
mod loaded;
mod reporter;
mod shared_fit;
mod stack;
mod stage;
mod store;
#[cfg(feature = "bert")]
mod tuning;
#[cfg(not(feature = "bert"))]
#[path = "no_tuning.rs"]
mod tuning;

pub use fitted::FittedEncoder;
pub use folder::check_encoder_place;
pub use shared_fit::fit_shared;
pub(crate) use stage::EncoderStage;
pub use store::EncoderStore;
