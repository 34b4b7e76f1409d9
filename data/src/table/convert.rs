//! Arrow's arrays as polars' columns. A type that polars does not have is read as the nearest type that loses
//! no value; if there is none, the error names the column.

use polars::prelude::{
    Column, DataFrame, Float32Chunked, IdxCa, IntoColumn, IntoSeries, PlSmallStr, Series, StringChunked,
};
use polars_arrow::array::{
    Array, BinaryViewArray, DictionaryArray, DictionaryKey, FixedSizeListArray, ListArray, PrimitiveArray,
    StructArray, Utf8ViewArray, new_empty_array,
};
use polars_arrow::datatypes::{ArrowDataType, Field, IntegerType, TimeUnit};
use polars_arrow::types::i256;
use polars_utils::float16::pf16;

use super::said;

/// Decimals with more digits are read as text.
pub(super) const MOST_DIGITS: usize = 38;

/// Why a column cannot be read, and what to do.
pub(super) fn unsupported(column: &str, what: &str) -> String {
    format!(
        "its column `{column}` is of a type that is not supported ({what}); cast it to text or leave it out"
    )
}

/// An error in a column.
pub(super) fn of(field: &Field, reason: &str) -> String {
    format!("column `{}`: {reason}", field.name)
}

/// A field with the type that its values have after decoding from Parquet: a dictionary is only the writer's
/// encoding, and an extension type of a library is read as its storage type.
pub(super) fn decoded(field: &Field) -> Field {
    Field { dtype: plain(&field.dtype), ..field.clone() }
}

fn plain(dtype: &ArrowDataType) -> ArrowDataType {
    let inner = |field: &Field| Box::new(decoded(field));
    match dtype {
        ArrowDataType::Dictionary(_, values, _) => match plain(values) {
            ArrowDataType::Utf8 | ArrowDataType::LargeUtf8 => ArrowDataType::Utf8View,
            ArrowDataType::Binary | ArrowDataType::LargeBinary => ArrowDataType::BinaryView,
            other => other,
        },
        ArrowDataType::Extension(extension) => plain(&extension.inner),
        ArrowDataType::List(field) => ArrowDataType::List(inner(field)),
        ArrowDataType::LargeList(field) => ArrowDataType::LargeList(inner(field)),
        ArrowDataType::FixedSizeList(field, size) => ArrowDataType::FixedSizeList(inner(field), *size),
        ArrowDataType::Map(field, sorted) => ArrowDataType::Map(inner(field), *sorted),
        ArrowDataType::Struct(fields) => ArrowDataType::Struct(fields.iter().map(decoded).collect()),
        other => other.clone(),
    }
}

/// Whether a column of this field, as [`decoded`], can be read.
///
/// # Errors
/// The column, its type and what to do.
pub(super) fn check(field: &Field) -> Result<(), String> {
    let known = match &field.dtype {
        ArrowDataType::Float16 | ArrowDataType::Timestamp(..) => true,
        other => is_known(other),
    };
    if known { Ok(()) } else { Err(unsupported(&field.name, &format!("{:?}", field.dtype))) }
}

/// Whether polars supports a type, at any depth.
fn is_known(dtype: &ArrowDataType) -> bool {
    match dtype {
        ArrowDataType::List(field)
        | ArrowDataType::LargeList(field)
        | ArrowDataType::FixedSizeList(field, _)
        | ArrowDataType::Map(field, _) => is_known(&field.dtype),
        ArrowDataType::Struct(fields) => {
            !fields.is_empty() && fields.iter().all(|field| is_known(&field.dtype))
        }
        ArrowDataType::Timestamp(_, Some(zone)) => !is_offset(zone),
        ArrowDataType::Float16
        | ArrowDataType::Interval(_)
        | ArrowDataType::Union(_)
        | ArrowDataType::Dictionary(..)
        | ArrowDataType::Extension(_)
        | ArrowDataType::Int128
        | ArrowDataType::UInt128
        | ArrowDataType::Unknown => false,
        _ => true,
    }
}

/// Whether a time zone is an offset (`+05:30`), which is not a name in the tables of zones.
pub(super) fn is_offset(zone: &str) -> bool {
    zone.starts_with(['+', '-'])
}

/// Arrays of one field as a column.
///
/// # Errors
/// The column, and what is wrong with it.
pub(super) fn series(field: &Field, arrays: Vec<Box<dyn Array>>) -> Result<Column, String> {
    let name = field.name.clone();
    let mut made: Option<Series> = None;
    for array in arrays {
        let next = one(field, array).map_err(|reason| of(field, &reason))?;
        match &mut made {
            Some(made) => drop(made.append(&next).map_err(said)?),
            None => made = Some(next),
        }
    }
    let made = match made {
        Some(made) => made,
        None => one(field, no_rows(plain(&field.dtype)))?,
    };
    Ok(made.with_name(name).into_column())
}

/// An array without rows. polars' own function panics at decimals of 256 bits.
fn no_rows(dtype: ArrowDataType) -> Box<dyn Array> {
    match dtype {
        ArrowDataType::Decimal256(..) => PrimitiveArray::<i256>::new_empty(dtype).boxed(),
        other => new_empty_array(other),
    }
}

/// A frame with these columns and no rows.
pub(super) fn empty<'f>(fields: impl Iterator<Item = &'f Field>) -> Result<DataFrame, String> {
    let columns = fields.map(|field| series(field, Vec::new())).collect::<Result<Vec<_>, String>>()?;
    DataFrame::new(0, columns).map_err(said)
}

fn one(field: &Field, mut array: Box<dyn Array>) -> Result<Series, String> {
    if let ArrowDataType::Extension(extension) = array.dtype() {
        let inner = extension.inner.clone();
        *array.dtype_mut() = inner;
    }
    match array.dtype().clone() {
        ArrowDataType::Dictionary(keys, ..) => dictionary(field, array.as_ref(), keys),
        ArrowDataType::Float16 => {
            let numbers = array.as_any().downcast_ref::<PrimitiveArray<pf16>>().ok_or("no half floats")?;
            let numbers = numbers.iter().map(|number| number.map(|number| f32::from(*number)));
            Ok(numbers.collect::<Float32Chunked>().into_series())
        }
        ArrowDataType::Timestamp(unit, zone) => {
            if unit == TimeUnit::Second {
                within_milliseconds(array.as_ref())?;
            }
            // The same instants: polars knows zones only by their names.
            if zone.is_some_and(|zone| is_offset(&zone)) {
                *array.dtype_mut() = ArrowDataType::Timestamp(unit, Some("UTC".into()));
            }
            from_arrow(array)
        }
        ArrowDataType::Decimal256(precision, scale) if precision > MOST_DIGITS => {
            let numbers = array.as_any().downcast_ref::<PrimitiveArray<i256>>();
            let numbers = numbers.ok_or("no decimals")?;
            let texts =
                numbers.iter().map(|number| number.map(|number| decimal(&number.0.to_string(), scale)));
            Ok(texts.collect::<StringChunked>().into_series())
        }
        _ => from_arrow(array),
    }
}

fn from_arrow(array: Box<dyn Array>) -> Result<Series, String> {
    Series::try_from((PlSmallStr::EMPTY, array)).map_err(said)
}

/// Formats the digits of a decimal with its point.
fn decimal(digits: &str, scale: usize) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{part}")
}

/// Checks that seconds can be converted to milliseconds, which polars uses.
fn within_milliseconds(array: &dyn Array) -> Result<(), String> {
    let Some(seconds) = array.as_any().downcast_ref::<PrimitiveArray<i64>>() else { return Ok(()) };
    match seconds.iter().flatten().find(|seconds| seconds.checked_mul(1000).is_none()) {
        Some(seconds) => Err(format!(
            "the time {seconds} (seconds since 1970) is out of range; repair it, or leave the column out"
        )),
        None => Ok(()),
    }
}

/// A dictionary as its values: texts of a category, numbers of a code.
fn dictionary(field: &Field, array: &dyn Array, keys: IntegerType) -> Result<Series, String> {
    match keys {
        IntegerType::Int8 => gather::<i8>(field, array),
        IntegerType::Int16 => gather::<i16>(field, array),
        IntegerType::Int32 => gather::<i32>(field, array),
        IntegerType::Int64 => gather::<i64>(field, array),
        IntegerType::UInt8 => gather::<u8>(field, array),
        IntegerType::UInt16 => gather::<u16>(field, array),
        IntegerType::UInt32 => gather::<u32>(field, array),
        IntegerType::UInt64 => gather::<u64>(field, array),
        IntegerType::Int128 | IntegerType::UInt128 => Err("keys of 128 bits".to_owned()),
    }
}

fn gather<K: DictionaryKey>(field: &Field, array: &dyn Array) -> Result<Series, String> {
    let array = array.as_any().downcast_ref::<DictionaryArray<K>>().ok_or("no dictionary of these keys")?;
    let values = one(field, array.values().clone())?;
    let keys: IdxCa = array.keys_iter().map(|key| key.and_then(|key| u32::try_from(key).ok())).collect();
    values.take(&keys).map_err(said)
}

/// The size of a frame's rows, written out: a text that many rows share counts in each of them.
pub(super) fn bytes(frame: &DataFrame) -> usize {
    let chunks = frame.columns().iter().flat_map(|column| column.as_materialized_series().chunks());
    chunks.map(|array| said_by(array.as_ref())).sum()
}

fn said_by(array: &dyn Array) -> usize {
    let any = array.as_any();
    let own = array.len() * 8;
    if let Some(texts) = any.downcast_ref::<Utf8ViewArray>() {
        texts.total_bytes_len()
    } else if let Some(values) = any.downcast_ref::<BinaryViewArray>() {
        values.total_bytes_len()
    } else if let Some(fields) = any.downcast_ref::<StructArray>() {
        fields.values().iter().map(|field| said_by(field.as_ref())).sum()
    } else if let Some(lists) = any.downcast_ref::<ListArray<i64>>() {
        // A slice of an array keeps all of its values, with offsets into them.
        let (from, length) = (*lists.offsets().first(), lists.offsets().range());
        match (usize::try_from(from), usize::try_from(length)) {
            (Ok(from), Ok(length)) => own + said_by(lists.values().sliced(from, length).as_ref()),
            _ => own,
        }
    } else if let Some(lists) = any.downcast_ref::<FixedSizeListArray>() {
        own + said_by(lists.values().as_ref())
    } else {
        own
    }
}
