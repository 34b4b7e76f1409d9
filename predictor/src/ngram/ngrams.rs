//! From a text to its n-grams: the settings that define an n-gram, the symbols of a text, and the insertion
//! of a vocabulary into the trie.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::SettingsError;
use crate::ngram::token_table::{NONE, TokenTable};
use crate::ngram::trie::{ROOT, Tree};
use crate::text::{self, Padded};

/// The longest n-gram of a view, in symbols.
pub const MAX_NGRAM: usize = 16;

/// What an n-gram is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Analyzer {
    /// Words of two or more characters.
    Word,
    /// Words of any length. An apostrophe within a word belongs to it, so that `can't` is different from
    /// `can`.
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

/// The settings that turn a text into features, apart from the vocabulary.
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

pub(crate) const SPACE: u32 = ' ' as u32;

/// The symbols of a text and the byte range of each. The buffers are reused.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    pub(crate) ids: Vec<u32>,
    pub(crate) bytes: Vec<Range<usize>>,
    /// A token with its apostrophes replaced by straight ones.
    token: String,
}

impl Symbols {
    /// Reads the symbols of a padded text. Words are numbered by `number`, which is called with a text and
    /// the byte range of a word in it. Characters are read piece by piece, each piece with its own space on
    /// both sides.
    pub(crate) fn read(
        &mut self,
        analyzer: Analyzer,
        padded: &Padded,
        mut number: impl FnMut(&str, &Range<usize>) -> u32,
    ) {
        self.ids.clear();
        self.bytes.clear();
        let (text, ascii) = (padded.as_str(), padded.as_ascii().is_some());
        match analyzer {
            Analyzer::Word => padded.words(|word| self.push(number(text, &word), word)),
            Analyzer::Token => padded.tokens(|word| {
                let id = if ascii || !text[word.clone()].contains('\u{2019}') {
                    number(text, &word)
                } else {
                    self.token.clear();
                    self.token
                        .extend(text[word.clone()].chars().map(|c| if c == '\u{2019}' { '\'' } else { c }));
                    number(&self.token, &(0..self.token.len()))
                };
                self.push(id, word);
            }),
            Analyzer::CharWb => {
                for piece in text::pieces(text) {
                    self.push(SPACE, piece.start..piece.start);
                    for (at, c) in text[piece.clone()].char_indices() {
                        let start = piece.start + at;
                        self.push(u32::from(c), start..start + c.len_utf8());
                    }
                    self.push(SPACE, piece.end..piece.end);
                }
            }
        }
    }

    fn push(&mut self, id: u32, bytes: Range<usize>) {
        self.ids.push(id);
        self.bytes.push(bytes);
    }
}

/// The most symbols that an n-gram at the start of these can have. A character n-gram stays within its piece:
/// it ends with the space after it.
pub(crate) fn reach(analyzer: Analyzer, symbols: &[u32], longest: usize) -> usize {
    let reach = longest.min(symbols.len());
    match analyzer {
        Analyzer::Word | Analyzer::Token => reach,
        Analyzer::CharWb => match symbols[1..reach].iter().position(|&symbol| symbol == SPACE) {
            Some(0) if symbols[0] == SPACE => 1,
            Some(before) => before + 2,
            None => reach,
        },
    }
}

/// Whether these symbols are one whole piece with its spaces. A piece that is too short for the shortest
/// n-gram is counted once as a whole.
pub(crate) fn is_whole<S: Copy + Into<u32>>(piece: &[S]) -> bool {
    let space = |symbol: Option<&S>| symbol.is_some_and(|&symbol| symbol.into() == SPACE);
    piece.len() >= 3 && space(piece.first()) && space(piece.last())
}

/// A vocabulary while it is inserted into the trie. It is sorted, so neighbours share most of their paths.
pub(crate) struct Vocabulary<'a> {
    settings: VectorizerSettings,
    tokens: TokenTable,
    tree: Tree,
    /// Keys and children of edges, which are all connected at the end: their buckets are far apart in memory,
    /// and the processor fetches them in parallel if nothing else happens in between.
    edges: Vec<(u64, u32)>,
    before: &'a str,
    path: Vec<Step>,
}

/// A step of the previous n-gram's path.
#[derive(Clone, Copy)]
struct Step {
    node: u32,
    symbol: u32,
    /// The byte of the n-gram at which the symbol ends.
    end: usize,
}

impl<'a> Vocabulary<'a> {
    /// Reserves the first `ngrams` node numbers for the n-grams, in the order of the vocabulary; other nodes,
    /// those of prefixes, follow them.
    pub(crate) fn new(settings: VectorizerSettings, ngrams: usize) -> Self {
        let (tokens, mut tree) = match settings.analyzer {
            Analyzer::CharWb => (0, Tree::of_characters()),
            Analyzer::Word | Analyzer::Token => (ngrams / 4, Tree::of_words()),
        };
        tree.reserve(ngrams);
        Self {
            settings,
            tokens: TokenTable::with_capacity(tokens),
            tree,
            edges: Vec::with_capacity(ngrams),
            before: "",
            path: Vec::new(),
        }
    }

    /// The whole vocabulary.
    pub(crate) fn finish(mut self) -> (TokenTable, Tree) {
        self.tree.connect_all(&self.edges);
        (self.tokens, self.tree)
    }

    /// Adds the next n-gram with its number.
    pub(crate) fn add(&mut self, ngram: &'a str, number: u32) -> Result<(), SettingsError> {
        let words = self.settings.analyzer != Analyzer::CharWb;
        let same = self.before.bytes().zip(ngram.bytes()).take_while(|(a, b)| a == b).count();
        // A common start of two words is not a common word, so a shared step must also end where a
        // word ends.
        let is_shared = |step: &mut Step| {
            step.end <= same && (!words || ngram.as_bytes().get(step.end).is_none_or(|&byte| byte == b' '))
        };
        while self.path.pop_if(|step| !is_shared(step)).is_some() {}
        self.before = ngram;
        let mut start = self.path.last().map_or(0, |step| step.end + usize::from(words));
        // An empty word counts as a word, but after the last word there is none.
        while start < ngram.len() + usize::from(words) {
            let left = &ngram[start..];
            let (symbol, end) = if words {
                let end = start + left.bytes().position(|byte| byte == b' ').unwrap_or(left.len());
                (self.tokens.insert(ngram, &(start..end)), end)
            } else {
                let c = left.chars().next().unwrap_or_default();
                (u32::from(c), start + c.len_utf8())
            };
            self.step(symbol, end, (end == ngram.len()).then_some(number));
            start = end + usize::from(words);
        }
        // A short piece is counted once as a whole, so char_wb also has n-grams below the shortest length.
        let (shortest, longest) = self.settings.ngrams;
        let length = self.path.len();
        if ngram.is_empty() || length < if words { shortest } else { 1 } || length > longest {
            return Err(SettingsError::NgramLength { ngram: ngram.to_owned(), length });
        }
        Ok(())
    }

    /// Extends the path by a symbol, to a new node with this number or to the node of a prefix.
    fn step(&mut self, symbol: u32, end: usize, number: Option<u32>) {
        let before = self.path.last();
        let parent = before.map_or(ROOT, |step| step.node);
        // In a text no n-gram has characters on both sides of a space, so this one must not be found where
        // two pieces meet.
        let across = self.settings.analyzer == Analyzer::CharWb
            && before.is_some_and(|step| step.symbol == SPACE)
            && (self.path.len() > 1 || symbol == SPACE);
        let node = match number {
            Some(number) => number,
            // A prefix that is in the trie already is on the path of the previous n-gram, or is a single
            // word.
            None if parent == ROOT && self.tree.root(symbol) != NONE => self.tree.root(symbol),
            None => self.tree.next(),
        };
        if across {
            self.tree.name(parent, symbol, node);
        } else if let Some(key) = self.tree.place(parent, symbol, node) {
            self.edges.push((key, node));
        }
        self.path.push(Step { node, symbol, end });
    }
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
