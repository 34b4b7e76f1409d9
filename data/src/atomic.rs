//! Files and directories that appear whole or not at all.
//!
//! Both are written beside their target, under a hidden name that nobody can guess. `commit` renames them
//! over the target: first the content is on disk, then the name, then the folder's entry. A file or directory
//! that is dropped without a commit is removed; [`remove_unfinished`] does the same for a process that a
//! signal is about to end. A replacement keeps the permissions of what it replaces.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Destination;
use crate::destination::{behind_links, beside, create_beside, folder_of, sync_folder};

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    // The list of paths is valid even if a thread panicked while it held the lock.
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every temporary of this process that is not committed yet. Meant for a Ctrl-C handler: call it,
/// then exit.
pub fn remove_unfinished() {
    for path in unfinished().drain(..) {
        remove(&path);
    }
}

/// Best effort: whoever calls this is already failing, and has a better error to report.
fn remove(path: &Path) {
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

/// A path that is removed on drop unless it was released.
#[derive(Debug)]
pub(crate) struct Temporary(Option<PathBuf>);

impl Temporary {
    pub(crate) fn new(path: PathBuf) -> Self {
        unfinished().push(path.clone());
        Self(Some(path))
    }

    /// Gives up the path while `rename` renames it. A signal handler waits for that, so it never runs between
    /// the two names.
    fn release(&mut self, rename: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let Some(path) = self.0.as_deref() else { return Ok(()) };
        let mut unfinished = unfinished();
        rename(path)?;
        unfinished.retain(|other| other != path);
        drop(unfinished);
        self.0 = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let mut unfinished = unfinished();
            remove(&path);
            unfinished.retain(|other| *other != path);
        }
    }
}

/// A file that takes its name only when it is complete. Writes are buffered.
///
/// A target that is not a regular file (`/dev/null`, a named pipe) is written directly: there is nothing to
/// rename over.
#[derive(Debug)]
pub struct AtomicFile {
    writer: BufWriter<File>,
    /// The final path; `None` when the target is written directly.
    target: Option<PathBuf>,
    temporary: Temporary,
}

impl AtomicFile {
    /// Opens a temporary file beside `path` and creates missing folders.
    ///
    /// # Errors
    /// If the path names no file or a directory, or the temporary cannot be created there.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let target = match Destination::of(path)? {
            Destination::File(target) => target,
            Destination::Stdout | Destination::Special(_) => {
                let file = File::options().write(true).open(path)?;
                return Ok(Self { writer: BufWriter::new(file), target: None, temporary: Temporary(None) });
            }
        };
        // The new content must not be readable by more people than the old content was.
        let replaced = fs::metadata(&target).ok();
        let (file, path) = create_beside(&target, "tmp", replaced.as_ref())?;
        let temporary = Temporary::new(path);
        Ok(Self { writer: BufWriter::new(file), target: Some(target), temporary })
    }

    /// Flushes the buffer, waits until the content is on disk, and gives the file its name.
    ///
    /// # Errors
    /// If any of that fails; the target is then as it was before.
    pub fn commit(mut self) -> io::Result<()> {
        self.writer.flush()?;
        let Some(target) = &self.target else { return Ok(()) };
        self.writer.get_ref().sync_all()?;
        self.temporary.release(|path| fs::rename(path, target))?;
        sync_folder(folder_of(target))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// A directory that takes its name only when it is complete.
#[derive(Debug)]
pub struct AtomicDir {
    path: PathBuf,
    target: PathBuf,
    temporary: Temporary,
}

impl AtomicDir {
    /// Creates a temporary directory beside `path` and its missing parent folders.
    ///
    /// # Errors
    /// If the path names no directory or an existing file, or the temporary cannot be created there.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let target = behind_links(path.as_ref())?;
        if target.exists() && !target.is_dir() {
            let message = format!("`{}` is a file; give the path of a directory", target.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
        }
        let path = beside(&target, "tmp")?;
        let mut new = fs::DirBuilder::new();
        #[cfg(unix)]
        if target.exists() {
            use std::os::unix::fs::DirBuilderExt;
            // On commit it takes the permissions of the directory that it replaces.
            new.mode(0o700);
        }
        new.create(&path)?;
        Ok(Self { temporary: Temporary::new(path.clone()), path, target })
    }

    /// Creates the parent folders and checks that the directory can be created there.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn check(path: impl AsRef<Path>) -> io::Result<()> {
        Self::create(path).map(drop)
    }

    /// The temporary directory, to be written into until the commit.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the directory its name. An existing directory is moved aside first and removed afterwards, so
    /// the name is missing for an instant only. If the rename fails, the old directory is moved back.
    ///
    /// # Errors
    /// If a rename fails, or the replaced directory cannot be removed.
    pub fn commit(mut self) -> io::Result<()> {
        finish(&self.path, &self.target)?;
        let (target, old) = (&self.target, beside(&self.target, "old")?);
        let replaces = target.exists();
        self.temporary.release(|path| {
            if replaces {
                fs::rename(target, &old)?;
            }
            fs::rename(path, target).inspect_err(|_| {
                if replaces {
                    // Best effort: the error that is being returned says what went wrong first.
                    let _ = fs::rename(&old, target);
                }
            })
        })?;
        sync_folder(folder_of(target))?;
        if replaces { fs::remove_dir_all(&old) } else { Ok(()) }
    }

    /// Moves the directory's files into an existing one of that name, if there is one. Each file replaces the
    /// file of the same name, and other files stay. Subdirectories named in `whole` replace theirs as a
    /// whole.
    ///
    /// # Errors
    /// If a file cannot be renamed, or a directory is in the place of a file.
    pub fn commit_into(self, whole: &[&str]) -> io::Result<()> {
        if !self.target.exists() {
            return self.commit();
        }
        for name in whole.iter().filter(|name| self.path.join(name).is_dir()) {
            let part = Self::create(self.target.join(name))?;
            fs::remove_dir(&part.path)?;
            fs::rename(self.path.join(name), &part.path)?;
            part.commit()?;
        }
        finish(&self.path, &self.target)?;
        // Signal handlers wait until all files are in place.
        let unfinished = unfinished();
        merge(&self.path, &self.target)?;
        drop(unfinished);
        sync_folder(&self.target)
    }
}

/// Waits until a new directory is on disk. Its files take the permissions of the files that they will
/// replace.
fn finish(new: &Path, old: &Path) -> io::Result<()> {
    for entry in fs::read_dir(new)? {
        let entry = entry?;
        let (path, replaced) = (entry.path(), old.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            finish(&path, &replaced)?;
            continue;
        }
        let file = File::open(&path)?;
        if let Ok(replaced) = fs::symlink_metadata(&replaced)
            && replaced.is_file()
        {
            file.set_permissions(replaced.permissions())?;
        }
        file.sync_all()?;
    }
    if let Ok(replaced) = fs::metadata(old) {
        fs::set_permissions(new, replaced.permissions())?;
    }
    sync_folder(new)
}

/// Moves the files of a directory into another.
fn merge(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            merge(&entry.path(), &target)?;
        } else {
            fs::rename(entry.path(), behind_links(&target)?)?;
        }
    }
    sync_folder(to)
}

#[cfg(test)]
#[path = "atomic_tests.rs"]
mod tests;
