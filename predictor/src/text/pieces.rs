//! The pieces of a text between white space.

use std::ops::Range;

use crate::text::characters::is_space;

/// The byte range of every white-space separated piece of `text`, in order.
pub(crate) const fn pieces(text: &str) -> Pieces<'_> {
    Pieces { text, at: 0 }
}

/// The pieces of a text that are left.
pub(crate) struct Pieces<'t> {
    text: &'t str,
    at: usize,
}

impl Pieces<'_> {
    /// The bytes of the white space that begins at a byte; 0 if none does. Only four bytes begin white space
    /// that is not ASCII, so most characters are passed over byte by byte.
    fn space(&self) -> usize {
        match self.text.as_bytes()[self.at] {
            b'\t'..=b'\r' | 0x1c..=0x1f | b' ' => 1,
            0xc2 | 0xe1..=0xe3 => {
                let c = self.text[self.at..].chars().next().filter(|&c| is_space(c));
                c.map_or(0, char::len_utf8)
            }
            _ => 0,
        }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let end = self.text.len();
        while self.at < end {
            match self.space() {
                0 => break,
                length => self.at += length,
            }
        }
        let start = self.at;
        while self.at < end && self.space() == 0 {
            self.at += 1;
        }
        (start < end).then_some(start..self.at)
    }
}

/// The beginning of `text` that holds its first `count` white-space separated pieces.
#[must_use]
pub(crate) fn first_pieces(text: &str, count: usize) -> &str {
    pieces(text).take(count).last().map_or("", |piece| &text[..piece.end])
}

/// The end of `text` that holds its last `count` white-space separated pieces.
#[must_use]
pub(crate) fn last_pieces(text: &str, count: usize) -> &str {
    let (mut seen, mut from) = (0, text.len());
    let mut within = false;
    for (at, c) in text.char_indices().rev() {
        if is_space(c) {
            within = false;
            continue;
        }
        if !within && seen == count {
            break;
        }
        seen += usize::from(!within);
        (within, from) = (true, at);
    }
    &text[from..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_of_a_text_keep_whole_pieces() {
        let text = "  one two\tthree\u{a0}four  ";
        assert_eq!(first_pieces(text, 2), "  one two");
        assert_eq!(last_pieces(text, 2), "three\u{a0}four  ");
        assert_eq!(first_pieces(text, 9), "  one two\tthree\u{a0}four");
        assert_eq!(last_pieces(text, 9), "one two\tthree\u{a0}four  ");
        assert_eq!(first_pieces("", 3), "");
        assert_eq!(last_pieces("  ", 3), "");
        assert_eq!(last_pieces("one", 0), "");
    }

    proptest! {
        #[test]
        fn pieces_are_what_stands_between_white_space(text in "[a-c\u{e9}\u{3042}\u{2019} \t\n\u{1c}\u{85}\u{a0}\u{1680}\u{2003}\u{202f}\u{3000}]{0,30}", count in 0..6_usize) {
            let found: Vec<&str> = pieces(&text).map(|piece| &text[piece]).collect();
            let all: Vec<&str> = text.split(is_space).filter(|piece| !piece.is_empty()).collect();
            prop_assert_eq!(&found, &all);
            let split = |text: &str| pieces(text).map(|piece| text[piece].to_owned()).collect::<Vec<_>>();
            prop_assert_eq!(split(first_pieces(&text, count)), &all[..count.min(all.len())]);
            prop_assert_eq!(split(last_pieces(&text, count)), &all[all.len() - count.min(all.len())..]);
        }
    }
}
