//! Reads the rows of a JSON array element by element, so that memory does not grow with it. The array may be
//! the whole text, or lie under a path in one object.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use serde::Deserialize as _;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::block::{Block, Head, LONGEST_ROW, Position, Rows, SAMPLE};
use crate::path::Step;
use crate::{DataError, Format};

/// The most elements of a block, and the bytes after which it ends with its current element.
const BLOCK: (usize, usize) = (1 << 11, 1 << 20);

/// What a text is that holds no rows.
const SINGLE: &str = "one single value";

/// The most elements of a sample.
const SAMPLED: usize = 100;

/// The blocks of the rows at a path; returns whether more are wanted. At a path without steps they are the
/// elements of the text itself or, if it is one object, that object.
pub(super) fn elements(
    source: impl Read,
    file: &Arc<str>,
    steps: &[Step],
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
    let read = values(&mut deserializer, steps, &mut blocks);
    match read {
        Ok(()) => Ok(blocks.flush()),
        // Stopping early ends the parse with an error that is not the file's fault.
        Err(_) if blocks.stopped => Ok(false),
        Err(error) if error.is_io() => {
            Err(DataError::Read { file: file.to_string(), cause: io::Error::from(error) })
        }
        Err(error) => {
            let (message, line, column) = (error.to_string(), error.line(), error.column());
            if message.starts_with(SINGLE) {
                return Err(DataError::NotAnArray { file: file.to_string(), found: "single value" });
            }
            let reason = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
            let reason = format!("no valid JSON: {reason}");
            Err(DataError::Syntax { file: file.to_string(), line, column, reason })
        }
    }
}

/// Takes the rows of one value or, where the text itself has the rows, of several one after the other, as
/// `jq` writes them.
fn values<R: Read>(
    deserializer: &mut serde_json::Deserializer<serde_json::de::IoRead<R>>,
    steps: &[Step],
    blocks: &mut Blocks<'_>,
) -> Result<(), serde_json::Error> {
    loop {
        Descend { steps, blocks }.deserialize(&mut *deserializer)?;
        let Err(trailing) = deserializer.end() else { return Ok(()) };
        // What follows is a value too, or is what is wrong.
        let is_value = steps.is_empty() && !trailing.is_io() && matches!(blocks.seen.last.get(), b'{' | b'[');
        if !is_value {
            return Err(trailing);
        }
    }
}

/// Skips the byte order mark and checks whether anything follows.
fn begin(source: &mut impl BufRead, file: &Arc<str>) -> Result<(), DataError> {
    let cannot = |cause| DataError::Read { file: file.to_string(), cause };
    let start = source.fill_buf().map_err(cannot)?;
    let mark = if start.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
    source.consume(mark);
    match source.fill_buf().map_err(cannot)?.trim_ascii_start().first() {
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
    /// What is being read as a row, whose length is bounded; `None` around the rows.
    within: Cell<Option<&'static str>>,
}

impl Seen {
    /// A row begins, or a list of them.
    fn rows(&self, row: &'static str) {
        self.within.set(Some(row));
        self.since.set(0);
    }
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
        if let Some(row) = seen.within.get()
            && seen.since.get() > LONGEST_ROW
        {
            let reason = format!("{row} is longer than {LONGEST_ROW} bytes, the limit of a row");
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
        self.add(element, 1 + self.seen.lines.get() - looked - within)
    }

    /// Adds an element that begins on a line; returns whether more are wanted.
    fn add(&mut self, element: &str, line: usize) -> bool {
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
                layout: None,
                read_as: Vec::new(),
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
        self.stopped = !(self.each)(Block { head, rows, passed_over: 0, after });
        !self.stopped
    }
}

/// Follows the steps to the rows, and takes these.
struct Descend<'s, 'b, 'e> {
    steps: &'s [Step],
    blocks: &'b mut Blocks<'e>,
}

impl<'s, 'e> Descend<'s, '_, 'e> {
    fn below(&mut self) -> Descend<'s, '_, 'e> {
        Descend { steps: &self.steps[1..], blocks: self.blocks }
    }

    /// A single value where rows were expected: nothing on the way to them, and wrong as the whole text.
    fn scalar<E: serde::de::Error>(self) -> Result<(), E> {
        if self.steps.is_empty() { Err(E::custom(SINGLE)) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Descend<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Descend<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let Some(step) = self.steps.first() else {
            let seen = self.blocks.seen;
            seen.rows("an element");
            while let Some(element) = list.next_element::<Box<RawValue>>()? {
                if !self.blocks.take(element.get()) {
                    return Err(A::Error::custom("no more is wanted"));
                }
            }
            seen.within.set(None);
            return Ok(());
        };
        let mut at = 0_i64;
        loop {
            let wanted = match step {
                Step::All => true,
                Step::Index(index) => *index == at,
                Step::Key(_) => false,
            };
            let more = if wanted {
                list.next_element_seed(self.below())?.is_some()
            } else {
                list.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return Ok(());
            }
            at += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let Some(step) = self.steps.first() else {
            let line = 1 + self.blocks.seen.lines.get();
            self.blocks.seen.rows("the object");
            let fields = Map::<String, Value>::deserialize(MapAccessDeserializer::new(map))?;
            let more = self.blocks.add(&Value::Object(fields).to_string(), line);
            self.blocks.seen.within.set(None);
            return if more { Ok(()) } else { Err(A::Error::custom("no more is wanted")) };
        };
        while let Some(key) = map.next_key::<String>()? {
            let wanted = match step {
                Step::All => true,
                Step::Key(name) => *name == key,
                Step::Index(_) => false,
            };
            if wanted {
                map.next_value_seed(self.below())?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.scalar()
    }
}

#[cfg(test)]
#[path = "array_tests.rs"]
mod tests;
