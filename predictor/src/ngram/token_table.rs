//! The token table of the n-gram trie: words and their numbers, exact, in a table designed for look-up speed.

use std::ops::Range;

/// The absence of a node or number.
pub(crate) const NONE: u32 = u32::MAX;
/// The odd number nearest to 2^64 divided by the golden ratio: its products spread neighbouring keys over
/// their top bits.
pub(crate) const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const FEWEST_SLOTS: usize = 16;

/// The number of slots for this many words: a power of two, at least twice as many.
fn slots_for(entries: usize) -> usize {
    (2 * entries).next_power_of_two().max(FEWEST_SLOTS)
}

/// The shift that turns a hash into a slot index: it keeps the top bits.
const fn shift_for(slots: usize) -> u32 {
    64 - slots.trailing_zeros()
}

/// A count that indexes the trie. Corpora of more than four billion symbols do not fit in memory here.
#[allow(clippy::expect_used)] // the limit is stated; reaching it needs hundreds of gigabytes
pub(crate) fn to_u32(count: usize) -> u32 {
    u32::try_from(count).expect("fewer than 2^32 n-grams")
}

/// Words and their numbers: one string arena, no allocation per word.
#[derive(Debug, Clone)]
pub(crate) struct TokenTable {
    arena: String,
    ends: Vec<u32>,
    slots: Vec<Token>,
    shift: u32,
}

/// A slot identifies a word of up to eight bytes without looking at the arena.
#[derive(Debug, Clone, Copy)]
struct Token {
    /// The first eight bytes; a shorter word is padded with zeros.
    head: u64,
    length: u32,
    number: u32,
}

const FREE: Token = Token { head: 0, length: 0, number: NONE };
const HEAD: usize = 8;

/// Eight bytes of a text as a number, zeros after its end.
#[inline]
fn eight(text: &[u8], at: usize) -> u64 {
    let behind = &text[at..];
    u64::from_le_bytes(behind.first_chunk().copied().unwrap_or_else(|| {
        let mut eight = [0; HEAD];
        eight[..behind.len()].copy_from_slice(behind);
        eight
    }))
}

/// The first eight bytes of a word; a shorter one is padded with zeros. The bytes after the word are read too
/// and masked, which is cheaper than a copy of the right length.
#[inline]
fn head(text: &[u8], word: &Range<usize>) -> u64 {
    let beyond = 8 * HEAD.saturating_sub(word.len());
    eight(text, word.start) & u64::MAX.checked_shr(beyond as u32).unwrap_or(0)
}

/// The hash of a word with these first bytes.
#[inline]
fn hash(head: u64, text: &[u8], word: &Range<usize>) -> u64 {
    let mut hash = head;
    let mut at = word.start + HEAD;
    // The last eight bytes are always read as a whole, even if they overlap bytes that were hashed before.
    while at < word.end {
        hash = hash.wrapping_mul(SPREAD).rotate_left(26) ^ eight(text, at.min(word.end - HEAD));
        at += HEAD;
    }
    // The low bits of a product depend on few bits of the factor, so the top ones are used.
    let hash = hash.wrapping_mul(SPREAD);
    (hash ^ (hash >> 32)).wrapping_mul(SPREAD)
}

impl Default for TokenTable {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl TokenTable {
    /// Room for about this many words.
    pub(crate) fn with_capacity(words: usize) -> Self {
        let slots = vec![FREE; slots_for(words)];
        Self { arena: String::new(), ends: Vec::with_capacity(words), shift: shift_for(slots.len()), slots }
    }

    pub(crate) const fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn word(&self, number: u32) -> &str {
        &self.arena[self.bytes(number)]
    }

    /// The byte range of a word in the arena.
    fn bytes(&self, number: u32) -> Range<usize> {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        start..self.ends[number] as usize
    }

    /// The slot of a word of `text`, or the free slot for it.
    #[inline]
    fn find(&self, text: &[u8], word: &Range<usize>) -> (usize, Token) {
        let wanted = Token { head: head(text, word), length: to_u32(word.len()), number: NONE };
        let last = self.slots.len() - 1;
        let mut at = (hash(wanted.head, text, word) >> self.shift) as usize;
        loop {
            let slot = self.slots[at & last];
            if slot.number == NONE {
                return (at & last, wanted);
            }
            if slot.head == wanted.head
                && slot.length == wanted.length
                && (word.len() <= HEAD
                    || self.arena.as_bytes()[self.bytes(slot.number)] == text[word.clone()])
            {
                return (at & last, slot);
            }
            at += 1;
        }
    }

    /// The number of a word of `text`, or [`NONE`] if it is not in the table.
    #[inline]
    pub(crate) fn get(&self, text: &str, word: &Range<usize>) -> u32 {
        self.find(text.as_bytes(), word).1.number
    }

    /// The number of a word of `text`, which is added if it is new.
    pub(crate) fn insert(&mut self, text: &str, word: &Range<usize>) -> u32 {
        let (mut at, found) = self.find(text.as_bytes(), word);
        if found.number != NONE {
            return found.number;
        }
        if self.slots.len() < slots_for(self.len() + 1) {
            self.grow();
            at = self.find(text.as_bytes(), word).0;
        }
        let number = to_u32(self.len());
        self.arena.push_str(&text[word.clone()]);
        self.ends.push(to_u32(self.arena.len()));
        self.slots[at] = Token { number, ..found };
        number
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![FREE; 2 * old.len()];
        self.shift -= 1;
        for token in old.into_iter().filter(|token| token.number != NONE) {
            let (at, _) = self.find(self.arena.as_bytes(), &self.bytes(token.number));
            self.slots[at] = token;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_its_number() {
        let mut table = TokenTable::default();
        let text = "tell me tell  ü understandable understandably understandable";
        let words = [0..4, 5..7, 8..12, 13..13, 14..16, 17..31, 32..46, 47..61];
        let numbers = words.clone().map(|word| table.insert(text, &word));
        assert_eq!(numbers, [0, 1, 0, 2, 3, 4, 5, 4]);
        assert_eq!(words.map(|word| table.get(text, &word)), numbers);
        assert_eq!(table.get(text, &(5..6)), NONE);
        assert_eq!(table.get("understandabl", &(0..13)), NONE);
        assert_eq!((table.word(3), table.word(5)), ("ü", "understandably"));
    }

    #[test]
    fn words_are_found_after_the_table_has_grown() {
        let mut table = TokenTable::default();
        let words: Vec<String> =
            (0..3000_u32).map(|n| format!("{}{n}", "w".repeat(n as usize % 20))).collect();
        let numbers: Vec<u32> = words.iter().map(|word| table.insert(word, &(0..word.len()))).collect();
        assert_eq!(numbers, (0..3000).collect::<Vec<_>>());
        for (word, number) in words.iter().zip(numbers) {
            assert_eq!(table.get(word, &(0..word.len())), number, "{word}");
            assert_eq!(table.word(number), word);
        }
    }
}
