//! One target against another: what the rows say about prompts that both received, and what the predictor
//! says about any prompt.

use std::collections::BTreeMap;

use demur_data::{Labeller, Record, normalise};
use demur_predictor::{Analyzer, Field, Input, Model, Part, Scratch, View, ViewSettings};
use serde::Serialize;

use crate::analysis::terms::{Index, of_index, subsumers};
use crate::error::TrainingError;
use crate::fit::features::{DocumentFrequency, ViewParams};
use crate::metrics::{mean_interval, wilson};

/// Terms shown for each side.
const TERMS: usize = 15;
/// N-grams that occur in fewer prompts are left out.
const MIN_ROWS: u32 = 3;
/// With fewer prompts than this, on either side, that only one target refuses, the words are not compared on
/// them.
const FEWEST: usize = 5;

/// One target against another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetContrast {
    /// The targets.
    pub targets: [String; 2],
    /// Labelled rows of each.
    pub rows: [usize; 2],
    /// How many of those are refused.
    pub refused: [usize; 2],
    /// Refusal rate of each with its 95% Wilson interval; `None` without rows.
    pub rates: [Option<(f64, (f64, f64))>; 2],
    /// Prompts that both targets received: both refused, only the first, only the second, neither.
    pub shared: [usize; 4],
    /// How many of the rows that name either target each labeller labelled.
    pub labelled_by: BTreeMap<Labeller, usize>,
    /// Mean difference of P(refusal) under the predictor, first minus second, over all prompts. `None` unless
    /// it knows both targets, because it would score an unknown one as the average of all.
    pub difference: Option<f64>,
    /// Its 95% interval.
    pub interval: Option<(f64, f64)>,
    /// Prompts that the predictor scored.
    pub prompts: usize,
    /// Those whose decision differs between the targets.
    pub flips: usize,
    /// Whether the predictor knows each target.
    pub known: [bool; 2],
    /// What `terms` compares, in words.
    pub compared: String,
    /// The terms that separate the two sides, those of the first target first.
    pub terms: Vec<TargetTerm>,
}

/// A term in prompts that one target refuses more than the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetTerm {
    /// The n-gram.
    pub ngram: String,
    /// z-score of its log-odds: above 0, the first target refuses it more.
    pub z: f64,
    /// Prompts with it on the side of the first and of the second target.
    pub rows: [usize; 2],
}

const DISCORDANT: &str = "prompts that only one of both refuses";

/// What the terms compare when too few prompts separate the targets.
fn refused_of_each(shared: [usize; 4]) -> String {
    let why = match shared.iter().sum::<usize>() {
        0 => "no prompt was put to both".to_owned(),
        both => {
            let parted = shared[1].min(shared[2]);
            format!("of the {both} prompts that both were asked, one target alone refuses only {parted}")
        }
    };
    format!("refused prompts of one against those of the other: {why}")
}

/// Compares two targets on labelled records, whose prompts the predictor scores for both.
///
/// # Errors
/// Never with these settings; all fits share this error type.
pub fn contrast_targets(
    model: &Model,
    records: &[Record],
    targets: [&str; 2],
) -> Result<TargetContrast, TrainingError> {
    let rows: Vec<(usize, bool, &str)> =
        records.iter().filter_map(|record| asked_of(record, targets)).collect();
    let count = |side: usize, wanted: &dyn Fn(bool) -> bool| {
        rows.iter().filter(|(of, refused, _)| *of == side && wanted(*refused)).count()
    };
    let (all, refused) = ([0, 1].map(|side| count(side, &|_| true)), [0, 1].map(|side| count(side, &|r| r)));
    let rate = |side: usize| {
        let (x, n) = (refused[side], all[side]);
        (n > 0).then(|| (x as f64 / n as f64, wilson(x, n)))
    };
    let (shared, discordant) = asked_of_both(&rows);
    let mut prompts: BTreeMap<String, &str> = BTreeMap::new();
    for record in records {
        if let Some(prompt) = record.prompt.as_deref() {
            prompts.entry(normalise(prompt)).or_insert(prompt);
        }
    }
    let known = targets.map(|target| model.knows_target(target));
    let asked_about = prompts.values().copied().filter(|_| known == [true; 2]);
    let (differences, flips) = predicted(model, asked_about, targets);
    let mean = (!differences.is_empty()).then(|| mean_interval(&differences));
    let (sides, compared) = if shared[1].min(shared[2]) >= FEWEST {
        (discordant, DISCORDANT.to_owned())
    } else {
        let refused = rows.iter().filter(|(_, refused, _)| *refused);
        (refused.map(|&(side, _, prompt)| (prompt, side == 0)).collect(), refused_of_each(shared))
    };
    let mut labelled_by: BTreeMap<Labeller, usize> = BTreeMap::new();
    for record in records.iter().filter(|record| asked_of(record, targets).is_some()) {
        if let Some(label) = &record.label {
            *labelled_by.entry(label.by.labeller).or_default() += 1;
        }
    }
    Ok(TargetContrast {
        targets: targets.map(str::to_owned),
        rows: all,
        refused,
        rates: [rate(0), rate(1)],
        shared,
        labelled_by,
        difference: mean.map(|(difference, _)| difference),
        interval: mean.map(|(_, interval)| interval),
        prompts: differences.len(),
        flips,
        known,
        compared,
        terms: terms(&sides)?,
    })
}

/// Counts the prompts that both targets received by who refused (both, the first, the second, neither). Also
/// returns the prompts on which they differ, and whether it was the first that refused.
fn asked_of_both<'a>(rows: &[(usize, bool, &'a str)]) -> ([usize; 4], Vec<(&'a str, bool)>) {
    let mut asked: BTreeMap<String, (&str, [Option<bool>; 2])> = BTreeMap::new();
    for &(side, refused, prompt) in rows {
        // If a target received the prompt several times, its first answer counts.
        asked.entry(normalise(prompt)).or_insert((prompt, [None; 2])).1[side].get_or_insert(refused);
    }
    let mut shared = [0; 4];
    let mut discordant = Vec::new();
    for (prompt, answers) in asked.values() {
        if let [Some(first), Some(second)] = answers {
            shared[usize::from(!first) * 2 + usize::from(!second)] += 1;
            if first != second {
                discordant.push((*prompt, *first));
            }
        }
    }
    (shared, discordant)
}

/// Which of the two targets a labelled record is about, whether it refused, and the prompt.
fn asked_of<'a>(record: &'a Record, targets: [&str; 2]) -> Option<(usize, bool, &'a str)> {
    let target = record.target.as_deref()?;
    let side = targets.iter().position(|name| *name == target)?;
    let refused = record.label.as_ref()?.target()? >= 0.5;
    Some((side, refused, record.prompt.as_deref()?))
}

/// P(refusal) of each prompt for the first target minus that for the second, and how many decisions differ.
fn predicted<'a>(
    model: &Model,
    prompts: impl Iterator<Item = &'a str>,
    targets: [&str; 2],
) -> (Vec<f64>, usize) {
    let hold_from = model.manifest().policy.hold_from;
    let (mut scratch, mut flips) = (Scratch::default(), 0);
    let difference = |prompt| {
        let p = targets.map(|target| {
            model
                .predict_ngrams(&Input { target: Some(target), ..Input::prompt(prompt) }, &mut scratch)
                .p_refusal
                .get()
        });
        flips += usize::from((p[0] >= hold_from) != (p[1] >= hold_from));
        p[0] - p[1]
    };
    let differences = prompts.map(difference).collect();
    (differences, flips)
}

/// The terms of prompts on the side of the first target against those on the side of the second.
fn terms(sides: &[(&str, bool)]) -> Result<Vec<TargetTerm>, TrainingError> {
    let params = ViewParams {
        analyzer: Analyzer::Token,
        ngrams: (1, 3),
        min_df: DocumentFrequency::Count(MIN_ROWS),
        ..ViewParams::new(Field::Prompt)
    };
    let vectorizer = params.fit(sides.iter().map(|(prompt, _)| *prompt))?;
    let settings =
        ViewSettings { field: Field::Prompt.into(), part: Part::Whole, vectorizer: *vectorizer.settings() };
    let views = [View { settings, vectorizer }];
    let inputs: Vec<Input<'_>> = sides.iter().map(|(prompt, _)| Input::prompt(prompt)).collect();
    let first: Vec<bool> = sides.iter().map(|(_, first)| *first).collect();
    let index = Index::of(&views, &inputs);
    let odds = of_index(&index, &first, &vec![true; first.len()]);
    let subsumed = subsumers(&views, &index);
    let mut order: Vec<usize> =
        (0..odds.len()).filter(|&at| subsumed[at].is_none() && odds[at].z != 0.0).collect();
    order.sort_by(|&a, &b| odds[b].z.total_cmp(&odds[a].z).then(a.cmp(&b)));
    let of_first = order.iter().copied().filter(|&at| odds[at].z > 0.0).take(TERMS);
    let of_second = order.iter().rev().copied().filter(|&at| odds[at].z < 0.0).take(TERMS);
    let term = |at: usize| {
        let with = index.rows(at).iter().filter(|&&row| first[row as usize]).count();
        TargetTerm {
            // Feature numbers are u32 everywhere.
            ngram: views[0].vectorizer.ngram(u32::try_from(at).unwrap_or(u32::MAX)),
            z: odds[at].z,
            rows: [with, index.rows(at).len() - with],
        }
    };
    Ok(of_first.chain(of_second).map(term).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_data::{Label, Labelled, Place};
    use demur_predictor::Bundled;

    use super::*;

    fn record(prompt: &str, target: &str, refused: bool) -> Record {
        let label = if refused { Label::Refused } else { Label::Complied };
        Record {
            id: None,
            prompt: Some(prompt.to_owned()),
            response: None,
            signs: None,
            context: Vec::new(),
            sent_in: demur_data::Context::default(),
            target: Some(target.to_owned()),
            source: None,
            category: None,
            split: None,
            group: None,
            label: Some(Labelled::of(label, Labeller::Person)),
            weight: 1.0,
            place: Place { file: "rows".into(), line: 1 },
            row: None,
        }
    }

    #[test]
    fn words_that_only_one_target_refuses_are_found_on_shared_prompts() {
        let mut records = Vec::new();
        for at in 0..30 {
            let (politics, drugs) =
                (format!("praise senator number {at}"), format!("buy pills in town {at}"));
            records.extend([record(&politics, "a", true), record(&politics, "b", false)]);
            records.extend([record(&drugs, "a", false), record(&drugs, "b", true)]);
        }
        records.push(record("hello there", "a", false));
        records.push(record("hello there", "c", true));
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let contrast = contrast_targets(&model, &records, ["a", "b"]).unwrap();
        assert_eq!((contrast.rows, contrast.refused), ([61, 60], [30, 30]));
        assert_eq!(contrast.shared, [0, 30, 30, 0]);
        assert_eq!(contrast.compared, DISCORDANT);
        assert_eq!(contrast.labelled_by, BTreeMap::from([(Labeller::Person, 121)]));
        let unknown =
            (contrast.known, contrast.difference, contrast.interval, contrast.prompts, contrast.flips);
        assert_eq!(unknown, ([false; 2], None, None, 0, 0), "nothing is said of targets that are not known");
        assert_eq!(contrast.terms[0].rows, [30, 0]);
        assert!(contrast.terms[0].ngram.contains("senator"), "{:?}", contrast.terms);
        assert!(contrast.terms.iter().any(|term| term.z < -2.0 && term.ngram.contains("pills")));
        // A target that the predictor knows moves it.
        let known = model.known_targets();
        let contrast = contrast_targets(&model, &records, [known[0], known[1]]).unwrap();
        assert_eq!((contrast.known, contrast.rates), ([true; 2], [None; 2]));
        assert_eq!(contrast.prompts, 61);
        let difference = contrast.difference.unwrap();
        assert!(difference != 0.0 && contrast.interval.unwrap().0 <= difference);
        // With an unknown target there is no difference to report.
        let contrast = contrast_targets(&model, &records, [known[0], "a"]).unwrap();
        assert_eq!((contrast.known, contrast.difference), ([true, false], None));
    }

    #[test]
    fn why_refused_prompts_are_compared_is_said_as_it_is() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let same = [record("a b", "a", true), record("a b", "b", true), record("c d", "a", false)];
        let contrast = contrast_targets(&model, &same, ["a", "b"]).unwrap();
        assert!(
            contrast
                .compared
                .ends_with("of the 1 prompts that both were asked, one target alone refuses only 0"),
            "{}",
            contrast.compared
        );
        let apart = [record("a b", "a", true), record("c d", "b", true)];
        let contrast = contrast_targets(&model, &apart, ["a", "b"]).unwrap();
        assert!(contrast.compared.ends_with("no prompt was put to both"), "{}", contrast.compared);
    }
}
