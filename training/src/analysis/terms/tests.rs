//! The analysis on rows constructed so that the answer is known.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use demur_predictor::{
    Analyzer, Calibration, Dense, Field, Model, ModelDescription, NgramModel, Parts, Policy, SeenPrompts,
};

use super::top::{MAX_BYTES, MAX_ROWS};
use super::*;
use crate::encoder::EncoderStore;
use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::features::{ViewParams, fit_views};
use crate::fit::params::NgramParams;
use crate::fit::teacher::FitPlan;
use crate::metrics::wilson;
use crate::progress::Progress;

/// Forty prompts of a refused template and of an answered one, sixty without a template.
fn prompts() -> Vec<(String, bool)> {
    let names = ["ann", "bob", "cy", "dee", "eve", "fay", "gus", "hal", "ida", "jo"];
    let mut rows = Vec::new();
    for (at, name) in names.iter().cycle().take(40).enumerate() {
        rows.push((format!("write a mean poem about {name} and number {at}"), at % 10 != 0));
        rows.push((format!("tell me the age of {name} in year {at}"), at % 10 == 0));
    }
    for at in 0..60 {
        let word = ["bomb", "bread", "wine"][at % 3];
        rows.push((
            format!("how does one make {word} {}", ["now", "today", "at home", "well"][at % 4]),
            at % 3 == 0,
        ));
    }
    rows
}

fn manifest() -> ModelDescription {
    ModelDescription {
        written_by: "demur test".to_owned(),
        name: "test".to_owned(),
        field: Field::Prompt,
        targets: Vec::new(),
        base_rate: None,
        seed: 0,
        calibration: Calibration::None,
        target_calibrations: std::collections::BTreeMap::new(),
        calibration_report: None,
        policy: Policy::default(),
        encoder: None,
        training: Vec::new(),
        figures: BTreeMap::new(),
        recipe: serde_json::Value::Null,
    }
}

fn model(prompts: &[(String, bool)]) -> (Model, NgramParams) {
    let views = vec![ViewParams { ngrams: (1, 2), ..ViewParams::new(Field::Prompt) }];
    model_of(prompts, &NgramParams::new(views))
}

fn model_of(prompts: &[(String, bool)], params: &NgramParams) -> (Model, NgramParams) {
    let examples = examples(prompts, &vec![0; prompts.len()]);
    let fitted = FitPlan::new(params, &EncoderStore::default()).fit(&examples, 1).unwrap();
    let manifest = manifest();
    let parts = Parts { scorer: fitted.model, kinds: None, seen: SeenPrompts::default(), encoder: None };
    (Model::new(manifest, parts).unwrap(), params.clone())
}

fn examples<'a>(prompts: &'a [(String, bool)], groups: &[u32]) -> Examples<'a> {
    let truth: Vec<f64> = prompts.iter().map(|(_, refused)| f64::from(u8::from(*refused))).collect();
    Examples {
        inputs: prompts.iter().map(|(prompt, _)| demur_predictor::Input::prompt(prompt)).collect(),
        targets: truth.clone(),
        truth,
        weights: vec![1.0; prompts.len()],
        groups: groups.to_vec(),
        facets: vec![crate::facets::Facets::default(); prompts.len()],
        ..Examples::default()
    }
}

fn analysis(resamples: usize) -> (TermAnalysis, Vec<(String, bool)>) {
    let prompts = prompts();
    let (model, fit) = model(&prompts);
    // The two templates are groups; every other row is a group of its own.
    let groups: Vec<u32> =
        (0..prompts.len() as u32).map(|row| if row < 80 { row % 2 } else { row }).collect();
    let examples = examples(&prompts, &groups);
    let params = TermParams { refit: Some(fit), resamples, examples: 2, seed: 3 };
    let p = probabilities(&model, &examples);
    (analyse_terms(&model, &examples, &p, &params, Progress::none()).unwrap(), prompts)
}

fn term<'a>(analysis: &'a TermAnalysis, ngram: &str) -> &'a TermFigures {
    analysis.terms.iter().find(|term| term.ngram == ngram).unwrap()
}

#[test]
fn terms_are_counted_by_class_with_intervals_and_examples() {
    let (analysis, prompts) = analysis(4);
    assert_eq!((analysis.rows, analysis.rows_in_all), (140, 140));
    let bomb = term(&analysis, "bomb");
    assert_eq!((bomb.refused, bomb.complied), (20, 0));
    assert_eq!(bomb.refusal_rate(), 1.0);
    assert_eq!(bomb.refusal_rate_interval(), wilson(20, 20));
    assert!(bomb.log_odds.z > 2.0 && bomb.weight > 0.0);
    assert!(!bomb.examples.is_empty() && bomb.counter_examples.is_empty());
    for &row in &bomb.examples {
        assert!(prompts[row].1 && prompts[row].0.contains("bomb"));
    }
    let mean = term(&analysis, "mean poem");
    assert!(mean.counter_examples.iter().all(|&row| !prompts[row].1 && prompts[row].0.contains("mean poem")));
    assert!(!mean.counter_examples.is_empty());
    // Sorted by |z|.
    let z: Vec<f64> = analysis.terms.iter().map(|term| term.log_odds.z.abs()).collect();
    assert!(z.is_sorted_by(|a, b| a >= b));
}

#[test]
fn an_effect_between_templates_is_marked_and_one_within_rows_is_not() {
    let (analysis, _) = analysis(4);
    let mean = term(&analysis, "mean");
    assert!(mean.marks.between_groups && mean.groups == 1, "{mean:?}");
    let bomb = term(&analysis, "bomb");
    assert!(!bomb.marks.between_groups && bomb.within.unwrap().difference > 0.4, "{bomb:?}");
    assert!(mean.marks.subsumed && mean.subsumed_by.is_some(), "{mean:?}");
}

#[test]
fn refits_give_intervals_around_their_weights() {
    let (analysis, _) = analysis(8);
    assert_eq!((analysis.resamples, analysis.c), (8, 1.0));
    let refit = term(&analysis, "bomb").refit.unwrap();
    assert!(refit.interval.0 < refit.weight && refit.weight < refit.interval.1, "{refit:?}");
    assert!(refit.weight > 0.0 && refit.sign_stability == 1.0, "{refit:?}");
    // The same rows and the same fit: the refit finds the model's weight.
    assert!((refit.weight - term(&analysis, "bomb").weight).abs() < 0.01);
    assert_eq!(analysis.recurrence.len(), HALVES);
    assert_eq!(analysis.weight_recurrence.len(), HALVES);
    for term in analysis.terms.iter().filter(|term| term.halves.is_some_and(|halves| halves < HALVES)) {
        assert!(term.marks.unstable);
    }
}

#[test]
fn the_same_rows_give_the_same_analysis() {
    let (a, b) = (analysis(3).0, analysis(3).0);
    assert_eq!(a.terms, b.terms);
    assert_eq!(a.recurrence, b.recurrence);
}

#[test]
fn words_come_first_and_each_text_once() {
    let prompts = prompts();
    let words = ViewParams { ngrams: (1, 2), ..ViewParams::new(Field::Prompt) };
    let beginning = ViewParams { part: demur_predictor::Part::FirstWords(4), ..words };
    let pieces = ViewParams { analyzer: Analyzer::CharWb, ngrams: (3, 6), ..ViewParams::new(Field::Prompt) };
    let fit = NgramParams::new(vec![pieces, words, beginning]);
    let (model, _) = model_of(&prompts, &fit);
    let groups: Vec<u32> = (0..prompts.len() as u32).collect();
    let examples = examples(&prompts, &groups);
    let params = TermParams { refit: Some(fit), resamples: 2, examples: 0, seed: 1 };
    let p = probabilities(&model, &examples);
    let analysis = analyse_terms(&model, &examples, &p, &params, Progress::none()).unwrap();
    let second = |term: &TermFigures| term.is_piece || term.marks.duplicate;
    assert!(analysis.terms.is_sorted_by_key(second), "words before pieces and duplicates");
    // "bomb" is a word of the whole text and of its beginning, and four runs of characters with and without
    // spaces.
    let same: Vec<&TermFigures> = analysis.terms.iter().filter(|term| term.ngram.trim() == "bomb").collect();
    let shown: Vec<_> = same.iter().filter(|term| !term.marks.duplicate).collect();
    assert!(same.len() >= 4 && shown.len() == 1 && !shown[0].is_piece, "{same:?}");
    assert!(same.iter().filter(|term| term.marks.duplicate).all(|term| term.halves.is_none()));
    // Both kinds are looked up in the halves, each within its own top.
    for pieces in [false, true] {
        let tested = analysis.terms.iter().filter(|term| term.is_piece == pieces && term.halves.is_some());
        assert!((1..=2 * TOP).contains(&tested.count()), "pieces: {pieces}");
    }
}

#[test]
fn without_rows_the_terms_have_their_weights() {
    let prompts = prompts();
    let (model, fit) = model(&prompts);
    let params = TermParams { refit: Some(fit), resamples: 2, examples: 2, seed: 0 };
    let analysis = analyse_terms(&model, &Examples::default(), &[], &params, Progress::none()).unwrap();
    assert_eq!((analysis.rows, analysis.resamples), (0, 0));
    let weights: Vec<f64> = analysis.terms.iter().map(|term| term.weight.abs()).collect();
    assert!(weights.len() > 100 && weights.is_sorted_by(|a, b| a >= b));
    assert!(analysis.terms.iter().all(|term| term.rows() == 0 && term.refit.is_none()));
    // What was not computed is absent, not zero.
    assert!(analysis.recurrence.is_empty() && analysis.weight_recurrence.is_empty());
    assert!(analysis.terms.iter().all(|term| term.stable().is_none() && term.halves.is_none()));
    let wrong = analyse_terms(&model, &Examples::default(), &[0.5], &params, Progress::none());
    assert!(matches!(wrong, Err(TrainingError::Lengths { found: 1, expected: 0, .. })));
}

#[test]
fn more_rows_or_text_than_the_bounds_are_sampled() {
    let rows: Vec<usize> = (0..MAX_ROWS + 5).collect();
    let chosen = sample(&rows, 1, |_| 1);
    assert_eq!((chosen.len(), chosen.is_sorted()), (MAX_ROWS, true));
    assert_eq!(chosen, sample(&rows, 1, |_| 1));
    assert_eq!(sample(&rows[..100], 1, |_| MAX_BYTES / 10).len(), 10);
    assert_eq!(sample(&rows[..100], 1, |_| 1), rows[..100]);
}

#[test]
fn many_terms_take_bounded_time_and_memory() {
    // Sixty thousand distinct words in three thousand rows.
    let rows: Vec<(String, bool)> = (0..3000)
        .map(|row: usize| {
            let words: Vec<String> = (0..20).map(|at| format!("w{}x", (row * 20 + at) % 60_000)).collect();
            (format!("{} {}", ["alpha", "beta"][row % 2], words.join(" ")), row.is_multiple_of(2))
        })
        .collect();
    let examples = examples(&rows, &(0..3000).collect::<Vec<u32>>());
    let views =
        fit_views(&[ViewParams { ngrams: (1, 2), ..ViewParams::new(Field::Prompt) }], &examples.inputs)
            .unwrap();
    let features: usize = views.iter().map(|view| view.vectorizer.len()).sum();
    assert!(features > 100_000, "{features}");
    let scorer = NgramModel::new(views, vec![0.25; features], Dense::default(), 0.0).unwrap();
    let parts = Parts { scorer, kinds: None, seen: SeenPrompts::default(), encoder: None };
    let model = Model::new(manifest(), parts).unwrap();
    let params = TermParams { refit: None, resamples: 0, examples: 2, seed: 0 };
    let p = vec![0.5; rows.len()];
    let analysis = analyse_terms(&model, &examples, &p, &params, Progress::none()).unwrap();
    assert_eq!(analysis.terms.len(), features);
    assert_eq!(analysis.terms[0].ngram, "alpha");
}
