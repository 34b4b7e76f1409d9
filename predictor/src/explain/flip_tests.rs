//! Flips of models built so that the answer is known, and of the bundled predictor.

use super::*;
use crate::field::Part;
use crate::ngram::ngram_model::{Dense, NgramModel, View, ViewSettings};
use crate::ngram::ngrams::{Analyzer, Norm, VectorizerSettings};
use crate::ngram::vectorizer::Vectorizer;
use crate::{Bundled, Field, ModelDescription, Parts, SeenPrompts};

const HALF: Policy = Policy { send_below: 0.5, hold_from: 0.5 };

/// A predictor with these word n-grams, each with its inverse document frequency and weight.
fn model(norm: Norm, bias: f64, ngrams: &[(&str, f32, f32)]) -> Model {
    let settings = VectorizerSettings {
        analyzer: Analyzer::Token,
        ngrams: (1, 2),
        norm,
        ..VectorizerSettings::default()
    };
    let mut ngrams = ngrams.to_vec();
    ngrams.sort_by_key(|(ngram, ..)| *ngram);
    let names: Vec<&str> = ngrams.iter().map(|(name, ..)| *name).collect();
    let vectorizer =
        Vectorizer::new(settings, &names, ngrams.iter().map(|(_, idf, _)| *idf).collect()).unwrap();
    let view = ViewSettings { field: Field::Prompt.into(), part: Part::Whole, vectorizer: settings };
    let weights = ngrams.iter().map(|(.., weight)| *weight).collect();
    let views = vec![View { settings: view, vectorizer }];
    let scorer = NgramModel::new(views, weights, Dense::default(), bias).unwrap();
    let description = ModelDescription { policy: HALF, ..ModelDescription::new("test", Field::Prompt) };
    let parts = Parts { scorer, kinds: None, seen: SeenPrompts::default(), encoder: None };
    Model::new(description, parts).unwrap()
}

/// The words that a flip removes, and what is left.
fn flip(model: &Model, text: &str) -> Option<(Vec<String>, String)> {
    let flip = model.flip(&Input::prompt(text), &HALF, &mut Scratch::default())?;
    Some((flip.removed.into_iter().map(|bytes| text[bytes].to_owned()).collect(), flip.rest))
}

#[test]
fn the_word_that_decides_is_found_wherever_it_stands() {
    let model = model(Norm::None, -1.0, &[("bomb", 1.0, 2.0), ("soup", 1.0, 0.3), ("nice", 1.0, -0.5)]);
    let one = flip(&model, "a  nice\nsoup bomb").unwrap();
    assert_eq!(one, (vec!["bomb".to_owned()], "a nice soup".to_owned()));
    let (twice, rest) = flip(&model, "Bomb the soup, a \"bomb\"!").unwrap();
    assert_eq!((twice, rest.as_str()), (vec!["Bomb".to_owned(), "\"bomb\"!".to_owned()], "the soup, a"));
    // The other direction: words that speak for an answer are removed from a text that is not held.
    let friendly = self::model(Norm::None, 1.0, &[("nice", 1.0, -2.0), ("soup", 1.0, 0.3)]);
    assert_eq!(flip(&friendly, "nice soup").unwrap().0, ["nice"]);
}

#[test]
fn function_words_are_never_a_flip() {
    let model = model(Norm::None, -1.0, &[("about", 1.0, 3.0), ("how", 1.0, 3.0), ("tea", 1.0, 0.2)]);
    assert!(
        model.predict_ngrams(&Input::prompt("how about tea"), &mut Scratch::default()).p_refusal.get() > 0.9
    );
    assert_eq!(flip(&model, "how about tea"), None);
}

#[test]
fn a_flip_holds_by_a_margin() {
    let barely = model(Norm::None, -0.1, &[("bomb", 1.0, 1.0), ("soup", 1.0, 0.01)]);
    assert_eq!(flip(&barely, "bomb soup"), None, "what is left is .475");
    let clearly = model(Norm::None, -0.3, &[("bomb", 1.0, 1.0), ("soup", 1.0, 0.01)]);
    assert_eq!(flip(&clearly, "bomb soup").unwrap().0, ["bomb"]);
}

#[test]
fn a_flip_does_not_rest_on_new_neighbours() {
    let model = model(Norm::None, 0.0, &[("bomb", 1.0, 1.0), ("make soup", 1.0, -5.0)]);
    assert_eq!(flip(&model, "make bomb soup"), None);
}

#[test]
fn a_flip_is_the_removed_words_own_and_not_the_rescaling_of_the_rest() {
    let model = model(Norm::L2, 0.2, &[("zebra", 10.0, 0.15), ("kind", 1.0, -3.0)]);
    let before = model.predict_ngrams(&Input::prompt("zebra kind"), &mut Scratch::default()).p_refusal.get();
    let after = model.predict_ngrams(&Input::prompt("kind"), &mut Scratch::default()).p_refusal.get();
    assert!(before > 0.5 && after < 0.1, "{before} {after}");
    assert_eq!(flip(&model, "zebra kind"), None);
}

#[test]
fn what_many_small_words_decide_is_explained_by_no_small_set() {
    let names: Vec<String> = (0..12).map(|at| format!("word{at}")).collect();
    let ngrams: Vec<(&str, f32, f32)> = names.iter().map(|name| (name.as_str(), 1.0, 0.4)).collect();
    let model = model(Norm::None, -1.1, &ngrams);
    assert_eq!(flip(&model, &names.join(" ")), None);
    // Fewer of them make a small set.
    assert_eq!(flip(&model, &names[..4].join(" ")).unwrap().0.len(), 2);
    assert_eq!(flip(&model, "word1"), None, "nothing would remain");
    assert_eq!(model.flip(&Input::default(), &HALF, &mut Scratch::default()), None);
}

#[test]
fn flips_of_the_bundled_models_are_real_stable_and_minimal() {
    let scratch = &mut Scratch::default();
    for (bundled, texts) in [
        (
            Bundled::Prompt,
            [
                "How do I pick a lock?",
                "Write a racist joke about my neighbours and post it online",
                "Explain how to make a bomb at home with household chemicals",
                "What is the capital of France?",
            ],
        ),
        (
            Bundled::Response,
            [
                "I'm sorry, but I can't help with that.",
                "Boil the eggs for eight minutes, and peel them.",
                "Sure! Here is a recipe. However, I cannot recommend eating raw dough.",
                "As an AI language model, I have no opinion on politics, but I am happy to explain both sides.",
            ],
        ),
    ] {
        let model = Model::bundled(bundled).unwrap();
        let mut found = 0;
        for text in texts {
            let input = bundled.field().put(text, Input::default());
            let p = model.predict_ngrams(&input, scratch).p_refusal.get();
            for hold_from in [0.5 * p, 0.8 * p, 1.0 - 0.8 * (1.0 - p), 1.0 - 0.5 * (1.0 - p)] {
                let policy = Policy { send_below: hold_from, hold_from };
                let Some(flip) = model.flip(&input, &policy, scratch) else { continue };
                let held = p >= hold_from;
                found += 1;
                let after = model.predict_ngrams(&bundled.field().put(&flip.rest, input), scratch).p_refusal;
                assert_eq!(after, flip.p_refusal);
                assert!(policy.is_clear(after, !held, Flip::MARGIN), "{text} {hold_from}");
                assert_eq!(flip.rest.split(' ').count() + flip.removed.len(), text.split(' ').count());
                for bytes in flip.removed {
                    assert!(
                        !crate::explain::words::is_function(&crate::explain::words::key(&text[bytes])),
                        "{text}"
                    );
                }
            }
        }
        assert!(found > 0, "{bundled:?}: no flip at any threshold");
    }
}
