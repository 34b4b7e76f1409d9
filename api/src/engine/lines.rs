//! The folder of the lines that a service learns from feedback: for each target the file that is in force,
//! and in `older` every one that it replaced. A file appears whole or not at all, and the older copy is there
//! before the newer file, so whenever a process is killed, the folder holds a line that can be used and the
//! way back from it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use demur_data::Lock;
use demur_predictor::{Learned, PLACED_ENDING, PlacedTarget, TargetLine, sha256, short_digest};

use crate::engine::placed::{NO_FIGURES, write};

/// The folder of those that were replaced.
const OLDER: &str = "older";
/// The longest part of a target's name in the name of its file.
const LONGEST: usize = 80;

/// What going back did.
#[derive(Debug)]
pub(crate) struct Back {
    /// The line that was in force.
    pub(crate) from: PlacedTarget,
    /// The line that is now.
    pub(crate) to: PlacedTarget,
}

/// The lines in force, by the names of their files; none where there is no folder.
///
/// # Errors
/// When the folder or a file cannot be read.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Vec<PlacedTarget>> {
    let shown = || format!("cannot read the learned lines in {}", folder.display());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(shown),
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let file = entry.with_context(shown)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        // A file that is being written has a hidden name.
        if name.ends_with(PLACED_ENDING) && !name.starts_with('.') {
            files.push(file);
        }
    }
    files.sort_unstable();
    files.iter().map(|file| load(file)).collect()
}

/// Lines by target and digest.
pub(crate) fn digests(lines: &[PlacedTarget]) -> Vec<(String, String)> {
    lines.iter().map(|line| (line.name.clone(), line.sha256.clone())).collect()
}

/// The line of a target that is in force.
///
/// # Errors
/// When its file cannot be read.
pub(crate) fn current(folder: &Path, target: &str) -> anyhow::Result<Option<PlacedTarget>> {
    let path = folder.join(file_name(target));
    if path.exists() { load(&path).map(Some) } else { Ok(None) }
}

fn load(path: &Path) -> anyhow::Result<PlacedTarget> {
    let line = PlacedTarget::load(path).context("cannot load a learned line")?;
    if line.learned.is_none() {
        bail!("{}: it was placed, not learned; name it with --placed instead", path.display());
    }
    Ok(line)
}

/// Puts a line in force in place of the one with this digest, which is kept. False where another line is in
/// force by now.
///
/// # Errors
/// When somebody else writes there, or it cannot be written.
pub(crate) fn replace(folder: &Path, before: Option<&str>, line: &PlacedTarget) -> anyhow::Result<bool> {
    let older = folder.join(OLDER);
    fs::create_dir_all(&older).with_context(|| format!("cannot make {}", older.display()))?;
    let path = folder.join(file_name(&line.name));
    let _claim = Lock::take(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let current = current(folder, &line.name)?;
    if current.as_ref().map(|current| current.sha256.as_str()) != before {
        return Ok(false);
    }
    if let Some(current) = current {
        write(&kept(folder, &current.name, &current.sha256), &current)?;
    }
    write(&path, line)?;
    Ok(true)
}

/// Goes back to the line before the one in force, or to none. Only feedback after this time (milliseconds
/// since 1970) is learned from again.
///
/// # Errors
/// When the target has no line, or one of the files cannot be read or written.
pub(crate) fn back(folder: &Path, target: &str, now: i64) -> anyhow::Result<Back> {
    let Some(from) = current(folder, target)? else {
        let known: Vec<String> = read(folder)?.into_iter().map(|line| line.name).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        bail!("{} has no learned line of `{target}`; there are {known}", folder.display());
    };
    let Some(learned) = &from.learned else { bail!("the line of `{target}` was not learned") };
    if from.line.is_neutral() && learned.before.is_none() {
        bail!("there is no line before the one of `{target}`: nothing learned is in force for it");
    }
    let before = match &learned.before {
        Some(digest) => load(&kept(folder, target, digest))
            .with_context(|| format!("the line before the one of `{target}` is missing"))?,
        None => neutral(&from),
    };
    let before_that = before.learned.as_ref().and_then(|learned| learned.before.clone());
    let learned = Learned { before: before_that, since: now, ..learned.clone() };
    let to = PlacedTarget { learned: Some(learned), ..before }.sealed()?;
    if !replace(folder, Some(&from.sha256), &to)? {
        bail!("another line of `{target}` came in force at this moment; look at it, and try again");
    }
    Ok(Back { from, to })
}

/// The line that moves nothing, of the same target.
fn neutral(of: &PlacedTarget) -> PlacedTarget {
    PlacedTarget {
        line: TargetLine { intercept: 0.0, slope: 1.0, ..of.line },
        prompts: 0,
        answers: 0,
        refused: 0.0,
        figures: NO_FIGURES,
        training: Vec::new(),
        ..of.clone()
    }
}

/// Where a replaced line is kept.
fn kept(folder: &Path, target: &str, digest: &str) -> PathBuf {
    let stem = file_name(target);
    let stem = stem.strip_suffix(PLACED_ENDING).unwrap_or(&stem);
    folder.join(OLDER).join(format!("{stem}@{}{PLACED_ENDING}", short_digest(digest)))
}

/// The name of a target's file: its own where that is a plain one, else what is plain of it and a digest, so
/// that no two targets share a file on any system.
fn file_name(target: &str) -> String {
    let is_plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._-".contains(letter);
    if target.len() <= LONGEST && !target.starts_with('.') && target.chars().all(is_plain) {
        return format!("{target}{PLACED_ENDING}");
    }
    let plain = |letter: char| if is_plain(letter) { letter } else { '-' };
    let stem: String = target.to_lowercase().chars().map(plain).take(LONGEST).collect();
    let digest = sha256(target.as_bytes());
    format!("{}@{}{PLACED_ENDING}", stem.trim_start_matches('.'), short_digest(&digest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::{Bundled, Model};

    use super::*;
    use crate::engine::placed::of_line;

    fn a_line(model: &Model, intercept: f64, before: Option<&PlacedTarget>) -> PlacedTarget {
        let line = TargetLine { pivot: -3.0, intercept, slope: 1.0 };
        let before = before.map(|before| before.sha256.clone());
        let learned = Learned { basis: model.basis("a/B"), before, until: 50, since: 0 };
        PlacedTarget { learned: Some(learned), ..of_line(model, "a/B".to_owned(), line) }.sealed().unwrap()
    }

    #[test]
    fn lines_replace_each_other_and_one_goes_back_to_each() {
        let (dir, model) = (tempfile::tempdir().unwrap(), Model::bundled(Bundled::Prompt).unwrap());
        let folder = dir.path().join("lines");
        assert!(read(&folder).unwrap().is_empty() && back(&folder, "a/B", 1).is_err());
        let first = a_line(&model, 0.5, None);
        let second = a_line(&model, 0.8, Some(&first));
        assert!(replace(&folder, None, &first).unwrap());
        assert!(!replace(&folder, None, &second).unwrap(), "another is in force");
        assert!(replace(&folder, Some(&first.sha256), &second).unwrap());
        assert_eq!(read(&folder).unwrap(), std::slice::from_ref(&second));
        let Back { from, to } = back(&folder, "a/B", 1000).unwrap();
        assert_eq!((&from, to.line), (&second, first.line));
        let learned = to.learned.clone().unwrap();
        assert_eq!((learned.since, learned.until, learned.before), (1000, 50, None));
        assert_eq!(current(&folder, "a/B").unwrap(), Some(to));
        assert!(back(&folder, "a/B", 2000).unwrap().to.line.is_neutral());
        let error = back(&folder, "a/B", 3000).unwrap_err().to_string();
        assert!(error.contains("no line before"), "{error}");
        // All of them are kept.
        assert_eq!(fs::read_dir(folder.join(OLDER)).unwrap().count(), 3);
        let error = back(&folder, "c", 1).unwrap_err().to_string();
        assert!(error.contains("there are a/B"), "{error}");
    }

    #[test]
    fn no_two_targets_share_a_file() {
        assert_eq!(file_name("gpt-4o-mini"), "gpt-4o-mini.target.json");
        let names = ["a/b", "a-b", "A-b", "a b", ".a", "..", &"a".repeat(81), &"a".repeat(82), "\u{fc}"];
        let mut files: Vec<String> = names.iter().map(|name| file_name(name)).collect();
        assert!(files.iter().all(|file| !file.starts_with('.') && !file.contains('/') && file.len() < 120));
        files.sort();
        files.dedup();
        assert_eq!(files.len(), names.len());
    }
}
