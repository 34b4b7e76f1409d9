//! The key that decides whether two prompts are the same: for duplicates, groups and overlap.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A prompt reduced to its identity: NFKC, lower case, every run of punctuation and white space replaced by
/// one space, trimmed.
///
/// Letters, digits, combining marks and symbols that carry meaning (`+ < = > ^ $`, currency, arrows,
/// mathematics, emoji) stay. A prompt of punctuation alone (`???`) would become empty; it keeps its NFKC
/// lower-case trimmed text instead, so that it equals only the same punctuation. Applying it twice changes
/// nothing.
#[must_use]
pub fn normalise(prompt: &str) -> String {
    let mut text = once(prompt);
    // Lower-casing can undo NFKC for a few characters; a second round settles them.
    if !text.is_ascii() {
        loop {
            let next = once(&text);
            if next == text {
                break;
            }
            text = next;
        }
    }
    text
}

fn once(prompt: &str) -> String {
    let lower = lower(prompt);
    let folded = fold(&lower);
    if folded.is_empty() { lower.trim().to_owned() } else { folded }
}

fn lower(prompt: &str) -> String {
    if prompt.is_ascii() {
        prompt.to_ascii_lowercase()
    } else {
        // Character by character, because the final-sigma rule of `str::to_lowercase` looks at neighbours and
        // would make the key of a word depend on what follows it.
        prompt.nfkc().flat_map(char::to_lowercase).nfkc().collect()
    }
}

fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if !keeps(c) {
            gap = true;
            continue;
        }
        if gap && !folded.is_empty() {
            folded.push(' ');
        }
        gap = false;
        folded.push(c);
    }
    folded
}

fn keeps(c: char) -> bool {
    c.is_alphanumeric() || (!c.is_ascii() && is_combining_mark(c)) || is_symbol(c)
}

/// Symbols, as opposed to punctuation, in the blocks where they are common.
fn is_symbol(c: char) -> bool {
    matches!(c,
        '+' | '<' | '=' | '>' | '^' | '$' | '¢'..='¥' | '°' | '±' | '×' | '÷'
        | '\u{20a0}'..='\u{20cf}'
        | '\u{2100}'..='\u{2bff}'
        | '\u{1f000}'..='\u{1faff}')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::normalise;

    #[test]
    fn case_punctuation_and_white_space_do_not_count() {
        assert_eq!(
            normalise("  Write me a poem,\n about  George H.W. Bush!"),
            "write me a poem about george h w bush"
        );
        assert_eq!(normalise("Ｗｒｉｔｅ\u{a0}ﬁne…"), "write fine");
        assert_eq!(normalise("Ist das STRASSE – oder „Straße“?"), "ist das strasse oder straße");
    }

    #[test]
    fn symbols_and_marks_count() {
        assert_ne!(normalise("Do I learn C or C++?"), normalise("Do I learn C or C?"));
        assert_ne!(normalise("🙂"), normalise("🙁"));
        assert_eq!(normalise("E\u{301}tude"), normalise("Étude"));
    }

    #[test]
    fn a_prompt_of_punctuation_keeps_itself() {
        assert_eq!(normalise(" ??? "), "???");
        assert_ne!(normalise("???"), normalise("!"));
        assert_eq!(normalise(" \n"), "");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn twice_is_once(text in any::<String>()) {
            let key = normalise(&text);
            prop_assert_eq!(normalise(&key), key);
        }

        #[test]
        fn the_key_ignores_case_and_edges(text in "[a-zA-Z ,.!?]{0,40}") {
            prop_assert_eq!(normalise(&format!(" {} ", text.to_uppercase())).replace(['!', '?', '.', ','], ""),
                normalise(&text).replace(['!', '?', '.', ','], ""));
        }
    }
}
