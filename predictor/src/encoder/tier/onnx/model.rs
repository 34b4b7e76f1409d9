//! Builds an encoder as an ONNX graph from its weights, without an exporter: BERT and `MPNet` with mean
//! pooling.
//!
//! It uses standard operators only. ONNX Runtime's own operators for transformers (`Attention`,
//! `SkipLayerNormalization`, `EmbedLayerNormalization`) were measured against these and are no faster on a
//! CPU: more than four fifths of the time is matrix products, and its optimiser fuses the rest.
//!
//! The tokens of all texts of a batch are in one matrix, so that a dense layer is one `Gemm` that uses a
//! weight as `PyTorch` stores it, output by input.

use crate::encoder::config::{Architecture, EncoderConfig, LayerNames};
use crate::encoder::error::EncoderError;
use crate::encoder::tier::onnx::graph::{Attribute, Graph, Value};
use crate::encoder::tier::relative::bucket;
use crate::encoder::tier::weights::Weights;

/// Inputs of the graph, each `[batch, length]`. `TYPES` exists for BERT only.
pub(super) const IDS: &str = "input_ids";
pub(super) const MASK: &str = "attention_mask";
pub(super) const TYPES: &str = "token_type_ids";
/// Its output, `[batch, width]`: the mean states of the requested layers over the unmasked tokens,
/// concatenated.
pub(super) const EMBEDDING: &str = "embedding";

/// Values that all layers read.
struct Shared {
    /// Added to the attention scores `[batch, heads, length, length]`: masks padding and adds `MPNet`'s bias.
    bias: Value,
    /// The shape `[batch, length, heads, hidden / heads]`.
    by_head: Value,
    /// The shape `[batch * length, hidden]`.
    flat: Value,
    /// One over the square root of a head's width.
    scale: Value,
}

/// Values derived from the mask for means over tokens.
struct Pooling {
    /// The shape `[batch, length, hidden]`.
    shape: Value,
    /// The mask as one row per text.
    row: Value,
    /// Number of tokens of each text.
    count: Value,
    axis: Value,
}

struct GraphBuilder<'a> {
    config: &'a EncoderConfig,
    graph: Graph<'a>,
}

/// The bytes of an ONNX model that computes the encoder's embeddings: inputs `input_ids`, `attention_mask`
/// and, for BERT, `token_type_ids`, each int64 `[batch, length]`; output `embedding`, `[batch, width]`.
///
/// # Errors
/// [`EncoderError::Tensor`] if a weight is missing or has another shape, [`EncoderError::Library`] above two
/// gigabytes.
pub fn model(config: &EncoderConfig, weights: &Weights) -> Result<Vec<u8>, EncoderError> {
    let mut encoder = GraphBuilder { config, graph: Graph::new(weights) };
    let embedded = encoder.embeddings()?;
    let mask = encoder.graph.node("Cast", &[MASK], &[("to", Attribute::Int(1))]);
    let shared = encoder.shared(&mask)?;
    let mut tokens = encoder.graph.node("Reshape", &[&embedded, &shared.flat], &[]);
    let pooling = encoder.pooling(&mask);
    let mut means = Vec::with_capacity(config.taps().len());
    for layer in 1..=config.taps().iter().copied().max().unwrap_or_default() {
        tokens = encoder.layer(layer - 1, &tokens, &shared)?;
        if config.taps().contains(&layer) {
            means.push(encoder.pool(&tokens, &pooling));
        }
    }
    let means: Vec<&str> = means.iter().map(String::as_str).collect();
    encoder.graph.result("Concat", &means, &[("axis", Attribute::Int(1))], (EMBEDDING, config.width()));
    encoder.graph.into_model()
}

impl GraphBuilder<'_> {
    /// Tokens, positions and segments as vectors, `[batch, length, hidden]`.
    fn embeddings(&mut self) -> Result<Value, EncoderError> {
        let hidden = self.config.hidden;
        self.graph.input(IDS);
        self.graph.input(MASK);
        let vocabulary = [self.config.vocabulary, hidden];
        let words = self.graph.rows("embeddings.word_embeddings.weight", &vocabulary, IDS)?;
        let table =
            self.graph.weight("embeddings.position_embeddings.weight", &[self.config.positions, hidden])?;
        let sum = match self.config.architecture {
            Architecture::Bert => {
                let (zero, length) = (self.graph.ints(&[0]), self.length());
                let positions = self.graph.node("Slice", &[&table, &zero, &length, &zero], &[]);
                let types = [self.config.token_types, hidden];
                self.graph.input(TYPES);
                let types = self.graph.rows("embeddings.token_type_embeddings.weight", &types, TYPES)?;
                let sum = self.graph.node("Add", &[&words, &types], &[]);
                self.graph.node("Add", &[&sum, &positions], &[])
            }
            Architecture::Mpnet => {
                let positions = self.positions_after_padding();
                let positions = self.graph.node("Gather", &[&table, &positions], &[]);
                self.graph.node("Add", &[&words, &positions], &[])
            }
        };
        self.norm("embeddings.LayerNorm", &sum)
    }

    /// The length of the batch's texts as a vector with one element.
    fn length(&mut self) -> Value {
        self.graph.node("Shape", &[IDS], &[("start", Attribute::Int(1))])
    }

    /// `MPNet` counts positions from the one after the padding's number, and gives all padding that number.
    fn positions_after_padding(&mut self) -> Value {
        let (pad, axis) = (self.graph.int(self.config.pad), self.graph.int(1));
        let padding = self.graph.node("Equal", &[IDS, &pad], &[]);
        let text = self.graph.node("Not", &[&padding], &[]);
        let text = self.graph.node("Cast", &[&text], &[("to", Attribute::Int(7))]);
        let count = self.graph.node("CumSum", &[&text, &axis], &[]);
        let count = self.graph.node("Mul", &[&count, &text], &[]);
        self.graph.node("Add", &[&count, &pad], &[])
    }

    fn shared(&mut self, mask: &str) -> Result<Shared, EncoderError> {
        let width = self.config.hidden / self.config.heads;
        let graph = &mut self.graph;
        let (one, least, axes) = (graph.float(1.0), graph.float(f32::MIN), graph.ints(&[1, 2]));
        let padding = graph.node("Sub", &[&one, mask], &[]);
        let padding = graph.node("Mul", &[&padding, &least], &[]);
        let mut bias = graph.node("Unsqueeze", &[&padding, &axes], &[]);
        let batch = graph.node("Shape", &[IDS], &[]);
        let heads = graph.ints(&[self.config.heads as i64, width as i64]);
        let by_head = graph.node("Concat", &[&batch, &heads], &[("axis", Attribute::Int(0))]);
        let flat = graph.ints(&[-1, self.config.hidden as i64]);
        let scale = graph.float((width as f32).sqrt().recip());
        if self.config.architecture == Architecture::Mpnet {
            let relative = self.relative_bias()?;
            bias = self.graph.node("Add", &[&bias, &relative], &[]);
        }
        Ok(Shared { bias, by_head, flat, scale })
    }

    /// `MPNet`'s bias by distance, `[heads, length, length]`, gathered from one row per head with all
    /// distances.
    fn relative_bias(&mut self) -> Result<Value, EncoderError> {
        let &EncoderConfig { heads, buckets, positions, .. } = self.config;
        let name = "encoder.relative_attention_bias.weight";
        let table = self.graph.checked(name, &[buckets, heads])?;
        let biases = biases(&table, buckets, heads, positions);
        let length = self.length();
        let graph = &mut self.graph;
        let biases = graph.floats(&[heads, 2 * positions + 1], &biases);
        let (zero, one, reach) = (graph.int(0), graph.int(1), graph.int(positions as i64));
        let (row, column) = (graph.ints(&[0]), graph.ints(&[1]));
        let length = graph.node("Squeeze", &[&length], &[]);
        let places = graph.node("Range", &[&zero, &length, &one], &[]);
        let to = graph.node("Unsqueeze", &[&places, &row], &[]);
        let from = graph.node("Unsqueeze", &[&places, &column], &[]);
        let offsets = graph.node("Sub", &[&to, &from], &[]);
        let offsets = graph.node("Add", &[&offsets, &reach], &[]);
        Ok(graph.node("Gather", &[&biases, &offsets], &[("axis", Attribute::Int(1))]))
    }

    /// A layer: attention, then two dense layers, each followed by a residual connection and normalisation.
    fn layer(&mut self, layer: usize, tokens: &str, shared: &Shared) -> Result<Value, EncoderError> {
        let &EncoderConfig { hidden, intermediate, .. } = self.config;
        let names = self.config.layer(layer);
        let attended = self.attention(tokens, &names, shared)?;
        let attended = self.dense(&names.output, &attended, [hidden, hidden])?;
        let sum = self.graph.node("Add", &[&attended, tokens], &[]);
        let tokens = self.norm(&names.attention_norm, &sum)?;
        let wide = self.dense(&names.wide, &tokens, [intermediate, hidden])?;
        let wide = self.graph.node("Gelu", &[&wide], &[]);
        let narrow = self.dense(&names.narrow, &wide, [hidden, intermediate])?;
        let sum = self.graph.node("Add", &[&narrow, &tokens], &[]);
        self.norm(&names.output_norm, &sum)
    }

    fn attention(
        &mut self,
        tokens: &str,
        names: &LayerNames,
        shared: &Shared,
    ) -> Result<Value, EncoderError> {
        let query = self.heads(&names.query, tokens, shared, &[0, 2, 1, 3])?;
        let key = self.heads(&names.key, tokens, shared, &[0, 2, 3, 1])?;
        let value = self.heads(&names.value, tokens, shared, &[0, 2, 1, 3])?;
        let graph = &mut self.graph;
        let scores = graph.node("MatMul", &[&query, &key], &[]);
        let scores = graph.node("Mul", &[&scores, &shared.scale], &[]);
        let scores = graph.node("Add", &[&scores, &shared.bias], &[]);
        let shares = graph.node("Softmax", &[&scores], &[("axis", Attribute::Int(-1))]);
        let mixed = graph.node("MatMul", &[&shares, &value], &[]);
        let mixed = graph.node("Transpose", &[&mixed], &[("perm", Attribute::Ints(&[0, 2, 1, 3]))]);
        Ok(graph.node("Reshape", &[&mixed, &shared.flat], &[]))
    }

    /// A dense layer's output split into heads, with the axes batch, length, head, width in the order
    /// `order`.
    fn heads(
        &mut self,
        name: &str,
        tokens: &str,
        shared: &Shared,
        order: &[i64],
    ) -> Result<Value, EncoderError> {
        let hidden = self.config.hidden;
        let dense = self.dense(name, tokens, [hidden, hidden])?;
        let heads = self.graph.node("Reshape", &[&dense, &shared.by_head], &[]);
        Ok(self.graph.node("Transpose", &[&heads], &[("perm", Attribute::Ints(order))]))
    }

    fn dense(&mut self, name: &str, input: &str, shape: [usize; 2]) -> Result<Value, EncoderError> {
        let weight = self.graph.weight(&format!("{name}.weight"), &shape)?;
        let bias = self.graph.weight(&format!("{name}.bias"), &shape[..1])?;
        Ok(self.graph.node("Gemm", &[input, &weight, &bias], &[("transB", Attribute::Int(1))]))
    }

    fn norm(&mut self, name: &str, input: &str) -> Result<Value, EncoderError> {
        let hidden = [self.config.hidden];
        let weight = self.graph.weight(&format!("{name}.weight"), &hidden)?;
        let bias = self.graph.weight(&format!("{name}.bias"), &hidden)?;
        let epsilon = ("epsilon", Attribute::Float(self.config.layer_norm_eps as f32));
        Ok(self.graph.node("LayerNormalization", &[input, &weight, &bias], &[epsilon]))
    }

    /// Values derived from the mask for means over tokens.
    fn pooling(&mut self, mask: &str) -> Pooling {
        let hidden = self.config.hidden;
        let graph = &mut self.graph;
        let (batch, axis, least) = (graph.node("Shape", &[IDS], &[]), graph.ints(&[1]), graph.float(1e-9));
        let width = graph.ints(&[hidden as i64]);
        let shape = graph.node("Concat", &[&batch, &width], &[("axis", Attribute::Int(0))]);
        let row = graph.node("Unsqueeze", &[mask, &axis], &[]);
        let count = graph.node("ReduceSum", &[mask, &axis], &[]);
        let count = graph.node("Max", &[&count, &least], &[]);
        Pooling { shape, row, count, axis }
    }

    /// The mean over the unmasked tokens, `[batch, hidden]`. For a text without any it is 0.
    fn pool(&mut self, tokens: &str, pooling: &Pooling) -> Value {
        let graph = &mut self.graph;
        let tokens = graph.node("Reshape", &[tokens, &pooling.shape], &[]);
        let sum = graph.node("MatMul", &[&pooling.row, &tokens], &[]);
        let sum = graph.node("Squeeze", &[&sum, &pooling.axis], &[]);
        graph.node("Div", &[&sum, &pooling.count], &[])
    }
}

/// The bias by head and offset: `heads` rows of `2 * reach + 1` numbers, for the offsets from `-reach` to
/// `reach`. `table` has one row per bucket with one number per head.
fn biases(table: &[f32], buckets: usize, heads: usize, reach: usize) -> Vec<f32> {
    let reach = reach as i64;
    let row = |head| (-reach..=reach).map(move |offset| table[bucket(offset, buckets) * heads + head]);
    (0..heads).flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn biases_are_laid_out_by_head_then_offset() {
        let table: Vec<f32> = (0..16_u8).map(f32::from).collect(); // 8 buckets, 2 heads
        let biases = biases(&table, 8, 2, 2);
        assert_eq!(biases, [4.0, 2.0, 0.0, 10.0, 12.0, 5.0, 3.0, 1.0, 11.0, 13.0]);
    }
}
