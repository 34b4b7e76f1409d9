//! JSON whose texts are not longer than a row may be: a parser collects each text in memory before it hands
//! it on.

use std::io::{self, Read};

use super::block::LONGEST_ROW;

/// Passes JSON on, and fails within a text that is longer than [`LONGEST_ROW`].
pub(super) struct ShortTexts<R> {
    source: R,
    /// The bytes of the text that is being read; `None` outside of texts.
    length: Option<usize>,
    /// Whether the last byte was an unescaped backslash within a text.
    escapes: bool,
}

impl<R> ShortTexts<R> {
    pub(super) const fn new(source: R) -> Self {
        Self { source, length: None, escapes: false }
    }

    /// Takes note of a byte; returns whether the text that it is in is too long.
    const fn is_over(&mut self, byte: u8) -> bool {
        let Some(length) = self.length else {
            if byte == b'"' {
                self.length = Some(0);
            }
            return false;
        };
        if byte == b'"' && !self.escapes {
            self.length = None;
            return false;
        }
        self.escapes = byte == b'\\' && !self.escapes;
        self.length = Some(length + 1);
        length >= LONGEST_ROW
    }
}

impl<R: Read> Read for ShortTexts<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(into)?;
        for &byte in &into[..count] {
            if self.is_over(byte) {
                let reason = format!("a text is longer than {LONGEST_ROW} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_a_text_that_is_too_long_is_an_error() {
        let read = |json: &str| {
            let mut out = String::new();
            ShortTexts::new(json.as_bytes()).read_to_string(&mut out).map(|_| out)
        };
        let many = format!("[{}1]", r#""a\"\\","#.repeat(3_000_000));
        assert_eq!(read(&many).unwrap(), many);
        let long = format!(r#"{{"a": "\"{}"}}"#, "x".repeat(LONGEST_ROW));
        assert!(read(&long).unwrap_err().to_string().contains("longer than 16777216"));
    }
}
