//! What an answer is, by all that is known of it: provider signs, an operator's phrases, the text by all
//! tiers of the model, passages and quotations. Every command and every route that classifies answers calls
//! these functions, so that they agree.

use std::path::Path;

use anyhow::Context;
use demur_predictor::{Answer, Input, Judged, Phrases, Policy, ScoreError, Scratch};
use rayon::prelude::*;

use crate::engine::tiered_model::TieredModel;

/// By what answers are classified: the model with its tiers, the threshold, the operator's phrases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) tiered: TieredModel<'a>,
    /// From its `hold_from` up a text counts as refused.
    pub(crate) policy: Policy,
    pub(crate) phrases: &'a Phrases,
}

impl Judge<'_> {
    /// Classifies one answer.
    ///
    /// # Errors
    /// When the encoder fails.
    pub(crate) fn one(&self, answer: &Answer<'_>, scratch: &mut Scratch) -> Result<Judged, ScoreError> {
        let model = self.tiered.model;
        let mut outcome = Ok(None);
        let mut whole = |input: &Input<'_>, scratch: &mut Scratch| match self.tiered.score_one(input, scratch)
        {
            Ok(scored) => {
                outcome = Ok(Some(scored.tier));
                scored.p_refusal
            }
            Err(cause) => {
                outcome = Err(cause);
                model.predict_ngrams(input, scratch).p_refusal
            }
        };
        let verdict = model.judge_with(answer, &self.policy, self.phrases, scratch, &mut whole);
        Ok(Judged::of(verdict, outcome?))
    }

    /// Classifies answers in order; an encoder scores their texts together.
    ///
    /// # Errors
    /// When the encoder fails.
    pub(crate) fn all(
        &self,
        answers: &[Answer<'_>],
        scratch: &mut Scratch,
    ) -> Result<Vec<Judged>, ScoreError> {
        if !self.tiered.has_encoder() {
            return answers.iter().map(|answer| self.one(answer, scratch)).collect();
        }
        let score = |inputs: &[Input<'_>], scratch: &mut Scratch| self.tiered.score(inputs, scratch);
        self.tiered.model.judge_all(answers, &self.policy, self.phrases, scratch, score)
    }

    /// The same on all cores, where no encoder has them already.
    ///
    /// # Errors
    /// When the encoder fails.
    pub(crate) fn on_all_cores(&self, answers: &[Answer<'_>]) -> Result<Vec<Judged>, ScoreError> {
        if self.tiered.has_encoder() {
            return self.all(answers, &mut Scratch::default());
        }
        let answers = answers.par_iter().with_min_len(64);
        answers.map_init(Scratch::default, |scratch, answer| self.one(answer, scratch)).collect()
    }
}

/// Reads a file of phrases; without one there are none.
///
/// # Errors
/// When it cannot be read, or is not valid.
pub(crate) fn read_phrases(path: Option<&Path>) -> anyhow::Result<Phrases> {
    let Some(path) = path else { return Ok(Phrases::default()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    phrases_of(&text, path)
}

/// Parses the text of a file of phrases.
///
/// # Errors
/// When it is not valid.
pub(crate) fn phrases_of(text: &str, path: &Path) -> anyhow::Result<Phrases> {
    toml::from_str(text).with_context(|| path.display().to_string())
}
