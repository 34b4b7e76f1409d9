//! The summary of a read: every row is counted as kept, rejected or dropped.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// What became of the rows: `read` = `kept` + `rejected` + the sum of `dropped`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReadSummary {
    /// Files read.
    pub files: usize,
    /// Rows found.
    pub read: usize,
    /// Rows that became records.
    pub kept: usize,
    /// Bad rows.
    pub rejected: usize,
    /// Good rows left out on purpose, by reason: `no label`, `kind dontknow`, `label says drop`, ...
    pub dropped: BTreeMap<String, usize>,
    /// What files were read as, other than their names say: `OpenAI batch output`, `UTF-16`, ...
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_as: Vec<String>,
}

impl fmt::Display for ReadSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, read, kept, rejected, dropped, read_as } = self;
        let (rows, of) =
            (if *read == 1 { "row" } else { "rows" }, if *files == 1 { "file" } else { "files" });
        write!(f, "{read} {rows} read from {files} {of}: {kept} kept, {rejected} rejected")?;
        write!(f, ", {} dropped", dropped.values().sum::<usize>())?;
        if !dropped.is_empty() {
            let reasons: Vec<String> = dropped.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
            write!(f, " ({})", reasons.join(", "))?;
        }
        if !read_as.is_empty() {
            write!(f, "; read as: {}", read_as.join(", "))?;
        }
        Ok(())
    }
}
