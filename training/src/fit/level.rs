//! The level of a fit with a stated base rate: P(refusal) of a text with no known n-grams, and how targets
//! deviate from it.
//!
//! Without a base rate, a text about which nothing is known gets the share of refusals among the training
//! rows, which depends on the data sets that happened to be available. With one, the intercept is the logit
//! of the base rate, whatever the rows say, and the words move the logit up or down from there. Calibration
//! stretches or shrinks that movement and keeps its starting point.
//!
//! Targets differ only on prompts that might be refused at all; an ordinary prompt is answered by every
//! target. So the shift of a target is gated by P(refusal) for the average target. It is 0 below .05 and
//! complete from .5, or, for a target that answers much of what others refuse, only from .95, so that it can
//! be far below them there and the map is still monotone. A shift on every prompt would only reflect the
//! refusal rate of the test set that the target was given.

use std::collections::{BTreeMap, BTreeSet};

use demur_predictor::{Calibration, log_odds};

use crate::examples::Examples;

/// A target with fewer prompts gets no shift.
const PROMPTS: usize = 20;
/// A target that answered fewer prompts gets no shift either: its limit is unknown.
const ANSWERED: usize = 5;
/// The prior standard deviation of a shift, in logits.
const SPREAD: f64 = 3.0;
/// The largest shift.
const LARGEST: f64 = 6.0;
/// The shift starts at this P(refusal) for the average target.
const GATE_FROM: f64 = 0.05;
/// From here the shift is complete; each target uses the more likely of the two.
const GATE_TO: [f64; 2] = [0.5, 0.95];

/// The rows that a level is fitted on, with scores by fits that have not seen them.
pub(crate) struct KnownOf<'a> {
    /// The contribution of the words of each row: its logit without intercept, target and source.
    pub(crate) words: &'a [f64],
    pub(crate) examples: &'a Examples<'a>,
    pub(crate) base_rate: f64,
}

/// The line through a base rate: a text about which nothing is known has the logit of the base rate and keeps
/// it.
pub(crate) fn line(base_rate: f64, slope: f64) -> Calibration {
    Calibration::Platt { slope, intercept: log_odds(base_rate) * (1.0 - slope) }
}

/// How much a calibration around a base rate stretches the contribution of the words.
pub(crate) fn slope(calibration: &Calibration) -> f64 {
    match calibration {
        Calibration::Platt { slope, .. } => *slope,
        Calibration::Temperature { temperature } => 1.0 / temperature,
        _ => 1.0,
    }
}

impl KnownOf<'_> {
    /// A gated shift for each target with enough prompts and answers: the most likely one under a prior
    /// centred on no shift. All rows of one prompt together count as one row.
    pub(crate) fn targets(&self, all: &Calibration) -> BTreeMap<String, Calibration> {
        let slope = slope(all);
        let Calibration::Platt { intercept, .. } = line(self.base_rate, slope) else {
            return BTreeMap::new();
        };
        let from = log_odds(GATE_FROM);
        let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for row in self.examples.labelled() {
            if let Some(target) = self.examples.inputs[row].target {
                rows.entry(target).or_default().push(row);
            }
        }
        let of_target = |(target, rows): (&str, Vec<usize>)| {
            let groups: BTreeSet<u32> = rows.iter().map(|&row| self.examples.groups[row]).collect();
            let answered: BTreeSet<u32> = rows
                .iter()
                .filter(|&&row| self.examples.truth[row] < 0.5)
                .map(|&row| self.examples.groups[row])
                .collect();
            if groups.len() < PROMPTS || answered.len() < ANSWERED {
                return None;
            }
            // Scales the loss so that the data weigh as many prompts, not as many rows.
            let weight = groups.len() as f64 / rows.len() as f64;
            let of_gate = |to: f64| {
                let gated = |shift| Calibration::Gated { slope, intercept, shift, from, to };
                let loss = |shift: f64| {
                    weight * self.loss(&rows, &gated(shift)) + shift * shift / (2.0 * SPREAD * SPREAD)
                };
                // The bound stays inside the range in which the map rises, so that it is never flat.
                let shift = least(loss, (0.95 * (from - to), LARGEST));
                (loss(shift), gated(shift))
            };
            let gates = GATE_TO.map(|to| of_gate(log_odds(to)));
            let (_, best) = gates.into_iter().min_by(|a, b| a.0.total_cmp(&b.0))?;
            Some((target.to_owned(), best))
        };
        rows.into_iter().filter_map(of_target).collect()
    }

    /// The log loss of some rows under a calibration, in nats.
    fn loss(&self, rows: &[usize], calibration: &Calibration) -> f64 {
        let start = log_odds(self.base_rate);
        let of = |&row: &usize| {
            let p = calibration.apply(start + self.words[row]).get().clamp(f64::EPSILON, 1.0 - f64::EPSILON);
            let truth = self.examples.truth[row];
            -(truth * p.ln() + (1.0 - truth) * (1.0 - p).ln())
        };
        rows.iter().map(of).sum()
    }
}

/// Golden-section search for the minimum of a unimodal function in an interval.
fn least(function: impl Fn(f64) -> f64, (mut low, mut high): (f64, f64)) -> f64 {
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    for _ in 0..40 {
        let (left, right) = (high - golden * (high - low), low + golden * (high - low));
        if function(left) < function(right) { high = right } else { low = left }
    }
    f64::midpoint(low, high)
}

/// The sources with a shift of their own that teach the fit nothing: all their rows have one label, so the
/// shift explains them without the words.
pub(crate) fn one_class_sources(examples: &Examples<'_>, min_rows: usize) -> Vec<String> {
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for row in examples.labelled() {
        if let Some(source) = examples.facets.get(row).and_then(|facets| facets.source) {
            counts.entry(source).or_default()[usize::from(examples.truth[row] >= 0.5)] += 1;
        }
    }
    counts
        .into_iter()
        .filter(|(_, [answered, refused])| answered + refused >= min_rows && *answered.min(refused) == 0)
        .map(|(source, _)| source.to_owned())
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::Input;

    use super::*;
    use crate::facets::Facets;

    /// Thirty prompts, each sent to three targets: one refuses what the words say is refused, one refuses
    /// nothing, and one only got prompts that it refuses.
    fn asked() -> (Vec<f64>, Examples<'static>) {
        let (mut words, mut examples) = (Vec::new(), Examples::default());
        for (target, refuses) in [("strict", 0.5), ("lax", 9.0), ("only refused", -9.0)] {
            for prompt in 0..30_u32 {
                let word = f64::from(prompt) / 10.0 - 1.0;
                words.push(word);
                let truth = f64::from(u8::from(word > refuses));
                examples.inputs.push(Input { target: Some(target), ..Input::prompt("p") });
                examples.targets.push(truth);
                examples.truth.push(truth);
                examples.weights.push(1.0);
                examples.groups.push(prompt);
                examples.facets.push(Facets { source: Some(target), ..Facets::default() });
            }
        }
        (words, examples)
    }

    #[test]
    fn nothing_known_keeps_the_base_rate_whatever_the_slope() {
        for slope in [0.1, 1.0, 7.0] {
            let p = line(0.03, slope).apply(log_odds(0.03)).get();
            assert!((p - 0.03).abs() < 1e-12, "{slope}: {p}");
        }
    }

    #[test]
    fn targets_part_on_what_is_refused_and_agree_on_the_ordinary() {
        let (words, examples) = asked();
        let known = KnownOf { words: &words, examples: &examples, base_rate: 0.05 };
        let all = line(0.05, 2.0);
        let lines = known.targets(&all);
        assert_eq!(lines.keys().collect::<Vec<_>>(), ["lax", "strict"], "one that never answered has none");
        let p = |map: &Calibration, word: f64| map.apply(log_odds(0.05) + word).get();
        assert!(p(&lines["strict"], 1.5) > p(&all, 1.5) && p(&all, 1.5) > p(&lines["lax"], 1.5));
        for target in ["strict", "lax"] {
            for word in [-1.0, -0.3, 0.0] {
                assert_eq!(p(&lines[target], word), p(&all, word), "{target} answers the ordinary");
                assert!(p(&all, word) < 0.1);
            }
        }
    }

    #[test]
    fn repeated_rows_of_a_prompt_prove_no_more_than_one() {
        let (words, examples) = asked();
        let once: Vec<usize> = (0..60).collect();
        let thrice: Vec<usize> = once.iter().chain(&once).chain(&once).copied().collect();
        let shifted = |rows: &[usize]| {
            let words: Vec<f64> = rows.iter().map(|&row| words[row]).collect();
            let examples = examples.subset(rows);
            let known = KnownOf { words: &words, examples: &examples, base_rate: 0.05 };
            known.targets(&line(0.05, 2.0)).values().map(|map| map.apply(2.0).get()).collect::<Vec<_>>()
        };
        for (once, thrice) in shifted(&once).into_iter().zip(shifted(&thrice)) {
            assert!((once - thrice).abs() < 1e-6, "{once} {thrice}");
        }
    }

    #[test]
    fn sources_of_one_label_are_named() {
        let (_, examples) = asked();
        assert_eq!(one_class_sources(&examples, 20), ["lax", "only refused"]);
        assert!(one_class_sources(&examples, 31).is_empty(), "small ones have no shift");
    }
}
