//! The script and the language of a text: by its letters and, for Latin letters, by its most frequent short
//! words.
//!
//! It is shown beside a judgement and figures are broken down by it, and the script decides whether a model
//! can know the text at all. No model is needed for it. A text that is short, mixed or in an unlisted
//! language has no language here.

use std::sync::OnceLock;

use crate::ngram::token_table::TokenTable;

/// A script: the language that is written in it in most texts, and the ranges of its code points. Latin has
/// no language of its own.
type Script = (Option<&'static str>, &'static [(u32, u32)]);

const SCRIPTS: [Script; 29] = [
    (None, &[(0x41, 0x24f), (0x1e00, 0x1eff)]),
    (Some("zh"), &[(0x4e00, 0x9fff), (0x3400, 0x4dbf), (0x2_0000, 0x3_ffff)]),
    (Some("ja"), &[(0x3040, 0x30ff), (0x31f0, 0x31ff), (0xff66, 0xff9f)]),
    (Some("ko"), &[(0xac00, 0xd7a3), (0x1100, 0x11ff), (0x3130, 0x318f)]),
    (Some("ru"), &[(0x400, 0x52f)]),
    (Some("ar"), &[(0x600, 0x6ff), (0x750, 0x77f), (0xfb50, 0xfdff), (0xfe70, 0xfefc)]),
    (Some("hi"), &[(0x900, 0x97f)]),
    (Some("el"), &[(0x370, 0x3ff), (0x1f00, 0x1fff)]),
    (Some("he"), &[(0x590, 0x5ff)]),
    (Some("th"), &[(0xe00, 0xe7f)]),
    (Some("bn"), &[(0x980, 0x9ff)]),
    (Some("pa"), &[(0xa00, 0xa7f)]),
    (Some("gu"), &[(0xa80, 0xaff)]),
    (Some("or"), &[(0xb00, 0xb7f)]),
    (Some("ta"), &[(0xb80, 0xbff)]),
    (Some("te"), &[(0xc00, 0xc7f)]),
    (Some("kn"), &[(0xc80, 0xcff)]),
    (Some("ml"), &[(0xd00, 0xd7f)]),
    (Some("si"), &[(0xd80, 0xdff)]),
    (Some("lo"), &[(0xe80, 0xeff)]),
    (Some("bo"), &[(0xf00, 0xfff)]),
    (Some("my"), &[(0x1000, 0x109f)]),
    (Some("ka"), &[(0x10a0, 0x10ff), (0x1c90, 0x1cbf), (0x2d00, 0x2d2f)]),
    (Some("am"), &[(0x1200, 0x139f)]),
    (Some("chr"), &[(0x13a0, 0x13ff), (0xab70, 0xabbf)]),
    (Some("km"), &[(0x1780, 0x17ff)]),
    (Some("mn"), &[(0x1800, 0x18af)]),
    (Some("hy"), &[(0x530, 0x58f)]),
    (None, &[]),
];

const LATIN: usize = 0;
const HAN: usize = 1;
const KANA: usize = 2;
/// Letters of no listed script.
pub(crate) const OTHER: usize = SCRIPTS.len() - 1;

/// A count for each script.
pub(crate) type ByScript = [usize; SCRIPTS.len()];

/// Frequent short words of languages in Latin letters. A word of two languages counts for both.
const WORDS: [(&str, &str); 12] = [
    (
        "en",
        "a about an and are at be can can't could did do does don't explain for from give have help how i i'm if \
         in is it make me my not of on or please should some tell that the there these this to was what when \
         where which who why will with would write you your",
    ),
    (
        "de",
        "aber als am an auf aus bei bin bitte das dem den der des die du ein eine einem einen er es für hat ich \
         ihr im in ist kann man mein meine mich mir mit nach nicht noch oder schreib sie sind über um und von \
         was wenn wer wie wir wird zu zum",
    ),
    (
        "fr",
        "à au aux avec ce ces comment d'un d'une dans de des du elle en est et il j'ai je la le les leur ma mais \
         me mes mon ne ou par pas peux pour qu'il que quel quelle qui sa ses son sur un une vous",
    ),
    (
        "es",
        "al cómo como con cuál de del el en es esta este hacer hay la las lo los me mi mis muy no para pero por \
         puedo que qué se sin su sus un una y yo",
    ),
    (
        "it",
        "che chi come con cosa da dal dei del della delle di e gli ho i il in la le lo ma mi mia mio nel nella \
         non o per più posso quando se si sono sul un una è",
    ),
    (
        "pt",
        "a ao as com como da de do dos e ela ele em estou eu faço isso me meu minha mas mais na não no nos o os \
         para pra por posso quais qual que quem se sem ser um uma você é",
    ),
    (
        "nl",
        "aan als bij dan dat de deze die dit een en er geen heb het hij hoe iemand ik in is je kan maar me met \
         mijn naar niet of om ook op te uit van voor waar waarom wat welke zijn",
    ),
    (
        "pl",
        "ale bez co czy dla do i ile jak jaka jaki jakie jest jestem już ma mi mnie moja mój mojej na nie o od po \
         przed się są to w we z za że żeby",
    ),
    (
        "tr",
        "ama ben bana beni bir bu çok da daha de en gibi için ile kadar mı mi mu nasıl ne neden olan olarak mü \
         şey var ve veya ya yap",
    ),
    (
        "vi",
        "anh bạn bị các cách cái cho có của được đang để đến em giúp gì hay không là làm một nào người như \
         những nên ở ra sao tại thế thì tôi từ và với về",
    ),
    (
        "id",
        "ada agar aku apa apakah atau bagaimana bisa buat cara dalam dan dari dengan di gimana ini itu kalau ke \
         kenapa mau mengapa nya orang pada saya tanpa tidak untuk yang",
    ),
    (
        "sw",
        "bila cha gani hii ili jinsi kama katika kila ku kutoka kwa kwenye la mimi mtu na namna nifanye ni \
         nini ninawezaje wa wangu watu ya yangu yake za",
    ),
];

/// How many words are looked at.
const MOST_WORDS: usize = 128;
/// The most bytes of a word of [`WORDS`], in any case: no character of theirs has more than three times as many in
/// capitals.
const LONGEST: usize = 36;

/// The script of a letter, as an index.
pub(crate) fn script(c: char) -> usize {
    if c.is_ascii() {
        return LATIN;
    }
    let c = u32::from(c);
    let within = |&(_, ranges): &Script| ranges.iter().any(|&(first, last)| (first..=last).contains(&c));
    SCRIPTS.iter().position(within).unwrap_or(OTHER)
}

/// How many letters of each script a text has.
pub(crate) fn letters_by_script(text: &str) -> ByScript {
    let mut counts = ByScript::default();
    text.chars().filter(|c| c.is_alphabetic()).for_each(|c| counts[script(c)] += 1);
    counts
}

/// The words of [`WORDS`], and the languages of each, a bit for each.
fn languages_of_words() -> &'static (TokenTable, Vec<u16>) {
    static TABLE: OnceLock<(TokenTable, Vec<u16>)> = OnceLock::new();
    TABLE.get_or_init(|| {
        let (mut table, mut languages) = (TokenTable::default(), Vec::new());
        for (at, (_, words)) in WORDS.iter().enumerate() {
            for word in words.split_ascii_whitespace() {
                let number = table.insert(word, &(0..word.len())) as usize;
                languages.resize(languages.len().max(number + 1), 0);
                languages[number] |= 1 << at;
            }
        }
        (table, languages)
    })
}

/// The language (an ISO 639 code) of a text; `None` if it cannot be told.
///
/// A script is taken for the language that is most often written in it, so a text may get that of a related
/// one.
#[must_use]
pub fn language(text: &str) -> Option<&'static str> {
    language_by(text, &letters_by_script(text))
}

/// The same, with the letters counted already.
pub(crate) fn language_by(text: &str, letters: &ByScript) -> Option<&'static str> {
    // A third of the letters is enough: questions about code or names have Latin letters in any language.
    let all = letters.iter().sum::<usize>();
    let beyond_latin = (LATIN + 1..OTHER).max_by_key(|&script| letters[script]).unwrap_or(OTHER);
    if all > 0 && 3 * letters[beyond_latin] >= all {
        let has = |few: &[char]| text.contains(few);
        return match SCRIPTS[beyond_latin].0 {
            // Japanese is written with both.
            Some("zh") if 8 * letters[KANA] >= letters[HAN] => Some("ja"),
            Some("ru") if has(&['і', 'ї', 'є', 'ґ', 'І', 'Ї', 'Є', 'Ґ']) => Some("uk"),
            Some("ar") if has(&['پ', 'چ', 'ژ', 'گ', 'ٹ', 'ڈ', 'ے']) => None,
            language => language,
        };
    }
    (2 * letters[LATIN] > all).then(|| by_words(text)).flatten()
}

/// The language of Latin letters by short words; `None` where they are few, or as many of two languages.
fn by_words(text: &str) -> Option<&'static str> {
    let (table, languages) = languages_of_words();
    let (mut counts, mut all) = ([0; WORDS.len()], 0);
    let mut lower = String::new();
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '\u{2019}');
    for word in words.filter(|word| !word.is_empty()).take(MOST_WORDS) {
        all += 1;
        if word.len() > LONGEST {
            continue;
        }
        let is_lower = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'\'');
        if !is_lower {
            let plain = |c| if c == '\u{2019}' { '\'' } else { c };
            lower.clear();
            lower.extend(word.chars().flat_map(char::to_lowercase).map(plain));
        }
        let word = if is_lower { word } else { lower.as_str() };
        // A word that is in no list has a number beyond all.
        let of_word = languages.get(table.get(word, &(0..word.len())) as usize).copied().unwrap_or_default();
        counts.iter_mut().enumerate().for_each(|(at, count)| *count += of_word >> at & 1);
    }
    let best = (0..WORDS.len()).max_by_key(|&at| counts[at])?;
    let alone = counts.iter().filter(|&&count| count == counts[best]).count() == 1;
    (alone && 8 * usize::from(counts[best]) >= all).then_some(WORDS[best].0)
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
            ("Comment faire du pain pour mes amis ?", Some("fr")),
            ("¿Cómo puedo hacer pan para mis amigos?", Some("es")),
            ("Come posso fare il pane per gli amici?", Some("it")),
            ("Como eu faço pão para os meus amigos?", Some("pt")),
            ("Hoe kan ik brood bakken voor mijn vrienden?", Some("nl")),
            ("Jak upiec chleb, żeby nie był suchy?", Some("pl")),
            ("Ekmek nasıl yapılır, bana bir tarif ver", Some("tr")),
            ("Làm bánh mì như thế nào cho ngon", Some("vi")),
            ("Bagaimana cara membuat roti yang enak?", Some("id")),
            ("Nifanye nini kwa mkate ya ngano", Some("sw")),
            ("Как испечь хлеб для друзей?", Some("ru")),
            ("Як спекти хліб для друзів?", Some("uk")),
            ("빵을 어떻게 굽나요?", Some("ko")),
            ("怎么烤面包?", Some("zh")),
            ("パンの焼き方を教えて", Some("ja")),
            ("كيف أخبز الخبز؟", Some("ar")),
            ("چگونه نان بپزم؟", None),
            ("रोटी कैसे बनाएँ?", Some("hi")),
            ("วิธีอบขนมปัง", Some("th")),
            ("როგორ გამოვაცხო პური?", Some("ka")),
            ("在 Python 里怎么读取 JSON 文件", Some("zh")),
            ("Hello", None),
            ("xq zzk wvrt ppl", None),
            ("", None),
            ("42 + 17 = 59", None),
        ] {
            assert_eq!(language(text), expected, "{text}");
        }
    }

    #[test]
    fn no_listed_word_is_too_long_to_be_looked_up() {
        let words = WORDS.iter().flat_map(|(_, words)| words.split_ascii_whitespace());
        assert!(words.clone().all(|word| 3 * word.len() <= LONGEST), "{:?}", words.map(str::len).max());
        assert_eq!(language("KANN MAN DAS \u{dc}BER NACHT MACHEN?"), Some("de"), "capitals are read");
    }

    #[test]
    fn letters_are_counted_by_script() {
        let counts = letters_by_script("Año 1: пример ไทย \u{1d400}");
        assert_eq!([counts[LATIN], counts[4], counts[9], counts[OTHER]], [3, 6, 3, 1]);
        assert_eq!(counts.iter().sum::<usize>(), 13);
    }
}
