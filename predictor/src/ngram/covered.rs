//! Which bytes of a text lie in known n-grams, found in the pass that scores the text.
//!
//! A second pass would look every n-gram up again, which costs as much as the score. Here a found n-gram is one number
//! that is stored: where the longest n-gram from its first symbol ends.

use std::ops::Range;

use crate::text::Padded;

/// The letters of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Letters {
    /// Those in known n-grams.
    pub(crate) known: usize,
    /// All of them.
    pub(crate) all: usize,
}

/// The bytes of one text. The buffers are reused.
#[derive(Debug, Default)]
pub(crate) struct Covered {
    /// For each symbol, where the longest known n-gram from it ends; 0 where there is none.
    reach: Vec<u32>,
    /// For each byte of the padded text, whether an n-gram of any view has it.
    bytes: Vec<bool>,
}

impl Covered {
    /// Begins a text of this many bytes, of which nothing is known.
    pub(crate) fn begin(&mut self, length: usize) {
        self.bytes.clear();
        self.bytes.resize(length, false);
    }

    /// Begins the n-grams of a view. A text has at most three symbols for each byte: a character, and a space on
    /// either side of it.
    pub(crate) fn begin_view(&mut self) {
        self.reach.clear();
        self.reach.resize(3 * self.bytes.len(), 0);
    }

    /// Notes an n-gram of a view. Of those with one first symbol, the longest comes last.
    #[inline]
    pub(crate) fn add(&mut self, symbols: &Range<usize>) {
        // A text has fewer than 2^32 symbols, and each symbol has a place here.
        if let Some(reach) = self.reach.get_mut(symbols.start) {
            *reach = symbols.end as u32;
        }
    }

    /// Marks the bytes of a view's n-grams; `symbols` are the bytes of its symbols, or `None` where each byte is one.
    pub(crate) fn end_view(&mut self, symbols: Option<&[Range<usize>]>) {
        let mut end = 0;
        let Some(symbols) = symbols else {
            for (at, (covered, &reach)) in (0..).zip(self.bytes.iter_mut().zip(&self.reach)) {
                end = end.max(reach);
                *covered |= at < end;
            }
            return;
        };
        for (symbol, &reach) in symbols.iter().zip(&self.reach) {
            // What an earlier n-gram reaches is marked.
            if reach > end {
                end = reach;
                self.bytes[symbol.start..symbols[reach as usize - 1].end].fill(true);
            }
        }
    }

    /// The letters of the text, and those that are covered.
    pub(crate) fn letters(&self, text: &Padded) -> Letters {
        let mut letters = Letters::default();
        if let Some(text) = text.as_ascii() {
            for (byte, covered) in text.iter().zip(&self.bytes) {
                letters.all += usize::from(byte.is_ascii_alphabetic());
                letters.known += usize::from(byte.is_ascii_alphabetic() & covered);
            }
            return letters;
        }
        for (at, _) in text.as_str().char_indices().filter(|(_, c)| c.is_alphabetic()) {
            letters.all += 1;
            letters.known += usize::from(self.bytes[at]);
        }
        letters
    }
}
