//! Tables as other programs write them: row groups of every size, types that polars lacks, and small files
//! that decode to much.

#![allow(clippy::unwrap_used)]

use polars::prelude::{DataFrame, DataType, IntoColumn, IntoSeries, NamedFrom, Series, TimeUnit};
use polars_arrow::array::{
    Array, DictionaryArray, FixedSizeBinaryArray, ListArray, MapArray, PrimitiveArray, StructArray, Utf8Array,
};
use polars_arrow::datatypes::{
    ArrowDataType, ArrowSchema, ExtensionType, Field, IntervalUnit, TimeUnit as ArrowUnit, UnionMode,
    UnionType,
};
use polars_arrow::io::ipc::write::{FileWriter, StreamWriter, WriteOptions};
use polars_arrow::record_batch::RecordBatchT;
use polars_arrow::types::i256;
use polars_utils::float16::pf16;
use proptest::prelude::*;

use super::*;

fn rows(from: usize, count: usize) -> DataFrame {
    let number = |n: usize| i64::try_from(n).unwrap();
    let numbers: Vec<i64> = (from..from + count).map(number).collect();
    let texts: Vec<Option<String>> =
        (from..from + count).map(|n| (n % 7 != 3).then(|| "x".repeat(n % 40) + &n.to_string())).collect();
    let lists: Vec<Series> =
        (from..from + count).map(|n| Series::new("".into(), vec![number(n); n % 3])).collect();
    let columns = vec![
        Series::new("n".into(), numbers).into_column(),
        Series::new("prompt".into(), texts).into_column(),
        Series::new("list".into(), lists).into_column(),
    ];
    DataFrame::new(count, columns).unwrap()
}

fn table(format: Format, groups: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = FrameWriter::new(format, &mut bytes, &rows(0, 1)).unwrap();
    let mut from = 0;
    for &group in groups {
        writer.write(&mut rows(from, group)).unwrap();
        from += group;
    }
    writer.finish().unwrap();
    bytes
}

fn whole(format: Format, bytes: Vec<u8>) -> DataFrame {
    let frames = FrameReader::of_bytes("a", format, bytes).unwrap().map(Result::unwrap);
    frames.reduce(|all, next| all.vstack(&next).unwrap()).unwrap()
}

/// Reads a table and writes it into tables again, whole and in pieces.
fn there_and_back(groups: &[usize]) {
    let all = rows(0, groups.iter().sum());
    for from in [Format::Parquet, Format::Arrow] {
        let bytes = table(from, groups);
        let read = whole(from, bytes.clone());
        assert!(read.equals_missing(&all), "{from} {groups:?}");
        for to in [Format::Parquet, Format::Arrow] {
            let mut out = Vec::new();
            let mut writer = FrameWriter::new(to, &mut out, &all).unwrap();
            // In chunks that differ from its neighbour's.
            let mut frame = read.clone();
            frame.rechunk_mut();
            let extra = Series::new("p".into(), vec![0.5; frame.height()]).into_column();
            let mut apart = read.clone();
            apart.with_column(extra).unwrap();
            writer.write(&mut read.clone()).unwrap();
            writer.finish().unwrap();
            assert!(whole(to, out).equals_missing(&all), "{from} {to} {groups:?}");
            let mut out = Vec::new();
            let mut writer = FrameWriter::new(to, &mut out, &apart).unwrap();
            writer.write(&mut apart).unwrap();
            writer.finish().unwrap();
            assert_eq!(whole(to, out).width(), 4);
        }
        for done in [0, 1, all.height() / 2, all.height()] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a");
            std::fs::write(&path, &bytes).unwrap();
            let left = FrameReader::open(&path, from, done).unwrap();
            let left: usize = left.map(|frame| frame.unwrap().height()).sum();
            assert_eq!(left, all.height() - done, "{from} {groups:?} {done}");
        }
    }
}

#[test]
fn slices_and_row_groups_of_any_size_meet() {
    for groups in [&[1, 1][..], &[2, 0, 3], &[SLICE - 1, 2, 5], &[SLICE + 1], &[7; 9]] {
        there_and_back(groups);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn row_groups_of_random_sizes_are_read(groups in prop::collection::vec(0_usize..300, 1..8)) {
        prop_assume!(groups.iter().sum::<usize>() > 0);
        there_and_back(&groups);
    }
}

/// A stream of one batch.
fn stream(columns: Vec<(&str, Box<dyn Array>)>) -> Vec<u8> {
    let field =
        |(name, array): &(&str, Box<dyn Array>)| Field::new((*name).into(), array.dtype().clone(), true);
    let schema = ArrowSchema::from_iter(columns.iter().map(field));
    let height = columns[0].1.len();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatchT::new(height, std::sync::Arc::new(schema.clone()), arrays);
    let mut writer = StreamWriter::new(Vec::new(), WriteOptions { compression: None });
    writer.start(&schema, None).unwrap();
    writer.write(&batch, None).unwrap();
    writer.finish().unwrap();
    writer.into_inner()
}

fn of_stream(columns: Vec<(&str, Box<dyn Array>)>) -> Result<DataFrame, String> {
    let mut frames =
        FrameReader::of_bytes("a", Format::Arrow, stream(columns)).map_err(|error| error.to_string())?;
    frames.next().unwrap().map_err(|error| error.to_string())
}

fn numbers<T: polars_arrow::types::NativeType>(values: [T; 2], dtype: ArrowDataType) -> Box<dyn Array> {
    PrimitiveArray::from_vec(values.to_vec()).to(dtype).boxed()
}

fn category(keys: Vec<Option<i32>>, values: &[&str]) -> Box<dyn Array> {
    let values = Utf8Array::<i32>::from_slice(values).boxed();
    DictionaryArray::try_from_keys(PrimitiveArray::<i32>::from(keys), values, false).unwrap().boxed()
}

#[test]
fn types_that_polars_lacks_are_read_as_the_nearest() {
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
    let text =
        |name: &str, row: usize| frame.column(name).unwrap().get(row).unwrap().str_value().into_owned();
    assert_eq!(frame.column("category").unwrap().dtype(), &DataType::String);
    assert_eq!((text("category", 0), frame.column("category").unwrap().null_count()), ("b".to_owned(), 1));
    assert_eq!(frame.column("half").unwrap().dtype(), &DataType::Float32);
    assert_eq!((text("half", 0), text("half", 1)), ("0.5".to_owned(), "-2.0".to_owned()));
    assert!(text("zoned", 0).contains("1970-01-01 00:00:00 UTC"), "{}", text("zoned", 0));
    assert_eq!(text("time32", 1), "00:00:02");
    assert!(text("date64", 1).starts_with("1970-01-02"));
    assert_eq!(frame.column("bytes").unwrap().dtype(), &DataType::Binary);
    assert!(matches!(frame.column("map").unwrap().dtype(), DataType::List(_)));
}

#[test]
fn a_decimal_that_polars_has_no_digits_for_is_text() {
    let wide = |n: i128| i256(n.into());
    let dtype = ArrowDataType::Decimal256(50, 3);
    let column = numbers([wide(-1250), wide(7)], dtype.clone());
    let column = convert::series(&Field::new("a".into(), dtype, true), vec![column]).unwrap();
    let texts: Vec<_> = column.str().unwrap().iter().flatten().map(str::to_owned).collect();
    assert_eq!(texts, ["-1.250", "0.007"]);
}

#[test]
fn a_column_that_cannot_be_read_is_named() {
    let union = ArrowDataType::Union(Box::new(UnionType {
        fields: vec![Field::new("a".into(), ArrowDataType::Int32, true)],
        ids: None,
        mode: UnionMode::Dense,
    }));
    let extension = ExtensionType { name: "own".into(), inner: union.clone(), metadata: None };
    let listed = ArrowDataType::List(Box::new(Field::new("item".into(), ArrowDataType::Float16, true)));
    for dtype in [
        union,
        ArrowDataType::Interval(IntervalUnit::YearMonth),
        ArrowDataType::Interval(IntervalUnit::MonthDayNano),
        ArrowDataType::Extension(Box::new(extension)),
        listed,
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
    assert_eq!(frame.column("when").unwrap().dtype(), &DataType::Datetime(TimeUnit::Microseconds, None));
    let rows = crate::to_rows(&frame);
    assert_eq!((&rows[1]["when"], &rows[1]["day"]), (&i64::MAX.into(), &i32::MIN.into()));
    assert_eq!(rows[0]["day"], "1970-01-02");
}

#[test]
fn a_table_without_a_row_has_columns() {
    for format in [Format::Parquet, Format::Arrow] {
        let read = whole(format, table(format, &[0]));
        assert_eq!((read.height(), read.width()), (0, 3), "{format}");
    }
}

/// Checks the first frame of a file that repeats its content: the error must name the limit, and come early.
fn refused(format: Format, bytes: Vec<u8>) {
    assert!(bytes.len() < 1 << 20, "{format}: {} bytes", bytes.len());
    let started = std::time::Instant::now();
    let error = FrameReader::of_bytes("a", format, bytes).unwrap().next().unwrap().err().unwrap().to_string();
    assert!(error.contains("the limit is 268435456 bytes, or 1024 times"), "{format}: {error}");
    assert!(started.elapsed().as_secs() < 20, "{format}: {:?}", started.elapsed());
}

#[test]
fn a_file_that_says_much_with_little_is_refused_before_work() {
    let column = category(vec![Some(0); 30_000], &[&"x".repeat(200_000)]);
    refused(Format::Arrow, stream(vec![("prompt", column.clone())]));
    let prompts = Utf8Array::<i32>::from_slice(vec!["how"; 30_000]).boxed();
    refused(Format::Arrow, stream(vec![("prompt", prompts), ("beside", column)]));
    let text = |text: String| vec![text; 30_000];
    let blobs = Series::new("blob".into(), text("x".repeat(10_000))).into_column();
    for name in ["blob", "prompt"] {
        let prompts = Series::new("text".into(), text("how".to_owned())).into_column();
        let mut frame = DataFrame::new(30_000, vec![prompts, blobs.clone().with_name(name.into())]).unwrap();
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
        refused(Format::Parquet, bytes);
    }
}

/// Shared texts count in every row, at any depth.
#[test]
fn bytes_are_those_of_the_rows_written_out() {
    let column = category(vec![Some(0); 1_000], &[&"x".repeat(5_000)]);
    let flat = of_stream(vec![("a", column)]).unwrap();
    let text = flat.column("a").unwrap().as_materialized_series().clone();
    let nested = flat.clone().into_struct("s".into()).into_series();
    let listed = text.implode().unwrap().into_series();
    assert_eq!(convert::bytes(&flat), 5_000_000);
    assert_eq!(convert::bytes(&flat.slice(3, 10)), 50_000);
    assert_eq!(convert::bytes(&DataFrame::new(1_000, vec![nested.into_column()]).unwrap()), 5_000_000);
    assert!(convert::bytes(&DataFrame::new(1, vec![listed.into_column()]).unwrap()) >= 5_000_000);
}

/// A file whose first message cannot be read, as polars 2 writes it: everything needed is found through the
/// footer.
fn file_by_footer(batches: usize) -> Vec<u8> {
    let numbers = numbers([1_i64, 2], ArrowDataType::Int64);
    let field = Field::new("n".into(), ArrowDataType::Int64, true);
    let schema = std::sync::Arc::new(ArrowSchema::from_iter([field]));
    let options = WriteOptions { compression: None };
    let mut writer = FileWriter::try_new(Vec::new(), schema.clone(), None, options).unwrap();
    for _ in 0..batches {
        writer.write(&RecordBatchT::new(2, schema.clone(), vec![numbers.clone()]), None).unwrap();
    }
    writer.finish().unwrap();
    let mut bytes = writer.into_inner();
    // In the place of a marker and a length there is a message without them.
    bytes[8..16].copy_from_slice(&[4, 0, 0, 0, 0xf2, 0xff, 0xff, 0xff]);
    bytes
}

#[test]
fn a_file_is_read_by_its_footer() {
    for batches in [0, 1, 3] {
        let read = whole(Format::Arrow, file_by_footer(batches));
        assert_eq!((read.height(), read.width()), (2 * batches, 1));
    }
    let bytes = file_by_footer(2);
    let piped = Opened::Pipe(Box::new(std::io::Cursor::new(bytes.clone())));
    let error = FrameReader::new("-".into(), Format::Arrow, None, piped, 0).err().unwrap().to_string();
    assert!(error.contains("a pipe does not allow"), "{error}");
    for cut in [6, 9, 20, bytes.len() - 1] {
        let error = FrameReader::of_bytes("a", Format::Arrow, bytes[..cut].to_vec()).err().unwrap();
        assert!(error.to_string().contains("it has no footer"), "{cut}: {error}");
    }
}

/// Whatever the bytes of a footer, it returns an error or rows.
#[test]
fn a_damaged_footer_stops_nothing() {
    let bytes = file_by_footer(2);
    let mut refused = 0;
    for at in bytes.len() - 120..bytes.len() {
        for value in [0, 0x7f, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            let read = FrameReader::of_bytes("a", Format::Arrow, bytes);
            let frames = read.and_then(|frames| frames.take(9).collect::<Result<Vec<_>, _>>());
            refused += usize::from(frames.is_err());
        }
    }
    assert!((30..360).contains(&refused), "{refused} of 360 were refused");
}

/// Frames are cut by their bytes, and a run resumed after one of them reads the same later ones.
#[test]
fn frames_behind_any_frame_are_the_same() {
    let texts: Vec<String> = (0..300).map(|n: usize| "x".repeat(n * 7919 % 250_000)).collect();
    let mut frame = DataFrame::new(300, vec![Series::new("prompt".into(), texts).into_column()]).unwrap();
    for format in [Format::Parquet, Format::Arrow] {
        let mut bytes = Vec::new();
        let mut writer = FrameWriter::new(format, &mut bytes, &frame).unwrap();
        writer.write(&mut frame).unwrap();
        writer.finish().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, &bytes).unwrap();
        let heights = |done| -> Vec<usize> {
            FrameReader::open(&path, format, done).unwrap().map(|frame| frame.unwrap().height()).collect()
        };
        let all = heights(0);
        assert!(all.len() > 2, "{format}: {all:?}");
        for (n, done) in all
            .iter()
            .scan(0, |sum, height| {
                *sum += height;
                Some(*sum)
            })
            .enumerate()
        {
            assert_eq!(heights(done), all[n + 1..], "{format} {done}");
        }
    }
}

#[test]
fn list_arrays_of_any_offset_are_read() {
    let values = numbers([1_i32, 2], ArrowDataType::Int32);
    let dtype = ListArray::<i64>::default_datatype(ArrowDataType::Int32);
    let list = ListArray::<i64>::new(dtype, vec![0_i64, 0, 2].try_into().unwrap(), values, None);
    let frame = of_stream(vec![("list", list.boxed())]).unwrap();
    assert_eq!(crate::to_rows(&frame)[1]["list"], serde_json::json!([1, 2]));
}

/// Written by pyarrow, which stores the schema of its arrays beside Parquet's own.
#[test]
fn a_view_of_lists_is_a_list_in_parquet() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tables/list_view.parquet");
    let mut frames = FrameReader::open(Path::new(path), Format::Parquet, 0).unwrap();
    assert!(frames.changes().is_empty());
    let rows = crate::to_rows(&frames.next().unwrap().unwrap());
    let lists: Vec<&serde_json::Value> = rows.iter().map(|row| &row["odd"]).collect();
    assert_eq!(lists, [&serde_json::json!([1]), &serde_json::json!([]), &serde_json::json!([2, 3])]);
}
