//! A bad row: kept with its place and the reason, so that no row is lost silently.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::Place;

/// A row that could not be used, as it is written to `OUTPUT.rejected.jsonl`:
/// `{"file", "line", "field", "reason", "row"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejection {
    /// Where the row is.
    pub place: Place,
    /// The field at fault, by its name in the file; `None` if the row as a whole is.
    pub field: Option<String>,
    /// What is wrong with it.
    pub reason: String,
    /// The row: its fields, or its text if that could not be parsed.
    pub raw: Option<Value>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{}: `{field}`: {}", self.place, self.reason),
            None => write!(f, "{}: {}", self.place, self.reason),
        }
    }
}

impl Serialize for Rejection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("file", &*self.place.file)?;
        map.serialize_entry("line", &self.place.line)?;
        map.serialize_entry("field", &self.field)?;
        map.serialize_entry("reason", &self.reason)?;
        map.serialize_entry("row", &self.raw)?;
        map.end()
    }
}
