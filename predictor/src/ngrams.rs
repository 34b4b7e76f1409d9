//! From a text to its n-grams: the settings that say what an n-gram is, and the walk over a text.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::SettingsError;
use crate::text;
use crate::trie::{ROOT, TokenTable, Tree};

/// Longest n-gram that a view may hold, in symbols.
pub const MAX_NGRAM: usize = 16;

/// What an n-gram is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Analyzer {
    /// Words of two or more characters.
    Word,
    /// Words of any length; an apostrophe within a word belongs to it, so that `can't` is not `can`.
    Token,
    /// Characters within white-space separated pieces, padded by one space on each side.
    CharWb,
}

/// How a row is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// To unit Euclidean length.
    L2,
    /// Not at all.
    None,
}

/// What turns a text into features, apart from the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VectorizerSettings {
    /// Default: words.
    pub analyzer: Analyzer,
    /// Shortest and longest n-gram, in symbols. Default: 1 to 1.
    pub ngrams: (usize, usize),
    /// Replace a count by `1 + ln(count)`. Default: false.
    pub sublinear_tf: bool,
    /// Multiply by the inverse document frequency of the fit. Default: true.
    pub use_idf: bool,
    /// Default: [`Norm::L2`].
    pub norm: Norm,
}

impl Default for VectorizerSettings {
    fn default() -> Self {
        Self { analyzer: Analyzer::Word, ngrams: (1, 1), sublinear_tf: false, use_idf: true, norm: Norm::L2 }
    }
}

impl VectorizerSettings {
    /// Checks the range of n-gram lengths.
    ///
    /// # Errors
    /// [`SettingsError::NgramRange`] unless `1 <= shortest <= longest <= MAX_NGRAM`.
    pub const fn check(&self) -> Result<(), SettingsError> {
        let (shortest, longest) = self.ngrams;
        if shortest >= 1 && shortest <= longest && longest <= MAX_NGRAM {
            Ok(())
        } else {
            Err(SettingsError::NgramRange { shortest, longest })
        }
    }
}

/// A symbol of the text (none where the token table does not know the word) with the bytes that it stands on.
#[derive(Debug, Clone)]
pub(crate) struct Symbol {
    pub(crate) id: Option<u32>,
    pub(crate) bytes: Range<usize>,
}

/// Calls `each` for every place where an n-gram can start, with the symbols from there to the end of the text
/// (words) or of the padded piece (characters), and the shortest and longest n-gram to take there.
pub(crate) fn walk(
    settings: VectorizerSettings,
    lower: &str,
    symbols: &mut Vec<Symbol>,
    mut number: impl FnMut(&str) -> Option<u32>,
    mut each: impl FnMut(&[Symbol], usize, usize),
) {
    let (shortest, longest) = settings.ngrams;
    symbols.clear();
    match settings.analyzer {
        Analyzer::Word => {
            text::words(lower, |bytes| {
                symbols.push(Symbol { id: number(&lower[bytes.clone()]), bytes });
            });
            for start in 0..symbols.len() {
                each(&symbols[start..], shortest, longest);
            }
        }
        Analyzer::Token => {
            text::tokens(lower, |bytes| {
                symbols.push(Symbol { id: number(&text::plain_apostrophe(&lower[bytes.clone()])), bytes });
            });
            for start in 0..symbols.len() {
                each(&symbols[start..], shortest, longest);
            }
        }
        Analyzer::CharWb => text::pieces(lower, |piece| {
            symbols.clear();
            let space = Some(u32::from(' '));
            symbols.push(Symbol { id: space, bytes: piece.start..piece.start });
            for (at, c) in lower[piece.clone()].char_indices() {
                let start = piece.start + at;
                symbols.push(Symbol { id: Some(u32::from(c)), bytes: start..start + c.len_utf8() });
            }
            symbols.push(Symbol { id: space, bytes: piece.end..piece.end });
            let whole = symbols.len();
            if whole < shortest {
                each(symbols, whole, whole);
                return;
            }
            for start in 0..=whole - shortest {
                each(&symbols[start..], shortest, longest);
            }
        }),
    }
}

/// Adds one n-gram of a vocabulary to the trie and gives its node.
pub(crate) fn insert(
    tokens: &mut TokenTable,
    tree: &mut Tree,
    settings: VectorizerSettings,
    ngram: &str,
) -> Result<u32, SettingsError> {
    let (mut node, mut length) = (ROOT, 0);
    match settings.analyzer {
        Analyzer::Word | Analyzer::Token => {
            for word in ngram.split(' ') {
                node = tree.child_or_insert(node, tokens.insert(word));
                length += 1;
            }
        }
        Analyzer::CharWb => {
            for c in ngram.chars() {
                node = tree.child_or_insert(node, u32::from(c));
                length += 1;
            }
        }
    }
    // A short piece is counted once as a whole, so char_wb holds n-grams below the shortest length too.
    let shortest = if settings.analyzer == Analyzer::CharWb { 1 } else { settings.ngrams.0 };
    if ngram.is_empty() || length < shortest || length > settings.ngrams.1 {
        return Err(SettingsError::NgramLength { ngram: ngram.to_owned(), length });
    }
    Ok(node)
}

/// The n-gram of a node as text, words joined by one space.
pub(crate) fn spell(tokens: &TokenTable, tree: &Tree, analyzer: Analyzer, node: u32) -> String {
    let path = tree.path(node);
    match analyzer {
        Analyzer::Word | Analyzer::Token => {
            path.iter().map(|&symbol| tokens.word(symbol)).collect::<Vec<_>>().join(" ")
        }
        Analyzer::CharWb => path.iter().filter_map(|&symbol| char::from_u32(symbol)).collect(),
    }
}
