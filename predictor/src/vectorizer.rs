//! TF-IDF features with the semantics of scikit-learn's `TfidfVectorizer`.
//!
//! `tf` is the count of an n-gram in the text, or `1 + ln(count)` when sublinear; the inverse document frequency
//! `ln((1 + n) / (1 + df)) + 1` is that of the fit, stored and never recomputed; the row is scaled to unit
//! Euclidean length. So a text has the same features alone and in any batch.

use std::ops::Range;

use crate::error::SettingsError;
use crate::ngrams::{Norm, Symbol, VectorizerSettings, insert, spell, walk};
use crate::text;
use crate::trie::{ROOT, TokenTable, Tree};

/// Buffers that are used again from one text to the next, so that scoring allocates nothing per n-gram.
#[derive(Debug, Default)]
pub struct Scratch {
    symbols: Vec<Symbol>,
    pub(crate) hits: Vec<u32>,
}

/// A fitted vocabulary with its inverse document frequencies.
#[derive(Debug, Clone)]
pub struct Vectorizer {
    settings: VectorizerSettings,
    tokens: TokenTable,
    tree: Tree,
    /// Feature of each trie node, [`NO_FEATURE`] for a node that is only a prefix.
    features: Vec<u32>,
    /// Trie node of each feature.
    nodes: Vec<u32>,
    idf: Vec<f32>,
}

const NO_FEATURE: u32 = u32::MAX;

impl Vectorizer {
    /// Builds the look-up structure for a vocabulary: sorted n-grams (words joined by one space) with the
    /// inverse document frequency of each (1 where it is not used).
    ///
    /// # Errors
    /// [`SettingsError`] when the settings are wrong, the lengths differ, or the vocabulary is not sorted,
    /// not unique or holds an n-gram of a length that the settings do not allow.
    pub fn new<S: AsRef<str>>(
        settings: VectorizerSettings,
        ngrams: &[S],
        idf: Vec<f32>,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        if ngrams.len() != idf.len() {
            return Err(SettingsError::Lengths { ngrams: ngrams.len(), idf: idf.len() });
        }
        let mut tokens = TokenTable::default();
        let mut tree = Tree::with_capacity(ngrams.len() + ngrams.len() / 4);
        let mut nodes = Vec::with_capacity(ngrams.len());
        let mut before: Option<&str> = None;
        for ngram in ngrams.iter().map(AsRef::as_ref) {
            if before.is_some_and(|before| before >= ngram) {
                return Err(SettingsError::NotSorted(ngram.to_owned()));
            }
            nodes.push(insert(&mut tokens, &mut tree, settings, ngram)?);
            before = Some(ngram);
        }
        let mut features = vec![NO_FEATURE; tree.len()];
        for (feature, &node) in (0_u32..).zip(&nodes) {
            features[node as usize] = feature;
        }
        Ok(Self { settings, tokens, tree, features, nodes, idf })
    }

    /// The settings that it was built with.
    #[must_use]
    pub const fn settings(&self) -> &VectorizerSettings {
        &self.settings
    }

    /// How many features there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether the vocabulary is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Inverse document frequency by feature.
    #[must_use]
    pub fn idf(&self) -> &[f32] {
        &self.idf
    }

    /// The n-gram of a feature, words joined by one space.
    ///
    /// # Panics
    /// When there is no such feature.
    #[must_use]
    pub fn ngram(&self, feature: u32) -> String {
        spell(&self.tokens, &self.tree, self.settings.analyzer, self.nodes[feature as usize])
    }

    /// Calls `each` with the feature and byte range (in `lower`) of every known n-gram of a lower-cased text.
    pub(crate) fn visit(&self, lower: &str, scratch: &mut Scratch, mut each: impl FnMut(u32, Range<usize>)) {
        walk(
            self.settings,
            lower,
            &mut scratch.symbols,
            |word| self.tokens.get(word),
            |symbols, shortest, longest| {
                let mut node = ROOT;
                for (length, symbol) in symbols.iter().enumerate().take(longest) {
                    let Some(next) = symbol.id.and_then(|id| self.tree.child(node, id)) else { return };
                    node = next;
                    let feature = self.features[node as usize];
                    if length + 1 >= shortest && feature != NO_FEATURE {
                        each(feature, symbols[0].bytes.start..symbol.bytes.end);
                    }
                }
            },
        );
    }

    /// The features of a text: `(feature, value)`, ascending by feature.
    #[must_use]
    pub fn transform(&self, text: &str, scratch: &mut Scratch) -> Vec<(u32, f64)> {
        self.collect_hits(&text::lowercase(text), scratch);
        let mut row = Vec::with_capacity(scratch.hits.len());
        let mut squares = 0.0;
        self.each_weighted(&scratch.hits, |feature, value| {
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
        self.collect_hits(&text::lowercase(text), scratch);
        let runs = scratch.hits.chunk_by(|a, b| a == b);
        runs.map(|run| (run[0], u32::try_from(run.len()).unwrap_or(u32::MAX))).collect()
    }

    /// Fills `scratch.hits` with the sorted features of a lower-cased text, one entry per occurrence.
    pub(crate) fn collect_hits(&self, lower: &str, scratch: &mut Scratch) {
        let mut hits = std::mem::take(&mut scratch.hits);
        hits.clear();
        self.visit(lower, scratch, |feature, _| hits.push(feature));
        hits.sort_unstable();
        scratch.hits = hits;
    }

    /// Calls `each` with every distinct feature of sorted hits and its tf-idf before scaling.
    pub(crate) fn each_weighted(&self, hits: &[u32], mut each: impl FnMut(u32, f64)) {
        for run in hits.chunk_by(|a, b| a == b) {
            let count = run.len() as f64;
            let tf = if self.settings.sublinear_tf { 1.0 + count.ln() } else { count };
            each(run[0], tf * f64::from(self.idf[run[0] as usize]));
        }
    }

    /// What a row with this sum of squares is multiplied by.
    pub(crate) fn scale(&self, squares: f64) -> f64 {
        match self.settings.norm {
            Norm::L2 if squares > 0.0 => 1.0 / squares.sqrt(),
            _ => 1.0,
        }
    }
}
