//! Rows of JSON values as frames, and so as Parquet and Arrow.
//!
//! The type of a column is inferred over all rows, and values without a common type are kept as JSON text: no
//! value is dropped because it does not fit.

use std::borrow::Cow;
use std::collections::BTreeMap;

use polars_arrow::array::{Array, BooleanArray, ListArray, PrimitiveArray, StructArray, Utf8ViewArray};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::{ArrowDataType, Field};
use polars_arrow::offset::Offsets;
use serde_json::{Map, Value};

use crate::Frame;

/// Rows as a frame with the named columns, each of its shape. Missing values are null.
pub(crate) fn frame(
    rows: &[Map<String, Value>],
    names: &[String],
    shapes: &[Shape],
) -> Result<Frame, String> {
    let made: Result<Vec<_>, String> = names
        .iter()
        .zip(shapes)
        .map(|(name, shape)| {
            let values: Vec<&Value> = rows.iter().map(|row| row.get(name).unwrap_or(&Value::Null)).collect();
            let array = shape.array(&values).map_err(|reason| format!("column `{name}`: {reason}"))?;
            Ok((name.clone(), array))
        })
        .collect();
    Frame::new(rows.len(), made?)
}

/// A structure with more fields than this is kept as JSON text.
const MOST_FIELDS: usize = 1 << 10;

/// The common type of the values of a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Null,
    Bool,
    Int,
    Float,
    Text,
    List(Box<Shape>),
    Struct(Vec<(String, Shape)>),
    /// No common type: each value as JSON text.
    Json,
}

impl Shape {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_i64() => Self::Int,
            Value::Number(number) if number.is_f64() => Self::Float,
            // A whole number beyond `i64` would lose digits as a float.
            Value::Number(_) => Self::Json,
            Value::String(_) => Self::Text,
            Value::Array(items) => {
                Self::List(Box::new(items.iter().fold(Self::Null, |shape, item| shape.join(Self::of(item)))))
            }
            // Parquet has no structures without fields.
            Value::Object(fields) if fields.is_empty() => Self::Json,
            Value::Object(fields) => {
                Self::Struct(fields.iter().map(|(name, value)| (name.clone(), Self::of(value))).collect())
            }
        }
    }

    /// Widens the shape to hold this value too.
    pub(crate) fn take(&mut self, value: &Value) {
        *self = std::mem::replace(self, Self::Null).join(Self::of(value));
    }

    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Null, shape) | (shape, Self::Null) => shape,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.join(*b))),
            (Self::Struct(a), Self::Struct(b)) => match join_fields(a, b) {
                // Rows that keep adding keys are not a structure.
                fields if fields.len() > MOST_FIELDS => Self::Json,
                fields => Self::Struct(fields),
            },
            (a, b) if a == b => a,
            _ => Self::Json,
        }
    }

    /// The values as an array; null where one is missing.
    fn array<'v>(&self, values: &[&'v Value]) -> Result<Box<dyn Array>, String> {
        let values_of = values.iter();
        Ok(match self {
            Self::Bool => BooleanArray::from_iter(values_of.map(|value| value.as_bool())).boxed(),
            Self::Int => values_of.map(|value| value.as_i64()).collect::<PrimitiveArray<i64>>().boxed(),
            Self::Float => values_of.map(|value| value.as_f64()).collect::<PrimitiveArray<f64>>().boxed(),
            Self::Null | Self::Text | Self::Json => {
                let texts = values_of.map(|value| match value {
                    Value::Null => None,
                    Value::String(text) if *self == Self::Text => Some(Cow::Borrowed(text.as_str())),
                    value => Some(Cow::Owned(value.to_string())),
                });
                Utf8ViewArray::from_slice(texts.collect::<Vec<_>>()).boxed()
            }
            Self::List(item) => {
                let lists: Vec<Option<&Vec<Value>>> = values_of.map(|value| value.as_array()).collect();
                let lengths = lists.iter().map(|list| list.map_or(0, Vec::len));
                let offsets = Offsets::try_from_lengths(lengths).map_err(|error| error.to_string())?;
                let items: Vec<&Value> = lists.iter().flatten().copied().flatten().collect();
                let items = item.array(&items)?;
                let dtype = ListArray::<i64>::default_datatype(items.dtype().clone());
                let made = ListArray::<i64>::try_new(dtype, offsets.into(), items, valid(&lists));
                made.map_err(|error| error.to_string())?.boxed()
            }
            Self::Struct(fields) => {
                let rows: Vec<Option<&'v Map<String, Value>>> =
                    values_of.map(|value| value.as_object()).collect();
                let field = |(name, shape): &(String, Self)| {
                    let value = |row: Option<&'v Map<String, Value>>| {
                        row.and_then(|row| row.get(name)).unwrap_or(&Value::Null)
                    };
                    let array = shape.array(&rows.iter().copied().map(value).collect::<Vec<&Value>>())?;
                    Ok((Field::new(name.as_str().into(), array.dtype().clone(), true), array))
                };
                let made = fields.iter().map(field).collect::<Result<Vec<_>, String>>()?;
                let (fields, arrays): (Vec<Field>, Vec<Box<dyn Array>>) = made.into_iter().unzip();
                let made =
                    StructArray::try_new(ArrowDataType::Struct(fields), rows.len(), arrays, valid(&rows));
                made.map_err(|error| error.to_string())?.boxed()
            }
        })
    }
}

/// Which rows have a value.
fn valid<T>(rows: &[Option<T>]) -> Option<Bitmap> {
    rows.iter().any(Option::is_none).then(|| rows.iter().map(Option::is_some).collect())
}

/// The union of the fields, those of the first in front.
fn join_fields(a: Vec<(String, Shape)>, b: Vec<(String, Shape)>) -> Vec<(String, Shape)> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut joined: Vec<(String, Shape)> = Vec::with_capacity(a.len());
    for (name, shape) in a.into_iter().chain(b) {
        match places.get(&name) {
            Some(&place) => {
                let known: &mut Shape = &mut joined[place].1;
                *known = std::mem::replace(known, Shape::Null).join(shape);
            }
            None => {
                places.insert(name.clone(), joined.len());
                joined.push((name, shape));
            }
        }
    }
    joined
}
