//! Reads a text by lines, or by records with fields, in blocks of whole rows.

use std::io::{self, Read};
use std::sync::Arc;

use super::block::{Block, BlockSize, Head, LONGEST_ROW, Position, Rows, SAMPLE, cannot};
use super::records::{Cutter, delimiter, newlines};
use crate::{DataError, Format, Place, Rejection};

/// The blocks of a text; returns whether more are wanted. A block of a pipe is what is available.
///
/// # Errors
/// If it cannot be read.
pub(super) fn lines(
    source: impl Read,
    format: Format,
    file: &Arc<str>,
    (from, size): (Position, BlockSize),
    pipe: bool,
    each: &mut dyn FnMut(Block) -> bool,
) -> Result<bool, DataError> {
    let position = Position { input: from.input, ..Position::default() };
    let cutter = Cutter::new(delimiter(format));
    let mut text =
        Pending { source, pipe, block: size.bytes, bytes: Vec::new(), cutter, position, end: false };
    let failed = |cause| cannot(file, cause);
    text.begin().map_err(failed)?;
    let header = match delimiter(format) {
        Some(separator) => {
            let first = text.header().map_err(failed)?;
            // Excel names the separator in a line of its own before the header.
            let is_note = first.strip_prefix(b"sep=").is_some_and(|named| named == [separator]);
            Some(if is_note { text.header().map_err(failed)? } else { first })
        }
        None => None,
    };
    let sample = text.sample().map_err(failed)?;
    let sample = Rows::Text { bytes: sample, line: text.position.line + 1, lines: None };
    let changes = Vec::new();
    let (file_of_head, read_as) = (Arc::clone(file), Vec::new());
    let head = Head {
        input: from.input,
        file: file_of_head,
        format,
        header,
        sample,
        changes,
        layout: None,
        read_as,
    };
    let head = Arc::new(head);
    // What an earlier run has done must be read again to be skipped, because decompression cannot start
    // midway.
    if from.offset > text.position.offset {
        text.pass(from).map_err(failed)?;
    }
    while let Some(rows) = text.next(file).map_err(failed)? {
        if !each(Block { head: Arc::clone(&head), rows, passed_over: 0, after: text.position }) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn too_long(what: &str) -> io::Error {
    let reason = format!(
        "its {what} is longer than {LONGEST_ROW} bytes, the limit of a row; check that its line ends and quotes are whole"
    );
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// A text that is read block by block, with the bytes that were read but not passed on.
struct Pending<R> {
    source: R,
    pipe: bool,
    /// How many bytes are read at a time.
    block: usize,
    bytes: Vec<u8>,
    cutter: Cutter,
    position: Position,
    end: bool,
}

impl<R: Read> Pending<R> {
    /// Reads up to one more block. From a pipe it takes what is available, so that the reader of
    /// the output does not have to wait.
    fn fill(&mut self) -> io::Result<()> {
        let start = self.bytes.len();
        self.bytes.resize(start + self.block, 0);
        let mut at = start;
        while at < self.bytes.len() {
            match self.source.read(&mut self.bytes[at..]) {
                Ok(0) => {
                    self.end = true;
                    break;
                }
                Ok(count) => at += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.pipe {
                break;
            }
        }
        self.bytes.truncate(at);
        Ok(())
    }

    /// Reads the start of the text, without its byte order mark.
    fn begin(&mut self) -> io::Result<()> {
        const MARK: &[u8] = "\u{feff}".as_bytes();
        while !self.end && self.bytes.len() < MARK.len() {
            self.fill()?;
        }
        if self.bytes.starts_with(MARK) {
            self.bytes.drain(..MARK.len());
        }
        self.cutter.scan(&self.bytes);
        Ok(())
    }

    fn fill_and_scan(&mut self) -> io::Result<()> {
        self.fill()?;
        self.cutter.scan(&self.bytes);
        Ok(())
    }

    /// Takes the first record.
    fn header(&mut self) -> io::Result<Vec<u8>> {
        while self.cutter.first.is_none() && !self.end {
            if self.bytes.len() > LONGEST_ROW {
                return Err(too_long("header"));
            }
            self.fill_and_scan()?;
        }
        let length = self.cutter.first.unwrap_or(self.bytes.len());
        let line: Vec<u8> = self.bytes.drain(..length).collect();
        self.position.offset += length as u64;
        self.position.line += newlines(&line);
        self.cutter.restart();
        self.cutter.scan(&self.bytes);
        let blank = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let start = line.iter().position(|byte| !blank(byte)).unwrap_or(line.len());
        let end = line.iter().rposition(|byte| !blank(byte)).map_or(start, |at| at + 1);
        Ok(line[start..end].to_vec())
    }

    /// The first rows: a copy of as many as fit, or of the first alone.
    fn sample(&mut self) -> io::Result<Vec<u8>> {
        while self.cutter.last.is_none() && !self.end && self.bytes.len() <= LONGEST_ROW {
            self.fill_and_scan()?;
        }
        if self.cutter.first.unwrap_or(self.bytes.len()) > LONGEST_ROW {
            return Err(too_long("first row"));
        }
        let whole = if self.end { self.bytes.len() } else { self.cutter.last.unwrap_or_default() };
        if whole <= SAMPLE {
            return Ok(self.bytes[..whole].to_vec());
        }
        let mut cutter = Cutter::new(self.cutter.delimiter);
        cutter.scan(&self.bytes[..SAMPLE]);
        let length = cutter.last.or(self.cutter.first).unwrap_or(whole);
        Ok(self.bytes[..length].to_vec())
    }

    /// Skips what an earlier run has done.
    fn pass(&mut self, from: Position) -> io::Result<()> {
        // In whole blocks, so that later blocks are cut as in the earlier run.
        while self.position.offset < from.offset {
            if self.bytes.is_empty() {
                if self.end {
                    let reason = "it is shorter than what an earlier run has read of it";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
                }
                self.fill()?;
            }
            let left = usize::try_from(from.offset - self.position.offset).unwrap_or(usize::MAX);
            let taken = left.min(self.bytes.len());
            self.bytes.drain(..taken);
            self.position.offset += taken as u64;
        }
        self.position = from;
        self.cutter.restart();
        self.cutter.scan(&self.bytes);
        Ok(())
    }

    /// The next whole rows; `None` at the end. `position` is then after them.
    fn next(&mut self, file: &Arc<str>) -> io::Result<Option<Rows>> {
        // At the start, the bytes already read may hold whole rows; after a block they do not.
        let mut read = self.cutter.last.is_some();
        loop {
            if !read && !self.end {
                self.fill_and_scan()?;
            }
            read = false;
            if self.cutter.first.unwrap_or(self.bytes.len()) > LONGEST_ROW {
                return self.pass_over(file).map(Some);
            }
            let length = if self.end { self.bytes.len() } else { self.cutter.last.unwrap_or_default() };
            if length > 0 {
                return Ok(Some(self.cut(length)));
            }
            if self.end {
                return Ok(None);
            }
        }
    }

    /// Takes whole rows.
    fn cut(&mut self, length: usize) -> Rows {
        let kept = self.bytes.split_off(length);
        let bytes = std::mem::replace(&mut self.bytes, kept);
        self.cutter.taken(length);
        let line = self.position.line + 1;
        self.position.offset += length as u64;
        self.position.line += newlines(&bytes);
        Rows::Text { bytes, line, lines: None }
    }

    /// Skips a row that is too long and whose end was not found yet.
    fn pass_over(&mut self, file: &Arc<str>) -> io::Result<Rows> {
        let line = self.position.line + 1;
        let mut length = 0_u64;
        loop {
            let taken = self.cutter.first.unwrap_or(self.bytes.len());
            let ended = self.cutter.first.is_some() || self.end;
            length += taken as u64;
            self.position.offset += taken as u64;
            self.position.line += newlines(&self.bytes[..taken]);
            self.bytes.drain(..taken);
            if ended {
                break;
            }
            self.cutter.taken(taken);
            self.fill_and_scan()?;
        }
        self.cutter.restart();
        self.cutter.scan(&self.bytes);
        let reason = format!(
            "the row has {length} bytes and was passed over: a row has at most {LONGEST_ROW}; split it, or check that the \
             line ends and quotes are whole"
        );
        let place = Place { file: Arc::clone(file), line };
        Ok(Rows::TooLong(Rejection { place, field: None, reason, raw: None }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// All blocks of a text in memory.
    fn of(text: &[u8], format: Format, bytes: usize) -> Vec<(Rows, Position)> {
        let (mut found, size) = (Vec::new(), BlockSize { bytes, rows: usize::MAX });
        let mut take = |block: Block| {
            found.push((block.rows, block.after));
            true
        };
        lines(text, format, &"a".into(), (Position::default(), size), false, &mut take).unwrap();
        found
    }

    #[test]
    fn a_row_that_is_too_long_is_passed_over_and_said() {
        for (format, start, end, before) in
            [(Format::Jsonl, "{\"n\":0}\n", "{\"n\":1}\n", 1), (Format::Csv, "n\n0\n", "1\n", 2)]
        {
            let long = [b"\"", vec![b'x'; LONGEST_ROW + 5].as_slice(), b"\"\n"].concat();
            let text = [start.as_bytes(), &long, end.as_bytes()].concat();
            let found = of(&text, format, 1 << 20);
            let rows: Vec<&Rows> = found.iter().map(|(rows, _)| rows).collect();
            let [Rows::Text { .. }, Rows::TooLong(row), Rows::Text { bytes, line, .. }] = rows[..] else {
                panic!("{format}: {} blocks", rows.len());
            };
            assert_eq!((row.place.line, bytes.as_slice(), *line), (before + 1, end.as_bytes(), before + 2));
            assert!(row.reason.contains(&format!("{} bytes", LONGEST_ROW + 8)), "{}", row.reason);
            assert_eq!(found.last().unwrap().1.line, before + 2);
        }
    }
}
