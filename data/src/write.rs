//! Rows out: whole or not at all, and the bad rows beside them.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use rustc_hash::FxHashSet;
use serde_json::{Map, Value};

use crate::{AtomicFile, DataError, Format, Rejection, parquet};

type Row = Map<String, Value>;

/// Writes rows to a file, or to standard output for `-`.
///
/// The format is the one asked for, else the path's (JSON Lines for `-`); `.gz` or `.zst` behind the name of a
/// text format compresses. CSV and TSV have the union of the rows' keys as columns, in the order in which they
/// first appear, null as an empty cell and lists and objects as JSON text; Parquet has a column's common type,
/// or JSON text where there is none. The same rows give the same bytes. A file appears when it is complete.
///
/// # Errors
/// If the format is unknown or does not go with the compression, or the file cannot be written.
pub fn write_rows(path: &Path, format: Option<Format>, rows: &[Row]) -> Result<(), DataError> {
    let file = || path.to_string_lossy().into_owned();
    let is_stdout = path == Path::new("-");
    let (format, packing) = output_format(path, format)?;
    let write = || {
        if is_stdout {
            let mut out = io::BufWriter::new(io::stdout().lock());
            encode(format, rows, &mut out)?;
            return out.flush();
        }
        let mut out = AtomicFile::create(path)?;
        packing.write(&mut out, |out| encode(format, rows, out))?;
        out.commit()
    };
    write().map_err(|cause| DataError::Write { file: file(), cause })
}

/// The format and compression of an output, told from its name where no format is asked for. Call it before the
/// work, so that a wrong name is told before it and not after.
///
/// # Errors
/// [`DataError::UnknownOutput`], [`DataError::CompressedParquet`].
pub fn check_output(path: &Path) -> Result<(), DataError> {
    output_format(path, None).map(|_| ())
}

fn output_format(path: &Path, format: Option<Format>) -> Result<(Format, Packing), DataError> {
    let file = || path.to_string_lossy().into_owned();
    let by_name = || if path == Path::new("-") { Some(Format::Jsonl) } else { Format::of_path(path) };
    let format = format.or_else(by_name).ok_or_else(|| DataError::UnknownOutput { file: file() })?;
    let packing = Packing::of(path);
    if format == Format::Parquet && packing != Packing::None {
        return Err(DataError::CompressedParquet { file: file() });
    }
    Ok((format, packing))
}

/// Where the bad rows of an output go: `OUTPUT.rejected.jsonl`.
#[must_use]
pub fn rejected_path(output: &Path) -> PathBuf {
    // By components, so that a slash behind a folder's name does not put the sidecar into the folder.
    let mut name = output.components().collect::<PathBuf>().into_os_string();
    name.push(".rejected.jsonl");
    name.into()
}

/// Writes the bad rows beside an output and gives the path. When there are none, a sidecar of an earlier run
/// is removed, for it would tell of another output.
///
/// Beside standard output (`-`) there is no place: nothing is written, and it is for the caller to report the
/// bad rows in another way.
///
/// # Errors
/// If the sidecar cannot be written or removed.
pub fn write_rejected(output: &Path, rejected: &[Rejection]) -> Result<Option<PathBuf>, DataError> {
    if output == Path::new("-") {
        return Ok(None);
    }
    let path = rejected_path(output);
    let write = || -> io::Result<()> {
        if rejected.is_empty() {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let mut out = AtomicFile::create(&path)?;
        for rejection in rejected {
            serde_json::to_writer(&mut out, rejection)?;
            out.write_all(b"\n")?;
        }
        out.commit()
    };
    write().map_err(|cause| DataError::Write { file: path.to_string_lossy().into_owned(), cause })?;
    Ok((!rejected.is_empty()).then_some(path))
}

/// The compression that a name asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    fn of(path: &Path) -> Self {
        match path.extension().map(OsStr::to_ascii_lowercase) {
            Some(ending) if ending == "gz" => Self::Gzip,
            Some(ending) if ending == "zst" => Self::Zstd,
            _ => Self::None,
        }
    }

    fn write(
        self,
        out: &mut AtomicFile,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        match self {
            Self::None => content(out),
            Self::Gzip => {
                let mut packed = GzEncoder::new(out, flate2::Compression::default());
                content(&mut packed)?;
                packed.finish().map(drop)
            }
            Self::Zstd => {
                let mut packed = zstd::stream::write::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                content(&mut packed)?;
                packed.finish().map(drop)
            }
        }
    }
}

fn encode(format: Format, rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Json => json_array(rows, out),
        Format::Jsonl => json_lines(rows, out),
        Format::Csv => separated(rows, b',', out),
        Format::Tsv => separated(rows, b'\t', out),
        Format::Parquet => parquet::encode(rows, &columns(rows), out).map_err(io::Error::other),
    }
}

/// One row a line all the same, so that two versions of a file can be compared.
fn json_array(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"[")?;
    for (index, row) in rows.iter().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, row)?;
    }
    out.write_all(b"\n]\n")
}

fn json_lines(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    for row in rows {
        serde_json::to_writer(&mut *out, row)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn separated(rows: &[Row], delimiter: u8, out: &mut dyn Write) -> io::Result<()> {
    let columns = columns(rows);
    if columns.is_empty() {
        return Ok(());
    }
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(out);
    writer.write_record(&columns)?;
    for row in rows {
        let cells = columns.iter().map(|name| match row.get(*name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        });
        writer.write_record(cells.collect::<Vec<_>>())?;
    }
    writer.flush()
}

/// All keys of the rows, in the order in which they first appear.
fn columns(rows: &[Row]) -> Vec<&str> {
    let mut seen = FxHashSet::default();
    rows.iter().flat_map(Map::keys).map(String::as_str).filter(|key| seen.insert(*key)).collect()
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
