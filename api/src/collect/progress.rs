//! How far a run has come, for whoever watches it.

use std::time::Duration;

use demur_training::wilson;
use serde_json::{Value, json};

use crate::collect::limits::Price;
use crate::store::Spent;

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Progress {
    /// Answers that are wanted: prompts by samples.
    pub(crate) wanted: u64,
    /// Those that the store had before.
    pub(crate) before: u64,
    /// Those that came in this run.
    pub(crate) answered: u64,
    /// Of all of them, by the classifier.
    pub(crate) refused: u64,
    pub(crate) complied: u64,
    /// Prompts that were given up, after all tries.
    pub(crate) failed: u64,
    /// Requests of this run.
    pub(crate) requests: u64,
    /// What was spent under these settings, with earlier runs.
    pub(crate) spent: Spent,
    pub(crate) price: Option<Price>,
    pub(crate) elapsed: Duration,
}

impl Progress {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.answered as f64 / seconds } else { 0.0 }
    }

    /// About how long the rest takes.
    pub(crate) fn left(&self) -> Option<Duration> {
        let open = self.wanted.saturating_sub(self.before + self.answered + self.failed);
        (self.answered > 0).then(|| Duration::try_from_secs_f64(open as f64 / self.rate()).ok()).flatten()
    }

    /// What all requests under these settings have cost.
    pub(crate) fn cost(&self) -> Option<f64> {
        self.price.map(|price| price.of(self.spent.prompt_tokens, self.spent.completion_tokens))
    }

    /// The share of refusals among what could be judged, with its 95% interval; `None` before there is
    /// anything.
    pub(crate) fn refusals(&self) -> Option<(f64, (f64, f64))> {
        let judged = self.refused + self.complied;
        let rate = self.refused as f64 / judged as f64;
        (judged > 0).then(|| (rate, wilson(self.refused as usize, judged as usize)))
    }

    /// How far it is, in one line.
    pub(crate) fn line(&self) -> String {
        let done = self.before + self.answered;
        let mut line = format!(
            "{done} of {} answers, {:.1} a second, {} refused",
            self.wanted,
            self.rate(),
            self.refused
        );
        if let Some((rate, _)) = self.refusals() {
            line += &format!(" ({rate:.3})");
        }
        if self.failed > 0 {
            line += &format!(", {} given up", self.failed);
        }
        line += &format!(", {} tokens", self.spent.prompt_tokens + self.spent.completion_tokens);
        if let Some(cost) = self.cost() {
            line += &format!(", cost {cost:.4}");
        }
        if let Some(left) = self.left() {
            line += &format!(", about {} s left", left.as_secs());
        }
        line
    }

    /// The same as JSON.
    pub(crate) fn json(&self) -> Value {
        let refusals = self.refusals();
        json!({
            "wanted": self.wanted,
            "before": self.before,
            "answered": self.answered,
            "refused": self.refused,
            "complied": self.complied,
            "failed": self.failed,
            "requests": self.requests,
            "requests_in_all": self.spent.requests,
            "prompt_tokens": self.spent.prompt_tokens,
            "completion_tokens": self.spent.completion_tokens,
            "cost": self.cost(),
            "refusal_rate": refusals.map(|(rate, _)| rate),
            "interval": refusals.map(|(_, (low, high))| [low, high]),
            "seconds": self.elapsed.as_secs_f64(),
        })
    }
}

/// Receives the progress of a run, several times a second.
pub(crate) trait Watch {
    /// How far it is now.
    fn at(&self, progress: &Progress);
    /// Whether the user wants it to end.
    fn is_interrupted(&self) -> bool;
}
