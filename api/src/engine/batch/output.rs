//! What a run writes: rows and bad rows, each block's whole before the next begins. They go to the files of a run, or, where the
//! output is a device or a pipe, there as they come.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use demur_data::{Destination, Format, FrameWriter};
use polars::prelude::DataFrame;

use crate::engine::batch::block::BlockOutput;
use crate::engine::batch::files::Files;
use crate::engine::batch::observer::Observer;
use crate::engine::batch::plan::Plan;
use crate::engine::batch::progress::Progress;
use crate::engine::batch::reached::Reached;

/// Where rows go.
pub(crate) enum Output {
    /// Standard output, a device or a pipe, block by block.
    Stream(Stream),
    /// A file.
    File(Box<Files>),
}

/// What is written as it comes: text, or a table once the first of its batches is there.
pub(crate) struct Stream {
    rows: Option<Box<dyn Write>>,
    table: Option<FrameWriter<Box<dyn Write>>>,
    headed: bool,
}

impl Output {
    /// Begins an output, or goes on with one.
    ///
    /// # Errors
    /// When nothing can be written there, an unfinished run is there and `resume` is not asked for, or it is none of
    /// these inputs and settings.
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

    /// How far an earlier run has come.
    pub(crate) fn reached(&self) -> Reached {
        match self {
            Self::Stream(_) => Reached::default(),
            Self::File(files) => files.progress.reached.clone(),
        }
    }

    /// How far an earlier run has come, where it has come to the end.
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

    /// Writes the header of a separated file, if it is not there yet.
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

    /// Writes a block's rows and bad rows, and that it is done.
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

    /// Writes a block's rows to a stream as a batch of Arrow.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn stream(&mut self, frame: &mut DataFrame) -> anyhow::Result<()> {
        let Self::Stream(stream) = self else { bail!("batches go to a stream alone") };
        if let Some(out) = stream.rows.take() {
            stream.table = Some(FrameWriter::new(Format::Arrow, out, frame)?);
        }
        if let Some(table) = stream.table.as_mut().filter(|_| frame.height() > 0) {
            table.write(frame)?;
        }
        // Its own buffer, where it is what the table is written to.
        Ok(io::stdout().flush()?)
    }

    /// Makes the rows into something else: `rewrite` reads the rows and their order, and writes the file that is given.
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

    /// Makes sure that the inputs are what they were when the run began.
    ///
    /// # Errors
    /// When one has been changed while it was read.
    pub(crate) fn unchanged(&mut self, plan: &Plan<'_>) -> anyhow::Result<()> {
        let Self::File(files) = self else { return Ok(()) };
        let Some(file) = files.changed(plan) else { return Ok(()) };
        files.remove()?;
        bail!("{} was changed while it was read; nothing is written: begin again", file.display())
    }

    /// Gives the output its name; returns the path of the bad rows, where there are any.
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

    /// Keeps what there is to go on with after an error; a run that has not come to its first block leaves nothing.
    ///
    /// # Errors
    /// When files cannot be removed.
    pub(crate) fn give_up(self) -> anyhow::Result<()> {
        let Self::File(mut files) = self else { return Ok(()) };
        if files.progress.reached == Reached::default() {
            return files.remove();
        }
        // What was kept last is there to go on with where this fails, as it does on a full disk.
        let _ = files.save();
        Ok(())
    }

    /// Takes all files of the run away.
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
