//! Writing rows: whole files or nothing, with the rejected rows beside them.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use crate::shape::{Shape, frame};
use crate::{AtomicFile, DataError, Destination, Format, FrameWriter, Rejection, is_stdout};

type Row = Map<String, Value>;

/// How many rows of a file are in memory at a time, and the bytes after which a slice ends earlier.
const SLICE: usize = 1 << 15;
const SLICE_BYTES: usize = 1 << 23;

/// The most columns of a table, and the most cells in memory at a time.
const MOST_COLUMNS: usize = 10_000;
const CELLS: usize = 1 << 22;

/// Writes rows to a file, or to standard output for `-`.
///
/// The format is the requested one, otherwise the path's (JSON Lines for `-`). A final `.gz` or `.zst` in the
/// name of a text format compresses. CSV and TSV have the union of the rows' keys as columns, in order of
/// first appearance, with null as an empty cell and lists and objects as JSON text. Parquet and Arrow have a
/// column's common type, or JSON text if there is none. The same rows produce the same bytes. A file appears
/// when it is complete.
///
/// # Errors
/// If the format is unknown or does not allow the compression, or the file cannot be written.
pub fn write_rows(path: &Path, format: Option<Format>, rows: &[Row]) -> Result<(), DataError> {
    let file = || path.to_string_lossy().into_owned();
    let is_stdout = is_stdout(path);
    let (format, packing) = output_format(path, format)?;
    let write = || {
        if is_stdout {
            let mut out = io::BufWriter::new(io::stdout().lock());
            encode(format, &|each| each(rows), &mut out)?;
            return out.flush();
        }
        let mut out = AtomicFile::create(path)?;
        packing.write(&mut out, |out| encode(format, &|each| each(rows), out))?;
        out.commit()
    };
    write().map_err(|cause| DataError::Write { file: file(), cause })
}

/// Writes the rows of a JSON Lines file in another format, as [`write_rows`] does, with a few thousand of
/// them in memory at a time. `name` is the output's final name: it determines the compression and, unless one
/// is requested, the format.
///
/// # Errors
/// If a line is not a JSON object, or something cannot be read or written.
pub fn convert_lines(
    lines: &Path,
    format: Option<Format>,
    name: &Path,
    out: &mut dyn Write,
) -> Result<(), DataError> {
    let (format, packing) = output_format(name, format)?;
    let slices = |each: &mut dyn FnMut(&[Row]) -> io::Result<()>| {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for line in BufReader::new(fs::File::open(lines)?).lines() {
            let line = line?;
            bytes += line.len();
            rows.push(serde_json::from_str(&line)?);
            if rows.len() == SLICE || bytes >= SLICE_BYTES {
                each(&rows)?;
                rows.clear();
                bytes = 0;
            }
        }
        each(&rows)
    };
    packing
        .write(out, |out| encode(format, &slices, out))
        .map_err(|cause| DataError::Write { file: name.to_string_lossy().into_owned(), cause })
}

/// Checks the format and compression in the name of an output. Call it before the work, so that a wrong name
/// is reported before the work and not after.
///
/// # Errors
/// [`DataError::UnknownOutput`], [`DataError::CompressedTable`].
pub fn check_output(path: &Path) -> Result<(), DataError> {
    output_format(path, None).map(|_| ())
}

fn output_format(path: &Path, format: Option<Format>) -> Result<(Format, Packing), DataError> {
    let file = || path.to_string_lossy().into_owned();
    let by_name = || if is_stdout(path) { Some(Format::Jsonl) } else { Format::of_path(path) };
    let format = format.or_else(by_name).ok_or_else(|| DataError::UnknownOutput { file: file() })?;
    if format == Format::Txt {
        return Err(DataError::UnknownOutput { file: file() });
    }
    let packing = Packing::of(path);
    if matches!(format, Format::Parquet | Format::Arrow) && packing != Packing::None {
        return Err(DataError::CompressedTable { file: file(), format });
    }
    Ok((format, packing))
}

/// Where the rejected rows of an output are written: `OUTPUT.rejected.jsonl`.
#[must_use]
pub fn rejected_path(output: &Path) -> PathBuf {
    // By components, so that a slash after a folder's name does not put the sidecar into the folder.
    let mut name = output.components().collect::<PathBuf>().into_os_string();
    name.push(".rejected.jsonl");
    name.into()
}

/// Writes the rejected rows beside an output and returns the path. If there are none, a sidecar of an earlier
/// run is removed, because it would describe another output.
///
/// Standard output (`-`), a device or a pipe has no place for a sidecar: nothing is written, and the caller
/// must report the rejected rows in another way.
///
/// # Errors
/// If the sidecar cannot be written or removed.
pub fn write_rejected(output: &Path, rejected: &[Rejection]) -> Result<Option<PathBuf>, DataError> {
    if matches!(Destination::of(output), Ok(Destination::Stdout | Destination::Special(_))) {
        return Ok(None);
    }
    let path = rejected_path(output);
    let write = || -> io::Result<()> {
        if rejected.is_empty() {
            return remove_stale(&path);
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

/// Removes a sidecar of an earlier run; anything but a regular file is ignored.
///
/// # Errors
/// If it cannot be removed.
pub fn remove_stale(sidecar: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(sidecar).is_ok_and(|meta| meta.is_file()) {
        return Ok(());
    }
    match fs::remove_file(sidecar) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The compression that a name requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// None.
    None,
    /// gzip, by `.gz`.
    Gzip,
    /// zstd, by `.zst`.
    Zstd,
}

impl Packing {
    /// By the ending of a path, ignoring case.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        match path.extension().map(OsStr::to_ascii_lowercase) {
            Some(ending) if ending == "gz" => Self::Gzip,
            Some(ending) if ending == "zst" => Self::Zstd,
            _ => Self::None,
        }
    }

    /// Compresses a block separately. Members of gzip and frames of zstd may follow each other, so blocks can
    /// be concatenated.
    ///
    /// # Errors
    /// If it cannot be compressed.
    pub fn pack(self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        if self == Self::None || bytes.is_empty() {
            return Ok(bytes);
        }
        let mut packed = Vec::new();
        self.write(&mut packed, |out| out.write_all(&bytes))?;
        Ok(packed)
    }

    /// Compresses what a function writes.
    ///
    /// # Errors
    /// If the function fails, or `out` cannot be written.
    pub fn write(
        self,
        mut out: &mut dyn Write,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        match self {
            Self::None => content(&mut out),
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

/// Calls a function with all rows, slice by slice; each call starts at the first row again.
type Slices<'a> = dyn Fn(&mut dyn FnMut(&[Row]) -> io::Result<()>) -> io::Result<()> + 'a;

fn encode(format: Format, rows: &Slices<'_>, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Json => json_array(rows, out),
        Format::Jsonl => rows(&mut |rows| {
            rows.iter().try_for_each(|row| {
                serde_json::to_writer(&mut *out, row)?;
                out.write_all(b"\n")
            })
        }),
        Format::Csv => separated(rows, b',', out),
        Format::Tsv => separated(rows, b'\t', out),
        Format::Ssv => separated(rows, b';', out),
        Format::Psv => separated(rows, b'|', out),
        // `output_format` refuses it; its rows are objects.
        Format::Txt => Err(io::Error::other("plain text holds no columns")),
        Format::Parquet | Format::Arrow => table(format, rows, out),
    }
}

/// One row per line even in an array, so that two versions of a file can be compared.
fn json_array(rows: &Slices<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut before: &[u8] = b"[\n";
    rows(&mut |rows| {
        rows.iter().try_for_each(|row| {
            out.write_all(std::mem::replace(&mut before, b",\n"))?;
            serde_json::to_writer(&mut *out, row).map_err(io::Error::from)
        })
    })?;
    out.write_all(if before == b"[\n" { b"[\n]\n" } else { b"\n]\n" })
}

fn separated(rows: &Slices<'_>, delimiter: u8, out: &mut dyn Write) -> io::Result<()> {
    let mut columns = Columns::default();
    rows(&mut |rows| columns.add(rows))?;
    if columns.names.is_empty() {
        return Ok(());
    }
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(out);
    writer.write_record(&columns.names)?;
    rows(&mut |rows| {
        for row in rows {
            let cells = columns.names.iter().map(|name| match row.get(name) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            });
            writer.write_record(cells.collect::<Vec<_>>())?;
        }
        Ok(())
    })?;
    writer.flush()
}

fn table(format: Format, rows: &Slices<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut columns = Columns::default();
    let mut shapes: Vec<Shape> = Vec::new();
    rows(&mut |rows| {
        columns.add(rows)?;
        shapes.resize(columns.names.len(), Shape::Null);
        for row in rows {
            for (name, value) in row {
                shapes[columns.places[name]].take(value);
            }
        }
        Ok(())
    })?;
    let mut writer: Option<FrameWriter<&mut dyn Write>> = None;
    let mut out = Some(out);
    let at_once = (CELLS / columns.names.len().max(1)).max(1);
    rows(&mut |rows| {
        // Even without rows the columns are written.
        let none = usize::from(rows.is_empty() && out.is_some());
        for rows in rows.chunks(at_once).chain(std::iter::repeat_n(&[][..], none)) {
            let frame = frame(rows, &columns.names, &shapes).map_err(io::Error::other)?;
            if let Some(out) = out.take() {
                writer = Some(FrameWriter::new(format, out, &frame)?);
            }
            writer.as_mut().map_or(Ok(()), |writer| writer.write(&frame))?;
        }
        Ok(())
    })?;
    writer.map_or(Ok(()), FrameWriter::finish)
}

/// All keys of the rows, in order of first appearance, and the index of each.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    places: FxHashMap<String, usize>,
}

impl Columns {
    fn add(&mut self, rows: &[Row]) -> io::Result<()> {
        for name in rows.iter().flat_map(Map::keys) {
            if !self.places.contains_key(name) {
                self.places.insert(name.clone(), self.names.len());
                self.names.push(name.clone());
            }
        }
        if self.names.len() > MOST_COLUMNS {
            let reason = format!(
                "the rows have more than {MOST_COLUMNS} columns, for their keys are ever new; write JSON Lines, or put the \
                 keys into one object"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
