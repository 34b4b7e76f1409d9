//! Identifies an input by its content, so that an unfinished run is not resumed on other rows.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::SystemTime;

use demur_predictor::sha256;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How many bytes one core reads at a time.
const CHUNK: u64 = 1 << 23;

/// The content of a file: its length, and a digest of all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fingerprint {
    length: u64,
    sha256: String,
}

impl Fingerprint {
    /// Reads all of a file, on all cores.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Self::of_first(path, File::open(path)?.metadata()?.len())
    }

    /// Reads the beginning of a file.
    fn of_first(path: &Path, length: u64) -> io::Result<Self> {
        let chunk = |number: u64| -> io::Result<[u8; 32]> {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(number * CHUNK))?;
            let mut left = CHUNK.min(length - number * CHUNK);
            let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
            while left > 0 {
                let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let read = file.read(&mut buffer[..wanted])?;
                if read == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has become shorter"));
                }
                digest.update(&buffer[..read]);
                left -= read as u64;
            }
            Ok(digest.finalize().into())
        };
        let chunks: Vec<[u8; 32]> =
            (0..length.div_ceil(CHUNK)).into_par_iter().map(chunk).collect::<io::Result<_>>()?;
        Ok(Self { length, sha256: sha256(&chunks.concat()) })
    }

    /// Whether a file still begins with the same content. It may have grown, as a log does.
    pub(crate) fn begins(&self, path: &Path) -> bool {
        Self::of_first(path, self.length).is_ok_and(|found| found == *self)
    }
}

/// The file's metadata: it changes whenever the file does, and needs no read of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    /// Device, inode, and the time of the last change of any sort (ctime), which no program can set.
    changed: Option<(u64, u64, i64, i64)>,
}

impl Stamp {
    /// # Errors
    /// When there is no such file.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let meta = std::fs::metadata(path)?;
        #[cfg(unix)]
        let changed = {
            use std::os::unix::fs::MetadataExt;
            Some((meta.dev(), meta.ino(), meta.ctime(), meta.ctime_nsec()))
        };
        #[cfg(not(unix))]
        let changed = None;
        Ok(Self { length: meta.len(), modified: meta.modified().ok(), changed })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_file_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows");
        let mut bytes = vec![b'a'; (CHUNK + 1000) as usize];
        std::fs::write(&path, &bytes).unwrap();
        let whole = Fingerprint::of(&path).unwrap();
        assert_eq!(Fingerprint::of(&path).unwrap(), whole);
        for at in [0, CHUNK as usize - 1, CHUNK as usize, bytes.len() - 1] {
            bytes[at] = b'b';
            std::fs::write(&path, &bytes).unwrap();
            assert!(Fingerprint::of(&path).unwrap() != whole && !whole.begins(&path), "{at}");
            bytes[at] = b'a';
        }
        bytes.push(b'c');
        std::fs::write(&path, &bytes).unwrap();
        assert!(whole.begins(&path) && Fingerprint::of(&path).unwrap() != whole);
        std::fs::write(&path, &bytes[..10]).unwrap();
        assert!(!whole.begins(&path));
    }
}
