//! The file formats: recognised by name, by path, or by content.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::DataError;

/// How rows are laid out in a file. Compression is separate: when reading, gzip and zstd are recognised by
/// their first bytes; when writing, they are chosen by a final `.gz` or `.zst` of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One array of objects.
    Json,
    /// One object per line.
    Jsonl,
    /// Comma-separated, with a header; quoting as in RFC 4180.
    Csv,
    /// As `Csv`, separated by tabs.
    Tsv,
    /// As `Csv`, separated by semicolons, as spreadsheets write it where the comma is in numbers.
    Ssv,
    /// As `Csv`, separated by vertical bars.
    Psv,
    /// Plain text, one prompt or answer a line. Only read: its rows are written as JSON Lines.
    Txt,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow's stream of record batches. When reading also its file format, which contains such a
    /// stream.
    Arrow,
}

impl Format {
    /// The format of a path's ending (`.json`, `.jsonl`, `.ndjson`, `.csv`, `.tsv`, `.psv`, `.txt`,
    /// `.parquet`, `.pq`, `.arrow`, `.arrows`, with or without a final `.gz` or `.zst`), if it is a known
    /// one.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_lowercase();
        let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        name.rsplit_once('.')?.1.parse().ok()
    }

    /// The format that content starts like: the magic bytes of Parquet and Arrow, `[` of a JSON array, `{` of
    /// JSON Lines.
    #[must_use]
    pub fn of_content(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"PAR1") {
            return Some(Self::Parquet);
        }
        if bytes.starts_with(b"ARROW1") || bytes.starts_with(&[0xff; 4]) {
            return Some(Self::Arrow);
        }
        let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        match text.iter().find(|byte| !byte.is_ascii_whitespace())? {
            b'[' => Some(Self::Json),
            b'{' => Some(Self::Jsonl),
            _ => None,
        }
    }

    /// The character between the fields of a row; `None` if a row has named fields.
    #[must_use]
    pub const fn delimiter(self) -> Option<u8> {
        match self {
            Self::Csv => Some(b','),
            Self::Tsv => Some(b'\t'),
            Self::Ssv => Some(b';'),
            Self::Psv => Some(b'|'),
            Self::Json | Self::Jsonl | Self::Txt | Self::Parquet | Self::Arrow => None,
        }
    }

    /// The format that its rows have once they are read: lines of plain text are objects then.
    #[must_use]
    pub const fn of_rows(self) -> Self {
        match self {
            Self::Txt => Self::Jsonl,
            other => other,
        }
    }

    /// The separated format of a text that is called CSV, by its header: the comma, unless the header has
    /// none but another separator.
    #[must_use]
    pub(crate) fn of_header(self, start: &[u8]) -> Self {
        let header = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let mut quoted = false;
        let mut has = [false; 4];
        for &byte in header {
            quoted ^= byte == b'"';
            for (has, separator) in has.iter_mut().zip(*b",;\t|") {
                *has |= !quoted && byte == separator;
            }
        }
        match (self, has) {
            (Self::Csv, [false, true, ..]) => Self::Ssv,
            (Self::Csv, [false, false, true, _]) => Self::Tsv,
            (Self::Csv, [false, false, false, true]) => Self::Psv,
            (other, _) => other,
        }
    }

    /// The name used on the command line and in recipes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Ssv => "ssv",
            Self::Psv => "psv",
            Self::Txt => "txt",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, DataError> {
        match name.to_lowercase().as_str() {
            "json" => Ok(Self::Json),
            "jsonl" | "ndjson" => Ok(Self::Jsonl),
            "csv" => Ok(Self::Csv),
            "tsv" => Ok(Self::Tsv),
            "ssv" => Ok(Self::Ssv),
            "psv" => Ok(Self::Psv),
            "txt" => Ok(Self::Txt),
            "parquet" | "pq" => Ok(Self::Parquet),
            "arrow" | "arrows" => Ok(Self::Arrow),
            _ => Err(DataError::UnknownFormatName { name: name.to_owned() }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::path::Path;

    use super::Format;

    #[test]
    fn a_path_names_its_format_with_or_without_compression() {
        for (path, format) in [
            ("a/b.json", Some(Format::Json)),
            ("b.JSONL.gz", Some(Format::Jsonl)),
            ("b.ndjson.zst", Some(Format::Jsonl)),
            ("b.v2.csv", Some(Format::Csv)),
            ("b.tsv.gz", Some(Format::Tsv)),
            ("b.parquet", Some(Format::Parquet)),
            ("b.txt", Some(Format::Txt)),
            ("b.md", None),
            ("csv", None),
            ("-", None),
        ] {
            assert_eq!(Format::of_path(Path::new(path)), format, "{path}");
        }
    }

    #[test]
    fn content_names_its_format() {
        assert_eq!(Format::of_content("\u{feff} \n[{}]".as_bytes()), Some(Format::Json));
        assert_eq!(Format::of_content(b"{}"), Some(Format::Jsonl));
        assert_eq!(Format::of_content(b"PAR1.."), Some(Format::Parquet));
        assert_eq!(Format::of_content(b"ARROW1\0\0"), Some(Format::Arrow));
        assert_eq!(Format::of_content(b"prompt,response"), None);
    }

    #[test]
    fn a_header_names_its_separator() {
        for (header, format) in [
            ("a;b\n1,2;3", Format::Ssv),
            ("a\tb", Format::Tsv),
            ("a|b|c\n1,5|2|3", Format::Psv),
            ("a;b,c", Format::Csv),
            ("\"a;b\",c", Format::Csv),
            ("prompt", Format::Csv),
        ] {
            assert_eq!(Format::Csv.of_header(header.as_bytes()), format, "{header}");
        }
        assert_eq!(Format::Tsv.of_header(b"a;b"), Format::Tsv, "a name that says more is believed");
    }

    #[test]
    fn an_unknown_name_is_refused() {
        let message = "xlsx".parse::<Format>().unwrap_err().to_string();
        assert_eq!(
            message,
            "no format is called `xlsx`; use json, jsonl, csv, tsv, ssv, psv, txt, parquet or arrow"
        );
    }
}
