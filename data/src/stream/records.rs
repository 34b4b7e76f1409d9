//! Records of CSV and TSV: where each ends, and its fields.
//!
//! Both use csv-core, the parser that the crate `csv` is built on. So a quotation mark within an unquoted
//! cell (`a 5" pipe`) is an ordinary character, here as in Python's `csv` and everywhere else in this
//! project.

use std::cell::RefCell;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use crate::Format;

/// The field separator of a format; `None` for formats with named fields.
#[must_use]
pub const fn delimiter(format: Format) -> Option<u8> {
    format.delimiter()
}

/// A parser at the start of a record.
fn reader(delimiter: u8) -> Reader {
    let mut reader = ReaderBuilder::new().delimiter(delimiter).build();
    begin(&mut reader);
    reader
}

/// Moves a parser to the start of a record. It then counts as having read something, so it treats a byte
/// order mark as text: the file's own has been removed by then.
fn begin(reader: &mut Reader) {
    reader.reset();
    let _ = reader.read_record(b"\n", &mut [0], &mut [0]);
}

/// A parser and its output buffers, kept per thread because creating them costs more than parsing a row.
struct Parser {
    delimiter: u8,
    reader: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// Calls a function with a parser at the start of a record.
fn with_parser<T>(delimiter: u8, work: impl FnOnce(&mut Parser) -> T) -> T {
    thread_local! {
        static PARSER: RefCell<Option<Parser>> = const { RefCell::new(None) };
    }
    let kept = PARSER.take().filter(|kept| kept.delimiter == delimiter);
    let make = || Parser { delimiter, reader: reader(delimiter), text: Vec::new(), ends: vec![0; 64] };
    let mut parser = kept.unwrap_or_else(make);
    begin(&mut parser.reader);
    let done = work(&mut parser);
    // One row of several megabytes is no reason to keep that much memory.
    parser.text.truncate(1 << 16);
    parser.text.shrink_to(1 << 16);
    PARSER.set(Some(parser));
    done
}

/// Finds the ends of records in bytes that arrive in pieces.
pub(super) struct Cutter {
    /// `None` for lines.
    pub(super) delimiter: Option<u8>,
    /// Its parser.
    reader: Option<Reader>,
    /// How many of the pending bytes have been scanned.
    scanned: usize,
    /// Ends of the first and the last whole record among the pending bytes, line ends included.
    pub(super) first: Option<usize>,
    pub(super) last: Option<usize>,
}

impl Cutter {
    /// For lines, or for records with fields.
    pub(super) fn new(delimiter: Option<u8>) -> Self {
        Self { delimiter, reader: delimiter.map(reader), scanned: 0, first: None, last: None }
    }

    /// Scans the pending bytes that are new.
    pub(super) fn scan(&mut self, pending: &[u8]) {
        let Some(reader) = &mut self.reader else {
            let new = &pending[self.scanned..];
            let at = |place: usize| self.scanned + place + 1;
            self.first = self.first.or_else(|| new.iter().position(|&byte| byte == b'\n').map(at));
            self.last = new.iter().rposition(|&byte| byte == b'\n').map(at).or(self.last);
            self.scanned = pending.len();
            return;
        };
        let (mut cells, mut ends) = ([0; 1 << 12], [0; 64]);
        while self.scanned < pending.len() {
            let (result, read, ..) = reader.read_record(&pending[self.scanned..], &mut cells, &mut ends);
            self.scanned += read;
            if matches!(result, ReadRecordResult::Record) {
                let end = line_end(pending, self.scanned);
                self.first = self.first.or(Some(end));
                self.last = Some(end);
            }
        }
    }

    /// Call this after taking pending bytes, up to the end of the last whole record, or all of them.
    pub(super) fn taken(&mut self, count: usize) {
        self.scanned = self.scanned.saturating_sub(count);
        (self.first, self.last) = (None, None);
    }

    /// The pending bytes begin at the start of a record and have not been scanned.
    pub(super) fn restart(&mut self) {
        self.reader.iter_mut().for_each(begin);
        (self.scanned, self.first, self.last) = (0, None, None);
    }
}

/// The end of a record whose last byte is before `at`: both bytes of a line end belong to it.
fn line_end(bytes: &[u8], at: usize) -> usize {
    at + usize::from(bytes[..at].ends_with(b"\r") && bytes.get(at) == Some(&b'\n'))
}

/// The records of a block, each without its line end, with the number of lines before it. In a text by lines
/// a record is a line. If records have fields, blank ones are left out.
#[must_use]
pub fn records(bytes: &[u8], delimiter: Option<u8>) -> Vec<(usize, &[u8])> {
    let Some(delimiter) = delimiter else {
        let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let lines = text.split(|&byte| byte == b'\n').take(if bytes.is_empty() { 0 } else { usize::MAX });
        return lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).enumerate().collect();
    };
    with_parser(delimiter, |parser| separated(bytes, &mut parser.reader))
}

fn separated<'b>(bytes: &'b [u8], reader: &mut Reader) -> Vec<(usize, &'b [u8])> {
    let (mut cells, mut ends) = ([0; 1 << 12], [0; 64]);
    let (mut out, mut at, mut start, mut line) = (Vec::new(), 0, 0, 0);
    while at < bytes.len() {
        let (result, read, ..) = reader.read_record(&bytes[at..], &mut cells, &mut ends);
        at += read;
        let ended = matches!(result, ReadRecordResult::Record);
        if !ended && at < bytes.len() {
            continue;
        }
        let record = &bytes[start..at];
        let blank = record.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        line += newlines(&record[..blank]);
        let record = &record[blank..];
        let text = if ended { &record[..record.len() - 1] } else { record };
        if !text.is_empty() {
            out.push((line, text));
        }
        line += newlines(record);
        start = at;
    }
    out
}

pub(super) fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

/// The fields of one record, without their quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    text: String,
    ends: Vec<usize>,
}

impl Fields {
    /// The number of fields.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a record has one field at least")]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// The field at an index, from 0.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&str> {
        let start = if at == 0 { 0 } else { *self.ends.get(at - 1)? };
        self.text.get(start..*self.ends.get(at)?)
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

/// Why the rest of a file is one row.
const OPEN: &str = "a quoted field is never closed; the rest of the file was taken for its content";

/// Splits a record, which has no line end, into its fields.
///
/// # Errors
/// If it is not UTF-8, or a quoted field does not end.
pub fn split(record: &[u8], delimiter: u8) -> Result<Fields, String> {
    if record.is_empty() {
        return Ok(Fields { text: String::new(), ends: vec![0] });
    }
    with_parser(delimiter, |parser| {
        let (written, found) = parse(record, parser)?;
        let text = std::str::from_utf8(&parser.text[..written]).map_err(not_utf8)?;
        Ok(Fields { text: text.to_owned(), ends: parser.ends[..found].to_vec() })
    })
}

/// Parses a record that is not empty; returns how many bytes and field ends were written to the buffers.
fn parse(record: &[u8], parser: &mut Parser) -> Result<(usize, usize), String> {
    let Parser { reader, text, ends, .. } = parser;
    // The output is never longer than the input, so only the field ends can outgrow their buffer.
    if text.len() <= record.len() {
        text.resize(record.len() + 1, 0);
    }
    let (mut read, mut written, mut found) = (0, 0, 0);
    loop {
        // A line end after the record completes it, unless it is within quotes.
        let rest = if read < record.len() { &record[read..] } else { b"\n" };
        let (result, took, put, ended) = reader.read_record(rest, &mut text[written..], &mut ends[found..]);
        (written, found) = (written + put, found + ended);
        match result {
            ReadRecordResult::Record => return Ok((written, found)),
            ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
            ReadRecordResult::InputEmpty if read >= record.len() => return Err(OPEN.to_owned()),
            ReadRecordResult::InputEmpty | ReadRecordResult::OutputFull | ReadRecordResult::End => {}
        }
        read += took;
    }
}

/// Why a row that is not UTF-8 is rejected.
pub(super) fn not_utf8(error: std::str::Utf8Error) -> String {
    format!(
        "invalid UTF-8 from byte {} on; convert the file first, for example with `iconv -f ISO-8859-1 -t UTF-8`",
        error.valid_up_to() + 1
    )
}

/// Adds a field, quoted if necessary.
pub fn push_field(out: &mut Vec<u8>, delimiter: u8, field: &str) {
    out.push(delimiter);
    if field.bytes().any(|byte| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r')) {
        out.push(b'"');
        out.extend_from_slice(field.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(field.as_bytes());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn records_keep_quoted_line_ends() {
        let found = records(b"a,\"x\ny\"\r\nb,c\n\nd", Some(b','));
        assert_eq!(found, [(0, &b"a,\"x\ny\""[..]), (2, b"b,c"), (4, b"d")]);
        assert_eq!(records(b"\"\n\"\n", None), [(0, &b"\""[..]), (1, b"\"")]);
        assert_eq!(records(b"a\r\n\nb", None), [(0, &b"a"[..]), (1, b""), (2, b"b")]);
        assert!(records(b"", None).is_empty() && records(b"\n\r\n", Some(b',')).is_empty());
    }

    #[test]
    fn a_quotation_mark_within_a_cell_is_a_character() {
        let bytes = b"0,a 5\" pipe\n1,b\n2,\"c\"\"d\"\n";
        let rows: Vec<_> =
            records(bytes, Some(b',')).into_iter().map(|(_, row)| split(row, b',').unwrap()).collect();
        let cells: Vec<_> = rows.iter().map(|row| row.get(1).unwrap()).collect();
        assert_eq!(cells, ["a 5\" pipe", "b", "c\"d"]);
        assert_eq!(rows[0].get(2), None);
    }

    #[test]
    fn a_record_without_an_end_is_said() {
        assert!(split(b"a,\"b,c", b',').unwrap_err().contains("never closed"));
        assert!(split(b"a,\"b\"", b',').is_ok() && split(b"", b',').is_ok());
        assert!(split(b"a\xff", b',').unwrap_err().contains("UTF-8 from byte 2"));
        let wide = vec![b','; 500];
        assert_eq!(split(&wide, b',').unwrap().len(), 501);
        let mark = split("\u{feff}a,b".as_bytes(), b',').unwrap();
        assert_eq!(mark.get(0), Some("\u{feff}a"), "a mark within a file is text");
    }

    proptest! {
        #[test]
        fn rows_are_those_of_the_crate_csv_however_the_bytes_arrive(
            text in "[ab\",\n\r]{0,60}", cuts in prop::collection::vec(0_usize..60, 0..6),
        ) {
            let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let theirs: Vec<Vec<String>> =
                reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
            let mut ours = Vec::new();
            for (_, record) in records(text.as_bytes(), Some(b',')) {
                match split(record, b',') {
                    Ok(fields) => ours.push(fields.iter().map(str::to_owned).collect::<Vec<_>>()),
                    Err(reason) => {
                        prop_assert!(reason.contains("never closed"));
                        ours.push(theirs[ours.len()].clone());
                    }
                }
            }
            prop_assert_eq!(&ours, &theirs);

            let mut cutter = Cutter::new(Some(b','));
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < text.len()).collect();
            cuts.push(text.len());
            cuts.sort_unstable();
            let (mut pending, mut found, mut start) = (Vec::new(), Vec::new(), 0);
            for cut in cuts {
                pending.extend_from_slice(&text.as_bytes()[start..cut]);
                start = cut;
                cutter.scan(&pending);
                if let Some(last) = cutter.last {
                    found.push(pending.drain(..last).collect::<Vec<u8>>());
                    cutter.taken(last);
                }
            }
            found.push(pending);
            let apart: usize = found.iter().map(|block| records(block, Some(b',')).len()).sum();
            prop_assert_eq!(apart, theirs.len());
            prop_assert_eq!(found.concat(), text.as_bytes());
        }
    }
}
