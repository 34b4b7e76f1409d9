//! Tables of others as polars frames, some thousand rows at a time: Parquet by slices, Arrow by record batches.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{
    CompatLevel, DataFrame, ParquetReader, ParquetWriter, PolarsError, PolarsResult, SchemaExt, SerReader,
};
use polars_arrow::io::ipc::read::{StreamReader, StreamState, read_stream_metadata};
use polars_arrow::io::ipc::write::{StreamWriter, WriteOptions};

use crate::{DataError, Format};

/// A slice has at most so many rows.
const SLICE: usize = 1 << 15;

/// The frames of a file, in its order.
pub struct FrameReader {
    path: PathBuf,
    format: Format,
    source: Frames,
}

enum Frames {
    /// The next row and the number of all; each slice opens the file anew, for polars has no reader to go on with.
    Parquet { at: usize, rows: usize },
    /// The stream, rows that are to be passed over, and what is left of a batch that is larger than a slice.
    Arrow { stream: Box<StreamReader<Forward>>, skip: usize, rest: Option<DataFrame> },
}

impl FrameReader {
    /// Opens a Parquet or Arrow file (`-` is standard input, for Arrow) behind its first `done` rows.
    ///
    /// # Errors
    /// [`DataError::Read`], or [`DataError::Table`] when it is no such file.
    pub fn open(path: &Path, format: Format, done: usize) -> Result<Self, DataError> {
        let cannot = |cause| DataError::Read { file: path.to_string_lossy().into_owned(), cause };
        let source = if format == Format::Parquet {
            let file = File::open(path).map_err(cannot)?;
            let rows = guarded(path, format, || ParquetReader::new(file).num_rows())?;
            Frames::Parquet { at: done, rows }
        } else {
            let source: Box<dyn Read + Send> = if path == Path::new("-") {
                Box::new(io::stdin())
            } else {
                Box::new(File::open(path).map_err(cannot)?)
            };
            let stream = guarded(path, format, || arrow_stream(source))?;
            Frames::Arrow { stream: Box::new(stream), skip: done, rest: None }
        };
        Ok(Self { path: path.to_owned(), format, source })
    }

    /// How many rows the file has, where that is known before it is read.
    #[must_use]
    pub const fn rows(&self) -> Option<usize> {
        match &self.source {
            Frames::Parquet { rows, .. } => Some(*rows),
            Frames::Arrow { .. } => None,
        }
    }

    fn read(&mut self) -> Result<Option<DataFrame>, DataError> {
        let (path, format) = (&self.path, self.format);
        match &mut self.source {
            Frames::Parquet { at, rows } => {
                if at >= rows {
                    return Ok(None);
                }
                let (start, length) = (*at, SLICE.min(*rows - *at));
                *at += length;
                let cannot = |cause| DataError::Read { file: path.to_string_lossy().into_owned(), cause };
                let file = File::open(path).map_err(cannot)?;
                guarded(path, format, || ParquetReader::new(file).with_slice(Some((start, length))).finish())
                    .map(Some)
            }
            Frames::Arrow { stream, skip, rest } => loop {
                let batch = match rest.take() {
                    Some(batch) => batch,
                    None => match guarded(path, format, || next_batch(stream))? {
                        Some(batch) => batch,
                        None => return Ok(None),
                    },
                };
                let height = batch.height();
                if *skip >= height {
                    *skip -= height;
                    continue;
                }
                let start = std::mem::take(skip);
                let length = SLICE.min(height - start);
                if start + length < height {
                    *rest = Some(batch.slice(offset(start + length), height));
                }
                return Ok(Some(batch.slice(offset(start), length)));
            },
        }
    }
}

impl Iterator for FrameReader {
    type Item = Result<DataFrame, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// A place in a frame as polars counts it. A frame in memory has fewer rows than `i64` holds.
fn offset(row: usize) -> i64 {
    i64::try_from(row).unwrap_or(i64::MAX)
}

/// Runs polars on a file that may be damaged: it panics on some of those, and on some column types; to the user that is a
/// bad file too.
fn guarded<T>(path: &Path, format: Format, work: impl FnOnce() -> PolarsResult<T>) -> Result<T, DataError> {
    let damaged = || "it is damaged, or holds a column type that is not supported".to_owned();
    let done = catch_unwind(AssertUnwindSafe(work)).map_err(|_| damaged());
    done.and_then(|done| done.map_err(|error| error.to_string())).map_err(|reason| DataError::Table {
        file: path.to_string_lossy().into_owned(),
        format,
        reason,
    })
}

fn arrow_stream(source: Box<dyn Read + Send>) -> PolarsResult<StreamReader<Forward>> {
    let mut source = Forward { source, at: 0, before: Vec::new() };
    let mut start = [0; 8];
    source.read_exact(&mut start)?;
    // The file format is this mark, a stream, and a directory that a reader from front to back does not need.
    if !start.starts_with(b"ARROW1") {
        source.before = start.to_vec();
    }
    let metadata = read_stream_metadata(&mut source)?;
    Ok(StreamReader::new(source, metadata, None))
}

/// The next batch that has rows.
fn next_batch<R: Read + Seek>(stream: &mut StreamReader<R>) -> PolarsResult<Option<DataFrame>> {
    for state in stream.by_ref() {
        match state? {
            StreamState::Some(batch) if batch.height() > 0 => return Ok(Some(DataFrame::from(batch))),
            StreamState::Some(_) => {}
            // The writer closed the stream without its end mark, which the format allows.
            StreamState::Waiting => return Ok(None),
        }
    }
    Ok(None)
}

/// The frame that the bytes of an Arrow stream or file hold.
pub(crate) fn arrow_frames(bytes: Vec<u8>) -> PolarsResult<Vec<DataFrame>> {
    let mut stream = arrow_stream(Box::new(Cursor::new(bytes)))?;
    let mut frames = Vec::new();
    while let Some(frame) = next_batch(&mut stream)? {
        frames.push(frame);
    }
    Ok(frames)
}

/// A reader that can seek forward, by reading: all that the stream reader seeks is past the padding of a message.
struct Forward {
    source: Box<dyn Read + Send>,
    at: u64,
    /// Bytes that were looked at and are to be read first.
    before: Vec<u8>,
}

impl Read for Forward {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = if self.before.is_empty() {
            self.source.read(into)?
        } else {
            let count = into.len().min(self.before.len());
            into[..count].copy_from_slice(&self.before[..count]);
            self.before.drain(..count);
            count
        };
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Forward {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::Current(by @ 0..) => {
                io::copy(&mut self.by_ref().take(by.unsigned_abs()), &mut io::sink())?;
                Ok(self.at)
            }
            _ => Err(io::Error::other("a stream cannot be read backwards")),
        }
    }
}

/// Writes frames of the same columns as one table; the same frames give the same bytes.
pub enum FrameWriter<W: Write> {
    /// A row group for each frame.
    Parquet(Box<BatchedWriter<W>>),
    /// A record batch for each frame.
    Arrow(Box<StreamWriter<W>>),
}

impl<W: Write> FrameWriter<W> {
    /// Begins a table with the columns of a frame, as Arrow where that is asked for, else as Parquet.
    ///
    /// # Errors
    /// When it cannot be written.
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
    /// When it cannot be written, or its columns are not those of the first.
    pub fn write(&mut self, frame: &mut DataFrame) -> io::Result<()> {
        match self {
            Self::Parquet(writer) => writer.write_batch(frame).map_err(other),
            Self::Arrow(writer) => {
                frame.align_chunks_par();
                frame
                    .iter_chunks(CompatLevel::oldest(), false)
                    .try_for_each(|batch| writer.write(&batch, None))
                    .map_err(other)
            }
        }
    }

    /// Ends the table.
    ///
    /// # Errors
    /// When it cannot be written.
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
        // What the system says stays what it is: a full disk, a pipe that is gone.
        PolarsError::IO { error, .. } => io::Error::new(error.kind(), error.to_string()),
        error => io::Error::other(error),
    }
}
