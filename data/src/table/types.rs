//! The types of columns: which can be read, and what they are in a frame. A type that frames do not have is
//! read as the nearest type that loses no value; if there is none, the error names the column.

use polars_arrow::array::{FixedSizeListArray, ListArray};
use polars_arrow::datatypes::{ArrowDataType, Field, TimeUnit};
use polars_arrow::temporal_conversions::parse_offset_tz;

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
    if is_known(&field.dtype) { Ok(()) } else { Err(unsupported(&field.name, &format!("{:?}", field.dtype))) }
}

/// Whether a type can be read, at any depth.
fn is_known(dtype: &ArrowDataType) -> bool {
    match dtype {
        ArrowDataType::List(field)
        | ArrowDataType::LargeList(field)
        | ArrowDataType::FixedSizeList(field, _)
        | ArrowDataType::Map(field, _) => is_known(&field.dtype),
        ArrowDataType::Struct(fields) => {
            !fields.is_empty() && fields.iter().all(|field| is_known(&field.dtype))
        }
        ArrowDataType::Timestamp(_, zone) => {
            zone_of(zone.as_deref()).is_none_or(|zone| parse_offset_tz(zone).is_ok())
        }
        ArrowDataType::Decimal(precision, scale)
        | ArrowDataType::Decimal32(precision, scale)
        | ArrowDataType::Decimal64(precision, scale)
        | ArrowDataType::Decimal256(precision, scale) => *precision > 0 && scale <= precision,
        ArrowDataType::Interval(_)
        | ArrowDataType::Union(_)
        | ArrowDataType::Dictionary(..)
        | ArrowDataType::Extension(_)
        | ArrowDataType::Int128
        | ArrowDataType::UInt128
        | ArrowDataType::Unknown => false,
        _ => true,
    }
}

/// The zone of a column's times in a frame. An offset (`+05:30`) is not a name in the tables of zones, so
/// such times are the same instants in UTC.
fn zone_of(zone: Option<&str>) -> Option<&str> {
    match zone {
        None | Some("") => None,
        Some("utc") => Some("UTC"),
        Some(offset) if offset.starts_with(|c: char| matches!(c, '+' | '-') || c.is_ascii_digit()) => {
            Some("UTC")
        }
        other => other,
    }
}

/// The type of a column in a frame.
pub(super) fn kept(dtype: &ArrowDataType) -> ArrowDataType {
    use ArrowDataType as Type;
    match dtype {
        Type::Dictionary(_, values, _) => kept(values),
        Type::Extension(extension) => kept(&extension.inner),
        Type::Utf8 | Type::LargeUtf8 => Type::Utf8View,
        Type::Binary | Type::LargeBinary | Type::FixedSizeBinary(_) => Type::BinaryView,
        Type::Float16 => Type::Float32,
        Type::Date64 => Type::Timestamp(TimeUnit::Millisecond, None),
        Type::Time32(_) | Type::Time64(_) => Type::Time64(TimeUnit::Nanosecond),
        Type::Timestamp(unit, zone) => {
            Type::Timestamp(kept_unit(*unit), zone_of(zone.as_deref()).map(Into::into))
        }
        Type::Duration(unit) => Type::Duration(kept_unit(*unit)),
        Type::Decimal256(precision, _) if *precision > MOST_DIGITS => Type::Utf8View,
        Type::Decimal32(precision, scale)
        | Type::Decimal64(precision, scale)
        | Type::Decimal256(precision, scale) => Type::Decimal(*precision, *scale),
        Type::List(item) | Type::LargeList(item) | Type::Map(item, _) => {
            ListArray::<i64>::default_datatype(kept(&item.dtype))
        }
        Type::FixedSizeList(item, size) => FixedSizeListArray::default_datatype(kept(&item.dtype), *size),
        Type::Struct(fields) => Type::Struct(fields.iter().map(kept_field).collect()),
        other => other.clone(),
    }
}

/// The field of a column in a frame.
pub(super) fn kept_field(field: &Field) -> Field {
    Field::new(field.name.clone(), kept(&field.dtype), true)
}

/// Frames have no unit of seconds.
const fn kept_unit(unit: TimeUnit) -> TimeUnit {
    match unit {
        TimeUnit::Second => TimeUnit::Millisecond,
        other => other,
    }
}
