//! Tables that pandas writes as one JSON object by columns (`{"prompt": {"0": ...}, ...}`), by lists of cells
//! (`{"prompt": [...], ...}`), or split into names and cells (`{"columns": [...], "data": [[...]]}`): made
//! rows.

use serde_json::{Map, Value};

use crate::columns::is_text_name;

/// How a table lies in an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oriented {
    /// Each column an object of cells by the row's index.
    Columns,
    /// Each column a list of cells.
    Lists,
    /// The names under `columns`, and a list of cells for each row under `data`.
    Split,
}

impl Oriented {
    /// How an object holds a table, by its skeleton or as a whole; `None` if it holds none.
    pub(super) fn of(object: &Map<String, Value>) -> Option<Self> {
        let has_texts = || object.keys().any(|name| is_text_name(name));
        let list = |name: &str| object.get(name).and_then(Value::as_array);
        if let (Some(names), Some(rows)) = (list("columns"), list("data")) {
            let is_split =
                names.iter().all(Value::is_string) && !rows.is_empty() && rows.iter().all(Value::is_array);
            return is_split.then_some(Self::Split);
        }
        if object.len() < 2 || !has_texts() {
            return None;
        }
        let is_number = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        let mut columns = object.values().map(Value::as_object);
        if let Some(Some(first)) = columns.next() {
            let is_alike = |column: Option<&Map<String, Value>>| {
                column.is_some_and(|column| column.keys().eq(first.keys()))
            };
            let is_indexed = !first.is_empty() && first.keys().all(|name| is_number(name));
            return (is_indexed && columns.all(is_alike)).then_some(Self::Columns);
        }
        // Lists of objects are turns, parts or rows.
        let length = |column: &Value| {
            let cells = column.as_array()?;
            let is_cell = |cell: &Value| !cell.is_object() && !cell.is_array();
            (!cells.is_empty() && cells.iter().all(is_cell)).then_some(cells.len())
        };
        let first = object.values().next().and_then(length)?;
        object.values().all(|column| length(column) == Some(first)).then_some(Self::Lists)
    }

    /// What it is, for summaries.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Columns | Self::Lists => "a table by columns",
            Self::Split => "a table of names and cells",
        }
    }

    /// The rows as the text of a JSON array, one a line.
    pub(super) fn rows(self, object: &Map<String, Value>) -> String {
        let rows: Vec<String> = match self {
            Self::Columns => by_index(object, |column| {
                column.as_object().map_or_else(Vec::new, |cells| cells.values().collect())
            }),
            Self::Lists => by_index(object, |column| {
                column.as_array().map_or_else(Vec::new, |cells| cells.iter().collect())
            }),
            Self::Split => {
                let list = |name: &str| object.get(name).and_then(Value::as_array).into_iter().flatten();
                let names: Vec<&str> = list("columns").filter_map(Value::as_str).collect();
                let row = |cells: &Value| match cells.as_array() {
                    Some(cells) if cells.len() == names.len() => {
                        let fields =
                            names.iter().zip(cells).map(|(name, cell)| ((*name).to_owned(), cell.clone()));
                        Value::Object(fields.collect()).to_string()
                    }
                    // What is no row of this table becomes a bad row.
                    _ => cells.to_string(),
                };
                list("data").map(row).collect()
            }
        };
        format!("[{}]", rows.join(",\n"))
    }
}

/// The rows of columns of cells.
fn by_index<'v>(object: &'v Map<String, Value>, cells: impl Fn(&'v Value) -> Vec<&'v Value>) -> Vec<String> {
    let columns: Vec<(&String, Vec<&Value>)> =
        object.iter().map(|(name, column)| (name, cells(column))).collect();
    let rows = columns.iter().map(|(_, cells)| cells.len()).max().unwrap_or_default();
    let row = |at: usize| {
        let cell =
            |(name, cells): &(&String, Vec<&Value>)| Some(((*name).clone(), (*cells.get(at)?).clone()));
        Value::Object(columns.iter().filter_map(cell).collect()).to_string()
    };
    (0..rows).map(row).collect()
}

/// Whether an object has a row under each of its keys (pandas' `orient="index"`): objects with the same
/// fields, texts among them.
pub(super) fn is_by_row(object: &Map<String, Value>) -> bool {
    let mut rows = object.iter();
    let Some((name, Value::Object(first))) = rows.next() else { return false };
    let is_alike =
        |(_, row): (&String, &Value)| row.as_object().is_some_and(|row| row.keys().eq(first.keys()));
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    first.keys().any(|name| is_text_name(name)) && (is_number || object.len() > 1) && rows.all(is_alike)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::{Oriented, is_by_row};

    fn rows(table: &Value) -> Option<Value> {
        let object = table.as_object().unwrap();
        Oriented::of(object).map(|oriented| serde_json::from_str(&oriented.rows(object)).unwrap())
    }

    #[test]
    fn tables_of_every_orientation_become_rows() {
        let wanted = json!([{"prompt": "a", "n": 1}, {"prompt": "b", "n": null}]);
        for table in [
            json!({"prompt": {"0": "a", "1": "b"}, "n": {"0": 1, "1": null}}),
            json!({"prompt": ["a", "b"], "n": [1, null]}),
            json!({"columns": ["prompt", "n"], "index": [0, 1], "data": [["a", 1], ["b", null]]}),
        ] {
            assert_eq!(rows(&table), Some(wanted.clone()), "{table}");
        }
        let ragged = rows(&json!({"columns": ["prompt", "n"], "data": [["a"]]}));
        assert_eq!(ragged, Some(json!([["a"]])), "a bad row says so later");
    }

    #[test]
    fn other_objects_are_no_tables() {
        for object in [
            json!({"prompt": "a", "response": "b"}),
            json!({"prompt": {"text": "a"}, "response": {"text": "b"}}),
            json!({"messages": [{"role": "user"}], "tags": ["x"]}),
            json!({"prompt": ["a", "b"], "response": ["c"]}),
            json!({"prompt": ["a"]}),
            json!({"columns": ["a"], "data": [{"a": 1}]}),
            json!({"x": [1], "y": [2]}),
            json!({}),
        ] {
            assert_eq!(Oriented::of(object.as_object().unwrap()), None, "{object}");
        }
    }

    #[test]
    fn rows_may_lie_under_keys_of_their_own() {
        let row = json!({"prompt": "a", "response": "b"});
        for (object, is) in [
            (json!({"0": row}), true),
            (json!({"id-1": row, "id-2": row}), true),
            (json!({"request": {"prompt": "a"}, "response": {"output": "b"}}), false),
            (json!({"data": row}), false),
            (json!({"a": {"x": 1}, "b": {"x": 2}}), false),
        ] {
            assert_eq!(is_by_row(object.as_object().unwrap()), is, "{object}");
        }
    }
}
