//! The counts of a run. They do not depend on how its rows were split into blocks.

use std::ops::Range;

use demur_predictor::Tier;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::batch::question::{Outcomes, RowScore};

/// How many steps of P(refusal) are counted: quantiles are accurate to one step.
const STEPS: usize = 1000;
/// The mean is summed in integers of this fraction of 1, because integer sums do not depend on their order.
const GRAIN: f64 = 1e12;

/// Returns the step of a P(refusal).
pub(crate) fn step(p_refusal: f64) -> usize {
    // A probability is between 0 and 1.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let step = (p_refusal * STEPS as f64) as usize;
    step.min(STEPS - 1)
}

/// Counts of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    /// Rows scored.
    pub(crate) scored: u64,
    /// Rows written: fewer than scored if a condition drops some.
    pub(crate) written: u64,
    /// Rows that could not be scored.
    pub(crate) rejected: u64,
    /// Entries of the files that are no rows.
    #[serde(default)]
    pub(crate) passed_over: u64,
    /// By decision or label, indexed as in [`Outcomes`].
    outcomes: [u64; 3],
    /// Scored rows without a P(refusal): no answer came.
    #[serde(default)]
    none: u64,
    /// Rows that the encoder answered.
    #[serde(default)]
    encoder: u64,
    /// Rows that a sign decided, so that no tier scored a text.
    #[serde(default)]
    by_sign: u64,
    /// Sum of P(refusal).
    sum: u128,
    /// How many rows lie in each step of P(refusal).
    steps: Vec<u64>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            scored: 0,
            written: 0,
            rejected: 0,
            passed_over: 0,
            outcomes: [0; 3],
            none: 0,
            encoder: 0,
            by_sign: 0,
            sum: 0,
            steps: vec![0; STEPS],
        }
    }
}

impl Counts {
    /// Counts a scored row.
    pub(crate) fn add(&mut self, row: RowScore, written: bool) {
        self.scored += 1;
        self.written += u64::from(written);
        self.encoder += u64::from(row.tier == Some(Tier::Encoder));
        self.by_sign += u64::from(row.tier.is_none());
        if let Some(outcome) = row.outcome {
            self.outcomes[outcome] += 1;
        }
        let Some(p_refusal) = row.p_refusal else {
            self.none += 1;
            return;
        };
        self.steps[step(p_refusal)] += 1;
        // A probability is between 0 and 1.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let grains = (p_refusal * GRAIN) as u128;
        self.sum += grains;
    }

    /// Adds the counts of other rows.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.scored += other.scored;
        self.written += other.written;
        self.rejected += other.rejected;
        self.none += other.none;
        self.encoder += other.encoder;
        self.by_sign += other.by_sign;
        self.passed_over += other.passed_over;
        self.sum += other.sum;
        let to = self.outcomes.iter_mut().chain(&mut self.steps);
        to.zip(other.outcomes.iter().chain(&other.steps)).for_each(|(to, from)| *to += from);
    }

    /// The middle of each step of P(refusal) that has rows, with their number.
    pub(crate) fn probabilities(&self) -> Vec<(f64, u64)> {
        let middle = |step: usize| (step as f64 + 0.5) / STEPS as f64;
        let steps = self.steps.iter().enumerate().filter(|&(_, &rows)| rows > 0);
        steps.map(|(step, &rows)| (middle(step), rows)).collect()
    }

    /// Rows read.
    const fn read(&self) -> u64 {
        self.scored + self.rejected
    }

    /// Whether any scored row has no P(refusal).
    pub(crate) const fn has_none(&self) -> bool {
        self.none > 0
    }

    /// Rows with a P(refusal).
    const fn answered(&self) -> u64 {
        self.scored - self.none
    }

    /// Mean of P(refusal); `None` without rows.
    fn mean(&self) -> Option<f64> {
        (self.answered() > 0).then(|| self.sum as f64 / GRAIN / self.answered() as f64)
    }

    /// A quantile of P(refusal), to a thousandth: the middle of its step; `None` without rows.
    fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = share * self.answered() as f64;
        let mut below = 0;
        let step = self.steps.iter().position(|&count| {
            below += count;
            below as f64 >= wanted && below > 0
        });
        step.map(|step| (step as f64 + 0.5) / STEPS as f64)
    }

    /// Ranges of steps from the highest to the lowest; rows without a P(refusal) are in none. Each holds at
    /// most `rows` rows, unless a single step has more.
    pub(crate) fn ranges(&self, rows: u64) -> Vec<Range<usize>> {
        let (mut ranges, mut end, mut held) = (Vec::new(), STEPS, 0);
        for step in (0..STEPS).rev() {
            if held > 0 && held + self.steps[step] > rows {
                ranges.push(step + 1..end);
                (end, held) = (step + 1, 0);
            }
            held += self.steps[step];
        }
        ranges.push(0..end);
        ranges
    }

    /// Rows by the tier that answered them.
    pub(crate) const fn tiers(&self) -> [(Tier, u64); 2] {
        let ngram = self.scored - self.encoder - self.by_sign;
        [(Tier::Ngram, ngram), (Tier::Encoder, self.encoder)]
    }

    /// The summary as JSON.
    pub(crate) fn to_json(&self, outcomes: Outcomes, seconds: f64, bytes: Option<u64>) -> Value {
        let quantiles = [0.05, 0.25, 0.5, 0.75, 0.95];
        let quantiles = quantiles.map(|share| (format!("{share}"), Value::from(self.quantile(share))));
        let by_outcome = outcomes.names.iter().copied().zip(self.outcomes);
        let none = outcomes.none.map(|name| (name, self.none));
        json!({
            "read": self.read(),
            "rejected": self.rejected,
            "passed_over": self.passed_over,
            "scored": self.scored,
            "written": self.written,
            "p_refusal": {
                "mean": self.mean(),
                "quantiles": serde_json::Map::from_iter(quantiles),
            },
            outcomes.title: serde_json::Map::from_iter(
                by_outcome.chain(none).map(|(name, n)| (name.replace(' ', "_"), n.into()))
            ),
            "seconds": seconds,
            "rows_per_second": self.scored as f64 / seconds.max(1e-9),
            "peak_memory_bytes": bytes,
        })
    }

    /// The summary as text.
    pub(crate) fn to_text(&self, by: &str, outcomes: Outcomes, seconds: f64, bytes: Option<u64>) -> String {
        let none = outcomes.none.map(|name| (name, self.none)).filter(|(_, n)| *n > 0);
        let by_outcome = outcomes.names.iter().copied().zip(self.outcomes).chain(none);
        let by_outcome: Vec<String> = by_outcome.map(|(name, n)| format!("{name} {n}")).collect();
        let memory = bytes.map_or_else(String::new, |bytes| format!(", {} MB at most", bytes >> 20));
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
        let passed_over = match self.passed_over {
            0 => String::new(),
            entries => format!(", {entries} entries of other types passed over"),
        };
        let [lower, middle, upper] = [0.25, 0.5, 0.75].map(|share| number(self.quantile(share)));
        format!(
            "{} rows read, {} rejected, {} scored by {by}, {} written{passed_over}; {seconds:.1} s, {:.0} rows a second{memory}\n\
             P(refusal): mean {}, quartiles {lower} {middle} {upper}; {}",
            self.read(),
            self.rejected,
            self.scored,
            self.written,
            self.scored as f64 / seconds.max(1e-9),
            number(self.mean()),
            by_outcome.join(", "),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_do_not_depend_on_how_rows_are_put_together() {
        let rows: Vec<RowScore> = (0..1000)
            .map(|row| RowScore {
                p_refusal: Some(f64::from(row * 7919 % 1000) / 1000.0),
                tier: Some(if row % 4 == 0 { Tier::Encoder } else { Tier::Ngram }),
                outcome: Some(if row % 3 == 0 { 2 } else { 0 }),
                form: None,
            })
            .collect();
        let count = |rows: &[RowScore]| {
            let mut counts = Counts::default();
            rows.iter().for_each(|row| counts.add(*row, row.p_refusal > Some(0.5)));
            counts
        };
        let whole = count(&rows);
        let mut parts = Counts::default();
        for part in rows.rchunks(77) {
            parts.merge(&count(part));
        }
        assert_eq!(parts, whole);
        let is = |found: Option<f64>| found.is_some_and(|found| (found - 0.4995).abs() < 1e-9);
        assert!(is(whole.mean()) && is(whole.quantile(0.5)), "{:?} {:?}", whole.mean(), whole.quantile(0.5));
        assert_eq!(whole.ranges(400), [600..1000, 200..600, 0..200]);
        assert_eq!(whole.ranges(0).len(), 1000);
        assert_eq!(whole.tiers(), [(Tier::Ngram, 750), (Tier::Encoder, 250)]);
        let json = whole.to_json(DECISIONS, 2.0, None);
        assert_eq!((&json["decisions"]["hold"], &json["written"]), (&json!(334), &json!(499)));
    }

    const DECISIONS: Outcomes =
        Outcomes { title: "decisions", names: &["send", "abstain", "hold"], none: None };

    #[test]
    fn rows_without_an_answer_are_counted_apart() {
        let labels = Outcomes { title: "labels", names: &["complied", "refused"], none: Some("no answer") };
        let mut counts = Counts::default();
        let row = |p_refusal: Option<f64>| RowScore {
            p_refusal,
            outcome: p_refusal.map(|_| 1),
            tier: None,
            form: None,
        };
        for p_refusal in [Some(1.0), None, Some(0.5), None] {
            counts.add(row(p_refusal), true);
        }
        let json = counts.to_json(labels, 1.0, None);
        assert_eq!(json["labels"], json!({"complied": 0, "refused": 2, "no_answer": 2}));
        assert_eq!((&json["scored"], &json["p_refusal"]["mean"]), (&json!(4), &json!(0.75)));
        assert!(counts.to_text("m", labels, 1.0, None).ends_with("refused 2, no answer 2"));
        assert_eq!(counts.tiers(), [(Tier::Ngram, 0), (Tier::Encoder, 0)]);
    }

    #[test]
    fn no_rows_have_no_mean() {
        let json = Counts::default().to_json(DECISIONS, 1.0, None);
        assert_eq!(json["p_refusal"]["mean"], Value::Null);
        assert!(
            json["p_refusal"]["quantiles"].as_object().is_some_and(|all| all.values().all(Value::is_null))
        );
        let text = Counts::default().to_text("m", DECISIONS, 1.0, None);
        assert!(text.contains("0 rows read") && text.contains("mean -, quartiles - - -"), "{text}");
    }
}
