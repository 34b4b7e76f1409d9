//! From the bytes of a text to blocks of its rows: its encoding, and where the rows lie in it.

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::array::elements;
use super::block::{Block, BlockSize, Position, cannot};
use super::choice::Opening;
use super::lines::lines;
use super::oriented::Oriented;
use super::ready::Prepare;
use super::short_texts::ShortTexts;
use super::survey::{RowsAt, holds_rows, lists, rows_at, skeleton, skeleton_of};
use crate::encoding::{SHOWN, decoded};
use crate::non_finite::AsNull;
use crate::path::Path;
use crate::{DataError, Format};

/// The most bytes of JSON that are held in memory, where it must be.
const MOST_HELD: u64 = 1 << 28;

/// A whole text in memory, for one that can be read only once.
pub(super) fn held(source: impl Read, file: &str) -> Result<String, DataError> {
    let mut bytes = Vec::new();
    let cut = |cause| cannot(file, cause);
    source.take(MOST_HELD + 1).read_to_end(&mut bytes).map_err(cut)?;
    if bytes.len() as u64 > MOST_HELD {
        let reason =
            format!("JSON in a pipe may have {MOST_HELD} bytes at most; name the file, or pipe JSON Lines");
        return Err(DataError::TooLarge { file: file.to_owned(), reason });
    }
    let (mut source, _) = decoded(BufReader::with_capacity(SHOWN, bytes.as_slice())).map_err(cut)?;
    let mut text = String::new();
    source.read_to_string(&mut text).map_err(cut)?;
    Ok(text)
}

/// The blocks of a text by lines or by records; returns whether more are wanted.
///
/// # Errors
/// If it cannot be read.
pub fn text(
    source: impl Read + Send,
    format: Format,
    file: &Arc<str>,
    opening: &Opening,
    size: (Position, BlockSize),
    pipe: bool,
    each: &mut dyn FnMut(Block) -> bool,
) -> Result<bool, DataError> {
    let (source, encoding) =
        decoded(BufReader::with_capacity(SHOWN, source)).map_err(|cause| cannot(file, cause))?;
    let mut prepare = Prepare::new(opening, encoding, !pipe);
    lines(source, format, file, size, pipe, &mut |block| each(prepare.block(block)))
}

/// The blocks of JSON, an array or one object, that `open` opens as often as it is needed; returns whether
/// more are wanted.
///
/// # Errors
/// If it cannot be read, or its rows are not found.
pub(super) fn json<R: Read + Send>(
    open: &dyn Fn() -> io::Result<R>,
    file: &Arc<str>,
    opening: &Opening,
    from: Position,
    each: &mut dyn FnMut(Block) -> bool,
) -> Result<bool, DataError> {
    let again = || {
        let opened = BufReader::with_capacity(SHOWN, open().map_err(|cause| cannot(file, cause))?);
        decoded(opened).map_err(|cause| cannot(file, cause))
    };
    let (source, encoding) = again()?;
    let (source, is_object) = begins_an_object(source).map_err(|cause| cannot(file, cause))?;
    let mut prepare = Prepare::new(opening, encoding, false);
    let mut steps = Vec::new();
    let source: Box<dyn Read + Send + '_> = if is_object {
        // What is no valid JSON is said by the parser of the rows, with its place.
        if let Ok(Value::Object(object)) = skeleton(AsNull::new(source)) {
            if opening.rows.is_none()
                && Oriented::of(&object).is_some()
                && let Some((rows, oriented)) = table(again()?.0, file)?
            {
                prepare.table = Some(oriented.title());
                return elements(rows.as_bytes(), file, &[], from, &mut |block| each(prepare.block(block)));
            }
            let path = path_in(&object, file, opening, &mut prepare)?;
            steps = path.as_ref().map_or_else(Vec::new, |path| path.steps().cloned().collect());
            prepare.under = path.map(|path| path.to_string());
        }
        again()?.0
    } else {
        Box::new(source)
    };
    elements(AsNull::new(source), file, &steps, from, &mut |block| each(prepare.block(block)))
}

/// The rows of a table that is one object, as the text of an array; `None` if the whole of it is no table. To
/// be turned into rows it is held in memory.
fn table(source: impl Read, file: &Arc<str>) -> Result<Option<(String, Oriented)>, DataError> {
    let too_long = || {
        let reason = format!("a table by columns may have {MOST_HELD} bytes at most; write it as JSON Lines");
        DataError::TooLarge { file: file.to_string(), reason }
    };
    let mut text = Vec::new();
    let read = source.take(MOST_HELD + 1).read_to_end(&mut text);
    if read.map_err(|cause| cannot(file, cause))? as u64 > MOST_HELD {
        return Err(too_long());
    }
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text);
    let Ok(object) = serde_json::from_reader::<_, Map<String, Value>>(AsNull::new(text)) else {
        return Ok(None);
    };
    Ok(Oriented::of(&object).map(|oriented| (oriented.rows(&object), oriented)))
}

/// The blocks of JSON in memory.
///
/// # Errors
/// As for a file.
pub(crate) fn json_bytes(
    text: &[u8],
    file: &Arc<str>,
    opening: &Opening,
    each: &mut dyn FnMut(Block) -> bool,
) -> Result<bool, DataError> {
    json(&|| Ok(text), file, opening, Position::default(), each)
}

/// Whether a text begins with an object; returns it again, without its byte order mark.
fn begins_an_object(mut source: impl Read + Send) -> io::Result<(impl Read + Send, bool)> {
    let mut seen = Vec::new();
    let mut byte = [0];
    let mut is_object = false;
    while source.read(&mut byte)? == 1 {
        if "\u{feff}".as_bytes().contains(&byte[0]) {
            continue;
        }
        seen.push(byte[0]);
        if !byte[0].is_ascii_whitespace() {
            is_object = byte[0] == b'{';
            break;
        }
    }
    Ok((io::Cursor::new(seen).chain(source), is_object))
}

/// The path of the rows in an object; `None` if it is a row itself.
fn path_in(
    object: &Map<String, Value>,
    file: &Arc<str>,
    opening: &Opening,
    prepare: &mut Prepare<'_>,
) -> Result<Option<Path>, DataError> {
    let elsewhere = |asked: Option<&Path>, found: Vec<String>| DataError::RowsElsewhere {
        file: file.to_string(),
        asked: asked.map(ToString::to_string),
        found,
    };
    let (at, layout) = rows_at(object, opening);
    prepare.found = layout;
    match at {
        RowsAt::Itself => Ok(None),
        RowsAt::OneOf(paths) => Err(elsewhere(None, paths)),
        RowsAt::Path(path) => match path.get(object) {
            None => Err(elsewhere(Some(&path), lists(object).into_iter().map(|(path, _)| path).collect())),
            Some(_) => Ok(Some(path)),
        },
    }
}

/// Whether a text that begins like JSON is one value rather than one a line: a list, an object with its rows
/// in it, or a value that goes over several lines. `source` is the text from its start.
pub(crate) fn is_one_value(source: impl Read + Send) -> bool {
    let lines = Cell::new(0_usize);
    let Ok((source, _)) = begins_an_object(source) else { return false };
    let counted = Lines { source: AsNull::new(source), lines: &lines };
    let mut deserializer = serde_json::Deserializer::from_reader(ShortTexts::new(counted));
    // A first line that is broken is a bad row among others.
    let Ok(first) = skeleton_of(&mut deserializer) else { return false };
    // No row of JSON Lines goes over several lines, so this is one value, or several one after the other.
    if lines.get() > 0 {
        return true;
    }
    deserializer.end().is_ok()
        && match first {
            Value::Object(object) => holds_rows(&object),
            Value::Array(list) => list.iter().any(Value::is_object),
            _ => false,
        }
}

/// Counts lines while they are read, a byte at a time.
struct Lines<'c, R> {
    source: R,
    lines: &'c Cell<usize>,
}

impl<R: Read> Read for Lines<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(into)?;
        let ends = into[..count].iter().filter(|&&byte| byte == b'\n').count();
        self.lines.set(self.lines.get() + ends);
        Ok(count)
    }
}
