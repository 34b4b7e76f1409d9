//! From the bytes of a text to blocks of its rows: what is no row is passed over, and what JSON cannot hold or
//! a layout writes differently is put right.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::array::elements;
use super::block::{Block, BlockSize, Head, Position, Rows, cannot};
use super::choice::Opening;
use super::lines::lines;
use super::records::{delimiter, records, split};
use super::short_texts::ShortTexts;
use super::survey::{RowsAt, holds_rows, lists, rows_at, skeleton, skeleton_of};
use crate::encoding::{Encoding, SHOWN, decoded};
use crate::layout::Layout;
use crate::non_finite::{AsNull, as_null};
use crate::path::Path;
use crate::read::object;
use crate::{DataError, Format, json_row};

/// The field that a line of plain text is read as.
const LINE: &str = "text";

/// The most bytes of the rows that one entry may become.
const MOST_COPIED: usize = 1 << 26;

/// The most bytes of a pipe that are held in memory.
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
    let mut prepare = Prepare { opening, encoding, found: None, under: None, head: None };
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
    let mut prepare = Prepare { opening, encoding, found: None, under: None, head: None };
    let mut steps = Vec::new();
    let source: Box<dyn Read + Send + '_> = if is_object {
        // What is no valid JSON is said by the parser of the rows, with its place.
        if let Ok(Value::Object(object)) = skeleton(AsNull::new(source)) {
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

/// Makes the rows of one file ready to be read.
struct Prepare<'o> {
    opening: &'o Opening,
    encoding: Option<Encoding>,
    /// The layout that the object around the rows has shown.
    found: Option<&'static Layout>,
    /// The path of the rows in that object.
    under: Option<String>,
    /// The head of all blocks, with the layout of its sample.
    head: Option<Arc<Head>>,
}

impl Prepare<'_> {
    fn block(&mut self, block: Block) -> Block {
        let head = match &self.head {
            Some(head) => Arc::clone(head),
            None => {
                let head = Arc::new(self.head(&block.head));
                self.head = Some(Arc::clone(&head));
                head
            }
        };
        let (rows, passed_over) = ready(block.rows, block.head.format, head.layout);
        Block { head, rows, passed_over, after: block.after }
    }

    /// The head of a file with its layout, and its sample as its rows will be.
    fn head(&self, read: &Head) -> Head {
        let (plain, _) = ready(read.sample.clone(), read.format, None);
        let first = fields_of(&plain, read);
        let layout = self.opening.layout.of(self.found, &first.iter().collect::<Vec<_>>());
        let (sample, _) = ready(read.sample.clone(), read.format, layout);
        let title = layout.map(|layout| layout.title.to_owned());
        let under = self.under.as_ref().map(|path| format!("the rows under `{path}`"));
        let encoding = self.encoding.map(|encoding| encoding.name().to_owned());
        Head {
            input: read.input,
            file: Arc::clone(&read.file),
            format: read.format.of_rows(),
            header: read.header.clone(),
            sample,
            changes: Vec::new(),
            layout,
            read_as: title.into_iter().chain(under).chain(encoding).collect(),
        }
    }
}

/// The fields of sampled rows; those that cannot be parsed are left out.
fn fields_of(sample: &Rows, head: &Head) -> Vec<Map<String, Value>> {
    let Rows::Text { bytes, .. } = sample else { return Vec::new() };
    let separator = delimiter(head.format);
    let names: Option<Vec<String>> = head.header.as_ref().map(|header| {
        let names = split(header, separator.unwrap_or(b','));
        names.map_or_else(|_| Vec::new(), |names| names.iter().map(str::to_owned).collect())
    });
    let fields = |row: &[u8]| match &names {
        None => json_row(std::str::from_utf8(row).ok()?).ok(),
        Some(names) => Some(object(names, split(row, separator.unwrap_or(b',')).ok()?.iter())),
    };
    let rows = records(bytes, separator).into_iter().filter(|(_, row)| !row.trim_ascii().is_empty());
    rows.take(100).filter_map(|(_, row)| fields(row)).collect()
}

/// Rows as they are read: lines of plain text as objects, numbers that JSON lacks as null, and those of a
/// layout that takes them from entries. Returns how many entries are no rows.
fn ready(rows: Rows, format: Format, layout: Option<&'static Layout>) -> (Rows, u64) {
    let Rows::Text { bytes, line, lines } = rows else { return (rows, 0) };
    if format == Format::Txt {
        let (bytes, lines) = of_lines(&bytes, line);
        return (Rows::Text { bytes, line, lines: Some(lines) }, 0);
    }
    if !matches!(format, Format::Json | Format::Jsonl) {
        return (Rows::Text { bytes, line, lines }, 0);
    }
    let bytes = match as_null(&bytes) {
        Cow::Borrowed(_) => bytes,
        Cow::Owned(clean) => clean,
    };
    match layout.filter(|layout| layout.changes_rows()) {
        None => (Rows::Text { bytes, line, lines }, 0),
        Some(layout) => of_entries(&bytes, line, lines.as_deref(), layout),
    }
}

/// Lines of plain text as JSON Lines, with the number of each.
fn of_lines(bytes: &[u8], first: usize) -> (Vec<u8>, Vec<usize>) {
    let (mut out, mut lines) = (Vec::with_capacity(bytes.len() * 5 / 4), Vec::new());
    for (before, line) in records(bytes, None) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let text = String::from_utf8_lossy(line);
        out.extend_from_slice(serde_json::json!({ LINE: text }).to_string().as_bytes());
        out.push(b'\n');
        lines.push(first + before);
    }
    (out, lines)
}

/// The rows in the entries of a layout. An entry that is one row as it stands keeps its bytes, and one that
/// cannot be parsed too.
fn of_entries(bytes: &[u8], first: usize, at: Option<&[usize]>, layout: &'static Layout) -> (Rows, u64) {
    let (mut out, mut lines, mut passed_over) = (Vec::with_capacity(bytes.len()), Vec::new(), 0);
    for (number, (before, row)) in records(bytes, None).into_iter().enumerate() {
        if row.trim_ascii().is_empty() {
            continue;
        }
        let line = at.and_then(|at| at.get(number).copied()).unwrap_or(first + before);
        let mut keep = |row: &[u8]| {
            out.extend_from_slice(row);
            out.push(b'\n');
            lines.push(line);
        };
        let Some(entry) = std::str::from_utf8(row).ok().and_then(|text| json_row(text).ok()) else {
            keep(row);
            continue;
        };
        let copies = layout.copies_of(&entry);
        if copies > 1 && copies.saturating_mul(row.len()) > MOST_COPIED {
            // Text where a row is expected becomes a bad row that says why.
            let reason = format!("an entry of {copies} answers is too long to be read once for each");
            keep(Value::from(reason).to_string().as_bytes());
            continue;
        }
        let rows = layout.rows_of(entry.clone());
        match rows.as_slice() {
            [] => passed_over += 1,
            [one] if *one == entry => keep(row),
            several => several.iter().for_each(|row| keep(Value::Object(row.clone()).to_string().as_bytes())),
        }
    }
    (Rows::Text { bytes: out, line: first, lines: Some(lines) }, passed_over)
}
