//! Where the rows lie in a file that is one JSON object: a look at the whole of it that keeps its skeleton
//! alone, the first elements of each list.

use std::cell::Cell;
use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::choice::Opening;
use super::oriented::{Oriented, is_by_row};
use super::short_texts::ShortTexts;
use crate::columns::is_text_name;
use crate::layout::{Layout, LayoutChoice};
use crate::path::Path;

/// How many elements of a list, and how many fields of an object, a skeleton keeps.
const ELEMENTS: usize = 3;
const FIELDS: usize = 1 << 10;

/// How many bytes of a text it keeps, and how many values in all.
const BYTES: usize = 1 << 10;
const VALUES: usize = 1 << 16;

/// How deep lists of rows are looked for.
const DEPTH: usize = 3;

/// The skeleton of the first value in a text.
///
/// # Errors
/// If it is not valid JSON.
pub(super) fn skeleton(source: impl Read) -> serde_json::Result<Value> {
    skeleton_of(&mut serde_json::Deserializer::from_reader(ShortTexts::new(source)))
}

/// The skeleton of the next value.
///
/// # Errors
/// If it is not valid JSON.
pub(super) fn skeleton_of<R: Read>(
    deserializer: &mut serde_json::Deserializer<serde_json::de::IoRead<R>>,
) -> serde_json::Result<Value> {
    Skeleton { left: &Cell::new(VALUES) }.deserialize(deserializer)
}

/// The path that says that an object is a row itself.
const ITSELF: &str = ".";

/// Where the rows of an object lie.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RowsAt {
    /// The object is the only row.
    Itself,
    /// Under a path.
    Path(Path),
    /// Under one of these, and nothing says which.
    OneOf(Vec<String>),
}

/// Finds the rows of an object by its skeleton: where the user says, where a layout has them, or where one
/// list of objects is plain.
pub(super) fn rows_at(object: &Map<String, Value>, opening: &Opening) -> (RowsAt, Option<&'static Layout>) {
    if let Some(path) = &opening.rows {
        if path.as_str() == ITSELF {
            return (RowsAt::Itself, None);
        }
        return (RowsAt::Path(path.clone()), None);
    }
    let known = match opening.layout {
        LayoutChoice::None => None,
        LayoutChoice::Forced(layout) => layout.rows.is_some().then_some(layout),
        LayoutChoice::Recognised | LayoutChoice::RowByRow => Layout::of_object(object),
    };
    if let Some(layout) = known
        && let Some(rows) = layout.rows
        && Path::parse(rows).get(object).is_some()
    {
        return (RowsAt::Path(Path::parse(rows)), Some(layout));
    }
    if matches!(opening.layout, LayoutChoice::Recognised) && Layout::of_rows(&[object]).is_some() {
        return (RowsAt::Itself, None);
    }
    (plain(object), None)
}

/// The lists of objects in an object, by their paths.
pub(super) fn lists(object: &Map<String, Value>) -> Vec<(String, &Map<String, Value>)> {
    let mut found = Vec::new();
    gather(object, "", DEPTH, &mut found);
    found
}

fn gather<'v>(
    object: &'v Map<String, Value>,
    before: &str,
    depth: usize,
    found: &mut Vec<(String, &'v Map<String, Value>)>,
) {
    for (name, value) in object {
        let name = if name.contains(['.', '[']) { format!("[\"{name}\"]") } else { name.clone() };
        let path = match before {
            "" => name,
            before if name.starts_with('[') => format!("{before}{name}"),
            before => format!("{before}.{name}"),
        };
        match value {
            Value::Array(list) => {
                // The turns of a chat are no rows.
                let is_turn = |value: &Value| {
                    ["role", "from", "speaker"]
                        .iter()
                        .any(|name| value.get(name).is_some_and(Value::is_string))
                };
                let all = list.iter().all(|value| value.is_object() && !is_turn(value));
                found.extend(list.first().filter(|_| all).and_then(Value::as_object).map(|row| (path, row)));
            }
            Value::Object(fields) if depth > 1 => gather(fields, &path, depth - 1, found),
            _ => {}
        }
    }
}

/// Whether an object on a line of its own holds rows, and is not one: a known layout, or lists of objects
/// with prompts or answers.
pub(super) fn holds_rows(object: &Map<String, Value>) -> bool {
    if Oriented::of(object).is_some() {
        return true;
    }
    let at = rows_at(object, &Opening::default());
    let has_texts = || lists(object).iter().any(|(_, row)| row.keys().any(|name| is_text_name(name)));
    at.0 != RowsAt::Itself && (at.1.is_some() || has_texts() || is_by_row(object))
}

/// Where rows plainly are, by the names of their fields.
fn plain(object: &Map<String, Value>) -> RowsAt {
    let lists = lists(object);
    // A prompt and an answer side by side are a row, whatever lists are beside them.
    if object.keys().filter(|name| is_text_name(name)).count() > 1 {
        return RowsAt::Itself;
    }
    let with_texts: Vec<&(String, &Map<String, Value>)> =
        lists.iter().filter(|(_, row)| row.keys().any(|name| is_text_name(name))).collect();
    let paths = |of: &[&(String, &Map<String, Value>)]| -> Vec<String> {
        of.iter().map(|(path, _)| path.clone()).collect()
    };
    // Lists under every key of the object are the rows of a dictionary.
    let is_dictionary =
        object.len() > 1 && with_texts.len() == object.len() && object.values().all(Value::is_array);
    // So are objects alike under every key.
    if is_by_row(object) {
        return RowsAt::Path(Path::parse("[*]"));
    }
    match with_texts.as_slice() {
        [(path, _)] => RowsAt::Path(Path::parse(path)),
        _ if is_dictionary => RowsAt::Path(Path::parse("[*]")),
        [_, ..] => RowsAt::OneOf(paths(&with_texts)),
        [] if object.keys().any(|name| is_text_name(name)) => RowsAt::Itself,
        [] => match lists.as_slice() {
            [(path, _)] => RowsAt::Path(Path::parse(path)),
            [] => RowsAt::Itself,
            several => RowsAt::OneOf(paths(&several.iter().collect::<Vec<_>>())),
        },
    }
}

/// Reads a value and keeps its skeleton.
#[derive(Clone, Copy)]
struct Skeleton<'c> {
    /// How many more values are kept.
    left: &'c Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Skeleton<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(|_| Value::Null);
        };
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skeleton<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(truth.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        let end = (0..=BYTES.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default();
        Ok(text[..end].into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < ELEMENTS {
            let Some(element) = list.next_element_seed(self)? else { return Ok(kept.into()) };
            kept.push(element);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(kept.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if kept.len() < FIELDS {
                kept.insert(name, map.next_value_seed(self)?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(kept))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::{RowsAt, holds_rows, rows_at, skeleton};
    use crate::path::Path;
    use crate::stream::Opening;

    fn at(object: &Value) -> RowsAt {
        rows_at(object.as_object().unwrap(), &Opening::default()).0
    }

    #[test]
    fn a_skeleton_keeps_the_first_elements() {
        let text = r#"{"a": [1, 2, 3, 4, 5], "b": {"c": [{"d": "x"}]}}"#;
        let kept = skeleton(text.as_bytes()).unwrap();
        assert_eq!(kept, json!({"a": [1, 2, 3], "b": {"c": [{"d": "x"}]}}));
        assert!(skeleton(&b"{\"a\":"[..]).is_err());
    }

    #[test]
    fn rows_are_where_one_list_of_objects_is_plain() {
        let row = json!({"prompt": "a", "response": "b"});
        for (object, path) in [
            (json!({"n": 1, "data": [row]}), "data"),
            (json!({"n": [{"x": 1}], "out": {"rows": [row]}}), "out.rows"),
            (json!({"rows": [{"x": 1}]}), "rows"),
            (json!({"k1": [row], "k2": [row, row]}), "[*]"),
            (json!({"prompt": "a template", "results": [row]}), "results"),
            (json!({"a.b": [row]}), "[\"a.b\"]"),
        ] {
            assert_eq!(at(&object), RowsAt::Path(Path::parse(path)), "{object}");
        }
        for object in [
            row.clone(),
            json!({"prompt": "a", "response": "b", "documents": [{"text": "c"}]}),
            json!({"messages": [{"role": "user", "content": "a"}]}),
            json!({"contents": [{"role": "user", "parts": [{"text": "a"}]}]}),
            json!({"dialogue": [{"speaker": "user", "text": "a"}]}),
            json!({"n": 1}),
        ] {
            assert_eq!(at(&object), RowsAt::Itself, "{object}");
        }
        let turns = json!({"turns": [{"text": "a"}]});
        assert!(!holds_rows(turns.as_object().unwrap()), "a line is rather a row");
        assert!(holds_rows(json!({"data": [row]}).as_object().unwrap()));
        let itself = Opening { rows: Some(Path::parse(".")), ..Opening::default() };
        assert_eq!(rows_at(turns.as_object().unwrap(), &itself).0, RowsAt::Itself);
        let two = at(&json!({"train": [row], "test": [row], "n": 1}));
        assert_eq!(two, RowsAt::OneOf(vec!["train".into(), "test".into()]));
    }
}
