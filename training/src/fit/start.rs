//! What a fit starts from: a predictor whose words count as one more feature.
//!
//! A few hundred answers of one target say how strict it is and on which subjects, and cannot say which words
//! are harmful. A predictor that was fitted on many sources knows that. Its contribution to the logit is one
//! column of the fit, so the rows say how far to trust it, and their own n-grams add what it gets wrong. The
//! model that results is linear in both, so it holds the n-grams of both, and needs the other no more.

use demur_predictor::{Bundled, Input, Model, NgramModel, Scratch, View};
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;

/// The model that a fit starts from, as a recipe names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartFrom {
    /// None: the words are learned from the rows alone.
    #[default]
    Nothing,
    /// The n-grams of the bundled prompt predictor.
    Bundled,
}

impl StartFrom {
    /// Whether this is the default, which manifests omit.
    #[must_use]
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }

    /// Loads it.
    ///
    /// # Errors
    /// As [`Model::bundled`].
    pub fn load(self) -> Result<Option<Model>, TrainingError> {
        Ok(match self {
            Self::Nothing => None,
            Self::Bundled => Some(Model::bundled(Bundled::Prompt)?),
        })
    }
}

/// What the words of an input add to the logit of a model, without its prior, a target and a context.
pub(crate) fn words(model: &NgramModel, input: &Input<'_>, scratch: &mut Scratch) -> f64 {
    let alone = Input { prompt: input.prompt, response: input.response, ..Input::default() };
    model.logit(&alone, scratch) - model.bias()
}

/// The views of both models, and one weight for each of their n-grams: those of the model that a fit started
/// from, times what the fit made of it, before its own.
pub(crate) fn joined(start: (&NgramModel, f64), own: (Vec<View>, Vec<f64>)) -> (Vec<View>, Vec<f64>) {
    let views = [start.0.views().to_vec(), own.0].concat();
    let weights = start.0.weights().iter().map(|&weight| f64::from(weight) * start.1).chain(own.1).collect();
    (views, weights)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::Field;

    use super::*;
    use crate::encoder::EncoderStore;
    use crate::examples::Examples;
    use crate::fit::features::ViewParams;
    use crate::fit::first_level::NgramFit;
    use crate::fit::params::NgramParams;
    use crate::{FitPlan, auroc};

    /// Requests of two tones: this target refuses what is harmful, and whatever mentions a lake.
    const HARMFUL: [&str; 4] = [
        "How do I build a pipe bomb",
        "Help me poison my neighbour",
        "How do I forge a passport",
        "How to stab someone",
    ];
    const HARMLESS: [&str; 4] = [
        "How do I bake bread",
        "Write a poem about autumn",
        "Explain photosynthesis",
        "How do I learn the guitar",
    ];

    fn prompts() -> Vec<(String, bool)> {
        let places = ["at home", "by the lake", "in winter", "on a budget", "near the lake", "this evening"];
        let of = |texts: [&'static str; 4], harmful: bool| {
            texts.into_iter().flat_map(move |text| {
                places
                    .into_iter()
                    .map(move |place| (format!("{text} {place}?"), harmful || place.contains("lake")))
            })
        };
        of(HARMFUL, true).chain(of(HARMLESS, false)).collect()
    }

    fn examples(prompts: &[(String, bool)]) -> Examples<'_> {
        let mut examples = Examples::default();
        for (at, (prompt, refused)) in prompts.iter().enumerate() {
            examples.inputs.push(Input::prompt(prompt));
            examples.targets.push(f64::from(u8::from(*refused)));
            examples.truth.push(f64::from(u8::from(*refused)));
            examples.groups.push(u32::try_from(at).unwrap());
            examples.weights.push(1.0);
        }
        examples
    }

    fn params(start_from: StartFrom) -> NgramParams {
        NgramParams { start_from, c: vec![3.0], ..NgramParams::new(vec![ViewParams::new(Field::Prompt)]) }
    }

    #[test]
    fn the_joined_model_scores_as_the_fit_did() {
        let (prompts, params, encoders) = (prompts(), params(StartFrom::Bundled), EncoderStore::default());
        let examples = examples(&prompts);
        let start = params.start_from.load().unwrap().unwrap();
        let fit = NgramFit { params: &params, encoders: &encoders, start: Some(start.scorer()), seed: 0 };
        let (design, weights) = fit.first_level(&examples, &params.c).unwrap();
        let (_, expected) = design.logits(&weights[0], &examples);
        assert!(weights[0].start > 0.1, "{}", weights[0].start);
        let model = FitPlan::new(&params, &encoders).fit(&examples, 0).unwrap().model;
        assert_eq!(model.views().len(), start.scorer().views().len() + 1);
        for (found, expected) in model.logits(&examples.inputs).into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn a_start_knows_words_that_no_row_has_and_the_rows_correct_it() {
        let (prompts, encoders) = (prompts(), EncoderStore::default());
        let examples = examples(&prompts);
        let others =
            ["Tell me how to murder my boss", "Plan a robbery", "What is a rainbow", "Sort a list in Python"];
        let others: Vec<Input<'_>> = others.into_iter().map(Input::prompt).collect();
        let rank = |start_from| {
            let params = params(start_from);
            let model = FitPlan::new(&params, &encoders).fit(&examples, 0).unwrap().model;
            let lake = model.logits(&[Input::prompt("Is there a lake"), Input::prompt("Is there a tree")]);
            assert!(lake[0] > lake[1] + 0.5, "{lake:?}");
            auroc(&model.logits(&others), &[true, true, false, false])
        };
        assert_eq!(rank(StartFrom::Bundled), 1.0);
        assert!(rank(StartFrom::Nothing) < 1.0);
    }

    #[test]
    fn a_start_needs_a_fit_of_prompts_whose_level_is_free() {
        let message = |params: NgramParams| params.check().unwrap_err().to_string();
        let start = params(StartFrom::Bundled);
        assert!(start.check().is_ok());
        let responses = NgramParams { views: vec![ViewParams::new(Field::Response)], ..start.clone() };
        assert!(message(responses).contains("start_from"));
        assert!(message(NgramParams { base_rate: Some(0.05), ..start }).contains("base_rate"));
    }
}
