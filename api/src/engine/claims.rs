//! Checks where a command writes before it reads anything: no input is overwritten, no work is lost because
//! its output cannot be written, and no two runs write to one place.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use demur_data::{AtomicDir, Destination, Lock, destroyed};

use crate::engine::Usage;

/// One output of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OutputPath<'p> {
    /// A file, or standard output.
    File(&'p Path),
    /// A file beside another output; it is written, replaced or removed.
    Beside(&'p Path),
    /// A folder that is replaced as a whole.
    Folder(&'p Path),
    /// A folder that receives these entries; its other content stays.
    Into(&'p Path, &'p [&'p str]),
}

/// Claims on outputs, held until the command is done.
#[derive(Debug)]
pub(crate) struct Claim(#[allow(dead_code, reason = "it is held, not used")] Vec<Lock>);

/// Checks the outputs of a command against its inputs, creates their folders, and claims them.
///
/// # Errors
/// [`Usage`] when an output is also an input; another error when it cannot be written, or another run writes
/// to it.
pub(crate) fn claim(outputs: &[OutputPath<'_>], inputs: &[PathBuf]) -> anyhow::Result<Claim> {
    for output in outputs {
        output.spare(inputs)?;
    }
    let mut locks = Vec::new();
    for output in outputs {
        let (OutputPath::File(path)
        | OutputPath::Beside(path)
        | OutputPath::Folder(path)
        | OutputPath::Into(path, _)) = output;
        let claimed = output.check().with_context(|| format!("cannot write {}", path.display()))?;
        if let Some(path) = claimed {
            unless_destroyed(&Lock::path(&path), inputs)?;
            locks.push(Lock::take(&path)?);
        }
    }
    Ok(Claim(locks))
}

/// Refuses inputs that standard output is redirected to.
///
/// # Errors
/// [`Usage`] when there is one.
pub(crate) fn spare_redirected(inputs: &[PathBuf]) -> Result<(), Usage> {
    OutputPath::File(Path::new("-")).spare(inputs)
}

impl OutputPath<'_> {
    /// Refuses to overwrite an input.
    fn spare(&self, inputs: &[PathBuf]) -> Result<(), Usage> {
        match self {
            Self::File(path) | Self::Beside(path) | Self::Folder(path) => unless_destroyed(path, inputs),
            Self::Into(folder, names) => {
                names.iter().try_for_each(|name| unless_destroyed(&folder.join(name), inputs))
            }
        }
    }

    /// Checks that it can be written; returns the path to claim.
    fn check(&self) -> std::io::Result<Option<PathBuf>> {
        match self {
            Self::Beside(_) => Ok(None),
            Self::File(path) => {
                let destination = Destination::of(path)?;
                destination.check()?;
                Ok(match destination {
                    Destination::File(path) => Some(path),
                    Destination::Stdout | Destination::Special(_) => None,
                })
            }
            Self::Folder(path) | Self::Into(path, _) => {
                AtomicDir::check(path)?;
                Ok(Some(fs::canonicalize(path).unwrap_or_else(|_| path.components().collect())))
            }
        }
    }
}

fn unless_destroyed(output: &Path, inputs: &[PathBuf]) -> Result<(), Usage> {
    let Some(input) = destroyed(output, inputs) else { return Ok(()) };
    let (output, input) = (output.display().to_string(), input.display().to_string());
    let also = if output == input { String::new() } else { format!(" ({input})") };
    Err(Usage(format!("{output} would overwrite an input{also}; write to another place")))
}
