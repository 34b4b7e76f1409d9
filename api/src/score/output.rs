//! What a run writes: rows, bad rows, and where it stands, each block's whole before the next begins.
//!
//! All of it stands under names of its own (`OUT.partial`, `OUT.rejected.jsonl.partial`, `OUT.progress.json`) until the run is
//! done. The progress says how long the others are: what lies behind that is of a block that was not finished, and a
//! resumed run cuts it off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use demur_data::stream::Position;
use demur_data::{Format, FrameWriter, rejected_path};
use polars::prelude::DataFrame;
use serde::{Deserialize, Serialize};

use crate::score::summary::Counts;

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    /// Digest of all that the output depends on: model, settings, inputs.
    pub(crate) digest: String,
    /// What is done.
    pub(crate) position: Position,
    /// Bytes of the rows, of the bad rows, and of the order.
    pub(crate) lengths: [u64; 3],
    /// Bytes of the header.
    pub(crate) header: u64,
    /// Counts so far.
    pub(crate) counts: Counts,
    /// Names of the new columns; none before the first block.
    pub(crate) names: Vec<String>,
    /// Names of the fields of a separated file.
    pub(crate) fields: Vec<String>,
    /// Where each part of the rows ends, where the output is put together from parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<u64>,
}

/// What a block gives to write.
#[derive(Default)]
pub(crate) struct Piece<'p> {
    pub(crate) rows: &'p [u8],
    pub(crate) rejected: &'p [u8],
    /// P(refusal) and length of each row, where the rows are to be sorted.
    pub(crate) order: &'p [u8],
    /// The rows are a part of an output that is put together from parts.
    pub(crate) part: bool,
}

/// Where rows go.
pub(crate) enum Output {
    /// Standard output, block by block.
    Stdout(Option<FrameWriter<io::Stdout>>),
    /// A file.
    File(Box<Files>),
}

/// The files of a run, and how far they have come.
pub(crate) struct Files {
    out: PathBuf,
    /// Rows, bad rows, and the order where there is one.
    files: [Option<File>; 3],
    pub(crate) progress: Progress,
    /// The file that is to get the output's name.
    ready: PathBuf,
}

pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Output {
    /// Begins an output, or goes on with one.
    ///
    /// # Errors
    /// When nothing can be written there, an unfinished run stands there and `resume` is not asked for, or it is none of
    /// these inputs and settings.
    pub(crate) fn open(out: &Path, digest: String, resume: bool, ordered: bool) -> anyhow::Result<Self> {
        if out == Path::new("-") {
            return Ok(Self::Stdout(None));
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
            Err(error) if error.kind() == io::ErrorKind::NotFound => Progress {
                digest,
                position: Position::default(),
                lengths: [0; 3],
                header: 0,
                counts: Counts::default(),
                names: Vec::new(),
                fields: Vec::new(),
                parts: Vec::new(),
            },
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", state.display())),
        };
        let open = |path: &Path, length: u64| -> anyhow::Result<File> {
            let opened = || -> io::Result<File> {
                let mut file =
                    OpenOptions::new().read(true).create(true).write(true).truncate(false).open(path)?;
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
        let [rows, rejected, order] = paths(out);
        let [rows_done, rejected_done, order_done] = progress.lengths;
        let files = [
            Some(open(&rows, rows_done)?),
            Some(open(&rejected, rejected_done)?),
            if ordered { Some(open(&order, order_done)?) } else { None },
        ];
        Ok(Self::File(Box::new(Files { out: out.to_owned(), files, progress, ready: rows })))
    }

    /// What is done, where that is kept.
    pub(crate) fn progress(&mut self) -> Option<&mut Progress> {
        match self {
            Self::Stdout(_) => None,
            Self::File(files) => Some(&mut files.progress),
        }
    }

    /// Writes the header of a separated file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn head(&mut self, header: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::Stdout(_) => Ok(io::stdout().lock().write_all(header)?),
            Self::File(files) => {
                files.append(0, header)?;
                files.progress.header = files.progress.lengths[0];
                Ok(())
            }
        }
    }

    /// Writes a block's rows and bad rows, and that it is done.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(
        &mut self,
        piece: &Piece<'_>,
        after: Position,
        counts: &Counts,
    ) -> anyhow::Result<()> {
        match self {
            Self::Stdout(_) => {
                let mut out = io::stdout().lock();
                out.write_all(piece.rows)?;
                Ok(out.flush()?)
            }
            Self::File(files) => {
                for (which, bytes) in [piece.rows, piece.rejected, piece.order].into_iter().enumerate() {
                    files.append(which, bytes)?;
                }
                let progress = &mut files.progress;
                if piece.part && !piece.rows.is_empty() {
                    progress.parts.push(progress.lengths[0]);
                }
                progress.position = after;
                progress.counts.clone_from(counts);
                files.save()
            }
        }
    }

    /// Writes a block's rows to standard output as a batch of Arrow.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn stream(&mut self, frame: &mut DataFrame) -> anyhow::Result<()> {
        let Self::Stdout(writer) = self else { bail!("batches go to standard output alone") };
        let writer = match writer {
            Some(writer) => writer,
            none => none.insert(FrameWriter::new(Format::Arrow, io::stdout(), frame)?),
        };
        if frame.height() > 0 {
            writer.write(frame)?;
        }
        Ok(io::stdout().flush()?)
    }

    /// Makes the rows into something else: `remake` reads what stands ready and writes the file that is given.
    ///
    /// # Errors
    /// When `remake` fails.
    pub(crate) fn remake(
        &mut self,
        ending: &str,
        remake: impl FnOnce(&Progress, &Path, &mut File) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Self::File(files) = self else { return Ok(()) };
        let path = with_ending(&files.out, ending);
        let cannot = || format!("cannot write {}", path.display());
        let mut file = File::create(&path).with_context(cannot)?;
        remake(&files.progress, &files.ready, &mut file).with_context(cannot)?;
        file.sync_all().with_context(cannot)?;
        files.ready = path;
        Ok(())
    }

    /// Gives the output its name; gives the path of the bad rows, where there are any.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub(crate) fn finish(self) -> anyhow::Result<Option<PathBuf>> {
        match self {
            Self::Stdout(writer) => {
                writer.map_or(Ok(()), FrameWriter::finish)?;
                Ok(None)
            }
            Self::File(files) => {
                let out = files.out.clone();
                files.finish().with_context(|| format!("cannot finish {}", out.display()))
            }
        }
    }

    /// Takes all files of the run away.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub(crate) fn remove(self) -> io::Result<()> {
        let Self::File(files) = self else { return Ok(()) };
        remove(&with_ending(&files.out, ".progress.json"))?;
        paths(&files.out).iter().try_for_each(|path| remove(path))
    }
}

/// The unfinished files of an output: rows, bad rows, order.
pub(crate) fn paths(out: &Path) -> [PathBuf; 3] {
    [
        with_ending(out, ".partial"),
        with_ending(&rejected_path(out), ".partial"),
        with_ending(out, ".order.partial"),
    ]
}

impl Files {
    fn append(&mut self, which: usize, bytes: &[u8]) -> anyhow::Result<()> {
        if let Some(file) = &mut self.files[which] {
            file.write_all(bytes)
                .with_context(|| format!("cannot write {}", paths(&self.out)[which].display()))?;
            self.progress.lengths[which] += bytes.len() as u64;
        }
        Ok(())
    }

    fn save(&self) -> anyhow::Result<()> {
        let state = with_ending(&self.out, ".progress.json");
        let next = with_ending(&self.out, ".progress.json.next");
        let save = || -> io::Result<()> {
            fs::write(&next, serde_json::to_vec(&self.progress)?)?;
            fs::rename(&next, &state)
        };
        save().with_context(|| format!("cannot write {}", state.display()))
    }

    fn finish(self) -> io::Result<Option<PathBuf>> {
        for file in self.files.iter().flatten() {
            file.sync_all()?;
        }
        let [rows, rejected, order] = paths(&self.out);
        // First of all, so that a death from here on leaves nothing that a resumed run would take for whole.
        remove(&with_ending(&self.out, ".progress.json"))?;
        let aside = rejected_path(&self.out);
        let any = self.progress.lengths[1] > 0;
        if any {
            fs::rename(rejected, &aside)?;
        } else {
            remove(&rejected)?;
            // One of an earlier run would tell of another output.
            remove(&aside)?;
        }
        fs::rename(&self.ready, &self.out)?;
        for left in [&rows, &order, &with_ending(&self.out, SORTED), &with_ending(&self.out, JOINED)] {
            remove(left)?;
        }
        Ok(any.then_some(aside))
    }
}

/// Behind the output's name: rows that are sorted, and rows that are in the output's format.
pub(crate) const SORTED: &str = ".sorted";
pub(crate) const JOINED: &str = ".joined";
