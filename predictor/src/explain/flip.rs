//! The smallest edit that would change a decision, if there is a stable one.
//!
//! Words are only removed, and every attempt is scored again, so nothing is estimated and a flip is a real
//! one. But among a few hundred attempts one may cross a threshold by accident. A flip is therefore returned
//! only if it is stable:
//!
//! - **Margin.** P(refusal) without the words is on the other side of the threshold by at least
//!   [`Flip::MARGIN`] in log-odds (at .5: five points). The same must hold with an unknown letter in their
//!   place, so that the flip does not depend on words that became neighbours.
//! - **Sign.** Every removed word speaks for the decision that changes: for refusal if the text is held.
//! - **Size.** Its share is at least [`Flip::LEAST`], and at least [`Flip::OF_STRONGEST`] of the strongest
//!   share on its side. The shares of all removed words are at least [`Flip::OWN`] of the change, so that the
//!   change is not mainly the rescaling of the rest.
//! - **Few content words.** At most [`Flip::MOST`] of them, each removed everywhere it occurs; no function
//!   words.
//!
//! The search is greedy: the word whose removal moves P(refusal) furthest goes first. At the end each removed
//! word is put back if the flip holds without its removal. The result is minimal in the sense of delta
//! debugging (Zeller & Hildebrandt 2002): no single word of it can be left in.

use std::collections::BTreeMap;
use std::ops::Range;

use demur_data::Input;

use crate::explain::WordShare;
use crate::field::Field;
use crate::model::Model;
use crate::ngram::scratch::Scratch;
use crate::policy::Policy;
use crate::probability::Probability;
use crate::text;

/// Only this many words, those with the strongest shares, are tried.
const CANDIDATES: usize = 40;
/// A letter that is in no vocabulary: the placeholder for a word.
const UNKNOWN: &str = "\u{a66e}";

/// Words whose removal changes the decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Flip {
    /// Their places in order, as byte ranges of the text.
    pub removed: Vec<Range<usize>>,
    /// The text without them, with white space as one space.
    pub rest: String,
    /// P(refusal) of the remaining text.
    pub p_refusal: Probability,
}

impl Flip {
    /// The smallest distance of P(refusal) from the threshold after the flip, in log-odds.
    pub const MARGIN: f64 = 0.2;
    /// The smallest share of the logit that a removed word may have.
    pub const LEAST: f64 = 0.1;
    /// The smallest part of the strongest share on its side that a removed word may have.
    pub const OF_STRONGEST: f64 = 0.2;
    /// The smallest part of the change that must come from the removed words' own shares.
    pub const OWN: f64 = 0.5;
    /// The most different words that a flip removes: more explain nothing.
    pub const MOST: usize = 5;
}

/// A word of a text, with all its places.
struct Candidate {
    places: Vec<Range<usize>>,
    /// Their total contribution towards the decision.
    share: f64,
}

/// A text after a removal, and the model's score of it.
struct Tried {
    rest: String,
    p_refusal: Probability,
    /// P(refusal) of the rest or of the text with placeholders, whichever is nearer to the original decision.
    nearer: f64,
}

struct Search<'a> {
    model: &'a Model,
    input: &'a Input<'a>,
    text: &'a str,
    policy: &'a Policy,
    field: Field,
    /// Whether the whole text is held.
    held: bool,
    words: Vec<WordShare>,
}

impl Model {
    /// The smallest stable set of words found whose removal moves P(refusal) across `policy.hold_from`: down
    /// for a text that is held, up for any other. `None` if there is no such set, or nothing would remain. It
    /// takes a few hundred predictions at most. The text is the one that the model scores, prompt or
    /// response.
    #[must_use]
    pub fn flip(&self, input: &Input<'_>, policy: &Policy, scratch: &mut Scratch) -> Option<Flip> {
        let field = self.manifest().field;
        let text = field.of(input)?;
        let explanation = self.scorer().explain(input);
        let held = self.calibrated(explanation.logit, input).get() >= policy.hold_from;
        let words = explanation.words(field, text);
        let search = Search { model: self, input, text, policy, field, held, words };
        let (removed, tried) = search.run(scratch)?;
        let own: f64 = removed.iter().map(|word| word.share).sum();
        let after = self.scorer().logit(&field.put(&tried.rest, *input), scratch);
        if own < Flip::OWN * (explanation.logit - after).abs() {
            return None;
        }
        let mut places: Vec<Range<usize>> = removed.into_iter().flat_map(|word| word.places).collect();
        places.sort_unstable_by_key(|place| place.start);
        Some(Flip { removed: places, rest: tried.rest, p_refusal: tried.p_refusal })
    }
}

impl Search<'_> {
    /// The words that may be removed: those that have content, speak for the decision, and have a share that
    /// matters.
    fn candidates(&self) -> Vec<Candidate> {
        let sign = if self.held { 1.0 } else { -1.0 };
        let mut by_key: BTreeMap<&str, Candidate> = BTreeMap::new();
        for word in self.words.iter().filter(|word| !word.is_function) {
            let none = || Candidate { places: Vec::new(), share: 0.0 };
            let candidate = by_key.entry(&word.key).or_insert_with(none);
            candidate.places.push(word.bytes.clone());
            candidate.share += sign * word.contribution;
        }
        let mut all: Vec<Candidate> = by_key.into_values().collect();
        // The sort is stable and the keys were in order, so equal shares always keep the same order.
        all.sort_by(|a, b| b.share.total_cmp(&a.share));
        let strongest = all.first().map_or(0.0, |first| first.share);
        all.retain(|word| word.share >= Flip::LEAST.max(Flip::OF_STRONGEST * strongest));
        all.truncate(CANDIDATES);
        all
    }

    fn run(&self, scratch: &mut Scratch) -> Option<(Vec<Candidate>, Tried)> {
        let mut left = self.candidates();
        let mut removed: Vec<Candidate> = Vec::new();
        let sign = if self.held { 1.0 } else { -1.0 };
        loop {
            let mut best: Option<(usize, Tried)> = None;
            for (at, candidate) in left.iter().enumerate() {
                let places = removed.iter().chain([candidate]).flat_map(|word| &word.places);
                let Some(tried) = self.without(places, scratch) else { continue };
                if best.as_ref().is_none_or(|(_, best)| sign * tried.nearer < sign * best.nearer) {
                    best = Some((at, tried));
                }
            }
            let (at, tried) = best?;
            removed.push(left.remove(at));
            if self.is_flipped(&tried) {
                break;
            }
            if removed.len() == Flip::MOST {
                return None;
            }
        }
        // Put each word back if the flip holds without its removal.
        let mut at = 0;
        while removed.len() > 1 && at < removed.len() {
            let others = removed.iter().enumerate().filter(|(other, _)| *other != at);
            let fewer = self.without(others.flat_map(|(_, word)| &word.places), scratch);
            if fewer.is_some_and(|tried| self.is_flipped(&tried)) {
                removed.remove(at);
            } else {
                at += 1;
            }
        }
        let tried = self.without(removed.iter().flat_map(|word| &word.places), scratch)?;
        Some((removed, tried))
    }

    fn is_flipped(&self, tried: &Tried) -> bool {
        let nearer = Probability::new(tried.nearer);
        nearer.is_ok_and(|p| self.policy.is_clear(p, !self.held, Flip::MARGIN))
    }

    /// The model's score without some words; `None` if nothing remains.
    fn without<'p>(
        &self,
        places: impl Iterator<Item = &'p Range<usize>>,
        scratch: &mut Scratch,
    ) -> Option<Tried> {
        let mut starts: Vec<usize> = places.map(|place| place.start).collect();
        starts.sort_unstable();
        if starts.len() == self.words.len() {
            return None;
        }
        let kept = |put: Option<&str>| {
            let mut out = String::with_capacity(self.text.len());
            let mut end = 0;
            for WordShare { bytes, .. } in &self.words {
                let spaced = self.text[end..bytes.start].contains(text::is_space);
                end = bytes.end;
                let is_removed = starts.binary_search(&bytes.start).is_ok();
                if spaced && !out.is_empty() && !out.ends_with(' ') {
                    out.push(' ');
                }
                match put {
                    _ if !is_removed => out.push_str(&self.text[bytes.clone()]),
                    Some(put) => out.push_str(put),
                    None => {}
                }
            }
            out.truncate(out.trim_end().len());
            out
        };
        let (rest, masked) = (kept(None), kept(Some(UNKNOWN)));
        let mut p =
            |text: &str| self.model.predict_ngrams(&self.field.put(text, *self.input), scratch).p_refusal;
        let (p_refusal, p_masked) = (p(&rest), p(&masked));
        let [p, q] = [p_refusal, p_masked].map(Probability::get);
        Some(Tried { rest, p_refusal, nearer: if self.held { p.max(q) } else { p.min(q) } })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "flip_tests.rs"]
mod tests;
