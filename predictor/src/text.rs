//! Text into symbols, as scikit-learn's `TfidfVectorizer` sees them.
//!
//! Words are the maximal runs of two or more word characters of the lower-cased text (its default pattern
//! `(?u)\b\w\w+\b`); `char_wb` n-grams are those of each white-space separated piece, padded with one space on
//! both sides. Python's `\w` is a letter, a number or `_`: a combining mark is not one, unlike in Rust's
//! `char::is_alphanumeric`, so the general category decides.

use std::borrow::Cow;
use std::ops::Range;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Python's `\w`: letters (L*), numbers (N*) and the underscore.
#[must_use]
pub(crate) fn is_word_char(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || c == '_'
    } else {
        matches!(c.general_category_group(), GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number)
    }
}

/// Python's `str.isspace`: Unicode white space and the four ASCII separators U+001C to U+001F.
#[must_use]
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Lower-cases by the full Unicode mapping (final sigma included); ASCII text that is lower-case is borrowed.
#[must_use]
pub(crate) fn lowercase(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        return Cow::Owned(text.to_lowercase());
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// Calls `each` with the byte range of every word of `text` (lower-cased already), in order.
pub(crate) fn words(text: &str, mut each: impl FnMut(Range<usize>)) {
    let mut start = None;
    let mut length = 0_usize;
    for (at, c) in text.char_indices() {
        if is_word_char(c) {
            start.get_or_insert(at);
            length += 1;
        } else if let Some(begin) = start.take() {
            if length >= 2 {
                each(begin..at);
            }
            length = 0;
        }
    }
    if let Some(begin) = start
        && length >= 2
    {
        each(begin..text.len());
    }
}

/// Calls `each` with the byte range of every white-space separated piece of `text`, in order.
pub(crate) fn pieces(text: &str, mut each: impl FnMut(Range<usize>)) {
    let mut start = None;
    for (at, c) in text.char_indices() {
        if !is_space(c) {
            start.get_or_insert(at);
        } else if let Some(begin) = start.take() {
            each(begin..at);
        }
    }
    if let Some(begin) = start {
        each(begin..text.len());
    }
}

/// The beginning of `text` that holds its first `count` white-space separated pieces.
#[must_use]
pub(crate) fn first_pieces(text: &str, count: usize) -> &str {
    let (mut seen, mut end) = (0, 0);
    pieces(text, |piece| {
        seen += 1;
        if seen <= count {
            end = piece.end;
        }
    });
    &text[..end]
}

/// The end of `text` that holds its last `count` white-space separated pieces.
#[must_use]
pub(crate) fn last_pieces(text: &str, count: usize) -> &str {
    let mut starts = Vec::new();
    pieces(text, |piece| starts.push(piece.start));
    let from = starts.len().checked_sub(count.min(starts.len())).and_then(|first| starts.get(first));
    from.map_or("", |&start| &text[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_words(text: &str) -> Vec<String> {
        let lower = lowercase(text);
        let mut out = Vec::new();
        words(&lower, |range| out.push(lower[range].to_owned()));
        out
    }

    #[test]
    fn words_have_two_characters_or_more() {
        assert_eq!(all_words("I can't do A_B x 42, naïve ÉTÉ"), ["can", "do", "a_b", "42", "naïve", "été"]);
        assert!(all_words(" . !? a").is_empty());
    }

    #[test]
    fn combining_marks_end_a_word_as_in_python() {
        assert_eq!(all_words("cafe\u{301}s"), ["cafe"]);
        assert_eq!(all_words("हिन्दी"), Vec::<String>::new());
    }

    #[test]
    fn lower_casing_knows_the_final_sigma_and_the_dotted_i() {
        assert_eq!(lowercase("ΟΔΟΣ"), "οδος");
        assert_eq!(lowercase("İ"), "i\u{307}");
        assert!(matches!(lowercase("plain"), Cow::Borrowed(_)));
    }

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
}
