//! The scores of a model: identical in any batch, terms that add up, the n-grams of the text and no others.

use demur_predictor::{Input, Probability, Scratch};
use proptest::prelude::*;

use crate::{model, scorer};

#[test]
fn an_input_without_the_judged_text_is_refused() {
    let inputs = [Input::prompt("how"), Input { response: Some("x"), ..Input::default() }];
    let error = model().predict_all(&inputs).unwrap_err();
    assert_eq!(error.to_string(), "the model reads the prompt, and input 1 has none");
}

#[test]
fn the_strongest_ngrams_come_in_order() {
    let (refused, complied) = scorer().strongest(2);
    let names = |ngrams: &[demur_predictor::WeightedNgram]| {
        ngrams.iter().map(|ngram| format!("{}:{}", ngram.view, ngram.ngram)).collect::<Vec<_>>()
    };
    assert_eq!(names(&refused), ["1:é ", "1:ow"]);
    assert_eq!(names(&complied), ["0:how", "0:how to"]);
}

#[test]
fn blank_text_is_explained_by_the_bias_alone() {
    for blank in ["", " ", "\n\t \n"] {
        let explanation = scorer().explain(&Input::prompt(blank));
        assert!(explanation.terms.is_empty(), "{blank:?}: {:?}", explanation.terms);
        assert_eq!(explanation.logit.to_bits(), explanation.bias.to_bits());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_input_gets_the_same_bits_alone_and_in_any_batch(
        prompts in prop::collection::vec("(how|to|kill|poem|É|[ a-zA-Zİß?!]{0,12}| ){0,12}", 1..8)
    ) {
        let model = model();
        let inputs: Vec<Input<'_>> = prompts.iter().map(|prompt| Input::prompt(prompt)).collect();
        let batch = model.predict_all(&inputs).unwrap();
        for (input, in_batch) in inputs.iter().zip(batch) {
            let alone = model.predict_ngrams(input, &mut Scratch::default()).p_refusal;
            prop_assert_eq!(alone.get().to_bits(), in_batch.get().to_bits());
        }
    }

    #[test]
    fn contributions_sum_to_the_logit_and_stand_where_they_say(text in "(how|to|Kill|poem|É|İ|Σ|[ a-zA-Z]{0,9}| ){0,12}") {
        let scorer = scorer();
        let input = Input::prompt(&text);
        let explanation = scorer.explain(&input);
        let logit = scorer.logit(&input, &mut Scratch::default());
        prop_assert!((explanation.logit - logit).abs() < 1e-9, "{} {}", explanation.logit, logit);
        let sum: f64 = explanation.terms.iter().map(|term| term.contribution).sum();
        prop_assert!((explanation.bias + sum - logit).abs() < 1e-9);
        for term in &explanation.terms {
            prop_assert!(!term.spans.is_empty());
            for &(start, end) in &term.spans {
                let written: String = text[start..end].to_lowercase();
                let trimmed = term.ngram.trim();
                prop_assert!(written.contains(trimmed) || trimmed.split(' ').all(|word| written.contains(word)),
                    "{:?} at {:?}", term.ngram, written);
            }
        }
    }

    #[test]
    fn features_are_the_counted_ngrams_of_the_text(
        words in prop::collection::vec("(how|to|kill|poem|İx|Σας|été|a)", 0..12)
    ) {
        let text = words.join(" ").to_uppercase();
        let view = &scorer().views()[0].vectorizer.clone();
        // The same from the definition: lower-case, words of two characters or more, sublinear counts,
        // tf-idf, unit length.
        let lower = text.to_lowercase();
        let tokens: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|t| t.chars().count() >= 2).collect();
        let ngrams: Vec<String> = (1..=2).flat_map(|n| tokens.windows(n).map(|w| w.join(" "))).collect();
        let mut expected: Vec<(u32, f64)> = Vec::new();
        for feature in 0..u32::try_from(view.len()).unwrap() {
            let count = ngrams.iter().filter(|ngram| **ngram == view.ngram(feature)).count();
            if count > 0 {
                expected.push((feature, (1.0 + (count as f64).ln()) * f64::from(view.idf()[feature as usize])));
            }
        }
        let length = expected.iter().map(|(_, value)| value * value).sum::<f64>().sqrt();
        let found = view.transform(&text, &mut Scratch::default());
        prop_assert_eq!(found.len(), expected.len());
        for ((feature, value), (wanted, expected)) in found.into_iter().zip(expected) {
            prop_assert_eq!(feature, wanted);
            prop_assert!((value - expected / length).abs() < 1e-12);
        }
    }

    #[test]
    fn any_text_gives_a_probability(text in "\\PC*") {
        let p = model().predict_ngrams(&Input::prompt(&text), &mut Scratch::default()).p_refusal;
        prop_assert!((0.0..=1.0).contains(&p.get()));
        prop_assert_eq!(Probability::new(p.get()), Ok(p));
    }
}
