//! The encoder tier: a BERT or `MPNet` with a linear head on its mean embedding, above the n-gram tier of the
//! same model.
//!
//! Every build reads its description in the manifest. The default feature `encoder` runs it, by rten; `bert`
//! adds libtorch, which also trains. Without them, `tier` is a module with the same interface and no such
//! tier.

pub(crate) mod config;
pub(crate) mod direction;
pub(crate) mod error;
pub(crate) mod files;
pub(crate) mod manifest;
pub(crate) mod options;
#[cfg(feature = "encoder")]
pub(crate) mod tier;
#[cfg(not(feature = "encoder"))]
#[path = "absent.rs"]
pub(crate) mod tier;

pub use config::{Architecture, EncoderConfig, LayerNames};
pub use direction::{Direction, Nearest};
pub use error::EncoderError;
pub use manifest::{BaseModel, Cascade, CascadeFigures, DirectionManifest, EncoderManifest, Reads, Stack};
pub use options::{EncoderOptions, Library};
pub use tier::*;
