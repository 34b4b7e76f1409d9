//! The encoder tier: a BERT or `MPNet` whose mean embedding goes to a linear head, above the n-gram tier of the same model.
//!
//! What a manifest says of it is read by every build; running it takes the feature `bert` (libtorch, which trains too) or
//! `ort` (ONNX Runtime).

#[cfg(all(feature = "encoder", not(any(feature = "bert", feature = "ort"))))]
compile_error!("the feature `encoder` is what `bert` and `ort` share: choose one of them, or both");

mod config;
mod direction;
mod error;
mod manifest;
mod options;

#[cfg(feature = "encoder")]
mod backend;
#[cfg(feature = "ort")]
mod graph;
#[cfg(feature = "bert")]
mod mpnet;
#[cfg(feature = "ort")]
mod onnx;
#[cfg(feature = "ort")]
mod ort;
#[cfg(all(test, feature = "ort"))]
#[allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]
mod ort_tests;
#[cfg(feature = "ort")]
mod protobuf;
#[cfg(all(test, feature = "encoder"))]
mod reference;
#[cfg(feature = "encoder")]
mod relative;
#[cfg(feature = "encoder")]
mod run;
#[cfg(feature = "encoder")]
pub(crate) mod tier;
#[cfg(feature = "encoder")]
mod tokens;
#[cfg(feature = "bert")]
mod torch;
#[cfg(feature = "encoder")]
mod weights;

pub use config::{Architecture, EncoderConfig, LayerNames};
pub use direction::{Direction, Nearest};
pub use error::EncoderError;
pub use manifest::{BaseModel, Cascade, CascadeFigures, DirectionManifest, EncoderManifest, Reads, Stack};
#[cfg(feature = "ort")]
pub use onnx::model as to_onnx;
pub use options::{EncoderOptions, Library};
#[cfg(feature = "encoder")]
pub use run::{BATCH_TOKENS, BaseFiles, Encoder, batches};
#[cfg(feature = "encoder")]
pub use tier::{EncoderTier, Head, KnownInput, KnownInputs, Learned, dot, unit};
#[cfg(feature = "encoder")]
pub use tokens::{TokenBatch, Tokenizer, Tokens};
#[cfg(feature = "bert")]
pub use torch::{Context, TorchEncoder};
#[cfg(feature = "encoder")]
pub use weights::Weights;

/// An encoder with its head. This build has none: build it with the feature `bert` or `ort`.
#[cfg(not(feature = "encoder"))]
#[derive(Debug, Clone, Copy)]
pub enum EncoderTier {}

#[cfg(not(feature = "encoder"))]
impl EncoderTier {
    /// The head's logit of each input.
    ///
    /// # Errors
    /// Never: there is no such tier in this build.
    pub const fn logits(&self, _inputs: &[crate::Input<'_>]) -> Result<Vec<f64>, EncoderError> {
        match *self {}
    }

    /// How many tokens an input is to the encoder.
    ///
    /// # Errors
    /// Never: there is no such tier in this build.
    pub const fn count_tokens(&self, _input: &crate::Input<'_>) -> Result<usize, EncoderError> {
        match *self {}
    }

    /// Where an input lies along the refusal direction.
    ///
    /// # Errors
    /// Never: there is no such tier in this build.
    pub const fn direction(
        &self,
        _input: &crate::Input<'_>,
        _nearest: usize,
    ) -> Result<Direction, EncoderError> {
        match *self {}
    }
}

#[cfg(all(test, feature = "encoder"))]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;

    /// The settings of a tiny encoder.
    pub(crate) fn config(architecture: Architecture) -> EncoderConfig {
        let is_bert = architecture == Architecture::Bert;
        EncoderConfig {
            architecture,
            hidden: 8,
            layers: 2,
            heads: 2,
            intermediate: 12,
            positions: 64,
            vocabulary: 32,
            token_types: if is_bert { 2 } else { 0 },
            layer_norm_eps: if is_bert { 1e-12 } else { 1e-5 },
            pad: i64::from(!is_bert),
            buckets: if is_bert { 0 } else { 8 },
            dropout: 0.1,
            lowercase: true,
            taps: Vec::new(),
        }
    }

    /// A tiny encoder with numbers that are drawn from a fixed sequence.
    pub(crate) fn small(architecture: Architecture) -> (EncoderConfig, Weights) {
        let config = config(architecture);
        let shapes: std::collections::BTreeMap<String, Vec<usize>> = config.tensors().into_iter().collect();
        let mut state = 1_u32;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let tensor = |name: &str| Some((0..shapes[name].iter().product()).map(|_| draw()).collect());
        let weights = Weights::gather(&config, tensor).unwrap();
        (config, weights)
    }

    #[test]
    fn weights_come_back_from_bytes() {
        for architecture in [Architecture::Bert, Architecture::Mpnet] {
            let (config, weights) = small(architecture);
            let bytes = weights.to_bytes().unwrap();
            assert_eq!(Weights::read(&config, &bytes).unwrap(), weights);
            let wider = EncoderConfig { vocabulary: 33, ..config.clone() };
            let error = Weights::read(&wider, &bytes).unwrap_err().to_string();
            assert!(error.contains("[32, 8], the settings say [33, 8]"), "{error}");
            let deeper = EncoderConfig { layers: 3, ..config };
            let error = Weights::read(&deeper, &bytes).unwrap_err().to_string();
            assert!(error.contains("encoder.layer.2") && error.contains("is missing"), "{error}");
        }
    }

    #[cfg(feature = "bert")]
    #[test]
    fn libtorch_gives_the_embeddings_of_the_plain_forward_pass() {
        for architecture in [Architecture::Bert, Architecture::Mpnet] {
            let (mut config, weights) = small(architecture);
            for taps in [vec![], vec![1], vec![1, 2]] {
                config.taps = taps;
                let encoder = TorchEncoder::new(&config, &weights).unwrap();
                let tokens: Vec<Tokens> = [5, 40, 1]
                    .map(|length| Tokens {
                        ids: (0..length).map(|at| 2 + (7 * at + length) % 30).collect(),
                        second: length as usize / 2,
                    })
                    .into();
                let batch = TokenBatch::of(&config, &tokens.iter().collect::<Vec<_>>());
                let found = encoder.embed(&batch).unwrap();
                let expected = reference::embed(&config, &weights, &batch);
                assert_eq!(found.len(), 3 * config.width());
                for (found, expected) in found.iter().zip(expected) {
                    assert!(
                        (f64::from(*found) - expected).abs() < 2e-5,
                        "{architecture:?}: {found} {expected}"
                    );
                }
                assert_eq!(encoder.weights().unwrap(), weights, "what went in comes out");
            }
        }
    }
}
