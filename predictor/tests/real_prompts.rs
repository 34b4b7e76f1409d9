//! Explanations of ten thousand real prompts add up; flips and fragments of a thousand are correct and fast.
//! The prompts are read from `../shared/data`; the tests are ignored by default.

#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use demur_predictor::{Bundled, Field, Flip, Input, Model, Scratch};

/// The first prompts of each file of real prompts, taking the files in turn, by name.
fn prompts(count: usize) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/prompts");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let each = count.div_ceil(8);
    let mut prompts = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        prompts.extend(rows.filter_map(|row| row["prompt"].as_str().map(str::to_owned)).take(each));
    }
    assert!(prompts.len() >= count, "{} prompts", prompts.len());
    prompts.truncate(count);
    prompts
}

#[test]
#[ignore = "needs ../shared/data"]
fn contributions_of_ten_thousand_real_prompts_sum_to_the_logit() {
    let prompts = prompts(10_000);
    let model = Model::bundled(Bundled::Prompt).unwrap();
    let scratch = &mut Scratch::default();
    let target = model.manifest().target_shifts.keys().next().map(String::as_str);
    for (at, prompt) in prompts.iter().enumerate() {
        // Every other prompt has a target, which is a term too.
        let input = Input { target: target.filter(|_| at % 2 == 0), ..Input::prompt(prompt) };
        let explanation = model.scorer().explain(&input);
        let terms: f64 = explanation.terms.iter().map(|term| term.contribution).sum();
        let logit = model.scorer().logit(&input, scratch);
        assert!((explanation.bias + terms - logit).abs() < 1e-6, "{prompt}");
        assert!((explanation.logit - logit).abs() < 1e-6, "{prompt}");
        let words: f64 = explanation.words(Field::Prompt, prompt).iter().map(|word| word.contribution).sum();
        let placed: f64 = explanation
            .terms
            .iter()
            .filter(|term| !term.spans.is_empty())
            .map(|term| term.contribution)
            .sum();
        assert!((words - placed).abs() < 1e-6, "{prompt}");
        for (start, end) in explanation.terms.iter().flat_map(|term| &term.spans) {
            assert!(prompt.is_char_boundary(*start) && prompt.is_char_boundary(*end), "{prompt}");
        }
    }
}

#[test]
#[ignore = "needs ../shared/data"]
fn flips_and_fragments_of_a_thousand_real_prompts_are_real_and_quick() {
    let prompts = prompts(1000);
    let model = Model::bundled(Bundled::Prompt).unwrap();
    let policy = model.manifest().policy;
    let scratch = &mut Scratch::default();
    let (mut flips, mut fragments, mut times) = (0, 0, Vec::new());
    for prompt in &prompts {
        let input = Input::prompt(prompt);
        let began = Instant::now();
        let explanation = model.scorer().explain(&input);
        let flip = model.flip(&input, &policy, scratch);
        let fragment = model.fragment(&input, &policy, scratch);
        times.push(began.elapsed());
        let held = model.calibrated(explanation.logit, &input).get() >= policy.hold_from;
        if let Some(flip) = flip {
            let again = model.predict_ngrams(&Input::prompt(&flip.rest), scratch).p_refusal;
            assert_eq!(again, flip.p_refusal, "{prompt}");
            assert!(policy.is_clear(again, !held, Flip::MARGIN), "{prompt}");
            flips += 1;
        }
        if let Some(fragment) = fragment {
            let again = model.predict_ngrams(&Input::prompt(&prompt[fragment.bytes]), scratch).p_refusal;
            assert_eq!(again, fragment.p_refusal, "{prompt}");
            assert!(held && policy.is_clear(again, true, Flip::MARGIN), "{prompt}");
            fragments += 1;
        }
    }
    times.sort();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    eprintln!("{flips} flips, {fragments} fragments; median {median:?}, slowest {slowest:?}");
    assert!(flips > 50 && fragments > 20, "{flips} flips, {fragments} fragments");
    assert!(median < Duration::from_millis(5), "{median:?}");
}
