//! A rate: refused of n, with its interval, and the rows that are in no rate.

use std::collections::BTreeMap;

use demur_data::Labeller;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::metrics::wilson_of_share;

/// What became of a prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// It was answered: how much of it was refused. That is 0 or 1 for a label, and between them for a
    /// measured rate.
    Answered(f64),
    /// There is no answer to judge: an outage, a rate limit, nothing.
    NoAnswer,
    /// It was answered in a way that the policy counts neither as refused nor as complied (`dontknow`).
    Neither,
}

/// Some of n, with the 95% Wilson interval of the share.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Share {
    /// How many; a measured rate counts with its value.
    pub count: f64,
    /// Of how many.
    pub n: usize,
}

impl Share {
    /// Adds one row, of which this much counts.
    pub(crate) fn add(&mut self, counts: f64) {
        self.count += counts;
        self.n += 1;
    }

    /// The share; NaN of none.
    #[must_use]
    pub fn rate(self) -> f64 {
        self.count / self.n as f64
    }

    /// Its 95% score interval (Wilson 1927); (0, 1) of none.
    #[must_use]
    pub fn interval(self) -> (f64, f64) {
        if self.n == 0 { (0.0, 1.0) } else { wilson_of_share(self.rate(), self.n as f64) }
    }
}

/// A number; null if it is undefined, a whole number if it is one.
fn number(value: f64) -> serde_json::Value {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        // Whole and far from the ends of the type, so the cast is exact.
        #[allow(clippy::cast_possible_truncation)]
        return serde_json::Value::from(value as i64);
    }
    serde_json::Number::from_f64(value).map_or(serde_json::Value::Null, serde_json::Value::Number)
}

/// The interval of a share in JSON; null of none.
fn bounds(share: Share) -> Option<(f64, f64)> {
    (share.n > 0).then(|| share.interval())
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Share", 4)?;
        fields.serialize_field("count", &number(self.count))?;
        fields.serialize_field("n", &self.n)?;
        fields.serialize_field("rate", &bounds(*self).map(|_| self.rate()))?;
        fields.serialize_field("interval", &bounds(*self))?;
        fields.end()
    }
}

/// How many of some rows were refused.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rate {
    /// Refused rows; a measured rate counts with its value.
    pub refused: f64,
    /// Rows that were answered, refused or complied.
    pub n: usize,
    /// Rows without an answer.
    pub no_answer: usize,
    /// Rows whose answer is neither refused nor complied.
    pub neither: usize,
    /// How many of the answered rows each labeller labelled.
    pub labelled_by: BTreeMap<Labeller, usize>,
}

impl Rate {
    /// Adds one row.
    pub(crate) fn add(&mut self, outcome: Outcome, labeller: Labeller) {
        match outcome {
            Outcome::Answered(refused) => {
                self.refused += refused;
                self.n += 1;
            }
            // Nobody labelled what is not there.
            Outcome::NoAnswer => {
                self.no_answer += 1;
                return;
            }
            Outcome::Neither => self.neither += 1,
        }
        *self.labelled_by.entry(labeller).or_default() += 1;
    }

    /// Refused of n.
    #[must_use]
    pub const fn share(&self) -> Share {
        Share { count: self.refused, n: self.n }
    }

    /// The labellers by name: one alone, or several with their numbers of rows.
    #[must_use]
    pub fn labeller_names(&self) -> String {
        if self.labelled_by.len() == 1 {
            return self.labelled_by.keys().map(|labeller| labeller.name()).collect();
        }
        let each = self.labelled_by.iter().map(|(labeller, n)| format!("{} {n}", labeller.name()));
        each.collect::<Vec<_>>().join(", ")
    }

    /// All rows, answered or not.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.n + self.no_answer + self.neither
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let share = self.share();
        let mut fields = serializer.serialize_struct("Rate", 7)?;
        fields.serialize_field("refused", &number(self.refused))?;
        fields.serialize_field("n", &self.n)?;
        fields.serialize_field("rate", &bounds(share).map(|_| share.rate()))?;
        fields.serialize_field("interval", &bounds(share))?;
        fields.serialize_field("no_answer", &self.no_answer)?;
        fields.serialize_field("neither", &self.neither)?;
        fields.serialize_field("labelled_by", &self.labelled_by)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `proportion_confint(count, n, method="wilson")` of statsmodels 0.15.
    #[test]
    fn intervals_are_those_of_statsmodels() {
        for (count, n, low, high) in [
            (0.0, 10, 0.0, 0.277_532_799_862_889),
            (5.0, 12, 0.193_260_313_658_757, 0.680_488_687_450_450),
            (81.0, 263, 0.255_288_519_878_274, 0.366_209_576_982_800),
            (1.0, 29, 0.006_113_214_292_763, 0.171_755_218_793_203),
        ] {
            let (found_low, found_high) = Share { count, n }.interval();
            assert!((found_low - low).abs() < 1e-12 && (found_high - high).abs() < 1e-12, "{count} of {n}");
        }
    }

    #[test]
    fn a_rate_of_none_is_undefined_and_whole_counts_are_whole() {
        let mut rate = Rate::default();
        rate.add(Outcome::NoAnswer, Labeller::Demur);
        let json = serde_json::to_value(&rate).unwrap_or_default();
        assert_eq!(
            json,
            json!({"refused": 0, "n": 0, "rate": null, "interval": null, "no_answer": 1, "neither": 0,
                   "labelled_by": {}})
        );
        rate.add(Outcome::Answered(1.0), Labeller::Person);
        rate.add(Outcome::Answered(0.25), Labeller::Judge);
        let json = serde_json::to_value(&rate).unwrap_or_default();
        assert_eq!((&json["refused"], &json["n"], &json["rate"]), (&json!(1.25), &json!(2), &json!(0.625)));
    }
}
