//! Classifies many answers, so that an encoder scores their texts together.

use demur_data::Input;

use crate::answer::phrases::Phrases;
use crate::answer::verdict::{Answer, Form, Verdict};
use crate::model::Model;
use crate::model::tier::Tier;
use crate::model::tiers::Tiered;
use crate::ngram::scratch::Scratch;
use crate::policy::Policy;

/// A verdict, with the tier behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// The tier that scored the text; `None` if no text was scored.
    pub tier: Option<Tier>,
}

impl Judged {
    /// A verdict whose text as a whole was scored by this tier.
    #[must_use]
    pub fn of(verdict: Verdict, whole: Option<Tier>) -> Self {
        // A single sentence is always scored by the n-gram tier.
        let tier = if verdict.form == Form::Passage { whole.and(Some(Tier::Ngram)) } else { whole };
        Self { verdict, tier }
    }
}

/// The texts of an answer that are scored as a whole.
struct Asked {
    prompt: Option<String>,
    response: Option<String>,
}

impl Asked {
    fn of(input: &Input<'_>) -> Self {
        Self { prompt: input.prompt.map(str::to_owned), response: input.response.map(str::to_owned) }
    }

    fn input(&self) -> Input<'_> {
        Input { prompt: self.prompt.as_deref(), response: self.response.as_deref(), ..Input::default() }
    }
}

impl Model {
    /// Classifies answers in their order, as [`judge_with`](Self::judge_with) does; `score` is called once,
    /// with all texts that are scored as a whole.
    ///
    /// The rules are applied twice: first to find these texts, then with their scores. They take
    /// microseconds, which is little beside an encoder.
    ///
    /// # Errors
    /// What `score` returns.
    pub fn judge_all<E>(
        &self,
        answers: &[Answer<'_>],
        policy: &Policy,
        phrases: &Phrases,
        scratch: &mut Scratch,
        score: impl FnOnce(&[Input<'_>], &mut Scratch) -> Result<Vec<Tiered>, E>,
    ) -> Result<Vec<Judged>, E> {
        let mut asked: Vec<Asked> = Vec::new();
        for answer in answers {
            self.judge_with(answer, policy, phrases, scratch, &mut |input, scratch| {
                asked.push(Asked::of(input));
                self.predict_ngrams(input, scratch).p_refusal
            });
        }
        let inputs: Vec<Input<'_>> = asked.iter().map(Asked::input).collect();
        let mut scores = score(&inputs, scratch)?.into_iter();
        let judge = |answer: &Answer<'_>| {
            let mut tier = None;
            let verdict = self.judge_with(answer, policy, phrases, scratch, &mut |input, scratch| {
                // The rules ask for the same texts in the same order as before; the fallback is never used.
                let scored = scores.next().unwrap_or_else(|| self.predict_ngrams(input, scratch));
                tier = Some(scored.tier);
                scored.p_refusal
            });
            Judged::of(verdict, tier)
        };
        Ok(answers.iter().map(judge).collect())
    }
}
