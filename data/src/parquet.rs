//! Converts rows of JSON values to and from polars frames, and so to and from Parquet and Arrow.
//!
//! polars' own JSON reader is not used, because it infers types from the first rows and drops values that do
//! not fit. Here the type of a column is inferred over all rows, and values without a common type are kept as
//! JSON text.

use std::collections::BTreeMap;

use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, Field, IntoColumn, PolarsResult, Series, TimeUnit,
};
use serde_json::{Map, Number, Value};

/// Rows as a frame with the named columns, each of its shape. Missing values are null.
pub(crate) fn frame(
    rows: &[Map<String, Value>],
    names: &[String],
    shapes: &[Shape],
) -> PolarsResult<DataFrame> {
    let made: PolarsResult<Vec<Column>> = names
        .iter()
        .zip(shapes)
        .map(|(name, shape)| {
            let values: Vec<&Value> = rows.iter().map(|row| row.get(name).unwrap_or(&Value::Null)).collect();
            Ok(shape.series(name, &values)?.into_column())
        })
        .collect();
    DataFrame::new(rows.len(), made?)
}

/// The rows of a frame as JSON, every column in every row. Values that JSON cannot hold (times, decimals,
/// infinity) become text.
#[must_use]
pub fn to_rows(frame: &DataFrame) -> Vec<Map<String, Value>> {
    let mut rows = vec![Map::new(); frame.height()];
    for column in frame.columns() {
        let series = column.as_materialized_series().rechunk();
        for (row, value) in rows.iter_mut().zip(series.iter()) {
            row.insert(series.name().to_string(), json(value));
        }
    }
    rows
}

fn json(value: AnyValue<'_>) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(truth) => Value::Bool(truth),
        AnyValue::String(text) => Value::String(text.to_owned()),
        AnyValue::Array(items, _) => json(AnyValue::List(items)),
        AnyValue::List(items) => Value::Array(items.rechunk().iter().map(json).collect()),
        AnyValue::StructOwned(fields) => {
            let (values, fields) = *fields;
            let names = fields.iter().map(|field| field.name().to_string());
            Value::Object(names.zip(values.into_iter().map(json)).collect())
        }
        AnyValue::Struct(..) => json(value.into_static()),
        AnyValue::Float32(number) => float(f64::from(number)),
        AnyValue::Float64(number) => float(number),
        AnyValue::UInt64(number) => Value::Number(number.into()),
        AnyValue::StringOwned(text) => Value::String(text.to_string()),
        AnyValue::Binary(bytes) => Value::String(String::from_utf8_lossy(bytes).into_owned()),
        AnyValue::Date(days) if !is_year_of_four_digits(i64::from(days), 1) => Value::from(days),
        AnyValue::Datetime(time, unit, _) if !is_year_of_four_digits(time, a_day(unit)) => Value::from(time),
        AnyValue::DatetimeOwned(time, unit, _) if !is_year_of_four_digits(time, a_day(unit)) => {
            Value::from(time)
        }
        other if other.is_integer() => other.extract::<i64>().map_or(Value::Null, Value::from),
        // Categories become their text; times, decimals and the like become text as polars writes it.
        other => Value::String(other.get_str().map_or_else(|| other.to_string(), str::to_owned)),
    }
}

/// Whether a time, in units since 1970, is in the years from -9999 to 9999. Other times are shown as raw
/// numbers, because the date formatter panics outside its range.
const fn is_year_of_four_digits(time: i64, a_day: i64) -> bool {
    let days = time / a_day;
    days > -4_371_000 && days < 2_932_896
}

const fn a_day(unit: TimeUnit) -> i64 {
    const SECONDS: i64 = 24 * 60 * 60;
    match unit {
        TimeUnit::Milliseconds => SECONDS * 1_000,
        TimeUnit::Microseconds => SECONDS * 1_000_000,
        TimeUnit::Nanoseconds => SECONDS * 1_000_000_000,
    }
}

/// JSON has no infinity and no NaN; as text they at least show up to a reader that expects a number.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
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

    fn dtype(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Null | Self::Text | Self::Json => DataType::String,
            Self::List(item) => DataType::List(Box::new(item.dtype())),
            Self::Struct(fields) => DataType::Struct(
                fields.iter().map(|(name, shape)| Field::new(name.as_str().into(), shape.dtype())).collect(),
            ),
        }
    }

    fn series(&self, name: &str, values: &[&Value]) -> PolarsResult<Series> {
        let values: PolarsResult<Vec<AnyValue<'static>>> =
            values.iter().map(|value| self.any(value)).collect();
        Series::from_any_values_and_dtype(name.into(), &values?, &self.dtype(), true)
    }

    fn any(&self, value: &Value) -> PolarsResult<AnyValue<'static>> {
        Ok(match (self, value) {
            (_, Value::Null) => AnyValue::Null,
            (Self::Bool, Value::Bool(truth)) => AnyValue::Boolean(*truth),
            (Self::Int, Value::Number(number)) => number.as_i64().map_or(AnyValue::Null, AnyValue::Int64),
            (Self::Float, Value::Number(number)) => number.as_f64().map_or(AnyValue::Null, AnyValue::Float64),
            (Self::Text, Value::String(text)) => AnyValue::StringOwned(text.as_str().into()),
            (Self::List(item), Value::Array(items)) => {
                AnyValue::List(item.series("", &items.iter().collect::<Vec<_>>())?)
            }
            (Self::Struct(shapes), Value::Object(fields)) => {
                let null = &Value::Null;
                let values: PolarsResult<Vec<_>> =
                    shapes.iter().map(|(name, shape)| shape.any(fields.get(name).unwrap_or(null))).collect();
                let fields =
                    shapes.iter().map(|(name, shape)| Field::new(name.as_str().into(), shape.dtype()));
                AnyValue::StructOwned(Box::new((values?, fields.collect())))
            }
            (_, value) => AnyValue::StringOwned(value.to_string().into()),
        })
    }
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use polars::prelude::{
        DataFrame, DataType, IntoColumn, NamedFrom, ParquetWriter, Series, TimeUnit, TimeZone,
    };
    use serde_json::{Value, json};

    use super::to_rows;
    use crate::{Format, FrameReader};

    /// Types that this crate does not write but others do.
    #[test]
    fn small_integers_times_and_lists_of_others_are_read() {
        let numbers = Series::new("n".into(), [1_i64, 0]);
        let cast =
            |name: &str, dtype: &DataType| numbers.cast(dtype).unwrap().with_name(name.into()).into_column();
        let zoned = DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC));
        let columns = vec![
            cast("i8", &DataType::Int8),
            cast("u8", &DataType::UInt8),
            cast("u16", &DataType::UInt16),
            cast("time", &zoned),
            Series::new("real".into(), [0.5_f32, f32::NAN]).into_column(),
        ];
        let mut frame = DataFrame::new(2, columns).unwrap();
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
        let mut frames = FrameReader::of_bytes("a", Format::Parquet, bytes).unwrap();
        let rows =
            to_rows(&frames.next().unwrap().unwrap()).into_iter().map(Value::Object).collect::<Vec<_>>();
        assert_eq!(
            rows,
            [
                json!({"i8": 1, "u8": 1, "u16": 1, "time": "1970-01-01 00:00:00.001 UTC", "real": 0.5}),
                json!({"i8": 0, "u8": 0, "u16": 0, "time": "1970-01-01 00:00:00 UTC", "real": "NaN"})
            ]
        );
    }
}
