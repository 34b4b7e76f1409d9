//! Why a prompt is held: in one sentence, with the words that did it, and where a word is merely ambiguous, with a
//! rephrasing that passes. One function says it for every command and route.
//!
//! Demur is no tool for getting round refusals, so a rephrasing is the exception: only plain words are put in the place
//! of a few ambiguous ones that are known (`ambiguous_words.txt`), never above [`HARM`], and never where another word
//! than these carries the decision.

mod rephrase;

use demur_predictor::{
    Decision, Explanation, Field, Flip, Input, Policy, ScoreError, Scratch, Share, ShareKind, Tier, Tiered,
    ViewText, WordShare,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::tiered_model::TieredModel;
use crate::engine::why::rephrase::Replaced;

/// From this P(refusal) up, of the target or of the average one, a prompt may be harmful, and no rephrasing is offered.
const HARM: f64 = 0.7;
/// How many words are named.
pub(crate) const WORDS: usize = 3;
/// A word is named that speaks for refusal by at least this part of the strongest.
const OF_STRONGEST: f64 = 0.2;
/// Longer texts, in bytes, are not searched for ambiguous words.
const LONGEST: usize = 2000;

/// Why a prompt is held.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Why {
    /// One sentence.
    #[schema(
        example = "P(refusal) 0.97 is at or above 0.50: \"bomb\", \"pipe\" and \"build\" speak for it most"
    )]
    pub(crate) sentence: String,
    /// The words that speak for it most, by the n-grams, the strongest first.
    pub(crate) words: Vec<HeldWord>,
    /// The same prompt with plain words for ambiguous ones, which passes. Null, but for a few words that are known to be
    /// harmless where they stand.
    #[schema(inline)]
    pub(crate) rephrasing: Option<Rephrasing>,
    /// The request's id, to have the decision reviewed by; it is in the header `x-request-id` too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
}

/// A word that speaks for refusal.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct HeldWord {
    /// In lower case.
    pub(crate) text: String,
    /// What it adds to the log-odds.
    pub(crate) contribution: f64,
}

/// A rephrasing that passes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Rephrasing {
    /// The prompt with other words.
    pub(crate) text: String,
    /// The words that were replaced, in their order.
    pub(crate) replaced: Vec<Replaced>,
    /// P(refusal) of it.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) p_refusal: f64,
}

impl Why {
    /// About the size of its JSON.
    pub(crate) fn size(&self) -> usize {
        let words: usize = self.words.iter().map(|word| 80 + 2 * word.text.len()).sum();
        200 + 2 * self.sentence.len()
            + words
            + self.rephrasing.as_ref().map_or(0, |plain| 2 * plain.text.len())
    }
}

/// Why a prompt is held that was scored so; `None` of one that is not. With a pending encoder it is preliminary while that
/// waits.
///
/// # Errors
/// When the encoder fails.
pub(crate) fn why(
    tiered: &TieredModel<'_>,
    input: &Input<'_>,
    (scored, decision, policy): (&Tiered, Decision, Policy),
    scratch: &mut Scratch,
) -> Result<Option<Why>, ScoreError> {
    if decision != Decision::Hold {
        return Ok(None);
    }
    let explanation = tiered.model.scorer().explain(input);
    let words = words(tiered, &explanation, input);
    Ok(Some(Why {
        sentence: sentence(tiered, scored, policy, &words),
        rephrasing: rephrasing(tiered, input, &explanation, (scored, policy), scratch)?,
        words,
        request_id: None,
    }))
}

/// The words that speak for refusal, the strongest first.
fn words(tiered: &TieredModel<'_>, explanation: &Explanation, input: &Input<'_>) -> Vec<HeldWord> {
    let all = tiered.model.shares(explanation, input, usize::MAX);
    let mut for_it: Vec<Share> = all.parts;
    // The words of a system prompt are not the user's to change.
    for_it.retain(|share| {
        share.kind == ShareKind::Word && share.field != Some(ViewText::System) && share.contribution > 0.0
    });
    for_it.sort_by(|a, b| b.contribution.total_cmp(&a.contribution));
    let strongest = for_it.first().map_or(0.0, |share| share.contribution);
    let named = for_it.into_iter().take(WORDS).filter(|share| share.contribution >= OF_STRONGEST * strongest);
    named.map(|share| HeldWord { text: share.text, contribution: share.contribution }).collect()
}

fn sentence(tiered: &TieredModel<'_>, scored: &Tiered, policy: Policy, words: &[HeldWord]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{}\"", word.text)).collect();
    let by_words = match quoted.as_slice() {
        [] => "no single word speaks for it".to_owned(),
        [one] => format!("{one} speaks for it most"),
        [first @ .., last] => format!("{} and {last} speak for it most", first.join(", ")),
    };
    let by_encoder = match tiered.tier(scored) {
        Some(Tier::Encoder) => "the encoder, which reads the text as a whole, was asked; of the words, ",
        _ => "",
    };
    format!(
        "P(refusal) {:.2} is at or above {:.2}: {by_encoder}{by_words}",
        scored.p_refusal.get(),
        policy.hold_from
    )
}

/// The prompt with plain words for ambiguous ones, where that is harmless and passes.
fn rephrasing(
    tiered: &TieredModel<'_>,
    input: &Input<'_>,
    explanation: &Explanation,
    (scored, policy): (&Tiered, Policy),
    scratch: &mut Scratch,
) -> Result<Option<Rephrasing>, ScoreError> {
    let text = input.prompt.unwrap_or_default();
    if text.len() > LONGEST || scored.p_refusal.get() >= HARM {
        return Ok(None);
    }
    let words = explanation.words(Field::Prompt, text);
    let Some(found) = rephrase::plain(text, &words).filter(|found| carries(&words, &found.places)) else {
        return Ok(None);
    };
    // A target that refuses little says little of harm.
    let average = tiered.score_one(&Input { target: None, ..*input }, scratch)?;
    let plain = Input { prompt: Some(&found.text), ..*input };
    let passes = tiered.score_one(&plain, scratch)?;
    let is_sent = policy.decide(passes.p_refusal) == Decision::Send
        && policy.is_clear(passes.p_refusal, false, Flip::MARGIN)
        && tiered.model.doubt(&plain, &passes, scratch).is_none();
    let is_offered = average.p_refusal.get() < HARM && is_sent;
    Ok(is_offered.then(|| Rephrasing {
        p_refusal: passes.p_refusal.get(),
        text: found.text,
        replaced: found.replaced,
    }))
}

/// Whether the replaced words, and no others, speak for refusal: the strongest of all is among them, and the others add
/// less than they.
fn carries(words: &[WordShare], replaced: &[usize]) -> bool {
    let share = |is_replaced: bool| {
        let own = words.iter().enumerate().filter(|(at, _)| replaced.contains(at) == is_replaced);
        own.map(|(_, word)| word.contribution.max(0.0)).collect::<Vec<f64>>()
    };
    let (own, others) = (share(true), share(false));
    let strongest = |shares: &[f64]| shares.iter().copied().fold(0.0, f64::max);
    strongest(&own) > strongest(&others) && own.iter().sum::<f64>() > others.iter().sum::<f64>()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "tests.rs"]
mod tests;
