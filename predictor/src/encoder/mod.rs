//! The encoder tier: a BERT or `MPNet` with a linear head on its mean embedding, above the n-gram tier of the
//! same model.
//!
//! Every build reads its description in the manifest. Running it requires the feature `bert` (libtorch, which
//! also trains) or `ort` (ONNX Runtime). Without them, `tier` is a module with the same interface and no such
//! tier.

#[cfg(all(feature = "encoder", not(any(feature = "bert", feature = "ort"))))]
compile_error!("the feature `encoder` is what `bert` and `ort` share: choose one of them, or both");

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
