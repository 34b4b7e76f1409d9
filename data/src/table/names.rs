//! What the types of a table's columns are called, and which of them become another type: whoever gets the table back is told.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use polars::prelude::{CompatLevel, SchemaExt};
use polars_arrow::datatypes::{ArrowDataType, Field, TimeUnit};
use polars_arrow::io::ipc::read::deserialize_schema;
use polars_parquet::parquet::schema::types::{GroupConvertedType, GroupLogicalType, ParquetType};
use polars_parquet::read::FileMetadata;

use super::convert;

/// The columns of which the type is not kept, each as a sentence. `stored` are those of the file, `read` the same as they are
/// read.
pub(super) fn changes(stored: &[Field], read: &[Field]) -> Result<Vec<String>, String> {
    let written = convert::empty(read.iter())?.schema().to_arrow(CompatLevel::oldest());
    let pairs = stored.iter().zip(written.iter_values());
    let named = pairs.map(|(field, written)| (&field.name, name(&field.dtype), name(&written.dtype)));
    let changed = named.filter(|(_, from, to)| from != to);
    Ok(changed.map(|(column, from, to)| format!("column `{column}`: {from} is written as {to}")).collect())
}

/// The columns of a Parquet file as its writer knew them: by the schema that Arrow's writers keep beside Parquet's own, else by
/// the latter, which knows maps where polars reads lists. `read` is the schema that polars makes of both.
pub(super) fn stored(metadata: &FileMetadata, read: &[Field]) -> Vec<Field> {
    let kept = metadata.key_value_metadata().iter().flatten().find(|pair| pair.key == "ARROW:schema");
    let kept = kept.and_then(|pair| arrow_schema(pair.value.as_deref()?));
    let is_of_these = |kept: &Vec<Field>| kept.iter().map(|of| &of.name).eq(read.iter().map(|of| &of.name));
    kept.filter(is_of_these).unwrap_or_else(|| {
        let types = metadata.schema().fields().iter();
        read.iter().zip(types).map(|(field, stored)| with_map(field, stored)).collect()
    })
}

/// An Arrow schema that is kept as base64; none where it cannot be read, for then it says nothing.
fn arrow_schema(text: &str) -> Option<Vec<Field>> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    // Before the message are a mark and its length.
    let message = bytes.strip_prefix(&[0xff; 4]).and_then(|rest| rest.get(4..)).unwrap_or(&bytes);
    let (schema, ..) = deserialize_schema(message).ok()?;
    Some(schema.iter_values().cloned().collect())
}

/// A field as a map where Parquet says that it is one.
fn with_map(field: &Field, stored: &ParquetType) -> Field {
    let is_map = matches!(
        stored,
        ParquetType::GroupType { logical_type: Some(GroupLogicalType::Map), .. }
            | ParquetType::GroupType {
                converted_type: Some(GroupConvertedType::Map | GroupConvertedType::MapKeyValue),
                ..
            }
    );
    match &field.dtype {
        ArrowDataType::List(entries) | ArrowDataType::LargeList(entries) if is_map => {
            Field { dtype: ArrowDataType::Map(entries.clone(), false), ..field.clone() }
        }
        _ => field.clone(),
    }
}

/// What a type is called in Arrow's libraries. Texts, binaries and lists have one name each, however they are laid out in memory:
/// what a column says does not depend on it.
fn name(dtype: &ArrowDataType) -> String {
    use ArrowDataType as Type;
    match dtype {
        Type::Utf8 | Type::LargeUtf8 | Type::Utf8View => "string".to_owned(),
        Type::Binary | Type::LargeBinary | Type::BinaryView => "binary".to_owned(),
        Type::FixedSizeBinary(size) => format!("fixed_size_binary[{size}]"),
        Type::List(item) | Type::LargeList(item) => format!("list<{}>", name(&item.dtype)),
        Type::FixedSizeList(item, size) => format!("fixed_size_list<{}>[{size}]", name(&item.dtype)),
        Type::Struct(fields) => format!("struct<{}>", named(fields)),
        Type::Map(entries, _) => match &entries.dtype {
            Type::Struct(fields) => format!("map<{}>", named(fields)),
            other => format!("map<{}>", name(other)),
        },
        Type::Dictionary(keys, values, _) => {
            format!("dictionary<{} by {}>", name(values), format!("{keys:?}").to_lowercase())
        }
        Type::Extension(extension) => format!("extension<{}>", extension.name),
        Type::Timestamp(at, None) => format!("timestamp[{}]", unit(*at)),
        Type::Timestamp(at, Some(zone)) => format!("timestamp[{}, {zone}]", unit(*at)),
        Type::Time32(at) => format!("time32[{}]", unit(*at)),
        Type::Time64(at) => format!("time64[{}]", unit(*at)),
        Type::Duration(at) => format!("duration[{}]", unit(*at)),
        Type::Decimal(precision, scale) => format!("decimal128({precision}, {scale})"),
        Type::Decimal32(precision, scale) => format!("decimal32({precision}, {scale})"),
        Type::Decimal64(precision, scale) => format!("decimal64({precision}, {scale})"),
        Type::Decimal256(precision, scale) => format!("decimal256({precision}, {scale})"),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn named(fields: &[Field]) -> String {
    let field = |field: &Field| format!("{}: {}", field.name, name(&field.dtype));
    fields.iter().map(field).collect::<Vec<_>>().join(", ")
}

const fn unit(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}
