//! Reading corpora: from bytes to [`Record`]s, with a count of what became of every row.
//!
//! Four steps, one file each: [`source`] loads and decompresses; [`text`] and [`table`] split the bytes into
//! rows (text by the reader of [`stream`](crate::stream)); [`row`] converts each into a record (with
//! [`texts`], [`labels`] and [`counts`]); and this file counts. A file is held in memory while it is read.

pub(crate) mod context;
mod counts;
mod exchanges;
mod json;
mod labels;
mod row;
pub(crate) mod signs;
pub(crate) mod source;
mod summary;
mod table;
mod text;
mod texts;

use std::path::PathBuf;

use serde_json::{Map, Value};

pub(crate) use counts::pairs;
pub use exchanges::Exchanges;
pub(crate) use json::object;
pub use summary::ReadSummary;
pub use texts::{TextReader, Texts};

use crate::layout::Layout;
use crate::stream::Opening;
use crate::{Columns, DataError, Format, KindPolicy, LabelVocabulary, Labeller, Record, Rejection};
use row::{Fate, RowReader};
use source::Source;

/// How rows are read, and which are kept.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Which column holds what. Default: the usual names.
    pub columns: Columns,
    /// What label values mean. Default: the built-in vocabulary.
    pub labels: LabelVocabulary,
    /// The binary label of each kind. Default: the paper's policy.
    pub policy: KindPolicy,
    /// The format of all inputs. Default: by each name, otherwise by content.
    pub format: Option<Format>,
    /// The layout of their rows, and where these lie. Default: as each file shows.
    pub opening: Opening,
    /// Reject rows whose prompt is missing or blank. Default: false.
    pub need_prompt: bool,
    /// Reject rows without an answer: they have no field for it, and nothing says what came instead. An empty
    /// answer is one (an outage, a filter), and so is an error alone; both are read as an empty response.
    /// Default: false.
    pub need_response: bool,
    /// Require no text that every row of a file lacks: a file of prompts alone is accepted where responses
    /// are needed, and a file of responses alone where prompts are. Its rows then need the other text.
    /// Default: false.
    pub spare_absent: bool,
    /// Drop rows without a binary label: unlabelled ones, and those whose kind the policy leaves out.
    /// Default: false.
    pub need_label: bool,
    /// With `need_label`: rows whose kind has no binary label are kept anyway, for their kind.
    pub keep_kinds: bool,
    /// Who labelled the rows, overriding `labelled_by` and `labeller` columns; rows that a model of this
    /// program has labelled keep it as their labeller. Default: as the rows say, otherwise unknown.
    pub labelled_by: Option<Labeller>,
    /// Keep each row as it was in the file in [`Record::row`]. Default: false.
    pub keep_rows: bool,
}

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Corpus {
    /// The rows kept, in the order of the inputs.
    pub records: Vec<Record>,
    /// The bad rows, in the order of the inputs.
    pub rejected: Vec<Rejection>,
    /// How many rows were read, kept, rejected and dropped.
    pub summary: ReadSummary,
}

/// Rows of one file, after parsing.
#[derive(Debug, Default)]
struct Parsed {
    rows: Vec<RawRow>,
    /// Rows that could not be parsed into fields.
    rejected: Vec<Rejection>,
    /// Entries that are no rows.
    passed_over: usize,
    /// The layout of the rows.
    layout: Option<&'static Layout>,
    /// What the file was read as, other than its name says.
    read_as: Vec<String>,
}

/// A row that is an object, with the line on which it starts.
#[derive(Debug)]
struct RawRow {
    line: usize,
    fields: Map<String, Value>,
}

/// Reads files into one corpus; `-` is standard input.
///
/// # Errors
/// Everything that concerns a file as a whole: it cannot be read, decompressed or parsed, holds no rows,
/// lacks a named column, or has label values that the vocabulary does not know. Also if not a single row of
/// all files could be kept. A single bad row is not an error; see [`Corpus::rejected`].
pub fn read(inputs: &[PathBuf], options: &ReadOptions) -> Result<Corpus, DataError> {
    if inputs.is_empty() {
        return Err(DataError::NoInput);
    }
    let summary = ReadSummary { files: inputs.len(), ..ReadSummary::default() };
    let mut corpus = Corpus { records: Vec::new(), rejected: Vec::new(), summary };
    for input in inputs {
        read_source(&Source::load(input)?, options, &mut corpus)?;
    }
    if corpus.records.is_empty() {
        corpus.rejected.truncate(3);
        return Err(DataError::NothingKept { summary: Box::new(corpus.summary), first: corpus.rejected });
    }
    Ok(corpus)
}

fn read_source(source: &Source, options: &ReadOptions, corpus: &mut Corpus) -> Result<(), DataError> {
    let file = &source.file;
    let parsed = match source.format(options.format)? {
        format @ (Format::Parquet | Format::Arrow) => table::rows(&source.bytes, format, file, options)?,
        format => text::rows(source, format, options)?,
    };
    if parsed.rows.is_empty() && parsed.rejected.is_empty() {
        return Err(DataError::Empty { file: file.to_string() });
    }
    let reader = RowReader::new(file, &parsed.rows, parsed.layout, options)?;
    let summary = &mut corpus.summary;
    summary.read += parsed.rows.len() + parsed.rejected.len() + parsed.passed_over;
    if parsed.passed_over > 0 {
        *summary.dropped.entry("entry of another type".to_owned()).or_default() += parsed.passed_over;
    }
    for read_as in parsed.read_as {
        if !summary.read_as.contains(&read_as) {
            summary.read_as.push(read_as);
        }
    }
    let mut rejected = parsed.rejected;
    for row in parsed.rows {
        match reader.read(row) {
            Fate::Kept(record) => corpus.records.push(*record),
            Fate::Dropped(reason) => *corpus.summary.dropped.entry(reason).or_default() += 1,
            Fate::Rejected(rejection) => rejected.push(*rejection),
        }
    }
    corpus.summary.kept = corpus.records.len();
    corpus.summary.rejected += rejected.len();
    // Rows that could not be parsed come first so far; the report is in the order of the file.
    rejected.sort_by_key(|rejection| rejection.place.line);
    corpus.rejected.append(&mut rejected);
    Ok(())
}

/// A row of JSON by the names of its fields.
///
/// # Errors
/// What is wrong with it, and the row as far as it can be parsed: a value other than an object, or its text.
pub fn json_row(text: &str) -> Result<Map<String, Value>, (String, Value)> {
    json::row(text)
}

#[cfg(test)]
mod label_tests;
#[cfg(test)]
mod shared_tests;
#[cfg(test)]
mod tests;
