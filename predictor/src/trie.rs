//! The n-gram trie (token table and tree): from symbols to nodes, exact, with one hash look-up a step.
//!
//! An n-gram is a path of symbols. For words a symbol is a word's number in the token table; for characters it
//! is the code point. A child is found by the 64-bit key (parent node, symbol), so no n-gram is ever built as a
//! string while a text is read, and a path that leaves the trie ends the search for all longer n-grams.

use std::hash::Hasher;

use hashbrown::HashTable;
use rustc_hash::{FxHashMap, FxHasher};

/// The node that every path starts from.
pub(crate) const ROOT: u32 = u32::MAX;

/// Words and their numbers: one string arena, no allocation per word.
#[derive(Debug, Clone, Default)]
pub(crate) struct TokenTable {
    arena: String,
    ends: Vec<u32>,
    table: HashTable<u32>,
}

fn hash(word: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(word.as_bytes());
    hasher.finish()
}

fn token_at<'a>(arena: &'a str, ends: &[u32], number: u32) -> &'a str {
    let number = number as usize;
    let start = if number == 0 { 0 } else { ends[number - 1] as usize };
    &arena[start..ends[number] as usize]
}

impl TokenTable {
    /// The number of a word that the table knows.
    pub(crate) fn get(&self, word: &str) -> Option<u32> {
        self.table.find(hash(word), |&number| token_at(&self.arena, &self.ends, number) == word).copied()
    }

    /// The number of a word, which is added where it is new.
    pub(crate) fn insert(&mut self, word: &str) -> u32 {
        if let Some(number) = self.get(word) {
            return number;
        }
        let number = to_u32(self.ends.len());
        self.arena.push_str(word);
        self.ends.push(to_u32(self.arena.len()));
        let (arena, ends) = (&self.arena, &self.ends);
        self.table.insert_unique(hash(word), number, |&other| hash(token_at(arena, ends, other)));
        number
    }

    pub(crate) fn word(&self, number: u32) -> &str {
        token_at(&self.arena, &self.ends, number)
    }
}

/// A count that indexes the trie. Corpora of more than four billion symbols do not fit in memory here.
#[allow(clippy::expect_used)] // the limit is stated; reaching it needs hundreds of gigabytes
fn to_u32(count: usize) -> u32 {
    u32::try_from(count).expect("fewer than 2^32 n-grams")
}

/// A prefix-closed set of symbol paths with numbered nodes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    children: FxHashMap<u64, u32>,
    /// Parent and symbol of each node.
    nodes: Vec<(u32, u32)>,
}

const fn key(parent: u32, symbol: u32) -> u64 {
    ((parent as u64) << 32) | symbol as u64
}

impl Tree {
    /// Room for about this many nodes.
    pub(crate) fn with_capacity(nodes: usize) -> Self {
        let mut tree = Self::default();
        tree.children.reserve(nodes);
        tree.nodes.reserve(nodes);
        tree
    }

    pub(crate) const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The child of a node along a symbol.
    pub(crate) fn child(&self, parent: u32, symbol: u32) -> Option<u32> {
        self.children.get(&key(parent, symbol)).copied()
    }

    /// The child of a node along a symbol, which is added where it is new.
    pub(crate) fn child_or_insert(&mut self, parent: u32, symbol: u32) -> u32 {
        let next = to_u32(self.nodes.len());
        let child = *self.children.entry(key(parent, symbol)).or_insert(next);
        if child == next {
            self.nodes.push((parent, symbol));
        }
        child
    }

    /// The symbols from the root to a node.
    pub(crate) fn path(&self, node: u32) -> Vec<u32> {
        let mut symbols = Vec::new();
        let mut at = node;
        while at != ROOT {
            let (parent, symbol) = self.nodes[at as usize];
            symbols.push(symbol);
            at = parent;
        }
        symbols.reverse();
        symbols
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_its_number() {
        let mut table = TokenTable::default();
        let numbers: Vec<u32> = ["tell", "me", "tell", "", "ü"].iter().map(|w| table.insert(w)).collect();
        assert_eq!(numbers, [0, 1, 0, 2, 3]);
        assert_eq!(table.get("me"), Some(1));
        assert_eq!(table.get("m"), None);
        assert_eq!(table.word(3), "ü");
    }

    #[test]
    fn paths_are_found_again() {
        let mut tree = Tree::with_capacity(4);
        let a = tree.child_or_insert(ROOT, 7);
        let ab = tree.child_or_insert(a, 8);
        assert_eq!(tree.child_or_insert(a, 8), ab);
        assert_eq!(tree.child(ROOT, 8), None);
        assert_eq!(tree.path(ab), [7, 8]);
        assert_eq!(tree.len(), 2);
    }
}
