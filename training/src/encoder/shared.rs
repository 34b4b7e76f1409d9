//! One encoder for both models: how it is fitted, as a recipe's `[encoder]` says, and the rows that teach it.
//!
//! It reads a prompt, or a prompt with its answer as a pair, and says P(refusal) of what it was given. Both
//! tasks share all layers and the head: harm in a prompt tells of its answer, and the other way round.

use std::collections::BTreeMap;

use demur_data::{Labelled, Record, normalise, shuffled};
use demur_predictor::Input;
use demur_predictor::encoder::Reads;
use serde::{Deserialize, Serialize};

use crate::encoder::params::TuneParams;
use crate::error::TrainingError;
use crate::examples::input;

/// The fit of an encoder that both models use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedEncoder {
    /// The base model, as in [`EncoderParams::base`](crate::EncoderParams::base).
    pub base: String,
    /// What is read of an answer and its prompt.
    pub answers: Reads,
    /// What is read of a prompt alone.
    pub prompts: Reads,
    /// Sources whose rows say what a model answers to a prompt; of the others, the fit takes answers alone.
    pub prompt_sources: Vec<String>,
    /// How far a large source counts less: in a source of n rows, each weight is multiplied by n^-power.
    /// Default: 0.
    #[serde(default)]
    pub source_power: f64,
    /// No row weighs more than this many average rows. Default: 4.
    #[serde(default = "four")]
    pub most_weight: f64,
    /// The most rows of a source of answers, drawn with the seed. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_rows: Option<usize>,
    /// Sources of which all rows are taken.
    #[serde(default)]
    pub whole: Vec<String>,
    /// Probability of dropout; over a pass or two it costs more time than it is worth. Default: 0.
    #[serde(default)]
    pub dropout: f64,
    /// Word pieces that are kept: those of the rows, and the first of the vocabulary up to this number.
    /// Default: 0, all.
    #[serde(default)]
    pub pieces: usize,
    /// The parts of the rows, whole files of prompts and whole sources of answers, that are held out in turn:
    /// each row gets a logit of an encoder that has not seen its part. Default: 3.
    #[serde(default = "three")]
    pub parts: usize,
    /// The fit of the layers and the head.
    pub tune: TuneParams,
}

/// The positions that a shared encoder keeps: the most tokens that it reads.
pub(crate) const POSITIONS: usize = 128;

const fn four() -> f64 {
    4.0
}

const fn three() -> usize {
    3
}

impl SharedEncoder {
    /// Checks everything that can be checked without the encoder.
    ///
    /// # Errors
    /// [`TrainingError::Parameter`].
    pub fn check(&self) -> Result<(), TrainingError> {
        let wrong = |name, value, wanted| Err(TrainingError::Parameter { name, value, wanted });
        if !(2..=100).contains(&self.parts) {
            return wrong("encoder.parts", self.parts as f64, "2 to 100");
        }
        for reads in [self.answers, self.prompts] {
            let (Reads::Prompt { tokens } | Reads::Response { tokens } | Reads::Both { tokens, .. }) = reads;
            if !(8..=POSITIONS).contains(&tokens) {
                return wrong("encoder.answers or encoder.prompts: tokens", tokens as f64, "8 to 128");
            }
        }
        if !(self.most_weight.is_finite() && self.most_weight >= 1.0) {
            return wrong("encoder.most_weight", self.most_weight, "a finite number of at least 1");
        }
        if !(0.0..=1.0).contains(&self.source_power) {
            return wrong("encoder.source_power", self.source_power, "from 0 to 1");
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return wrong("encoder.dropout", self.dropout, "from 0 to below 1");
        }
        self.tune.check()
    }
}

/// A row that teaches a shared encoder.
#[derive(Debug, Clone)]
pub(crate) struct SharedRow<'a> {
    #[cfg_attr(not(any(feature = "bert", test)), expect(dead_code, reason = "such a build fits no encoder"))]
    pub(crate) input: Input<'a>,
    #[cfg_attr(not(feature = "bert"), expect(dead_code, reason = "such a build fits no encoder"))]
    pub(crate) reads: Reads,
    /// P(refusal) of its label.
    pub(crate) target: f64,
    pub(crate) weight: f64,
    /// Rows of one part are held out together: a source of answers, a file of prompts.
    pub(crate) part: String,
}

/// The rows of both tasks, answers first.
pub(crate) fn shared_rows<'a>(
    params: &SharedEncoder,
    answers: &'a [Record],
    prompts: &'a [Record],
    seed: u64,
) -> Vec<SharedRow<'a>> {
    let answers = drawn(params, answers, seed);
    let mut rows: Vec<SharedRow<'a>> =
        answers.into_iter().filter_map(|record| answer(params, record)).collect();
    level(&mut rows, params);
    let mut of_prompts = prompt_rows(params, prompts);
    level(&mut of_prompts, params);
    rows.append(&mut of_prompts);
    rows
}

/// The answers, no source with more than the most; in their order.
fn drawn<'a>(params: &SharedEncoder, answers: &'a [Record], seed: u64) -> Vec<&'a Record> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rows = shuffled(answers.len(), seed);
    rows.retain(|&row| {
        let source = answers[row].source.as_deref().unwrap_or_default();
        let count = counts.entry(source).or_default();
        *count += 1;
        params.most_rows.is_none_or(|most| *count <= most) || params.whole.iter().any(|whole| whole == source)
    });
    rows.sort_unstable();
    rows.into_iter().map(|row| &answers[row]).collect()
}

fn answer<'a>(params: &SharedEncoder, record: &'a Record) -> Option<SharedRow<'a>> {
    let target = record.label.as_ref()?.target()?;
    record.response.as_ref()?;
    let part = format!("answers of {}", record.source.as_deref().unwrap_or_default());
    Some(SharedRow { input: input(record), reads: params.answers, target, weight: record.weight, part })
}

/// The prompts of the sources that say what is refused, each once: with the mean of its labels, in the part
/// of its first row.
fn prompt_rows<'a>(params: &SharedEncoder, prompts: &'a [Record]) -> Vec<SharedRow<'a>> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows: Vec<SharedRow<'a>> = Vec::new();
    let mut counts: Vec<f64> = Vec::new();
    for record in prompts {
        let source = record.source.as_deref().unwrap_or_default();
        let target = record.label.as_ref().and_then(Labelled::target);
        let (Some(prompt), Some(target)) = (record.prompt.as_deref(), target) else { continue };
        if record.weight <= 0.0 || !params.prompt_sources.iter().any(|known| known == source) {
            continue;
        }
        let at = *places.entry(normalise(prompt)).or_insert(rows.len());
        if let (Some(row), Some(count)) = (rows.get_mut(at), counts.get_mut(at)) {
            *count += 1.0;
            row.target += (target - row.target) / *count;
            row.weight = row.weight.max(record.weight);
        } else {
            let input = Input::prompt(prompt);
            let part = format!("prompts of {}", record.place.file);
            rows.push(SharedRow { input, reads: params.prompts, target, weight: record.weight, part });
            counts.push(1.0);
        }
    }
    rows
}

/// Weights with a mean of 1, none above the most.
fn level(rows: &mut [SharedRow<'_>], params: &SharedEncoder) {
    let mut sizes: BTreeMap<String, f64> = BTreeMap::new();
    for row in &*rows {
        *sizes.entry(row.part.clone()).or_default() += 1.0;
    }
    for row in &mut *rows {
        row.weight *= sizes[&row.part].powf(-params.source_power);
    }
    for _ in 0..2 {
        let mean = rows.iter().map(|row| row.weight).sum::<f64>() / rows.len().max(1) as f64;
        for row in &mut *rows {
            row.weight = (row.weight / mean).min(params.most_weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use demur_data::{Label, Labeller, Place};

    use super::*;

    const READS: Reads = Reads::Prompt { tokens: 16 };

    fn params() -> SharedEncoder {
        SharedEncoder {
            base: "base".to_owned(),
            answers: READS,
            prompts: READS,
            prompt_sources: vec!["norm".to_owned()],
            source_power: 0.0,
            most_weight: 2.0,
            most_rows: Some(2),
            whole: vec!["own".to_owned()],
            dropout: 0.0,
            pieces: 0,
            parts: 3,
            tune: TuneParams::default(),
        }
    }

    fn record(
        source: &str,
        (prompt, response): (&str, Option<&str>),
        (label, weight): (Label, f64),
    ) -> Record {
        Record {
            id: None,
            prompt: Some(prompt.to_owned()),
            response: response.map(str::to_owned),
            signs: None,
            context: Vec::new(),
            sent_in: demur_data::Context::default(),
            target: None,
            source: Some(source.to_owned()),
            category: None,
            split: None,
            group: None,
            label: Some(Labelled::of(label, Labeller::Person)),
            weight,
            place: Place { file: Arc::from("a.jsonl"), line: 1 },
            row: None,
        }
    }

    #[test]
    fn a_prompt_is_one_row_with_the_mean_of_its_labels() {
        let of = |source, prompt, label, weight| record(source, (prompt, None), (label, weight));
        let prompts = [
            of("norm", "Make tea", Label::Complied, 1.0),
            of("norm", "make  tea", Label::Refused, 1.0),
            of("norm", "make tea", Label::Refused, 1.0),
            of("norm", "a bomb", Label::Refused, 9.0),
            of("other", "bread", Label::Complied, 1.0),
            of("norm", "weightless", Label::Complied, 0.0),
        ];
        let rows = shared_rows(&params(), &[], &prompts, 0);
        let found: Vec<(Option<&str>, f64)> = rows.iter().map(|row| (row.input.prompt, row.target)).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].0, found[1]), (Some("Make tea"), (Some("a bomb"), 1.0)));
        assert!((found[0].1 - 2.0 / 3.0).abs() < 1e-12, "{}", found[0].1);
        assert!(rows[1].weight > rows[0].weight && rows[1].weight <= params().most_weight);
    }

    #[test]
    fn a_large_source_of_answers_is_drawn_from_and_one_of_our_own_is_not() {
        let of = |source, at: usize| {
            let answer = format!("answer {at}");
            record(source, ("p", Some(answer.as_str())), (Label::Complied, 1.0))
        };
        let answers: Vec<Record> =
            (0..5).map(|at| of("large", at)).chain((0..5).map(|at| of("own", at))).collect();
        let rows = shared_rows(&params(), &answers, &[], 1);
        let count = |part: &str| rows.iter().filter(|row| row.part == part).count();
        assert_eq!((count("answers of large"), count("answers of own")), (2, 5));
        let texts = |seed| {
            shared_rows(&params(), &answers, &[], seed)
                .iter()
                .map(|row| row.input.response.map(str::to_owned))
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(1), texts(1), "the same seed draws the same rows");
    }

    #[test]
    fn settings_that_cannot_be_are_refused() {
        assert!(params().check().is_ok());
        for (wrong, name) in [
            (SharedEncoder { parts: 1, ..params() }, "encoder.parts"),
            (SharedEncoder { most_weight: 0.5, ..params() }, "encoder.most_weight"),
            (SharedEncoder { dropout: 1.0, ..params() }, "encoder.dropout"),
            (SharedEncoder { source_power: -1.0, ..params() }, "encoder.source_power"),
            (SharedEncoder { prompts: Reads::Prompt { tokens: 129 }, ..params() }, "tokens"),
        ] {
            let error = wrong.check().err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(name), "{error}");
        }
    }
}
