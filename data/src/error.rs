//! What can go wrong with a file as a whole. A bad row is a [`Rejection`], not an error.

use std::fmt::Write;
use std::io;

use crate::read::pairs;
use crate::{Format, ReadSummary, Rejection};

/// A file, a column or a request that cannot be used. Each message says what, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// No file was named.
    #[error("no input; name at least one file, or `-` for standard input")]
    NoInput,
    /// A file could not be opened or read.
    #[error("cannot read {file}: {cause}; check the path and its permissions")]
    Read {
        /// The file as the user named it.
        file: String,
        /// The system's error.
        cause: io::Error,
    },
    /// A file could not be written; nothing half-written was left behind.
    #[error("cannot write {file}: {cause}")]
    Write {
        /// The file as the user named it.
        file: String,
        /// The system's error.
        cause: io::Error,
    },
    /// Compressed data that ends early or is damaged.
    #[error("{file}: the {kind} data is cut short or damaged ({cause}); fetch or compress the file again")]
    Compression {
        /// The file as the user named it.
        file: String,
        /// `gzip` or `zstd`.
        kind: &'static str,
        /// The decoder's error.
        cause: io::Error,
    },
    /// Neither the name nor the content of a file shows its format.
    #[error(
        "cannot tell the format of {file} from its name or content; say which it is: json, jsonl, csv, tsv, txt or \
         parquet (`--format`)"
    )]
    UnknownFormat {
        /// The file as the user named it.
        file: String,
    },
    /// A folder without a readable file.
    #[error("{folder}: there is no file with a known ending in it (jsonl, json, csv, tsv, parquet, arrow)")]
    NoKnownFile {
        /// The folder as the user named it.
        folder: String,
    },
    /// A pattern that names no file.
    #[error("{pattern}: {reason}")]
    Pattern {
        /// The pattern as the user wrote it.
        pattern: String,
        /// Why it matches nothing.
        reason: String,
    },
    /// The name of an output does not show its format.
    #[error(
        "{file}: the name does not tell the format of the output; end it in .jsonl, .json, .csv, .tsv, .parquet or \
         .arrow (.gz or .zst behind the text ones compresses)"
    )]
    UnknownOutput {
        /// The file as the user named it.
        file: String,
    },
    /// An unknown format name.
    #[error("no format is called `{name}`; use json, jsonl, csv, tsv, ssv, psv, txt, parquet or arrow")]
    UnknownFormatName {
        /// The name given.
        name: String,
    },
    /// Text that is not UTF-8.
    #[error(
        "{file}:{line}: invalid UTF-8 at byte {byte} of the text; convert the file to UTF-8 first, for example \
         with `iconv -f ISO-8859-1 -t UTF-8`"
    )]
    InvalidUtf8 {
        /// The file as the user named it.
        file: String,
        /// 1-based line of the first bad byte.
        line: usize,
        /// 0-based offset of the first bad byte in the decompressed text.
        byte: usize,
    },
    /// A file whose structure is broken, so that it cannot be parsed into rows.
    #[error("{file}:{line}:{column}: {reason}; repair the file there")]
    Syntax {
        /// The file as the user named it.
        file: String,
        /// 1-based line.
        line: usize,
        /// 1-based column.
        column: usize,
        /// The parser's error.
        reason: String,
    },
    /// JSON that holds no rows.
    #[error(
        "{file}: the JSON is one {found}, not an array of rows; write `[{{...}}, {{...}}]`, or one object a line \
         and `--format jsonl`"
    )]
    NotAnArray {
        /// The file as the user named it.
        file: String,
        /// What it is instead.
        found: &'static str,
    },
    /// One JSON object whose rows are not where they were looked for.
    #[error("{}", rows_elsewhere(file, asked.as_deref(), found))]
    RowsElsewhere {
        /// The file as the user named it.
        file: String,
        /// The path that was named, if one was.
        asked: Option<String>,
        /// The paths of the lists of objects in it.
        found: Vec<String>,
    },
    /// Two columns with the same name.
    #[error("{file}: the header names the column `{column}` twice; rename one of them")]
    DuplicateColumn {
        /// The file as the user named it.
        file: String,
        /// The name.
        column: String,
    },
    /// A Parquet or Arrow file that is cut short, damaged or of a type that cannot be read.
    #[error("{file}: cannot be read as {} ({reason}); if it was cut short, fetch or write it again", title(*.format))]
    Table {
        /// The file as the user named it.
        file: String,
        /// What it should be.
        format: Format,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that decodes to more than the limit.
    #[error("{file}: {reason}")]
    TooLarge {
        /// The file as the user named it.
        file: String,
        /// How much it is, and the limit.
        reason: String,
    },
    /// A file without rows.
    #[error("{file} holds no row; check that it is the right file and was written to its end")]
    Empty {
        /// The file as the user named it.
        file: String,
    },
    /// A column that the user named and no row has.
    #[error(
        "{file}: no row has the column `{column}`, named for `{role}`; the columns are: {}",
        existing.join(", ")
    )]
    UnknownColumn {
        /// The file as the user named it.
        file: String,
        /// The field that the column was named for (`prompt`, `label`, ...).
        role: &'static str,
        /// The name given.
        column: String,
        /// The columns that the file has, nested ones as dotted paths.
        existing: Vec<String>,
    },
    /// A text that is needed, in a file that has no column for it.
    #[error("{file}: no column holds the {role}; the columns are: {}", existing.join(", "))]
    NoTextColumn {
        /// The file as the user named it.
        file: String,
        /// The text: `prompt` or `response`.
        role: &'static str,
        /// The columns that the file has, nested ones as dotted paths.
        existing: Vec<String>,
    },
    /// Label values that the vocabulary does not know.
    #[error("{}", unknown_labels(file, column, values))]
    UnknownLabels {
        /// The file as the user named it.
        file: String,
        /// The column that holds them.
        column: String,
        /// The values, the most frequent first.
        values: Vec<UnknownLabel>,
    },
    /// Rows were read, and none could be kept.
    #[error("{}", nothing_kept(summary, first))]
    NothingKept {
        /// How many rows were read, kept, rejected and dropped.
        summary: Box<ReadSummary>,
        /// The first rejections, at most three.
        first: Vec<Rejection>,
    },
    /// A split that cannot be made.
    #[error("cannot split: {reason}")]
    Split {
        /// Why, and what to do.
        reason: String,
    },
    /// A compression that the format does not allow.
    #[error("{file}: {} compresses by itself or not at all; drop the `.gz` or `.zst` behind the name", title(*.format))]
    CompressedTable {
        /// The file as the user named it.
        file: String,
        /// The format.
        format: Format,
    },
}

/// The name of a table format, for messages.
const fn title(format: Format) -> &'static str {
    match format {
        Format::Arrow => "Arrow",
        _ => "Parquet",
    }
}

/// A label value outside the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownLabel {
    /// The value as it is in the file.
    pub value: String,
    /// In how many rows.
    pub count: usize,
    /// The line of the first of them.
    pub first_line: usize,
}

fn rows_elsewhere(file: &str, asked: Option<&str>, found: &[String]) -> String {
    let listed = found.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
    match (asked, found) {
        (Some(asked), []) => {
            format!("{file}: the JSON object has nothing at `{asked}`, and no list of objects")
        }
        (Some(asked), _) => {
            format!("{file}: the JSON object has no rows at `{asked}`; it has lists of objects at {listed}")
        }
        (None, found) => format!(
            "{file}: the JSON object has several lists of objects, at {listed}; say which are the rows, for example \
             `--rows {}`",
            found.first().map_or("PATH", String::as_str)
        ),
    }
}

const LISTED: usize = 12;

fn unknown_labels(file: &str, column: &str, values: &[UnknownLabel]) -> String {
    let mut text = format!("{file}: the label column `{column}` holds values of unknown meaning:");
    for (n, UnknownLabel { value, count, first_line }) in values.iter().take(LISTED).enumerate() {
        let comma = if n == 0 { "" } else { "," };
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{comma} `{value}` ({count}x, first at line {first_line})");
    }
    if values.len() > LISTED {
        let _ = write!(text, " and {} more", values.len() - LISTED);
    }
    if values.iter().any(|unknown| pairs(&unknown.value).is_some()) {
        text.push_str("; where a value counts labels (`a=3;b=1`), give each name in it a meaning");
    }
    let names = values.iter().take(LISTED).flat_map(|unknown| match pairs(&unknown.value) {
        Some(pairs) => pairs.into_iter().map(|(name, _)| name.to_owned()).collect(),
        None => vec![unknown.value.clone()],
    });
    let mut flags: Vec<String> = Vec::new();
    for name in names.map(|name| format!("--label-map '{}=MEANING'", name.replace('\'', "'\\''"))) {
        if !flags.contains(&name) {
            flags.push(name);
        }
    }
    let _ = write!(text, "; say what each means: `{}`", flags.join(" "));
    text.push_str(
        ", or a `[labels]` table in the recipe, where MEANING \
         is refused, complied, drop or a kind (disclaimed, contradicted, redirected, counseling, rejected, \
         dontknow, incoherent) and `*` in place of a value matches all others, or name another label column",
    );
    text
}

fn nothing_kept(summary: &ReadSummary, first: &[Rejection]) -> String {
    let mut text = format!("no row can be used: {summary}");
    for rejection in first {
        let _ = write!(text, "; {rejection}");
    }
    text.push_str(
        "; check which columns hold what (`--prompt-column`, `--response-column`, `--label-column`)",
    );
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::{DataError, UnknownLabel};

    #[test]
    fn many_unknown_labels_are_cut_short() {
        let values = (0..15)
            .map(|n| UnknownLabel { value: format!("v{n}"), count: 15 - n, first_line: n + 1 })
            .collect();
        let error = DataError::UnknownLabels { file: "a.csv".into(), column: "tone".into(), values };
        let text = error.to_string();
        assert!(text.contains("`v0` (15x, first at line 1), `v1`"), "{text}");
        assert!(
            text.contains("`v11` (4x, first at line 12) and 3 more; say what each means: `--label-map"),
            "{text}"
        );
        assert!(text.contains("--label-map 'v0=MEANING' --label-map 'v1=MEANING'"), "{text}");
    }
}
