//! Tables as other programs write them: row groups of every size, damaged files, and small ones that decode
//! to much.

#![allow(clippy::unwrap_used)]

use polars_arrow::array::{Array, DictionaryArray, ListArray, PrimitiveArray, StructArray, Utf8Array};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_arrow::io::ipc::write::{FileWriter, StreamWriter, WriteOptions};
use polars_arrow::record_batch::RecordBatchT;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::shape::{Shape, frame};

fn rows(from: usize, count: usize) -> Frame {
    let row = |n: usize| {
        let text = (n % 7 != 3).then(|| "x".repeat(n % 40) + &n.to_string());
        let row = [("n", json!(n)), ("prompt", json!(text)), ("list", json!(vec![n; n % 3]))];
        row.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
    };
    let rows: Vec<Map<String, Value>> = (from..from + count).map(row).collect();
    let names = ["n", "prompt", "list"].map(str::to_owned);
    frame(&rows, &names, &[Shape::Int, Shape::Text, Shape::List(Box::new(Shape::Int))]).unwrap()
}

/// A frame of texts.
fn texts(name: &str, texts: &[String]) -> Frame {
    Frame::of(name, Values::Texts(texts.iter().map(|text| Some(text.as_str())).collect()))
}

pub(super) fn written(format: Format, frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = FrameWriter::new(format, &mut bytes, &frames[0]).unwrap();
    frames.iter().for_each(|frame| writer.write(frame).unwrap());
    writer.finish().unwrap();
    bytes
}

fn table(format: Format, groups: &[usize]) -> Vec<u8> {
    let mut from = 0;
    let group = |&group: &usize| {
        from += group;
        rows(from - group, group)
    };
    written(format, &groups.iter().map(group).collect::<Vec<_>>())
}

pub(super) fn whole(format: Format, bytes: Vec<u8>) -> Frame {
    let frames = FrameReader::of_bytes("a", format, bytes).unwrap().map(Result::unwrap);
    Frame::concat(&frames.collect::<Vec<_>>()).unwrap().unwrap()
}

/// Reads a table and writes it into tables again, whole and in pieces.
fn there_and_back(groups: &[usize]) {
    let all = rows(0, groups.iter().sum());
    for from in [Format::Parquet, Format::Arrow] {
        let bytes = table(from, groups);
        let read = whole(from, bytes.clone());
        assert!(read == all, "{from} {groups:?}");
        for to in [Format::Parquet, Format::Arrow] {
            assert!(whole(to, written(to, std::slice::from_ref(&read))) == all, "{from} {to} {groups:?}");
            let mut more = read.clone();
            more.append(vec![("p", Values::Numbers(vec![Some(0.5); all.height()]))]).unwrap();
            assert!(whole(to, written(to, std::slice::from_ref(&more))) == more, "{from} {to} {groups:?}");
        }
        if from == Format::Parquet {
            assert!(FrameReader::whole("a", bytes.clone()).unwrap() == all, "{groups:?}");
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
pub(super) fn stream(columns: Vec<(&str, Box<dyn Array>)>) -> Vec<u8> {
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

pub(super) fn of_stream(columns: Vec<(&str, Box<dyn Array>)>) -> Result<Frame, String> {
    let mut frames =
        FrameReader::of_bytes("a", Format::Arrow, stream(columns)).map_err(|error| error.to_string())?;
    frames.next().unwrap().map_err(|error| error.to_string())
}

pub(super) fn numbers<T: polars_arrow::types::NativeType>(
    values: [T; 2],
    dtype: ArrowDataType,
) -> Box<dyn Array> {
    PrimitiveArray::from_vec(values.to_vec()).to(dtype).boxed()
}

pub(super) fn category(keys: Vec<Option<i32>>, values: &[&str]) -> Box<dyn Array> {
    let values = Utf8Array::<i32>::from_slice(values).boxed();
    DictionaryArray::try_from_keys(PrimitiveArray::<i32>::from(keys), values, false).unwrap().boxed()
}

#[test]
fn a_table_without_a_row_has_columns() {
    for format in [Format::Parquet, Format::Arrow] {
        let read = whole(format, table(format, &[0]));
        assert_eq!((read.height(), read.names().len()), (0, 3), "{format}");
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
    let text = |text: &str| vec![text.to_owned(); 30_000];
    for name in ["blob", "prompt"] {
        let mut frame = texts("text", &text("how"));
        let blob = "x".repeat(10_000);
        frame.append(vec![(name, Values::Texts(vec![Some(&blob); 30_000]))]).unwrap();
        refused(Format::Parquet, written(Format::Parquet, &[frame]));
    }
}

/// Shared texts count in every row, at any depth.
#[test]
fn bytes_are_those_of_the_rows_written_out() {
    let column = category(vec![Some(0); 1_000], &[&"x".repeat(5_000)]);
    let flat = of_stream(vec![("a", column)]).unwrap();
    assert_eq!(flat.bytes(), 5_000_000);
    assert_eq!(flat.slice(3, 10).bytes(), 50_000);
    let text = || flat.columns().next().unwrap().1.to_boxed();
    let of = |array: Box<dyn Array>| Frame::new(array.len(), vec![("a".to_owned(), array)]).unwrap().bytes();
    let fields = ArrowDataType::Struct(vec![Field::new("a".into(), ArrowDataType::Utf8View, true)]);
    assert_eq!(of(StructArray::new(fields, 1_000, vec![text()], None).boxed()), 5_000_000);
    let listed = ListArray::<i64>::default_datatype(ArrowDataType::Utf8View);
    let listed = ListArray::<i64>::new(listed, vec![0_i64, 1_000].try_into().unwrap(), text(), None);
    assert!(of(listed.boxed()) >= 5_000_000);
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
        assert_eq!((read.height(), read.names().len()), (2 * batches, 1));
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
    let frame = [self::texts("prompt", &texts)];
    for format in [Format::Parquet, Format::Arrow] {
        let bytes = written(format, &frame);
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
