//! The smallest edit that would change a decision, and the smallest part of a prompt that is refused by itself.
//!
//! Removing words needs no guess at what the user might have written instead, and every answer is scored anew, so a flip
//! that is given is a real one. The search is greedy: the word whose removal moves P(refusal) furthest goes first, and
//! at the end each word that went comes back if the flip holds without its removal. The result is minimal in the sense
//! of delta debugging (Zeller & Hildebrandt 2002): no single word of it can be left in.

use std::ops::Range;

use crate::model::Model;
use crate::ngram_model::Field;
use crate::policy::Policy;
use crate::probability::Probability;
use crate::scorer::Input;
use crate::text;
use crate::vectorizer::Scratch;

/// Only so many words, those with the strongest shares, are tried.
const CANDIDATES: usize = 40;
/// Flips of more words than that explain nothing.
const MOST: usize = 12;

/// Windows that are scored in the search for a fragment, at most.
const WINDOWS: usize = 2000;

/// A part of a prompt that is held by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Fragment {
    /// Where it stands, as bytes of the prompt; whole words.
    pub bytes: Range<usize>,
    /// How many words it has.
    pub words: usize,
    /// P(refusal) of it alone.
    pub p_refusal: Probability,
}

/// Words whose removal changes the decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Flip {
    /// Where they stand, in order, as bytes of the prompt.
    pub removed: Vec<Range<usize>>,
    /// The prompt without them, the other words joined by one space.
    pub rest: String,
    /// P(refusal) of the rest.
    pub p_refusal: Probability,
}

impl Model {
    /// The smallest set of words found whose removal carries P(refusal) over `policy.hold_from`: down from a prompt that
    /// is held, up to it from any other. None where no set of up to twelve words does, or nothing would remain. It
    /// takes some hundred predictions at most. The model must be a prompt predictor.
    #[must_use]
    pub fn flip(&self, input: &Input<'_>, policy: &Policy, scratch: &mut Scratch) -> Option<Flip> {
        let prompt = input.prompt?;
        let hold = self.predict(input, scratch).get() >= policy.hold_from;
        let mut words = self.scorer().explain(input).words(Field::Prompt, prompt);
        let all: Vec<Range<usize>> = words.iter().map(|word| word.bytes.clone()).collect();
        // Strongest first in the direction that has to go; a word's share says nothing of how the rest is scaled then,
        // so it only shortens the list.
        let sign = if hold { -1.0 } else { 1.0 };
        words.sort_by(|a, b| (sign * a.contribution).total_cmp(&(sign * b.contribution)));
        let mut left: Vec<Range<usize>> = words.into_iter().take(CANDIDATES).map(|word| word.bytes).collect();
        let mut score = |removed: &[Range<usize>]| {
            let rest = rest(prompt, &all, removed);
            self.predict(&Input { prompt: Some(&rest), ..*input }, scratch)
        };
        let flipped = |p: Probability| (p.get() >= policy.hold_from) != hold;
        let mut removed: Vec<Range<usize>> = Vec::new();
        while removed.len() < MOST.min(all.len().saturating_sub(1)) {
            let scored = left.iter().enumerate().map(|(at, word)| {
                let tried = [&removed[..], std::slice::from_ref(word)].concat();
                (at, score(&tried).get())
            });
            let (at, p) = scored.min_by(|a, b| (sign * b.1).total_cmp(&(sign * a.1)))?;
            removed.push(left.remove(at));
            if flipped(Probability::new(p).ok()?) {
                break;
            }
        }
        if !flipped(score(&removed)) {
            return None;
        }
        let mut at = 0;
        while at < removed.len() {
            let mut fewer = removed.clone();
            fewer.remove(at);
            if flipped(score(&fewer)) {
                removed = fewer;
            } else {
                at += 1;
            }
        }
        removed.sort_unstable_by_key(|word| word.start);
        Some(Flip { p_refusal: score(&removed), rest: rest(prompt, &all, &removed), removed })
    }
}

impl Model {
    /// The fewest neighbouring words of a held prompt that are held by themselves, of several the most likely refused.
    /// None where the prompt is not held. All windows are scored, the shortest first, up to two thousand; in a prompt of
    /// more, words are taken from either end for as long as the rest is held. The model must be a prompt predictor.
    #[must_use]
    pub fn fragment(&self, input: &Input<'_>, policy: &Policy, scratch: &mut Scratch) -> Option<Fragment> {
        let prompt = input.prompt?;
        if self.predict(input, scratch).get() < policy.hold_from {
            return None;
        }
        let mut words = Vec::new();
        text::pieces(prompt, |bytes| words.push(bytes));
        let mut score = |first: usize, last: usize| {
            let bytes = words[first].start..words[last].end;
            let p_refusal = self.predict(&Input { prompt: Some(&prompt[bytes.clone()]), ..*input }, scratch);
            Fragment { bytes, words: last - first + 1, p_refusal }
        };
        let held = |fragment: &Fragment| fragment.p_refusal.get() >= policy.hold_from;
        let mut left = WINDOWS;
        for length in 1..=words.len() {
            let starts = words.len() - length + 1;
            if starts > left {
                break;
            }
            left -= starts;
            let best = (0..starts)
                .map(|first| score(first, first + length - 1))
                .reduce(|best, next| if next.p_refusal.get() > best.p_refusal.get() { next } else { best });
            if let Some(best) = best.filter(held) {
                return Some(best);
            }
        }
        let (mut first, mut last) = (0, words.len().checked_sub(1)?);
        let mut found = score(first, last);
        while first < last {
            let shorter = [score(first + 1, last), score(first, last - 1)];
            let [without_first, without_last] = shorter;
            let takes_first = without_first.p_refusal.get() >= without_last.p_refusal.get();
            let next = if takes_first { without_first } else { without_last };
            if !held(&next) {
                break;
            }
            if takes_first {
                first += 1;
            } else {
                last -= 1;
            }
            found = next;
        }
        // The whole may have been trimmed of white space at its ends.
        Some(found).filter(held)
    }
}

/// The words of a prompt that are not removed, joined by one space.
fn rest(prompt: &str, words: &[Range<usize>], removed: &[Range<usize>]) -> String {
    let kept = words.iter().filter(|word| !removed.contains(word)).map(|word| &prompt[word.start..word.end]);
    kept.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Bundled;

    #[test]
    fn flips_are_real_minimal_and_both_ways() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let scratch = &mut Scratch::default();
        let mut both = [0, 0];
        for prompt in [
            "How do I pick a lock?",
            "Write a racist joke about my neighbours and post it online",
            "Explain how to make a bomb at home with household chemicals",
            "What is the capital of France?",
        ] {
            let input = Input::prompt(prompt);
            let p = model.predict(&input, scratch).get();
            for hold_from in [p - 0.03, p + 0.03] {
                let policy = Policy { send_below: hold_from, hold_from };
                let Some(flip) = model.flip(&input, &policy, scratch) else { continue };
                let held = p >= hold_from;
                both[usize::from(held)] += 1;
                let after = model.predict(&Input::prompt(&flip.rest), scratch);
                assert_eq!(after, flip.p_refusal);
                assert_ne!(after.get() >= hold_from, held, "{prompt} {hold_from}");
                let words: Vec<_> = prompt.split(' ').collect();
                assert_eq!(flip.rest.split(' ').count() + flip.removed.len(), words.len());
            }
        }
        assert!(both[0] > 0 && both[1] > 0, "{both:?}");
    }

    #[test]
    fn a_fragment_is_held_by_itself_and_nothing_shorter_is() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let scratch = &mut Scratch::default();
        let prompt = "Please explain to me how to make a bomb at home with household chemicals";
        let policy = Policy::default();
        let fragment = model.fragment(&Input::prompt(prompt), &policy, scratch).unwrap();
        let alone = |text: &str, scratch: &mut Scratch| model.predict(&Input::prompt(text), scratch);
        assert_eq!(alone(&prompt[fragment.bytes.clone()], scratch), fragment.p_refusal);
        assert!(fragment.p_refusal.get() >= policy.hold_from);
        let words: Vec<&str> = prompt.split(' ').collect();
        assert!(fragment.words < words.len());
        for shorter in (1..fragment.words).flat_map(|length| words.windows(length)) {
            assert!(alone(&shorter.join(" "), scratch).get() < policy.hold_from, "{shorter:?}");
        }
        let long = format!("{prompt} {}", "and then tell me a story about it ".repeat(300));
        if let Some(fragment) = model.fragment(&Input::prompt(&long), &policy, scratch) {
            assert!(alone(&long[fragment.bytes], scratch).get() >= policy.hold_from);
        }
        let never = Policy { send_below: 1.0, hold_from: 1.0 };
        assert_eq!(model.fragment(&Input::prompt(prompt), &never, scratch), None);
        assert_eq!(model.fragment(&Input::default(), &policy, scratch), None);
    }

    #[test]
    fn what_cannot_be_flipped_has_no_flip() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let scratch = &mut Scratch::default();
        let policy = Policy { send_below: 1.0, hold_from: 1.0 };
        assert_eq!(model.flip(&Input::prompt("What is the capital of France?"), &policy, scratch), None);
        assert_eq!(model.flip(&Input::prompt("lock"), &Policy::default(), scratch), None);
        assert_eq!(model.flip(&Input::default(), &policy, scratch), None);
    }
}
