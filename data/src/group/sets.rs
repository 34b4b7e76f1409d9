//! Disjoint sets, in which similar prompts are joined, and the hash that finds near duplicates and templates.

/// Disjoint sets, each represented by its smallest member.
pub(super) struct Sets {
    parents: Vec<usize>,
}

impl Sets {
    /// One set per member.
    pub(super) fn new(n: usize) -> Self {
        Self { parents: (0..n).collect() }
    }

    /// The smallest member of a member's set.
    pub(super) fn find(&mut self, mut member: usize) -> usize {
        while self.parents[member] != member {
            self.parents[member] = self.parents[self.parents[member]];
            member = self.parents[member];
        }
        member
    }

    /// Merges the sets of two members.
    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.parents[a.max(b)] = a.min(b);
    }
}

/// Mixes a number into a hash: the finaliser of `SplitMix64`, the same on every platform.
pub(super) fn stir(hash: u64, value: u64) -> u64 {
    let mut z = (hash ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
