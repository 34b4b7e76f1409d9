//! Counting the n-grams of a corpus: the first half of a fit, before a vocabulary is chosen.

use crate::error::SettingsError;
use crate::ngram::ngrams::{Analyzer, Symbols, VectorizerSettings, is_whole, reach, spell};
use crate::ngram::token_table::TokenTable;
use crate::ngram::trie::{ROOT, Tree};
use crate::text::Padded;

/// Counts n-grams, document by document, in the same trie that a fitted vectorizer uses for look-ups.
#[derive(Debug)]
pub struct NgramCounter {
    settings: VectorizerSettings,
    tokens: TokenTable,
    tree: Tree,
    counts: Vec<NodeCount>,
    text: Padded,
    symbols: Symbols,
    documents: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct NodeCount {
    documents: u32,
    occurrences: u32,
    /// The last document that was counted here, 1-based.
    last: u32,
}

/// How often one n-gram occurs in the counted corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NgramCount {
    node: u32,
    /// Documents that contain it.
    pub documents: u32,
    /// Occurrences in all documents.
    pub occurrences: u32,
}

impl NgramCounter {
    /// An empty counter.
    ///
    /// # Errors
    /// [`SettingsError::NgramRange`].
    pub fn new(settings: VectorizerSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self {
            settings,
            tokens: TokenTable::default(),
            tree: match settings.analyzer {
                Analyzer::CharWb => Tree::of_characters(),
                Analyzer::Word | Analyzer::Token => Tree::of_words(),
            },
            counts: Vec::new(),
            text: Padded::default(),
            symbols: Symbols::default(),
            documents: 0,
        })
    }

    /// Documents counted so far.
    #[must_use]
    pub const fn documents(&self) -> u32 {
        self.documents
    }

    /// Counts one document.
    pub fn add(&mut self, document: &str) {
        self.documents += 1;
        let Self { settings, tokens, tree, counts, text, symbols, documents } = self;
        let (shortest, longest) = settings.ngrams;
        text.set(document);
        symbols.read(settings.analyzer, text, |text, word| tokens.insert(text, word));
        for start in 0..symbols.ids.len() {
            let path = &symbols.ids[start..];
            let path = &path[..reach(settings.analyzer, path, longest)];
            let whole = settings.analyzer == Analyzer::CharWb && is_whole(path);
            let mut node = ROOT;
            for (&symbol, length) in path.iter().zip(1..) {
                node = tree.child_or_insert(node, symbol);
                counts.resize(tree.len(), NodeCount::default());
                if length >= shortest || (whole && length == path.len()) {
                    let count = &mut counts[node as usize];
                    count.occurrences = count.occurrences.saturating_add(1);
                    count.documents += u32::from(count.last != *documents);
                    count.last = *documents;
                }
            }
        }
    }

    /// Every n-gram that occurred, in no particular order.
    pub fn counts(&self) -> impl Iterator<Item = NgramCount> + '_ {
        (0_u32..).zip(&self.counts).filter(|(_, count)| count.occurrences > 0).map(|(node, count)| {
            NgramCount { node, documents: count.documents, occurrences: count.occurrences }
        })
    }

    /// The n-gram of a count as text, words joined by one space.
    #[must_use]
    pub fn ngram(&self, count: &NgramCount) -> String {
        spell(&self.tokens, &self.tree, self.settings.analyzer, count.node)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Analyzer;

    fn counted(settings: VectorizerSettings, documents: &[&str]) -> Vec<(String, u32, u32)> {
        let mut counter = NgramCounter::new(settings).unwrap();
        for document in documents {
            counter.add(document);
        }
        let mut all: Vec<_> =
            counter.counts().map(|c| (counter.ngram(&c), c.documents, c.occurrences)).collect();
        all.sort();
        all
    }

    #[test]
    fn counts_documents_and_occurrences() {
        let settings = VectorizerSettings { ngrams: (1, 2), ..Default::default() };
        let all = counted(settings, &["No no, thanks", "no thanks"]);
        let expected = [("no", 2, 3), ("no no", 1, 1), ("no thanks", 2, 2), ("thanks", 2, 2)]
            .map(|(n, d, o)| (n.to_owned(), d, o));
        assert_eq!(all, expected);
    }

    #[test]
    fn prefixes_below_the_range_are_not_counted() {
        let settings = VectorizerSettings { ngrams: (2, 2), ..Default::default() };
        let all = counted(settings, &["how are you"]);
        assert_eq!(all.iter().map(|(n, ..)| n.as_str()).collect::<Vec<_>>(), ["are you", "how are"]);
    }

    #[test]
    fn a_short_piece_counts_once_as_a_whole() {
        let settings =
            VectorizerSettings { analyzer: Analyzer::CharWb, ngrams: (4, 5), ..Default::default() };
        assert_eq!(counted(settings, &["a"]), [(" a ".to_owned(), 1, 1)]);
    }

    /// The n-grams of one text with their counts, compared with those that `tests/golden/make_fixtures.py`
    /// recorded.
    #[test]
    fn ngrams_are_those_of_scikit_learn() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tokens.json");
        let fixture: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let word = VectorizerSettings::default();
        let char_wb = VectorizerSettings { analyzer: Analyzer::CharWb, ..word };
        for (key, settings) in [
            ("word_1_2", VectorizerSettings { ngrams: (1, 2), ..word }),
            ("char_wb_3_3", VectorizerSettings { ngrams: (3, 3), ..char_wb }),
            ("char_wb_1_4", VectorizerSettings { ngrams: (1, 4), ..char_wb }),
        ] {
            for case in fixture["cases"].as_array().unwrap() {
                let mut expected = std::collections::BTreeMap::new();
                for ngram in case[key].as_array().unwrap() {
                    *expected.entry(ngram.as_str().unwrap().to_owned()).or_insert(0) += 1;
                }
                let text = case["text"].as_str().unwrap();
                let found: std::collections::BTreeMap<String, u32> = counted(settings, &[text])
                    .into_iter()
                    .map(|(ngram, _, occurrences)| (ngram, occurrences))
                    .collect();
                assert_eq!(found, expected, "{key} of {text:?}");
            }
        }
    }
}
