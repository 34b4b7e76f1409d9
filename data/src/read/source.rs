//! A file's bytes, decompressed, and its text.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use crate::{DataError, Format};

/// One input, loaded.
#[derive(Debug)]
pub(super) struct Source {
    /// The path as the user gave it.
    pub(super) file: Arc<str>,
    /// The decompressed content.
    pub(super) bytes: Vec<u8>,
}

impl Source {
    /// Loads a file, or standard input for `-`. Compression is told by the first bytes, never by the name.
    pub(super) fn load(path: &Path) -> Result<Self, DataError> {
        let file: Arc<str> = path.to_string_lossy().into();
        let loaded = if path == Path::new("-") {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            fs::read(path)
        };
        let bytes = loaded.map_err(|cause| DataError::Read { file: file.to_string(), cause })?;
        Ok(Self { bytes: decompress(bytes, &file)?, file })
    }

    /// The format: the one asked for, else the name's, else the content's.
    ///
    /// Parquet and Arrow are known by their marks whatever the name; and many a `.json` holds JSON Lines, which is told by
    /// a first line that is an object by itself.
    pub(super) fn format(&self, asked: Option<Format>) -> Result<Format, DataError> {
        if let Some(format) = asked {
            return Ok(format);
        }
        if self.bytes.is_empty() {
            return Err(DataError::Empty { file: self.file.to_string() });
        }
        let found = Format::of_content(&self.bytes);
        if let Some(table @ (Format::Parquet | Format::Arrow)) = found {
            return Ok(table);
        }
        match Format::of_path(Path::new(&*self.file)) {
            Some(Format::Json) if found == Some(Format::Jsonl) && self.first_line_is_an_object() => {
                Ok(Format::Jsonl)
            }
            Some(format) => Ok(format),
            None => found.ok_or_else(|| DataError::UnknownFormat { file: self.file.to_string() }),
        }
    }

    /// The content as text, without a byte order mark.
    pub(super) fn text(&self) -> Result<&str, DataError> {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Err(error) => {
                let byte = error.valid_up_to();
                let line = 1 + self.bytes[..byte].iter().filter(|&&byte| byte == b'\n').count();
                Err(DataError::InvalidUtf8 { file: self.file.to_string(), line, byte })
            }
        }
    }

    fn first_line_is_an_object(&self) -> bool {
        self.text().is_ok_and(|text| {
            let line = text.trim_start().lines().next().unwrap_or_default();
            serde_json::from_str::<serde_json::Map<_, _>>(line).is_ok()
        })
    }
}

fn decompress(bytes: Vec<u8>, file: &str) -> Result<Vec<u8>, DataError> {
    let mut text = Vec::new();
    let (kind, outcome) = if bytes.starts_with(&[0x1f, 0x8b]) {
        ("gzip", flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text))
    } else if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let decoder = zstd::stream::read::Decoder::with_buffer(bytes.as_slice());
        ("zstd", decoder.and_then(|mut decoder| decoder.read_to_end(&mut text)))
    } else {
        return Ok(bytes);
    };
    outcome.map_err(|cause| DataError::Compression { file: file.to_owned(), kind, cause })?;
    Ok(text)
}
