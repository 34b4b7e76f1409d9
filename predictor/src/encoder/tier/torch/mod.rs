//! Encoders on libtorch: BERT from the layers of rust-bert, `MPNet` from our own. It trains them, and runs
//! them if ONNX Runtime is not built in.
//!
//! The layers can be run in parts: from tokens to states, through some of the layers, from states to an
//! embedding. A fit that freezes the lower layers runs them once and keeps the states.

mod mpnet;

use std::ops::Range;

use rust_bert::bert::{BertConfig, BertEmbedding, BertEmbeddings, BertLayer};
use serde_json::json;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor, no_grad};

use crate::encoder::config::{Architecture, EncoderConfig};
use crate::encoder::error::EncoderError;
use crate::encoder::tier::tokens::TokenBatch;
use crate::encoder::tier::torch::mpnet::Mpnet;
use crate::encoder::tier::weights::Weights;

/// Replaces minus infinity for padding: its exp is 0 in single precision.
const MASKED: f64 = -10_000.0;

/// An encoder on libtorch's tensors.
#[derive(Debug)]
pub struct TorchEncoder {
    config: EncoderConfig,
    store: VarStore,
    net: Net,
}

enum Net {
    Bert { embeddings: BertEmbeddings, layers: Vec<BertLayer> },
    Mpnet(Mpnet),
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bert { .. } => "Bert",
            Self::Mpnet(_) => "Mpnet",
        })
    }
}

/// What the layers need to know about a batch apart from its states.
#[derive(Debug)]
pub struct Context {
    /// 1 for a token, else 0: rows x length x 1.
    tokens: Tensor,
    /// 0 for a token, else [`MASKED`]: rows x 1 x 1 x length.
    mask: Tensor,
}

pub(crate) fn failed(cause: &impl std::fmt::Display) -> EncoderError {
    EncoderError::Library { library: "libtorch", reason: cause.to_string() }
}

impl TorchEncoder {
    /// Builds the layers, to run on this many threads.
    pub(crate) fn on_threads(
        config: &EncoderConfig,
        weights: &Weights,
        threads: usize,
    ) -> Result<Self, EncoderError> {
        tch::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(1));
        Self::new(config, weights)
    }

    /// Builds the layers and loads their weights.
    ///
    /// # Errors
    /// [`EncoderError::Tensor`], or [`EncoderError::Library`] for settings that the layers do not support.
    pub fn new(config: &EncoderConfig, weights: &Weights) -> Result<Self, EncoderError> {
        let store = VarStore::new(Device::Cpu);
        let root = store.root();
        let net = match config.architecture {
            Architecture::Bert => {
                // rust-bert's layers normalise with 1e-12, as every BERT does.
                if config.layer_norm_eps > 1e-11 {
                    let reason = format!(
                        "layer_norm_eps is {:e}, and its BERT layers compute with 1e-12; rten runs it",
                        config.layer_norm_eps
                    );
                    return Err(EncoderError::Library { library: "libtorch", reason });
                }
                let bert = bert_config(config)?;
                let embeddings = BertEmbeddings::new(&root / "embeddings", &bert);
                let path = &root / "encoder" / "layer";
                let layers = (0..config.layers).map(|layer| BertLayer::new(&path / layer, &bert)).collect();
                Net::Bert { embeddings, layers }
            }
            Architecture::Mpnet => Net::Mpnet(Mpnet::new(&root, config)),
        };
        let encoder = Self { config: config.clone(), store, net };
        encoder.set_weights(weights)?;
        Ok(encoder)
    }

    /// Replaces all weights.
    ///
    /// # Errors
    /// [`EncoderError::Tensor`] if one is missing.
    pub fn set_weights(&self, weights: &Weights) -> Result<(), EncoderError> {
        for (name, mut variable) in self.store.variables() {
            let (shape, numbers) = weights.get(&name)?;
            let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
            let tensor =
                Tensor::from_slice(&numbers).f_view(shape.as_slice()).map_err(|cause| failed(&cause))?;
            no_grad(|| variable.f_copy_(&tensor)).map_err(|cause| failed(&cause))?;
        }
        Ok(())
    }

    /// The current weights, in single precision.
    ///
    /// # Errors
    /// [`EncoderError::Tensor`] if one is gone.
    pub fn weights(&self) -> Result<Weights, EncoderError> {
        let variables = self.store.variables();
        Weights::gather(&self.config, |name| {
            let tensor = variables.get(name)?.detach().to_kind(Kind::Float).flatten(0, -1);
            Vec::<f32>::try_from(tensor).ok()
        })
    }

    /// Architecture and sizes.
    #[must_use]
    pub const fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// The variables, by the names of [`EncoderConfig::tensors`].
    #[must_use]
    pub const fn store(&self) -> &VarStore {
        &self.store
    }

    /// Computes in this precision from now on.
    pub fn set_kind(&mut self, kind: Kind) {
        self.store.set_kind(kind);
    }

    /// From tokens to the states before the first layer: rows x length x hidden.
    ///
    /// # Errors
    /// [`EncoderError::Library`].
    pub fn start(&self, batch: &TokenBatch, train: bool) -> Result<(Tensor, Context), EncoderError> {
        let shape = [batch.rows as i64, batch.length as i64];
        let tensor =
            |numbers: &[i64]| Tensor::from_slice(numbers).f_view(shape).map_err(|cause| failed(&cause));
        let (ids, mask) = (tensor(&batch.ids)?, tensor(&batch.mask)?);
        let states = match &self.net {
            Net::Bert { embeddings, .. } => embeddings
                .forward_t(Some(&ids), Some(&tensor(&batch.types)?), None, None, train)
                .map_err(|cause| failed(&cause))?,
            Net::Mpnet(net) => net.start(&ids, &mask, train),
        };
        let context = Self::context(batch, states.kind())?;
        Ok((states, context))
    }

    /// What the layers need to know about a batch apart from its states, in the precision of the states.
    ///
    /// # Errors
    /// [`EncoderError::Library`].
    pub fn context(batch: &TokenBatch, kind: Kind) -> Result<Context, EncoderError> {
        let shape = [batch.rows as i64, batch.length as i64];
        let tokens =
            Tensor::from_slice(&batch.mask).f_view(shape).map_err(|cause| failed(&cause))?.to_kind(kind);
        let mask: Tensor = (tokens.ones_like() - &tokens) * MASKED;
        let mask = mask.unsqueeze(1).unsqueeze(1);
        Ok(Context { tokens: tokens.unsqueeze(-1), mask })
    }

    /// Runs some of the layers.
    pub fn advance(&self, states: Tensor, context: &Context, layers: Range<usize>, train: bool) -> Tensor {
        match &self.net {
            Net::Bert { layers: all, .. } => all[layers].iter().fold(states, |states, layer| {
                layer.forward_t(&states, Some(&context.mask), None, None, train).hidden_state
            }),
            Net::Mpnet(net) => net.advance(states, &context.mask, layers, train),
        }
    }

    /// The mean of the states over the tokens: rows x hidden, in single precision.
    pub fn pool(states: &Tensor, context: &Context) -> Tensor {
        let tokens = context.tokens.to_kind(Kind::Float);
        let sum = (states.to_kind(Kind::Float) * &tokens).sum_dim_intlist(1, false, Kind::Float);
        sum / tokens.sum_dim_intlist(1, false, Kind::Float)
    }

    /// The embeddings of a batch, row-major, rows x width.
    ///
    /// # Errors
    /// [`EncoderError::Library`].
    pub fn embed(&self, batch: &TokenBatch) -> Result<Vec<f32>, EncoderError> {
        if batch.rows == 0 {
            return Ok(Vec::new());
        }
        let pooled = no_grad(|| {
            let (states, context) = self.start(batch, false)?;
            let (mut states, mut done) = (states, 0);
            let mut means = Vec::with_capacity(self.config.taps().len());
            for &tap in self.config.taps() {
                states = self.advance(states, &context, done..tap, false);
                means.push(Self::pool(&states, &context));
                done = tap;
            }
            Ok::<_, EncoderError>(Tensor::cat(&means, 1))
        })?;
        Vec::<f32>::try_from(pooled.flatten(0, -1)).map_err(|cause| failed(&cause))
    }
}

/// The settings in the form of rust-bert.
fn bert_config(config: &EncoderConfig) -> Result<BertConfig, EncoderError> {
    let settings = json!({
        "hidden_act": "gelu",
        "attention_probs_dropout_prob": config.dropout,
        "hidden_dropout_prob": config.dropout,
        "hidden_size": config.hidden,
        "initializer_range": 0.02,
        "intermediate_size": config.intermediate,
        "max_position_embeddings": config.positions,
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "type_vocab_size": config.token_types,
        "vocab_size": config.vocabulary,
        "output_attentions": null, "output_hidden_states": null, "is_decoder": null,
        "id2label": null, "label2id": null,
    });
    serde_json::from_value(settings).map_err(|cause| failed(&cause))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::encoder::tier::reference;
    use crate::encoder::tier::tests::small;
    use crate::encoder::tier::tokens::Tokens;

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
