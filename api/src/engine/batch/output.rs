//! What a run writes: rows and bad rows, all of a block before the next begins. They go to the files of a
//! run. If the output is a device or a pipe, they are written to it directly.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use demur_data::{Destination, Format, Frame, FrameWriter};

use crate::engine::batch::block::BlockOutput;
use crate::engine::batch::files::Files;
use crate::engine::batch::observer::Observer;
use crate::engine::batch::plan::Plan;
use crate::engine::batch::progress::Progress;
use crate::engine::batch::reached::Reached;

/// Where rows are written.
pub(crate) enum Output {
    /// Standard output, a device or a pipe, block by block.
    Stream(Stream),
    /// A file.
    File(Box<Files>),
}

/// Written as rows arrive: text, or a table that starts with its first batch.
pub(crate) struct Stream {
    rows: Option<Box<dyn Write>>,
    table: Option<FrameWriter<Box<dyn Write>>>,
    headed: bool,
}

impl Output {
    /// Starts an output, or resumes one.
    ///
    /// # Errors
    /// When nothing can be written there, or an unfinished run is there and `resume` is not set or its inputs
    /// or settings differ.
    pub(crate) fn open(plan: &Plan<'_>, observer: &dyn Observer) -> anyhow::Result<Self> {
        let cannot = || format!("cannot write {}", plan.out.display());
        let rows: Box<dyn Write> = match &plan.destination {
            Destination::Stdout => Box::new(io::stdout()),
            Destination::Special(path) => {
                Box::new(File::options().write(true).open(path).with_context(cannot)?)
            }
            Destination::File(out) => {
                return Files::open(plan, out, observer).map(|files| Self::File(Box::new(files)));
            }
        };
        Ok(Self::Stream(Stream { rows: Some(rows), table: None, headed: false }))
    }

    /// How far an earlier run got.
    pub(crate) fn reached(&self) -> Reached {
        match self {
            Self::Stream(_) => Reached::default(),
            Self::File(files) => files.progress.reached.clone(),
        }
    }

    /// How far an earlier run got, if it got to the end.
    pub(crate) fn complete(&self) -> Option<Reached> {
        match self {
            Self::File(files) if files.progress.complete => Some(files.progress.reached.clone()),
            _ => None,
        }
    }

    /// Takes the names of the new columns, P(refusal)'s first.
    pub(crate) fn named(&mut self, names: &[String]) {
        if let (Self::File(files), Some(name)) = (self, names.first()) {
            files.progress.p_refusal.clone_from(name);
        }
    }

    /// Writes the header of a delimited file, if it is not there yet.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn head(&mut self, header: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::Stream(stream) if !stream.headed => {
                stream.headed = true;
                stream.rows.as_mut().map_or(Ok(()), |out| Ok(out.write_all(header)?))
            }
            Self::File(files) if files.progress.header == 0 => {
                files.append(0, header)?;
                files.progress.header = header.len() as u64;
                files.progress.lengths[0] += header.len() as u64;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Writes a block's rows and bad rows, and records it as done.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&mut self, block: &BlockOutput<'_>, reached: &Reached) -> anyhow::Result<()> {
        match self {
            Self::Stream(stream) => {
                let Some(out) = &mut stream.rows else { return Ok(()) };
                out.write_all(block.rows)?;
                Ok(out.flush()?)
            }
            Self::File(files) => files.write(block, reached),
        }
    }

    /// Writes a block's rows to a stream as an Arrow batch.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn stream(&mut self, frame: &Frame) -> anyhow::Result<()> {
        let Self::Stream(stream) = self else { bail!("batches go to a stream alone") };
        if let Some(out) = stream.rows.take() {
            stream.table = Some(FrameWriter::new(Format::Arrow, out, frame)?);
        }
        if let Some(table) = stream.table.as_mut().filter(|_| frame.height() > 0) {
            table.write(frame)?;
        }
        // Stdout has a buffer of its own, and the table may be written to it.
        Ok(io::stdout().flush()?)
    }

    /// Replaces the rows by another form: `rewrite` reads the rows and their order, and writes to the given
    /// file.
    ///
    /// # Errors
    /// When `rewrite` fails.
    pub(crate) fn rewrite(
        &mut self,
        rewrite: impl FnOnce(&Progress, &Path, &Path, &mut File) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self {
            Self::File(files) if !files.progress.complete => files.rewrite(rewrite),
            _ => Ok(()),
        }
    }

    /// Checks that the inputs have not changed since the run began.
    ///
    /// # Errors
    /// When one was changed while it was read.
    pub(crate) fn unchanged(&mut self, plan: &Plan<'_>) -> anyhow::Result<()> {
        let Self::File(files) = self else { return Ok(()) };
        let Some(file) = files.changed(plan) else { return Ok(()) };
        files.remove()?;
        bail!("{} was changed while it was read; nothing is written: begin again", file.display())
    }

    /// Renames the output to its final name; returns the path of the bad rows, if there are any.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub(crate) fn finish(self) -> anyhow::Result<Option<PathBuf>> {
        match self {
            Self::Stream(stream) => {
                stream.table.map_or(Ok(()), FrameWriter::finish)?;
                Ok(None)
            }
            Self::File(mut files) => files.finish(),
        }
    }

    /// Keeps what can be resumed after an error; a run that has not finished its first block leaves nothing.
    ///
    /// # Errors
    /// When files cannot be removed.
    pub(crate) fn give_up(self) -> anyhow::Result<()> {
        let Self::File(mut files) = self else { return Ok(()) };
        if files.progress.reached == Reached::default() {
            return files.remove();
        }
        // If this save fails, as on a full disk, the progress saved before it can still be resumed.
        let _ = files.save();
        Ok(())
    }

    /// Removes all files of the run.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub(crate) fn remove(self) -> anyhow::Result<()> {
        match self {
            Self::Stream(_) => self.finish().map(drop),
            Self::File(mut files) => files.remove(),
        }
    }
}
