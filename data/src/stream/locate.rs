//! Finds the prompt of a JSON row without copying the rest.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize as _;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::json_row;
use crate::path::{Path, Step};

/// Finds the value at a path in a row; the rest is checked and skipped. From a step that is no name on, the
/// value is parsed whole, and the rest of the path followed in it.
///
/// # Errors
/// If the row is not a JSON object, or has a field with one of these names.
pub(super) fn find<'r>(
    row: &'r str,
    path: &Path,
    whole: bool,
    names: &[String],
) -> Result<Found<'r>, String> {
    let mut clash = false;
    let seek = Seek { path, at: 0, whole, names, clash: &mut clash };
    let mut deserializer = serde_json::Deserializer::from_str(row);
    let found = seek.deserialize(&mut deserializer).and_then(|found| deserializer.end().map(|()| found));
    // The same message as for any other row that is not a JSON object.
    let found =
        found.map_err(|error| json_row(row).err().map_or_else(|| error.to_string(), |(reason, _)| reason))?;
    if clash { Err(CLASH.to_owned()) } else { Ok(found) }
}

/// Why a row that has a field with a new column's name is rejected.
pub(super) const CLASH: &str =
    "it has a field of a name that a new column needs, which the first rows did not have";

/// The value at a path.
pub(super) enum Found<'r> {
    Text(Cow<'r, str>),
    Value(Value),
    Other,
    Nothing,
}

impl Found<'_> {
    /// A value that was parsed whole; `whole` says whether it is wanted so.
    fn of(value: Value, whole: bool) -> Self {
        match value {
            value if whole => Self::Value(value),
            Value::String(text) => Self::Text(Cow::Owned(text)),
            Value::Null => Self::Nothing,
            _ => Self::Other,
        }
    }
}

/// Reads an object only as far as needed for one of its fields; the rest is checked and skipped.
struct Seek<'p> {
    path: &'p Path,
    /// The step that is a name of this object.
    at: usize,
    /// Whether the field is wanted with all its content; otherwise only if it is a text.
    whole: bool,
    /// Names that a row must not have, at the first level.
    names: &'p [String],
    clash: &'p mut bool,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Found<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        let mut found = Found::Nothing;
        let Some(Step::Key(name)) = self.path.step(self.at) else {
            // A path through all fields: the row is parsed whole.
            let fields = Map::<String, Value>::deserialize(MapAccessDeserializer::new(map))?;
            *self.clash |= self.names.iter().any(|name| fields.contains_key(name));
            let value = self.path.get(&fields);
            return Ok(value.map_or(Found::Nothing, |value| Found::of(value.into_owned(), self.whole)));
        };
        while let Some(Text(key)) = map.next_key()? {
            *self.clash |= self.names.iter().any(|name| *name == key);
            if key != name.as_str() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            found = match self.path.step(self.at + 1) {
                Some(Step::Key(_)) => {
                    let inner = Seek {
                        path: self.path,
                        at: self.at + 1,
                        whole: self.whole,
                        names: &[],
                        clash: self.clash,
                    };
                    map.next_value_seed(inner)?
                }
                Some(_) => {
                    let value: Value = map.next_value()?;
                    let below = self.path.walk(&value, self.at + 1);
                    below.map_or(Found::Nothing, |below| Found::of(below.into_owned(), self.whole))
                }
                None if self.whole => Found::Value(map.next_value()?),
                None => map.next_value_seed(Leaf)?,
            };
        }
        Ok(found)
    }
}

/// A text, borrowed if it contains no escape.
struct Text<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Text<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Own;
        impl<'de> Visitor<'de> for Own {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Own).map(Text)
    }
}

/// A text, or a marker for anything else.
struct Leaf;

impl<'de> DeserializeSeed<'de> for Leaf {
    type Value = Found<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Leaf {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Found<'de>, E> {
        Ok(Found::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Found<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }
}
