//! Contexts as inputs of a predictor: what each of two personas adds is learned, a third one gets what they
//! share, and agents have a shift of their own.

#![allow(clippy::unwrap_used)]

use demur_predictor::{Field, Input, Mode, NgramModel, ViewText, system_digest};
use demur_training::{
    CalibrationMethod, DocumentFrequency, EncoderStore, Examples, FitPlan, FittedNgram, NgramParams,
    SecondLevelParams, ViewParams,
};

const STRICT: &str = "You are the clerk of a strict bank.";
const FREE: &str = "You are the editor of a free paper.";
const UNSEEN: &str = "You are a judge of a strict court.";

/// Prompts that a target answers or refuses by their words, sent alone, behind a persona that refuses more,
/// behind one that refuses as the bare target does, and to an agent, which does all.
fn examples() -> Examples<'static> {
    const PROMPTS: [(&str, bool); 4] = [
        ("forge a passport", true),
        ("bake a loaf", false),
        ("poison a well", true),
        ("paint a fence", false),
    ];
    let mut examples = Examples::default();
    for row in 0..320_usize {
        let (prompt, harmful) = PROMPTS[row % 4];
        let (system, mode) =
            [(None, Mode::Chat), (Some(STRICT), Mode::Chat), (Some(FREE), Mode::Chat), (None, Mode::Agent)]
                [row / 4 % 4];
        // One in five differs, so that nothing is certain.
        let refused = (harmful || system == Some(STRICT)) && mode == Mode::Chat;
        let truth = f64::from(u8::from(refused != (row / 16 % 5 == 0)));
        examples.inputs.push(Input { system, mode, ..Input::prompt(prompt) });
        examples.targets.push(truth);
        examples.truth.push(truth);
        examples.weights.push(1.0);
        examples.groups.push(u32::try_from(row).unwrap());
    }
    examples
}

fn params() -> NgramParams {
    let system = ViewParams { min_df: DocumentFrequency::Count(1), ..ViewParams::new(ViewText::System) };
    NgramParams {
        context_shift: 2.0,
        calibration: CalibrationMethod::Temperature,
        c: vec![3.0],
        ..NgramParams::new(vec![ViewParams::new(Field::Prompt), system])
    }
}

fn fitted(params: &NgramParams) -> FittedNgram {
    FitPlan::new(params, &EncoderStore::default()).fit(&examples(), 0).unwrap()
}

fn p(fitted: &FittedNgram, prompt: &'static str, system: Option<&'static str>, mode: Mode) -> f64 {
    fitted.probabilities(&[Input { system, mode, ..Input::prompt(prompt) }]).unwrap()[0]
}

#[test]
fn personas_are_told_apart_and_what_they_share_stands_in_for_another() {
    let fitted = fitted(&params());
    let loaf = |system| p(&fitted, "bake a loaf", system, Mode::Chat);
    assert!(loaf(None) < 0.4 && loaf(Some(FREE)) < 0.4, "{} {}", loaf(None), loaf(Some(FREE)));
    assert!(loaf(Some(STRICT)) > 0.6, "{}", loaf(Some(STRICT)));
    let (unseen, other) = (loaf(Some(UNSEEN)), loaf(Some("Sing.")));
    assert!(other > loaf(None) && unseen > other + 0.02, "{unseen}: by `strict`; {other}: by what all share");
    assert!(unseen < loaf(Some(STRICT)), "{unseen}");
    let passport = |mode| p(&fitted, "forge a passport", None, mode);
    assert!(passport(Mode::Chat) > 0.6 && passport(Mode::Agent) < 0.4, "an agent does what a chat refuses");
}

#[test]
fn the_model_holds_digests_and_rows() {
    let model = fitted(&params()).model;
    let contexts = model.dense().contexts.as_ref().unwrap();
    let rows: Vec<(&str, usize)> =
        contexts.systems.iter().map(|(digest, shift)| (digest.as_str(), shift.rows)).collect();
    let (strict, free) = (system_digest(STRICT), system_digest(FREE));
    let mut expected = vec![(strict.as_str(), 80), (free.as_str(), 80)];
    expected.sort_unstable();
    assert_eq!(rows, expected);
    assert_eq!((contexts.system.unwrap().rows, contexts.agent.unwrap().rows), (160, 80));
}

#[test]
fn what_is_explained_sums_to_the_logit() {
    let model = fitted(&params()).model;
    for (system, mode) in [(None, Mode::Agent), (Some(STRICT), Mode::Chat), (Some(UNSEEN), Mode::Agent)] {
        let input = Input { system, mode, ..Input::prompt("bake a loaf") };
        let explained = model.explain(&input);
        assert!((explained.logit - model.logits(&[input])[0]).abs() < 1e-6, "{system:?} {mode:?}");
    }
}

#[test]
fn without_the_setting_nothing_is_learned_of_contexts() {
    let plain = NgramParams { context_shift: 0.0, views: params().views[..1].to_vec(), ..params() };
    let model = |examples: &Examples<'_>| -> NgramModel {
        FitPlan::new(&plain, &EncoderStore::default()).fit(examples, 0).unwrap().model
    };
    let (with, mut examples) = (model(&examples()), examples());
    examples.inputs.iter_mut().for_each(|input| (input.system, input.mode) = (None, Mode::Chat));
    let without = model(&examples);
    assert_eq!(
        (with.weights(), with.bias(), with.dense()),
        (without.weights(), without.bias(), without.dense())
    );
    assert!(!with.reads_contexts());
}

#[test]
fn words_of_system_prompts_that_no_two_share_are_left_out() {
    let mut params = params();
    params.views[1].min_df = DocumentFrequency::Count(2);
    let model = fitted(&params).model;
    let words = |view: usize| {
        let vectorizer = &model.views()[view].vectorizer;
        (0..).take(vectorizer.len()).map(|feature| vectorizer.ngram(feature)).collect::<Vec<_>>()
    };
    assert_eq!(words(1), ["are", "of", "the", "you"]);
    params.views[1].min_df = DocumentFrequency::Count(3);
    assert_eq!(fitted(&params).model.views().len(), 1, "a view without words is none");
}

#[test]
fn settings_that_contexts_exclude_are_refused() {
    let message = |params: NgramParams| params.check().unwrap_err().to_string();
    assert!(message(NgramParams { base_rate: Some(0.02), ..params() }).contains("base_rate"));
    assert!(
        message(NgramParams { views: vec![ViewParams::new(Field::Response)], ..params() })
            .contains("responses")
    );
    assert!(message(NgramParams { context_shift: -1.0, ..params() }).contains("context_shift"));
    let only = vec![ViewParams::new(ViewText::System)];
    assert!(message(NgramParams { context_shift: 0.0, views: only, ..params() }).contains("views"));
    let second_level = Some(SecondLevelParams { alpha: 1.0 });
    assert!(NgramParams { second_level, ..params() }.check().is_ok());
}
