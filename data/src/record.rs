//! One row of a corpus, parsed once when it is read.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Context, Labelled, Mode, Signs};

/// Where a row was read: a file (`-` is standard input) and a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file's path as the user gave it.
    pub file: Arc<str>,
    /// 1-based line in the decompressed text; for Parquet the 1-based row.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One turn of a conversation that came before the prompt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Turn {
    /// `system`, `user`, `assistant` or whatever the source calls it.
    pub role: String,
    /// What was said.
    pub content: String,
}

/// What a model reads of a row. Anything may be missing, and a model reads only what it was fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Input<'a> {
    /// The prompt.
    pub prompt: Option<&'a str>,
    /// The target's answer.
    pub response: Option<&'a str>,
    /// The model that the prompt is sent to. A name that the scorer does not know is treated as missing.
    pub target: Option<&'a str>,
    /// The system prompt before the prompt.
    pub system: Option<&'a str>,
    /// Whether the target can act.
    pub mode: Mode,
}

impl<'a> Input<'a> {
    /// A prompt alone.
    #[must_use]
    pub const fn prompt(prompt: &'a str) -> Self {
        Self { prompt: Some(prompt), response: None, target: None, system: None, mode: Mode::Chat }
    }
}

/// One row: a prompt, a response or both, with what is known about them.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The row's own identifier.
    pub id: Option<String>,
    /// The prompt.
    pub prompt: Option<String>,
    /// The target's answer.
    pub response: Option<String>,
    /// What the provider says beside the answer, if it says anything.
    pub signs: Option<Box<Signs>>,
    /// System message and earlier turns, oldest first.
    pub context: Vec<Turn>,
    /// What the prompt was sent in: the system prompt of its turns or of a column, and the mode.
    pub sent_in: Context,
    /// The model that the prompt was sent to.
    pub target: Option<String>,
    /// The data set that the row comes from.
    pub source: Option<String>,
    /// The data set's own category.
    pub category: Option<String>,
    /// The split that the file names for the row (`train`, `test`, ...).
    pub split: Option<String>,
    /// The group that the file names for the row; rows of one group always stay on one side of a split.
    pub group: Option<String>,
    /// The label, if the row has one.
    pub label: Option<Labelled>,
    /// Weight in training, 1 unless a column says otherwise.
    pub weight: f64,
    /// Where the row was read.
    pub place: Place,
    /// The row as it was in the file, kept if `ReadOptions::keep_rows` asks for it.
    pub row: Option<Box<Map<String, Value>>>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Place, Record};
    use crate::Context;

    /// A row with nothing but a place and perhaps a prompt.
    pub(crate) fn record(line: usize, prompt: Option<&str>) -> Record {
        Record {
            id: None,
            prompt: prompt.map(str::to_owned),
            response: None,
            signs: None,
            context: Vec::new(),
            sent_in: Context::default(),
            target: None,
            source: None,
            category: None,
            split: None,
            group: None,
            label: None,
            weight: 1.0,
            place: Place { file: "rows.jsonl".into(), line },
            row: None,
        }
    }

    #[test]
    fn a_place_reads_as_file_and_line() {
        assert_eq!(record(7, None).place.to_string(), "rows.jsonl:7");
    }
}
