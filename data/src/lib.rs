//! Data for Demur: what a row and a label are, reading and writing corpora, splits, groups.
//!
//! This is the bottom crate: it depends on none of the others. Without the feature `frames` (on by default)
//! only the small, embeddable part remains: labels, records, [`normalise`] and atomic writes. With it come
//!
//! - [`read`]: JSON, JSON Lines, CSV, TSV and Parquet, plain or compressed, into [`Record`]s. A bad row
//!   becomes a [`Rejection`] and is never dropped silently; a bad file is a [`DataError`] that says where and
//!   what to do.
//! - [`conversation`]: the only chat reader; [`provider_answer`]: a provider's response body.
//! - [`Layout`]: known layouts of files, from providers' batches to annotation tools.
//! - [`stream`]: one row after another, from files of any size, with the original bytes of each row.
//! - [`write_rows`], [`write_rejected`]: writes rows, whole files or nothing.
//! - [`deduplicate`], [`find_groups`], [`assign_folds`], [`assign_holdout`]: which rows may be on which side
//!   of an evaluation.
#![deny(missing_docs)]

mod atomic;
mod context;
mod destination;
mod label;
mod labeller;
mod lock;
mod normalise;
mod record;
mod signs;

/// Modules that need tables or row formats: selected once, here.
#[cfg(feature = "frames")]
#[path = "."]
mod frames {
    pub(crate) mod answer_stream;
    pub(crate) mod archive;
    pub(crate) mod columns;
    pub mod conversation;
    pub(crate) mod dedup;
    pub(crate) mod encoding;
    pub(crate) mod error;
    pub(crate) mod format;
    pub(crate) mod group;
    pub(crate) mod layout;
    pub(crate) mod non_finite;
    pub(crate) mod path;
    pub(crate) mod places;
    pub(crate) mod provider;
    pub(crate) mod python;
    pub(crate) mod read;
    pub(crate) mod rejection;
    pub(crate) mod shape;
    pub(crate) mod split;
    pub mod stream;
    pub(crate) mod table;
    pub(crate) mod vocabulary;
    pub(crate) mod write;

    pub use self::answer_stream::AnswerStream;
    pub use self::columns::{Columns, lookup, require_column};
    pub use self::dedup::deduplicate;
    pub use self::error::{DataError, UnknownLabel};
    pub use self::format::Format;
    pub use self::group::find_groups;
    pub use self::layout::{LAYOUTS, Layout, LayoutChoice, Role};
    pub use self::path::{Path, Step};
    pub use self::provider::{ProviderAnswer, answer_in, provider_answer, written_answer};
    pub use self::read::{Corpus, Exchanges, ReadOptions, ReadSummary, TextReader, Texts, json_row, read};
    pub use self::rejection::Rejection;
    pub use self::split::{assign_folds, assign_holdout, resampled, shuffled};
    pub use self::table::{Frame, FrameReader, FrameWriter, Values, to_rows};
    pub use self::vocabulary::{LabelVocabulary, Meaning};
    pub use self::write::{
        Packing, check_output, convert_lines, rejected_path, remove_stale, write_rejected, write_rows,
    };
}

pub use atomic::{AtomicDir, AtomicFile, remove_unfinished};
pub use context::{Context, Mode};
pub use destination::{
    Destination, create_beside, destroyed, is_stdout, open_existing, remove_orphans, sync_name,
};
#[cfg(feature = "frames")]
pub use frames::*;
pub use label::{Kind, KindPolicy, Label, Labelled};
pub use labeller::{LABELLED_BY_DEMUR, LabelledBy, Labeller};
pub use lock::Lock;
pub use normalise::normalise;
pub use record::{Input, Place, Record, Turn};
pub use signs::Signs;
