//! A cache of embeddings, keyed by a digest of their tokens: in memory, and in a file that grows.
//!
//! The file contains no text. Each entry is a 16-byte key and the numbers of the embedding, little-endian. An
//! interrupted run leaves at most a partial entry at its end, which the next run removes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use demur_predictor::encoder::Tokens;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

/// The first bytes of a file: its type and format version.
const MAGIC: &[u8; 8] = b"demuremb";

/// Identifies the tokens of an input.
pub(crate) type Key = [u8; 16];

/// The key of some tokens: half of their SHA-256.
pub(crate) fn key(tokens: &Tokens) -> Key {
    let mut digest = Sha256::new();
    digest.update((tokens.second as u64).to_le_bytes());
    tokens.ids.iter().for_each(|id| digest.update(id.to_le_bytes()));
    let digest = digest.finalize();
    let mut key = Key::default();
    key.copy_from_slice(&digest[..16]);
    key
}

/// Embeddings of one encoder.
#[derive(Debug, Default)]
pub(crate) struct EmbeddingCache {
    hidden: usize,
    rows: FxHashMap<Key, usize>,
    numbers: Vec<f32>,
    file: Option<PathBuf>,
}

impl EmbeddingCache {
    /// A cache without a file.
    pub(crate) fn in_memory(hidden: usize) -> Self {
        Self { hidden, ..Self::default() }
    }

    /// A cache with a file, which is created when there is something to store.
    pub(crate) fn open(path: &Path, hidden: usize) -> io::Result<Self> {
        let mut cache = Self { hidden, file: Some(path.to_owned()), ..Self::default() };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(cache),
            Err(cause) => return Err(cause),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let Some(body) = bytes.strip_prefix(MAGIC) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a file of embeddings; remove it"));
        };
        let size = 16 + 4 * hidden;
        let whole = body.len() / size * size;
        if whole < body.len() {
            OpenOptions::new().write(true).open(path)?.set_len((MAGIC.len() + whole) as u64)?;
        }
        for entry in body[..whole].chunks_exact(size) {
            let mut key = Key::default();
            key.copy_from_slice(&entry[..16]);
            let numbers = entry[16..].as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
            cache.keep(key, numbers);
        }
        Ok(cache)
    }

    fn keep(&mut self, key: Key, numbers: impl Iterator<Item = f32>) {
        let row = self.rows.len();
        if self.rows.insert(key, row).is_none() {
            self.numbers.extend(numbers);
        }
    }

    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.rows.contains_key(key)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&[f32]> {
        self.rows.get(key).map(|row| &self.numbers[row * self.hidden..(row + 1) * self.hidden])
    }

    /// Adds new embeddings, row-major, one for each key, and appends them to the file.
    pub(crate) fn add(&mut self, keys: &[Key], embeddings: &[f32]) -> io::Result<()> {
        let mut entries = Vec::new();
        for (key, embedding) in keys.iter().zip(embeddings.chunks_exact(self.hidden)) {
            if !self.contains(key) {
                self.keep(*key, embedding.iter().copied());
                entries.extend_from_slice(key);
                embedding.iter().for_each(|number| entries.extend_from_slice(&number.to_le_bytes()));
            }
        }
        let Some(path) = &self.file else { return Ok(()) };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        if file.metadata()?.len() == 0 {
            file.write_all(MAGIC)?;
        }
        // One write for all entries, so that two programs writing at once do not interleave them.
        file.write_all(&entries)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_off_file_loses_its_last_entry_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.emb");
        let tokens = |ids: &[u32]| key(&Tokens { ids: ids.to_vec(), second: ids.len() });
        let keys = [tokens(&[1, 2]), tokens(&[1, 3])];
        assert_ne!(keys[0], keys[1]);
        let mut cache = EmbeddingCache::open(&path, 2).unwrap();
        cache.add(&keys, &[0.5, -1.0, 2.0, 3.0]).unwrap();
        cache.add(&keys, &[9.0, 9.0, 9.0, 9.0]).unwrap();
        let length = fs::metadata(&path).unwrap().len();
        assert_eq!(length, 8 + 2 * 24, "what is known is not kept twice");
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 5).unwrap();
        let mut again = EmbeddingCache::open(&path, 2).unwrap();
        assert_eq!(again.get(&keys[0]), Some(&[0.5, -1.0][..]));
        assert!(!again.contains(&keys[1]));
        again.add(&keys[1..], &[2.0, 3.0]).unwrap();
        let last = EmbeddingCache::open(&path, 2).unwrap();
        assert_eq!(last.get(&keys[1]), Some(&[2.0, 3.0][..]));
        fs::write(&path, "something else").unwrap();
        assert!(EmbeddingCache::open(&path, 2).is_err());
    }
}
