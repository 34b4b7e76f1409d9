//! Text into symbols, as scikit-learn's `TfidfVectorizer` sees them.
//!
//! Words are the maximal runs of two or more word characters of the lower-cased text (its default pattern
//! `(?u)\b\w\w+\b`); `char_wb` n-grams are those of each white-space separated piece, padded with one space on
//! both sides. Tokens are Demur's own: words of any length, with the apostrophes within them. Python's `\w` is a letter, a number or `_`: a combining mark is not one, unlike in Rust's
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

/// A lower-cased text that knows where it came from.
pub(crate) struct Lowered {
    /// The text in lower case.
    pub(crate) text: String,
    /// For every byte of it, and one past the end, the byte of the original.
    pub(crate) offsets: Vec<usize>,
}

/// Lower-cases as [`lowercase`] does, and keeps where every byte came from.
#[must_use]
pub(crate) fn lowercase_with_offsets(text: &str) -> Lowered {
    let lower = lowercase(text).into_owned();
    let mut offsets = Vec::with_capacity(lower.len() + 1);
    for (at, c) in text.char_indices() {
        // The final sigma is the one context-dependent mapping, and both sigmas have the same length.
        let length: usize = c.to_lowercase().map(char::len_utf8).sum();
        offsets.extend(std::iter::repeat_n(at, length));
    }
    offsets.push(text.len());
    Lowered { text: lower, offsets }
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

/// The typewriter's apostrophe and the typographer's, which mean the same.
const fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}')
}

/// Calls `each` with the byte range of every token of `text` (lower-cased already), in order: Python's
/// `\w+(?:['’]\w+)*`.
pub(crate) fn tokens(text: &str, mut each: impl FnMut(Range<usize>)) {
    // The token that is being read, and where its last word character ended.
    let mut token: Option<Range<usize>> = None;
    for (at, c) in text.char_indices() {
        if is_word_char(c) {
            let end = at + c.len_utf8();
            token = Some(token.map_or(at, |token| token.start)..end);
        } else if !(is_apostrophe(c) && token.as_ref().is_some_and(|token| token.end == at))
            && let Some(token) = token.take()
        {
            each(token);
        }
    }
    if let Some(token) = token {
        each(token);
    }
}

/// A token with every apostrophe as the typewriter's.
pub(crate) fn plain_apostrophe(token: &str) -> Cow<'_, str> {
    if token.contains('\u{2019}') { Cow::Owned(token.replace('\u{2019}', "'")) } else { Cow::Borrowed(token) }
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
    fn tokens_keep_their_apostrophes() {
        let all = |text: &str| {
            let lower = lowercase(text);
            let mut out = Vec::new();
            tokens(&lower, |range| out.push(plain_apostrophe(&lower[range]).into_owned()));
            out
        };
        assert_eq!(all("I can't, I won\u{2019}t!"), ["i", "can't", "i", "won't"]);
        assert_eq!(all("'quoted' rock'n'roll o''clock x'"), ["quoted", "rock'n'roll", "o", "clock", "x"]);
        assert_eq!(all("the dogs' a"), ["the", "dogs", "a"]);
        assert!(all(" ' \u{2019} .").is_empty());
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

    /// What `tests/golden/make_fixtures.py` recorded of Python and scikit-learn.
    fn fixture(name: &str) -> serde_json::Value {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name);
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn ranges(value: &serde_json::Value) -> Vec<(u32, u32)> {
        let numbers: Vec<u32> = serde_json::from_value(value.clone()).unwrap_or_default();
        numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect()
    }

    #[test]
    fn characters_are_classed_as_python_does() {
        let fixture = fixture("word_chars.json");
        let within = |key: &str| {
            let ranges = ranges(&fixture[key]);
            assert!(!ranges.is_empty(), "{key}");
            move |c: char| {
                let at = ranges.partition_point(|&(_, end)| end < u32::from(c));
                ranges.get(at).is_some_and(|&(start, _)| start <= u32::from(c))
            }
        };
        let (word, space) = (within("word_ranges"), within("space_ranges"));
        let unassigned = within("unassigned_ranges");
        let mut compared = 0;
        for c in ('\0'..=char::MAX).filter(|&c| !unassigned(c)) {
            assert_eq!(is_word_char(c), word(c), "U+{:04X}", u32::from(c));
            assert_eq!(is_space(c), space(c), "U+{:04X}", u32::from(c));
            compared += 1;
        }
        assert!(compared > 200_000, "{compared}");
    }

    #[test]
    fn words_and_lower_case_are_those_of_scikit_learn() {
        let fixture = fixture("tokens.json");
        let cases = fixture["cases"].as_array().map_or(&[][..], Vec::as_slice);
        assert!(cases.len() > 200, "{}", cases.len());
        for case in cases {
            let text = case["text"].as_str().unwrap_or_default();
            assert_eq!(lowercase(text), case["lower"].as_str().unwrap_or_default(), "{text:?}");
            assert_eq!(serde_json::json!(all_words(text)), case["word_1_1"], "{text:?}");
        }
    }
}
