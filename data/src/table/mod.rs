//! Tables as polars frames, a few thousand rows at a time: Parquet by row groups and slices of them, Arrow by
//! record batches.
//!
//! Files are decoded by polars' own lower crates, column by column, because its readers hold a whole row
//! group or stream and panic at types that they do not support. The size of a frame is bounded by the decoded
//! size of its rows, not by that of the file: a few hundred bytes of Parquet can repeat a value of 200 kB
//! thirty thousand times.

mod arrow;
mod convert;
mod file;
mod names;
mod schema;

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{CompatLevel, DataFrame, ParquetWriter, PolarsError, SchemaExt};
use polars_arrow::io::ipc::write::{StreamWriter, WriteOptions};

use crate::{DataError, Format};
use arrow::ArrowStream;
use file::ParquetFile;

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
    rest: Option<DataFrame>,
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
            let changes = names::changes(stream.fields(), true);
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

    fn read(&mut self) -> Result<Option<DataFrame>, DataError> {
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
    fn count(&mut self, frame: &DataFrame) -> Result<(), DataError> {
        self.decoded = self.decoded.saturating_add(convert::bytes(frame) as u64);
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
    fn first_part(&mut self, frame: &DataFrame) -> DataFrame {
        let height = frame.height();
        let mut length = height;
        let mut bytes = convert::bytes(frame);
        while bytes > FRAME_BYTES && length > 1 {
            // This assumes rows of about equal length; if they are not, it takes another round.
            length = (length * FRAME_BYTES / bytes).clamp(1, length / 2);
            bytes = convert::bytes(&frame.slice(0, length));
        }
        if length < height {
            self.rest = Some(frame.slice(offset(length), height));
        }
        frame.slice(0, length)
    }
}

enum Opened {
    File(Box<dyn Source>),
    Pipe(Box<dyn Read + Send>),
}

impl Iterator for FrameReader {
    type Item = Result<DataFrame, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// A place in a frame in the integer type of polars. A frame in memory has fewer rows than `i64` holds.
fn offset(row: usize) -> i64 {
    i64::try_from(row).unwrap_or(i64::MAX)
}

/// Runs polars on a file that may be damaged. It panics on some of those, which is reported as a bad file
/// too.
fn guarded<T>(file: &str, format: Format, work: impl FnOnce() -> Result<T, String>) -> Result<T, DataError> {
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("it is damaged".to_owned()));
    done.map_err(|reason| DataError::Table { file: file.to_owned(), format, reason })
}

/// The message of a polars error.
#[allow(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
fn said(error: PolarsError) -> String {
    error.to_string()
}

/// Writes frames of the same columns as one table; the same frames give the same bytes.
pub enum FrameWriter<W: Write> {
    /// A row group for each frame.
    Parquet(Box<BatchedWriter<W>>),
    /// A record batch for each frame.
    Arrow(Box<StreamWriter<W>>),
}

impl<W: Write> FrameWriter<W> {
    /// Begins a table with the columns of a frame, as Arrow if `format` says so, otherwise as Parquet.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(format: Format, out: W, like: &DataFrame) -> io::Result<Self> {
        if format == Format::Arrow {
            let mut writer = StreamWriter::new(out, WriteOptions { compression: None });
            writer.start(&like.schema().to_arrow(CompatLevel::oldest()), None).map_err(other)?;
            return Ok(Self::Arrow(Box::new(writer)));
        }
        let writer = ParquetWriter::new(out).batched(like.schema()).map_err(other)?;
        Ok(Self::Parquet(Box::new(writer)))
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// If it cannot be written, or its columns are not those of the first.
    pub fn write(&mut self, frame: &mut DataFrame) -> io::Result<()> {
        // polars does not accept columns whose chunks differ from their neighbours' (after two row groups,
        // for example) as a batch.
        frame.align_chunks_par();
        match self {
            Self::Parquet(writer) => writer.write_batch(frame).map_err(other),
            Self::Arrow(writer) => frame
                .iter_chunks(CompatLevel::oldest(), false)
                .try_for_each(|batch| writer.write(&batch, None))
                .map_err(other),
        }
    }

    /// Ends the table.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Parquet(writer) => writer.finish().map(drop),
            Self::Arrow(mut writer) => writer.finish(),
        }
        .map_err(other)
    }
}

fn other(error: PolarsError) -> io::Error {
    match error {
        // A system error keeps its kind: a full disk, a closed pipe.
        PolarsError::IO { error, .. } => io::Error::new(error.kind(), error.to_string()),
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests;
