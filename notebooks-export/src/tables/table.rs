//! Tables of values: a report's page and its CSV and Parquet files show the same cells.
//!
//! Numbers are rounded once, here, so that every number in a page equals the one in the file.

use std::borrow::Cow;

use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::tables::text_table::TextTable;
use crate::text::Shown;

/// Decimals kept in numbers.
const DECIMALS: i32 = 4;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in files.
    pub key: Cow<'static, str>,
    /// Its title in a page.
    pub title: Cow<'static, str>,
}

impl Column {
    pub(crate) fn new(key: impl Into<Cow<'static, str>>, title: impl Into<Cow<'static, str>>) -> Self {
        Self { key: key.into(), title: title.into() }
    }
}

/// A table that is written to files and shown in pages.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its name, also used for its files.
    pub name: &'static str,
    /// What it holds, in one line.
    pub title: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Its rows; every row has every column.
    pub rows: Vec<Map<String, Value>>,
}

impl Table {
    /// An empty table with these column names and titles.
    pub(crate) fn new(name: &'static str, title: &str, columns: &[(&'static str, &'static str)]) -> Self {
        let columns = columns.iter().map(|&(key, title)| Column::new(key, title)).collect();
        Self::of_columns(name, title, columns)
    }

    /// The same with columns that are known only from data.
    pub(crate) fn of_columns(name: &'static str, title: &str, columns: Vec<Column>) -> Self {
        Self { name, title: title.to_owned(), columns, rows: Vec::new() }
    }

    /// Adds a row: a value for each column, in order.
    pub(crate) fn push<const N: usize>(&mut self, cells: [Value; N]) {
        self.push_all(cells.into());
    }

    /// The same for a number of cells that is known only from data.
    pub(crate) fn push_all(&mut self, cells: Vec<Value>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "{}", self.name);
        let row = self.columns.iter().map(|column| column.key.to_string()).zip(cells);
        self.rows.push(row.collect());
    }

    /// The value of a cell; null if the column does not exist.
    pub(crate) fn cell<'a>(&self, row: &'a Map<String, Value>, key: &str) -> &'a Value {
        row.get(key).unwrap_or(&Value::Null)
    }

    /// Whether the column holds numbers.
    pub(crate) fn is_numeric(&self, key: &str) -> bool {
        self.rows.iter().all(|row| self.cell(row, key).is_number() || self.cell(row, key).is_null())
    }

    /// Some of its rows and columns as an HTML table with a caption.
    pub(crate) fn to_html(&self, caption: &str, keys: &[&str], rows: &[usize]) -> Markup {
        let columns: Vec<(&Column, Option<&str>)> = keys
            .iter()
            .filter_map(|key| self.columns.iter().find(|column| column.key == *key))
            .map(|column| (column, self.is_numeric(&column.key).then_some("number")))
            .collect();
        html! {
            div class="scroll" tabindex="0" role="group" aria-label=(Shown(caption)) {
                table data-sheet=(self.name) {
                    caption { (Shown(caption)) }
                    thead {
                        tr {
                            @for (column, class) in &columns {
                                th scope="col" data-key=(column.key.as_ref()) class=[class] { (Shown(&column.title)) }
                            }
                        }
                    }
                    tbody {
                        @for &row in rows {
                            tr data-row=(row) {
                                @for (column, class) in &columns {
                                    td data-title=(Shown(&column.title)) class=[class] {
                                        (Shown(&plain(self.cell(&self.rows[row], &column.key))))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Some of its rows and columns as a table of texts for a notebook: texts on one line and clipped.
    pub(crate) fn to_text_table(&self, keys: &[&str], rows: impl IntoIterator<Item = usize>) -> TextTable {
        let cells = |row: usize| keys.iter().map(move |key| clip(&plain(self.cell(&self.rows[row], key))));
        TextTable {
            columns: keys.iter().map(|key| (*key).to_owned()).collect(),
            rows: rows
                .into_iter()
                .enumerate()
                .map(|(at, row)| (at.to_string(), cells(row).collect()))
                .collect(),
        }
    }

    /// All of it as a table of texts.
    pub(crate) fn whole(&self) -> TextTable {
        let keys: Vec<&str> = self.columns.iter().map(|column| column.key.as_ref()).collect();
        self.to_text_table(&keys, 0..self.rows.len())
    }
}

/// Maximum number of characters of a text in a notebook.
const CLIPPED: usize = 160;

/// A text on one line, clipped with an ellipsis; `clip` in `tables.py` does the same.
fn clip(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= CLIPPED {
        return line;
    }
    line.chars().take(CLIPPED - 1).chain(['…']).collect()
}

/// A value as text; empty for null.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A number rounded to four decimals; null for NaN and infinity.
pub(crate) fn number(value: f64) -> Value {
    let scale = 10_f64.powi(DECIMALS);
    let rounded = (value * scale).round() / scale;
    // Adding 0.0 turns minus zero into zero.
    serde_json::Number::from_f64(rounded + 0.0).map_or(Value::Null, Value::Number)
}

/// The name of a label in tables.
pub(crate) const fn label(refused: bool) -> &'static str {
    if refused { "refused" } else { "complied" }
}

/// A value with the ends of its interval; nulls if the value is undefined.
pub(crate) fn interval(value: f64, (low, high): (f64, f64)) -> [Value; 3] {
    if value.is_finite() {
        [number(value), number(low), number(high)]
    } else {
        [Value::Null, Value::Null, Value::Null]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_rounded_once() {
        assert_eq!(number(0.123_456), json!(0.1235));
        assert_eq!(number(-0.000_01), json!(0.0));
        assert_eq!(number(f64::NAN), Value::Null);
        assert_eq!(plain(&number(1.0)), "1.0");
        assert_eq!(plain(&Value::Null), "");
    }

    #[test]
    fn a_page_and_a_notebook_show_the_same_cells() {
        let mut table = Table::new("x", "x", &[("name", "Name"), ("value", "Value")]);
        table.push([json!("<b>"), number(2.0)]);
        table.push([json!("n"), Value::Null]);
        let html = table.to_html("a & b", &["name", "value"], &[0, 1]).into_string();
        assert!(html.contains(">&lt;b&gt;</td><td data-title=\"Value\" class=\"number\">2.0</td>"), "{html}");
        assert!(html.contains("<caption>a &amp; b</caption>") && html.contains("data-key=\"value\""));
        assert_eq!(table.to_text_table(&["value"], [0, 1]).to_text(), "   value\n0  2.0\n1");
    }
}
