//! Scoring the rows of files of any size: blocks of whole rows are read, scored on all cores, and written in their order.
//!
//! A run goes through these rooms, and each knows only what it needs:
//!
//! - `plan`: what was asked for, settled: files, formats, places, conditions;
//! - `layout`: how the rows of each input are read, and what the new columns are called, settled over all inputs;
//! - `source`: blocks of rows, read ahead by a thread of their own;
//! - `scorer`: a block in, its rows with the new columns out (`frame` for tables; `columns` says what is added);
//! - `sink`: rows in their order, all of them, sorted, or the top, on their way to the `output`, whose `progress` is kept;
//! - `assemble`: from what was written block by block to a file in its own order and format;
//! - `run`: from one to the next; what there is to say on the way goes to an `observer`.
//!
//! A row keeps what it has; the new columns stand behind that. So no column, type or order is lost, and the output does
//! not depend on threads or blocks. Where input and output have one text format, a row's very bytes are kept; a table goes to
//! a table in columns; between formats rows go as JSON Lines, which are made into the other format at the end.

mod ahead;
mod assemble;
mod block;
mod columns;
mod files;
mod filter;
mod fingerprint;
mod frame;
mod layout;
mod observer;
mod output;
mod plan;
mod progress;
mod reached;
mod run;
mod scorer;
mod sink;
mod source;
mod summary;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use demur_data::{Format, ReadOptions};

pub(crate) use columns::RowQuestion;
pub(crate) use filter::Filter;
pub(crate) use observer::Observer;
pub(crate) use run::{Run, Scored};
pub(crate) use summary::Counts;

/// Where the texts of a row are.
pub(crate) enum Reading {
    /// The prompt alone: its column, or that of a chat, and how many characters it may have.
    Prompt { column: Option<String>, messages: Option<String>, longest: usize },
    /// The answer, and the prompt where there is one.
    Answer(Box<ReadOptions>),
}

/// What a text that is held in memory may have at most, and whether anyone still waits for its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds<'a> {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Set when nobody does.
    pub(crate) stop: &'a AtomicBool,
}

/// A run, as it was asked for.
pub(crate) struct Asked<'a> {
    /// Files, folders, patterns, `-`.
    pub(crate) inputs: Vec<PathBuf>,
    /// What else is read: the model.
    pub(crate) model: Option<PathBuf>,
    pub(crate) out: PathBuf,
    /// Format of the inputs.
    pub(crate) format: Option<Format>,
    pub(crate) question: RowQuestion<'a>,
    pub(crate) reading: Reading,
    pub(crate) options: RunOptions,
}

/// Which rows of a run are written, in which format and order, and when it stops.
#[derive(Debug, Default)]
pub(crate) struct RunOptions {
    /// Format of the output; by its name, or that of the inputs, where none is given.
    pub(crate) to: Option<Format>,
    /// Only rows of which this is true are written.
    pub(crate) filter: Option<Filter>,
    /// Only so many rows with the highest P(refusal) are written, the highest first.
    pub(crate) top: Option<usize>,
    /// All rows are written, from the highest P(refusal) to the lowest.
    pub(crate) sort: bool,
    /// Only so many rows are read.
    pub(crate) sample: Option<usize>,
    /// An unfinished run is gone on with.
    pub(crate) resume: bool,
    /// The first bad row ends the run.
    pub(crate) strict: bool,
}
