//! Splits text into symbols, like scikit-learn's `TfidfVectorizer`.
//!
//! Words are the maximal runs of two or more word characters of the lower-cased text (its default pattern
//! `(?u)\b\w\w+\b`); `char_wb` n-grams are those of each white-space separated piece, padded with one space
//! on both sides. Tokens are Demur's own: words of any length, with the apostrophes within them. Python's
//! `\w` is a letter, a number or `_`. It excludes combining marks, unlike Rust's `char::is_alphanumeric`, so
//! the general category decides.

use std::borrow::Cow;
use std::ops::Range;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Python's `\w`: letters (L*), numbers (N*) and the underscore.
#[must_use]
pub(crate) fn is_word_char(c: char) -> bool {
    match c {
        '\0'..='\x7f' => c.is_ascii_alphanumeric() || c == '_',
        // Typographic dashes and quotation marks: most of the non-ASCII characters in English.
        '\u{2000}'..='\u{206f}' => false,
        _ => {
            matches!(c.general_category_group(), GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number)
        }
    }
}

/// Python's `str.isspace`: Unicode white space and the four ASCII separators U+001C to U+001F.
#[must_use]
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Lower-cases by the full Unicode mapping (final sigma included); ASCII text that is lower-case already is
/// borrowed.
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

/// A text as n-grams are read from it: in lower case, with a space on either side. In an ASCII text all white
/// space becomes spaces, so that the characters of a padded piece are adjacent bytes. The buffer is reused.
#[derive(Debug, Default)]
pub(crate) struct Padded {
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
            self.push_lowercase(text);
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

    fn push_lowercase(&mut self, text: &str) {
        // The final sigma is the one mapping that depends on its neighbours.
        if text.contains('Σ') {
            self.text.push_str(&text.to_lowercase());
            return;
        }
        for c in text.chars() {
            if c.is_ascii() {
                self.text.push(c.to_ascii_lowercase());
            } else {
                self.text.extend(c.to_lowercase());
            }
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
    fn lower_casing_knows_the_final_sigma_and_the_dotted_i() {
        assert_eq!(lowercase("ΟΔΟΣ"), "οδος");
        assert_eq!(lowercase("İ"), "i\u{307}");
        assert!(matches!(lowercase("plain"), Cow::Borrowed(_)));
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
