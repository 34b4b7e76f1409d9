//! `NaN`, `Infinity` and `-Infinity`, which Python writes into JSON although JSON has no such numbers. They
//! are read, and written again, as null.

use std::borrow::Cow;
use std::io::{self, Read};

use memchr::{memchr2, memmem};

/// The bytes of the longest of them.
const LONGEST: usize = "-Infinity".len();

/// JSON text without such numbers.
pub(crate) fn as_null(text: &[u8]) -> Cow<'_, [u8]> {
    if memmem::find(text, b"NaN").is_none() && memmem::find(text, b"Infinity").is_none() {
        return Cow::Borrowed(text);
    }
    let mut cleaner = Cleaner::default();
    let mut out = Vec::with_capacity(text.len() + 16);
    cleaner.push(text, &mut out);
    cleaner.end(&mut out);
    Cow::Owned(out)
}

/// Replaces the numbers in text that comes in pieces.
#[derive(Default)]
struct Cleaner {
    in_string: bool,
    escaped: bool,
    /// A word outside of strings that is not over.
    word: Vec<u8>,
}

impl Cleaner {
    fn push(&mut self, mut text: &[u8], out: &mut Vec<u8>) {
        while let Some((&byte, rest)) = text.split_first() {
            if !self.in_string {
                if byte.is_ascii_alphabetic() || (byte == b'-' && self.word.is_empty()) {
                    self.word.push(byte);
                    if self.word.len() > LONGEST {
                        self.end(out);
                    }
                } else {
                    self.end(out);
                    self.in_string = byte == b'"';
                    out.push(byte);
                }
                text = rest;
            } else if self.escaped {
                self.escaped = false;
                out.push(byte);
                text = rest;
            } else {
                // Most of a text lies within strings, which are passed on as they are.
                let end = memchr2(b'"', b'\\', text).map_or(text.len(), |at| at + 1);
                out.extend_from_slice(&text[..end]);
                match text[end - 1] {
                    b'"' => self.in_string = false,
                    b'\\' => self.escaped = true,
                    _ => {}
                }
                text = &text[end..];
            }
        }
    }

    /// The word is over.
    fn end(&mut self, out: &mut Vec<u8>) {
        match self.word.as_slice() {
            b"NaN" | b"-NaN" | b"Infinity" | b"-Infinity" => out.extend_from_slice(b"null"),
            other => out.extend_from_slice(other),
        }
        self.word.clear();
    }
}

/// Reads JSON with such numbers as null.
pub(crate) struct AsNull<R> {
    source: R,
    cleaner: Cleaner,
    piece: Vec<u8>,
    out: Vec<u8>,
    at: usize,
}

impl<R: Read> AsNull<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, cleaner: Cleaner::default(), piece: vec![0; 1 << 16], out: Vec::new(), at: 0 }
    }
}

impl<R: Read> Read for AsNull<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.out.len() {
            self.out.clear();
            self.at = 0;
            let count = self.source.read(&mut self.piece)?;
            if count == 0 {
                self.cleaner.end(&mut self.out);
                if self.out.is_empty() {
                    return Ok(0);
                }
            }
            self.cleaner.push(&self.piece[..count], &mut self.out);
        }
        let count = into.len().min(self.out.len() - self.at);
        into[..count].copy_from_slice(&self.out[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use super::{AsNull, as_null};

    #[test]
    fn only_numbers_outside_of_texts_are_replaced() {
        for (text, said) in [
            (r#"{"a": NaN, "b":-Infinity,"c":[Infinity]}"#, r#"{"a": null, "b":null,"c":[null]}"#),
            (
                r#"{"a": "NaN", "NaN": "\"Infinity", "b": -1}"#,
                r#"{"a": "NaN", "NaN": "\"Infinity", "b": -1}"#,
            ),
            (r#"{"a": "\\", "b": NaN}"#, r#"{"a": "\\", "b": null}"#),
            ("NaN", "null"),
            (r#"{"a": 1e-5, "b": true}"#, r#"{"a": 1e-5, "b": true}"#),
            ("truefalsetruefalse, -Infinity", "truefalsetruefalse, null"),
        ] {
            assert_eq!(as_null(text.as_bytes()), said.as_bytes(), "{text}");
            let mut read = String::new();
            AsNull::new(text.as_bytes()).read_to_string(&mut read).unwrap();
            assert_eq!(read, said);
        }
    }
}
