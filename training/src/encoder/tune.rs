//! The loop that fits an encoder: batches of texts of like length, a rate that rises and falls, a checkpoint after each
//! epoch.
//!
//! The numbers that chance has a say in are drawn anew from the seed at the beginning of each epoch, so that a fit that goes
//! on from a checkpoint ends where it would have ended.

use std::time::Instant;

use demur_data::shuffled;
use demur_predictor::encoder::{Context, Head, TokenBatch, Tokens, TorchEncoder, Weights, batches};
use demur_predictor::{sha256, sigmoid};
use tch::{Kind, Reduction, Tensor, no_grad};

use crate::encoder::adamw::{AdamW, Param};
use crate::encoder::checkpoint::{Checkpoint, failed};
use crate::encoder::params::{Precision, TuneParams};
use crate::encoder::report::Report;
use crate::encoder::workshop::{Bench, Workshop};
use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::logistic::ClassWeight;
use crate::metrics::{auroc, log_loss};

/// States of frozen layers are kept up to so many bytes; beyond, they are computed again each time.
const MOST_STATES: usize = 3 << 30;
/// Batches whose rows are sorted by length together: wider, and an epoch is less random.
const BUCKET: usize = 16;

/// The rows of a fit.
pub(crate) struct TuneRows {
    tokens: Vec<Tokens>,
    targets: Vec<f64>,
    weights: Vec<f64>,
    labels: Vec<bool>,
}

impl TuneRows {
    pub(crate) fn of(
        examples: &Examples<'_>,
        tokens: Vec<Tokens>,
        class_weight: ClassWeight,
        params: &TuneParams,
    ) -> Self {
        let draw = |target: f64| (1.0 - params.smoothing).mul_add(target, params.smoothing / 2.0);
        let rows = || examples.weights.iter().zip(&examples.targets);
        let refused: f64 = rows().map(|(weight, target)| weight * target).sum();
        let total: f64 = examples.weights.iter().sum();
        let (of_refused, of_others) = class_weight.factors(refused, total - refused);
        let weights = rows()
            .map(|(weight, target)| weight * (target * of_refused + (1.0 - target) * of_others))
            .collect();
        Self {
            tokens,
            targets: examples.targets.iter().map(|&target| draw(target)).collect(),
            weights,
            labels: examples.labels(),
        }
    }
}

/// What one run of the loop left.
pub(crate) struct Run {
    pub(crate) weights: Weights,
    pub(crate) head: Head,
    pub(crate) epochs: Vec<HeldOut>,
}

/// What was said of held-out rows after an epoch; empty where none were held out.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeldOut {
    pub(crate) logits: Vec<f64>,
    pub(crate) embeddings: Vec<f32>,
}

/// Runs of the loop on parts of the same rows.
pub(crate) struct Runs<'a> {
    pub(crate) params: &'a TuneParams,
    pub(crate) bench: &'a Bench,
    pub(crate) rows: &'a TuneRows,
    pub(crate) seed: u64,
}

/// An encoder while it is fitted.
struct Learner<'a> {
    runs: &'a Runs<'a>,
    encoder: TorchEncoder,
    weight: Tensor,
    bias: Tensor,
    adam: AdamW,
    /// The first layer that is fitted.
    first: usize,
    /// States of each row before that layer, where they are kept.
    states: Vec<Option<Tensor>>,
}

impl Runs<'_> {
    /// Stands for a run: the same key, the same outcome.
    pub(crate) fn key(&self, train: &[usize], held_out: &[usize]) -> String {
        let mut bytes = format!("{:?} {} {}", self.params, self.seed, self.bench.digest).into_bytes();
        for rows in [train, held_out] {
            bytes.extend((rows.len() as u64).to_le_bytes());
            for &row in rows {
                bytes.extend(self.rows.tokens[row].ids.iter().flat_map(|id| id.to_le_bytes()));
                bytes.extend(self.rows.targets[row].to_le_bytes());
                bytes.extend(self.rows.weights[row].to_le_bytes());
            }
        }
        sha256(&bytes)[..24].to_owned()
    }

    /// Says how long some runs over these rows will take, from the time of two steps.
    pub(crate) fn estimate(&self, rows: &[usize], runs: usize) -> Result<(), TrainingError> {
        let batches = self.batches(rows, 0);
        // The first step pays for what is set up once.
        let middle = batches.get(batches.len() / 2).map_or(&[][..], Vec::as_slice);
        let learner = Learner::new(self, middle)?;
        let mut seconds = 0.0;
        for _ in 0..2 {
            let started = Instant::now();
            learner.loss(middle, true)?.backward();
            seconds = started.elapsed().as_secs_f64();
        }
        let size = |rows: &[usize]| rows.iter().map(|&row| self.rows.tokens[row].ids.len()).sum::<usize>();
        let share = size(middle) as f64 / size(rows).max(1) as f64;
        Workshop::shared().report(&Report::Estimate {
            rows: rows.len(),
            layers: (self.bench.config.layers - learner.first, self.bench.config.layers),
            epochs: runs * self.params.epochs,
            seconds: seconds / share * (runs * self.params.epochs) as f64,
        });
        Ok(())
    }

    /// Rows in batches, shuffled, those of a batch of like length.
    fn batches(&self, rows: &[usize], epoch: usize) -> Vec<Vec<usize>> {
        let size = self.params.batch;
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(epoch as u64);
        let mut order: Vec<usize> = shuffled(rows.len(), seed).into_iter().map(|at| rows[at]).collect();
        for bucket in order.chunks_mut(BUCKET * size) {
            bucket.sort_by_key(|&row| self.rows.tokens[row].ids.len());
        }
        let batches: Vec<Vec<usize>> = order.chunks(size).map(<[usize]>::to_vec).collect();
        shuffled(batches.len(), seed.wrapping_add(1)).into_iter().map(|at| batches[at].clone()).collect()
    }

    /// Removes the checkpoints of all runs over these rows: the fit that they were for is done.
    pub(crate) fn forget(&self) {
        Checkpoint::forget(&self.family());
    }

    /// The folder of checkpoints that these runs share.
    fn family(&self) -> String {
        let all: Vec<usize> = (0..self.rows.tokens.len()).collect();
        self.key(&all, &[])
    }

    /// Fits on some rows, and says after each epoch what it makes of those held out. The fit ends early when the loss on
    /// those has not fallen for as many epochs as the patience.
    pub(crate) fn run(
        &self,
        train: &[usize],
        held_out: &[usize],
        epochs: usize,
    ) -> Result<Run, TrainingError> {
        let workshop = Workshop::shared();
        let mut learner = Learner::new(self, &[train, held_out].concat())?;
        let checkpoint = Checkpoint::at(&self.family(), &self.key(train, held_out));
        let mut kept: Vec<HeldOut> = Vec::new();
        if workshop.resumes()
            && let Some(found) = checkpoint.read()?
        {
            learner.restore(&found.state, found.steps)?;
            kept = found.epochs;
            workshop.report(&Report::Resumed { epochs: kept.len() });
        }
        let started = Instant::now();
        let before = kept.len();
        for epoch in before..epochs {
            if !held_out.is_empty() && self.is_spent(&kept, held_out) {
                break;
            }
            let began = Instant::now();
            let loss = learner.epoch(train, epoch, (started, before))?;
            let said = if held_out.is_empty() { HeldOut::default() } else { learner.judge(held_out)? };
            let validation = (!held_out.is_empty()).then(|| self.figures(&said, held_out));
            workshop.report(&Report::Epoch {
                epoch: epoch + 1,
                epochs: self.params.epochs,
                loss,
                validation,
                seconds: began.elapsed().as_secs_f64(),
            });
            kept.push(said);
            checkpoint.write(&learner.state(), learner.adam.steps, &kept)?;
        }
        let head = Head {
            weights: Vec::try_from(learner.weight.detach()).map_err(|cause| failed(&cause))?,
            bias: learner.bias.detach().double_value(&[]),
        };
        Ok(Run { weights: learner.weights()?, head, epochs: kept })
    }

    fn figures(&self, said: &HeldOut, rows: &[usize]) -> (f64, f64) {
        let labels: Vec<bool> = rows.iter().map(|&row| self.rows.labels[row]).collect();
        let p: Vec<f64> = said.logits.iter().map(|&logit| sigmoid(logit)).collect();
        (log_loss(&p, &labels), auroc(&p, &labels))
    }

    /// Whether the last epochs brought nothing.
    fn is_spent(&self, kept: &[HeldOut], rows: &[usize]) -> bool {
        let losses: Vec<f64> = kept.iter().map(|said| self.figures(said, rows).0).collect();
        let best = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap_or(0);
        losses.len() > best + self.params.patience
    }
}

impl<'a> Learner<'a> {
    /// A base model with a head of zeros; states of frozen layers are kept for the rows that are named.
    fn new(runs: &'a Runs<'a>, rows: &[usize]) -> Result<Self, TrainingError> {
        let (params, bench) = (runs.params, runs.bench);
        let layers = bench.config.layers;
        let first = params.layers.map_or(0, |fitted| layers.saturating_sub(fitted));
        let mut encoder = TorchEncoder::new(&bench.config, &bench.weights)?;
        if params.precision == Precision::Bfloat16 {
            encoder.set_kind(Kind::BFloat16);
        }
        let head =
            |size: &[i64]| Tensor::zeros(size, (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
        let (weight, bias) = (head(&[bench.config.hidden as i64]), head(&[]));
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

    /// Runs the frozen layers once over some rows, where there are such layers and the states fit into memory.
    fn keep_states(&mut self, rows: &[usize]) -> Result<(), TrainingError> {
        self.states = (0..self.runs.rows.tokens.len()).map(|_| None).collect();
        let tokens: Vec<Tokens> = rows.iter().map(|&row| self.runs.rows.tokens[row].clone()).collect();
        let numbers: usize =
            tokens.iter().map(|row| row.ids.len()).sum::<usize>() * self.runs.bench.config.hidden;
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
        let batch = TokenBatch::of(&self.runs.bench.config, &tokens);
        // Layers that stay as they are have no dropout.
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
                let batch = TokenBatch::of(&self.runs.bench.config, &tokens);
                let hidden = self.runs.bench.config.hidden as i64;
                let kind = kept.first().map_or(Kind::Float, |state| state.kind());
                let shape = [batch.rows as i64, batch.length as i64, hidden];
                let states = Tensor::zeros(shape, (kind, tch::Device::Cpu));
                for (at, state) in kept.iter().enumerate() {
                    states.get(at as i64).narrow(0, 0, state.size()[0]).copy_(state);
                }
                (states, TorchEncoder::context(&batch, kind)?)
            }
        };
        let last = self.runs.bench.config.layers;
        let states = self.encoder.advance(states, &context, self.first..last, train);
        Ok(TorchEncoder::pool(&states, &context))
    }

    fn logits(&self, embeddings: &Tensor) -> Tensor {
        embeddings.matmul(&self.weight) + &self.bias
    }

    /// The mean loss of a batch.
    fn loss(&self, rows: &[usize], train: bool) -> Result<Tensor, TrainingError> {
        let embeddings = self.embed(rows, train)?.dropout(self.runs.bench.config.dropout, train);
        let of = |numbers: &[f64]| {
            let numbers: Vec<f32> = rows.iter().map(|&row| numbers[row] as f32).collect();
            Tensor::from_slice(&numbers)
        };
        let (targets, weights) = (of(&self.runs.rows.targets), of(&self.runs.rows.weights));
        let logits = self.logits(&embeddings);
        let none = None::<&Tensor>;
        Ok(logits.binary_cross_entropy_with_logits(&targets, Some(&weights), none, Reduction::Mean))
    }

    /// One pass over the rows: the mean loss.
    fn epoch(
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
            Workshop::shared().report(&Report::Step {
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

    /// What the encoder makes of some rows.
    fn judge(&self, rows: &[usize]) -> Result<HeldOut, TrainingError> {
        let hidden = self.runs.bench.config.hidden;
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

    fn state(&self) -> Vec<(String, Tensor)> {
        self.adam.state()
    }

    fn restore(&mut self, state: &[(String, Tensor)], steps: u32) -> Result<(), TrainingError> {
        self.adam.steps = steps;
        self.adam.restore(state)
    }

    /// What has been learned, in single precision.
    fn weights(&self) -> Result<Weights, TrainingError> {
        let fitted = &self.adam.params;
        Ok(Weights::gather(&self.runs.bench.config, |name| {
            match fitted.iter().find(|param| param.name == name) {
                Some(param) => Vec::try_from(param.master().detach().flatten(0, -1)).ok(),
                None => self.runs.bench.weights.get(name).ok().map(|(_, numbers)| numbers.to_vec()),
            }
        })?)
    }
}

/// The layer that a tensor belongs to; none for embeddings.
fn layer_of(name: &str) -> Option<usize> {
    name.strip_prefix("encoder.layer.")?.split('.').next()?.parse().ok()
}
