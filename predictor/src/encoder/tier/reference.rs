//! The forward pass of both encoders in plain Rust, one number at a time. The back ends are tested against it
//! when the weights of a real encoder are not available.

#![allow(clippy::unwrap_used)]

use crate::encoder::config::{Architecture, EncoderConfig, LayerNames};
use crate::encoder::tier::relative;
use crate::encoder::tier::tokens::TokenBatch;
use crate::encoder::tier::weights::Weights;

type Rows = Vec<Vec<f64>>;

/// The embeddings of a batch, text by text: padding is left out, as the back ends mask it.
pub(super) fn embed(config: &EncoderConfig, weights: &Weights, batch: &TokenBatch) -> Vec<f64> {
    let row = |row: usize| {
        let tokens = row * batch.length..(row + 1) * batch.length;
        let text: Vec<usize> = tokens.filter(|&token| batch.mask[token] == 1).collect();
        let ids = text.iter().map(|&token| batch.ids[token] as usize).collect::<Vec<_>>();
        let types = text.iter().map(|&token| batch.types[token] as usize).collect::<Vec<_>>();
        Reference { config, weights }.text(&ids, &types)
    };
    (0..batch.rows).flat_map(row).collect()
}

struct Reference<'a> {
    config: &'a EncoderConfig,
    weights: &'a Weights,
}

impl Reference<'_> {
    fn text(&self, ids: &[usize], types: &[usize]) -> Vec<f64> {
        let first = match self.config.architecture {
            Architecture::Bert => 0,
            Architecture::Mpnet => self.config.pad as usize + 1,
        };
        let tokens = ids.iter().zip(types).enumerate().map(|(place, (&id, &kind))| {
            let mut sum = self.row("embeddings.word_embeddings", id);
            add(&mut sum, &self.row("embeddings.position_embeddings", first + place));
            if self.config.architecture == Architecture::Bert {
                add(&mut sum, &self.row("embeddings.token_type_embeddings", kind));
            }
            sum
        });
        let mut tokens = self.norm("embeddings.LayerNorm", tokens.collect());
        let mut means = Vec::new();
        for layer in 1..=self.config.layers {
            tokens = self.layer(&self.config.layer(layer - 1), &tokens);
            if self.config.taps().contains(&layer) {
                let mean = |at| tokens.iter().map(|token| token[at]).sum::<f64>() / tokens.len() as f64;
                means.extend((0..self.config.hidden).map(mean));
            }
        }
        means
    }

    fn layer(&self, names: &LayerNames, tokens: &Rows) -> Rows {
        let [query, key, value] =
            [&names.query, &names.key, &names.value].map(|name| self.dense(name, tokens));
        let mut mixed = vec![Vec::new(); tokens.len()];
        for head in 0..self.config.heads {
            self.head(head, [&query, &key, &value], &mut mixed);
        }
        let tokens = self.norm(&names.attention_norm, sum(self.dense(&names.output, &mixed), tokens));
        let mut wide = self.dense(&names.wide, &tokens);
        wide.iter_mut().flatten().for_each(|number| *number = gelu(*number));
        let narrow = self.dense(&names.narrow, &wide);
        self.norm(&names.output_norm, sum(narrow, &tokens))
    }

    /// Appends one head's mix of the texts' values.
    fn head(&self, head: usize, [query, key, value]: [&Rows; 3], mixed: &mut Rows) {
        let width = self.config.hidden / self.config.heads;
        let part = head * width..(head + 1) * width;
        for (from, mixed) in mixed.iter_mut().enumerate() {
            let score = |to: usize| {
                dot(&query[from][part.clone()], &key[to][part.clone()]) / (width as f64).sqrt()
                    + self.bias(head, to as i64 - from as i64)
            };
            let shares: Vec<f64> = (0..key.len()).map(|to| score(to).exp()).collect();
            let total: f64 = shares.iter().sum();
            let mean =
                |at| shares.iter().zip(value).map(|(share, value)| share * value[at]).sum::<f64>() / total;
            mixed.extend(part.clone().map(mean));
        }
    }

    fn bias(&self, head: usize, offset: i64) -> f64 {
        match self.config.architecture {
            Architecture::Bert => 0.0,
            Architecture::Mpnet => {
                let bucket = relative::bucket(offset, self.config.buckets);
                self.row("encoder.relative_attention_bias", bucket)[head]
            }
        }
    }

    fn dense(&self, name: &str, rows: &Rows) -> Rows {
        let bias = self.vector(&format!("{name}.bias"));
        let weight: Rows = (0..bias.len()).map(|at| self.row(name, at)).collect();
        let one =
            |row: &Vec<f64>| weight.iter().zip(&bias).map(|(weight, bias)| dot(weight, row) + bias).collect();
        rows.iter().map(one).collect()
    }

    fn norm(&self, name: &str, mut rows: Rows) -> Rows {
        let (weight, bias) = (self.vector(&format!("{name}.weight")), self.vector(&format!("{name}.bias")));
        for row in &mut rows {
            let mean = row.iter().sum::<f64>() / row.len() as f64;
            let variance = row.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / row.len() as f64;
            let deviation = (variance + self.config.layer_norm_eps).sqrt();
            for (number, (weight, bias)) in row.iter_mut().zip(weight.iter().zip(&bias)) {
                *number = (*number - mean) / deviation * weight + bias;
            }
        }
        rows
    }

    fn vector(&self, name: &str) -> Vec<f64> {
        self.weights.get(name).unwrap().1.iter().copied().map(f64::from).collect()
    }

    fn row(&self, name: &str, at: usize) -> Vec<f64> {
        let (shape, numbers) = self.weights.get(&format!("{name}.weight")).unwrap();
        numbers[at * shape[1]..(at + 1) * shape[1]].iter().copied().map(f64::from).collect()
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn add(sum: &mut [f64], other: &[f64]) {
    sum.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
}

fn sum(mut left: Rows, right: &Rows) -> Rows {
    left.iter_mut().zip(right).for_each(|(left, right)| add(left, right));
    left
}

fn gelu(x: f64) -> f64 {
    x / 2.0 * (1.0 + erf(x / std::f64::consts::SQRT_2))
}

/// The error function by its series, which is accurate enough for the range of these weights.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let mut term = x;
    let mut sum = x;
    for n in 1..200_u32 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}

#[test]
fn the_error_function_is_right() {
    for (x, expected) in
        [(0.0, 0.0), (0.5, 0.520_499_877_813_046_5), (-1.0, -0.842_700_792_949_714_9), (7.0, 1.0)]
    {
        assert!((erf(x) - expected).abs() < 1e-12, "{x}");
    }
    // The series loses digits as x grows; single precision does not notice.
    assert!((erf(3.5) - 0.999_999_256_901_627_7).abs() < 1e-9);
}
