//! Every type of column: read as it is or as the nearest that frames have, as JSON, and written again.

#![allow(clippy::unwrap_used)]

use polars_arrow::array::{
    Array, BooleanArray, FixedSizeBinaryArray, FixedSizeListArray, ListArray, MapArray, NullArray,
    StructArray, Utf8Array,
};
use polars_arrow::datatypes::{
    ArrowDataType, ArrowSchema, ExtensionType, Field, IntervalUnit, TimeUnit as ArrowUnit, UnionMode,
    UnionType,
};
use polars_arrow::io::ipc::write::{StreamWriter, WriteOptions};
use polars_arrow::types::i256;
use polars_utils::float16::pf16;
use serde_json::{Value, json};

use super::tests::{category, numbers, of_stream, whole, written};
use super::*;

#[test]
fn types_that_frames_lack_are_read_as_the_nearest() {
    let uuid = FixedSizeBinaryArray::new(ArrowDataType::FixedSizeBinary(2), b"abcd".to_vec().into(), None);
    let keys = Utf8Array::<i32>::from_slice(["k", "l"]).boxed();
    let entries = ArrowDataType::Struct(vec![
        Field::new("key".into(), keys.dtype().clone(), false),
        Field::new("value".into(), ArrowDataType::Int32, true),
    ]);
    let values =
        StructArray::new(entries.clone(), 2, vec![keys, numbers([1_i32, 2], ArrowDataType::Int32)], None);
    let map = ArrowDataType::Map(Box::new(Field::new("entries".into(), entries, false)), false);
    let map = MapArray::new(map, vec![0_i32, 1, 2].try_into().unwrap(), values.boxed(), None);
    let zoned = ArrowDataType::Timestamp(ArrowUnit::Millisecond, Some("+05:30".into()));
    let half = [pf16::from(0.5_f32), pf16::from(-2.0_f32)];
    let frame = of_stream(vec![
        ("category", category(vec![Some(1), None], &["a", "b"])),
        ("half", numbers(half, ArrowDataType::Float16)),
        ("zoned", numbers([0_i64, 1], zoned)),
        ("time32", numbers([1_i32, 2], ArrowDataType::Time32(ArrowUnit::Second))),
        ("date64", numbers([0_i64, 86_400_000], ArrowDataType::Date64)),
        ("bytes", uuid.boxed()),
        ("map", map.boxed()),
    ])
    .unwrap();
    let types: Vec<(&str, String)> = frame.names().zip(frame.types()).collect();
    let types: Vec<(&str, &str)> = types.iter().map(|(name, kind)| (*name, kind.as_str())).collect();
    assert_eq!(
        types,
        [
            ("category", "string"),
            ("half", "float32"),
            ("zoned", "timestamp[ms, UTC]"),
            ("time32", "time64[ns]"),
            ("date64", "timestamp[ms]"),
            ("bytes", "binary"),
            ("map", "list<struct<key: string, value: int32>>"),
        ]
    );
    let rows: Vec<Value> = to_rows(&frame).into_iter().map(Value::Object).collect();
    assert_eq!(
        rows,
        [
            json!({"category": "b", "half": 0.5, "zoned": "1970-01-01 00:00:00 UTC", "time32": "00:00:01",
                "date64": "1970-01-01 00:00:00", "bytes": "ab", "map": [{"key": "k", "value": 1}]}),
            json!({"category": null, "half": -2.0, "zoned": "1970-01-01 00:00:00.001 UTC", "time32": "00:00:02",
                "date64": "1970-01-02 00:00:00", "bytes": "cd", "map": [{"key": "l", "value": 2}]}),
        ]
    );
}

#[test]
fn a_decimal_of_256_bits_is_one_of_128_or_text() {
    let wide = |n: i128| i256(n.into());
    let dtype = ArrowDataType::Decimal256(50, 3);
    let column = numbers([wide(-1250), wide(7)], dtype.clone());
    let column = convert::column(&Field::new("a".into(), dtype, true), vec![column]).unwrap();
    let frame = Frame::new(2, vec![("a".to_owned(), column)]).unwrap();
    assert_eq!(frame.texts(&["a"]).unwrap().unwrap(), [Some("-1.250"), Some("0.007")]);
    let dtype = ArrowDataType::Decimal256(30, 3);
    let column = numbers([wide(-1250), wide(7)], dtype.clone());
    let column = convert::column(&Field::new("a".into(), dtype, true), vec![column]).unwrap();
    assert_eq!(column.dtype(), &ArrowDataType::Decimal(30, 3));
    let frame = Frame::new(2, vec![("a".to_owned(), column)]).unwrap();
    assert_eq!((&to_rows(&frame)[0]["a"], &to_rows(&frame)[1]["a"]), (&json!("-1.250"), &json!("0.007")));
}

#[test]
fn a_column_that_cannot_be_read_is_named() {
    let union = ArrowDataType::Union(Box::new(UnionType {
        fields: vec![Field::new("a".into(), ArrowDataType::Int32, true)],
        ids: None,
        mode: UnionMode::Dense,
    }));
    let extension = ExtensionType { name: "own".into(), inner: union.clone(), metadata: None };
    let interval = ArrowDataType::Interval(IntervalUnit::DayTime);
    let listed = ArrowDataType::List(Box::new(Field::new("item".into(), interval, true)));
    for dtype in [
        union,
        ArrowDataType::Interval(IntervalUnit::YearMonth),
        ArrowDataType::Interval(IntervalUnit::MonthDayNano),
        ArrowDataType::Extension(Box::new(extension)),
        listed,
        ArrowDataType::Timestamp(ArrowUnit::Millisecond, Some("Atlantis".into())),
    ] {
        let schema = ArrowSchema::from_iter([Field::new("odd".into(), dtype.clone(), true)]);
        let mut writer = StreamWriter::new(Vec::new(), WriteOptions { compression: None });
        writer.start(&schema, None).unwrap();
        let error = FrameReader::of_bytes("a", Format::Arrow, writer.into_inner()).err().unwrap().to_string();
        assert!(error.contains("column `odd`") && error.contains("cast it to text"), "{dtype:?}: {error}");
    }
    let seconds = ArrowDataType::Timestamp(ArrowUnit::Second, None);
    let error = of_stream(vec![("when", numbers([0_i64, i64::MAX], seconds))]).unwrap_err();
    assert!(error.contains("column `when`") && error.contains("9223372036854775807"), "{error}");
}

#[test]
fn times_beyond_the_years_that_are_written_stay_numbers() {
    let zoned = ArrowDataType::Timestamp(ArrowUnit::Microsecond, None);
    let frame = of_stream(vec![
        ("when", numbers([1_i64, i64::MAX], zoned)),
        ("day", numbers([1_i32, i32::MIN], ArrowDataType::Date32)),
    ])
    .unwrap();
    assert_eq!(frame.types().next().unwrap(), "timestamp[us]");
    let rows = to_rows(&frame);
    assert_eq!((&rows[1]["when"], &rows[1]["day"]), (&i64::MAX.into(), &i32::MIN.into()));
    assert_eq!(rows[0]["day"], "1970-01-02");
}

#[test]
fn list_arrays_of_any_offset_are_read() {
    let values = numbers([1_i32, 2], ArrowDataType::Int32);
    let dtype = ListArray::<i64>::default_datatype(ArrowDataType::Int32);
    let list = ListArray::<i64>::new(dtype, vec![0_i64, 0, 2].try_into().unwrap(), values, None);
    let frame = of_stream(vec![("list", list.boxed())]).unwrap();
    assert_eq!(to_rows(&frame)[1]["list"], json!([1, 2]));
}

/// Types that this crate does not write but others do.
#[test]
fn small_integers_times_and_lists_of_others_are_read() {
    let zoned = ArrowDataType::Timestamp(ArrowUnit::Millisecond, Some("UTC".into()));
    let berlin = ArrowDataType::Timestamp(ArrowUnit::Microsecond, Some("Europe/Berlin".into()));
    let decimal = ArrowDataType::Decimal(10, 2);
    let frame = of_stream(vec![
        ("i8", numbers([1_i8, 0], ArrowDataType::Int8)),
        ("u64", numbers([u64::MAX, 0], ArrowDataType::UInt64)),
        ("time", numbers([1_i64, 0], zoned)),
        ("berlin", numbers([1_700_000_000_123_456_i64, 0], berlin)),
        ("real", numbers([0.5_f32, f32::NAN], ArrowDataType::Float32)),
        ("decimal", numbers([-5_i128, 12_340], decimal)),
        ("long", numbers([90_061_001_i64, 0], ArrowDataType::Duration(ArrowUnit::Millisecond))),
        ("short", numbers([-1_500_i64, 7], ArrowDataType::Duration(ArrowUnit::Nanosecond))),
        ("at", numbers([3_661_000_001_000_i64, -1], ArrowDataType::Time64(ArrowUnit::Nanosecond))),
    ])
    .unwrap();
    let expected = [
        json!({"i8": 1, "u64": u64::MAX, "time": "1970-01-01 00:00:00.001 UTC",
            "berlin": "2023-11-14 23:13:20.123456 CET", "real": 0.5, "decimal": "-0.05", "long": "1d 1h 1m 1s 1ms",
            "short": "-1500ns", "at": "01:01:01.000001"}),
        json!({"i8": 0, "u64": 0, "time": "1970-01-01 00:00:00 UTC", "berlin": "1970-01-01 01:00:00 CET",
            "real": "NaN", "decimal": "123.40", "long": "0ms", "short": "7ns", "at": -1}),
    ];
    for format in [Format::Parquet, Format::Arrow] {
        let read = whole(format, written(format, std::slice::from_ref(&frame)));
        assert!(read.types().eq(frame.types()), "{format}");
        let rows: Vec<Value> = to_rows(&read).into_iter().map(Value::Object).collect();
        assert_eq!(rows, expected, "{format}");
    }
}

/// Written by pyarrow, which stores the schema of its arrays beside Parquet's own.
#[test]
fn a_view_of_lists_is_a_list_in_parquet() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tables/list_view.parquet");
    let mut frames = FrameReader::open(Path::new(path), Format::Parquet, 0).unwrap();
    assert!(frames.changes().is_empty());
    let rows = to_rows(&frames.next().unwrap().unwrap());
    let lists: Vec<&Value> = rows.iter().map(|row| &row["odd"]).collect();
    assert_eq!(lists, [&json!([1]), &json!([]), &json!([2, 3])]);
}

/// Lists and structures with nulls at every depth; a null may have values behind it.
#[test]
fn nested_values_are_read_and_written_as_they_are() {
    let texts = || Utf8Array::<i32>::from_slice(["a", "b", "c"]).boxed();
    let nulls = |valid: &[bool]| Some(valid.iter().copied().collect());
    let listed = ListArray::<i32>::default_datatype(ArrowDataType::Utf8);
    let offsets = vec![0_i32, 2, 3].try_into().unwrap();
    let lists = ListArray::<i32>::new(listed, offsets, texts(), nulls(&[false, true])).boxed();
    let fixed = FixedSizeListArray::default_datatype(ArrowDataType::Int32, 1);
    let days = numbers([1_i32, 2], ArrowDataType::Int32);
    let fixed = FixedSizeListArray::new(fixed, 2, days, nulls(&[true, false])).boxed();
    let field = |name: &str, array: &dyn Array| Field::new(name.into(), array.dtype().clone(), true);
    let fields = ArrowDataType::Struct(vec![field("lists", lists.as_ref()), field("fixed", fixed.as_ref())]);
    let inner = vec![lists.clone(), fixed.clone()];
    let structs = StructArray::new(fields, 2, inner, nulls(&[true, false])).boxed();
    let frame = of_stream(vec![
        ("lists", lists),
        ("fixed", fixed),
        ("structs", structs),
        ("nothing", NullArray::new(ArrowDataType::Null, 2).boxed()),
        ("day", numbers([0_i32, -1], ArrowDataType::Date32)),
        ("flag", BooleanArray::from_slice([true, false]).boxed()),
    ])
    .unwrap();
    let expected = [
        json!({"lists": null, "fixed": [1], "structs": {"lists": null, "fixed": [1]}, "nothing": null,
            "day": "1970-01-01", "flag": true}),
        json!({"lists": ["c"], "fixed": null, "structs": null, "nothing": null, "day": "1969-12-31", "flag": false}),
    ];
    let rows = |frame: &Frame| to_rows(frame).into_iter().map(Value::Object).collect::<Vec<Value>>();
    assert_eq!(rows(&frame), expected);
    for format in [Format::Parquet, Format::Arrow] {
        let read = whole(format, written(format, std::slice::from_ref(&frame)));
        assert!(read.types().eq(frame.types()), "{format}");
        assert_eq!(rows(&read), expected, "{format}");
        let kept = read.filter(&[false, true]);
        assert!(kept.types().eq(frame.types()), "{format}");
        assert_eq!(rows(&kept), expected[1..], "{format}");
    }
}

#[test]
fn texts_are_found_in_structures() {
    let texts = Utf8Array::<i32>::from_slice(["a", "b"]).boxed();
    let fields = ArrowDataType::Struct(vec![Field::new("text".into(), ArrowDataType::Utf8, true)]);
    let valid = Some([false, true].into_iter().collect());
    let frame = of_stream(vec![
        ("s", StructArray::new(fields, 2, vec![texts], valid).boxed()),
        ("n", numbers([1_i64, 2], ArrowDataType::Int64)),
    ])
    .unwrap();
    assert_eq!(frame.texts(&["s", "text"]), Ok(Some(vec![None, Some("b")])));
    assert_eq!(frame.texts(&["s"]), Ok(None));
    assert_eq!(frame.texts(&["s", "other"]), Err("there is no `other` in `s`".to_owned()));
    assert_eq!(frame.texts(&["n"]), Err("`n` holds int64 and no text".to_owned()));
    assert_eq!(frame.texts(&["m"]), Err("there is no column `m`".to_owned()));
}

#[test]
fn rows_are_ranked_and_joined() {
    let p = [Some(0.5), None, Some(0.9), Some(0.5)];
    let mut frame = Frame::of("p", Values::Numbers(p.to_vec()));
    frame.append(vec![("n", Values::Texts(vec![Some("a"), Some("b"), Some("c"), None]))]).unwrap();
    let texts = |frame: &Frame| {
        let texts = frame.texts(&["n"]).unwrap().unwrap();
        texts.into_iter().map(|text| text.unwrap_or("-")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(texts(&frame.ranked("p", 9).unwrap()), "c a - b");
    assert_eq!(texts(&frame.ranked("p", 2).unwrap()), "c a");
    assert_eq!(texts(&frame.select("p", |p| p.is_none()).unwrap()), "b");
    let joined = Frame::concat(&[frame.head(1), frame.slice(2, 9)]).unwrap().unwrap();
    assert_eq!(texts(&joined), "a c -");
    let other = Frame::of("q", Values::Flags(vec![Some(true)]));
    assert!(Frame::concat(&[frame.clone(), other.clone()]).is_err());
    assert!(frame.append(vec![("p", Values::Flags(vec![None; 4]))]).unwrap_err().contains("`p`"));
    assert!(FrameWriter::new(Format::Parquet, Vec::new(), &frame).unwrap().write(&other).is_err());
}
