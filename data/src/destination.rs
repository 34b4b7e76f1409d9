//! What an output's name refers to: a file that a finished one may replace, or something that can only be
//! written into.
//!
//! A link is followed to its target, so that it stays a link. A device or a named pipe is written into: a
//! file that took its name would not reach the reader at its other end.

use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

/// How many links are followed in a row: the limit of Linux.
const MOST_LINKS: usize = 40;

/// Names of this process's standard output.
const STDOUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Whether an output is standard output: `-`, or one of the names that the system has for it.
#[must_use]
pub fn is_stdout(path: &Path) -> bool {
    STDOUT.iter().any(|name| path == Path::new(name))
}

/// Where an output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A device or a named pipe.
    Special(PathBuf),
    /// A regular file, or a name that is not in use: its path after all links are followed.
    File(PathBuf),
}

impl Destination {
    /// Resolves a name.
    ///
    /// # Errors
    /// If it names a directory or no file, or its links cannot be resolved.
    pub fn of(path: &Path) -> io::Result<Self> {
        if is_stdout(path) {
            return Ok(Self::Stdout);
        }
        let opened = ["/dev/fd", "/proc/self/fd"].iter().any(|folder| path.starts_with(folder));
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                let message = format!("`{}` is a directory; give the path of a file", path.display());
                Err(io::Error::new(io::ErrorKind::IsADirectory, message))
            }
            Ok(meta) if !meta.is_file() || opened => Ok(Self::Special(path.to_owned())),
            _ => Ok(Self::File(behind_links(path)?)),
        }
    }

    /// Creates the parent folders of the output and checks that a file can be created there.
    ///
    /// # Errors
    /// If a folder cannot be created, or a file cannot be created or written there.
    pub fn check(&self) -> io::Result<()> {
        let Self::File(path) = self else { return Ok(()) };
        if let Ok(existing) = fs::metadata(path) {
            refuse_read_only(path, &existing)?;
        }
        let (file, probe) = create_beside(path, "probe", None)?;
        drop(file);
        fs::remove_file(probe)
    }
}

/// A file that its owner has made read-only is not replaced, although a rename could do that.
fn refuse_read_only(path: &Path, existing: &Metadata) -> io::Result<()> {
    if !existing.permissions().readonly() {
        return Ok(());
    }
    let message = format!("`{}` is read-only; make it writable, or give another path", path.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

/// The path that a rename must replace: after symbolic links, including those whose target does not exist
/// yet.
pub(crate) fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if !fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink()) {
            return Ok(path);
        }
        let target = fs::read_link(&path)?;
        path = folder_of(&path).join(target);
    }
    Err(io::Error::other(format!("`{}` is a link that leads to itself", path.display())))
}

/// The folder that a path lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A hidden name beside a path that nobody can guess; a missing folder is created.
pub(crate) fn beside(path: &Path, ending: &str) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else {
        let message = format!("`{}` names no file; give a path that ends in a name", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    };
    let folder = folder_of(path);
    fs::create_dir_all(folder).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot make the folder `{}`: {error}", folder.display()))
    })?;
    // Each of the standard library's hashers has keys from the system's random numbers.
    let random = RandomState::new().hash_one(std::process::id());
    Ok(folder.join(format!(".{}.{random:016x}.{ending}", name.to_string_lossy())))
}

/// Creates a file beside `path`, under a name that nobody can guess, and returns the file and the name. It
/// never opens an existing file or follows a link. If it is to replace another file, only those who could
/// open that file can open this one.
///
/// # Errors
/// If the file cannot be created.
pub fn create_beside(path: &Path, ending: &str, replaced: Option<&Metadata>) -> io::Result<(File, PathBuf)> {
    let created = beside(path, ending)?;
    let mut options = OpenOptions::new();
    // `create_new` follows no link.
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    if let Some(replaced) = replaced {
        use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
        options.mode(replaced.mode() & 0o777);
    }
    let file = options.open(&created)?;
    if let Some(replaced) = replaced {
        file.set_permissions(replaced.permissions())?;
    }
    Ok((file, created))
}

/// Removes what killed processes left beside `path`: files named as by [`create_beside`], except those in
/// `keep`. Call it only when no other process works there.
///
/// # Errors
/// If a folder cannot be read, or a file cannot be removed.
pub fn remove_orphans(path: &Path, ending: &str, keep: &[String]) -> io::Result<()> {
    let start = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let ending = format!(".{ending}");
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let random = name.strip_prefix(&start).and_then(|rest| rest.strip_suffix(&ending));
        let is_ours =
            random.is_some_and(|random| random.len() == 16 && random.bytes().all(|c| c.is_ascii_hexdigit()));
        if is_ours && !keep.contains(&name) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Opens an existing regular file for reading and writing; links are not followed.
///
/// # Errors
/// If it does not exist, or is not a regular file.
pub fn open_existing(path: &Path) -> io::Result<File> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    if is_named(&file, path) { Ok(file) } else { Err(io::Error::other("it was replaced meanwhile")) }
}

/// Whether a name refers to an open file.
#[cfg(unix)]
pub(crate) fn is_named(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |meta: Metadata| (meta.dev(), meta.ino());
    let (opened, named) = (file.metadata().map(id), fs::symlink_metadata(path).map(id));
    matches!((opened, named), (Ok(opened), Ok(named)) if opened == named)
}

#[cfg(not(unix))]
pub(crate) fn is_named(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// Waits until the name of a created or renamed file is on disk.
///
/// # Errors
/// If the system fails to do so.
pub fn sync_name(path: &Path) -> io::Result<()> {
    sync_folder(folder_of(path))
}

/// Waits until the names in a folder are on disk. It is not an error if the file system has no such
/// operation.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    match synced {
        // The folder may be writable but not listable, or the file system has no such operation.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// The identity of a file under any of its names: it detects hard and symbolic links and other spellings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Identity {
    #[cfg(unix)]
    Inode(u64, u64),
    #[cfg(not(unix))]
    Path(PathBuf),
}

/// The identity of a regular file; `None` if it does not exist, or is a pipe or a terminal.
fn identity(path: &Path, standard: &str) -> Option<Identity> {
    let path = if path == Path::new("-") { Path::new(standard) } else { path };
    let meta = fs::metadata(path).ok().filter(Metadata::is_file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some(Identity::Inode(meta.dev(), meta.ino()))
    }
    #[cfg(not(unix))]
    {
        drop(meta);
        fs::canonicalize(path).ok().map(Identity::Path)
    }
}

/// The input that writing to `output` would destroy, if any: the same file under any name, a folder that
/// contains it, or, if `output` is a folder, a file in it. `-` is the file that standard input or output is
/// redirected to.
#[must_use]
pub fn destroyed<'i>(output: &Path, inputs: &'i [PathBuf]) -> Option<&'i Path> {
    if output.is_dir() {
        let folder = fs::canonicalize(output).ok()?;
        let within = |input: &&PathBuf| fs::canonicalize(input).is_ok_and(|input| input.starts_with(&folder));
        return inputs.iter().find(within).map(PathBuf::as_path);
    }
    let output = if is_stdout(output) { Path::new("-") } else { output };
    let written = identity(output, "/dev/stdout")?;
    let path = fs::canonicalize(output).ok();
    let same = |input: &&PathBuf| {
        let of_folder = || path.as_ref().zip(fs::canonicalize(input).ok());
        identity(input, "/dev/stdin").as_ref() == Some(&written)
            || (input.is_dir() && of_folder().is_some_and(|(path, folder)| path.starts_with(folder)))
    };
    inputs.iter().find(same).map(PathBuf::as_path)
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_output_is_found_among_the_inputs_whatever_it_is_called() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        for name in ["in", "other", "folder/row"] {
            fs::write(at(name), "").unwrap();
        }
        symlink(at("in"), at("link")).unwrap();
        symlink(at("folder"), at("folder-link")).unwrap();
        fs::hard_link(at("in"), at("hard")).unwrap();
        let inputs = [at("other"), at("in"), at("folder/row"), PathBuf::from("-"), at("gone")];
        for name in ["in", "link", "hard", "folder/../in", "./in"] {
            assert_eq!(destroyed(&at(name), &inputs), Some(&*at("in")), "{name}");
        }
        for name in ["folder", "folder-link", "folder-link/row"] {
            assert_eq!(destroyed(&at(name), &inputs), Some(&*at("folder/row")), "{name}");
        }
        assert_eq!(destroyed(&at("folder-link/row"), &[at("folder")]), Some(&*at("folder")));
        for name in ["new", "gone", "folder/new"] {
            assert_eq!(destroyed(&at(name), &inputs), None, "{name}");
        }
    }

    #[test]
    fn only_what_killed_processes_have_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out.csv");
        let made: Vec<PathBuf> = (0..3).map(|_| create_beside(&out, "partial", None).unwrap().1).collect();
        let others =
            ["out.csv", ".out.csv.partial", ".out.csv.0123.partial", ".out.csv.0123456789abcdef.tmp"];
        others.iter().for_each(|name| fs::write(dir.path().join(name), "").unwrap());
        let kept = made[1].file_name().unwrap().to_str().unwrap().to_owned();
        remove_orphans(&out, "partial", std::slice::from_ref(&kept)).unwrap();
        assert_eq!(made.iter().map(|path| path.exists()).collect::<Vec<_>>(), [false, true, false]);
        assert!(others.iter().all(|name| dir.path().join(name).exists()));
    }

    #[test]
    fn names_are_followed_to_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        assert_eq!(Destination::of(Path::new("/dev/stdout")).unwrap(), Destination::Stdout);
        assert_eq!(
            Destination::of(Path::new("/dev/null")).unwrap(),
            Destination::Special("/dev/null".into())
        );
        symlink("deep/real", at("link")).unwrap();
        assert_eq!(Destination::of(&at("link")).unwrap(), Destination::File(at("deep/real")));
        Destination::of(&at("link")).unwrap().check().unwrap();
        assert!(at("deep").is_dir() && fs::read_dir(at("deep")).unwrap().count() == 0);
        assert!(Destination::of(dir.path()).unwrap_err().to_string().contains("is a directory"));
        fs::write(at("fixed"), "").unwrap();
        let mut permissions = fs::metadata(at("fixed")).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(at("fixed"), permissions).unwrap();
        let error = Destination::of(&at("fixed")).unwrap().check().unwrap_err().to_string();
        assert!(error.contains("is read-only"), "{error}");
    }
}
