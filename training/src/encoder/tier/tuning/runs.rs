//! One run of the loop: epochs on some rows, each evaluated on the held-out ones, with a checkpoint after
//! each.

use std::time::Instant;

use demur_predictor::encoder::{Head, Weights};
use demur_predictor::sigmoid;

use crate::encoder::progress::EncoderProgress;
use crate::encoder::tier::tuning::checkpoint::{Checkpoint, HeldOut, failed};
use crate::encoder::tier::tuning::learner::Learner;
use crate::encoder::tier::tuning::rows::Runs;
use crate::error::TrainingError;
use crate::metrics::{auroc, log_loss};

/// The result of one run of the loop.
pub(crate) struct Run {
    pub(crate) weights: Weights,
    pub(crate) head: Head,
    pub(crate) epochs: Vec<HeldOut>,
}

impl Runs<'_> {
    /// Reports how long some runs over these rows will take, from the time of two steps.
    pub(crate) fn estimate(&self, rows: &[usize], runs: usize) -> Result<(), TrainingError> {
        let batches = self.batches(rows, 0);
        // The first step includes one-time setup.
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
        self.encoders.reporter.report(&EncoderProgress::Estimate {
            rows: rows.len(),
            layers: (self.base.config.layers - learner.first, self.base.config.layers),
            epochs: runs * self.params.epochs,
            seconds: seconds / share * (runs * self.params.epochs) as f64,
        });
        Ok(())
    }

    /// Removes the checkpoints of all runs over these rows, because their fit is done.
    pub(crate) fn forget(&self) {
        Checkpoint::forget(self.encoders, &self.family());
    }

    /// The folder of checkpoints that these runs share.
    fn family(&self) -> String {
        let all: Vec<usize> = (0..self.rows.tokens.len()).collect();
        self.key(&all, &[])
    }

    /// Fits on some rows, and scores the held-out ones after each epoch. The fit ends early if the loss on
    /// those has not fallen for `patience` epochs.
    pub(crate) fn run(
        &self,
        train: &[usize],
        held_out: &[usize],
        epochs: usize,
    ) -> Result<Run, TrainingError> {
        let mut learner = Learner::new(self, &[train, held_out].concat())?;
        let checkpoint = Checkpoint::at(self.encoders, &self.family(), &self.key(train, held_out));
        let mut kept: Vec<HeldOut> = Vec::new();
        if self.encoders.resumes
            && let Some(found) = checkpoint.read()?
        {
            learner.restore(&found.state, found.steps)?;
            kept = found.epochs;
            self.encoders.reporter.report(&EncoderProgress::Resumed { epochs: kept.len() });
        }
        let started = Instant::now();
        let before = kept.len();
        for epoch in before..epochs {
            if !held_out.is_empty() && self.is_spent(&kept, held_out) {
                break;
            }
            let began = Instant::now();
            let loss = learner.epoch(train, epoch, (started, before))?;
            let predicted =
                if held_out.is_empty() { HeldOut::default() } else { learner.predict(held_out)? };
            let validation = (!held_out.is_empty()).then(|| self.figures(&predicted, held_out));
            self.encoders.reporter.report(&EncoderProgress::Epoch {
                epoch: epoch + 1,
                epochs: self.params.epochs,
                loss,
                validation,
                seconds: began.elapsed().as_secs_f64(),
            });
            kept.push(predicted);
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

    /// Whether the last epochs brought no improvement.
    fn is_spent(&self, kept: &[HeldOut], rows: &[usize]) -> bool {
        let losses: Vec<f64> = kept.iter().map(|said| self.figures(said, rows).0).collect();
        let best = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap_or(0);
        losses.len() > best + self.params.patience
    }
}
