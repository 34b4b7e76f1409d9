//! Which files the inputs of a run name, and the format of each.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::encoding::{SHOWN, decoded};
use crate::read::source;
use crate::{DataError, Format};

/// How many bytes of a file are read to detect its format.
const START: u64 = 1 << 16;

/// The files that inputs name: files, `-`, folders (their files with a known ending, sorted by name,
/// including those of subfolders, each folder once), and patterns with `*`, `?`, `[...]` and `**`.
///
/// # Errors
/// If an input names nothing, or a folder cannot be read.
pub fn files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, DataError> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            folder(input, &mut files)?;
        } else if let Some(pattern) = pattern(input) {
            matching(pattern, &mut files)?;
        } else {
            files.push(input.clone());
        }
    }
    Ok(files)
}

fn folder(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), DataError> {
    let before = files.len();
    walk(path, files, &mut BTreeSet::new())?;
    if files.len() == before {
        return Err(DataError::NoKnownFile { folder: path.display().to_string() });
    }
    Ok(())
}

/// `seen` holds the real paths of the visited folders, because a link may lead back to a folder above.
fn walk(folder: &Path, files: &mut Vec<PathBuf>, seen: &mut BTreeSet<PathBuf>) -> Result<(), DataError> {
    let cannot = |cause| DataError::Read { file: folder.display().to_string(), cause };
    if !seen.insert(fs::canonicalize(folder).map_err(cannot)?) {
        return Ok(());
    }
    let entries = fs::read_dir(folder).map_err(cannot)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(cannot)?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, files, seen)?;
        } else if is_known(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether a file in a folder is one of rows. Plain text in it is more likely a note about them.
fn is_known(path: &Path) -> bool {
    let is_log = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("eval"));
    is_log || Format::of_path(path).is_some_and(|format| format != Format::Txt)
}

/// The path as a pattern, if it is one and not an existing file.
fn pattern(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| text.contains(['*', '?', '[']) && !path.exists())
}

/// The files that match, sorted; a folder that matches counts as the files in it.
fn matching(pattern: &str, files: &mut Vec<PathBuf>) -> Result<(), DataError> {
    let wrong = |reason: String| DataError::Pattern { pattern: pattern.to_owned(), reason };
    let paths = glob::glob(pattern).map_err(|error| wrong(error.to_string()))?;
    let before = files.len();
    for path in paths {
        let path = path.map_err(|error| {
            let file = error.path().display().to_string();
            DataError::Read { file, cause: error.into() }
        })?;
        if path.is_dir() {
            walk(&path, files, &mut BTreeSet::new())?;
        } else {
            files.push(path);
        }
    }
    if files.len() == before {
        return Err(wrong("no file matches".to_owned()));
    }
    Ok(())
}

/// The name of an input in messages. A file called `-` is the copy of a pipe, and is called as the pipe is.
pub(super) fn shown(path: &Path) -> String {
    let name = path.file_name().filter(|name| *name == "-");
    name.map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy()).into_owned()
}

/// The format of an input: the requested one, otherwise by content or name. Of standard input only what has
/// come so far is seen.
///
/// # Errors
/// If it cannot be read, or nothing shows its format.
pub fn format(path: &Path, asked: Option<Format>) -> Result<Format, DataError> {
    if let Some(format) = asked {
        return Ok(format);
    }
    if path == Path::new("-") {
        let cannot = |cause| DataError::Read { file: "-".to_owned(), cause };
        // What is only looked at stays in the buffer that all readers of standard input share.
        return Ok(of_pipe(io::stdin().lock().fill_buf().map_err(cannot)?));
    }
    let file = shown(path);
    let open = || -> io::Result<Box<dyn Read + Send>> {
        let source = source::open(path, &Arc::default())?;
        Ok(decoded(BufReader::with_capacity(SHOWN, source))?.0)
    };
    let mut start = Vec::new();
    open()
        .and_then(|opened| opened.take(START).read_to_end(&mut start))
        .map_err(|cause| DataError::Read { file: file.clone(), cause })?;
    source::format_of(&file, &start, &open)
}

/// The format of a pipe by the first bytes that come out of it: Arrow, one JSON value, separated fields under
/// a header, or JSON Lines. One value begins with a list, or with a line that opens an object and breaks off
/// where such lines do.
fn of_pipe(start: &[u8]) -> Format {
    match Format::of_content(start) {
        Some(found @ (Format::Arrow | Format::Json)) => found,
        Some(Format::Jsonl) if first_line_opens_an_object(start) => Format::Json,
        None => source::separated(start).unwrap_or(Format::Jsonl),
        _ => Format::Jsonl,
    }
}

fn first_line_opens_an_object(start: &[u8]) -> bool {
    let text = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start).trim_ascii_start();
    let Some(end) = text.iter().position(|&byte| byte == b'\n') else { return false };
    let line = text[..end].trim_ascii_end();
    let is_cut = || serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err_and(|error| error.is_eof());
    line.ends_with(b"{") || (line.ends_with(b"[") || line.ends_with(b",") || line.ends_with(b":")) && is_cut()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(inputs: &[&str], root: &Path) -> Result<Vec<String>, String> {
        let inputs: Vec<PathBuf> = inputs.iter().map(|input| root.join(input)).collect();
        let found = files(&inputs).map_err(|error| error.to_string())?;
        Ok(found.iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect())
    }

    #[test]
    fn patterns_and_folders_name_their_files_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["in/b.jsonl", "in/a.jsonl", "in/sub/c.csv", "in/notes.txt", "in/x[1].jsonl"] {
            fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            fs::write(dir.path().join(name), "").unwrap();
        }
        let names = |inputs: &[&str]| names(inputs, dir.path());
        assert_eq!(names(&["in"]).unwrap(), ["in/a.jsonl", "in/b.jsonl", "in/sub/c.csv", "in/x[1].jsonl"]);
        assert_eq!(names(&["in/?.jsonl"]).unwrap(), ["in/a.jsonl", "in/b.jsonl"]);
        assert_eq!(names(&["in/**/*.csv"]).unwrap(), ["in/sub/c.csv"]);
        assert_eq!(names(&["in/[bc].jsonl", "in/a*"]).unwrap(), ["in/b.jsonl", "in/a.jsonl"]);
        assert_eq!(names(&["in/x[1].jsonl"]).unwrap(), ["in/x[1].jsonl"], "a file of that very name");
        assert_eq!(names(&["*"]).unwrap().len(), 4, "a folder that matches");
        assert!(names(&["in/z*"]).unwrap_err().contains("no file matches"));
        assert!(names(&["in/[z"]).unwrap_err().contains("in/[z"));
    }

    #[test]
    fn a_pipe_shows_its_format_by_its_first_bytes() {
        for (start, format) in [
            ("{\n  \"samples\": [", Format::Json),
            ("{\"samples\": [\n{\"prompt\": \"a\"}", Format::Json),
            ("\u{feff}{\"model\": \"m\",\n", Format::Json),
            (" [{\"prompt\": \"a\"}", Format::Json),
            ("{\"prompt\": \"a\"}\n", Format::Jsonl),
            ("{\"prompt\": \"a", Format::Jsonl),
            ("{\"prompt\": \"a\n{\"prompt\": \"b\"}\n", Format::Jsonl),
            ("", Format::Jsonl),
            ("prompt,response\n", Format::Csv),
            ("id|prompt\n", Format::Psv),
            ("Tell me, please\n", Format::Jsonl),
        ] {
            assert_eq!(of_pipe(start.as_bytes()), format, "{start}");
        }
        assert_eq!(of_pipe(&[0xff; 8]), Format::Arrow);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_links_to_its_own_parent_is_visited_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("in/sub")).unwrap();
        fs::write(dir.path().join("in/sub/a.jsonl"), "").unwrap();
        std::os::unix::fs::symlink("..", dir.path().join("in/sub/up")).unwrap();
        std::os::unix::fs::symlink("sub", dir.path().join("in/twin")).unwrap();
        assert_eq!(names(&["in"], dir.path()).unwrap(), ["in/sub/a.jsonl"]);
    }
}
