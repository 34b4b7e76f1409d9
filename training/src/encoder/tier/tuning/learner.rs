//! The loop that fits an encoder: batches of texts of similar length, a rate that rises and then falls.
//!
//! Random numbers are seeded again at the start of each epoch, so that a fit resumed from a checkpoint ends
//! with the same result as an uninterrupted one.

use std::time::Instant;

use demur_predictor::encoder::{Context, TokenBatch, Tokens, TorchEncoder, Weights, batches};
use tch::{Kind, Reduction, Tensor, no_grad};

use crate::encoder::params::Precision;
use crate::encoder::progress::EncoderProgress;
use crate::encoder::tier::tuning::adamw::{AdamW, Param};
use crate::encoder::tier::tuning::checkpoint::{HeldOut, failed};
use crate::encoder::tier::tuning::rows::Runs;
use crate::error::TrainingError;

/// Up to this number of bytes, states of frozen layers are stored; above it, they are recomputed each time.
const MOST_STATES: usize = 3 << 30;

/// An encoder during its fit.
pub(crate) struct Learner<'a> {
    runs: &'a Runs<'a>,
    encoder: TorchEncoder,
    pub(crate) weight: Tensor,
    pub(crate) bias: Tensor,
    pub(crate) adam: AdamW,
    /// The first layer that is fitted.
    pub(crate) first: usize,
    /// States of each row before that layer, if they are stored.
    states: Vec<Option<Tensor>>,
}

impl<'a> Learner<'a> {
    /// A base model with a head of zeros; states of frozen layers are stored for the given rows.
    pub(crate) fn new(runs: &'a Runs<'a>, rows: &[usize]) -> Result<Self, TrainingError> {
        let (params, base) = (runs.params, runs.base);
        let layers = base.config.layers;
        let first = params.layers.map_or(0, |fitted| layers.saturating_sub(fitted));
        let mut encoder = TorchEncoder::new(&base.config, &base.weights)?;
        if params.precision == Precision::Bfloat16 {
            encoder.set_kind(Kind::BFloat16);
        }
        let head =
            |size: &[i64]| Tensor::zeros(size, (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
        let (weight, bias) = (head(&[base.config.hidden as i64]), head(&[]));
        let mut all = Vec::new();
        let mut variables: Vec<(String, Tensor)> = encoder.store().variables().into_iter().collect();
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, variable) in variables {
            let layer = layer_of(&name);
            let fitted = if params.layers.is_some() { layer.is_some_and(|at| at >= first) } else { true };
            let variable = variable.set_requires_grad(fitted);
            if fitted {
                let below = layers - layer.map_or(0, |at| at + 1);
                let scale = params.layer_decay.powi(i32::try_from(below).unwrap_or(i32::MAX));
                all.push(Param::new(name, variable, scale));
            }
        }
        let scale = params.head_rate / params.rate;
        all.push(Param::new("head.weight".to_owned(), weight.shallow_clone(), scale));
        all.push(Param::new("head.bias".to_owned(), bias.shallow_clone(), scale));
        let adam = AdamW { params: all, steps: 0, decay: params.decay, clip: params.clip };
        let mut learner = Self { runs, encoder, weight, bias, adam, first, states: Vec::new() };
        learner.keep_states(rows)?;
        Ok(learner)
    }

    /// Runs the frozen layers once over some rows, if there are such layers and the states fit into memory.
    fn keep_states(&mut self, rows: &[usize]) -> Result<(), TrainingError> {
        self.states = (0..self.runs.rows.tokens.len()).map(|_| None).collect();
        let tokens: Vec<Tokens> = rows.iter().map(|&row| self.runs.rows.tokens[row].clone()).collect();
        let numbers: usize =
            tokens.iter().map(|row| row.ids.len()).sum::<usize>() * self.runs.base.config.hidden;
        let bytes = if self.runs.params.precision == Precision::Single { 4 } else { 2 };
        if self.runs.params.layers.is_none() || numbers * bytes > MOST_STATES {
            return Ok(());
        }
        for batch in batches(&tokens) {
            let of_batch: Vec<usize> = batch.iter().map(|&at| rows[at]).collect();
            let (states, _) = no_grad(|| self.below(&of_batch, false))?;
            for (at, &row) in of_batch.iter().enumerate() {
                let length = self.runs.rows.tokens[row].ids.len() as i64;
                let own = states.get(at as i64).narrow(0, 0, length).copy();
                self.states[row] = Some(own);
            }
        }
        Ok(())
    }

    /// States before the first layer that is fitted.
    fn below(&self, rows: &[usize], train: bool) -> Result<(Tensor, Context), TrainingError> {
        let tokens: Vec<&Tokens> = rows.iter().map(|&row| &self.runs.rows.tokens[row]).collect();
        let batch = TokenBatch::of(&self.runs.base.config, &tokens);
        // Frozen layers have no dropout.
        let all_fitted = self.runs.params.layers.is_none();
        let (states, context) = self.encoder.start(&batch, train && all_fitted)?;
        let states = self.encoder.advance(states, &context, 0..self.first, false);
        Ok((states, context))
    }

    /// The embeddings of some rows: rows x hidden.
    fn embed(&self, rows: &[usize], train: bool) -> Result<Tensor, TrainingError> {
        let kept: Option<Vec<&Tensor>> = rows.iter().map(|&row| self.states[row].as_ref()).collect();
        let (states, context) = match kept {
            None => self.below(rows, train)?,
            Some(kept) => {
                let tokens: Vec<&Tokens> = rows.iter().map(|&row| &self.runs.rows.tokens[row]).collect();
                let batch = TokenBatch::of(&self.runs.base.config, &tokens);
                let hidden = self.runs.base.config.hidden as i64;
                let kind = kept.first().map_or(Kind::Float, |state| state.kind());
                let shape = [batch.rows as i64, batch.length as i64, hidden];
                let states = Tensor::zeros(shape, (kind, tch::Device::Cpu));
                for (at, state) in kept.iter().enumerate() {
                    states.get(at as i64).narrow(0, 0, state.size()[0]).copy_(state);
                }
                (states, TorchEncoder::context(&batch, kind)?)
            }
        };
        let last = self.runs.base.config.layers;
        let states = self.encoder.advance(states, &context, self.first..last, train);
        Ok(TorchEncoder::pool(&states, &context))
    }

    fn logits(&self, embeddings: &Tensor) -> Tensor {
        embeddings.matmul(&self.weight) + &self.bias
    }

    /// The mean loss of a batch.
    pub(crate) fn loss(&self, rows: &[usize], train: bool) -> Result<Tensor, TrainingError> {
        let embeddings = self.embed(rows, train)?.dropout(self.runs.base.config.dropout, train);
        let of = |numbers: &[f64]| {
            let numbers: Vec<f32> = rows.iter().map(|&row| numbers[row] as f32).collect();
            Tensor::from_slice(&numbers)
        };
        let (targets, weights) = (of(&self.runs.rows.targets), of(&self.runs.rows.weights));
        let logits = self.logits(&embeddings);
        let none = None::<&Tensor>;
        Ok(logits.binary_cross_entropy_with_logits(&targets, Some(&weights), none, Reduction::Mean))
    }

    /// One pass over the rows; returns the mean loss.
    pub(crate) fn epoch(
        &mut self,
        rows: &[usize],
        epoch: usize,
        (started, before): (Instant, usize),
    ) -> Result<f64, TrainingError> {
        let params = self.runs.params;
        let seed = self.runs.seed.wrapping_add(epoch as u64).cast_signed();
        tch::manual_seed(seed);
        let batches = self.runs.batches(rows, epoch);
        let (steps, mut sum) = (batches.len(), 0.0);
        let all = (steps * params.epochs) as f64;
        let warm = (params.warm_up * all).max(1.0);
        for (step, batch) in batches.iter().enumerate() {
            let at = (epoch * steps + step) as f64;
            let rate =
                params.rate * if at < warm { (at + 1.0) / warm } else { (all - at) / (all - warm).max(1.0) };
            self.adam.zero_grad();
            let loss = self.loss(batch, true)?;
            loss.backward();
            self.adam.step(rate);
            sum += loss.double_value(&[]);
            let share = (at + 1.0 - (before * steps) as f64) / (all - (before * steps) as f64);
            self.runs.encoders.reporter.report(&EncoderProgress::Step {
                epoch: epoch + 1,
                epochs: params.epochs,
                step: step + 1,
                steps,
                loss: sum / (step + 1) as f64,
                seconds_left: started.elapsed().as_secs_f64() * (1.0 - share) / share,
            });
        }
        Ok(sum / steps.max(1) as f64)
    }

    /// The encoder's outputs for some rows.
    pub(crate) fn predict(&self, rows: &[usize]) -> Result<HeldOut, TrainingError> {
        let hidden = self.runs.base.config.hidden;
        let tokens: Vec<Tokens> = rows.iter().map(|&row| self.runs.rows.tokens[row].clone()).collect();
        let mut said = HeldOut { logits: vec![0.0; rows.len()], embeddings: vec![0.0; rows.len() * hidden] };
        for batch in batches(&tokens) {
            let of_batch: Vec<usize> = batch.iter().map(|&at| rows[at]).collect();
            let (embeddings, logits) = no_grad(|| {
                let embeddings = self.embed(&of_batch, false)?;
                let logits = self.logits(&embeddings);
                Ok::<_, TrainingError>((embeddings, logits))
            })?;
            let embeddings: Vec<f32> =
                Vec::try_from(embeddings.flatten(0, -1)).map_err(|cause| failed(&cause))?;
            let logits: Vec<f32> = Vec::try_from(logits).map_err(|cause| failed(&cause))?;
            for ((&at, logit), embedding) in batch.iter().zip(logits).zip(embeddings.chunks_exact(hidden)) {
                said.logits[at] = f64::from(logit);
                said.embeddings[at * hidden..(at + 1) * hidden].copy_from_slice(embedding);
            }
        }
        Ok(said)
    }

    pub(crate) fn state(&self) -> Vec<(String, Tensor)> {
        self.adam.state()
    }

    pub(crate) fn restore(&mut self, state: &[(String, Tensor)], steps: u32) -> Result<(), TrainingError> {
        self.adam.steps = steps;
        self.adam.restore(state)
    }

    /// What has been learned, in single precision.
    pub(crate) fn weights(&self) -> Result<Weights, TrainingError> {
        let fitted = &self.adam.params;
        Ok(Weights::gather(&self.runs.base.config, |name| {
            match fitted.iter().find(|param| param.name == name) {
                Some(param) => Vec::try_from(param.master().detach().flatten(0, -1)).ok(),
                None => self.runs.base.weights.get(name).ok().map(|(_, numbers)| numbers.to_vec()),
            }
        })?)
    }
}

/// The layer that a tensor belongs to; `None` for embeddings.
fn layer_of(name: &str) -> Option<usize> {
    name.strip_prefix("encoder.layer.")?.split('.').next()?.parse().ok()
}
