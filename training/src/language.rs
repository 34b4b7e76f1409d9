//! The language of a text, by its script and, for Latin letters, by its most frequent short words.
//!
//! Used to break figures down, cheaply and without a model. A text that is short, mixed or in an unlisted
//! language may get no language, or that of a related one.

/// The code of a language, and a test for its letters.
type Script = (&'static str, fn(char) -> bool);

/// Scripts that, in the data, are used by (nearly) one language only.
const SCRIPTS: &[Script] = &[
    ("ko", |c| matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}')),
    // Kana must precede Han, because Japanese is written with both.
    ("ja", |c| matches!(c, '\u{3040}'..='\u{30ff}')),
    ("zh", |c| matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}')),
    ("ar", |c| matches!(c, '\u{600}'..='\u{6ff}')),
    ("hi", |c| matches!(c, '\u{900}'..='\u{97f}')),
    ("bn", |c| matches!(c, '\u{980}'..='\u{9ff}')),
    ("th", |c| matches!(c, '\u{e00}'..='\u{e7f}')),
    ("ru", |c| matches!(c, '\u{400}'..='\u{4ff}')),
    ("el", |c| matches!(c, '\u{370}'..='\u{3ff}')),
    ("he", |c| matches!(c, '\u{590}'..='\u{5ff}')),
];

/// Frequent short words of languages in Latin letters. A word of two languages counts for both.
const WORDS: &[(&str, &[&str])] = &[
    (
        "de",
        &[
            "aber", "als", "auf", "aus", "das", "dem", "den", "der", "die", "ein", "eine", "einen", "es",
            "für", "hat", "ich", "im", "ist", "kann", "mit", "nicht", "oder", "sie", "sind", "und", "von",
            "was", "wer", "wie", "zu",
        ],
    ),
    (
        "en",
        &[
            "a", "and", "are", "as", "be", "but", "can", "cannot", "can't", "do", "for", "how", "i", "i'm",
            "in", "is", "it", "my", "not", "of", "on", "or", "sorry", "that", "the", "this", "to", "what",
            "who", "why", "with", "you", "your",
        ],
    ),
    (
        "es",
        &[
            "como", "con", "cómo", "de", "del", "el", "en", "es", "la", "las", "lo", "los", "no", "para",
            "pero", "por", "puedo", "que", "qué", "se", "su", "un", "una", "y",
        ],
    ),
    (
        "fr",
        &[
            "au", "ce", "dans", "de", "des", "du", "elle", "en", "est", "et", "il", "je", "la", "le", "les",
            "mais", "ne", "ou", "pas", "peux", "pour", "que", "qui", "sur", "un", "une", "vous",
        ],
    ),
    (
        "it",
        &[
            "che", "come", "con", "da", "del", "della", "di", "e", "gli", "il", "in", "la", "le", "ma", "mi",
            "non", "per", "posso", "si", "sono", "un", "una", "è",
        ],
    ),
    (
        "pt",
        &[
            "as", "com", "como", "da", "de", "do", "e", "em", "eu", "mas", "na", "não", "o", "os", "para",
            "por", "posso", "que", "se", "um", "uma", "você",
        ],
    ),
    ("sw", &["au", "cha", "ili", "jinsi", "katika", "kwa", "la", "na", "ni", "nini", "wa", "ya", "za"]),
    (
        "vi",
        &[
            "bạn", "cho", "của", "có", "cách", "không", "là", "làm", "một", "người", "như", "những", "thế",
            "tôi", "và",
        ],
    ),
];

/// Letters and words at the start of a text that determine its language.
const LETTERS: usize = 400;

/// The language (an ISO 639-1 code) of a text; `None` if it cannot be detected.
#[must_use]
pub fn language(text: &str) -> Option<&'static str> {
    let letters: Vec<char> = text.chars().filter(|c| c.is_alphabetic()).take(LETTERS).collect();
    let least = letters.len().div_ceil(5).max(1);
    let of_script = |is_letter: fn(char) -> bool| letters.iter().filter(|&&c| is_letter(c)).count();
    // One fifth of the letters is enough: answers about code or names contain Latin letters in any language.
    if let Some((language, _)) = SCRIPTS.iter().find(|(_, is_letter)| of_script(*is_letter) >= least) {
        return Some(language);
    }
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '\u{2019}')
        .filter(|word| !word.is_empty())
        .take(LETTERS / 4)
        .map(|word| word.to_lowercase().replace('\u{2019}', "'"))
        .collect();
    let hits = |known: &[&str]| words.iter().filter(|word| known.contains(&word.as_str())).count();
    let mut counts: Vec<(usize, &str)> =
        WORDS.iter().map(|(language, known)| (hits(known), *language)).collect();
    counts.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let (best, next) = (counts[0], counts[1]);
    (best.0 > next.0).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_small_words_tell_languages() {
        for (text, expected) in [
            ("How do I bake bread for my friends?", Some("en")),
            ("I\u{2019}m sorry, but I can\u{2019}t help with that.", Some("en")),
            ("Wie kann ich ein Brot backen, das nicht trocken ist?", Some("de")),
            ("Je suis désolé, mais je ne peux pas vous aider.", Some("fr")),
            ("Lo siento, pero no puedo ayudarte con eso.", Some("es")),
            ("Mi dispiace, ma non posso aiutarti con questo.", Some("it")),
            ("Tôi không thể giúp bạn làm một việc như thế", Some("vi")),
            ("죄송하지만 도와드릴 수 없습니다.", Some("ko")),
            ("对不起,我不能回答这个问题。", Some("zh")),
            ("申し訳ありませんが、お手伝いできません。", Some("ja")),
            ("عذراً، لا أستطيع المساعدة في ذلك", Some("ar")),
            ("क्षमा करें, मैं मदद नहीं कर सकता", Some("hi")),
            ("Hello", None),
            ("", None),
            ("42 + 17 = 59", None),
        ] {
            assert_eq!(language(text), expected, "{text}");
        }
    }
}
