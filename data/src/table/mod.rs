//! Tables as frames of a few thousand rows: Parquet by row groups and slices of them, Arrow by record
//! batches.
//!
//! Files are decoded and encoded by the lower crates of polars, column by column. polars itself is not used:
//! its readers hold a whole row group or stream, panic at types that they do not support, and cost more to
//! compile than all else. The size of a frame is bounded by the decoded size of its rows, not by that of the
//! file: a few hundred bytes of Parquet can repeat a value of 200 kB thirty thousand times.

mod arrow;
mod convert;
mod file;
mod frame;
mod names;
mod rows;
mod schema;
mod types;
mod write;

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use polars_error::PolarsError;

use crate::{DataError, Format};
use arrow::ArrowStream;
use file::ParquetFile;
pub use frame::{Frame, Values};
pub use rows::to_rows;
pub use write::FrameWriter;

/// The most rows of a slice.
const SLICE: usize = 1 << 15;

/// The rows of a frame have about this many bytes at most; a single row may have more.
const FRAME_BYTES: usize = 1 << 24;

/// A file that decodes to more than this, and to more than [`MOST_FOLD`] times its own size, is refused as a
/// likely decompression bomb.
const MOST_BYTES: u64 = 1 << 28;
const MOST_FOLD: u64 = 1 << 10;

/// The largest part of a column that is decoded at once: a page, a dictionary, a batch.
const PART: usize = 1 << 29;

/// The frames of a file, in order. A file without rows has one empty frame, which says which columns there
/// are.
pub struct FrameReader {
    file: String,
    format: Format,
    source: Frames,
    /// The changes of columns whose type is not kept.
    changes: Vec<String>,
    /// The rest of a frame whose rows have too many bytes for one.
    rest: Option<Frame>,
    /// The size of the file, if it is one, and the decoded bytes of its rows so far.
    size: Option<u64>,
    decoded: u64,
    any: bool,
}

enum Frames {
    Parquet(Box<ParquetFile>),
    Arrow(Box<ArrowStream>),
}

/// The source of a table.
trait Source: Read + Seek + Send {}
impl<T: Read + Seek + Send> Source for T {}

impl FrameReader {
    /// Opens a Parquet or Arrow file (`-` is standard input, for Arrow) after its first `done` rows.
    ///
    /// # Errors
    /// [`DataError::Read`], or [`DataError::Table`] if it is not such a file or has a column of an
    /// unsupported type.
    pub fn open(path: &Path, format: Format, done: usize) -> Result<Self, DataError> {
        let file = path.to_string_lossy().into_owned();
        if path == Path::new("-") {
            return Self::new(file, format, None, Opened::Pipe(Box::new(io::stdin())), done);
        }
        let opened = File::open(path).and_then(|opened| Ok((opened.metadata()?.len(), opened)));
        match opened {
            Ok((size, opened)) => Self::new(file, format, Some(size), Opened::File(Box::new(opened)), done),
            Err(cause) => Err(DataError::Read { file, cause }),
        }
    }

    /// Reads a table from memory.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn of_bytes(file: &str, format: Format, bytes: Vec<u8>) -> Result<Self, DataError> {
        let size = bytes.len() as u64;
        Self::new(file.to_owned(), format, Some(size), Opened::File(Box::new(Cursor::new(bytes))), 0)
    }

    fn new(
        file: String,
        format: Format,
        size: Option<u64>,
        opened: Opened,
        done: usize,
    ) -> Result<Self, DataError> {
        let arrow = |stream: ArrowStream| {
            let changes = names::changes(stream.fields());
            Ok((Frames::Arrow(Box::new(stream)), changes))
        };
        let (source, changes) = guarded(&file, format, || match (format, opened) {
            (Format::Parquet, Opened::File(opened)) => {
                let (parquet, changes) = ParquetFile::open(opened, done)?;
                Ok((Frames::Parquet(Box::new(parquet)), changes))
            }
            (Format::Parquet, Opened::Pipe(_)) => Err("it cannot be read from a pipe".to_owned()),
            (_, Opened::File(opened)) => ArrowStream::of_file(opened, done).and_then(arrow),
            (_, Opened::Pipe(opened)) => ArrowStream::of_pipe(opened, done).and_then(arrow),
        })?;
        Ok(Self { file, format, source, changes, rest: None, size, decoded: 0, any: done > 0 })
    }

    /// All rows of a Parquet file that this program wrote, as one frame.
    ///
    /// # Errors
    /// [`DataError::Table`] if it is damaged.
    pub fn whole(file: &str, bytes: Vec<u8>) -> Result<Frame, DataError> {
        guarded(file, Format::Parquet, || ParquetFile::open(Box::new(Cursor::new(bytes)), 0)?.0.whole())
    }

    /// The number of rows in the file, if it is known before reading.
    #[must_use]
    pub fn rows(&self) -> Option<usize> {
        match &self.source {
            Frames::Parquet(parquet) => Some(parquet.rows()),
            Frames::Arrow(_) => None,
        }
    }

    /// The changes of the columns whose type the frames do not keep, each as a sentence with the name of the
    /// column and of both types: ``column `day`: date64 is written as timestamp[ms]``.
    #[must_use]
    pub fn changes(&self) -> &[String] {
        &self.changes
    }

    fn read(&mut self) -> Result<Option<Frame>, DataError> {
        let frame = match self.rest.take() {
            Some(rest) => rest,
            None => {
                let source = &mut self.source;
                let next = guarded(&self.file, self.format, || match source {
                    Frames::Parquet(parquet) => parquet.next(),
                    Frames::Arrow(stream) => stream.next(),
                })?;
                match next {
                    Some(frame) => {
                        self.count(&frame)?;
                        frame
                    }
                    None if self.any => return Ok(None),
                    None => {
                        self.any = true;
                        let source = &self.source;
                        return guarded(&self.file, self.format, || match source {
                            Frames::Parquet(parquet) => parquet.empty(),
                            Frames::Arrow(stream) => stream.empty(),
                        })
                        .map(Some);
                    }
                }
            }
        };
        self.any = true;
        Ok(Some(self.first_part(&frame)))
    }

    /// Counts the bytes of a slice as a whole, before any of its rows is processed, so that a file that
    /// decodes to too much is refused before hundreds of megabytes of the same text are scored.
    fn count(&mut self, frame: &Frame) -> Result<(), DataError> {
        self.decoded = self.decoded.saturating_add(frame.bytes() as u64);
        match self.size {
            Some(size) if self.decoded > MOST_BYTES.max(size.saturating_mul(MOST_FOLD)) => {
                let reason = format!(
                    "its {size} bytes decode to {} or more; the limit is {MOST_BYTES} bytes, or {MOST_FOLD} times the file's \
                     size if that is more",
                    self.decoded
                );
                Err(DataError::TooLarge { file: self.file.clone(), reason })
            }
            _ => Ok(()),
        }
    }

    /// As many of the first rows of a frame as fit into one; the others come next.
    fn first_part(&mut self, frame: &Frame) -> Frame {
        let height = frame.height();
        let mut length = height;
        let mut bytes = frame.bytes();
        while bytes > FRAME_BYTES && length > 1 {
            // This assumes rows of about equal length; if they are not, it takes another round.
            length = (length * FRAME_BYTES / bytes).clamp(1, length / 2);
            bytes = frame.head(length).bytes();
        }
        if length < height {
            self.rest = Some(frame.slice(length, height));
        }
        frame.head(length)
    }
}

enum Opened {
    File(Box<dyn Source>),
    Pipe(Box<dyn Read + Send>),
}

impl Iterator for FrameReader {
    type Item = Result<Frame, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Decodes a file that may be damaged. The library panics on some of those, which is reported as a bad file
/// too.
fn guarded<T>(file: &str, format: Format, work: impl FnOnce() -> Result<T, String>) -> Result<T, DataError> {
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("it is damaged".to_owned()));
    done.map_err(|reason| DataError::Table { file: file.to_owned(), format, reason })
}

/// The message of the library's error.
#[allow(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
fn said(error: PolarsError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod type_tests;
