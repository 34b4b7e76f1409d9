//! Inputs as blocks of whole rows, a few megabytes at a time, so that memory does not grow with the input.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use polars::prelude::DataFrame;
use serde::{Deserialize, Serialize};

use super::array::elements;
use super::lines::lines;
use crate::read::source;
use crate::{DataError, Format, FrameReader, Rejection};

/// How large blocks are. The last digits of an encoder's output for a row depend on the other rows of its
/// batch. So block boundaries depend on this size alone, not on the number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSize {
    /// Bytes of a text, plus the rest of its last row.
    pub(super) bytes: usize,
    /// Rows of a table; blocks of an array have at most 2048.
    pub(super) rows: usize,
}

impl BlockSize {
    /// A few hundredths of a second of work.
    pub const OF_NGRAMS: Self = Self { bytes: 1 << 20, rows: usize::MAX };
    /// A few seconds of work, so that progress is shown and saved.
    pub const OF_ENCODERS: Self = Self { bytes: 1 << 16, rows: 1 << 10 };
}

/// The longest row of a text, in bytes. Several are in memory at once, and a longer one is more likely a file
/// without line ends, or a decompression bomb, than a row.
pub const LONGEST_ROW: usize = 1 << 24;

/// How far a run has come: everything before this position is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Index of the input.
    pub input: usize,
    /// Bytes of the decompressed input that are done; only for text read by lines.
    pub offset: u64,
    /// Lines that are done, or rows of a table or an array.
    pub line: usize,
}

/// What is known about an input before its rows are read.
#[derive(Debug)]
pub struct Head {
    /// Index of the input.
    pub input: usize,
    /// Its name.
    pub file: Arc<str>,
    /// Its format.
    pub format: Format,
    /// The header of a separated file, without the end of its line.
    pub header: Option<Vec<u8>>,
    /// Its first rows.
    pub sample: Rows,
    /// The columns of a table whose type is not kept, as described by [`FrameReader::changes`].
    pub changes: Vec<String>,
}

/// Rows of one input.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// Whole rows of a text.
    Text {
        /// The rows as they are in the file; those of an array one per line.
        bytes: Vec<u8>,
        /// Number of the first line, from 1.
        line: usize,
        /// The line number of each row, if the rows are laid out differently in the file.
        lines: Option<Vec<usize>>,
    },
    /// Rows of a table.
    Frame {
        /// The rows.
        frame: DataFrame,
        /// Number of rows of the input before this block.
        before: usize,
    },
    /// A row that was skipped because it is longer than [`LONGEST_ROW`].
    TooLong(Rejection),
}

/// Whole rows of one input.
#[derive(Debug)]
pub struct Block {
    /// The input.
    pub head: Arc<Head>,
    /// The rows.
    pub rows: Rows,
    /// The position of the run when this block is done.
    pub after: Position,
}

/// The size of a sample in bytes; a table's sample has a hundred rows instead.
pub(super) const SAMPLE: usize = 1 << 16;

/// Calls `each` with the blocks of all inputs in order, starting at a position, until it returns
/// false. `read` counts the bytes read from the files.
///
/// # Errors
/// If an input cannot be read.
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
            Format::Json => {
                let source = source::open(path, read).map_err(|cause| cannot(&file, cause))?;
                elements(source, &file, from, &mut each)?
            }
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

pub(super) fn cannot(file: &str, cause: io::Error) -> DataError {
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
    // The sample is taken from the start in a resumed run too, so that it finds the same columns.
    if before > 0
        && let Some(first) = FrameReader::open(path, format, 0)?.next()
    {
        head = Some(frame_head(from.input, file, (format, frames.changes()), &first?));
    }
    while let Some(frame) = frames.next() {
        let frame = frame?;
        let changes = frames.changes();
        let head = head.get_or_insert_with(|| frame_head(from.input, file, (format, changes), &frame));
        // A frame without rows still says which columns there are.
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

fn frame_head(
    input: usize,
    file: &Arc<str>,
    (format, changes): (Format, &[String]),
    frame: &DataFrame,
) -> Arc<Head> {
    let sample = Rows::Frame { frame: frame.head(Some(100)), before: 0 };
    Arc::new(Head { input, file: Arc::clone(file), format, header: None, sample, changes: changes.to_vec() })
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
}
