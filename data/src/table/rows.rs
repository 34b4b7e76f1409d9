//! The rows of a frame as JSON.

use std::fmt::Write;

use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, FixedSizeListArray, ListArray, PrimitiveArray, StructArray,
    Utf8ViewArray,
};
use polars_arrow::datatypes::{ArrowDataType, TimeUnit};
use polars_arrow::temporal_conversions::{
    date32_to_date_opt, parse_offset_tz, time64ns_to_time_opt, timestamp_ms_to_datetime_opt,
    timestamp_ns_to_datetime_opt, timestamp_to_datetime, timestamp_us_to_datetime_opt,
};
use polars_arrow::types::NativeType;
use serde_json::{Map, Number, Value};

use super::Frame;
use super::convert::decimal;

/// The rows of a frame as JSON, every column in every row. Values that JSON cannot hold (times, decimals,
/// infinity) become text.
#[must_use]
pub fn to_rows(frame: &Frame) -> Vec<Map<String, Value>> {
    let mut rows = vec![Map::new(); frame.height()];
    for (name, column) in frame.columns() {
        for (row, value) in rows.iter_mut().zip(values(column)) {
            row.insert(name.to_owned(), value);
        }
    }
    rows
}

/// The values of an array of one of the types that frames have.
fn values(array: &dyn Array) -> Vec<Value> {
    use ArrowDataType as Type;
    let any = array.as_any();
    match array.dtype() {
        Type::Boolean => each(array, any.downcast_ref::<BooleanArray>(), Value::Bool),
        Type::Int8 => numbers::<i8>(array, Value::from),
        Type::Int16 => numbers::<i16>(array, Value::from),
        Type::Int32 => numbers::<i32>(array, Value::from),
        Type::Int64 => numbers::<i64>(array, Value::from),
        Type::UInt8 => numbers::<u8>(array, Value::from),
        Type::UInt16 => numbers::<u16>(array, Value::from),
        Type::UInt32 => numbers::<u32>(array, Value::from),
        Type::UInt64 => numbers::<u64>(array, Value::from),
        Type::Float32 => numbers::<f32>(array, |number| float(f64::from(number))),
        Type::Float64 => numbers::<f64>(array, float),
        Type::Utf8View => each(array, any.downcast_ref::<Utf8ViewArray>(), |text: &str| text.into()),
        Type::BinaryView => {
            each(array, any.downcast_ref::<BinaryViewArray>(), |bytes| String::from_utf8_lossy(bytes).into())
        }
        Type::Date32 => numbers::<i32>(array, date),
        Type::Time64(_) => numbers::<i64>(array, |time| {
            time64ns_to_time_opt(time).map_or_else(|| time.into(), |time| time.to_string().into())
        }),
        Type::Timestamp(unit, zone) => {
            let zone = zone.as_deref().and_then(|zone| parse_offset_tz(zone).ok());
            numbers::<i64>(array, |time| {
                moment(time, *unit).map_or_else(
                    || time.into(),
                    |shown| match &zone {
                        Some(zone) => timestamp_to_datetime(time, *unit, zone).to_string().into(),
                        None => shown.into(),
                    },
                )
            })
        }
        Type::Duration(unit) => numbers::<i64>(array, |time| duration(time, *unit).into()),
        Type::Decimal(_, scale) => {
            numbers::<i128>(array, |number| decimal(&number.to_string(), *scale).into())
        }
        _ => nested(array),
    }
}

/// The values of lists and structures, and of a column of nulls.
fn nested(array: &dyn Array) -> Vec<Value> {
    let any = array.as_any();
    let is_valid = |row: usize| array.validity().is_none_or(|valid| valid.get_bit(row));
    let or_null = |(row, value): (usize, Value)| if is_valid(row) { value } else { Value::Null };
    if let Some(lists) = any.downcast_ref::<ListArray<i64>>() {
        let place = |offset: i64| usize::try_from(offset).unwrap_or_default();
        let (from, length) = (place(*lists.offsets().first()), place(lists.offsets().range()));
        let mut items = values(lists.values().sliced(from, length).as_ref()).into_iter();
        let list = |length: usize| Value::Array(items.by_ref().take(length).collect());
        lists.offsets().lengths().map(list).enumerate().map(or_null).collect()
    } else if let Some(lists) = any.downcast_ref::<FixedSizeListArray>() {
        let mut items = values(lists.values().as_ref()).into_iter();
        let list = |_| Value::Array(items.by_ref().take(lists.size()).collect());
        (0..lists.len()).map(list).enumerate().map(or_null).collect()
    } else if let Some(fields) = any.downcast_ref::<StructArray>() {
        let mut rows = vec![Map::new(); fields.len()];
        for (field, array) in fields.fields().iter().zip(fields.values()) {
            for (row, value) in rows.iter_mut().zip(values(array.as_ref())) {
                row.insert(field.name.to_string(), value);
            }
        }
        rows.into_iter().map(Value::Object).enumerate().map(or_null).collect()
    } else {
        vec![Value::Null; array.len()]
    }
}

/// The values of an array, one by one.
fn each<'a, A, T>(array: &dyn Array, of: Option<&'a A>, value: impl Fn(T) -> Value) -> Vec<Value>
where
    &'a A: IntoIterator<Item = Option<T>>,
{
    // The type of an array is that of its values.
    let Some(of) = of else { return vec![Value::Null; array.len()] };
    of.into_iter().map(|of| of.map_or(Value::Null, &value)).collect()
}

fn numbers<T: NativeType>(array: &dyn Array, value: impl Fn(T) -> Value) -> Vec<Value> {
    each(array, array.as_any().downcast_ref::<PrimitiveArray<T>>(), |number: &T| value(*number))
}

/// JSON has no infinity and no NaN; as text they at least show up to a reader that expects a number.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}

/// A day; the raw number of one outside of the years from -9999 to 9999.
fn date(days: i32) -> Value {
    let shown = is_year_of_four_digits(days.into(), 1).then(|| date32_to_date_opt(days)).flatten();
    shown.map_or_else(|| days.into(), |date| date.to_string().into())
}

/// A time in UTC, if it is in the years from -9999 to 9999; others are shown as raw numbers.
fn moment(time: i64, unit: TimeUnit) -> Option<String> {
    if !is_year_of_four_digits(time, a_day(unit)) {
        return None;
    }
    let shown = match unit {
        TimeUnit::Nanosecond => timestamp_ns_to_datetime_opt(time),
        TimeUnit::Microsecond => timestamp_us_to_datetime_opt(time),
        TimeUnit::Millisecond | TimeUnit::Second => timestamp_ms_to_datetime_opt(time),
    };
    shown.map(|shown| shown.to_string())
}

/// Whether a time, in units since 1970, is in the years from -9999 to 9999.
const fn is_year_of_four_digits(time: i64, a_day: i64) -> bool {
    let days = time / a_day;
    days > -4_371_000 && days < 2_932_896
}

const fn a_day(unit: TimeUnit) -> i64 {
    24 * 60 * 60 * a_second(unit)
}

/// Frames have no unit of seconds.
const fn a_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second | TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// A span of time in days, hours, minutes, seconds and one smaller unit: `1d 1h 1m 1s 1ms`.
fn duration(time: i64, unit: TimeUnit) -> String {
    let smaller: &[&str] = match unit {
        TimeUnit::Second | TimeUnit::Millisecond => &["ms"],
        TimeUnit::Microsecond => &["µs", "ms"],
        TimeUnit::Nanosecond => &["ns", "µs", "ms"],
    };
    if time == 0 {
        return format!("0{}", smaller[0]);
    }
    let second = a_second(unit);
    let mut shown = String::new();
    let mut left = time;
    for (seconds, name) in [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")] {
        let part = left / (seconds * second);
        left %= seconds * second;
        if part != 0 {
            // Writing to a `String` cannot fail.
            let _ = write!(shown, "{part}{name}{}", if left == 0 { "" } else { " " });
        }
    }
    if left != 0 {
        // The largest unit in which it is a whole number.
        let mut name = 0;
        while left % 1_000 == 0 && name + 1 < smaller.len() {
            (left, name) = (left / 1_000, name + 1);
        }
        let _ = write!(shown, "{left}{}", smaller[name]);
    }
    shown
}
