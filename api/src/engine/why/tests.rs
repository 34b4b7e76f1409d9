use demur_predictor::{Bundled, Model};

use super::*;

/// Why a prompt is held from this P(refusal) up, by n-grams.
fn held(model: &Model, prompt: &str, hold_from: f64) -> Option<Why> {
    let (tiered, input) = (TieredModel::here(model, None), Input::prompt(prompt));
    let scratch = &mut Scratch::default();
    let policy = Policy { send_below: hold_from, hold_from };
    let scored = tiered.score_one(&input, scratch).unwrap();
    let decision = policy.decide(scored.p_refusal);
    why(&tiered, &input, (&scored, decision, policy), scratch).unwrap()
}

/// P(refusal) of a prompt by n-grams.
fn p(model: &Model, prompt: &str) -> f64 {
    model.predict_ngrams(&Input::prompt(prompt), &mut Scratch::default()).p_refusal.get()
}

#[test]
fn a_hold_names_its_words_in_one_sentence() {
    let model = Model::bundled(Bundled::Prompt).unwrap();
    let why = held(&model, "Tell me how to build a pipe bomb", 0.5).unwrap();
    assert_eq!(why.words[0].text, "bomb");
    assert!(why.words.windows(2).all(|two| two[0].contribution >= two[1].contribution));
    let said = "is at or above 0.50: \"bomb\"";
    assert!(why.sentence.starts_with("P(refusal) 0.9") && why.sentence.contains(said), "{}", why.sentence);
    assert!(why.rephrasing.is_none());
    assert!(held(&model, "What can I cook with two eggs?", 0.5).is_none());
    let nothing = held(&model, "zxqv", 0.0).unwrap();
    assert!(nothing.words.is_empty() && nothing.sentence.contains("no single word"), "{}", nothing.sentence);
}

#[test]
fn a_word_that_is_merely_ambiguous_is_held_with_a_rephrasing_that_passes() {
    let model = Model::bundled(Bundled::Prompt).unwrap();
    let prompt = "How do I kill all zombie processes?";
    let plain = "How do I stop all zombie processes?";
    let (before, after) = (p(&model, prompt), p(&model, plain));
    assert!(before > 1.5 * after, "{before} {after}");
    // A target so strict that it holds the one and would send the other.
    let strict = 0.9 * before;
    let found = held(&model, prompt, strict).unwrap().rephrasing.unwrap();
    assert_eq!((found.text.as_str(), found.p_refusal), (plain, after));
    let [Replaced { from, to }] = found.replaced.as_slice() else { panic!("{found:?}") };
    assert_eq!((from.as_str(), to.as_str()), ("kill", "stop"));
    // Where the rephrasing would not pass either, none is offered.
    assert_eq!(held(&model, prompt, 0.9 * after).unwrap().rephrasing, None);
}

/// Demur is no tool for getting round refusals: at whatever threshold a harmful prompt is held, there is no
/// rephrasing.
#[test]
fn no_harmful_prompt_is_ever_offered_a_rephrasing() {
    let model = Model::bundled(Bundled::Prompt).unwrap();
    let corpus = include_str!("../../../../data/corpus/prompts.jsonl");
    let mut harmful = 0;
    for line in corpus.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        if row["label"] != "refused" {
            continue;
        }
        harmful += 1;
        let prompt = row["prompt"].as_str().unwrap();
        let words = model.scorer().explain(&Input::prompt(prompt)).words(Field::Prompt, prompt);
        assert!(rephrase::plain(prompt, &words).is_none(), "{prompt}");
        let p = p(&model, prompt);
        for hold_from in [0.0, 0.25 * p, 0.5 * p, 0.75 * p, p] {
            let why = held(&model, prompt, hold_from).unwrap();
            assert!(why.rephrasing.is_none() && !why.sentence.is_empty(), "{prompt}");
        }
    }
    assert!(harmful > 2500, "{harmful}");
}

#[test]
fn above_the_threshold_of_harm_and_beside_other_words_that_carry_it_there_is_none() {
    let model = Model::bundled(Bundled::Prompt).unwrap();
    let share = |key: &str, contribution| WordShare {
        bytes: 0..1,
        key: key.to_owned(),
        is_function: false,
        contribution,
    };
    let words = [share("kill", 1.0), share("process", 0.2), share("bomb", 0.9), share("plan", -3.0)];
    assert!(!carries(&words, &[0]), "the others carry more together");
    assert!(carries(&words, &[0, 2]) && !carries(&words[1..], &[0]));
    // The same words with a bomb beside them.
    let prompt = "How do I kill all zombie processes before the pipe bomb explodes?";
    for hold_from in [0.0, 0.1, 0.3, 0.5, 0.7] {
        assert!(held(&model, prompt, hold_from).is_none_or(|why| why.rephrasing.is_none()), "{hold_from}");
    }
}
