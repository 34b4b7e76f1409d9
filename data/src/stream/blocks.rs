//! Inputs as blocks of whole rows, some megabytes at a time, so that memory does not grow with the input.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use polars::prelude::DataFrame;
use serde::{Deserialize, Serialize};

use super::records::{Cutter, delimiter, newlines};
use crate::read::source;
use crate::{DataError, Format, FrameReader, Place, Rejection, json_elements};

/// How large blocks are. What an encoder says of a row depends, in the last digits, on the rows that it reads beside it: so
/// blocks are cut by this alone, whatever the number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSize {
    /// Bytes of a text, and the rest of its last row.
    bytes: usize,
    /// Rows of a table; of an array there are at most 2048.
    rows: usize,
}

impl BlockSize {
    /// Some hundredths of a second of work.
    pub const OF_NGRAMS: Self = Self { bytes: 1 << 20, rows: usize::MAX };
    /// Some seconds of work, so that progress is seen and kept.
    pub const OF_ENCODERS: Self = Self { bytes: 1 << 16, rows: 1 << 10 };
}

/// How long a row of a text may be, in bytes: some are in memory at once, and a longer one is rather a file without line
/// ends, or a bomb, than a row.
pub const LONGEST_ROW: usize = 1 << 24;

/// How far a run has come: all before it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Number of the input.
    pub input: usize,
    /// Bytes of it, decompressed, that are done; of text by lines alone.
    pub offset: u64,
    /// Lines of it that are done; rows of a table or an array.
    pub line: usize,
}

/// What is known of an input before its rows are read.
#[derive(Debug)]
pub struct Head {
    /// Number of the input.
    pub input: usize,
    /// Its name.
    pub file: Arc<str>,
    /// Its format.
    pub format: Format,
    /// The header of a separated file, without the end of its line.
    pub header: Option<Vec<u8>>,
    /// Its first rows.
    pub sample: Rows,
}

/// Rows of one input.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// Whole rows of a text.
    Text {
        /// The rows as they are in the file; an array's one a line.
        bytes: Vec<u8>,
        /// Number of the first line, from 1.
        line: usize,
        /// The number of each row's line, where the rows are not in the file as they are here.
        lines: Option<Vec<usize>>,
    },
    /// Rows of a table.
    Frame {
        /// The rows.
        frame: DataFrame,
        /// Rows of the input before them.
        before: usize,
    },
    /// A row that was passed over, for it is longer than [`LONGEST_ROW`].
    TooLong(Rejection),
}

/// Whole rows of one input.
#[derive(Debug)]
pub struct Block {
    /// The input.
    pub head: Arc<Head>,
    /// The rows.
    pub rows: Rows,
    /// How far the run has come when this block is done.
    pub after: Position,
}

/// A sample has so many bytes or rows.
const SAMPLE: usize = 1 << 16;

/// Calls `each` with the blocks of all inputs in order, from a position on, until it says stop. `read` counts the bytes that
/// are read of the files.
///
/// # Errors
/// When an input cannot be read.
pub fn blocks(
    inputs: &[(PathBuf, Format)],
    from: Position,
    size: BlockSize,
    read: &Arc<AtomicU64>,
    mut each: impl FnMut(Block) -> bool,
) -> Result<(), DataError> {
    for (input, (path, format)) in inputs.iter().enumerate().skip(from.input) {
        let from = if input == from.input { from } else { Position { input, ..Position::default() } };
        let file: Arc<str> = path.to_string_lossy().into();
        let go_on = match format {
            Format::Parquet | Format::Arrow => frames((path, *format), &file, (from, size), read, &mut each)?,
            Format::Json => elements(path, &file, from, read, &mut each)?,
            Format::Jsonl | Format::Csv | Format::Tsv => {
                let source = source::open(path, read).map_err(|cause| cannot(&file, cause))?;
                lines(source, *format, &file, (from, size), path == Path::new("-"), &mut each)?
            }
        };
        if !go_on {
            break;
        }
    }
    Ok(())
}

fn cannot(file: &str, cause: io::Error) -> DataError {
    DataError::Read { file: file.to_owned(), cause }
}

/// The blocks of a table; returns whether more are wanted.
fn frames(
    (path, format): (&Path, Format),
    file: &Arc<str>,
    (from, size): (Position, BlockSize),
    read: &Arc<AtomicU64>,
    each: &mut impl FnMut(Block) -> bool,
) -> Result<bool, DataError> {
    let mut frames = FrameReader::open(path, format, from.line)?;
    let bytes = fs::metadata(path).map_or(0, |file| file.len());
    let rows = frames.rows().unwrap_or(usize::MAX).max(1) as u64;
    let mut head = None;
    let mut before = from.line;
    // The sample is of the beginning in a resumed run too, so that it finds the same columns.
    if before > 0
        && let Some(first) = FrameReader::open(path, format, 0)?.next()
    {
        head = Some(frame_head(from.input, file, format, &first?));
    }
    for frame in frames.by_ref() {
        let frame = frame?;
        let head = head.get_or_insert_with(|| frame_head(from.input, file, format, &frame));
        // A frame of no row still says which columns there are.
        for start in (0..frame.height().max(1)).step_by(size.rows) {
            let length = size.rows.min(frame.height() - start);
            let frame = frame.slice(i64::try_from(start).unwrap_or(i64::MAX), length);
            let line = before + length;
            read.fetch_add(bytes * length as u64 / rows, Ordering::Relaxed);
            let after = Position { input: from.input, offset: 0, line };
            if !each(Block { head: Arc::clone(head), rows: Rows::Frame { frame, before }, after }) {
                return Ok(false);
            }
            before = line;
        }
    }
    Ok(true)
}

fn frame_head(input: usize, file: &Arc<str>, format: Format, frame: &DataFrame) -> Arc<Head> {
    let sample = Rows::Frame { frame: frame.head(Some(100)), before: 0 };
    Arc::new(Head { input, file: Arc::clone(file), format, header: None, sample })
}

/// The blocks of a JSON array, which is read whole; returns whether more are wanted.
fn elements(
    path: &Path,
    file: &Arc<str>,
    from: Position,
    read: &Arc<AtomicU64>,
    each: &mut impl FnMut(Block) -> bool,
) -> Result<bool, DataError> {
    let mut bytes = Vec::new();
    source::open(path, read)
        .and_then(|mut opened| opened.read_to_end(&mut bytes))
        .map_err(|cause| cannot(file, cause))?;
    let text = source::text(&bytes, file)?;
    let elements = json_elements(text, file)?;
    let block = |elements: &[(usize, &str)]| {
        // In JSON a line end is white space wherever it is.
        let rows: Vec<String> =
            elements.iter().map(|(_, row)| row.replace(['\n', '\r'], " ") + "\n").collect();
        Rows::Text {
            bytes: rows.concat().into_bytes(),
            line: 1,
            lines: Some(elements.iter().map(|(line, _)| *line).collect()),
        }
    };
    let sample = block(&elements[..elements.len().min(100)]);
    let head = Arc::new(Head {
        input: from.input,
        file: Arc::clone(file),
        format: Format::Json,
        header: None,
        sample,
    });
    let mut done = from.line;
    for rows in elements.get(done..).unwrap_or_default().chunks(1 << 11) {
        done += rows.len();
        let after = Position { input: from.input, offset: 0, line: done };
        if !each(Block { head: Arc::clone(&head), rows: block(rows), after }) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The blocks of a text by lines; returns whether more are wanted. A pipe's blocks are what is there.
///
/// # Errors
/// When it cannot be read.
pub fn lines(
    source: impl Read,
    format: Format,
    file: &Arc<str>,
    (from, size): (Position, BlockSize),
    pipe: bool,
    each: &mut impl FnMut(Block) -> bool,
) -> Result<bool, DataError> {
    let position = Position { input: from.input, ..Position::default() };
    let cutter = Cutter::new(delimiter(format));
    let mut text =
        Pending { source, pipe, block: size.bytes, bytes: Vec::new(), cutter, position, end: false };
    let failed = |cause| cannot(file, cause);
    text.begin().map_err(failed)?;
    let header = match delimiter(format) {
        Some(_) => Some(text.header().map_err(failed)?),
        None => None,
    };
    let sample = text.sample().map_err(failed)?;
    let sample = Rows::Text { bytes: sample, line: text.position.line + 1, lines: None };
    let head = Arc::new(Head { input: from.input, file: Arc::clone(file), format, header, sample });
    // What an earlier run has done is read again only to pass over it, for compression cannot be entered midway.
    if from.offset > text.position.offset {
        text.pass(from).map_err(failed)?;
    }
    while let Some(rows) = text.next(file).map_err(failed)? {
        if !each(Block { head: Arc::clone(&head), rows, after: text.position }) {
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

/// A text that is read block by block, and what was read of it and not handed on.
struct Pending<R> {
    source: R,
    pipe: bool,
    /// So many bytes are read at a time.
    block: usize,
    bytes: Vec<u8>,
    cutter: Cutter,
    position: Position,
    end: bool,
}

impl<R: Read> Pending<R> {
    /// Reads up to a block more. From a pipe it takes what is there, so that a reader at the other end does not wait.
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

    /// Reads the beginning, without its byte order mark.
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

    /// Passes over what an earlier run has done.
    fn pass(&mut self, from: Position) -> io::Result<()> {
        // By whole blocks, so that those behind it are cut as in the earlier run.
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

    /// The next whole rows, none at the end. `position` is then behind them.
    fn next(&mut self, file: &Arc<str>) -> io::Result<Option<Rows>> {
        // Behind the beginning, what was read may hold whole rows already; behind a block it does not.
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

    /// Passes over a row that is too long, of which no end was found yet.
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

    #[test]
    fn blocks_begin_where_an_earlier_run_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.jsonl");
        let rows: String = (0..300_000).map(|row| format!("{{\"n\":{row}}}\n")).collect();
        fs::write(&path, &rows).unwrap();
        let all = |from, size| {
            let mut found = Vec::new();
            let take = |block: Block| {
                assert!(
                    matches!(&block.head.sample, Rows::Text { bytes, .. } if bytes.starts_with(b"{\"n\":0}"))
                );
                found.push((block.rows, block.after));
                true
            };
            blocks(&[(path.clone(), Format::Jsonl)], from, size, &Arc::default(), take).unwrap();
            found
        };
        for size in [BlockSize::OF_NGRAMS, BlockSize::OF_ENCODERS] {
            let whole = all(Position::default(), size);
            assert!(whole.len() > 3);
            let length = |rows: &Rows| match rows {
                Rows::Text { bytes, .. } => bytes.len(),
                Rows::Frame { .. } | Rows::TooLong(_) => 0,
            };
            assert_eq!(whole.iter().map(|(rows, _)| length(rows)).sum::<usize>(), rows.len());
            assert_eq!(all(whole[1].1, size), whole[2..]);
        }
    }

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
