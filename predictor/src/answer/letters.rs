//! What is written for letters: entities of HTML, other apostrophes, letters of mathematics, escape
//! sequences.

/// Longer names of entities are none.
const LONGEST_ENTITY: usize = 10;
/// Entities by name.
const ENTITIES: [(&str, &str); 22] = [
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", " "),
    ("rsquo", "\u{2019}"),
    ("lsquo", "\u{2018}"),
    ("ldquo", "\u{201c}"),
    ("rdquo", "\u{201d}"),
    ("hellip", "\u{2026}"),
    ("mdash", "\u{2014}"),
    ("ndash", "\u{2013}"),
    ("shy", ""),
    ("zwnj", ""),
    ("eacute", "\u{e9}"),
    ("egrave", "\u{e8}"),
    ("agrave", "\u{e0}"),
    ("uuml", "\u{fc}"),
    ("ouml", "\u{f6}"),
    ("auml", "\u{e4}"),
    ("szlig", "\u{df}"),
];
/// Words of refusal, in lower case. Emphasis around others stays, because the model has learned with it.
const REFUSING: [&str; 16] = [
    "not",
    "no",
    "never",
    "cannot",
    "sorry",
    "unable",
    "apologize",
    "apologise",
    "apologies",
    "refuse",
    "decline",
    "unfortunately",
    "regret",
    "against",
    "impossible",
    "unwilling",
];

/// Whether a text holds a word of refusal.
pub(super) fn refuses(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_alphabetic());
    let mut before = "";
    words.any(|word| {
        // "can't", with whatever apostrophe.
        let is_short = word.eq_ignore_ascii_case("t") && before.ends_with(['n', 'N']);
        before = word;
        is_short || REFUSING.iter().any(|known| known.eq_ignore_ascii_case(word))
    })
}

/// Characters that are written for an apostrophe and are none to the model.
pub(super) const fn is_apostrophe(c: char) -> bool {
    matches!(c, '\u{2bc}' | '\u{2b9}' | '\u{2018}' | '\u{201b}' | '\u{2032}' | '\u{b4}' | '`' | '\u{ff07}')
}

/// The entity that a text begins with: its length, and what is written for it.
pub(super) fn entity(text: &str) -> Option<(usize, String)> {
    let end = text.bytes().take(LONGEST_ENTITY + 2).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let character = match name.strip_prefix('#') {
        None => ENTITIES.iter().find(|(known, _)| *known == name)?.1.to_owned(),
        Some(number) => {
            let hex = number.strip_prefix(['x', 'X']);
            let code = hex.map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok())?;
            // No entity brings in what is left out elsewhere.
            char::from_u32(code).filter(|c| !c.is_control()).map(String::from)?
        }
    };
    Some((end + 1, character))
}

/// The length of a terminal's escape sequence.
pub(super) fn escape(text: &str) -> usize {
    let bytes = text.as_bytes();
    if bytes.get(1) != Some(&b'[') {
        return 1;
    }
    let rest = &bytes[2..];
    let parameters = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
    let letter = rest.get(parameters).is_some_and(u8::is_ascii_alphabetic);
    2 + parameters + usize::from(letter)
}

/// The letter or digit of a mathematical alphabet (bold, sans-serif, ...).
pub(super) fn mathematical(c: char) -> Option<char> {
    let code = u32::from(c);
    let letter = match code {
        0x1d400..=0x1d6a3 => {
            let at = (code - 0x1d400) % 52;
            u32::from(b'A') + at + if at >= 26 { 6 } else { 0 }
        }
        0x1d7ce..=0x1d7ff => u32::from(b'0') + (code - 0x1d7ce) % 10,
        _ => return None,
    };
    char::from_u32(letter)
}
