//! The encoding of a text: UTF-8, UTF-16 by its mark or its zeros, or Windows-1252 (and so Latin-1), read as
//! UTF-8.

use std::io::{self, BufRead, Read};

/// How many bytes at the start of a text show its encoding.
pub(crate) const SHOWN: usize = 1 << 16;

/// An encoding other than UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// Windows-1252, of which Latin-1 is a part.
    Windows1252,
}

impl Encoding {
    /// The encoding of a text by its first bytes; `None` for UTF-8, or if they show none. Text that is not
    /// UTF-8 is taken for Windows-1252 only if none of its letters is written as in UTF-8, and one stands in
    /// a word: otherwise it is UTF-8 with a damaged place.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        match start {
            // Arrow's stream begins with four of these.
            [0xff, 0xff, ..] => return None,
            [0xff, 0xfe, ..] => return Some(Self::Utf16Le),
            [0xfe, 0xff, ..] => return Some(Self::Utf16Be),
            _ => {}
        }
        if let Some(unmarked) = unmarked(start) {
            return Some(unmarked);
        }
        if start.is_ascii() || start.utf8_chunks().any(|chunk| !chunk.valid().is_ascii()) {
            return None;
        }
        // A letter that the end of the piece cuts in two is no sign, nor is a byte that stands in no word.
        let last = start.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
        let is_cut = std::str::from_utf8(&start[start.len() - last..])
            .is_err_and(|error| error.error_len().is_none() && error.valid_up_to() == 0);
        let whole = if is_cut { &start[..start.len() - last] } else { start };
        let in_word = |pair: &[u8]| {
            (pair[0].is_ascii_alphabetic() && !pair[1].is_ascii())
                || (!pair[0].is_ascii() && pair[1].is_ascii_alphabetic())
        };
        // Control bytes are no text in any encoding.
        let binary = start.iter().any(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31));
        (whole.windows(2).any(in_word) && !binary).then_some(Self::Windows1252)
    }

    /// Its name in messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Windows1252 => "Windows-1252 (Latin-1)",
        }
    }
}

/// UTF-16 without a mark: of the first letters, which are plain in any file of rows, every other byte is
/// zero.
fn unmarked(start: &[u8]) -> Option<Encoding> {
    const LETTERS: usize = 8;
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    let pairs = || start.chunks_exact(2).take(LETTERS);
    let all = |of: fn(&[u8]) -> (u8, u8)| pairs().map(of).all(|(letter, zero)| is_plain(letter) && zero == 0);
    match pairs().count() {
        0..LETTERS => None,
        _ if all(|pair| (pair[0], pair[1])) => Some(Encoding::Utf16Le),
        _ if all(|pair| (pair[1], pair[0])) => Some(Encoding::Utf16Be),
        _ => None,
    }
}

/// Whether a text begins with the mark of UTF-32.
fn is_utf_32(start: &[u8]) -> bool {
    start.starts_with(&[0xff, 0xfe, 0, 0]) || start.starts_with(&[0, 0, 0xfe, 0xff])
}

/// A text as UTF-8, with the encoding that it is written in if that is another.
pub(crate) fn decoded<'s>(
    mut source: impl BufRead + Send + 's,
) -> io::Result<(Box<dyn Read + Send + 's>, Option<Encoding>)> {
    if is_utf_32(source.fill_buf()?) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the text is UTF-32; save it as UTF-8"));
    }
    let encoding = Encoding::of(source.fill_buf()?);
    Ok(match encoding {
        None => (Box::new(source), None),
        Some(encoding) => {
            let (pending, out) = (Vec::new(), Vec::new());
            (Box::new(Decoder { source, encoding, pending, out, at: 0, began: false }), Some(encoding))
        }
    })
}

/// Reads a text as UTF-8.
struct Decoder<R> {
    source: R,
    encoding: Encoding,
    /// Bytes of a letter that is not whole yet.
    pending: Vec<u8>,
    /// Decoded text, of which `at` bytes were passed on.
    out: Vec<u8>,
    at: usize,
    /// Whether the byte order mark is behind.
    began: bool,
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.out.len() {
            let read = self.source.fill_buf()?;
            let count = read.len();
            self.pending.extend_from_slice(read);
            self.source.consume(count);
            self.out.clear();
            self.at = 0;
            if count == 0 && self.pending.is_empty() {
                return Ok(0);
            }
            self.decode(count == 0);
        }
        let count = into.len().min(self.out.len() - self.at);
        into[..count].copy_from_slice(&self.out[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

impl<R> Decoder<R> {
    /// Decodes what is pending, except a letter that is not whole; `end` says that no more comes.
    fn decode(&mut self, end: bool) {
        let mut text = String::new();
        let of_pair: fn([u8; 2]) -> u16 = match self.encoding {
            Encoding::Windows1252 => {
                text.extend(self.pending.drain(..).map(windows_1252));
                self.out = text.into_bytes();
                return;
            }
            Encoding::Utf16Le => u16::from_le_bytes,
            Encoding::Utf16Be => u16::from_be_bytes,
        };
        let mut units: Vec<u16> =
            self.pending.chunks_exact(2).map(|pair| of_pair([pair[0], pair[1]])).collect();
        if !end && units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            units.pop();
        }
        let odd = end && self.pending.len() % 2 == 1;
        self.pending.drain(..if end { self.pending.len() } else { units.len() * 2 });
        let first = usize::from(!self.began && units.first() == Some(&0xfeff));
        self.began = true;
        let letters = char::decode_utf16(units.into_iter().skip(first));
        text.extend(letters.map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)));
        if odd {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        self.out = text.into_bytes();
    }
}

/// A letter of Windows-1252. Five of its bytes have no letter; they are the control characters of Latin-1.
fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        byte => char::from(byte),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{BufReader, Read};

    use super::{Encoding, decoded};

    fn read(bytes: &[u8], piece: usize) -> (String, Option<Encoding>) {
        let (mut source, encoding) = decoded(BufReader::with_capacity(piece, bytes)).unwrap();
        let mut text = String::new();
        source.read_to_string(&mut text).unwrap();
        (text, encoding)
    }

    #[test]
    fn text_in_utf_16_is_read_in_pieces_of_any_size() {
        let text = "prompt\nCafé 🙂?\n";
        for (encoding, bytes) in [
            (Encoding::Utf16Le, text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
            (Encoding::Utf16Be, text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ] {
            let mark: &[u8] = if encoding == Encoding::Utf16Le { &[0xff, 0xfe] } else { &[0xfe, 0xff] };
            let bytes = [mark, &bytes].concat();
            for piece in [2, 3, 5, 4096] {
                assert_eq!(read(&bytes, piece), (text.to_owned(), Some(encoding)), "{piece}");
            }
        }
        assert_eq!(read(&[0xff, 0xfe, b'a', 0, b'b'], 64).0, "a\u{fffd}", "cut within a letter");
    }

    #[test]
    fn text_in_utf_16_without_a_mark_is_known_by_its_zeros_and_utf_32_is_named() {
        let text = "prompt,response\nCafé?,no\n";
        for (encoding, bytes) in [
            (Encoding::Utf16Le, text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
            (Encoding::Utf16Be, text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ] {
            assert_eq!(read(&bytes, 4096), (text.to_owned(), Some(encoding)));
        }
        for other in [
            &b"a\0b\0"[..],
            b"PAR1\0\0\0\0",
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"a\0b\0c\0d\0e\0f\0g\0\0\0",
        ] {
            assert_eq!(Encoding::of(other), None, "{other:?}");
        }
        let error = decoded(&b"\xff\xfe\0\0a\0\0\0"[..]).err().unwrap();
        assert_eq!(error.to_string(), "the text is UTF-32; save it as UTF-8");
    }

    #[test]
    fn latin_1_is_told_from_utf_8_and_from_damage() {
        assert_eq!(read(b"Caf\xe9 \x80", 64), ("Café €".to_owned(), Some(Encoding::Windows1252)));
        for utf_8 in ["Café", "plain", "", "\u{feff}a"] {
            assert_eq!(read(utf_8.as_bytes(), 64), (utf_8.to_owned(), None));
        }
        assert_eq!(Encoding::of("Caf\u{e9} ".bytes().chain([0xff]).collect::<Vec<u8>>().as_slice()), None);
        assert_eq!(Encoding::of(b"{\"a\": \"\xff\"}"), None, "a byte that stands in no word");
        assert_eq!(Encoding::of(&"Café".as_bytes()[..4]), None, "a letter that is cut in two");
        assert_eq!(Encoding::of(b"PAR1\x00\xff"), None);
        assert_eq!(Encoding::of(&[0xff; 4]), None);
    }
}
