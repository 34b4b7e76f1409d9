//! Scoring the rows of files of any size: blocks of whole rows are read, scored on all cores, and written in
//! their order.
//!
//! A run goes through these modules, and each knows only what it needs:
//!
//! - `plan`: the checked request: files, formats, paths, conditions;
//! - `layout`: how rows are read, and how the new columns are named, settled over all inputs;
//! - `source`: blocks of rows, read ahead by a separate thread;
//! - `cut`: takes refused exchanges out of chats;
//! - `scorer`: takes a block, returns its rows with the new columns (`question`: what is
//!   asked; `columns`: what is added; `frame`: tables);
//! - `sink`: passes rows in their order to the `output`: all, sorted, or the top; its `progress` is saved;
//! - `assemble`: turns what was written block by block into a file in its own order and format;
//! - `prompts`: the prompts of files, for runs of another kind (`collect`);
//! - `run`: runs these in turn, and reports on the way to an `observer`.
//!
//! A row keeps all that it has, and the new columns come after it. So no column, type or order is lost, and
//! the output does not depend on threads or blocks. If input and output have the same text format, a row's
//! bytes are kept unchanged. A table is written to a table column by column. Between different formats, rows
//! are written as JSON Lines, which are converted at the end.

mod ahead;
mod assemble;
mod block;
mod column;
mod columns;
mod cut;
mod files;
mod filter;
mod fingerprint;
mod frame;
mod layout;
mod observer;
mod output;
mod plan;
mod progress;
mod prompts;
mod question;
mod reached;
mod run;
mod scorer;
mod sink;
mod source;
mod summary;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use demur_data::stream::Opening;
use demur_data::{Format, ReadOptions};

pub(crate) use cut::Cut;
pub(crate) use filter::Filter;
pub(crate) use layout::MissingColumn;
pub(crate) use observer::Observer;
pub(crate) use prompts::{PromptFiles, PromptRow};
pub(crate) use question::{PromptQuestion, RowQuestion};
pub(crate) use run::{Run, Scored};
pub(crate) use summary::Counts;

/// Where the texts of a row are.
pub(crate) enum Reading {
    /// The prompt alone: its column, or that of a chat, and how many characters it may have.
    Prompt { column: Option<String>, messages: Option<String>, longest: usize },
    /// The answer, and the prompt if there is one.
    Answer(Box<ReadOptions>),
}

/// Limits on a text that is held in memory, and whether its caller is still waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds<'a> {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Set when nobody is waiting any more.
    pub(crate) stop: &'a AtomicBool,
}

/// A run as the caller requests it.
pub(crate) struct RunRequest<'a> {
    /// Files, folders, patterns, or `-`.
    pub(crate) inputs: Vec<PathBuf>,
    /// The model's path. It is read too, so no output may overwrite it.
    pub(crate) model: Option<PathBuf>,
    pub(crate) out: PathBuf,
    /// Format of the inputs.
    pub(crate) format: Option<Format>,
    /// Their layout, and where their rows lie.
    pub(crate) opening: Opening,
    pub(crate) question: RowQuestion<'a>,
    pub(crate) reading: Reading,
    pub(crate) options: RunOptions,
}

/// Which rows of a run are written, in which format and order, and when it stops.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunOptions {
    /// Format of the output. Default: by its name, else the format of the inputs.
    pub(crate) to: Option<Format>,
    /// Only rows that meet this condition are written.
    pub(crate) filter: Option<Filter>,
    /// Only this many rows with the highest P(refusal) are written, the highest first.
    pub(crate) top: Option<usize>,
    /// All rows are written, from the highest P(refusal) to the lowest.
    pub(crate) sort: bool,
    /// Only this many rows are read.
    pub(crate) sample: Option<usize>,
    /// An unfinished run is resumed.
    pub(crate) resume: bool,
    /// The first bad row ends the run.
    pub(crate) strict: bool,
    /// The rows are written as they are, without new columns.
    pub(crate) bare: bool,
    /// Chats are written in part: without their refused exchanges, or these alone.
    pub(crate) cut: Option<Cut>,
}
