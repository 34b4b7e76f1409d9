//! Inputs as blocks of whole rows: some megabytes at a time, so that memory does not grow with the input.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use demur_data::Format;
use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use crate::error::Usage;

/// A block holds so many bytes, and the rest of its last row.
const BLOCK: usize = 1 << 20;

/// Where a run stands: all before it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    /// Number of the input.
    pub(crate) input: usize,
    /// Bytes of it, decompressed, that are done.
    pub(crate) offset: u64,
    /// Lines of it that are done.
    pub(crate) line: usize,
}

/// Whole rows of one input.
pub(crate) struct Block {
    /// The input's name.
    pub(crate) file: Arc<str>,
    /// Number of the first line, from 1.
    pub(crate) line: usize,
    /// The rows, each with the end of its line.
    pub(crate) bytes: Vec<u8>,
    /// The header of a separated file, without the end of its line.
    pub(crate) header: Option<Arc<[u8]>>,
    /// Where the run stands when this block is done.
    pub(crate) after: Position,
}

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
                bail!("{}: there is no file with a known ending in it (jsonl, csv, tsv)", input.display());
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
        } else if Format::of_path(&path).is_some_and(|format| delimiter(format).is_ok()) {
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

/// What separates the fields of a format; none for JSON Lines.
///
/// # Errors
/// For formats whose rows cannot be streamed.
pub(crate) fn delimiter(format: Format) -> Result<Option<u8>, Usage> {
    match format {
        Format::Jsonl => Ok(None),
        Format::Csv => Ok(Some(b',')),
        Format::Tsv => Ok(Some(b'\t')),
        Format::Json | Format::Parquet => Err(Usage(format!(
            "`score` streams jsonl, csv and tsv so far, not {format}; `demur predict` and `demur label` read all formats"
        ))),
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
    files: &[PathBuf],
    format: Format,
    from: Position,
    read: &Arc<AtomicU64>,
    mut each: impl FnMut(Block) -> bool,
) -> anyhow::Result<()> {
    for (input, path) in files.iter().enumerate().skip(from.input) {
        let name: Arc<str> = path.to_string_lossy().into();
        let failed = || format!("cannot read {name}");
        let mut source = open(path, read).with_context(failed)?;
        let separated = delimiter(format)?.is_some();
        let mut position = Position { input, ..Position::default() };
        let mut rest = Vec::new();
        let mut header: Option<Arc<[u8]>> = None;
        let mut skip = if input == from.input { from.offset } else { 0 };
        let mut end = false;
        while !end {
            end = fill(&mut source, &mut rest, path == Path::new("-")).with_context(failed)?;
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
            if length == 0 {
                continue;
            }
            let kept = rest.split_off(length);
            let bytes = std::mem::replace(&mut rest, kept);
            let line = position.line + 1;
            position.offset += bytes.len() as u64;
            position.line += newlines(&bytes);
            let block =
                Block { file: Arc::clone(&name), line, bytes, header: header.clone(), after: position };
            if !each(block) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Reads up to a block more; gives whether the end was reached. From a pipe it takes what is there, so that a reader at the
/// other end does not wait.
fn fill(source: &mut dyn Read, into: &mut Vec<u8>, pipe: bool) -> io::Result<bool> {
    let start = into.len();
    into.resize(start + BLOCK, 0);
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
        let all = |from| {
            let mut found = Vec::new();
            let take = |block: Block| {
                found.push((block.line, block.bytes, block.after));
                true
            };
            blocks(std::slice::from_ref(&path), Format::Jsonl, from, &Arc::default(), take).unwrap();
            found
        };
        let whole = all(Position::default());
        assert!(whole.len() > 3);
        assert_eq!(whole.iter().map(|(_, bytes, _)| bytes.len()).sum::<usize>(), rows.len());
        assert_eq!(all(whole[1].2), whole[2..]);
    }
}
