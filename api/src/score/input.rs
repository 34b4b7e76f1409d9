//! Inputs as blocks of whole rows, some megabytes at a time, so that memory does not grow with the input.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use demur_data::{Format, FrameReader, json_elements};
use flate2::read::MultiGzDecoder;
use polars::prelude::DataFrame;
use serde::{Deserialize, Serialize};

use crate::error::Usage;

/// How large blocks are. What an encoder says of a row depends, in the last digits, on the company that it is judged in: so
/// blocks are cut by this alone, whatever the number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockSize {
    /// Bytes of a text, and the rest of its last row.
    bytes: usize,
    /// Rows of a table; of an array there are at most 2048.
    rows: usize,
}

impl BlockSize {
    /// Some hundredths of a second of work.
    pub(crate) const OF_NGRAMS: Self = Self { bytes: 1 << 20, rows: usize::MAX };
    /// Some seconds of work, so that progress is seen and kept.
    pub(crate) const OF_ENCODERS: Self = Self { bytes: 1 << 16, rows: 1 << 10 };
}

/// Where a run stands: all before it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    /// Number of the input.
    pub(crate) input: usize,
    /// Bytes of it, decompressed, that are done; of text by lines alone.
    pub(crate) offset: u64,
    /// Lines of it that are done; rows of a table or an array.
    pub(crate) line: usize,
}

/// What is known of an input before its rows are judged.
pub(crate) struct Head {
    /// Number of the input.
    pub(crate) input: usize,
    /// Its name.
    pub(crate) file: Arc<str>,
    pub(crate) format: Format,
    /// The header of a separated file, without the end of its line.
    pub(crate) header: Option<Vec<u8>>,
    /// Its first rows.
    pub(crate) sample: Rows,
}

/// Rows of one input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rows {
    /// Whole rows of a text.
    Text {
        bytes: Vec<u8>,
        /// Number of the first line, from 1.
        line: usize,
        /// The number of each row's line, where the rows do not stand as in the file.
        lines: Option<Vec<usize>>,
    },
    /// Rows of a table.
    Frame {
        frame: DataFrame,
        /// Rows of the input before them.
        before: usize,
    },
}

/// Whole rows of one input.
pub(crate) struct Block {
    pub(crate) head: Arc<Head>,
    pub(crate) rows: Rows,
    /// Where the run stands when this block is done.
    pub(crate) after: Position,
}

/// A sample has so many bytes or rows.
const SAMPLE: usize = 1 << 16;

/// The files that inputs name: files, `-`, folders (their files with a known ending, by name, those of folders in
/// them too), and patterns with `*` and `?` in the file's name.
///
/// # Errors
/// When an input names nothing.
pub(crate) fn files(inputs: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let before = files.len();
            walk(input, &mut files)?;
            if files.len() == before {
                bail!(
                    "{}: there is no file with a known ending in it (jsonl, json, csv, tsv, parquet, arrow)",
                    input.display()
                );
            }
        } else if let Some(pattern) = pattern(input) {
            let folder = match input.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
            let mut found: Vec<PathBuf> = Vec::new();
            for entry in entries {
                let entry = entry?;
                if matches(pattern, &entry.file_name().to_string_lossy()) {
                    let plain = folder == Path::new(".") && !input.starts_with(".");
                    found.push(if plain { entry.file_name().into() } else { entry.path() });
                }
            }
            if found.is_empty() {
                bail!("{}: no file matches", input.display());
            }
            found.sort();
            files.extend(found);
        } else {
            files.push(input.clone());
        }
    }
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, files)?;
        } else if Format::of_path(&path).is_some() {
            files.push(path);
        }
    }
    Ok(())
}

/// The name of a path that is a pattern and no file.
fn pattern(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    (name.contains(['*', '?']) && !path.exists()).then_some(name)
}

/// Whether a name matches a pattern of `*` and `?`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Positions to go back to: behind the last star, and the character that it takes next.
    let (mut at, mut to, mut back) = (0, 0, None);
    while to < name.len() {
        match pattern.get(at) {
            Some('*') => {
                back = Some((at + 1, to));
                at += 1;
            }
            Some(&c) if c == '?' || c == name[to] => {
                at += 1;
                to += 1;
            }
            _ => match back {
                Some((star, taken)) => {
                    back = Some((star, taken + 1));
                    (at, to) = (star, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&c| c == '*')
}

/// The format of an input: the one asked for, else its content's, else its name's. Standard input, which cannot be looked at
/// twice, is JSON Lines where nothing is asked for.
///
/// # Errors
/// When it cannot be read, or nothing tells its format.
pub(crate) fn format(path: &Path, asked: Option<Format>) -> anyhow::Result<Format> {
    if let Some(format) = asked {
        return Ok(format);
    }
    if path == Path::new("-") {
        return Ok(Format::Jsonl);
    }
    let cannot = || format!("cannot read {}", path.display());
    let mut start = Vec::new();
    open(path, &Arc::default())
        .and_then(|file| file.take(1 << 12).read_to_end(&mut start))
        .with_context(cannot)?;
    let found = Format::of_content(&start);
    match Format::of_path(path) {
        _ if matches!(found, Some(Format::Parquet | Format::Arrow)) => Ok(found.unwrap_or(Format::Parquet)),
        // Many a `.json` holds JSON Lines.
        Some(Format::Json) if found == Some(Format::Jsonl) => Ok(Format::Jsonl),
        Some(format) => Ok(format),
        None => found.ok_or_else(|| {
            let message = format!(
                "{}: neither its ending nor its content tells the format; name it with --format",
                path.display()
            );
            Usage(message).into()
        }),
    }
}

/// Counts what is read of a file, so that progress is known for compressed ones too.
struct Counted<R>(R, Arc<AtomicU64>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(into)?;
        self.1.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Opens a file and takes its compression off, told by its first bytes.
fn open(path: &Path, read: &Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
    let raw: Box<dyn Read + Send> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut raw = BufReader::with_capacity(1 << 16, Counted(raw, Arc::clone(read)));
    let start = raw.fill_buf()?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(MultiGzDecoder::new(raw))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(zstd::stream::read::Decoder::with_buffer(raw)?)
    } else {
        Box::new(raw)
    })
}

/// Calls `each` with the blocks of all inputs in order, from a position on, until it says stop.
///
/// # Errors
/// When an input cannot be read.
pub(crate) fn blocks(
    inputs: &[(PathBuf, Format)],
    from: Position,
    size: BlockSize,
    read: &Arc<AtomicU64>,
    mut each: impl FnMut(Block) -> bool,
) -> anyhow::Result<()> {
    for (input, (path, format)) in inputs.iter().enumerate().skip(from.input) {
        let from = if input == from.input { from } else { Position { input, ..Position::default() } };
        let file: Arc<str> = path.to_string_lossy().into();
        let go_on = match format {
            Format::Parquet | Format::Arrow => frames((path, *format), &file, (from, size), read, &mut each)?,
            Format::Json => elements(path, &file, from, read, &mut each)?,
            Format::Jsonl | Format::Csv | Format::Tsv => {
                let source = open(path, read).with_context(|| format!("cannot read {file}"))?;
                lines(source, *format, &file, (from, size), path == Path::new("-"), &mut each)?
            }
        };
        if !go_on {
            break;
        }
    }
    Ok(())
}

/// The blocks of a table; gives whether more are wanted.
fn frames(
    (path, format): (&Path, Format),
    file: &Arc<str>,
    (from, size): (Position, BlockSize),
    read: &Arc<AtomicU64>,
    each: &mut impl FnMut(Block) -> bool,
) -> anyhow::Result<bool> {
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

/// The blocks of a JSON array, which is read whole; gives whether more are wanted.
fn elements(
    path: &Path,
    file: &Arc<str>,
    from: Position,
    read: &Arc<AtomicU64>,
    each: &mut impl FnMut(Block) -> bool,
) -> anyhow::Result<bool> {
    let mut bytes = Vec::new();
    open(path, read)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {file}"))?;
    let text = std::str::from_utf8(&bytes).with_context(|| file.to_string())?;
    let elements = json_elements(text.strip_prefix('\u{feff}').unwrap_or(text), file)?;
    let block = |elements: &[(usize, &str)]| {
        // In JSON a line end is white space wherever it may stand.
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

/// The blocks of a text by lines; gives whether more are wanted. A pipe's blocks are what is there.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn lines(
    mut source: impl Read,
    format: Format,
    file: &Arc<str>,
    (from, size): (Position, BlockSize),
    pipe: bool,
    each: &mut impl FnMut(Block) -> bool,
) -> anyhow::Result<bool> {
    let failed = || format!("cannot read {file}");
    let separated = matches!(format, Format::Csv | Format::Tsv);
    let mut position = Position { input: from.input, ..Position::default() };
    let mut rest = Vec::new();
    let mut header: Option<Vec<u8>> = None;
    let mut head: Option<Arc<Head>> = None;
    let mut skip = from.offset;
    let mut end = false;
    while !end {
        end = fill(&mut source, &mut rest, size.bytes, pipe).with_context(failed)?;
        if position.offset == 0 && rest.starts_with("\u{feff}".as_bytes()) {
            rest.drain(..3);
        }
        if separated && header.is_none() {
            let Some(length) = record_end(&rest, true).or(end.then_some(rest.len())) else { continue };
            let line: Vec<u8> = rest.drain(..length).collect();
            position.offset += length as u64;
            position.line += newlines(&line);
            header = Some(line.trim_ascii_end().into());
        }
        // The sample is of the beginning in a resumed run too, so that it finds the same columns.
        if head.is_none() {
            let whole = if end { Some(rest.len()) } else { last_record_end(&rest, separated) };
            let Some(whole) = whole else { continue };
            let mut sample = rest[..whole.min(SAMPLE)].to_vec();
            if sample.len() < whole {
                // A first row that is longer than a sample stands for itself.
                let length = last_record_end(&sample, separated).or_else(|| record_end(&rest, separated));
                sample = rest[..length.unwrap_or(whole)].to_vec();
            }
            let sample = Rows::Text { bytes: sample, line: position.line + 1, lines: None };
            let (file, header) = (Arc::clone(file), header.clone());
            head = Some(Arc::new(Head { input: from.input, file, format, header, sample }));
        }
        // What an earlier run has done is read again only to pass over it, for compression cannot be entered midway.
        if skip > position.offset {
            let pass = usize::try_from(skip - position.offset).unwrap_or(usize::MAX).min(rest.len());
            rest.drain(..pass);
            position.offset += pass as u64;
            if position.offset < skip {
                continue;
            }
            position.line = from.line;
        }
        skip = 0;
        let length = if end {
            rest.len()
        } else {
            match last_record_end(&rest, separated) {
                Some(length) => length,
                None => continue,
            }
        };
        let (Some(head), true) = (&head, length > 0) else { continue };
        let kept = rest.split_off(length);
        let bytes = std::mem::replace(&mut rest, kept);
        let line = position.line + 1;
        position.offset += bytes.len() as u64;
        position.line += newlines(&bytes);
        let rows = Rows::Text { bytes, line, lines: None };
        if !each(Block { head: Arc::clone(head), rows, after: position }) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads up to a block more; gives whether the end was reached. From a pipe it takes what is there, so that a reader at the
/// other end does not wait.
fn fill(source: &mut dyn Read, into: &mut Vec<u8>, block: usize, pipe: bool) -> io::Result<bool> {
    let start = into.len();
    into.resize(start + block, 0);
    let mut at = start;
    let mut end = false;
    while at < into.len() {
        match source.read(&mut into[at..]) {
            Ok(0) => {
                end = true;
                break;
            }
            Ok(count) => at += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if pipe {
            break;
        }
    }
    into.truncate(at);
    Ok(end)
}

pub(crate) fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

/// Where the first record ends, its line end included.
fn record_end(bytes: &[u8], separated: bool) -> Option<usize> {
    let mut quoted = false;
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'"' if separated => quoted = !quoted,
            b'\n' if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Where the last whole record ends.
fn last_record_end(bytes: &[u8], separated: bool) -> Option<usize> {
    if !separated {
        return bytes.iter().rposition(|&byte| byte == b'\n').map(|at| at + 1);
    }
    let (mut quoted, mut last) = (false, None);
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => last = Some(at + 1),
            _ => {}
        }
    }
    last
}

/// The records of a block, each without its line end, with the number of lines before it.
pub(crate) fn records(bytes: &[u8], separated: bool) -> Vec<(usize, &[u8])> {
    let (mut out, mut at, mut line) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = if separated {
            record_end(rest, true)
        } else {
            rest.iter().position(|&byte| byte == b'\n').map(|at| at + 1)
        }
        .unwrap_or(rest.len());
        let record = &rest[..length];
        let text = record.strip_suffix(b"\n").unwrap_or(record);
        out.push((line, text.strip_suffix(b"\r").unwrap_or(text)));
        line += if separated { newlines(record) } else { 1 };
        at += length;
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_shell_s() {
        for (pattern, name, same) in [
            ("*.jsonl", "a.jsonl", true),
            ("*.jsonl", "a.csv", false),
            ("a*b*c", "aXXbYbZc", true),
            ("?.csv", "\u{e9}.csv", true),
            ("?.csv", "ab.csv", false),
            ("a*", "a", true),
            ("*a", "b", false),
        ] {
            assert_eq!(matches(pattern, name), same, "{pattern} {name}");
        }
    }

    #[test]
    fn records_keep_quoted_line_ends() {
        let found = records(b"a,\"x\ny\"\r\nb,c\n\nd", true);
        assert_eq!(found, [(0, &b"a,\"x\ny\""[..]), (2, b"b,c"), (3, b""), (4, b"d")]);
        assert_eq!(records(b"\"\n\"\n", false), [(0, &b"\""[..]), (1, b"\"")]);
    }

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
                Rows::Frame { .. } => 0,
            };
            assert_eq!(whole.iter().map(|(rows, _)| length(rows)).sum::<usize>(), rows.len());
            assert_eq!(all(whole[1].1, size), whole[2..]);
        }
    }
}
