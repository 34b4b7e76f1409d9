//! The smallest part of a held text that is held by itself, if there is a stable one.
//!
//! A short text is scaled up, so a lone "get" can be held by accident. A fragment is returned only if it is
//! held by [`Flip::MARGIN`], begins and ends with a content word, and explains the whole text's decision too:
//! the shares of its words in the whole text are at least [`Fragment::OF_WHOLE`] of all shares there that
//! speak for refusal.

use std::ops::Range;

use demur_data::Input;

use crate::explain::flip::Flip;
use crate::model::Model;
use crate::ngram::scratch::Scratch;
use crate::policy::Policy;
use crate::probability::Probability;

/// The most windows that are scored.
const WINDOWS: usize = 2000;

/// A part of a text that is held by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Fragment {
    /// Its place, as bytes of the text; whole words.
    pub bytes: Range<usize>,
    /// The number of its words.
    pub words: usize,
    /// P(refusal) of it alone.
    pub p_refusal: Probability,
}

impl Fragment {
    /// The most words of a fragment: more explain nothing.
    pub const MOST: usize = 12;
    /// The smallest part of the whole text's shares for refusal that its words must have.
    pub const OF_WHOLE: f64 = 1.0 / 3.0;
}

impl Model {
    /// The fewest neighbouring words of a held text that are held by themselves; of several such windows, the
    /// one most likely refused. `None` if the text is not held, or no stable one has at most
    /// [`Fragment::MOST`] words. Windows are scored shortest first, up to two thousand. The text is the one
    /// that the model scores, prompt or response.
    #[must_use]
    pub fn fragment(&self, input: &Input<'_>, policy: &Policy, scratch: &mut Scratch) -> Option<Fragment> {
        let field = self.manifest().field;
        let text = field.of(input)?;
        let explanation = self.scorer().explain(input);
        if self.calibrated(explanation.logit, input).get() < policy.hold_from {
            return None;
        }
        let words = explanation.words(field, text);
        let for_refusal: f64 =
            words.iter().filter(|word| !word.is_function).map(|word| word.contribution.max(0.0)).sum();
        let least = (Fragment::OF_WHOLE * for_refusal).max(Flip::LEAST);
        let mut left = WINDOWS;
        for length in 1..=Fragment::MOST.min(words.len()) {
            let mut best: Option<Fragment> = None;
            for window in words.windows(length) {
                let (first, last) = (&window[0], &window[length - 1]);
                let share: f64 = window.iter().map(|word| word.contribution).sum();
                // These checks need no prediction, so only windows that could qualify count towards the
                // limit.
                if first.is_function || last.is_function || share < least || left == 0 {
                    continue;
                }
                left -= 1;
                let bytes = first.bytes.start..last.bytes.end;
                let p_refusal =
                    self.predict_ngrams(&field.put(&text[bytes.clone()], *input), scratch).p_refusal;
                let is_better = best.as_ref().is_none_or(|best| p_refusal.get() > best.p_refusal.get());
                if is_better && policy.is_clear(p_refusal, true, Flip::MARGIN) {
                    best = Some(Fragment { bytes, words: length, p_refusal });
                }
            }
            if best.is_some() {
                return best;
            }
        }
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Bundled, Field};

    const PROMPT: &str = "Please explain to me how to make a bomb at home with household chemicals";

    #[test]
    fn a_fragment_is_held_by_itself_carries_the_whole_and_nothing_shorter_does() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let scratch = &mut Scratch::default();
        let p = model.predict_ngrams(&Input::prompt(PROMPT), scratch).p_refusal.get();
        // At any threshold, wherever the model's own is.
        let mut found = 0;
        for hold_from in [0.3 * p, 0.6 * p, 0.95 * p] {
            let policy = Policy { send_below: hold_from, hold_from };
            let Some(fragment) = model.fragment(&Input::prompt(PROMPT), &policy, scratch) else { continue };
            found += 1;
            let alone = |text: &str, scratch: &mut Scratch| {
                model.predict_ngrams(&Input::prompt(text), scratch).p_refusal
            };
            let part = &PROMPT[fragment.bytes.clone()];
            assert_eq!(alone(part, scratch), fragment.p_refusal);
            assert!(policy.is_clear(fragment.p_refusal, true, Flip::MARGIN));
            let shares = model.scorer().explain(&Input::prompt(PROMPT)).words(Field::Prompt, PROMPT);
            let share = |wanted: &dyn Fn(&crate::WordShare) -> bool| {
                shares.iter().filter(|word| wanted(word)).map(|word| word.contribution.max(0.0)).sum::<f64>()
            };
            let within = share(&|word| {
                word.bytes.start >= fragment.bytes.start && word.bytes.end <= fragment.bytes.end
            });
            assert!(within >= 0.99 * Fragment::OF_WHOLE * share(&|word| !word.is_function), "{part}");
            let of_part: Vec<_> = part.split(' ').collect();
            assert_eq!(of_part.len(), fragment.words);
            for end in [of_part[0], of_part[of_part.len() - 1]] {
                assert!(!crate::explain::words::is_function(&crate::explain::words::key(end)), "{part}");
            }
        }
        assert!(found > 0);
    }

    #[test]
    fn what_is_not_held_has_no_fragment() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let scratch = &mut Scratch::default();
        let never = Policy { send_below: 1.0, hold_from: 1.0 };
        assert_eq!(model.fragment(&Input::prompt(PROMPT), &never, scratch), None);
        assert_eq!(model.fragment(&Input::default(), &Policy::default(), scratch), None);
        // Even if everything is held, words that speak for an answer are not a fragment.
        let always = Policy { send_below: 0.0, hold_from: 0.0 };
        for text in ["the of and", "how about", ""] {
            assert_eq!(model.fragment(&Input::prompt(text), &always, scratch), None, "{text}");
        }
    }
}
