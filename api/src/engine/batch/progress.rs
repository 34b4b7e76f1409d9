//! How far a run has come, on disk, so that an interrupted run can be resumed.
//!
//! The file holds a digest of itself, because a flipped digit in it would put rows in the wrong place. It is
//! written only after the rows that it counts as done are on disk.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use demur_data::AtomicFile;
use demur_predictor::sha256;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::engine::batch::fingerprint::Fingerprint;
use crate::engine::batch::reached::Reached;

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    /// Digest of the model, the settings and the names of the inputs.
    pub(crate) digest: String,
    /// The content of each input.
    pub(crate) inputs: Vec<Fingerprint>,
    pub(crate) reached: Reached,
    /// Names of the files for rows, bad rows and order, each beside the final file.
    pub(crate) files: [String; 3],
    /// How many bytes of each are done.
    pub(crate) lengths: [u64; 3],
    /// Length of the header in bytes.
    pub(crate) header: u64,
    /// The name of the P(refusal) column; empty before the first block.
    pub(crate) p_refusal: String,
    /// The end offset of each part, if the output is joined from parts.
    pub(crate) parts: Vec<u64>,
    /// The file with the rows in the output's own order and format, once it is complete.
    pub(crate) ready: Option<String>,
    /// Whether only the renaming is left.
    pub(crate) complete: bool,
}

/// The progress file as it is written, with its digest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checked {
    sha256: String,
    progress: Box<RawValue>,
}

/// The path of an output's progress file.
pub(crate) fn state_path(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".progress.json");
    name.into()
}

impl Progress {
    /// The progress of a run that has not begun.
    pub(crate) fn new(digest: String, inputs: Vec<Fingerprint>) -> Self {
        Self {
            digest,
            inputs,
            reached: Reached::default(),
            files: Default::default(),
            lengths: [0; 3],
            header: 0,
            p_refusal: String::new(),
            parts: Vec::new(),
            ready: None,
            complete: false,
        }
    }

    /// Reads the progress of an output, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or its digest does not match.
    pub(crate) fn read(out: &Path) -> anyhow::Result<Option<Self>> {
        let path = state_path(out);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let damaged = || {
            let path = path.display();
            format!("{path} is damaged: remove it, and begin from the first row without --resume")
        };
        let checked: Checked = serde_json::from_slice(&bytes).with_context(damaged)?;
        let progress = checked.progress.get();
        ensure!(sha256(progress.as_bytes()) == checked.sha256, "{}", damaged());
        serde_json::from_str(progress).with_context(damaged).map(Some)
    }

    /// Writes the progress of an output.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save(&self, out: &Path) -> anyhow::Result<()> {
        let path = state_path(out);
        let save = || -> io::Result<()> {
            let progress = to_raw_value(self)?;
            let checked = Checked { sha256: sha256(progress.get().as_bytes()), progress };
            let mut file = AtomicFile::create(&path)?;
            serde_json::to_writer(&mut file, &checked)?;
            file.write_all(b"\n")?;
            file.commit()
        };
        save().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Checks that a run with these settings and inputs can continue from here.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn check(
        &self,
        out: &Path,
        digest: &str,
        inputs: &[(PathBuf, Fingerprint)],
    ) -> anyhow::Result<()> {
        let state = state_path(out);
        let state = state.display();
        ensure!(
            self.digest == digest && self.inputs.len() == inputs.len(),
            "{state} is of other inputs, another model or other settings; give those again, or remove it and begin from \
             the first row without --resume"
        );
        for (found, (file, expected)) in self.inputs.iter().zip(inputs) {
            if found != expected {
                bail!(
                    "{}: its content is not what it was when the unfinished run began, so its rows do not go with those \
                     that are done; put the old content back, or remove {state} and begin from the first row without \
                     --resume",
                    file.display()
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_damage_goes_unseen() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out.jsonl");
        assert_eq!(Progress::read(&out).unwrap(), None);
        let mut progress = Progress::new("d".to_owned(), Vec::new());
        (progress.lengths, progress.parts) = ([123, 45, 6], vec![89]);
        progress.save(&out).unwrap();
        assert_eq!(Progress::read(&out).unwrap().as_ref(), Some(&progress));
        let path = state_path(&out);
        let whole = fs::read(&path).unwrap();
        // The last byte is the newline.
        for at in 0..whole.len() - 1 {
            for flip in [1, 2, 8, 0x20] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                fs::write(&path, &bytes).unwrap();
                match Progress::read(&out) {
                    Ok(read) => assert_eq!(read.as_ref(), Some(&progress), "byte {at}"),
                    Err(error) => {
                        assert!(format!("{error:#}").contains("is damaged: remove it"), "{error:#}");
                    }
                }
            }
            fs::write(&path, &whole[..at]).unwrap();
            assert!(Progress::read(&out).is_err(), "cut at {at}");
        }
    }
}
