//! A text as n-grams are read from it, and the last two of them: several views read the same texts in turn.

use std::ops::Range;

use crate::text::characters::{is_word_char, push_lowercase};

/// A text as n-grams are read from it: in lower case, with a space on either side. In an ASCII text all white
/// space becomes spaces, so that the characters of a padded piece are adjacent bytes. The buffer is reused.
#[derive(Debug, Default)]
pub(crate) struct Padded {
    /// What it was made of.
    source: String,
    text: String,
    ascii: bool,
    /// One bit per byte: whether it belongs to a word character. The ends of words can then be found by
    /// counting zeros, without a branch for each character.
    word_bits: Vec<u64>,
}

const BITS: usize = 64;

/// The offset of a byte in the padded text from its place in the text alone.
pub(crate) const PAD: usize = 1;

impl Padded {
    /// Replaces the text.
    pub(crate) fn set(&mut self, text: &str) {
        self.source.clear();
        self.source.push_str(text);
        self.ascii = text.is_ascii();
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        bytes.clear();
        bytes.push(b' ');
        if self.ascii {
            bytes.extend(text.bytes().map(plain));
        }
        // Always valid UTF-8, because it is ASCII so far.
        self.text = String::from_utf8(bytes).unwrap_or_default();
        if !self.ascii {
            push_lowercase(&mut self.text, text);
        }
        self.text.push(' ');
        self.mark_words();
    }

    fn mark_words(&mut self) {
        self.word_bits.clear();
        if self.ascii {
            self.word_bits.extend(self.text.as_bytes().chunks(BITS).map(|bytes| {
                let (eights, last) = bytes.as_chunks();
                let whole =
                    eights.iter().zip(0..).fold(0, |bits, (&eight, at)| bits | word_bits(eight) << (8 * at));
                let mut rest = [0; 8];
                rest[..last.len()].copy_from_slice(last);
                whole | word_bits(rest).checked_shl(8 * eights.len() as u32).unwrap_or(0)
            }));
            return;
        }
        self.word_bits.resize(self.text.len().div_ceil(BITS), 0);
        for (at, c) in self.text.char_indices().filter(|&(_, c)| is_word_char(c)) {
            (at..at + c.len_utf8()).for_each(|at| self.word_bits[at / BITS] |= 1 << (at % BITS));
        }
    }

    /// The next byte from `at` up that belongs to a word character or, for `u64::MAX`, the next that does
    /// not.
    #[inline]
    fn next(&self, at: usize, flip: u64) -> usize {
        let mut word = at / BITS;
        let mut mask = u64::MAX << (at % BITS);
        while let Some(bits) = self.word_bits.get(word) {
            let left = (bits ^ flip) & mask;
            if left != 0 {
                return word * BITS + left.trailing_zeros() as usize;
            }
            (word, mask) = (word + 1, u64::MAX);
        }
        self.text.len()
    }

    /// Calls `each` with the byte range of every run of word characters, in order.
    #[inline]
    fn runs(&self, mut each: impl FnMut(Range<usize>)) {
        let mut at = 0;
        loop {
            let start = self.next(at, 0);
            if start >= self.text.len() {
                return;
            }
            at = self.next(start, u64::MAX);
            each(start..at);
        }
    }

    /// Calls `each` with the byte range of every word, in order.
    pub(crate) fn words(&self, mut each: impl FnMut(Range<usize>)) {
        self.runs(|run| {
            // A word has two characters; a single non-ASCII character has as many bytes.
            if run.len() >= 2 && (self.ascii || self.text[run.clone()].chars().nth(1).is_some()) {
                each(run);
            }
        });
    }

    /// Calls `each` with the byte range of every token, in order: Python's `\w+(?:['’]\w+)*`.
    pub(crate) fn tokens(&self, mut each: impl FnMut(Range<usize>)) {
        // The current token, which the next run continues if a single apostrophe is between them.
        let mut token: Option<Range<usize>> = None;
        self.runs(|run| match &mut token {
            Some(token) if matches!(&self.text[token.end..run.start], "'" | "\u{2019}") => {
                token.end = run.end;
            }
            before => {
                if let Some(token) = before.replace(run) {
                    each(token);
                }
            }
        });
        if let Some(token) = token {
            each(token);
        }
    }

    /// The text with its padding.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The same as bytes, if these are the characters.
    pub(crate) fn as_ascii(&self) -> Option<&[u8]> {
        self.ascii.then_some(self.text.as_bytes())
    }
}

/// The two texts that were read last. An answer is read as a whole and by its first words, by one view after
/// the other, and what is made of a text is kept until two others were read.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    texts: [Padded; 2],
    current: usize,
}

impl Recent {
    /// Makes this text the current one.
    pub(crate) fn set(&mut self, text: &str) {
        // Nothing was read yet where the source is empty.
        let holds = |padded: &Padded| !text.is_empty() && padded.source == text;
        if holds(&self.texts[self.current]) {
            return;
        }
        self.current = 1 - self.current;
        if !holds(&self.texts[self.current]) {
            self.texts[self.current].set(text);
        }
    }

    /// The current text.
    pub(crate) const fn get(&self) -> &Padded {
        &self.texts[self.current]
    }
}

/// An ASCII character in lower case, with a space for all white space. It has no branches, so that the
/// compiler can vectorise it.
const fn plain(byte: u8) -> u8 {
    let space = (byte.wrapping_sub(b'\t') < 5) | (byte.wrapping_sub(0x1c) < 4);
    let upper = byte.wrapping_sub(b'A') < 26;
    if space { b' ' } else { byte | ((upper as u8) << 5) }
}

/// One bit for each of eight lower-case ASCII characters: whether it is a word character.
fn word_bits(eight: [u8; 8]) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let eight = u64::from_le_bytes(eight);
    // The top bit of each byte says whether the character is at least this one: no sum carries into the next
    // byte.
    let from = |least: u8| eight + EACH * u64::from(0x80 - least);
    let within =
        (from(b'a') & !from(b'z' + 1)) | (from(b'0') & !from(b'9' + 1)) | (from(b'_') & !from(b'_' + 1));
    // The product gathers the eight top bits in its highest byte.
    ((within & (EACH << 7)) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
