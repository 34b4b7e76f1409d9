//! Jupyter notebooks, nbformat 4.5, with stored outputs.
//!
//! An output is a bundle of alternative representations; a viewer takes the richest that it may show.
//! `JupyterLab` shows `image/svg+xml` only in a notebook that its user has trusted, but an `<img>` in
//! `text/html` always, so a chart has both.

pub(crate) mod comparison;
pub(crate) mod notebooks;
pub(crate) mod pipeline_report;

use std::collections::BTreeMap;
use std::fmt;

use demur_predictor::sha256;
use serde_json::{Value, json};

use crate::figures::charts::Chart;
use crate::tables::text_table::TextTable;

/// The output of a code cell, as several media types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    data: BTreeMap<&'static str, String>,
}

impl Output {
    /// Plain text only.
    #[must_use]
    pub fn text(text: String) -> Self {
        Self { data: BTreeMap::from([("text/plain", text)]) }
    }

    /// Adds an HTML representation.
    #[must_use]
    pub(crate) fn with_html(mut self, html: String) -> Self {
        self.data.insert("text/html", html);
        self
    }

    /// Adds an SVG representation.
    #[must_use]
    pub(crate) fn with_svg(mut self, svg: String) -> Self {
        self.data.insert("image/svg+xml", svg);
        self
    }

    /// Adds one representation.
    #[must_use]
    pub fn get(&self, media_type: &str) -> Option<&str> {
        self.data.get(media_type).map(String::as_str)
    }
}

impl From<&TextTable> for Output {
    fn from(table: &TextTable) -> Self {
        Self::text(table.to_text()).with_html(table.to_html())
    }
}

impl From<Chart> for Output {
    fn from(chart: Chart) -> Self {
        let (html, svg) = (chart.to_html(), chart.drawing.to_svg());
        Self::text(chart.text).with_html(html).with_svg(svg)
    }
}

/// A cell of a notebook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Text.
    Markdown {
        /// The text, Markdown.
        source: String,
    },
    /// Code with its outputs.
    Code {
        /// The code, Python.
        source: String,
        /// Its outputs.
        outputs: Vec<Output>,
        /// Shown collapsed, for code that few readers need.
        collapsed: bool,
    },
}

/// A notebook for Python 3.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notebook {
    cells: Vec<Cell>,
}

impl Notebook {
    /// An empty notebook.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text cell.
    pub fn markdown(&mut self, source: impl Into<String>) {
        self.cells.push(Cell::Markdown { source: source.into() });
    }

    /// Adds a code cell with its outputs.
    pub fn code(&mut self, source: impl Into<String>, outputs: impl IntoIterator<Item = Output>) {
        let outputs = outputs.into_iter().collect();
        self.cells.push(Cell::Code { source: source.into(), outputs, collapsed: false });
    }

    /// Adds a code cell without outputs that is collapsed.
    pub(crate) fn collapsed_code(&mut self, source: impl Into<String>) {
        self.cells.push(Cell::Code { source: source.into(), outputs: Vec::new(), collapsed: true });
    }

    /// The cells, in order.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The notebook as JSON, keys sorted.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let cells: Vec<Value> = self.cells.iter().enumerate().map(|(at, cell)| cell_json(at, cell)).collect();
        let mut json = json!({
            "cells": cells,
            "metadata": {
                "kernelspec": { "display_name": "Python 3", "language": "python", "name": "python3" },
                "language_info": { "name": "python" },
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        });
        json.sort_all_objects();
        json
    }
}

/// The content of an `.ipynb` file.
impl fmt::Display for Notebook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:#}", self.to_json())
    }
}

fn cell_json(at: usize, cell: &Cell) -> Value {
    match cell {
        Cell::Markdown { source } => json!({
            "cell_type": "markdown",
            "id": id(at, source),
            "metadata": {},
            "source": lines(source),
        }),
        // No kernel ran these cells, so they have no execution count.
        Cell::Code { source, outputs, collapsed } => json!({
            "cell_type": "code",
            "execution_count": null,
            "id": id(at, source),
            "metadata": if *collapsed { json!({ "jupyter": { "source_hidden": true } }) } else { json!({}) },
            "outputs": outputs.iter().map(output_json).collect::<Vec<Value>>(),
            "source": lines(source),
        }),
    }
}

fn output_json(output: &Output) -> Value {
    let data: serde_json::Map<String, Value> =
        output.data.iter().map(|(&media_type, text)| (media_type.to_owned(), lines(text))).collect();
    json!({ "output_type": "display_data", "data": data, "metadata": {} })
}

/// Derived from position and content: unique within the notebook and the same in every run.
fn id(at: usize, source: &str) -> String {
    format!("{at:02}-{}", &sha256(source.as_bytes())[..8])
}

/// Text as nbformat stores it: a list of lines that include their line ends.
fn lines(text: &str) -> Value {
    text.split_inclusive('\n').collect::<Vec<&str>>().into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn notebook() -> Notebook {
        let mut notebook = Notebook::new();
        notebook.markdown("# Title\n\ntext");
        notebook.code("1 + 1", [Output::text("2".to_owned()).with_html("<b>2</b>".to_owned())]);
        notebook.collapsed_code("1 + 1");
        notebook
    }

    #[test]
    fn it_has_the_keys_that_nbformat_asks_for() {
        let json = notebook().to_json();
        assert_eq!((&json["nbformat"], &json["nbformat_minor"]), (&json!(4), &json!(5)));
        assert_eq!(json["metadata"]["kernelspec"]["name"], "python3");
        let cells = json["cells"].as_array().unwrap();
        let keys = |cell: &Value| cell.as_object().unwrap().keys().cloned().collect::<Vec<String>>();
        assert_eq!(keys(&cells[0]), ["cell_type", "id", "metadata", "source"]);
        let code = ["cell_type", "execution_count", "id", "metadata", "outputs", "source"];
        assert_eq!(keys(&cells[1]), code);
        assert_eq!(keys(&cells[1]["outputs"][0]), ["data", "metadata", "output_type"]);
        assert_eq!(cells[2]["metadata"], json!({ "jupyter": { "source_hidden": true } }));
        assert_eq!(cells[0]["source"], json!(["# Title\n", "\n", "text"]));
        assert_eq!(cells[1]["outputs"][0]["data"], json!({ "text/html": ["<b>2</b>"], "text/plain": ["2"] }));
    }

    #[test]
    fn ids_are_valid_unique_and_stable() {
        let ids = |json: &Value| -> Vec<String> {
            let cells = json["cells"].as_array().unwrap();
            cells.iter().map(|cell| cell["id"].as_str().unwrap().to_owned()).collect()
        };
        let all = ids(&notebook().to_json());
        assert_eq!(all, ids(&notebook().to_json()));
        assert!(all.iter().all(|id| id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')), "{all:?}");
        assert!(all[1] != all[2] && all[1][2..] == all[2][2..], "{all:?}");
    }

    #[test]
    fn the_text_is_the_json_and_ends_with_one_line_break() {
        let text = notebook().to_string();
        assert_eq!(text, notebook().to_string());
        assert!(text.ends_with("}\n") && !text.ends_with("\n\n"));
        assert!(text.starts_with("{\n  \"cells\": [\n    {\n      \"cell_type\""), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), notebook().to_json());
    }
}
