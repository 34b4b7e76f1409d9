//! How well predictions agree with the feedback of late, by target, for `/metrics`.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use demur_predictor::Outcome;
use prometheus::{GaugeVec, IntCounterVec};

use crate::drift::Figures;
use crate::service::feedback::queue::Unkept;
use crate::service::maker::Maker;

/// The judged answers of a target that its figures are of.
const LAST: usize = 1000;
/// The most targets with figures of their own; all others share one.
const MOST: usize = 100;
/// The name of those others.
const OTHERS: &str = "other";

/// The figures of all targets.
pub(crate) struct Tally {
    told: IntCounterVec,
    unwritten: IntCounterVec,
    judged: GaugeVec,
    agreement: GaugeVec,
    mean_p_refusal: GaugeVec,
    refusal_rate: GaugeVec,
    brier: GaugeVec,
    log_loss: GaugeVec,
    last: Mutex<HashMap<String, Window>>,
}

/// The last judged answers of a target: what was predicted, and whether it refused.
#[derive(Debug, Default)]
struct Window(VecDeque<(f64, bool)>);

impl Tally {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When a name is taken, which a test would find.
    pub(crate) fn new(of: &Maker<'_>) -> prometheus::Result<Self> {
        let gauges = |name: &str, help: &str| of.real_gauges(name, help, &["target"]);
        let unwritten = "What targets did and is not in the store: too much waited, or the store failed";
        let unwritten = of.counters("feedback_unwritten_total", unwritten, &["reason"])?;
        for why in Unkept::ALL {
            unwritten.with_label_values(&[why.name()]);
        }
        Ok(Self {
            unwritten,
            told: of.counters(
                "feedback_total",
                "What targets did, as it was told, by target and label",
                &["target", "label"],
            )?,
            judged: gauges(
                "feedback_judged",
                "Answers that the figures of a target are of, the last 1000 at most",
            )?,
            agreement: gauges(
                "feedback_agreement",
                "Share of these that P(refusal), held against 0.5, agrees with",
            )?,
            mean_p_refusal: gauges("feedback_mean_p_refusal", "Mean P(refusal) of these")?,
            refusal_rate: gauges("feedback_refusal_rate", "Share of these that were refused")?,
            brier: gauges("feedback_brier", "Brier score of P(refusal) on these")?,
            log_loss: gauges("feedback_log_loss", "Log loss of P(refusal) on these, in nats")?,
            last: Mutex::default(),
        })
    }

    /// Counts what could not be written.
    pub(crate) fn unwritten(&self, why: Unkept) {
        self.unwritten.with_label_values(&[why.name()]).inc();
    }

    /// Counts what a target did.
    pub(crate) fn count(&self, target: &str, p_refusal: f64, outcome: Outcome) {
        // A poisoned lock only means that another request failed; the windows are whole.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = last.contains_key(target) || last.len() < MOST;
        let target = if is_known { target } else { OTHERS };
        self.told.with_label_values(&[target, outcome.name()]).inc();
        let refused = match outcome {
            Outcome::Refused => true,
            Outcome::Complied => false,
            Outcome::NoAnswer => return,
        };
        let Window(window) = last.entry(target.to_owned()).or_default();
        window.push_back((p_refusal, refused));
        if window.len() > LAST {
            window.pop_front();
        }
        let mut figures = Figures::default();
        window.iter().for_each(|(p_refusal, refused)| figures.add(*p_refusal, Some(*refused)));
        for (gauges, value) in [
            (&self.judged, Some(figures.judged as f64)),
            (&self.agreement, figures.agreement().map(|agreement| agreement.value)),
            (&self.mean_p_refusal, figures.mean_p_refusal()),
            (&self.refusal_rate, figures.refusal_rate()),
            (&self.brier, figures.brier()),
            (&self.log_loss, figures.log_loss()),
        ] {
            // The window is not empty, so each has a value.
            value.into_iter().for_each(|value| gauges.with_label_values(&[target]).set(value));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_the_last_answers_and_targets_are_bounded() {
        let registry = prometheus::Registry::new();
        let tally = Tally::new(&Maker(&registry)).unwrap();
        for _ in 0..LAST {
            tally.count("a", 0.9, Outcome::Complied);
        }
        let of = |gauges: &GaugeVec, target: &str| gauges.with_label_values(&[target]).get();
        assert_eq!((of(&tally.agreement, "a"), of(&tally.refusal_rate, "a")), (0.0, 0.0));
        for _ in 0..LAST {
            tally.count("a", 0.9, Outcome::Refused);
        }
        tally.count("a", 0.9, Outcome::NoAnswer);
        assert_eq!((of(&tally.agreement, "a"), of(&tally.judged, "a")), (1.0, LAST as f64));
        assert!(
            (of(&tally.brier, "a") - 0.01).abs() < 1e-9
                && (of(&tally.mean_p_refusal, "a") - 0.9).abs() < 1e-9
        );
        for number in 0..2 * MOST {
            tally.count(&format!("t{number}"), 0.1, Outcome::Complied);
        }
        assert_eq!(tally.last.lock().unwrap().len(), MOST + 1);
        assert_eq!(of(&tally.judged, OTHERS), (MOST + 1) as f64);
    }
}
