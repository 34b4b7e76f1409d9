//! Splits text into symbols, like scikit-learn's `TfidfVectorizer`.
//!
//! Words are the maximal runs of two or more word characters of the lower-cased text (its default pattern
//! `(?u)\b\w\w+\b`); `char_wb` n-grams are those of each white-space separated piece, padded with one space
//! on both sides. Tokens are Demur's own: words of any length, with the apostrophes within them. Python's
//! `\w` is a letter, a number or `_`. It excludes combining marks, unlike Rust's `char::is_alphanumeric`, so
//! the general category decides.

mod characters;
mod padded;
mod pieces;

use std::borrow::Cow;
use std::ops::Range;

#[cfg(test)]
use characters::is_word_char;
pub(crate) use characters::{is_space, lowercase};
pub(crate) use padded::{PAD, Padded, Recent};
pub(crate) use pieces::{first_pieces, last_pieces, pieces};

/// A lower-cased text with a map to its original.
pub(crate) struct Lowered {
    /// The text in lower case.
    pub(crate) text: String,
    /// For every byte of it, and one past the end, the byte of the original.
    pub(crate) offsets: Vec<usize>,
}

/// Lower-cases as [`lowercase`] does, and records where every byte came from.
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

/// Calls `each` with the byte range of every token of `text` (lower-cased already), in order.
pub(crate) fn tokens(text: &str, mut each: impl FnMut(Range<usize>)) {
    let mut padded = Padded::default();
    padded.set(text);
    padded.tokens(|token| each(token.start - PAD..token.end - PAD));
}

/// A token with every apostrophe replaced by a straight one.
pub(crate) fn plain_apostrophe(token: &str) -> Cow<'_, str> {
    if token.contains('\u{2019}') { Cow::Owned(token.replace('\u{2019}', "'")) } else { Cow::Borrowed(token) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_words(text: &str) -> Vec<String> {
        let mut padded = Padded::default();
        padded.set(text);
        let mut out = Vec::new();
        padded.words(|word| out.push(padded.as_str()[word].to_owned()));
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
    fn a_padded_text_is_the_lower_cased_one_between_spaces() {
        let mut padded = Padded::default();
        for text in ["A\tB\u{1c}c\r\n[Z]@`{~", "ΟΔΟΣ ΣΑΣ", "Éa\u{a0}İx ẞ", "", "plain"] {
            padded.set(text);
            let (lower, ascii) = (text.to_lowercase(), text.is_ascii());
            let spaced = lower.chars().map(|c| if ascii && is_space(c) { ' ' } else { c });
            assert_eq!(padded.as_str(), format!(" {} ", spaced.collect::<String>()));
            assert_eq!(padded.as_ascii(), ascii.then_some(padded.as_str().as_bytes()));
        }
    }

    #[test]
    fn words_of_one_character_are_none_however_many_bytes_it_has() {
        assert_eq!(all_words("é éa aé 日本 日 𝒳 x\u{301}"), ["éa", "aé", "日本"]);
    }

    /// The values that `tests/golden/make_fixtures.py` recorded from Python and scikit-learn.
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
