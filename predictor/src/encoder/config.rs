//! Which encoder a folder holds: its architecture and sizes, from the `config.json` that Hugging Face's tools
//! write.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::encoder::error::EncoderError;

/// How the layers are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// BERT (Devlin et al. 2019), to which `MiniLM`, BGE and E5 belong.
    Bert,
    /// `MPNet` (Song et al. 2020): no token types, and a relative position bias that all layers share.
    Mpnet,
}

/// Architecture and sizes of an encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// How the layers are put together.
    pub architecture: Architecture,
    /// Size of a token's hidden state.
    pub hidden: usize,
    /// Number of layers.
    pub layers: usize,
    /// Attention heads per layer.
    pub heads: usize,
    /// Width of the feed-forward part of a layer.
    pub intermediate: usize,
    /// Rows of the position table.
    pub positions: usize,
    /// Entries of the vocabulary.
    pub vocabulary: usize,
    /// Rows of the token type table; 0 if the architecture has none.
    pub token_types: usize,
    /// Added to a variance in layer normalisation.
    pub layer_norm_eps: f64,
    /// The padding token.
    pub pad: i64,
    /// Buckets of the relative positions; 0 if the architecture has none.
    pub buckets: usize,
    /// Probability of dropout during a fit.
    pub dropout: f64,
    /// Whether the tokenizer lowers case and drops accents.
    pub lowercase: bool,
    /// The layers, counted from 1, whose mean states are concatenated in an embedding. Default: empty, which
    /// means the last layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taps: Vec<usize>,
}

/// The largest sizes accepted: four times those of the largest BERT. Anything larger is a broken file.
const MOST: usize = 1 << 20;

impl EncoderConfig {
    /// Reads `config.json`, and `tokenizer_config.json` if it exists.
    ///
    /// # Errors
    /// [`EncoderError::File`] if the folder holds another kind of model.
    pub fn read(folder: &Path) -> Result<Self, EncoderError> {
        let path = folder.join("config.json");
        let bad = |reason: String| EncoderError::File { path: path.clone(), reason };
        let config = json(&path)?;
        let size = |name: &str| {
            let number = config.get(name).and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
            match number {
                Some(size) if size <= MOST => Ok(size),
                Some(size) => Err(bad(format!("`{name}` is {size}, more than any encoder has"))),
                None => Err(bad(format!("`{name}` is missing or no whole number"))),
            }
        };
        let text = |name: &str, default: &str| {
            config.get(name).and_then(Value::as_str).unwrap_or(default).to_owned()
        };
        let architecture = match text("model_type", "").as_str() {
            "bert" => Architecture::Bert,
            "mpnet" => Architecture::Mpnet,
            other => return Err(bad(format!("`model_type` is `{other}`; `bert` and `mpnet` are known"))),
        };
        for (name, only) in [("hidden_act", "gelu"), ("position_embedding_type", "absolute")] {
            let found = text(name, only);
            if found != only {
                return Err(bad(format!("`{name}` is `{found}`; only `{only}` is known")));
            }
        }
        let is_bert = architecture == Architecture::Bert;
        let number = |name: &str, default: f64| config.get(name).and_then(Value::as_f64).unwrap_or(default);
        let tokenizer = folder.join("tokenizer_config.json");
        let lowercase = if tokenizer.is_file() {
            json(&tokenizer)?.get("do_lower_case").and_then(Value::as_bool).unwrap_or(true)
        } else {
            true
        };
        let pad = config.get("pad_token_id").and_then(Value::as_i64);
        let config = Self {
            architecture,
            hidden: size("hidden_size")?,
            layers: size("num_hidden_layers")?,
            heads: size("num_attention_heads")?,
            intermediate: size("intermediate_size")?,
            positions: size("max_position_embeddings")?,
            vocabulary: size("vocab_size")?,
            token_types: if is_bert { size("type_vocab_size")? } else { 0 },
            layer_norm_eps: number("layer_norm_eps", 1e-12),
            pad: pad.unwrap_or(if is_bert { 0 } else { 1 }),
            buckets: if is_bert { 0 } else { size("relative_attention_num_buckets")? },
            dropout: number("hidden_dropout_prob", 0.1),
            lowercase,
            taps: Vec::new(),
        };
        config.check().map_err(bad)?;
        Ok(config)
    }

    /// Checks that the sizes describe a valid encoder.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let sizes =
            [self.hidden, self.layers, self.heads, self.intermediate, self.positions, self.vocabulary];
        if sizes.iter().any(|&size| size == 0 || size > MOST) {
            return Err("a size is 0, or more than any encoder has".to_owned());
        }
        if !self.hidden.is_multiple_of(self.heads) {
            return Err(format!("{} numbers cannot be shared out to {} heads", self.hidden, self.heads));
        }
        if !usize::try_from(self.pad).is_ok_and(|pad| pad < self.vocabulary) {
            return Err(format!("the padding token {} is none of the vocabulary", self.pad));
        }
        if self.most_tokens() < 8 {
            return Err(format!("{} positions are too few for a text", self.positions));
        }
        if self.architecture == Architecture::Bert && self.token_types < 2 {
            return Err("a BERT needs two token types".to_owned());
        }
        if self.architecture == Architecture::Mpnet && self.buckets < 4 {
            return Err(format!("{} buckets of relative positions are too few", self.buckets));
        }
        if !self.taps.is_sorted_by(|a, b| a < b) || self.taps.iter().any(|&tap| tap == 0 || tap > self.layers)
        {
            return Err(format!(
                "the layers {:?} are not in order, or not of 1 to {}",
                self.taps, self.layers
            ));
        }
        if !(self.layer_norm_eps > 0.0 && (0.0..1.0).contains(&self.dropout)) {
            return Err("`layer_norm_eps` or the dropout is out of range".to_owned());
        }
        Ok(())
    }

    /// The layers whose mean states make up an embedding, counted from 1, in order.
    #[must_use]
    pub fn taps(&self) -> &[usize] {
        if self.taps.is_empty() { std::slice::from_ref(&self.layers) } else { &self.taps }
    }

    /// The width of an embedding: `hidden` for each tap.
    #[must_use]
    pub fn width(&self) -> usize {
        self.hidden * self.taps().len()
    }

    /// The most tokens of a text, including special ones.
    #[must_use]
    pub const fn most_tokens(&self) -> usize {
        match self.architecture {
            Architecture::Bert => self.positions,
            // `MPNet`'s positions start after the number of the padding token.
            Architecture::Mpnet => self.positions.saturating_sub(2),
        }
    }

    /// The encoder's tensors with their shapes, in the order of the layers.
    #[must_use]
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (hidden, wide) = (self.hidden, self.intermediate);
        let mut all = vec![
            ("embeddings.word_embeddings.weight".to_owned(), vec![self.vocabulary, hidden]),
            ("embeddings.position_embeddings.weight".to_owned(), vec![self.positions, hidden]),
        ];
        match self.architecture {
            Architecture::Bert => all
                .push(("embeddings.token_type_embeddings.weight".to_owned(), vec![self.token_types, hidden])),
            Architecture::Mpnet => {
                all.push((
                    "encoder.relative_attention_bias.weight".to_owned(),
                    vec![self.buckets, self.heads],
                ));
            }
        }
        let norm = |all: &mut Vec<_>, name: String| {
            all.push((format!("{name}.weight"), vec![hidden]));
            all.push((format!("{name}.bias"), vec![hidden]));
        };
        norm(&mut all, "embeddings.LayerNorm".to_owned());
        for layer in 0..self.layers {
            let names = self.layer(layer);
            let linear = |all: &mut Vec<_>, name: &str, out: usize, into: usize| {
                all.push((format!("{name}.weight"), vec![out, into]));
                all.push((format!("{name}.bias"), vec![out]));
            };
            for name in [&names.query, &names.key, &names.value, &names.output] {
                linear(&mut all, name, hidden, hidden);
            }
            norm(&mut all, names.attention_norm);
            linear(&mut all, &names.wide, wide, hidden);
            linear(&mut all, &names.narrow, hidden, wide);
            norm(&mut all, names.output_norm);
        }
        all
    }

    /// The names of the parts of a layer in files.
    #[must_use]
    pub fn layer(&self, layer: usize) -> LayerNames {
        let at = |name: &str| format!("encoder.layer.{layer}.{name}");
        let [query, key, value, output, attention_norm] = match self.architecture {
            Architecture::Bert => [
                "attention.self.query",
                "attention.self.key",
                "attention.self.value",
                "attention.output.dense",
                "attention.output.LayerNorm",
            ],
            Architecture::Mpnet => [
                "attention.attn.q",
                "attention.attn.k",
                "attention.attn.v",
                "attention.attn.o",
                "attention.LayerNorm",
            ],
        };
        LayerNames {
            query: at(query),
            key: at(key),
            value: at(value),
            output: at(output),
            attention_norm: at(attention_norm),
            wide: at("intermediate.dense"),
            narrow: at("output.dense"),
            output_norm: at("output.LayerNorm"),
        }
    }
}

/// Names of the parts of a layer, each with a `.weight` and a `.bias`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerNames {
    /// Queries.
    pub query: String,
    /// Keys.
    pub key: String,
    /// Values.
    pub value: String,
    /// The output projection of the attention heads.
    pub output: String,
    /// Normalisation after the attention.
    pub attention_norm: String,
    /// First matrix of the feed-forward part.
    pub wide: String,
    /// Second matrix of the feed-forward part.
    pub narrow: String,
    /// Normalisation after the layer.
    pub output_norm: String,
}

fn json(path: &Path) -> Result<Value, EncoderError> {
    let bad = |reason: String| EncoderError::File { path: path.to_owned(), reason };
    let text = fs::read_to_string(path).map_err(|cause| bad(cause.to_string()))?;
    serde_json::from_str(&text).map_err(|cause| bad(cause.to_string()))
}
