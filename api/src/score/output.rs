//! What a run writes: rows, bad rows, and where it stands, each block's whole before the next begins.
//!
//! All of it stands under names of its own (`OUT.partial`, `OUT.rejected.jsonl.partial`, `OUT.progress.json`) until the run is
//! done. The progress says how long the others are: what lies behind that is of a block that was not finished, and a
//! resumed run cuts it off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use demur_data::rejected_path;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::score::input::Position;
use crate::score::summary::Counts;

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    /// Digest of all that the output depends on: model, settings, inputs.
    pub(crate) digest: String,
    /// What is done.
    pub(crate) position: Position,
    /// Bytes of the rows and of the bad rows.
    pub(crate) lengths: (u64, u64),
    /// Counts so far.
    pub(crate) counts: Counts,
}

/// Compression by the output's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    pub(crate) fn of(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::None,
        }
    }

    /// Packs one block. Members of gzip and frames of zstd may follow each other, so a block can be packed alone.
    pub(crate) fn pack(self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            _ if bytes.is_empty() => Ok(bytes),
            Self::None => Ok(bytes),
            Self::Gzip => {
                let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::default());
                packed.write_all(&bytes)?;
                packed.finish()
            }
            Self::Zstd => zstd::stream::encode_all(&bytes[..], zstd::DEFAULT_COMPRESSION_LEVEL),
        }
    }
}

/// Where rows go.
pub(crate) enum Output {
    /// Standard output, block by block.
    Stdout,
    /// A file.
    File { out: PathBuf, rows: File, rejected: File, progress: Progress },
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

impl Output {
    /// Begins an output, or goes on with one; gives where the run begins.
    ///
    /// # Errors
    /// When nothing can be written there, an unfinished run stands there and `resume` is not asked for, or it is none of
    /// these inputs and settings.
    pub(crate) fn open(out: &Path, digest: String, resume: bool) -> anyhow::Result<Self> {
        if out == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let state = with_ending(out, ".progress.json");
        let progress = match fs::read(&state) {
            Ok(bytes) if resume => {
                let progress: Progress = serde_json::from_slice(&bytes)
                    .with_context(|| format!("cannot read {}", state.display()))?;
                ensure!(
                    progress.digest == digest,
                    "{} is of other inputs, another model or other settings; begin anew without --resume",
                    state.display()
                );
                progress
            }
            Ok(_) => bail!(
                "an unfinished run stands at {}; go on with it by --resume, or remove that file to begin anew",
                state.display()
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Progress { digest, position: Position::default(), lengths: (0, 0), counts: Counts::default() }
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", state.display())),
        };
        let open = |path: &Path, length: u64| -> anyhow::Result<File> {
            let path = with_ending(path, ".partial");
            let opened = || -> io::Result<File> {
                let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(&path)?;
                let found = file.metadata()?.len();
                if found < length {
                    return Err(io::Error::other(format!(
                        "it has {found} bytes, {length} are said to be done"
                    )));
                }
                file.set_len(length)?;
                file.seek(SeekFrom::End(0))?;
                Ok(file)
            };
            opened().with_context(|| format!("cannot write {}", path.display()))
        };
        let (rows, rejected) =
            (open(out, progress.lengths.0)?, open(&rejected_path(out), progress.lengths.1)?);
        Ok(Self::File { out: out.to_owned(), rows, rejected, progress })
    }

    /// What an earlier run has done.
    pub(crate) fn done(&self) -> Option<&Progress> {
        match self {
            Self::Stdout => None,
            Self::File { progress, .. } => Some(progress),
        }
    }

    /// Writes a block: its rows, its bad rows, and that it is done.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(
        &mut self,
        rows: &[u8],
        rejected: &[u8],
        after: Position,
        counts: &Counts,
    ) -> anyhow::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(rows)?;
                Ok(out.flush()?)
            }
            Self::File { out, rows: to, rejected: aside, progress } => {
                to.write_all(rows).with_context(|| format!("cannot write {}", out.display()))?;
                aside
                    .write_all(rejected)
                    .with_context(|| format!("cannot write the bad rows of {}", out.display()))?;
                progress.lengths.0 += rows.len() as u64;
                progress.lengths.1 += rejected.len() as u64;
                progress.position = after;
                progress.counts.clone_from(counts);
                let (state, next) =
                    (with_ending(out, ".progress.json"), with_ending(out, ".progress.json.next"));
                let save = || -> io::Result<()> {
                    fs::write(&next, serde_json::to_vec(progress)?)?;
                    fs::rename(&next, &state)
                };
                save().with_context(|| format!("cannot write {}", state.display()))
            }
        }
    }

    /// Gives the output its name; gives the path of the bad rows, where there are any.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub(crate) fn finish(self) -> anyhow::Result<Option<PathBuf>> {
        let Self::File { out, rows, rejected, progress } = self else { return Ok(None) };
        let aside = rejected_path(&out);
        let finish = || -> io::Result<bool> {
            rows.sync_all()?;
            rejected.sync_all()?;
            let partial = with_ending(&aside, ".partial");
            let any = progress.lengths.1 > 0;
            if any {
                fs::rename(partial, &aside)?;
            } else {
                fs::remove_file(partial)?;
                // One of an earlier run would tell of another output.
                match fs::remove_file(&aside) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            fs::rename(with_ending(&out, ".partial"), &out)?;
            match fs::remove_file(with_ending(&out, ".progress.json")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(any),
            }
        };
        let any = finish().with_context(|| format!("cannot finish {}", out.display()))?;
        Ok(any.then_some(aside))
    }
}
