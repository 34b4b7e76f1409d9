//! Files and directories that appear whole or not at all.
//!
//! Both are written beside their target, under a hidden name that carries the process id, and renamed over
//! it by `commit`. What is dropped uncommitted is removed; [`remove_unfinished`] does that for a process that
//! is about to be ended by a signal.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static SERIAL: AtomicU64 = AtomicU64::new(0);

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
struct Temporary(Option<PathBuf>);

impl Temporary {
    fn new(path: PathBuf) -> Self {
        unfinished().push(path.clone());
        Self(Some(path))
    }

    fn release(&mut self) {
        if let Some(path) = self.0.take() {
            unfinished().retain(|other| *other != path);
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.clone() {
            remove(&path);
            self.release();
        }
    }
}

/// The path that a rename must replace: behind symbolic links, so that a link stays a link.
fn behind_links(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// A fresh hidden name in the directory of the target.
fn beside(target: &Path, ending: &str) -> io::Result<PathBuf> {
    let Some(name) = target.file_name() else {
        let message = format!("`{}` names no file; give a path that ends in a name", target.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    };
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !parent.is_dir() {
        let message = format!("the directory `{}` does not exist; create it first", parent.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let hidden = format!(".{}.{}-{serial}.{ending}", name.to_string_lossy(), std::process::id());
    Ok(parent.join(hidden))
}

/// A file that takes its name only when it is complete. Writes are buffered.
///
/// A target that is no regular file (`/dev/null`, a named pipe) is written directly: there is nothing to
/// rename over.
#[derive(Debug)]
pub struct AtomicFile {
    writer: BufWriter<File>,
    target: PathBuf,
    temporary: Temporary,
}

impl AtomicFile {
    /// Opens a temporary beside `path`.
    ///
    /// # Errors
    /// If the path names no file or a directory, its directory does not exist, or the temporary cannot be
    /// created there.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let target = behind_links(path.as_ref());
        match fs::metadata(&target) {
            Ok(meta) if meta.is_dir() => {
                let message = format!("`{}` is a directory; give the path of a file", target.display());
                Err(io::Error::new(io::ErrorKind::IsADirectory, message))
            }
            Ok(meta) if !meta.is_file() => {
                let file = File::options().write(true).open(&target)?;
                Ok(Self { writer: BufWriter::new(file), target, temporary: Temporary(None) })
            }
            existing => {
                let path = beside(&target, "tmp")?;
                let file = File::options().write(true).create_new(true).open(&path)?;
                let temporary = Temporary::new(path.clone());
                if let Ok(meta) = existing {
                    // The new content must not be readable by more people than the old.
                    fs::set_permissions(&path, meta.permissions())?;
                }
                Ok(Self { writer: BufWriter::new(file), target, temporary })
            }
        }
    }

    /// Writes out what is buffered, waits until the disk has it, and gives the file its name.
    ///
    /// # Errors
    /// If any of that fails; the target is then as it was before.
    pub fn commit(mut self) -> io::Result<()> {
        self.writer.flush()?;
        if let Some(path) = self.temporary.0.as_deref() {
            self.writer.get_ref().sync_all()?;
            fs::rename(path, &self.target)?;
        }
        self.temporary.release();
        Ok(())
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

/// A directory that takes its name only when it is complete, replacing what stood there.
#[derive(Debug)]
pub struct AtomicDir {
    path: PathBuf,
    target: PathBuf,
    temporary: Temporary,
}

impl AtomicDir {
    /// Makes a temporary directory beside `path`.
    ///
    /// # Errors
    /// If the path names no directory or an existing file, its parent does not exist, or the temporary cannot
    /// be created there.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let target = behind_links(path.as_ref());
        if target.exists() && !target.is_dir() {
            let message = format!("`{}` is a file; give the path of a directory", target.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
        }
        let path = beside(&target, "tmp")?;
        fs::create_dir(&path)?;
        Ok(Self { temporary: Temporary::new(path.clone()), path, target })
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
        let old = beside(&self.target, "old")?;
        let replaces = self.target.exists();
        if replaces {
            fs::rename(&self.target, &old)?;
        }
        if let Err(error) = fs::rename(&self.path, &self.target) {
            if replaces {
                fs::rename(&old, &self.target)?;
            }
            return Err(error);
        }
        self.temporary.release();
        if replaces { fs::remove_dir_all(&old) } else { Ok(()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::{AtomicDir, AtomicFile, remove_unfinished};

    fn names(dir: &std::path::Path) -> Vec<String> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_committed_file_is_the_only_trace() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out.txt");
        fs::write(&target, "old").unwrap();
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(names(dir.path()), ["out.txt"]);
    }

    #[test]
    fn a_dropped_file_leaves_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out.txt");
        fs::write(&target, "old").unwrap();
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        assert_eq!(names(dir.path()), ["out.txt"]);
    }

    #[test]
    fn a_directory_replaces_the_old_one_whole() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("model");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("stale"), "").unwrap();
        let new = AtomicDir::create(&target).unwrap();
        fs::write(new.path().join("fresh"), "").unwrap();
        new.commit().unwrap();
        assert_eq!(names(&target), ["fresh"]);
        assert_eq!(names(dir.path()), ["model"]);
        let dropped = AtomicDir::create(&target).unwrap();
        fs::write(dropped.path().join("half"), "").unwrap();
        drop(dropped);
        assert_eq!(names(dir.path()), ["model"]);
    }

    #[test]
    fn errors_say_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let missing = AtomicFile::create(dir.path().join("no/out.txt")).unwrap_err().to_string();
        assert!(missing.contains("does not exist; create it first"), "{missing}");
        let directory = AtomicFile::create(dir.path()).unwrap_err().to_string();
        assert!(directory.contains("is a directory"), "{directory}");
        fs::write(dir.path().join("file"), "").unwrap();
        let file = AtomicDir::create(dir.path().join("file")).unwrap_err().to_string();
        assert!(file.contains("is a file"), "{file}");
    }

    /// The register is the process's own, so this runs in a process of its own, away from the other tests.
    #[test]
    fn a_process_that_is_ended_removes_what_it_began() {
        const ALONE: &str = "DEMUR_DATA_TEST_ALONE";
        if std::env::var_os(ALONE).is_none() {
            let name = "atomic::tests::a_process_that_is_ended_removes_what_it_began";
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            assert!(child.args([name, "--exact"]).env(ALONE, "1").status().unwrap().success());
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let file = AtomicFile::create(dir.path().join("file")).unwrap();
        let model = AtomicDir::create(dir.path().join("model")).unwrap();
        assert_eq!(names(dir.path()).len(), 2);
        remove_unfinished();
        assert!(names(dir.path()).is_empty());
        assert!(file.commit().is_err());
        drop(model);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_devices_stay_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut file = AtomicFile::create(&link).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        AtomicFile::create("/dev/null").unwrap().commit().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
