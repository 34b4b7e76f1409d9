//! The names of column types, and the sentences about columns whose type changes, which are shown to the
//! user.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use polars_arrow::datatypes::{ArrowDataType, Field, TimeUnit};
use polars_arrow::io::ipc::read::deserialize_schema;
use polars_parquet::parquet::schema::types::{GroupConvertedType, GroupLogicalType, ParquetType};
use polars_parquet::read::FileMetadata;

use super::schema::has_odd_layouts;
use super::types::kept;

/// The columns whose type is not kept, each as a sentence. `fields` are those of the file.
pub(super) fn changes(fields: &[Field]) -> Vec<String> {
    let of = |field: &Field| name(&kept(&field.dtype));
    let named = fields.iter().map(|field| (&field.name, name(&field.dtype), of(field)));
    let changed = named.filter(|(_, from, to)| from != to);
    changed.map(|(column, from, to)| format!("column `{column}`: {from} is written as {to}")).collect()
}

/// The message with the schema that Arrow's writers store in a Parquet file beside Parquet's own.
pub(super) fn kept_schema(metadata: &FileMetadata) -> Option<Vec<u8>> {
    let kept = metadata.key_value_metadata().iter().flatten().find(|pair| pair.key == "ARROW:schema");
    let bytes = BASE64_STANDARD.decode(kept?.value.as_deref()?).ok()?;
    // The message follows a marker and its length.
    Some(bytes.strip_prefix(&[0xff; 4]).and_then(|rest| rest.get(4..)).unwrap_or(&bytes).to_vec())
}

/// The columns of a Parquet file as its writer knew them: by the stored Arrow schema, otherwise by Parquet's
/// own, which knows maps where a reader of Arrow sees lists. `read` are the columns that are made of both.
pub(super) fn stored(metadata: &FileMetadata, kept: Option<&[u8]>, read: &[Field]) -> Vec<Field> {
    let kept = kept.filter(|kept| !has_odd_layouts(kept)).and_then(|kept| deserialize_schema(kept).ok());
    let kept = kept.map(|(schema, ..)| schema.iter_values().cloned().collect::<Vec<Field>>());
    let is_of_these = |kept: &Vec<Field>| kept.iter().map(|of| &of.name).eq(read.iter().map(|of| &of.name));
    kept.filter(is_of_these).unwrap_or_else(|| {
        let types = metadata.schema().fields().iter();
        read.iter().zip(types).map(|(field, stored)| with_map(field, stored)).collect()
    })
}

/// A field as a map, if Parquet says that it is one.
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

/// The name of a type in Arrow's libraries. Texts, binaries and lists have one name each, whatever their
/// layout in memory, because the content of a column does not depend on it.
pub(super) fn name(dtype: &ArrowDataType) -> String {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use polars_arrow::array::new_null_array;
    use polars_arrow::datatypes::{ExtensionType, IntegerType};

    use super::super::convert;
    use super::*;

    fn field(dtype: ArrowDataType) -> Field {
        Field::new("x".into(), dtype, true)
    }

    #[test]
    fn what_is_said_is_what_becomes_of_a_column() {
        use ArrowDataType as Type;
        let entries = [("key", Type::Utf8), ("value", Type::Int32)];
        let entries = entries.map(|(name, dtype)| Field::new(name.into(), dtype, true)).to_vec();
        let entry = Type::Struct(entries);
        let of = |dtype: Type| Box::new(field(dtype));
        let seconds = Type::Timestamp(TimeUnit::Second, Some("+05:30".into()));
        let uuid =
            ExtensionType { name: "arrow.uuid".into(), inner: Type::FixedSizeBinary(16), metadata: None };
        for (dtype, said) in [
            (Type::LargeUtf8, None),
            (Type::BinaryView, None),
            (Type::List(of(Type::Int16)), None),
            (Type::FixedSizeList(of(Type::Float32), 2), None),
            (entry.clone(), None),
            (Type::Timestamp(TimeUnit::Microsecond, Some("Asia/Kolkata".into())), None),
            (Type::Decimal(20, 2), None),
            (Type::Null, None),
            (Type::Date32, None),
            (Type::Duration(TimeUnit::Nanosecond), None),
            (Type::Date64, Some("date64 is written as timestamp[ms]")),
            (seconds, Some("timestamp[s, +05:30] is written as timestamp[ms, UTC]")),
            (Type::Duration(TimeUnit::Second), Some("duration[s] is written as duration[ms]")),
            (Type::Time64(TimeUnit::Microsecond), Some("time64[us] is written as time64[ns]")),
            (Type::Float16, Some("float16 is written as float32")),
            (Type::FixedSizeBinary(2), Some("fixed_size_binary[2] is written as binary")),
            (Type::Decimal256(60, 2), Some("decimal256(60, 2) is written as string")),
            (Type::Decimal256(30, 2), Some("decimal256(30, 2) is written as decimal128(30, 2)")),
            (
                Type::Dictionary(IntegerType::Int8, Box::new(Type::LargeUtf8), false),
                Some("dictionary<string by int8> is written as string"),
            ),
            (
                Type::Map(of(entry), false),
                Some("map<key: string, value: int32> is written as list<struct<key: string, value: int32>>"),
            ),
            (Type::Extension(Box::new(uuid)), Some("extension<arrow.uuid> is written as binary")),
        ] {
            let fields = [field(dtype.clone())];
            let types: Vec<String> = convert::empty(&fields).unwrap().types().collect();
            assert_eq!(types, [name(&kept(&dtype))]);
            // The library makes no nulls of this type.
            if !matches!(dtype, Type::Decimal256(..)) {
                let nulls = vec![new_null_array(dtype.clone(), 2)];
                let column = convert::column(&fields[0], nulls).unwrap();
                assert_eq!((column.dtype(), column.len(), column.null_count()), (&kept(&dtype), 2, 2));
            }
            let expected: Vec<String> = said.iter().map(|said| format!("column `x`: {said}")).collect();
            assert_eq!(changes(&fields), expected);
        }
    }
}
