//! API keys: who may call, and how often.
//!
//! The file holds the SHA-256 of each key, never the key. Keys are long and random (`demur key` makes them),
//! so a fast hash is enough: they cannot be guessed from a dictionary.

use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::service::budget::Caller;

/// One entry of the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sha256: String,
    #[serde(default)]
    rate: Option<NonZeroU32>,
    #[serde(default)]
    admin: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Entry>,
}

/// A caller's key.
#[derive(Debug)]
pub(crate) struct Key {
    /// The name in logs.
    pub(crate) name: String,
    /// Whether it may use the admin routes.
    pub(crate) admin: bool,
    /// The caller that its requests count for.
    pub(crate) caller: Caller,
    digest: [u8; 32],
    limiter: Option<DefaultDirectRateLimiter>,
}

impl Key {
    /// Counts one request.
    ///
    /// # Errors
    /// How long to wait, if the key has called too often.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter.check().map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }
}

/// All keys of a file.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<Key>);

impl Keys {
    /// Reads the file. `rate`, in requests a second, applies to keys without a rate of their own.
    ///
    /// # Errors
    /// When it cannot be read, is not a file of keys, or names a key twice.
    pub(crate) fn read(path: &Path, rate: Option<u32>) -> anyhow::Result<Self> {
        let text = read_text(path)?;
        check_mode(path)?;
        Self::parse(&text, rate).with_context(|| path.display().to_string())
    }

    fn parse(text: &str, rate: Option<u32>) -> anyhow::Result<Self> {
        let file: File = toml::from_str(text)?;
        ensure!(!file.key.is_empty(), "there is no [[key]]; `demur key NAME` makes one");
        let mut keys: Vec<Key> = Vec::with_capacity(file.key.len());
        for Entry { name, sha256, rate: own, admin } in file.key {
            let Some(digest) = digest_of_hex(&sha256) else {
                bail!("key `{name}`: sha256 must be 64 hexadecimal digits");
            };
            ensure!(keys.iter().all(|key| key.name != name), "two keys are called `{name}`");
            let quota = own.or(rate.and_then(NonZeroU32::new)).map(Quota::per_second);
            let [a, b, c, d, e, f, g, h, ..] = digest;
            let caller = Caller::Key(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
            keys.push(Key { name, admin, caller, digest, limiter: quota.map(RateLimiter::direct) });
        }
        Ok(Self(keys))
    }

    /// Finds the key with this text. All keys are compared, each in constant time, so that timing reveals
    /// nothing.
    pub(crate) fn find(&self, text: &str) -> Option<&Key> {
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let mut found = None;
        for key in &self.0 {
            if bool::from(key.digest.ct_eq(&digest)) {
                found = Some(key);
            }
        }
        found
    }

    /// Whether any key may use the admin routes.
    pub(crate) fn has_admin(&self) -> bool {
        self.0.iter().any(|key| key.admin)
    }
}

/// Reads a file that a reload reads again, so it must be a regular file.
///
/// # Errors
/// When it cannot be read, or is not a regular file: reading a pipe or a device may block forever.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let cannot = || format!("cannot read {}", path.display());
    let found = fs::metadata(path).with_context(cannot)?;
    ensure!(found.is_file(), "{}: it is not a regular file", cannot());
    fs::read_to_string(path).with_context(cannot)
}

/// Whether others may read or write a file, by its mode.
#[cfg(unix)]
pub(crate) fn others(path: &Path) -> anyhow::Result<(bool, bool)> {
    use std::os::unix::fs::PermissionsExt;
    let mode =
        fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.permissions().mode();
    Ok((mode & 0o004 != 0, mode & 0o002 != 0))
}

/// On systems without such a mode, others are assumed to have no access.
#[cfg(not(unix))]
pub(crate) fn others(_path: &Path) -> anyhow::Result<(bool, bool)> {
    Ok((false, false))
}

/// Refuses a key file that everybody may write, because anyone could add a key; warns if everybody may read
/// it.
fn check_mode(path: &Path) -> anyhow::Result<()> {
    let (readable, writable) = others(path)?;
    let path = path.display();
    ensure!(!writable, "{path}: everybody may write it and so add a key of their own; chmod o-w {path}");
    if readable {
        tracing::warn!(target: "demur", "{path}: everybody may read the names and digests of the keys; chmod o-r {path}");
    }
    Ok(())
}

fn digest_of_hex(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(digest)
}

/// Makes a new key: its text, and its entry for the file.
pub(crate) fn generate(name: &str, admin: bool, rate: Option<u32>) -> (String, String) {
    // Two random UUIDs hold 244 random bits from the system's generator.
    let text = format!("demur-{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let mut entry = format!("[[key]]\nname = {}\nsha256 = \"", toml::Value::from(name));
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a String cannot fail.
        let _ = write!(entry, "{byte:02x}");
    }
    entry.push_str("\"\n");
    if admin {
        entry.push_str("admin = true\n");
    }
    if let Some(rate) = rate {
        let _ = writeln!(entry, "rate = {rate}");
    }
    (text, entry)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_found_and_no_other() {
        let (text, entry) = generate("gate \"1\"", true, Some(1));
        let (_, other) = generate("other", false, None);
        assert!(!entry.contains(&text));
        let keys = Keys::parse(&(entry + &other), None).unwrap();
        let key = keys.find(&text).unwrap();
        assert_eq!((key.name.as_str(), key.admin, keys.has_admin()), ("gate \"1\"", true, true));
        assert!(keys.find(&format!("{text} ")).is_none());
        assert!(keys.find("").is_none());
        assert_eq!(key.take(), Ok(()));
        let wait = key.take().unwrap_err();
        assert!(wait <= Duration::from_secs(1) && wait > Duration::ZERO, "{wait:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_everybody_may_write_is_refused_and_so_is_a_pipe() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        fs::write(&path, generate("a", false, None).1).unwrap();
        for (mode, good) in [(0o600, true), (0o644, true), (0o666, false), (0o602, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = Keys::read(&path, None);
            assert_eq!(read.is_ok(), good, "{mode:o}");
            if let Err(error) = read {
                assert!(error.to_string().contains("everybody may write it"), "{error}");
            }
        }
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(Keys::read(&pipe, None).unwrap_err().to_string().contains("not a regular file"));
    }

    #[test]
    fn files_that_are_none_are_refused_with_their_reason() {
        let hex = "0".repeat(64);
        for (text, said) in [
            (String::new(), "no [[key]]"),
            ("[[key]]\nname = \"a\"\nsha256 = \"12\"".to_owned(), "64 hexadecimal"),
            (format!("[[key]]\nname = \"a\"\nsha256 = \"{}\"", "\u{e9}".repeat(32)), "64 hexadecimal"),
            (format!("[[key]]\nname = \"a\"\nsha256 = \"{hex}\"\n").repeat(2), "two keys"),
            (format!("[[key]]\nname = \"a\"\nsha256 = \"{hex}\"\nrate = 0"), "rate"),
            (format!("[[key]]\nname = \"a\"\nsecret = \"{hex}\""), "secret"),
        ] {
            let error = Keys::parse(&text, None).unwrap_err();
            assert!(format!("{error:#}").contains(said), "{error:#}");
        }
    }
}
