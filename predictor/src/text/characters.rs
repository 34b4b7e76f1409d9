//! Classes of characters as Python has them, and lower case.
//!
//! Every character of every text is looked up here several times, so what Unicode says of a character is kept
//! in tables of bits, and characters of scripts without case are not looked up at all.

use std::borrow::Cow;
use std::sync::OnceLock;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// One bit for each character of a page of 256: whether it is a word character.
type Page = [u64; 4];

/// The pages of the characters below U+10000, each made when it is first needed.
static PAGES: [OnceLock<Page>; 256] = [const { OnceLock::new() }; 256];

/// Python's `\w`: letters (L*), numbers (N*) and the underscore.
#[must_use]
pub(crate) fn is_word_char(c: char) -> bool {
    match c {
        '\0'..='\x7f' => c.is_ascii_alphanumeric() || c == '_',
        // Typographic dashes and quotation marks: most of the non-ASCII characters in English.
        '\u{2000}'..='\u{206f}' => false,
        '\u{80}'..='\u{ffff}' => {
            let code = c as usize;
            let page = PAGES[code >> 8].get_or_init(|| page(u32::from(c) & !0xff));
            page[code % 256 / 64] >> (code % 64) & 1 == 1
        }
        _ => is_letter_or_number(c),
    }
}

/// The bits of 256 characters from `first` up.
fn page(first: u32) -> Page {
    let is_within = |code| char::from_u32(code).is_some_and(is_letter_or_number);
    let bits = |first: u32| (0..64).fold(0, |bits, at| bits | u64::from(is_within(first + at)) << at);
    [0, 64, 128, 192].map(|at| bits(first + at))
}

fn is_letter_or_number(c: char) -> bool {
    matches!(c.general_category_group(), GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number)
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
        let mut lower = String::with_capacity(text.len());
        push_lowercase(&mut lower, text);
        return Cow::Owned(lower);
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// Appends a text in lower case.
pub(super) fn push_lowercase(out: &mut String, text: &str) {
    // The final sigma is the one mapping that depends on its neighbours.
    if text.contains('Σ') {
        out.push_str(&text.to_lowercase());
        return;
    }
    for c in text.chars() {
        if has_no_case(c) {
            out.push(c);
        } else if c.is_ascii() {
            out.push(c.to_ascii_lowercase());
        } else {
            out.extend(c.to_lowercase());
        }
    }
}

/// Whether a character belongs to a script without case: Hebrew to Burmese, Chinese, Japanese and Korean, or
/// is typographic punctuation. Other characters may have none either.
const fn has_no_case(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{109f}' | '\u{2000}'..='\u{206f}' | '\u{2e80}'..='\u{a63f}' | '\u{ac00}'..='\u{d7ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_without_case_are_their_own_lower_case() {
        for c in ('\0'..=char::MAX).filter(|&c| has_no_case(c)) {
            assert!(c.to_lowercase().eq([c]), "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn every_character_is_in_its_place_on_its_page() {
        for c in ('\u{80}'..=char::MAX).filter(|c| !('\u{2000}'..='\u{206f}').contains(c)) {
            assert_eq!(is_word_char(c), is_letter_or_number(c), "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn lower_casing_knows_the_final_sigma_and_the_dotted_i() {
        assert_eq!(lowercase("ΟΔΟΣ"), "οδος");
        assert_eq!(lowercase("İ"), "i\u{307}");
        assert_eq!(lowercase("\u{7b54}É\u{1c89}"), "\u{7b54}É\u{1c89}".to_lowercase());
        assert!(matches!(lowercase("plain"), Cow::Borrowed(_)));
    }
}
