//! A file's bytes after decompression, its format and its text: one rule for each, shared by all readers.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use crate::archive::{Samples, ZIP};
use crate::columns::is_text_name;
use crate::encoding::{Encoding, SHOWN, decoded};
use crate::non_finite::as_null;
use crate::stream::is_one_value;
use crate::{DataError, Format};

/// One input, loaded.
#[derive(Debug)]
pub(super) struct Source {
    /// The path as the user gave it.
    pub(super) file: Arc<str>,
    /// The decompressed content; text as UTF-8.
    pub(super) bytes: Vec<u8>,
    /// The encoding of the text, if it is another.
    pub(super) encoding: Option<Encoding>,
}

impl Source {
    /// Loads a file, or standard input for `-`. Compression is detected from the first bytes, never from the
    /// name.
    pub(super) fn load(path: &Path) -> Result<Self, DataError> {
        let file: Arc<str> = path.to_string_lossy().into();
        let loaded = if path == Path::new("-") {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            fs::read(path)
        };
        let bytes = loaded.map_err(|cause| DataError::Read { file: file.to_string(), cause })?;
        let (bytes, encoding) = decode(decompress(bytes, &file)?, &file)?;
        Ok(Self { file, bytes, encoding })
    }

    /// The format: the requested one, otherwise by content and name.
    pub(super) fn format(&self, asked: Option<Format>) -> Result<Format, DataError> {
        match asked {
            Some(format) => Ok(format),
            None if self.bytes.is_empty() => Err(DataError::Empty { file: self.file.to_string() }),
            None => format_of(&self.file, &self.bytes, &|| Ok(Box::new(self.bytes.as_slice()))),
        }
    }

    /// The content as text, without a byte order mark.
    pub(super) fn text(&self) -> Result<&str, DataError> {
        text(&self.bytes, &self.file)
    }
}

/// Bytes as text, without a byte order mark.
pub(crate) fn text<'b>(bytes: &'b [u8], file: &str) -> Result<&'b str, DataError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let byte = error.valid_up_to();
            let line = 1 + bytes[..byte].iter().filter(|&&byte| byte == b'\n').count();
            Err(DataError::InvalidUtf8 { file: file.to_owned(), line, byte })
        }
    }
}

/// Opens a text again from its start, as UTF-8.
pub(crate) type Open<'o> = dyn Fn() -> io::Result<Box<dyn Read + Send + 'o>> + 'o;

/// The format of a file by its first bytes, which may be all of it, and by its name; `open` opens it again if
/// more must be seen.
///
/// Parquet and Arrow are recognised by their magic bytes, whatever the name. Many `.json` files hold JSON
/// Lines and many `.jsonl` files one value over several lines, so the content decides between the two.
pub(crate) fn format_of(file: &str, start: &[u8], open: &Open<'_>) -> Result<Format, DataError> {
    let found = Format::of_content(start);
    if let Some(table @ (Format::Parquet | Format::Arrow)) = found {
        return Ok(table);
    }
    let named = Format::of_path(Path::new(file));
    let is_one =
        || open().map(is_one_value).map_err(|cause| DataError::Read { file: file.to_owned(), cause });
    let one_or_lines = || Ok(if is_one()? { Format::Json } else { Format::Jsonl });
    match (named, found) {
        (None | Some(Format::Txt | Format::Json), Some(Format::Json)) => Ok(Format::Json),
        // A broken first line is a fault of the array or object that it begins.
        (Some(Format::Json), Some(Format::Jsonl)) if !first_line_is_an_object(start) => Ok(Format::Json),
        (None | Some(Format::Txt | Format::Json), Some(Format::Jsonl))
        | (Some(Format::Jsonl), Some(Format::Json | Format::Jsonl)) => one_or_lines(),
        (None | Some(Format::Txt), _) => match (separated(start), named) {
            (Some(format), _) => Ok(format),
            (None, Some(named)) => Ok(named),
            (None, None) => Err(DataError::UnknownFormat { file: file.to_owned() }),
        },
        (Some(format), _) => Ok(format.of_header(start)),
    }
}

/// The separated format of a text whose name does not say it, if its first line is plainly a header: several
/// names, one of them a usual one of a prompt, an answer or a chat.
pub(crate) fn separated(start: &[u8]) -> Option<Format> {
    const LONGEST: usize = 40;
    let text = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start);
    let line = std::str::from_utf8(text.split(|&byte| byte == b'\n').next()?).ok()?.trim_end();
    let is_name = |name: &str| {
        let is_within = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | ' ');
        !name.is_empty() && name.len() <= LONGEST && name.chars().all(is_within)
    };
    [Format::Csv, Format::Tsv, Format::Ssv, Format::Psv].into_iter().find(|format| {
        let separator = char::from(format.delimiter().unwrap_or(b','));
        let names: Vec<&str> = line.split(separator).map(|name| name.trim().trim_matches('"')).collect();
        names.len() > 1
            && names.iter().all(|name| is_name(name))
            && names.iter().any(|name| is_text_name(name))
    })
}

/// Whether the first line is an object. If the start of a file does not contain the whole first line, it is
/// taken for one, because a pretty-printed object has short lines.
fn first_line_is_an_object(start: &[u8]) -> bool {
    let text = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start).trim_ascii_start();
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    match serde_json::from_slice::<serde_json::Map<_, _>>(&as_null(line)) {
        Ok(_) => true,
        Err(error) => error.is_eof() && line.len() == text.len() && line.len() > 1 << 12,
    }
}

/// Counts the bytes read from a file, so that progress is known for compressed files too.
struct Counted<R>(R, Arc<AtomicU64>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(into)?;
        self.1.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Opens a file, or standard input for `-`, and decompresses it while it is read, as its first bytes
/// indicate. `read` counts the bytes read from the file.
pub(crate) fn open(path: &Path, read: &Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
    let raw: Box<dyn Read + Send> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut raw = BufReader::with_capacity(1 << 16, Counted(raw, Arc::clone(read)));
    let start = raw.fill_buf()?;
    if start.starts_with(&ZIP) {
        if path == Path::new("-") {
            return Err(io::Error::other("a zip archive cannot be read from a pipe; name the file"));
        }
        read.fetch_add(fs::metadata(path)?.len(), Ordering::Relaxed);
        return Ok(Box::new(Samples::open(File::open(path)?)?));
    }
    Ok(if start.starts_with(&GZIP) {
        Box::new(MultiGzDecoder::new(raw))
    } else if start.starts_with(&ZSTD) {
        Box::new(zstd::stream::read::Decoder::with_buffer(raw)?)
    } else {
        Box::new(raw)
    })
}

/// The first bytes of a compressed file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A compressed file whose text is longer than this, and longer than [`MOST_FOLD`] times its own size, is
/// refused as a likely decompression bomb. Tables have the same limit.
const MOST_BYTES: u64 = 1 << 28;
const MOST_FOLD: u64 = 1 << 10;

/// Text as UTF-8, and its encoding if it is written in another. Tables stay as they are.
fn decode(bytes: Vec<u8>, file: &str) -> Result<(Vec<u8>, Option<Encoding>), DataError> {
    let start = &bytes[..bytes.len().min(SHOWN)];
    if Encoding::of(start).is_none()
        || matches!(Format::of_content(start), Some(Format::Parquet | Format::Arrow))
    {
        return Ok((bytes, None));
    }
    let mut text = Vec::new();
    let decoded =
        decoded(BufReader::with_capacity(SHOWN, bytes.as_slice())).and_then(|(mut source, encoding)| {
            source.read_to_end(&mut text)?;
            Ok(encoding)
        });
    let encoding = decoded.map_err(|cause| DataError::Read { file: file.to_owned(), cause })?;
    Ok((text, encoding))
}

fn decompress(bytes: Vec<u8>, file: &str) -> Result<Vec<u8>, DataError> {
    let mut text = Vec::new();
    let (size, packed) = (bytes.len() as u64, bytes.as_slice());
    let most = MOST_BYTES.max(size.saturating_mul(MOST_FOLD));
    // One byte more than the limit shows that there is more.
    let limit = most.saturating_add(1);
    let (kind, outcome) = if packed.starts_with(&ZIP) {
        let samples = Samples::open(io::Cursor::new(packed));
        let outcome = samples.and_then(|samples| samples.take(limit).read_to_end(&mut text));
        outcome.map_err(|cause| DataError::Read { file: file.to_owned(), cause })?;
        ("zip", Ok(text.len()))
    } else if packed.starts_with(&GZIP) {
        ("gzip", MultiGzDecoder::new(packed).take(limit).read_to_end(&mut text))
    } else if packed.starts_with(&ZSTD) {
        let decoder = zstd::stream::read::Decoder::with_buffer(packed);
        ("zstd", decoder.and_then(|decoder| decoder.take(limit).read_to_end(&mut text)))
    } else {
        return Ok(bytes);
    };
    outcome.map_err(|cause| DataError::Compression { file: file.to_owned(), kind, cause })?;
    if text.len() as u64 > most {
        let reason = format!(
            "its {size} bytes decode to more than {most}; the limit is {MOST_BYTES} bytes, or {MOST_FOLD} times the file's size if \
             that is more"
        );
        return Err(DataError::TooLarge { file: file.to_owned(), reason });
    }
    Ok(text)
}
