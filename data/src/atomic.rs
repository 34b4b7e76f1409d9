//! Files and directories that appear whole or not at all.
//!
//! Both are written beside their target, under a hidden name that nobody can foresee, and renamed over it by `commit`: first
//! the disk has the content, then the name, then the folder's entry. What is dropped uncommitted is removed;
//! [`remove_unfinished`] does that for a process that is about to be ended by a signal. What replaces a file or a directory
//! has its permissions.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Destination;
use crate::destination::{behind_links, beside, create_beside, folder_of, sync_folder};

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    // A list of paths is valid whatever a panicking thread left in it.
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

    /// Gives the path up while `rename` gives it another name. A signal's handler waits for that, and so never comes
    /// between the two names.
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
/// A target that is no regular file (`/dev/null`, a named pipe) is written directly: there is nothing to
/// rename over.
#[derive(Debug)]
pub struct AtomicFile {
    writer: BufWriter<File>,
    /// Where it is to go; none where it is there already.
    target: Option<PathBuf>,
    temporary: Temporary,
}

impl AtomicFile {
    /// Opens a temporary beside `path`, whose folders are made where they are missing.
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
        // The new content must not be readable by more people than the old.
        let replaced = fs::metadata(&target).ok();
        let (file, path) = create_beside(&target, "tmp", replaced.as_ref())?;
        let temporary = Temporary::new(path);
        Ok(Self { writer: BufWriter::new(file), target: Some(target), temporary })
    }

    /// Writes out what is buffered, waits until the disk has it, and gives the file its name.
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
    /// Makes a temporary directory beside `path`, whose folders are made where they are missing.
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
            // It gets the permissions of the directory that it replaces when it gets the name.
            new.mode(0o700);
        }
        new.create(&path)?;
        Ok(Self { temporary: Temporary::new(path.clone()), path, target })
    }

    /// Makes the folders that the directory lies in, and proves that it can be made there.
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

    /// Gives the directory its name. A directory that has it already is moved aside first and removed after,
    /// so that the name is free for an instant only, and moved back if the rename fails.
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
                    // Best effort: the error that is under way says what went wrong first.
                    let _ = fs::rename(&old, target);
                }
            })
        })?;
        sync_folder(folder_of(target))?;
        if replaces { fs::remove_dir_all(&old) } else { Ok(()) }
    }

    /// Puts the directory's files into the one that has the name already, where there is one: each replaces its namesake,
    /// and what else is there stays. The `whole` ones among its own directories replace theirs as a whole.
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
        // A signal's handler waits until all are in their places.
        let unfinished = unfinished();
        merge(&self.path, &self.target)?;
        drop(unfinished);
        sync_folder(&self.target)
    }
}

/// Waits until the disk has all of a new directory, whose files get the permissions of those that they will replace.
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
