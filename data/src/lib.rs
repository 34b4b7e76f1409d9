//! Rows in and out for Demur: what a row and a label are, corpora in and out, splits, groups.
//!
//! This is the bottom crate: it knows no sibling. Without the feature `frames` (on by default) only the
//! small, embeddable part remains: labels, records, [`normalise`] and atomic writes. With it come
//!
//! - [`read`]: JSON, JSON Lines, CSV, TSV and Parquet, plain or compressed, into [`Record`]s. A bad row
//!   becomes a [`Rejection`], never nothing; a bad file is a [`DataError`] that says where and what to do.
//! - [`conversation`]: the one reader of chats.
//! - [`stream`]: rows one after the other, of files of any size, their own bytes kept.
//! - [`write_rows`], [`write_rejected`]: rows out, whole or not at all.
//! - [`deduplicate`], [`find_groups`], [`assign_folds`], [`assign_holdout`]: which rows may
//!   stand on which side of an evaluation.
#![deny(missing_docs)]

mod atomic;
mod destination;
mod label;
mod labeller;
mod lock;
mod normalise;
mod record;

#[cfg(feature = "frames")]
mod columns;
#[cfg(feature = "frames")]
pub mod conversation;
#[cfg(feature = "frames")]
mod dedup;
#[cfg(feature = "frames")]
mod error;
#[cfg(feature = "frames")]
mod format;
#[cfg(feature = "frames")]
mod group;
#[cfg(feature = "frames")]
mod parquet;
#[cfg(feature = "frames")]
mod read;
#[cfg(feature = "frames")]
mod rejection;
#[cfg(feature = "frames")]
mod split;
#[cfg(feature = "frames")]
pub mod stream;
#[cfg(feature = "frames")]
mod table;
#[cfg(feature = "frames")]
mod vocabulary;
#[cfg(feature = "frames")]
mod write;

pub use atomic::{AtomicDir, AtomicFile, remove_unfinished};
pub use destination::{
    Destination, create_beside, destroyed, is_stdout, open_existing, remove_orphans, sync_name,
};
pub use label::{Kind, KindPolicy, Label, Labelled};
pub use labeller::{LABELLED_BY_DEMUR, LabelledBy, Labeller};
pub use lock::Lock;
pub use normalise::normalise;
pub use record::{Input, Place, Record, Turn};

#[cfg(feature = "frames")]
pub use columns::Columns;
#[cfg(feature = "frames")]
pub use dedup::deduplicate;
#[cfg(feature = "frames")]
pub use error::{DataError, UnknownLabel};
#[cfg(feature = "frames")]
pub use format::Format;
#[cfg(feature = "frames")]
pub use group::find_groups;
#[cfg(feature = "frames")]
pub use parquet::to_rows;
#[cfg(feature = "frames")]
pub use read::{Corpus, ReadOptions, ReadSummary, TextReader, Texts, json_row, read};
#[cfg(feature = "frames")]
pub use rejection::Rejection;
#[cfg(feature = "frames")]
pub use split::{assign_folds, assign_holdout, resampled, shuffled};
#[cfg(feature = "frames")]
pub use table::{FrameReader, FrameWriter};
#[cfg(feature = "frames")]
pub use vocabulary::{LabelVocabulary, Meaning};
#[cfg(feature = "frames")]
pub use write::{
    Packing, check_output, convert_lines, rejected_path, remove_stale, write_rejected, write_rows,
};
