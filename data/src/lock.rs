//! Only one run at a time writes to a place.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::atomic::Temporary;
use crate::destination::is_named;

/// A claim on an output, held until it is dropped.
///
/// It is an operating-system lock on a file beside the output; the file says which process holds it. The lock
/// of a killed process disappears with it, and the file that it leaves is taken over.
#[derive(Debug)]
pub struct Lock {
    // The file is removed before it is closed, so that nobody can lock a file whose name is gone.
    _name: Temporary,
    _file: File,
}

impl Lock {
    /// The path of the lock file: `.OUTPUT.demur-lock`.
    #[must_use]
    pub fn path(output: &Path) -> PathBuf {
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        output.with_file_name(format!(".{name}.demur-lock"))
    }

    /// Claims an output.
    ///
    /// # Errors
    /// If another process writes to it, or the lock file cannot be created.
    pub fn take(output: &Path) -> io::Result<Self> {
        let path = Self::path(output);
        loop {
            if fs::symlink_metadata(&path).is_ok_and(|meta| !meta.is_file()) {
                let message = format!("`{}` is in the way of the lock; remove it", path.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
            }
            let mut options = OpenOptions::new();
            let mut file = options.read(true).write(true).create(true).truncate(false).open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(held(output, &mut file)),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // The previous holder may have removed the name between our opening and our locking.
            if is_named(&file, &path) {
                let name = Temporary::new(path);
                file.set_len(0)?;
                file.seek(SeekFrom::Start(0))?;
                writeln!(file, "process {} on {}, since {}", std::process::id(), host(), now())?;
                return Ok(Self { _name: name, _file: file });
            }
        }
    }
}

fn held(output: &Path, file: &mut File) -> io::Error {
    let mut by = String::new();
    // If the content cannot be read it is left out of the message; the lock itself is certain.
    let _ = file.take(1 << 10).read_to_string(&mut by);
    let by = if by.trim().is_empty() { "another process" } else { by.trim() };
    let message = format!(
        "another run writes to `{}` ({by}); wait for it to end, or give another output",
        output.display()
    );
    io::Error::new(io::ErrorKind::ResourceBusy, message)
}

fn host() -> String {
    let read = |path: &str| fs::read_to_string(path).ok().map(|name| name.trim().to_owned());
    let named = read("/proc/sys/kernel/hostname").or_else(|| std::env::var("HOSTNAME").ok());
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| "this machine".to_owned())
}

fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    utc(seconds)
}

/// A time in ISO 8601, from the seconds since 1970.
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years start in March, so that the leap day is the last of its year; 400 of them have 146,097 days.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_claimed_once_and_freed_again() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out.jsonl");
        let lock = Lock::take(&out).unwrap();
        let refused = Lock::take(&out).unwrap_err().to_string();
        let me = format!("process {} on ", std::process::id());
        assert!(refused.contains(&me) && refused.contains(", since 20"), "{refused}");
        drop(lock);
        assert!(!Lock::path(&out).exists());
        // As a killed run leaves it.
        fs::write(Lock::path(&out), "process 1 on elsewhere, since 1999").unwrap();
        drop(Lock::take(&out).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, said) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), said);
        }
    }
}
