//! The tree of the n-gram trie: from symbols to nodes, exact, in tables designed for look-up speed.
//!
//! An n-gram is a path of symbols. For words a symbol is a word's number in the token table; for characters
//! it is the code point. Reading a text never builds an n-gram as a string, and a path that leaves the trie
//! ends the search for all longer n-grams.
//!
//! A step reads one cache line. It holds the edges of one hash, and all of them are compared without a
//! branch, because the processor cannot predict whether a step is known and a misprediction costs more than
//! five comparisons. The first steps use no hash: the children of the root are in an array, and so are all
//! pairs of ASCII characters.

use std::hint::select_unpredictable;

use crate::ngram::token_table::{NONE, SPREAD, to_u32};

/// The parent of all first nodes of paths.
pub(crate) const ROOT: u32 = u32::MAX;
const ASCII: usize = 128;

/// A prefix-closed set of symbol paths with numbered nodes.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// Children of the root by symbol.
    roots: Vec<u32>,
    /// From this symbol up, children of the root are in `edges`.
    beyond_roots: u32,
    /// Nodes of paths of two ASCII characters; empty for words.
    pairs: Vec<u32>,
    edges: Vec<Bucket>,
    /// Edges in all buckets.
    used: usize,
    /// Parent and symbol of each node.
    nodes: Vec<(u32, u32)>,
}

/// One cache line with the edges of one hash: keys (parent and symbol) and children, free places last. If it
/// is full, the next bucket may hold more.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Bucket {
    keys: [u64; BUCKET],
    children: [u32; BUCKET],
}

const BUCKET: usize = 5;
const EMPTY: Bucket = Bucket { keys: [u64::MAX; BUCKET], children: [NONE; BUCKET] };

impl Bucket {
    #[inline]
    const fn is_full(&self) -> bool {
        self.children[BUCKET - 1] != NONE
    }

    #[inline]
    fn child(&self, key: u64) -> u32 {
        let edges = self.keys.iter().zip(&self.children);
        edges.fold(NONE, |found, (&other, &child)| select_unpredictable(other == key, child, found))
    }
}

/// Average number of edges per bucket at which the table grows.
const MOST: usize = 3;

/// The number of buckets for this many edges: two edges in each on average, so that one bucket in twenty is
/// full.
fn buckets_for(edges: usize) -> usize {
    edges.div_ceil(2).max(1)
}

const fn key(parent: u32, symbol: u32) -> u64 {
    ((parent as u64) << 32) | symbol as u64
}

impl Tree {
    /// A tree for words, whose numbers have no gaps.
    pub(crate) fn of_words() -> Self {
        Self {
            roots: Vec::new(),
            beyond_roots: NONE,
            pairs: Vec::new(),
            edges: vec![EMPTY],
            used: 0,
            nodes: Vec::new(),
        }
    }

    /// A tree for characters.
    pub(crate) fn of_characters() -> Self {
        Self {
            roots: vec![NONE; ASCII],
            beyond_roots: ASCII as u32,
            pairs: vec![NONE; ASCII * ASCII],
            ..Self::of_words()
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The number of the next node.
    pub(crate) fn next(&self) -> u32 {
        to_u32(self.len())
    }

    /// The node of a path of one symbol, or [`NONE`].
    #[inline]
    pub(crate) fn root(&self, symbol: u32) -> u32 {
        if symbol < self.beyond_roots {
            self.roots.get(symbol as usize).copied().unwrap_or(NONE)
        } else {
            self.edge(key(ROOT, symbol))
        }
    }

    /// The node of a path of two symbols, or [`NONE`].
    #[inline]
    pub(crate) fn pair(&self, first: u32, second: u32) -> u32 {
        match self.pairs.get(first as usize * ASCII + second as usize) {
            Some(&node) if (second as usize) < ASCII => node,
            _ => self.other_pair(first, second),
        }
    }

    #[inline(never)]
    fn other_pair(&self, first: u32, second: u32) -> u32 {
        match self.root(first) {
            NONE => NONE,
            node => self.child(node, second),
        }
    }

    /// The child of a node other than the root along a symbol, or [`NONE`].
    #[inline]
    pub(crate) fn child(&self, parent: u32, symbol: u32) -> u32 {
        self.edge(key(parent, symbol))
    }

    #[inline]
    fn edge(&self, key: u64) -> u32 {
        let at = self.bucket(key);
        let bucket = &self.edges[at];
        let child = bucket.child(key);
        if bucket.is_full() { self.edge_beyond(key, at, child) } else { child }
    }

    /// Looks up an edge whose bucket is full: its child there or in the buckets after it.
    #[cold]
    fn edge_beyond(&self, key: u64, mut at: usize, mut child: u32) -> u32 {
        while child == NONE && self.edges[at].is_full() {
            at = self.beyond(at);
            child = self.edges[at].child(key);
        }
        child
    }

    /// The bucket of an edge: its hash, as a fraction of 2^32, scaled to the number of buckets.
    #[inline]
    fn bucket(&self, key: u64) -> usize {
        (((key.wrapping_mul(SPREAD) >> 32) * self.edges.len() as u64) >> 32) as usize
    }

    /// The bucket after a full one.
    const fn beyond(&self, at: usize) -> usize {
        if at + 1 < self.edges.len() { at + 1 } else { 0 }
    }

    /// Puts an edge into the first free place of its bucket or the next.
    #[inline]
    fn connect(&mut self, key: u64, child: u32) {
        let mut at = self.bucket(key);
        while self.edges[at].is_full() {
            at = self.beyond(at);
        }
        let bucket = &mut self.edges[at];
        // Counting instead of searching avoids a branch, so that consecutive insertions do not wait for each
        // other.
        let place = bucket.children.iter().filter(|&&child| child != NONE).count();
        (bucket.keys[place], bucket.children[place]) = (key, child);
    }

    /// Connects placed nodes, all at once and in as many buckets as they need.
    pub(crate) fn connect_all(&mut self, edges: &[(u64, u32)]) {
        self.edges = vec![EMPTY; buckets_for(edges.len())];
        self.used = edges.len();
        for &(key, child) in edges {
            self.connect(key, child);
        }
    }

    /// The child of a node (or of the root) along a symbol. If it is new, it is added with the next number.
    pub(crate) fn child_or_insert(&mut self, parent: u32, symbol: u32) -> u32 {
        let known = if parent == ROOT { self.root(symbol) } else { self.child(parent, symbol) };
        if known != NONE {
            return known;
        }
        let node = self.next();
        if let Some(key) = self.place(parent, symbol, node) {
            if self.used >= MOST * self.edges.len() {
                self.grow();
            }
            self.connect(key, node);
            self.used += 1;
        }
        node
    }

    /// Names a new node and enters it in the arrays. Returns the key of its edge if it needs one.
    pub(crate) fn place(&mut self, parent: u32, symbol: u32, node: u32) -> Option<u64> {
        self.name(parent, symbol, node);
        if parent == ROOT && symbol < self.beyond_roots {
            let at = symbol as usize;
            if at >= self.roots.len() {
                self.roots.resize(at + 1, NONE);
            }
            self.roots[at] = node;
            return None;
        }
        if let Some(&(ROOT, first)) = self.nodes.get(parent as usize)
            && (symbol as usize) < ASCII
            && let Some(pair) = self.pairs.get_mut(first as usize * ASCII + symbol as usize)
        {
            *pair = node;
        }
        Some(key(parent, symbol))
    }

    /// Gives a node its path without an edge that leads to it: it can be spelled but is never found.
    pub(crate) fn name(&mut self, parent: u32, symbol: u32, node: u32) {
        match self.nodes.get_mut(node as usize) {
            Some(named) => *named = (parent, symbol),
            None => self.nodes.push((parent, symbol)),
        }
    }

    /// Reserves the numbers below `nodes`, to be assigned as nodes are placed.
    pub(crate) fn reserve(&mut self, nodes: usize) {
        self.nodes.resize(nodes, (ROOT, NONE));
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.edges);
        self.edges = vec![EMPTY; 2 * old.len()];
        for bucket in old {
            for (key, child) in
                bucket.keys.into_iter().zip(bucket.children).filter(|&(_, child)| child != NONE)
            {
                self.connect(key, child);
            }
        }
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
    fn paths_are_found_again() {
        for mut tree in [Tree::of_words(), Tree::of_characters()] {
            // First symbols inside the arrays and outside them.
            let symbols = [7, 120, 127, 128, 8364];
            let mut paths = Vec::new();
            for a in symbols {
                for b in symbols {
                    for c in symbols {
                        let first = tree.child_or_insert(ROOT, a);
                        let second = tree.child_or_insert(first, b);
                        paths.push(([a, b, c], second, tree.child_or_insert(second, c)));
                    }
                }
            }
            assert_eq!(tree.len(), 5 + 25 + 125);
            for ([a, b, c], second, third) in paths {
                assert_eq!(tree.pair(a, b), second);
                assert_eq!(tree.child(tree.root(a), b), second);
                assert_eq!(tree.child(second, c), third);
                assert_eq!(tree.path(third), [a, b, c]);
            }
            assert_eq!([tree.root(9), tree.root(8365), tree.root(NONE)], [NONE; 3]);
            assert_eq!([tree.pair(7, 9), tree.pair(9, 7), tree.pair(7, NONE), tree.child(0, 9)], [NONE; 4]);
        }
    }

    #[test]
    fn a_node_without_an_edge_is_spelled_and_not_found() {
        let mut tree = Tree::of_characters();
        tree.reserve(2);
        assert_eq!(tree.place(ROOT, 7, 2), None);
        tree.name(2, 8, 1);
        assert_eq!((tree.path(1), tree.child(2, 8), tree.pair(7, 8)), (vec![7, 8], NONE, NONE));
    }
}
