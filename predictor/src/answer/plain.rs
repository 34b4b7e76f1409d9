//! A text as it is judged: without what typography and markup put between its letters.
//!
//! Full-width letters, entities of HTML, invisible characters, other apostrophes within a word and emphasis
//! around words of refusal hide words that a reader sees. A text without them is the same, byte by byte.

use std::borrow::Cow;
use std::ops::Range;

use crate::answer::letters::{entity, escape, is_apostrophe, mathematical, refuses};

/// A text made plain, with a map back to the original.
#[derive(Debug)]
pub(crate) struct Plain<'t> {
    pub(crate) text: Cow<'t, str>,
    /// The pieces of the text and of the original, in order; none if nothing was changed.
    pieces: Vec<Piece>,
}

/// A piece of the plain text, and the bytes of the original that it is made of. Pieces of the same length are
/// copies.
#[derive(Debug)]
struct Piece {
    plain: Range<usize>,
    original: Range<usize>,
}

impl Piece {
    fn is_copy(&self) -> bool {
        self.plain.len() == self.original.len()
    }
}

/// Longer emphasis is a heading or a sentence of the answer's own.
const LONGEST_EMPHASIS: usize = 120;
/// Makes a text plain.
pub(crate) fn plain(text: &str) -> Plain<'_> {
    let Some(first) = suspect(text.as_bytes(), 0) else {
        return Plain { text: Cow::Borrowed(text), pieces: Vec::new() };
    };
    let mut writer = Writer { text, copied: 0, out: String::new(), pieces: Vec::new(), closing: Vec::new() };
    let mut at = first;
    loop {
        let skip = writer.change(at);
        let Some(next) = suspect(text.as_bytes(), at + skip) else { break };
        at = next;
    }
    writer.finish()
}

impl Plain<'_> {
    /// The bytes of the original that a part of the plain text is made of.
    pub(crate) fn original(&self, part: Range<usize>) -> Range<usize> {
        let Some(last) = self.pieces.last() else { return part };
        let start = self.pieces.iter().find(|piece| part.start < piece.plain.end);
        let start = start.map_or(last.original.end, |piece| {
            piece.original.start + if piece.is_copy() { part.start - piece.plain.start } else { 0 }
        });
        let end = self.pieces.iter().rfind(|piece| piece.plain.start < part.end);
        let end = end.map_or(start, |piece| {
            if piece.is_copy() {
                piece.original.start + part.end - piece.plain.start
            } else {
                piece.original.end
            }
        });
        start..end.max(start)
    }
}

/// The next byte from `at` up that may begin something to change.
fn suspect(bytes: &[u8], at: usize) -> Option<usize> {
    let mut from = at;
    // Fixed chunks without a branch for each byte, so that the compiler can vectorise them.
    let (chunks, _) = bytes[at.min(bytes.len())..].as_chunks::<32>();
    for chunk in chunks {
        if chunk.iter().fold(0, |any, &byte| any | is_suspect(byte)) != 0 {
            break;
        }
        from += chunk.len();
    }
    bytes.get(from..)?.iter().position(|&byte| is_suspect(byte) != 0).map(|place| from + place)
}

/// Whether a byte is `&`, `*`, `_`, a backtick, a control character but no white space, or the first of a
/// character that may be changed. The first bytes of most scripts are not among them.
const fn is_suspect(byte: u8) -> u8 {
    let control = (byte < 0x20) & (byte.wrapping_sub(b'\t') >= 5);
    let sign = (byte == b'&') | (byte == b'*') | (byte == b'_') | (byte == b'`') | (byte == 0x7f);
    let first = (byte == 0xc2) | (byte == 0xca) | (byte == 0xe2) | (byte == 0xef) | (byte == 0xf0);
    (control | sign | first) as u8
}

struct Writer<'t> {
    text: &'t str,
    /// All before it is copied.
    copied: usize,
    out: String,
    pieces: Vec<Piece>,
    /// The closing marks of open emphasis: where they begin, and their length.
    closing: Vec<(usize, usize)>,
}

impl<'t> Writer<'t> {
    /// Changes what begins at a byte, if there is something to change; returns how many bytes to go on by.
    fn change(&mut self, at: usize) -> usize {
        if let Some(&(_, run)) = self.closing.last().filter(|(close, _)| *close == at) {
            self.closing.pop();
            self.replace(at, run, "");
            return run;
        }
        let Some(c) = self.text[at..].chars().next() else { return 1 };
        let length = c.len_utf8();
        match c {
            '&' => {
                if let Some((length, replacement)) = entity(&self.text[at..]) {
                    self.replace(at, length, &replacement);
                    return length;
                }
            }
            '*' | '_' => return self.emphasis(at),
            '\u{ff07}' if self.is_between(at, length, |c| c.is_ascii_alphabetic()) => {
                self.replace(at, length, "'");
            }
            '\u{ff01}'..='\u{ff5e}' => return self.full_width(at),
            '\u{1d400}'..='\u{1d7ff}' => {
                if let Some(letter) = mathematical(c) {
                    self.replace(at, length, letter.encode_utf8(&mut [0; 4]));
                }
            }
            '\u{1b}' => {
                let sequence = escape(&self.text[at..]);
                self.replace(at, sequence, "");
                return sequence;
            }
            c if is_apostrophe(c) && self.is_between(at, length, |c| c.is_ascii_alphabetic()) => {
                self.replace(at, length, "'");
            }
            '\u{feff}' => self.replace(at, length, ""),
            // Arabic and Indic scripts need joiners; a space without width parts words in Thai.
            '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{180e}'
                if self
                    .is_between(at, length, |c| c.is_ascii_alphabetic() || c == '\'' || c == '\u{2019}') =>
            {
                self.replace(at, length, "");
            }
            '\u{ad}' if self.is_between(at, length, char::is_alphabetic) => self.replace(at, length, ""),
            c if c.is_control() && c.is_ascii() && !c.is_whitespace() => self.replace(at, length, ""),
            _ => {}
        }
        length
    }

    fn before(&self, at: usize) -> Option<char> {
        // What was just written counts, so that a run of invisible characters is left out as a whole.
        if self.copied == at { self.out.chars().next_back() } else { self.text[..at].chars().next_back() }
    }

    fn is_between(&self, at: usize, length: usize, fits: impl Fn(char) -> bool) -> bool {
        let is_invisible =
            |c: &char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{ad}' | '\u{feff}');
        let after = self.text[at + length..].chars().take(8).find(|c| !is_invisible(c));
        self.before(at).is_some_and(&fits) && after.is_some_and(fits)
    }

    /// Changes letters and digits, and the signs and spaces behind them: alone, signs are usual in Chinese
    /// and Japanese.
    fn full_width(&mut self, at: usize) -> usize {
        let wide = |c: char| matches!(c, '\u{ff01}'..='\u{ff5e}' | '\u{3000}');
        let narrow =
            |c: char| if c == '\u{3000}' { ' ' } else { char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c) };
        let text = self.text;
        let mut to = at;
        let mut changes = false;
        for c in text[at..].chars().take_while(|&c| wide(c)) {
            changes |= narrow(c).is_ascii_alphanumeric();
            if changes {
                self.replace(to, c.len_utf8(), narrow(c).encode_utf8(&mut [0; 4]));
            }
            to += c.len_utf8();
        }
        to - at
    }

    /// Leaves out the marks of emphasis (`**`, `_`) around words of refusal or within a word.
    fn emphasis(&mut self, at: usize) -> usize {
        let bytes = self.text.as_bytes();
        let mark = bytes[at];
        let run = bytes[at..].iter().take_while(|&&byte| byte == mark).count();
        let start = at + run;
        let inner = &self.text[start..];
        if run > 3 || !inner.starts_with(char::is_alphanumeric) {
            return run;
        }
        let limit =
            (0..=LONGEST_EMPHASIS.min(inner.len())).rfind(|&at| inner.is_char_boundary(at)).unwrap_or(0);
        let line = inner[..limit].split('\n').next().unwrap_or_default();
        let close = &self.text[at..start];
        let Some(length) = line.find(close).filter(|&length| length > 0) else { return run };
        let within = &inner[..length];
        let behind = inner[length + run..].chars().next();
        let parts_a_word = |c: Option<char>| mark == b'*' && run > 1 && c.is_some_and(char::is_alphabetic);
        let before = self.before(at);
        // `snake_case` and `2*3` are no emphasis.
        let is_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        if (mark == b'_' || run == 1) && (is_name(before) || is_name(behind)) {
            return run;
        }
        let hides = refuses(within) || parts_a_word(before) || parts_a_word(behind);
        if behind == Some(mark as char) || within.ends_with(' ') || !hides {
            return run;
        }
        self.replace(at, run, "");
        self.closing.push((start + length, run));
        run
    }

    /// Copies what is before a part of the text, and writes something else for the part.
    fn replace(&mut self, at: usize, length: usize, replacement: &str) {
        self.copy(at);
        let start = self.out.len();
        self.out.push_str(replacement);
        if !replacement.is_empty() {
            self.pieces.push(Piece { plain: start..self.out.len(), original: at..at + length });
        }
        self.copied = at + length;
    }

    fn copy(&mut self, to: usize) {
        if to > self.copied {
            let start = self.out.len();
            self.out.push_str(&self.text[self.copied..to]);
            self.pieces.push(Piece { plain: start..self.out.len(), original: self.copied..to });
        }
    }

    fn finish(mut self) -> Plain<'t> {
        if self.copied == 0 {
            return Plain { text: Cow::Borrowed(self.text), pieces: Vec::new() };
        }
        self.copy(self.text.len());
        Plain { text: Cow::Owned(self.out), pieces: self.pieces }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::{any, proptest};

    use super::plain;

    #[test]
    fn plain_texts_stay_as_they_are() {
        for text in [
            "I can't help with that.",
            "I can\u{2019}t \u{201c}help\u{201d}.",
            "**Title**\n\n* item one\n* item two\n\nUse snake_case_names and 2*3*4 and `code`.",
            "\u{6211}\u{4e0d}\u{80fd}\u{ff0c}\u{5bf9}\u{4e0d}\u{8d77}\u{ff01}\u{3000}\u{ff1a}",
            "AT&T & co; R&D",
            "\u{0645}\u{06cc}\u{200c}\u{062e}\u{0648}\u{0627}\u{0647}\u{0645}",
            "\u{1f468}\u{200d}\u{1f469}",
            "tab\tand\r\nline",
            "",
        ] {
            assert!(matches!(plain(text).text, Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn what_hides_letters_is_left_out() {
        let wanted = "I can't help with that.";
        for text in [
            "I can&#39;t help with that.",
            "I can&#x27;t help&nbsp;with that.",
            "I can&apos;t help with that.",
            "I can\u{2bc}t help with that.",
            "I can`t help with that.",
            "I can\u{2018}t help with that.",
            "I c\u{200b}an't he\u{200d}lp with that.",
            "I ca\u{ad}n't help with that.",
            "\u{feff}I can't help with that.",
            "I can't \u{0}help with that.\u{7}",
            "\u{1b}[1mI can't help\u{1b}[0m with that.",
            "I **can't** help with that.",
            "**I can't help with that.**",
            "*I can't help with that.*",
            "_I can't help with that._",
            "\u{ff29} \u{ff43}\u{ff41}\u{ff4e}\u{ff07}\u{ff54} \u{ff48}\u{ff45}\u{ff4c}\u{ff50} with that.",
            "\u{ff29}\u{3000}\u{ff43}\u{ff41}\u{ff4e}\u{ff07}\u{ff54}\u{3000}\u{ff48}\u{ff45}\u{ff4c}\u{ff50} with \u{ff54}\u{ff48}\u{ff41}\u{ff54}\u{ff0e}",
            "\u{1d408} \u{1d41c}\u{1d41a}\u{1d427}'\u{1d42d} help with that.",
        ] {
            assert_eq!(plain(text).text, wanted, "{text:?}");
        }
    }

    #[test]
    fn emphasis_within_a_word_is_left_out() {
        assert_eq!(plain("I can**not** help").text, "I cannot help");
        assert_eq!(plain("Do **not** mix; **Note:** mix").text, "Do not mix; **Note:** mix");
    }

    #[test]
    fn places_point_into_the_original() {
        for (text, part, original) in [
            ("I **can't** help.", "I can't help.", "I **can't** help."),
            ("Well. **I can't help.** So.", "I can't help.", "I can't help."),
            ("a&#39;b c", "a'b", "a&#39;b"),
            ("a&#39;b c", "'", "&#39;"),
            ("x c\u{ad}an y", "can", "c\u{ad}an"),
            ("plain", "lai", "lai"),
        ] {
            let found = plain(text);
            let start = found.text.find(part).unwrap_or(usize::MAX);
            assert_eq!(&text[found.original(start..start + part.len())], original, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_part_lies_between_characters(text in any::<String>(), marks in "[a-c*_&#39;`\u{200b}\u{ff21}\u{3000} ]{0,40}") {
            for text in [text, marks] {
                let found = plain(&text);
                let ends: Vec<usize> = found.text.char_indices().map(|(at, _)| at).chain([found.text.len()]).collect();
                for (n, &start) in ends.iter().enumerate() {
                    for &end in &ends[n..] {
                        let part = found.original(start..end);
                        assert!(text.get(part.clone()).is_some(), "{text:?} {part:?}");
                    }
                }
            }
        }
    }
}
