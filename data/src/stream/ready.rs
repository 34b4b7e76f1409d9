//! Rows made ready to be read: what is no row is passed over, and what JSON cannot hold or a layout writes
//! differently is put right.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::block::{Block, Head, Rows};
use super::choice::Opening;
use super::records::{delimiter, records, split};
use crate::encoding::Encoding;
use crate::layout::Layout;
use crate::non_finite::as_null;
use crate::read::object;
use crate::{Format, json_row};

/// The field that a line of plain text is read as.
const LINE: &str = "text";

/// The most bytes of the rows that one entry may become.
const MOST_COPIED: usize = 1 << 26;

/// Makes the rows of one file ready to be read.
pub(super) struct Prepare<'o> {
    opening: &'o Opening,
    encoding: Option<Encoding>,
    /// Whether separated rows may become JSON Lines, where their layout makes several rows of one.
    may_change: bool,
    /// The layout that the object around the rows has shown.
    pub(super) found: Option<&'static Layout>,
    /// The path of the rows in that object.
    pub(super) under: Option<String>,
    /// What table it was.
    pub(super) table: Option<&'static str>,
    /// The head of all blocks, with the layout of its sample.
    head: Option<Arc<Head>>,
}

impl<'o> Prepare<'o> {
    pub(super) fn new(opening: &'o Opening, encoding: Option<Encoding>, may_change: bool) -> Self {
        Self { opening, encoding, may_change, found: None, under: None, table: None, head: None }
    }

    /// A block with its rows as they are read.
    pub(super) fn block(&mut self, block: Block) -> Block {
        let head = match &self.head {
            Some(head) => Arc::clone(head),
            None => {
                let head = Arc::new(self.head(&block.head));
                self.head = Some(Arc::clone(&head));
                head
            }
        };
        let (rows, passed_over) = ready(block.rows, &block.head, head.layout);
        Block { head, rows, passed_over, after: block.after }
    }

    /// The head of a file with its layout, and its sample as its rows will be.
    fn head(&self, read: &Head) -> Head {
        let (plain, _) = ready(read.sample.clone(), read, None);
        let first = fields_of(&plain, read);
        let layout = self.opening.layout.of(self.found, &first.iter().collect::<Vec<_>>());
        let layout =
            layout.filter(|layout| self.may_change || read.header.is_none() || !layout.changes_rows());
        let (sample, _) = ready(read.sample.clone(), read, layout);
        let title = layout.map(|layout| layout.title.to_owned());
        let under = self.under.as_ref().map(|path| format!("the rows under `{path}`"));
        let encoding = self.encoding.map(|encoding| encoding.name().to_owned());
        let is_changed = layout.is_some_and(Layout::changes_rows);
        let said = title.into_iter().chain(under).chain(self.table.map(str::to_owned)).chain(encoding);
        Head {
            input: read.input,
            file: Arc::clone(&read.file),
            format: if is_changed && read.header.is_some() { Format::Jsonl } else { read.format.of_rows() },
            header: read.header.clone().filter(|_| !is_changed),
            sample,
            changes: Vec::new(),
            layout,
            read_as: said.collect(),
        }
    }
}

/// The fields of sampled rows; those that cannot be parsed are left out.
fn fields_of(sample: &Rows, head: &Head) -> Vec<Map<String, Value>> {
    let Rows::Text { bytes, .. } = sample else { return Vec::new() };
    let fields = fields(head);
    let rows =
        records(bytes, delimiter(head.format)).into_iter().filter(|(_, row)| !row.trim_ascii().is_empty());
    rows.take(100).filter_map(|(_, row)| fields(row)).collect()
}

/// Reads the fields of a row.
fn fields(head: &Head) -> impl Fn(&[u8]) -> Option<Map<String, Value>> {
    let separator = delimiter(head.format);
    let names: Option<Vec<String>> = head.header.as_ref().map(|header| {
        let names = split(header, separator.unwrap_or(b','));
        names.map_or_else(|_| Vec::new(), |names| names.iter().map(str::to_owned).collect())
    });
    move |row| match &names {
        None => json_row(std::str::from_utf8(row).ok()?).ok(),
        Some(names) => Some(object(names, split(row, separator.unwrap_or(b',')).ok()?.iter())),
    }
}

/// Rows as they are read: lines of plain text as objects, numbers that JSON lacks as null, and those of a
/// layout that takes them from entries. Returns how many entries are no rows.
fn ready(rows: Rows, head: &Head, layout: Option<&'static Layout>) -> (Rows, u64) {
    let Rows::Text { bytes, line, lines } = rows else { return (rows, 0) };
    let layout = layout.filter(|layout| layout.changes_rows());
    match (head.format, layout) {
        (Format::Txt, _) => {
            let (bytes, lines) = of_lines(&bytes, line);
            (Rows::Text { bytes, line, lines: Some(lines) }, 0)
        }
        (Format::Json | Format::Jsonl, layout) => {
            let bytes = match as_null(&bytes) {
                Cow::Borrowed(_) => bytes,
                Cow::Owned(clean) => clean,
            };
            match layout {
                None => (Rows::Text { bytes, line, lines }, 0),
                Some(layout) => of_entries(&bytes, line, lines.as_deref(), layout),
            }
        }
        (_, None) => (Rows::Text { bytes, line, lines }, 0),
        (_, Some(layout)) => {
            let (bytes, lines) = of_records(&bytes, line, head);
            of_entries(&bytes, line, Some(&lines), layout)
        }
    }
}

/// Separated rows as JSON Lines, with the number of each. One with another number of fields becomes a bad
/// row.
fn of_records(bytes: &[u8], first: usize, head: &Head) -> (Vec<u8>, Vec<usize>) {
    let names = head.header.as_ref().map_or(0, |header| {
        split(header, delimiter(head.format).unwrap_or(b',')).map_or(0, |names| names.iter().count())
    });
    let (fields, mut out, mut lines) = (fields(head), Vec::with_capacity(bytes.len() * 2), Vec::new());
    for (before, row) in records(bytes, delimiter(head.format)) {
        if row.trim_ascii().is_empty() {
            continue;
        }
        let cells =
            split(row, delimiter(head.format).unwrap_or(b',')).map_or(0, |cells| cells.iter().count());
        let row = match fields(row).filter(|_| cells == names) {
            Some(fields) => Value::Object(fields),
            None => Value::String(format!("{cells} fields, where the header has {names}")),
        };
        out.extend_from_slice(row.to_string().as_bytes());
        out.push(b'\n');
        lines.push(first + before);
    }
    (out, lines)
}

/// The rows in a row of a table, as JSON Lines.
pub(super) fn of_table(rows: Vec<Map<String, Value>>, first: usize, layout: &'static Layout) -> (Rows, u64) {
    let mut bytes = Vec::new();
    let lines: Vec<usize> = (first..first + rows.len()).collect();
    for row in rows {
        bytes.extend_from_slice(Value::Object(row).to_string().as_bytes());
        bytes.push(b'\n');
    }
    of_entries(&bytes, first, Some(&lines), layout)
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
