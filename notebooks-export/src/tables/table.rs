//! Tables of values: what a report's page shows, and its CSV and Parquet files hold, are the same cells.
//!
//! Numbers are rounded once, here, so that a number in a page is digit for digit the one in the file.

use serde_json::{Map, Value};

use crate::tables::text_table::Table;
use crate::text::escape;

/// Decimals that numbers keep.
const DECIMALS: i32 = 4;

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name in files.
    pub key: &'static str,
    /// Its head in a page.
    pub title: &'static str,
}

/// A table that is written to files and shown in pages.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// Its name, that of its files.
    pub name: &'static str,
    /// What it holds, in a line.
    pub title: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Its rows; every row has every column.
    pub rows: Vec<Map<String, Value>>,
}

impl Sheet {
    /// An empty table with columns of these names and heads.
    pub(crate) fn new(name: &'static str, title: &str, columns: &[(&'static str, &'static str)]) -> Self {
        let columns = columns.iter().map(|&(key, title)| Column { key, title }).collect();
        Self { name, title: title.to_owned(), columns, rows: Vec::new() }
    }

    /// Adds a row: a value for each column, in order.
    pub(crate) fn push<const N: usize>(&mut self, cells: [Value; N]) {
        debug_assert_eq!(N, self.columns.len(), "{}", self.name);
        let row = self.columns.iter().map(|column| column.key.to_owned()).zip(cells);
        self.rows.push(row.collect());
    }

    /// The value of a cell; null where there is no such column.
    pub(crate) fn cell<'a>(&self, row: &'a Map<String, Value>, key: &str) -> &'a Value {
        row.get(key).unwrap_or(&Value::Null)
    }

    /// Whether the column holds numbers.
    fn is_numeric(&self, key: &str) -> bool {
        self.rows.iter().all(|row| self.cell(row, key).is_number() || self.cell(row, key).is_null())
    }

    /// Some of its rows and columns as an HTML table with a caption; all texts are escaped.
    pub(crate) fn to_html(&self, caption: &str, keys: &[&str], rows: &[usize]) -> String {
        let columns: Vec<&Column> =
            keys.iter().filter_map(|key| self.columns.iter().find(|column| column.key == *key)).collect();
        let numeric: Vec<bool> = columns.iter().map(|column| self.is_numeric(column.key)).collect();
        let class = |numeric: bool| if numeric { " class=\"number\"" } else { "" };
        let mut out = format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{0}\"><table data-sheet=\"{1}\">\n<caption>{0}</caption>\n<thead><tr>",
            escape(caption),
            self.name
        );
        for (column, &numeric) in columns.iter().zip(&numeric) {
            let (key, title) = (column.key, escape(column.title));
            out += &format!("<th scope=\"col\" data-key=\"{key}\"{}>{title}</th>", class(numeric));
        }
        out += "</tr></thead>\n<tbody>\n";
        for &row in rows {
            out += &format!("<tr data-row=\"{row}\">");
            for (column, &numeric) in columns.iter().zip(&numeric) {
                let text = escape(&plain(self.cell(&self.rows[row], column.key)));
                let title = escape(column.title);
                out += &format!("<td data-title=\"{title}\"{}>{text}</td>", class(numeric));
            }
            out += "</tr>\n";
        }
        out + "</tbody>\n</table></div>\n"
    }

    /// Some of its rows and columns as a table of texts, as a notebook shows it: texts on one line and cut.
    pub(crate) fn to_table(&self, keys: &[&str], rows: impl IntoIterator<Item = usize>) -> Table {
        let cells = |row: usize| keys.iter().map(move |key| clip(&plain(self.cell(&self.rows[row], key))));
        Table {
            columns: keys.iter().map(|key| (*key).to_owned()).collect(),
            rows: rows
                .into_iter()
                .enumerate()
                .map(|(at, row)| (at.to_string(), cells(row).collect()))
                .collect(),
        }
    }

    /// All of it as such a table.
    pub(crate) fn whole(&self) -> Table {
        let keys: Vec<&str> = self.columns.iter().map(|column| column.key).collect();
        self.to_table(&keys, 0..self.rows.len())
    }
}

/// Characters of a text that a notebook shows.
const CLIPPED: usize = 160;

/// A text on one line, cut with an ellipsis; `clip` in `tables.py` does the same.
fn clip(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= CLIPPED {
        return line;
    }
    line.chars().take(CLIPPED - 1).chain(['…']).collect()
}

/// A value as text; nothing for null.
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
    // Minus zero says nothing that zero does not.
    serde_json::Number::from_f64(rounded + 0.0).map_or(Value::Null, Value::Number)
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
        let mut sheet = Sheet::new("x", "x", &[("name", "Name"), ("value", "Value")]);
        sheet.push([json!("<b>"), number(2.0)]);
        sheet.push([json!("n"), Value::Null]);
        let html = sheet.to_html("a & b", &["name", "value"], &[0, 1]);
        assert!(html.contains(">&lt;b&gt;</td><td data-title=\"Value\" class=\"number\">2.0</td>"), "{html}");
        assert!(html.contains("<caption>a &amp; b</caption>") && html.contains("data-key=\"value\""));
        assert_eq!(sheet.to_table(&["value"], [0, 1]).to_text(), "   value\n0  2.0\n1");
    }
}
