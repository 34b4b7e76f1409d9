//! One row of a text file: where its texts are, and how it is written with new columns after its own.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::cell::{Cell, push_json, push_number};
use super::column::{Column, other_separator};
use super::locate::{CLASH, Found, find};
use super::records::{Fields, delimiter, not_utf8, push_field, split};
use crate::conversation::{self, last_of_chat, last_of_user};
use crate::path::Path;
use crate::read::object;
use crate::{Format, Input, Signs, TextReader, json_row};

/// The label columns are renamed together, so that a label from the rows is never mistaken for one from this
/// program, or the reverse.
const LABEL: [&str; 3] = ["label", "labelled_by", "kind"];

/// Names for new columns that the rows do not have yet: a name in use gets the prefix `demur_`, and if the
/// rows have one of the label columns, all of these get it.
#[must_use]
pub fn free_names(taken: &[String], wanted: Vec<String>) -> Vec<String> {
    let is_taken = |name: &str| taken.iter().any(|taken| taken == name);
    let labels = |name: &str| LABEL.contains(&name);
    let labelled = wanted.iter().any(|name| name == "labelled_by") && LABEL.into_iter().any(is_taken);
    let free = |name: String| {
        if is_taken(&name) || (labelled && labels(&name)) { format!("demur_{name}") } else { name }
    };
    wanted.into_iter().map(free).collect()
}

/// Which texts of a row are read.
pub enum Texts {
    /// The prompt alone, and the most characters that it may have.
    Prompt(Column, usize),
    /// The same by the places of a layout.
    PromptOf(Box<TextReader>, usize),
    /// The answer, and the prompt if there is one.
    Answer(Box<TextReader>),
}

/// What a row gives to score: its texts, and what a provider says beside the answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowInput<'a> {
    /// The texts.
    pub texts: Input<'a>,
    /// The signs beside the answer.
    pub signs: Option<&'a Signs>,
}

impl<'a> RowInput<'a> {
    /// A prompt alone.
    #[must_use]
    pub const fn prompt(prompt: &'a str) -> Self {
        Self { texts: Input::prompt(prompt), signs: None }
    }
}

/// Reads and writes the rows of one file.
pub struct RowFormat {
    /// Where its texts are.
    pub texts: Texts,
    /// A text format.
    pub format: Format,
    /// Names of the fields in CSV or TSV.
    pub header: Vec<String>,
    /// Names of the new columns.
    pub names: Arc<[String]>,
}

/// What is wrong with a row.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field at fault, if the fault is in a field.
    pub field: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

impl Fault {
    /// A fault of the row as a whole.
    pub fn row(reason: impl Into<String>) -> Self {
        Self { field: None, reason: reason.into() }
    }

    /// A fault of one field.
    pub fn of(field: String, reason: impl Into<String>) -> Self {
        Self { field: Some(field), reason: reason.into() }
    }
}

impl RowFormat {
    /// Reads a row's texts and calls `each` with them.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn read<T>(&self, row: &[u8], each: impl FnOnce(&RowInput<'_>) -> T) -> Result<T, Fault> {
        let text = std::str::from_utf8(row).map_err(|error| Fault::row(not_utf8(error)))?;
        match &self.texts {
            Texts::Prompt(column, longest) => {
                let prompt = self.prompt(text, column)?;
                check(&prompt, *longest).map_err(|reason| Fault::of(column.name(), reason))?;
                Ok(each(&RowInput::prompt(&prompt)))
            }
            Texts::PromptOf(reader, longest) => prompt(reader, &self.new_fields(text)?, *longest, each),
            Texts::Answer(reader) => answer(reader, &self.new_fields(text)?, each),
        }
    }

    /// The fields of a row that has none of the new names.
    fn new_fields(&self, text: &str) -> Result<Map<String, Value>, Fault> {
        let fields = self.fields(text).map_err(Fault::row)?;
        if delimiter(self.format).is_none() && self.names.iter().any(|name| fields.contains_key(name)) {
            return Err(Fault::row(CLASH));
        }
        Ok(fields)
    }

    fn prompt<'r>(&self, text: &'r str, column: &Column) -> Result<Cow<'r, str>, Fault> {
        let fault = |reason: &str| Fault::of(column.name(), reason);
        match column {
            Column::Field(at) => {
                let cells = self.cells(text).map_err(Fault::row)?;
                // There are as many cells as the header has names, and the column is one of these.
                Ok(Cow::Owned(cells.get(*at).unwrap_or_default().to_owned()))
            }
            Column::Text(path) => match find(text, path, false, &self.names).map_err(Fault::row)? {
                Found::Text(text) => Ok(text),
                Found::Nothing => Err(fault("there is no prompt")),
                // A prompt may be a chat, or a text in parts.
                Found::Value(_) | Found::Other => match find(text, path, true, &self.names) {
                    Ok(Found::Value(value)) => {
                        prompt_of(&value).map(Cow::Owned).ok_or_else(|| fault("not a text"))
                    }
                    _ => Err(fault("not a text")),
                },
            },
            Column::Chat(path) => {
                let mut found = find(text, path, true, &self.names).map_err(Fault::row)?;
                // In a file of several sources, a chat has a different usual name in some rows.
                if !matches!(found, Found::Value(_)) && conversation::is_usual(path.as_str()) {
                    for usual in conversation::USUAL {
                        match find(text, &Path::name(usual), true, &[]).map_err(Fault::row)? {
                            Found::Value(chat) => found = Found::Value(chat),
                            Found::Text(_) | Found::Other | Found::Nothing => {}
                        }
                    }
                }
                let Found::Value(chat) = found else { return Err(fault("not a list of messages")) };
                last_of_chat(&chat).map(Cow::Owned).map_err(|reason| fault(&reason))
            }
            Column::ChatField(at) => {
                let cells = self.cells(text).map_err(Fault::row)?;
                let chat = Value::from(cells.get(*at).unwrap_or_default());
                last_of_chat(&chat).map(Cow::Owned).map_err(|reason| fault(&reason))
            }
        }
    }

    fn cells(&self, text: &str) -> Result<Fields, String> {
        let cells = split(text.as_bytes(), delimiter(self.format).unwrap_or(b','))?;
        if cells.len() != self.header.len() {
            let reason = format!("{} fields, where the header has {}", cells.len(), self.header.len());
            let other = other_separator(&self.header).map(char::escape_default);
            let hint = other.map(|other| format!("; the fields seem to be separated by `{other}`"));
            return Err(reason + &hint.unwrap_or_default());
        }
        Ok(cells)
    }

    /// A row by the names of its fields.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn fields(&self, text: &str) -> Result<Map<String, Value>, String> {
        if delimiter(self.format).is_none() {
            return json_row(text).map_err(|(reason, _)| reason);
        }
        Ok(object(&self.header, self.cells(text)?.iter()))
    }

    /// A rejected row: its fields, or as much of them as can be parsed.
    #[must_use]
    pub fn raw(&self, text: &str) -> Value {
        match delimiter(self.format) {
            None => json_row(text).map_or_else(|(_, raw)| raw, Value::Object),
            Some(_) => self.fields(text).map_or_else(|_| Value::from(text), Value::Object),
        }
    }

    /// Writes a row as it is, with the new cells after its own fields and a line end.
    pub fn write_same(&self, row: &[u8], cells: &[Cell<'_>], out: &mut Vec<u8>) {
        let Some(delimiter) = delimiter(self.format) else {
            let row = row.trim_ascii();
            // The row was parsed as an object, so it ends in a brace.
            let body = row.strip_suffix(b"}").unwrap_or(row).trim_ascii_end();
            out.extend_from_slice(body);
            let first = body.ends_with(b"{");
            return push_json(&self.names, cells, first, out);
        };
        out.extend_from_slice(row);
        let mut number = String::new();
        for cell in cells {
            match cell {
                Cell::Number(value) => {
                    number.clear();
                    push_number(*value, &mut number);
                    push_field(out, delimiter, &number);
                }
                Cell::Text(text) => push_field(out, delimiter, text),
                Cell::Flag(flag) => push_field(out, delimiter, if *flag { "true" } else { "false" }),
                Cell::Json(text) => push_field(out, delimiter, text),
                Cell::Null => push_field(out, delimiter, ""),
            }
        }
        out.push(b'\n');
    }

    /// Writes a row as a JSON line.
    pub fn write_line(&self, row: &[u8], cells: &[Cell<'_>], out: &mut Vec<u8>) {
        if delimiter(self.format).is_none() {
            return self.write_same(row, cells, out);
        }
        // The row was parsed as text with as many fields as the header has.
        let fields =
            std::str::from_utf8(row).ok().and_then(|text| self.fields(text).ok()).unwrap_or_default();
        write_fields(&fields, &self.names, cells, out);
    }

    /// The header of a separated file with the new columns.
    #[must_use]
    pub fn head(&self, header: &[u8]) -> Vec<u8> {
        let mut out = header.to_vec();
        for name in self.names.iter() {
            push_field(&mut out, delimiter(self.format).unwrap_or(b','), name);
        }
        out.push(b'\n');
        out
    }
}

/// The prompt in a value other than a text: the last user message of a chat, otherwise a text in parts.
#[must_use]
pub fn prompt_of(value: &Value) -> Option<String> {
    let said = last_of_user(value).or_else(|_| conversation::text(value)).ok();
    said.filter(|said| !said.is_empty())
}

/// What is wrong with the first of some JSON rows that is not an object, with its number.
#[must_use]
pub fn first_fault(rows: &[u8]) -> Option<String> {
    let rows = super::records(rows, None);
    let mut rows = rows.iter().filter(|(_, row)| !row.trim_ascii().is_empty());
    rows.find_map(|(before, row)| {
        let fault = match std::str::from_utf8(row) {
            Ok(text) => json_row(text).err()?.0,
            Err(error) => not_utf8(error),
        };
        Some(format!("row {}: {fault}", before + 1))
    })
}

/// Reads the prompt of a row in a known layout and calls `each` with it.
///
/// # Errors
/// What is wrong with the row.
pub fn prompt<T>(
    reader: &TextReader,
    fields: &Map<String, Value>,
    longest: usize,
    each: impl FnOnce(&RowInput<'_>) -> T,
) -> Result<T, Fault> {
    let fault = |(field, reason)| Fault::of(field, reason);
    let row = reader.texts(fields).map_err(fault)?;
    // The reader has checked that there is one.
    let prompt = row.prompt.as_deref().unwrap_or_default();
    check(prompt, longest).map_err(Fault::row)?;
    Ok(each(&RowInput { texts: row.sent_in.of(Input::prompt(prompt)), signs: None }))
}

/// Reads the texts of an answer and calls `each` with them.
///
/// # Errors
/// What is wrong with the row.
pub fn answer<T>(
    reader: &TextReader,
    fields: &Map<String, Value>,
    each: impl FnOnce(&RowInput<'_>) -> T,
) -> Result<T, Fault> {
    let row = reader.texts(fields).map_err(|(field, reason)| Fault::of(field, reason))?;
    let texts = row.sent_in.of(Input {
        prompt: row.prompt.as_deref(),
        response: row.response.as_deref(),
        target: row.target.as_deref(),
        ..Input::default()
    });
    Ok(each(&RowInput { texts, signs: row.signs.as_ref() }))
}

/// Writes fields and new cells as a JSON line.
pub fn write_fields(fields: &Map<String, Value>, names: &[String], cells: &[Cell<'_>], out: &mut Vec<u8>) {
    let mut text = Value::Object(fields.clone()).to_string();
    text.pop();
    out.extend_from_slice(text.as_bytes());
    push_json(names, cells, fields.is_empty(), out);
}

/// Checks a prompt.
///
/// # Errors
/// What is wrong with it.
pub fn check(prompt: &str, longest: usize) -> Result<(), String> {
    if prompt.trim().is_empty() {
        return Err("the prompt is blank".to_owned());
    }
    if prompt.len() > longest && prompt.chars().count() > longest {
        return Err(format!("the prompt is longer than {longest} characters"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn format(column: Column, format: Format) -> RowFormat {
        let names = ["p_refusal", "decision"].map(str::to_owned);
        let header = ["a", "b", "c"].map(str::to_owned).to_vec();
        RowFormat { texts: Texts::Prompt(column, 20), format, header, names: names.into() }
    }

    fn scored(row: &str, column: Column, of: Format) -> Result<String, Fault> {
        let format = format(column, of);
        format.read(row.as_bytes(), |input| assert!(input.texts.prompt.is_some()))?;
        let mut out = Vec::new();
        format.write_same(row.as_bytes(), &[Cell::Number(0.25), Cell::Text("hold")], &mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    fn text(path: &str) -> Column {
        Column::Text(Path::parse(path))
    }

    #[test]
    fn a_json_row_keeps_its_bytes_and_gets_a_score() {
        let row = r#" {"n": 1.50, "meta" : {"text":"h\u0069 you"},"prompt":"x" } "#;
        let out = scored(row, text("meta.text"), Format::Jsonl).unwrap();
        let said =
            r#"{"n": 1.50, "meta" : {"text":"h\u0069 you"},"prompt":"x","p_refusal":0.25,"decision":"hold"}"#;
        assert_eq!(out, format!("{said}\n"));
        let chat = r#"{"m":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","content":"x"}]}"#;
        assert!(scored(chat, Column::Chat(Path::name("m")), Format::Jsonl).is_ok());
    }

    #[test]
    fn a_separated_row_keeps_its_bytes_and_gets_a_score() {
        let out = scored("1,\"say \"\"hi\"\", you\",", Column::Field(1), Format::Csv).unwrap();
        assert_eq!(out, "1,\"say \"\"hi\"\", you\",,0.25,hold\n");
        let mut line = Vec::new();
        let cells = [Cell::Number(1.0), Cell::Json("[\"a\"]".to_owned())];
        format(Column::Field(1), Format::Csv).write_line(b"1,\"\"\"\",", &cells, &mut line);
        assert_eq!(line, b"{\"a\":\"1\",\"b\":\"\\\"\",\"c\":null,\"p_refusal\":1.0,\"decision\":[\"a\"]}\n");
    }

    #[test]
    fn rows_that_cannot_be_scored_say_why() {
        for (row, said) in [
            ("", "EOF"),
            ("[1]", "no object but list"),
            ("{\"prompt\":\"a\"} x", "trailing"),
            ("{}", "there is no prompt"),
            ("{\"prompt\":null}", "there is no prompt"),
            ("{\"prompt\":[1,{\"a\":2}]}", "not a text"),
            ("{\"prompt\":\" \"}", "blank"),
            ("{\"prompt\":\"012345678901234567890\"}", "longer than 20"),
            ("{\"prompt\":\"a\",\"decision\":1}", "a name that a new column needs"),
            ("{\"prompt\":\"\\ud800\"}", "hex escape"),
        ] {
            let fault = scored(row, text("prompt"), Format::Jsonl).unwrap_err();
            assert!(fault.reason.contains(said), "{row}: {fault:?}");
        }
        for (row, said) in [("a,b", "2 fields"), ("a,\"b,c", "never closed"), ("a,b\"c,d,e", "4 fields")] {
            assert!(scored(row, Column::Field(1), Format::Csv).unwrap_err().reason.contains(said), "{row}");
        }
    }
}
