//! An operator's own phrases: those of its guardrail, and polite ones that would look like a refusal; with
//! its own rules for signs.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::answer::signs::SignTable;
use crate::text::{self, Lowered};

/// An operator's own phrases. They match in any case, spacing and punctuation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Phrases {
    /// An answer with one of these is refused: the texts of a guardrail before or after the model.
    pub guardrail: Vec<String>,
    /// These are ignored: polite phrases that would look like a refusal.
    pub allowed: Vec<String>,
    /// What the operator's own provider or gateway says beside an answer; goes before the table that comes
    /// with the program.
    pub sign: SignTable,
}

/// The first guardrail phrase in a text, and all allowed ones in ascending order, as byte ranges.
pub(crate) fn found_phrases(response: &str, phrases: &Phrases) -> (Option<Range<usize>>, Vec<Range<usize>>) {
    if phrases.guardrail.is_empty() && phrases.allowed.is_empty() {
        return (None, Vec::new());
    }
    let Lowered { text: lower, offsets } = text::lowercase_with_offsets(response);
    let mut tokens = Vec::new();
    text::tokens(&lower, |bytes| tokens.push((text::plain_apostrophe(&lower[bytes.clone()]), bytes)));
    let places = |phrase: &String| {
        let phrase = text::lowercase(phrase);
        let mut wanted = Vec::new();
        text::tokens(&phrase, |bytes| wanted.push(text::plain_apostrophe(&phrase[bytes])));
        // `windows` does not accept a length of 0: a phrase without words matches nowhere.
        let windows = tokens.windows(wanted.len().max(1));
        let same = |window: &&[(_, Range<usize>)]| {
            !wanted.is_empty() && window.iter().zip(&wanted).all(|((token, _), wanted)| token == wanted)
        };
        let place = |window: &[(_, Range<usize>)]| {
            let (start, end) = (window[0].1.start, window[window.len() - 1].1.end);
            offsets[start]..offsets[end]
        };
        windows.filter(same).map(place).collect::<Vec<_>>()
    };
    let guardrail = phrases.guardrail.iter().flat_map(places).next();
    let mut allowed: Vec<_> = phrases.allowed.iter().flat_map(places).collect();
    allowed.sort_unstable_by_key(|range| (range.start, range.end));
    (guardrail, allowed)
}
