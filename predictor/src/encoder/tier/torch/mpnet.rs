//! `MPNet` (Song et al. 2020) on libtorch, because rust-bert does not have it: BERT's layers without token
//! types, and with a relative position bias in the attention that all layers share.

use std::ops::Range;

use tch::nn::{self, Module, Path};
use tch::{Kind, Tensor};

use crate::encoder::config::EncoderConfig;
use crate::encoder::tier::relative::bucket;

#[derive(Debug)]
struct Layer {
    query: nn::Linear,
    key: nn::Linear,
    value: nn::Linear,
    output: nn::Linear,
    attention_norm: nn::LayerNorm,
    wide: nn::Linear,
    narrow: nn::Linear,
    output_norm: nn::LayerNorm,
}

/// The layers of an `MPNet`.
#[derive(Debug)]
pub(crate) struct Mpnet {
    words: nn::Embedding,
    positions: nn::Embedding,
    norm: nn::LayerNorm,
    relative: nn::Embedding,
    layers: Vec<Layer>,
    heads: i64,
    buckets: usize,
    pad: i64,
    dropout: f64,
}

impl Mpnet {
    pub(crate) fn new(root: &Path<'_>, config: &EncoderConfig) -> Self {
        let (hidden, wide) = (config.hidden as i64, config.intermediate as i64);
        let norm = |path: Path<'_>| {
            let settings = nn::LayerNormConfig { eps: config.layer_norm_eps, ..Default::default() };
            nn::layer_norm(path, vec![hidden], settings)
        };
        let embedding = |path: Path<'_>, rows: usize, width: i64| {
            nn::embedding(path, rows as i64, width, nn::EmbeddingConfig::default())
        };
        let linear =
            |path: Path<'_>, into: i64, out: i64| nn::linear(path, into, out, nn::LinearConfig::default());
        let embeddings = root / "embeddings";
        let encoder = root / "encoder";
        let layer = |at: usize| {
            let path = &encoder / "layer" / at;
            let attention = &path / "attention";
            let attn = &attention / "attn";
            Layer {
                query: linear(&attn / "q", hidden, hidden),
                key: linear(&attn / "k", hidden, hidden),
                value: linear(&attn / "v", hidden, hidden),
                output: linear(&attn / "o", hidden, hidden),
                attention_norm: norm(&attention / "LayerNorm"),
                wide: linear(&path / "intermediate" / "dense", hidden, wide),
                narrow: linear(&path / "output" / "dense", wide, hidden),
                output_norm: norm(&path / "output" / "LayerNorm"),
            }
        };
        Self {
            words: embedding(&embeddings / "word_embeddings", config.vocabulary, hidden),
            positions: embedding(&embeddings / "position_embeddings", config.positions, hidden),
            norm: norm(&embeddings / "LayerNorm"),
            relative: embedding(&encoder / "relative_attention_bias", config.buckets, config.heads as i64),
            layers: (0..config.layers).map(layer).collect(),
            heads: config.heads as i64,
            buckets: config.buckets,
            pad: config.pad,
            dropout: config.dropout,
        }
    }

    /// From tokens to the states before the first layer.
    pub(crate) fn start(&self, ids: &Tensor, mask: &Tensor, train: bool) -> Tensor {
        // Positions start after the number of the padding token, which all padding has.
        let positions = mask.cumsum(1, Kind::Int64) * mask + self.pad;
        let states = self.words.forward(ids) + self.positions.forward(&positions);
        self.norm.forward(&states).dropout(self.dropout, train)
    }

    /// Runs some of the layers.
    pub(crate) fn advance(&self, states: Tensor, mask: &Tensor, layers: Range<usize>, train: bool) -> Tensor {
        let bias = self.position_bias(states.size()[1]) + mask;
        self.layers[layers].iter().fold(states, |states, layer| self.layer(layer, &states, &bias, train))
    }

    /// The relative position bias of the attention: 1 x heads x length x length.
    fn position_bias(&self, length: i64) -> Tensor {
        let table = Tensor::from_slice(&buckets(length, self.buckets)).view([length, length]);
        self.relative.forward(&table).permute([2, 0, 1]).unsqueeze(0)
    }

    fn layer(&self, layer: &Layer, states: &Tensor, bias: &Tensor, train: bool) -> Tensor {
        let (rows, length, hidden) = (states.size()[0], states.size()[1], states.size()[2]);
        let width = hidden / self.heads;
        let split = |tensor: Tensor| tensor.view([rows, length, self.heads, width]).transpose(1, 2);
        let (query, key, value) = (
            split(layer.query.forward(states)),
            split(layer.key.forward(states)),
            split(layer.value.forward(states)),
        );
        let scores = query.matmul(&key.transpose(-1, -2)) / f64::sqrt(width as f64) + bias;
        let shares = scores.softmax(-1, scores.kind()).dropout(self.dropout, train);
        let read = shares.matmul(&value).transpose(1, 2).contiguous().view([rows, length, hidden]);
        let read = layer.output.forward(&read).dropout(self.dropout, train);
        let states = layer.attention_norm.forward(&(read + states));
        let wide = layer.wide.forward(&states).gelu("none");
        let narrow = layer.narrow.forward(&wide).dropout(self.dropout, train);
        layer.output_norm.forward(&(narrow + states))
    }
}

/// The bucket of each pair of places, row-major: the row is the place that attends, the column the place
/// attended to.
fn buckets(length: i64, count: usize) -> Vec<i64> {
    let row = |from| (0..length).map(move |to| bucket(to - from, count) as i64);
    (0..length).flat_map(row).collect()
}
