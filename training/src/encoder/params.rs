//! How an encoder tier is fitted, as configured by a recipe's `[response.encoder]` or `[prompt.fit.encoder]`.

use std::path::PathBuf;

use demur_predictor::SeenPrompts;
use demur_predictor::encoder::Reads;
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;
use crate::recipe::source::{DataSource, one_or_several};

/// The fit of an encoder tier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderParams {
    /// The base model: a folder with `config.json`, `model.safetensors` and `vocab.txt`, or its name in a
    /// folder of encoders (`.bert`, or `DEMUR_ENCODERS`).
    pub base: String,
    /// The licence of the base model, for the model card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// What it reads. Default: prompt and response as a pair if a view reads the response, otherwise the
    /// prompt; 128 tokens, 48 of them for the prompt of a pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Reads>,
    /// Whether it is asked of texts in the Latin alphabet alone. Default: no, of all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub latin_only: bool,
    /// The languages (ISO 639) of the texts that it is asked of, beside those whose language cannot be told; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// The layers, counted from 1, whose mean states are concatenated into an embedding. Default: the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taps: Vec<usize>,
    /// Inverse strength of the head's penalty, like the fit's own `c`, for embeddings scaled to a standard
    /// deviation of 1. With several values, inner cross-validation picks the best. Default: 0.001, 0.003,
    /// 0.01 and 0.03.
    #[serde(default = "default_c", deserialize_with = "crate::recipe::values::one_or_several")]
    pub c: Vec<f64>,
    /// Whether a second level, fitted on out-of-fold logits, combines the logits of both tiers. Default:
    /// true.
    #[serde(default = "yes")]
    pub stack: bool,
    /// The share of inputs that the n-gram tier answers alone: those that it is most certain of. Default: 0,
    /// none.
    #[serde(default)]
    pub cheap: f64,
    /// How many inputs of the fit the model stores, including their text, to name the nearest ones in
    /// explanations. Default: 0.
    #[serde(default)]
    pub known: usize,
    /// Another task that the encoder learns first. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intermediate: Option<Intermediate>,
    /// How the encoder itself is fitted. Default: it stays unchanged, and only the head is fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune: Option<TuneParams>,
    /// Texts without labels from which the n-gram tier learns what the encoder knows. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distil: Option<Distil>,
    /// The folder that file names are relative to. It depends on the machine, so no manifest contains it.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Prompts that must not enter the fit, because it will be evaluated on them.
    #[serde(skip)]
    pub withheld: SeenPrompts,
}

/// A task with more rows than the main one. What the encoder learns from it stays in the encoder (with
/// `tune`), and the score of the task's own head is an additional input of the head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intermediate {
    /// Labelled rows. Rows whose prompts are among the rows of the fit, or of its evaluation, are left out.
    #[serde(deserialize_with = "one_or_several")]
    pub data: Vec<DataSource>,
    /// How the encoder is fitted on them. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune: Option<TuneParams>,
}

/// Knowledge distillation (Hinton, Vinyals and Dean 2015): the encoder with its head scores many texts, and
/// the n-grams are fitted on those too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distil {
    /// Rows with the text that the model classifies; their labels are ignored. Rows whose prompts are among
    /// the rows of the fit, or of its evaluation, are left out.
    #[serde(deserialize_with = "one_or_several")]
    pub data: Vec<DataSource>,
    /// The weight of each row in the n-grams' fit. Default: 1.
    #[serde(default = "one")]
    pub weight: f64,
}

/// Precision of the computation in a fit; what is learned is stored in single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    Single,
    /// 16 bits with the range of 32: several times faster on processors with native support (AMX,
    /// AVX512-BF16).
    Bfloat16,
}

/// The fit of the encoder's own parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TuneParams {
    /// Passes over the rows. Default: 4.
    pub epochs: usize,
    /// Rows per step. Default: 32.
    pub batch: usize,
    /// Learning rate at its highest. Default: 0.00005.
    pub rate: f64,
    /// Learning rate of the head. Default: 0.001.
    pub head_rate: f64,
    /// Factor of the learning rate from one layer to the layer below. Default: 1.
    pub layer_decay: f64,
    /// Weight decay. Default: 0.01.
    pub decay: f64,
    /// Share of the steps over which the rate rises; over the rest it falls to 0. Default: 0.1.
    pub warm_up: f64,
    /// The maximum gradient norm. Default: 1.
    pub clip: f64,
    /// How many layers are fitted, from the top; those below, and the token embeddings, stay unchanged.
    /// Default: all layers and the embeddings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// How far a hard label is moved towards one half. Default: 0.
    pub smoothing: f64,
    /// Share of the rows that are held out to find the best epoch and to fit the second level. Default: 0.15.
    pub validation: f64,
    /// With 2 or more, each fold is held out in turn instead. That costs one fit per fold, and every row gets
    /// an out-of-fold logit. Default: 0.
    pub folds: usize,
    /// The fit ends after this number of epochs without improvement. Default: 2.
    pub patience: usize,
    /// Precision of the computation. Default: single.
    pub precision: Precision,
}

impl Default for TuneParams {
    fn default() -> Self {
        Self {
            epochs: 4,
            batch: 32,
            rate: 5e-5,
            head_rate: 1e-3,
            layer_decay: 1.0,
            decay: 0.01,
            warm_up: 0.1,
            clip: 1.0,
            layers: None,
            smoothing: 0.0,
            validation: 0.15,
            folds: 0,
            patience: 2,
            precision: Precision::Single,
        }
    }
}

fn default_c() -> Vec<f64> {
    vec![0.001, 0.003, 0.01, 0.03]
}
const fn yes() -> bool {
    true
}
const fn one() -> f64 {
    1.0
}

impl EncoderParams {
    /// Checks everything that can be checked without the encoder.
    ///
    /// # Errors
    /// [`TrainingError::Parameter`].
    pub fn check(&self) -> Result<(), TrainingError> {
        let wrong = |name, value, wanted| Err(TrainingError::Parameter { name, value, wanted });
        if self.c.is_empty() {
            return wrong("encoder.c", 0.0, "a number, or a list of one or more");
        }
        for &c in &self.c {
            if !(c.is_finite() && c > 0.0) {
                return wrong("encoder.c", c, "a finite number above 0");
            }
        }
        if !self.taps.is_empty() && self.tune.is_some() {
            let first = self.taps[0] as f64;
            return wrong("encoder.taps", first, "left out with `tune`, which fits the last layer's states");
        }
        if !(0.0..1.0).contains(&self.cheap) {
            return wrong("encoder.cheap", self.cheap, "from 0 to below 1");
        }
        let (tokens, prompt_tokens) = match self.reads {
            None => (128, 48),
            Some(Reads::Prompt { tokens } | Reads::Response { tokens }) => (tokens, 0),
            Some(Reads::Both { tokens, prompt_tokens }) => (tokens, prompt_tokens),
        };
        if tokens < 8 {
            return wrong("encoder.reads.tokens", tokens as f64, "8 or more");
        }
        if prompt_tokens + 8 > tokens {
            return wrong("encoder.reads.prompt_tokens", prompt_tokens as f64, "at least 8 below `tokens`");
        }
        if let Some(distil) = &self.distil {
            if !(distil.weight.is_finite() && distil.weight > 0.0) {
                return wrong("encoder.distil.weight", distil.weight, "a finite number above 0");
            }
            if self.tune.is_some() {
                let wanted = "left out with `tune`: it needs the heads of an encoder that stays as it is";
                return wrong("encoder.distil", distil.weight, wanted);
            }
        }
        let of_intermediate = self.intermediate.as_ref().and_then(|task| task.tune.as_ref());
        let learned_first = self.intermediate.iter().flat_map(|task| &task.data);
        for source in learned_first.chain(self.distil.iter().flat_map(|distil| &distil.data)) {
            source.check()?;
        }
        self.tune.iter().chain(of_intermediate).try_for_each(TuneParams::check)
    }
}

impl TuneParams {
    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        let wrong = |name, value, wanted| Err(TrainingError::Parameter { name, value, wanted });
        for (name, value) in
            [("tune.epochs", self.epochs), ("tune.batch", self.batch), ("tune.patience", self.patience)]
        {
            if value == 0 {
                return wrong(name, 0.0, "1 or more");
            }
        }
        for (name, value) in
            [("tune.rate", self.rate), ("tune.head_rate", self.head_rate), ("tune.clip", self.clip)]
        {
            if !(value.is_finite() && value > 0.0) {
                return wrong(name, value, "a finite number above 0");
            }
        }
        for (name, value) in
            [("tune.decay", self.decay), ("tune.warm_up", self.warm_up), ("tune.smoothing", self.smoothing)]
        {
            if !(0.0..1.0).contains(&value) {
                return wrong(name, value, "from 0 to below 1");
            }
        }
        if !(self.layer_decay > 0.0 && self.layer_decay <= 1.0) {
            return wrong("tune.layer_decay", self.layer_decay, "above 0, at most 1");
        }
        if !(0.02..=0.5).contains(&self.validation) {
            return wrong("tune.validation", self.validation, "from 0.02 to 0.5");
        }
        if self.folds == 1 {
            return wrong("tune.folds", 1.0, "0, or 2 or more");
        }
        Ok(())
    }
}
