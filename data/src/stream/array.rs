//! Reads a JSON array element by element, so that memory does not grow with it.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use serde::de::{Deserializer as _, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::blocks::{Block, Head, LONGEST_ROW, Position, Rows, SAMPLE};
use crate::{DataError, Format};

/// The most elements of a block, and the bytes after which it ends with its current element.
const BLOCK: (usize, usize) = (1 << 11, 1 << 20);

/// The most elements of a sample.
const SAMPLED: usize = 100;

/// The blocks of an array; returns whether more are wanted.
pub(super) fn elements(
    source: impl Read,
    file: &Arc<str>,
    from: Position,
    each: &mut dyn FnMut(Block) -> bool,
) -> Result<bool, DataError> {
    let mut source = BufReader::with_capacity(1 << 16, source);
    begin(&mut source, file)?;
    let seen = Seen::default();
    let mut blocks = Blocks {
        file,
        from,
        seen: &seen,
        each,
        sample: Lines::default(),
        head: None,
        block: Lines::default(),
        at: 0,
        stopped: false,
    };
    let mut deserializer = serde_json::Deserializer::from_reader(Counted { source, seen: &seen });
    let read = deserializer.deserialize_seq(Elements(&mut blocks)).and_then(|()| deserializer.end());
    match read {
        Ok(()) => Ok(blocks.flush()),
        // Stopping early ends the parse with an error that is not the file's fault.
        Err(_) if blocks.stopped => Ok(false),
        Err(error) if error.is_io() => {
            Err(DataError::Read { file: file.to_string(), cause: io::Error::from(error) })
        }
        Err(error) => {
            let (message, line, column) = (error.to_string(), error.line(), error.column());
            let reason = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
            let reason = format!("no valid JSON: {reason}");
            Err(DataError::Syntax { file: file.to_string(), line, column, reason })
        }
    }
}

/// Skips the byte order mark and checks whether an array follows.
fn begin(source: &mut impl BufRead, file: &Arc<str>) -> Result<(), DataError> {
    let cannot = |cause| DataError::Read { file: file.to_string(), cause };
    let start = source.fill_buf().map_err(cannot)?;
    let mark = if start.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
    source.consume(mark);
    match source.fill_buf().map_err(cannot)?.trim_ascii_start().first() {
        Some(b'{') => Err(DataError::NotAnArray { file: file.to_string(), found: "object" }),
        None => Err(DataError::Empty { file: file.to_string() }),
        Some(_) => Ok(()),
    }
}

/// Counters of what has been read so far.
#[derive(Default)]
struct Seen {
    /// Line ends.
    lines: Cell<usize>,
    /// The last byte.
    last: Cell<u8>,
    /// Bytes since the last element.
    since: Cell<usize>,
}

struct Counted<'s, R> {
    source: BufReader<R>,
    seen: &'s Seen,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(into)?;
        let seen = self.seen;
        for &byte in &into[..count] {
            seen.lines.set(seen.lines.get() + usize::from(byte == b'\n'));
            seen.last.set(byte);
        }
        seen.since.set(seen.since.get() + count);
        if seen.since.get() > LONGEST_ROW {
            let reason = format!("an element is longer than {LONGEST_ROW} bytes, the limit of a row");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        Ok(count)
    }
}

/// Elements as JSON Lines, and the line number of each in the file.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    lines: Vec<usize>,
}

impl Lines {
    fn push(&mut self, element: &str, line: usize) {
        // In JSON a raw line end is always white space, because strings must escape it.
        let one_line = |byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte };
        self.bytes.extend(element.bytes().map(one_line));
        self.bytes.push(b'\n');
        self.lines.push(line);
    }

    fn is_full(&self, (rows, bytes): (usize, usize)) -> bool {
        self.lines.len() >= rows || self.bytes.len() >= bytes
    }

    fn take(&mut self) -> Rows {
        let Self { bytes, lines } = std::mem::take(self);
        Rows::Text { bytes, line: 1, lines: Some(lines) }
    }
}

/// Collects elements into blocks.
struct Blocks<'b> {
    file: &'b Arc<str>,
    from: Position,
    seen: &'b Seen,
    each: &'b mut dyn FnMut(Block) -> bool,
    sample: Lines,
    head: Option<Arc<Head>>,
    block: Lines,
    /// Number of elements so far.
    at: usize,
    stopped: bool,
}

impl Blocks<'_> {
    /// Adds an element; returns whether more are wanted.
    fn take(&mut self, element: &str) -> bool {
        // To find the end of a number, the byte after it was read too.
        let looked = usize::from(
            element.ends_with(|last: char| last.is_ascii_digit()) && self.seen.last.get() == b'\n',
        );
        let within = element.bytes().filter(|&byte| byte == b'\n').count();
        let line = 1 + self.seen.lines.get() - looked - within;
        self.seen.since.set(0);
        self.at += 1;
        if self.head.is_none() {
            self.sample.push(element, line);
            if self.sample.is_full((SAMPLED, SAMPLE)) {
                self.head();
            }
        }
        if self.at > self.from.line {
            self.block.push(element, line);
        }
        !self.block.is_full(BLOCK) || self.flush()
    }

    /// The head, created by the first call, when the sample is complete.
    fn head(&mut self) -> Arc<Head> {
        let Self { head, sample, file, from, .. } = self;
        let made = head.get_or_insert_with(|| {
            let (file, format) = (Arc::clone(file), Format::Json);
            Arc::new(Head {
                input: from.input,
                file,
                format,
                header: None,
                sample: sample.take(),
                changes: Vec::new(),
            })
        });
        Arc::clone(made)
    }

    /// Passes a block on; returns whether more are wanted.
    fn flush(&mut self) -> bool {
        if self.block.lines.is_empty() {
            return true;
        }
        let (head, rows) = (self.head(), self.block.take());
        let after = Position { input: self.from.input, offset: 0, line: self.at };
        self.stopped = !(self.each)(Block { head, rows, after });
        !self.stopped
    }
}

struct Elements<'b, 'e>(&'b mut Blocks<'e>);

impl<'de> Visitor<'de> for Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element::<Box<RawValue>>()? {
            if !self.0.take(element.get()) {
                return Err(A::Error::custom("no more is wanted"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(text: &str, from: usize) -> Result<Vec<(String, Vec<usize>, usize)>, DataError> {
        let mut found = Vec::new();
        let from = Position { line: from, ..Position::default() };
        let mut take = |block: Block| {
            let Rows::Text { bytes, lines: Some(lines), .. } = block.rows else { panic!("no text") };
            found.push((String::from_utf8(bytes).unwrap(), lines, block.after.line));
            true
        };
        elements(text.as_bytes(), &"a.json".into(), from, &mut take).map(|_| found)
    }

    #[test]
    fn elements_have_their_lines() {
        let text = "\u{feff}[\n {\"a\":\n1}, {\"b\": \"[\\\"\"},\n\n 3\n, 4]\n";
        let found = of(text, 0).unwrap();
        assert_eq!(found[0], ("{\"a\": 1}\n{\"b\": \"[\\\"\"}\n3\n4\n".to_owned(), vec![2, 3, 5, 6], 4));
        assert_eq!(of(text, 3).unwrap()[0], ("4\n".to_owned(), vec![6], 4));
        assert!(of("[]", 0).unwrap().is_empty());
        let many = format!("[{}]", vec!["{}"; 5000].join(","));
        let found = of(&many, 0).unwrap();
        assert_eq!(found.iter().map(|block| block.2).collect::<Vec<_>>(), [2048, 4096, 5000]);
        assert_eq!(of(&many, 2048).unwrap(), found[1..]);
    }

    #[test]
    fn what_is_no_array_is_said() {
        for (text, said) in [
            ("{\"a\": 1}", "the JSON is one object"),
            (" ", "holds no row"),
            ("[{\"a\":1},\n{\"a\"}]", "a.json:2:5: no valid JSON: expected `:`"),
            ("[1] 2", "trailing characters"),
            ("[1", "EOF"),
            ("7", "an array of rows"),
        ] {
            let error = of(text, 0).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        let long = format!("[\"{}\"]", "x".repeat(LONGEST_ROW));
        assert!(of(&long, 0).unwrap_err().to_string().contains("longer than 16777216 bytes"));
    }
}
