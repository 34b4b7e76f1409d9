//! Arrow's arrays as columns of a frame, whose types are those of [`kept`](super::types::kept).

use polars_arrow::array::builder::{ArrayBuilder, ShareStrategy, make_builder};
use polars_arrow::array::{
    Array, DictionaryArray, DictionaryKey, FixedSizeListArray, ListArray, MapArray, PrimitiveArray,
    StructArray, Utf8ViewArray, new_empty_array,
};
use polars_arrow::compute::concatenate::concatenate;
use polars_arrow::datatypes::{ArrowDataType, Field, IntegerType, TimeUnit};
use polars_arrow::offset::OffsetsBuffer;
use polars_arrow::types::{NativeType, i256};
use polars_compute::cast::cast_default;
use polars_utils::IdxSize;
use polars_utils::float16::pf16;

use super::types::{self, MOST_DIGITS, kept};
use super::{Frame, said};

/// Arrays of one field as one column.
///
/// # Errors
/// The column, and what is wrong with it.
pub(super) fn column(field: &Field, arrays: Vec<Box<dyn Array>>) -> Result<Box<dyn Array>, String> {
    let columns = arrays.into_iter().map(converted).collect::<Result<Vec<_>, String>>();
    let mut columns = columns.map_err(|reason| types::of(field, &reason))?;
    match columns.len() {
        0 => Ok(new_empty_array(kept(&field.dtype))),
        1 => Ok(columns.remove(0)),
        _ => {
            let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
            concatenate(&columns).map_err(|error| types::of(field, &said(error)))
        }
    }
}

/// A frame with these columns and no rows.
///
/// # Errors
/// If two columns have one name.
pub(super) fn empty(fields: &[Field]) -> Result<Frame, String> {
    let column = |field: &Field| (field.name.to_string(), new_empty_array(kept(&field.dtype)));
    Frame::new(0, fields.iter().map(column).collect())
}

/// An array of the type that frames have.
fn converted(mut array: Box<dyn Array>) -> Result<Box<dyn Array>, String> {
    use ArrowDataType as Type;
    let to = kept(array.dtype());
    let dtype = array.dtype().clone();
    match &dtype {
        Type::Extension(extension) => {
            *array.dtype_mut() = extension.inner.clone();
            converted(array)
        }
        Type::Dictionary(keys, ..) => dictionary(array.as_ref(), *keys),
        Type::List(_) => {
            let list = of::<ListArray<i32>>(array.as_ref())?;
            lists(list.offsets().into(), list.values().as_ref(), list)
        }
        Type::LargeList(_) => {
            let list = of::<ListArray<i64>>(array.as_ref())?;
            lists(list.offsets().clone(), list.values().as_ref(), list)
        }
        Type::Map(..) => {
            let map = of::<MapArray>(array.as_ref())?;
            lists(map.offsets().into(), map.field().as_ref(), map)
        }
        Type::FixedSizeList(..) => {
            let list = of::<FixedSizeListArray>(array.as_ref())?;
            let values = converted(list.values().clone())?;
            let made = FixedSizeListArray::try_new(to, list.len(), values, list.validity().cloned());
            made.map(FixedSizeListArray::boxed).map_err(said)
        }
        Type::Struct(_) => {
            let fields = of::<StructArray>(array.as_ref())?;
            let values =
                fields.values().iter().cloned().map(converted).collect::<Result<Vec<_>, String>>()?;
            let made = StructArray::try_new(to, fields.len(), values, fields.validity().cloned());
            made.map(StructArray::boxed).map_err(said)
        }
        Type::Utf8 | Type::LargeUtf8 | Type::Binary | Type::LargeBinary | Type::FixedSizeBinary(_) => {
            cast_default(array.as_ref(), &to).map_err(said)
        }
        _ if dtype == to => Ok(array),
        _ => number(array, &dtype, to),
    }
}

fn lists(
    offsets: OffsetsBuffer<i64>,
    values: &dyn Array,
    list: &dyn Array,
) -> Result<Box<dyn Array>, String> {
    let values = converted(values.to_boxed())?;
    let dtype = ListArray::<i64>::default_datatype(values.dtype().clone());
    let made = ListArray::<i64>::try_new(dtype, offsets, values, list.validity().cloned());
    made.map(ListArray::boxed).map_err(said)
}

/// Numbers, times and decimals whose unit or width is another in a frame.
fn number(
    mut array: Box<dyn Array>,
    dtype: &ArrowDataType,
    to: ArrowDataType,
) -> Result<Box<dyn Array>, String> {
    use ArrowDataType as Type;
    match dtype {
        Type::Float16 => {
            let numbers = of::<PrimitiveArray<pf16>>(array.as_ref())?;
            let numbers = numbers.iter().map(|number| number.map(|number| f32::from(*number)));
            Ok(numbers.collect::<PrimitiveArray<f32>>().boxed())
        }
        Type::Timestamp(TimeUnit::Second, _) => {
            scaled::<i64>(array.as_ref(), 1_000, "seconds since 1970", to)
        }
        Type::Duration(TimeUnit::Second) => scaled::<i64>(array.as_ref(), 1_000, "seconds", to),
        Type::Time32(TimeUnit::Second) => scaled::<i32>(array.as_ref(), 1_000_000_000, "seconds", to),
        Type::Time32(_) => scaled::<i32>(array.as_ref(), 1_000_000, "milliseconds", to),
        Type::Time64(_) => scaled::<i64>(array.as_ref(), 1_000, "microseconds", to),
        Type::Decimal32(..) => wide::<i32>(array.as_ref(), to),
        Type::Decimal64(..) => wide::<i64>(array.as_ref(), to),
        Type::Decimal256(precision, scale) if *precision > MOST_DIGITS => {
            let numbers = of::<PrimitiveArray<i256>>(array.as_ref())?;
            let texts =
                numbers.iter().map(|number| number.map(|number| decimal(&number.0.to_string(), *scale)));
            Ok(Utf8ViewArray::from_slice(texts.collect::<Vec<_>>()).boxed())
        }
        Type::Decimal256(..) => {
            let numbers = of::<PrimitiveArray<i256>>(array.as_ref())?;
            let narrow = |number: &i256| {
                i128::try_from(number.0).map_err(|_| format!("the number {} is out of range", number.0))
            };
            let numbers = numbers.iter().map(|number| number.map(narrow).transpose());
            let numbers = numbers.collect::<Result<Vec<Option<i128>>, String>>()?;
            Ok(PrimitiveArray::<i128>::from(numbers).to(to).boxed())
        }
        // Dates in milliseconds, and times in a zone of another name: the same numbers.
        _ => {
            *array.dtype_mut() = to;
            Ok(array)
        }
    }
}

fn of<A: Array>(array: &dyn Array) -> Result<&A, String> {
    array.as_any().downcast_ref().ok_or_else(|| format!("no array of {:?}", array.dtype()))
}

/// Times in a finer unit.
fn scaled<T: NativeType + Into<i64>>(
    array: &dyn Array,
    by: i64,
    unit: &str,
    to: ArrowDataType,
) -> Result<Box<dyn Array>, String> {
    let scale = |time: &T| {
        let time: i64 = (*time).into();
        time.checked_mul(by).ok_or_else(|| {
            format!("the time {time} ({unit}) is out of range; repair it, or leave the column out")
        })
    };
    let times = of::<PrimitiveArray<T>>(array)?.iter().map(|time| time.map(scale).transpose());
    let times = times.collect::<Result<Vec<Option<i64>>, String>>()?;
    Ok(PrimitiveArray::<i64>::from(times).to(to).boxed())
}

/// Decimals of 128 bits.
fn wide<T: NativeType + Into<i128>>(array: &dyn Array, to: ArrowDataType) -> Result<Box<dyn Array>, String> {
    let numbers = of::<PrimitiveArray<T>>(array)?.iter().map(|number| number.map(|number| (*number).into()));
    Ok(numbers.collect::<PrimitiveArray<i128>>().to(to).boxed())
}

/// Formats the digits of a decimal with its point.
pub(super) fn decimal(digits: &str, scale: usize) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{part}")
}

/// A dictionary as its values: texts of a category, numbers of a code.
fn dictionary(array: &dyn Array, keys: IntegerType) -> Result<Box<dyn Array>, String> {
    match keys {
        IntegerType::Int8 => gather::<i8>(array),
        IntegerType::Int16 => gather::<i16>(array),
        IntegerType::Int32 => gather::<i32>(array),
        IntegerType::Int64 => gather::<i64>(array),
        IntegerType::UInt8 => gather::<u8>(array),
        IntegerType::UInt16 => gather::<u16>(array),
        IntegerType::UInt32 => gather::<u32>(array),
        IntegerType::UInt64 => gather::<u64>(array),
        IntegerType::Int128 | IntegerType::UInt128 => Err("keys of 128 bits".to_owned()),
    }
}

fn gather<K: DictionaryKey>(array: &dyn Array) -> Result<Box<dyn Array>, String> {
    let array = of::<DictionaryArray<K>>(array)?;
    let values = converted(array.values().clone())?;
    let key = |key: Option<usize>| match key {
        // A place behind the values is null.
        None => Ok(IdxSize::MAX),
        Some(key) if key < values.len() => IdxSize::try_from(key).map_err(|error| error.to_string()),
        Some(key) => Err(format!("the key {key} is not in its dictionary")),
    };
    let keys = array.keys_iter().map(key).collect::<Result<Vec<_>, String>>()?;
    // The values share their texts: one that many rows have is in memory once.
    Ok(taken(values.as_ref(), &keys, ShareStrategy::Always))
}

/// The values at these places; those behind the end are null.
pub(super) fn taken(array: &dyn Array, places: &[IdxSize], share: ShareStrategy) -> Box<dyn Array> {
    let mut taken = make_builder(array.dtype());
    taken.reserve(places.len());
    taken.opt_gather_extend(array, places, share);
    taken.freeze()
}
