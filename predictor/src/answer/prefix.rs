//! The beginning of an answer, for streams: whether it is a refusal can be told long before it ends.

use crate::text;

/// The beginning of `text` that holds its first `count` words. A word is a piece between white space; in
/// Chinese and Japanese, which write none, every character counts as one.
#[must_use]
pub fn first_tokens(text: &str, count: usize) -> &str {
    let (mut seen, mut end, mut within) = (0, 0, false);
    for (at, c) in text.char_indices() {
        if text::is_space(c) {
            within = false;
            continue;
        }
        let alone = is_unspaced(c);
        if alone || !within {
            seen += 1;
            if seen > count {
                break;
            }
        }
        within = !alone;
        end = at + c.len_utf8();
    }
    &text[..end]
}

/// Han characters and kana: scripts without spaces between words.
const fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{2ffff}')
}

#[cfg(test)]
mod tests {
    use super::first_tokens;

    #[test]
    fn words_are_counted_from_the_start() {
        let text = "  one two,\tthree\u{a0}four  ";
        assert_eq!(first_tokens(text, 2), "  one two,");
        assert_eq!(first_tokens(text, 4), "  one two,\tthree\u{a0}four");
        assert_eq!(first_tokens(text, 9), "  one two,\tthree\u{a0}four");
        assert_eq!(first_tokens(text, 0), "");
        assert_eq!(first_tokens(" ", 3), "");
    }

    #[test]
    fn characters_are_counted_where_no_spaces_are_written() {
        assert_eq!(
            first_tokens("\u{5bf9}\u{4e0d}\u{8d77}\u{ff0c}OK \u{6211}", 3),
            "\u{5bf9}\u{4e0d}\u{8d77}"
        );
        assert_eq!(
            first_tokens("\u{5bf9}\u{4e0d}\u{8d77}\u{ff0c}OK \u{6211}", 4),
            "\u{5bf9}\u{4e0d}\u{8d77}\u{ff0c}OK"
        );
    }
}
