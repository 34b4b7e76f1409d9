//! Copies of pipes, for a command that reads its inputs more than once. A copy lies beside the output, byte
//! for byte as it came, and is removed when the command ends, by Ctrl-C too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use demur_data::AtomicDir;

use crate::engine::Usage;

/// The most bytes of all pipes together.
const MOST: u64 = 1 << 34;

/// The inputs of a command, pipes replaced by their copies.
#[derive(Debug)]
pub(crate) struct Spool {
    /// Files that can be read again.
    pub(crate) inputs: Vec<PathBuf>,
    /// The folder of the copies, if there are any: it is removed with this value.
    _copies: Option<AtomicDir>,
}

impl Spool {
    /// Copies the pipes among some inputs into a folder beside `out`.
    ///
    /// # Errors
    /// When a pipe cannot be read or is too long, or its copy cannot be written.
    pub(crate) fn of(inputs: &[PathBuf], out: &Path) -> anyhow::Result<Self> {
        if !inputs.iter().any(|input| is_pipe(input)) {
            return Ok(Self { inputs: inputs.to_vec(), _copies: None });
        }
        let copies = AtomicDir::create(out.with_added_extension("input"))
            .with_context(|| format!("cannot copy standard input beside {}", out.display()))?;
        let (mut left, mut files) = (MOST, Vec::with_capacity(inputs.len()));
        for (number, input) in inputs.iter().enumerate() {
            if !is_pipe(input) {
                files.push(input.clone());
                continue;
            }
            let folder = copies.path().join(number.to_string());
            // Messages call a file of this name by the name alone, as they call standard input.
            let copy = folder.join("-");
            fs::create_dir(&folder)
                .and_then(|()| copy_into(&copy, input, &mut left))
                .with_context(|| format!("cannot copy {} to read it twice", input.display()))?;
            if left == 0 {
                let why = format!(
                    "the inputs from pipes have more than {MOST} bytes, the limit of what is read twice"
                );
                return Err(Usage(format!("{why}; name files")).into());
            }
            files.push(copy);
        }
        Ok(Self { inputs: files, _copies: Some(copies) })
    }
}

/// Whether an input can be read only once.
fn is_pipe(path: &Path) -> bool {
    path.as_os_str() == "-" || path.exists() && !path.is_file() && !path.is_dir()
}

/// Copies a pipe into a new file that nobody else can read, `left` bytes at most.
fn copy_into(copy: &Path, pipe: &Path, left: &mut u64) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(copy)?;
    let source: Box<dyn Read> =
        if pipe.as_os_str() == "-" { Box::new(io::stdin().lock()) } else { Box::new(File::open(pipe)?) };
    *left -= io::copy(&mut source.take(*left), &mut file)?;
    Ok(())
}
