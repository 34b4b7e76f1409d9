//! The encoder tier in a build with encoders: texts to tokens, tokens to embeddings by a library, and a head
//! on these.

pub(crate) mod backend;
pub(crate) mod encoder;
pub(crate) mod encoder_tier;
mod in_use;
#[cfg(test)]
mod reference;
pub(crate) mod relative;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
pub(crate) mod tokens;
pub(crate) mod weights;

pub(crate) mod onnx;
#[cfg(feature = "bert")]
pub(crate) mod torch;
#[cfg(not(feature = "bert"))]
#[path = "no_torch.rs"]
pub(crate) mod torch;

pub use encoder::{BATCH_TOKENS, BaseFiles, Encoder, batches};
pub use encoder_tier::{EncoderTier, Head, KnownInput, KnownInputs, Learned, dot, unit};
pub use onnx::*;
pub use tokens::{TokenBatch, Tokenizer, Tokens};
pub use torch::*;
pub use weights::Weights;
