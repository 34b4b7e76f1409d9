//! Blocks of whole rows: what they hold, and how large they are.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use crate::FrameReader;
use crate::layout::Layout;
use crate::{DataError, Format, Frame, Rejection};

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
    /// The layout that its rows are in, if it is a known one.
    pub layout: Option<&'static Layout>,
    /// What it was read as, other than its name says: a layout, an encoding, a place in one JSON object.
    pub read_as: Vec<String>,
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
        frame: Frame,
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
    /// How many entries of the file were passed over, because they are no rows.
    pub passed_over: u64,
    /// The position of the run when this block is done.
    pub after: Position,
}

/// The size of a sample in bytes; a table's sample has a hundred rows instead.
pub(super) const SAMPLE: usize = 1 << 16;

pub(super) fn cannot(file: &str, cause: io::Error) -> DataError {
    DataError::Read { file: file.to_owned(), cause }
}
