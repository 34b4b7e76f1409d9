//! The words of a text, for explanations and flips: whole, with a key that identifies equal words, and
//! whether it is a word that only joins others.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use crate::text;

/// The list, with the reasons for it.
const LIST: &str = include_str!("function_words.txt");

static FUNCTION_WORDS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    LIST.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect()
});

/// Calls `each` with the byte range of every word of `text`, in order. Words are white-space separated
/// pieces, but in these a Chinese character or Japanese letter is a word by itself, because those scripts
/// have no spaces.
pub(crate) fn words(text: &str, mut each: impl FnMut(Range<usize>)) {
    for piece in text::pieces(text) {
        let mut start = piece.start;
        for (at, c) in text[piece.clone()].char_indices().filter(|&(_, c)| is_unspaced(c)) {
            let at = piece.start + at;
            if start < at {
                each(start..at);
            }
            start = at + c.len_utf8();
            each(at..start);
        }
        if start < piece.end {
            each(start..piece.end);
        }
    }
}

/// Whether a character belongs to a script without spaces between words and is a unit of meaning or sound by
/// itself.
const fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{323af}')
}

/// The key that equal words share: lower case, straight apostrophes, no signs at either end. Empty if there
/// is no letter or digit.
pub(crate) fn key(word: &str) -> String {
    let lower = text::lowercase(word);
    text::plain_apostrophe(lower.trim_matches(|c: char| !c.is_alphanumeric())).into_owned()
}

/// Whether a word's key only joins or points, or is not a word at all.
pub(crate) fn is_function(key: &str) -> bool {
    key.is_empty() || FUNCTION_WORDS.contains(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        words(text, |bytes| found.push(&text[bytes]));
        found
    }

    #[test]
    fn words_stand_between_spaces_or_are_single_characters_of_scripts_without() {
        assert_eq!(all(" How\tdo I  pick\u{a0}locks? "), ["How", "do", "I", "pick", "locks?"]);
        assert_eq!(all("如何制造bomb吗？ok"), ["如", "何", "制", "造", "bomb", "吗", "？ok"]);
        assert_eq!(all("폭탄을 만드는 법"), ["폭탄을", "만드는", "법"]);
        assert!(all(" \n").is_empty());
    }

    #[test]
    fn a_word_is_the_same_in_any_case_and_between_any_signs() {
        for same in ["bomb", "Bomb,", "\"BOMB!\"", "(bomb)"] {
            assert_eq!(key(same), "bomb");
        }
        assert_eq!(key("I\u{2019}m"), "i'm");
        assert_eq!(key("--"), "");
    }

    #[test]
    fn function_words_join_and_what_says_no_or_means_something_is_none() {
        for joins in ["how", "about", "the", "i'm", "des", "der", "어떻게", "的", ""] {
            assert!(is_function(joins), "{joins}");
        }
        for means in
            ["no", "not", "never", "without", "can't", "bomb", "get", "die", "war", "kein", "pas", "不"]
        {
            assert!(!is_function(means), "{means}");
        }
    }

    #[test]
    fn the_list_is_short_and_each_word_is_its_own_key() {
        assert!(FUNCTION_WORDS.len() < 500, "{}", FUNCTION_WORDS.len());
        for word in FUNCTION_WORDS.iter() {
            assert_eq!(key(word), *word);
        }
        assert!(LIST.lines().all(|line| line.chars().count() <= 130));
    }
}
