//! Paths into a row: names of fields, and places in lists, as in `response.body.choices[0].message.content`.
//!
//! Columns are named by paths everywhere: by flags, recipes, requests and the table of known layouts. A field
//! whose own name has a dot goes before a path of that text, at every level.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into an object.
    Key(String),
    /// Into a list, from 0; a negative one counts from the end.
    Index(i64),
    /// Into every element of a list, or every value of an object: `[*]`.
    All,
}

/// A parsed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    text: String,
    /// Each step, with the place in the text where it begins.
    steps: Vec<(Step, usize)>,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::parse(&text))
    }
}

impl Path {
    /// Parses a path: names separated by dots, each followed by any number of `[n]`, `[-n]`, `[*]` or
    /// `["name"]`. A text that is no such path is one name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match steps(text) {
            Some(steps) => Self { text: text.to_owned(), steps },
            None => Self::name(text),
        }
    }

    /// The path that is one name, whatever characters are in it.
    #[must_use]
    pub fn name(name: &str) -> Self {
        Self { text: name.to_owned(), steps: vec![(Step::Key(name.to_owned()), 0)] }
    }

    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The steps.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = &Step> {
        self.steps.iter().map(|(step, _)| step)
    }

    /// The step at an index.
    pub(crate) fn step(&self, at: usize) -> Option<&Step> {
        self.steps.get(at).map(|(step, _)| step)
    }

    /// The names, if the path leads through objects alone.
    #[must_use]
    pub fn names(&self) -> Option<Vec<&str>> {
        self.steps()
            .map(|step| match step {
                Step::Key(key) => Some(key.as_str()),
                Step::Index(_) | Step::All => None,
            })
            .collect()
    }

    /// The first step as a name; the text of the path if it begins with another.
    #[must_use]
    pub fn first(&self) -> &str {
        match self.steps.first() {
            Some((Step::Key(key), _)) => key,
            _ => &self.text,
        }
    }

    /// The value in a row. `[*]` returns a list of the values that exist; it is nothing if there is none.
    #[must_use]
    pub fn get<'v>(&self, fields: &'v Map<String, Value>) -> Option<Cow<'v, Value>> {
        let (Step::Key(key), _) = self.steps.first()? else {
            // A path that begins with `[*]` leads through all fields.
            return gathered(fields.values(), |value| self.walk(value, 1));
        };
        if let Some(value) = fields.get(&self.text) {
            return Some(Cow::Borrowed(value));
        }
        if self.steps.len() == 1 {
            return None;
        }
        self.walk(fields.get(key)?, 1)
    }

    /// The path of the object that holds the value; `None` where that is the row, or a list.
    pub(crate) fn parent(&self) -> Option<Self> {
        let ((Step::Key(_), start), above) = self.steps.split_last()? else { return None };
        let text = self.text.get(..*start)?.trim_end_matches('.').to_owned();
        (!above.is_empty()).then(|| Self { text, steps: above.to_vec() })
    }

    /// The place of the value, to put another there; `None` if it is not there, or in more places than one.
    pub(crate) fn place_in<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        self.steps().try_fold(value, |value, step| match step {
            Step::Key(key) => value.get_mut(key),
            Step::Index(index) => {
                let at = usize::try_from(*index).ok()?;
                value.get_mut(at)
            }
            Step::All => None,
        })
    }

    /// The value below `value` from the step at an index on.
    pub(crate) fn walk<'v>(&self, value: &'v Value, at: usize) -> Option<Cow<'v, Value>> {
        let Some((step, start)) = self.steps.get(at) else { return Some(Cow::Borrowed(value)) };
        match (step, value) {
            (Step::Key(key), Value::Object(fields)) => {
                // The whole rest goes first, because a field's own name may contain dots.
                let whole = self.steps.len() > at + 1;
                if let Some(value) = whole.then(|| fields.get(&self.text[*start..])).flatten() {
                    return Some(Cow::Borrowed(value));
                }
                self.walk(fields.get(key)?, at + 1)
            }
            (Step::Index(index), Value::Array(list)) => self.walk(element(list, *index)?, at + 1),
            (Step::All, Value::Array(list)) => gathered(list.iter(), |value| self.walk(value, at + 1)),
            (Step::All, Value::Object(fields)) => gathered(fields.values(), |value| self.walk(value, at + 1)),
            _ => None,
        }
    }
}

/// An element of a list by its index; a negative one counts from the end.
fn element(list: &[Value], index: i64) -> Option<&Value> {
    let from_end = usize::try_from(index.unsigned_abs()).ok()?;
    list.get(if index < 0 { list.len().checked_sub(from_end)? } else { from_end })
}

fn gathered<'v>(
    values: impl Iterator<Item = &'v Value>,
    of: impl Fn(&'v Value) -> Option<Cow<'v, Value>>,
) -> Option<Cow<'v, Value>> {
    let found: Vec<Value> = values.filter_map(of).map(Cow::into_owned).collect();
    (!found.is_empty()).then_some(Cow::Owned(Value::Array(found)))
}

/// The steps of a text; `None` if it is no path.
fn steps(text: &str) -> Option<Vec<(Step, usize)>> {
    let mut steps = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if let Some(inner) = rest.strip_prefix('[') {
            let (step, length) = bracket(inner)?;
            steps.push((step, at));
            at += 1 + length;
            // A dot leads on to the next name; anything else is no path.
            match text[at..].chars().next() {
                None | Some('[') => {}
                Some('.') if at + 1 < text.len() => at += 1,
                Some(_) => return None,
            }
            continue;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        if end == 0 {
            return None;
        }
        steps.push((Step::Key(rest[..end].to_owned()), at));
        at += end;
        if text[at..].starts_with('.') {
            at += 1;
            if at == text.len() {
                return None;
            }
        }
    }
    (!steps.is_empty()).then_some(steps)
}

/// The step in brackets, and its length with the closing one.
fn bracket(inner: &str) -> Option<(Step, usize)> {
    if let Some(quote) = inner.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        let key = &inner[1..];
        let end = key.find(quote)?;
        return key[end + 1..].starts_with(']').then(|| (Step::Key(key[..end].to_owned()), end + 3));
    }
    let end = inner.find(']')?;
    let step = match inner[..end].trim() {
        "*" => Step::All,
        number => Step::Index(number.parse().ok()?),
    };
    Some((step, end + 1))
}

/// A name without what people write differently: `Model Response` is `model_response`.
pub(crate) fn key(name: &str) -> String {
    let alike = |letter: char| if matches!(letter, ' ' | '-') { '_' } else { letter };
    name.trim().to_lowercase().chars().map(alike).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::{Path, Step};

    fn get(row: &Value, path: &str) -> Option<Value> {
        Path::parse(path).get(row.as_object().unwrap()).map(std::borrow::Cow::into_owned)
    }

    #[test]
    fn a_path_leads_through_objects_and_lists() {
        let row = json!({
            "choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}, {"n": 1}],
            "x.y": 1, "x": {"y": 2, "z": {"v.w": 3}}, "odd key": {"a.b": [4]},
        });
        for (path, found) in [
            ("choices[0].message.content", json!("a")),
            ("choices[-2].message.content", json!("b")),
            ("choices[*].message.content", json!(["a", "b"])),
            ("choices[2]", json!({"n": 1})),
            ("x.y", json!(1)),
            ("x[\"y\"]", json!(2)),
            ("x.z.v.w", json!(3)),
            ("odd key['a.b'][0]", json!(4)),
            ("odd key.a.b", json!([4])),
        ] {
            assert_eq!(get(&row, path), Some(found), "{path}");
        }
        for path in ["choices[3]", "choices[-4]", "choices.message", "x[0]", "choices[*].none", "x.y.z", ""] {
            assert_eq!(get(&row, path), None, "{path}");
        }
        assert_eq!(get(&json!({"a": [{"r": 1}], "b": [{"r": 2}]}), "[*][0].r"), Some(json!([1, 2])));
    }

    #[test]
    fn what_is_no_path_is_a_name() {
        for name in [".", "a.", "a..b", "a[", "a[b]", "a[0]b", "what is this?", "[", "x[1", ""] {
            let path = Path::parse(name);
            assert_eq!(path.steps().collect::<Vec<_>>(), [&Step::Key(name.to_owned())], "{name}");
            assert_eq!((path.as_str(), path.first()), (name, name));
        }
        assert_eq!(Path::parse("a.b").names(), Some(vec!["a", "b"]));
        assert_eq!(Path::parse("a[0]").names(), None);
        assert_eq!(get(&json!({"a[0]": 1, "a": [2]}), "a[0]"), Some(json!(1)), "a field of that very name");
    }
}
