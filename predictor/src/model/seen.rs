//! Which prompts a model has seen, as digests: so that it is never evaluated on rows that it was fitted on,
//! and its directory does not contain the prompts themselves.

use demur_data::normalise;
use sha2::{Digest, Sha256};

/// The normalised prompts that a fit has seen, 64 bits of SHA-256 each: two of a million prompts collide by
/// chance once in about 37 million such sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenPrompts(Vec<u64>);

fn key(prompt: &str) -> u64 {
    let digest = Sha256::digest(normalise(prompt).as_bytes());
    digest.iter().take(8).fold(0, |key, &byte| (key << 8) | u64::from(byte))
}

impl SeenPrompts {
    /// The set of these prompts.
    #[must_use]
    pub fn of<'a>(prompts: impl Iterator<Item = &'a str>) -> Self {
        Self::sorted(prompts.map(key).collect())
    }

    fn sorted(mut keys: Vec<u64>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        Self(keys)
    }

    /// The prompts of both sets.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::sorted([self.0.as_slice(), other.0.as_slice()].concat())
    }

    /// Whether a prompt with the same normalised text is in the set.
    #[must_use]
    pub fn contains(&self, prompt: &str) -> bool {
        self.0.binary_search(&key(prompt)).is_ok()
    }

    /// How many prompts there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The set in the form of a file: ascending keys, 8 bytes each, little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|key| key.to_le_bytes()).collect()
    }

    /// Parses the form that [`to_bytes`](Self::to_bytes) writes; `None` if it is not valid.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (keys, rest) = bytes.as_chunks::<8>();
        let keys: Vec<u64> = keys.iter().map(|key| u64::from_le_bytes(*key)).collect();
        (rest.is_empty() && keys.is_sorted_by(|a, b| a < b)).then_some(Self(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_known_by_its_normalised_form() {
        let seen = SeenPrompts::of(["Write a poem!", "How?"].into_iter());
        assert!(seen.contains("write  a POEM"));
        assert!(!seen.contains("write a song"));
    }

    #[test]
    fn bytes_make_the_same_set() {
        let seen = SeenPrompts::of(["a", "b", "a"].into_iter());
        assert_eq!(seen.len(), 2);
        assert_eq!(SeenPrompts::from_bytes(&seen.to_bytes()), Some(seen));
        assert_eq!(SeenPrompts::from_bytes(&[1, 2, 3]), None);
        assert_eq!(SeenPrompts::from_bytes(&[0; 16]), None, "the same key twice");
    }

    #[test]
    fn a_union_holds_both() {
        let (a, b) = (SeenPrompts::of(["a"].into_iter()), SeenPrompts::of(["b"].into_iter()));
        let both = a.union(&b);
        assert!(both.contains("a") && both.contains("b"));
    }
}
