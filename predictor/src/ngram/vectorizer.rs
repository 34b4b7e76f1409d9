//! TF-IDF features with the semantics of scikit-learn's `TfidfVectorizer`.
//!
//! `tf` is the count of an n-gram in the text, or `1 + ln(count)` if sublinear. The inverse document
//! frequency `ln((1 + n) / (1 + df)) + 1` is that of the fit, stored and never recomputed. The row is scaled
//! to unit Euclidean length. So a text has the same features alone and in any batch.

use std::ops::Range;

use crate::error::SettingsError;
use crate::ngram::ngrams::{Analyzer, Norm, VectorizerSettings, Vocabulary, is_whole, spell};
use crate::ngram::scratch::Scratch;
use crate::ngram::token_table::{NONE, TokenTable};
use crate::ngram::trie::Tree;
use crate::text::PAD;

/// A fitted vocabulary with its inverse document frequencies.
#[derive(Debug, Clone)]
pub struct Vectorizer {
    settings: VectorizerSettings,
    tokens: TokenTable,
    /// The node of an n-gram is its feature; nodes that are only prefixes have larger numbers.
    tree: Tree,
    idf: Vec<f32>,
}

/// The fewest characters of a known piece of a word. Shorter ones occur in words of any language.
const LEAST_PIECE: usize = 3;

/// The number of paths that are followed at once.
const BLOCK: usize = 512;

impl Vectorizer {
    /// Builds the look-up structure for a vocabulary: sorted n-grams (words joined by one space) with the
    /// inverse document frequency of each (1 if it is not used).
    ///
    /// # Errors
    /// [`SettingsError`] if the settings are wrong, the lengths differ, or the vocabulary is not sorted, not
    /// unique or contains an n-gram of a length that the settings do not allow.
    pub fn new<S: AsRef<str>>(
        settings: VectorizerSettings,
        ngrams: &[S],
        idf: Vec<f32>,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        if ngrams.len() != idf.len() {
            return Err(SettingsError::Lengths { ngrams: ngrams.len(), idf: idf.len() });
        }
        let mut vocabulary = Vocabulary::new(settings, ngrams.len());
        let mut before: Option<&str> = None;
        for (feature, ngram) in (0..).zip(ngrams.iter().map(AsRef::as_ref)) {
            if before.is_some_and(|before| before >= ngram) {
                return Err(SettingsError::NotSorted(ngram.to_owned()));
            }
            vocabulary.add(ngram, feature)?;
            before = Some(ngram);
        }
        let (tokens, tree) = vocabulary.finish();
        Ok(Self { settings, tokens, tree, idf })
    }

    /// The settings that it was built with.
    #[must_use]
    pub const fn settings(&self) -> &VectorizerSettings {
        &self.settings
    }

    /// How many features there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.idf.len()
    }

    /// Whether the vocabulary is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.idf.is_empty()
    }

    /// Inverse document frequency by feature.
    #[must_use]
    pub fn idf(&self) -> &[f32] {
        &self.idf
    }

    /// The n-gram of a feature, words joined by one space.
    ///
    /// # Panics
    /// If there is no such feature.
    #[must_use]
    pub fn ngram(&self, feature: u32) -> String {
        assert!((feature as usize) < self.len(), "no feature {feature}");
        spell(&self.tokens, &self.tree, self.settings.analyzer, feature)
    }

    /// Calls `each` with the feature and byte range (in the lower-cased text, without its padding) of every
    /// known n-gram of the text in `scratch`, in no particular order.
    pub(crate) fn visit(&self, scratch: &mut Scratch, each: impl FnMut(u32, Range<usize>)) {
        self.visit_from(scratch, 1, each);
    }

    /// The same for n-grams of at least this many symbols.
    pub(crate) fn visit_from(
        &self,
        scratch: &mut Scratch,
        least: usize,
        mut each: impl FnMut(u32, Range<usize>),
    ) {
        let mut found = Vec::new();
        let of_bytes = self.find(scratch, |feature, symbols| {
            if symbols.len() >= least {
                found.push((feature, symbols));
            }
        });
        let (text, symbols) = (scratch.text.get().as_str().as_bytes(), &scratch.symbols.bytes);
        // The spaces around a piece are not in its byte range.
        let space = |at: usize| usize::from(text[at] == b' ');
        for (feature, Range { start, end }) in found {
            let bytes = if of_bytes {
                start + space(start)..end - space(end - 1)
            } else {
                symbols[start].start..symbols[end - 1].end
            };
            each(feature, bytes.start - PAD..bytes.end - PAD);
        }
    }

    /// The fewest symbols of an n-gram in which a text is known.
    pub(crate) fn least_known(&self) -> usize {
        if self.reads_words() { 1 } else { LEAST_PIECE }
    }

    /// Whether its symbols are words.
    pub(crate) fn reads_words(&self) -> bool {
        self.settings.analyzer != Analyzer::CharWb
    }

    /// The words of all n-grams; none of a vocabulary of characters.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        (0..).take(self.tokens.len()).map(|number| self.tokens.word(number))
    }

    /// Calls `each` with the feature and the symbol range of every known n-gram of the text in `scratch`.
    /// Returns whether the symbols are the bytes of the text.
    #[inline]
    fn find(&self, scratch: &mut Scratch, each: impl FnMut(u32, Range<usize>)) -> bool {
        let Scratch { text, symbols, paths, .. } = scratch;
        let text = text.get();
        // With n-grams of one character this would count a space between two pieces once, but it belongs to
        // both.
        if let Some(bytes) = text.as_ascii()
            && self.settings.analyzer == Analyzer::CharWb
            && self.settings.ngrams.0 > 1
        {
            self.follow(bytes, paths, each);
            return true;
        }
        symbols.read(self.settings.analyzer, text, |text, word| self.tokens.get(text, word));
        self.follow(&symbols.ids, paths, each);
        false
    }

    /// Calls `each` with the feature and the place of every known n-gram among some symbols.
    ///
    /// All paths of a block are followed together, one symbol at a time. The look-ups of a round do not wait
    /// for each other, and the processor need not predict where each path ends, because those that continue
    /// are moved to the front.
    #[inline]
    fn follow<S: Copy + Into<u32>>(
        &self,
        symbols: &[S],
        paths: &mut Vec<(u32, u32)>,
        mut each: impl FnMut(u32, Range<usize>),
    ) {
        let (shortest, longest) = self.settings.ngrams;
        let characters = self.settings.analyzer == Analyzer::CharWb;
        paths.resize(BLOCK, (0, NONE));
        for block in (0..symbols.len()).step_by(BLOCK) {
            let symbols = &symbols[block..];
            let (mut open, mut length) = self.begin(symbols, paths);
            loop {
                let countable = length >= shortest;
                for &(start, node) in &paths[..open] {
                    // A prefix that is not an n-gram has a larger number.
                    if (node as usize) < self.idf.len() {
                        let start = start as usize;
                        if countable || (characters && is_whole(&symbols[start..start + length])) {
                            each(node, block + start..block + start + length);
                        }
                    }
                }
                if length == longest || open == 0 {
                    break;
                }
                open = self.advance(symbols.get(length..).unwrap_or_default(), &mut paths[..open]);
                length += 1;
            }
        }
    }

    /// Begins a path at each of the first symbols; returns the number of paths and their length.
    #[inline]
    fn begin<S: Copy + Into<u32>>(&self, symbols: &[S], paths: &mut [(u32, u32)]) -> (usize, usize) {
        let mut open = 0;
        // A path without a node is overwritten by the next, which is cheaper than checking first.
        let mut begin = |start, node| {
            paths[open] = (start, node);
            open += usize::from(node != NONE);
        };
        let starts = 0..BLOCK as u32;
        if self.settings.analyzer == Analyzer::CharWb && self.settings.ngrams.0 > 1 {
            for (start, (&first, &second)) in starts.zip(symbols.iter().zip(&symbols[1..])) {
                begin(start, self.tree.pair(first.into(), second.into()));
            }
            (open, 2)
        } else {
            for (start, &symbol) in starts.zip(symbols) {
                begin(start, self.tree.root(symbol.into()));
            }
            (open, 1)
        }
    }

    /// Extends every path by its next symbol and moves those that continue to the front; returns their
    /// number.
    #[inline]
    fn advance<S: Copy + Into<u32>>(&self, behind: &[S], paths: &mut [(u32, u32)]) -> usize {
        let mut open = 0;
        for at in 0..paths.len() {
            let (start, node) = paths[at];
            let Some(&symbol) = behind.get(start as usize) else { break };
            let node = self.tree.child(node, symbol.into());
            paths[open] = (start, node);
            open += usize::from(node != NONE);
        }
        open
    }

    /// The features of a text: `(feature, value)`, ascending by feature.
    #[must_use]
    pub fn transform(&self, text: &str, scratch: &mut Scratch) -> Vec<(u32, f64)> {
        scratch.text.set(text);
        let mut row = Vec::new();
        let mut squares = 0.0;
        self.each_frequency::<false>(scratch, |feature, tf| {
            let value = tf * f64::from(self.idf[feature as usize]);
            squares += value * value;
            row.push((feature, value));
        });
        let scale = self.scale(squares);
        for (_, value) in &mut row {
            *value *= scale;
        }
        row
    }

    /// How often each feature occurs in a text: `(feature, occurrences)`, ascending by feature.
    #[must_use]
    pub fn counts(&self, text: &str, scratch: &mut Scratch) -> Vec<(u32, u32)> {
        scratch.text.set(text);
        let mut counts = Vec::new();
        self.each_count::<false>(scratch, |feature, count| counts.push((feature, count)));
        counts
    }

    /// Calls `each` with every distinct feature of the text in `scratch`, ascending, and its `tf`; where it is `MEASURED`,
    /// what is known of the text is marked too.
    #[inline]
    pub(crate) fn each_frequency<const MEASURED: bool>(
        &self,
        scratch: &mut Scratch,
        mut each: impl FnMut(u32, f64),
    ) {
        let sublinear = self.settings.sublinear_tf;
        self.each_count::<MEASURED>(scratch, |feature, count| {
            // Most features occur once, and the logarithm of 1 is 0.
            let tf = match count {
                1 => 1.0,
                _ if sublinear => 1.0 + f64::from(count).ln(),
                _ => f64::from(count),
            };
            each(feature, tf);
        });
    }

    /// The same with the number of occurrences.
    #[inline]
    fn each_count<const MEASURED: bool>(&self, scratch: &mut Scratch, each: impl FnMut(u32, u32)) {
        let mut hits = std::mem::take(&mut scratch.hits);
        hits.clear();
        if MEASURED {
            let mut covered = std::mem::take(&mut scratch.covered);
            covered.begin_view();
            let least = self.least_known();
            let of_bytes = self.find(scratch, |feature, symbols| {
                hits.add(feature);
                if symbols.len() >= least {
                    covered.add(&symbols);
                }
            });
            covered.end_view((!of_bytes).then_some(&scratch.symbols.bytes));
            scratch.covered = covered;
        } else {
            self.find(scratch, |feature, _| hits.add(feature));
        }
        hits.each(self.len(), each);
        scratch.hits = hits;
    }

    /// The factor for a row with this sum of squares.
    pub(crate) fn scale(&self, squares: f64) -> f64 {
        match self.settings.norm {
            Norm::L2 if squares > 0.0 => 1.0 / squares.sqrt(),
            _ => 1.0,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::NgramCounter;

    /// The n-grams of one text as a fit counts them.
    fn counted(settings: VectorizerSettings, text: &str) -> BTreeMap<String, f64> {
        let mut counter = NgramCounter::new(settings).unwrap();
        counter.add(text);
        counter.counts().map(|count| (counter.ngram(&count), f64::from(count.occurrences))).collect()
    }

    proptest! {
        /// Looking up in a vocabulary finds what a fit would count, whatever the vocabulary leaves out: ASCII
        /// or not, short pieces, long texts, all kinds of white space.
        #[test]
        fn a_text_has_the_features_that_a_fit_counts_in_it(
            analyzer in prop_oneof![Just(Analyzer::Word), Just(Analyzer::Token), Just(Analyzer::CharWb)],
            shortest in 1..6_usize,
            more in 0..4_usize,
            left_out in 2..9_usize,
            wide in any::<bool>(),
            text in "([abAB']{1,4}[ \t\n\u{1c}]{1,2}){0,400}",
        ) {
            let settings = VectorizerSettings {
                analyzer, ngrams: (shortest, shortest + more), norm: Norm::None, ..VectorizerSettings::default()
            };
            let text = if wide { text.replace("a'", "\u{e9}\u{2019}").replace("b ", "\u{130}\u{a0}") } else { text };
            let mut expected = counted(settings, &text);
            let names: Vec<String> = expected.keys().cloned().collect();
            for name in names.into_iter().step_by(left_out) {
                expected.remove(&name);
            }
            let ngrams: Vec<&String> = expected.keys().collect();
            let vectorizer = Vectorizer::new(settings, &ngrams, vec![1.0; ngrams.len()]).unwrap();
            prop_assert!((0..).zip(&ngrams).all(|(feature, ngram)| vectorizer.ngram(feature) == **ngram));
            let found = vectorizer.transform(&text, &mut Scratch::default());
            let found: Vec<(String, f64)> =
                found.into_iter().map(|(feature, count)| (vectorizer.ngram(feature), count)).collect();
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_ngram_of_characters_reaches_over_a_space() {
        let settings = VectorizerSettings {
            analyzer: Analyzer::CharWb,
            ngrams: (2, 4),
            ..VectorizerSettings::default()
        };
        let ngrams = [" b", "a ", "a b", "a b "];
        let vectorizer = Vectorizer::new(settings, &ngrams, vec![1.0; 4]).unwrap();
        for text in ["a b", "\u{e9}a b"] {
            let found = vectorizer.transform(text, &mut Scratch::default());
            assert_eq!(found.iter().map(|(feature, _)| *feature).collect::<Vec<_>>(), [0, 1], "{text}");
        }
        assert_eq!(vectorizer.ngram(3), "a b ");
    }
}
