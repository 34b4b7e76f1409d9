//! `demur score` on tables: Parquet and Arrow, their types, pipes, other formats, and what becomes of them
//! when a run dies.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use demur_data::{Format, Frame, FrameReader, FrameWriter, to_rows};
use polars_arrow::array::{PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field, TimeUnit};
use polars_arrow::io::ipc::write::{StreamWriter, WriteOptions};
use polars_arrow::record_batch::RecordBatchT;
use serde_json::{Map, Value, json};

use crate::score::rows;
use crate::support::{Dir, read_any};

/// Rows with types that JSON does not have.
fn table(dir: &Dir, count: usize) -> Frame {
    let numbers = 0..i64::try_from(count).unwrap();
    let prompt = |n: usize| (n != 777).then(|| format!("How do I pick lock number {n}?"));
    let time = ArrowDataType::Timestamp(TimeUnit::Millisecond, None);
    let numbers = PrimitiveArray::<i64>::from_vec(numbers.collect());
    let small = (0..i32::try_from(count).unwrap()).collect();
    let arrays = vec![
        numbers.clone().boxed(),
        PrimitiveArray::<i32>::from_vec(small).boxed(),
        numbers.to(time).boxed(),
        Utf8ViewArray::from_slice((0..count).map(prompt).collect::<Vec<_>>()).boxed(),
    ];
    let names = ["n", "small", "time", "question"];
    let fields = names.iter().zip(&arrays);
    let fields = fields.map(|(name, array)| Field::new((*name).into(), array.dtype().clone(), true));
    let schema = ArrowSchema::from_iter(fields);
    let mut writer = StreamWriter::new(Vec::new(), WriteOptions { compression: None });
    writer.start(&schema, None).unwrap();
    writer.write(&RecordBatchT::new(count, schema.into(), arrays), None).unwrap();
    writer.finish().unwrap();
    dir.write("table.arrow", writer.into_inner());
    read_table(dir, "table.arrow", Format::Arrow)
}

fn write_table(dir: &Dir, name: &str, format: Format, frame: &Frame) {
    let file = fs::File::create(dir.path(name)).unwrap();
    let mut writer = FrameWriter::new(format, file, frame).unwrap();
    writer.write(frame).unwrap();
    writer.finish().unwrap();
}

fn read_table(dir: &Dir, name: &str, format: Format) -> Frame {
    let frames = FrameReader::open(&dir.path(name), format, 0).unwrap().map(Result::unwrap);
    Frame::concat(&frames.collect::<Vec<_>>()).unwrap().unwrap()
}

/// The types of the first columns, and their rows.
fn first(frame: &Frame, columns: usize) -> (Vec<String>, Vec<Map<String, Value>>) {
    let mut rows = to_rows(frame);
    rows.iter_mut().for_each(|row| *row = std::mem::take(row).into_iter().take(columns).collect());
    (frame.types().take(columns).collect(), rows)
}

#[test]
fn a_table_keeps_its_columns_and_types() {
    let dir = Dir::new();
    let rows = table(&dir, 3_000);
    write_table(&dir, "in.parquet", Format::Parquet, &rows);
    write_table(&dir, "in.arrow", Format::Arrow, &rows);
    dir.demur("score in.parquet --out out.parquet --explain 1 --interval").succeeds();
    let out = read_table(&dir, "out.parquet", Format::Parquet);
    let names: Vec<&str> = out.names().collect();
    assert_eq!(names[..4], ["n", "small", "time", "question"]);
    assert_eq!(
        names[4..],
        ["p_refusal", "decision", "model_digest", "p_refusal_low", "p_refusal_high", "top_ngrams"]
    );
    let kept = Frame::concat(&[rows.head(777), rows.slice(778, 3_000)]).unwrap().unwrap();
    assert_eq!(first(&kept, 4).0, ["int64", "int32", "timestamp[ms]", "string"]);
    assert!(first(&out, 4) == first(&kept, 4));
    let rejected = dir.rows("out.parquet.rejected.jsonl");
    assert_eq!(
        (rejected.len(), &rejected[0]["line"], &rejected[0]["row"]["n"]),
        (1, &json!(778), &json!(777))
    );

    // The same scores, whatever the input or output format.
    dir.demur("score in.arrow --out out.arrow").succeeds();
    let arrow = read_table(&dir, "out.arrow", Format::Arrow);
    assert!(first(&arrow, 7) == first(&out, 7));
    dir.demur("score in.parquet --out out.jsonl").succeeds();
    let p: Vec<Option<f64>> = out.numbers("p_refusal").unwrap().collect();
    for (row, p) in dir.rows("out.jsonl").iter().zip(&p) {
        assert_eq!(row["p_refusal"].as_f64(), *p);
    }
    // An output without rows must still have its columns.
    for (name, format) in [("none.parquet", Format::Parquet), ("none.arrow", Format::Arrow)] {
        dir.demur(&format!("score in.{} --out {name} --where", format.name()))
            .arg("p_refusal > 1")
            .succeeds();
        let out = FrameReader::open(&dir.path(name), format, 0).unwrap();
        assert_eq!(out.map(|frame| frame.unwrap().height()).sum::<usize>(), 0, "{name}");
    }
    dir.demur("score none.parquet --out still_none.jsonl").fails(1, &["the inputs hold none"]);
    dir.demur("score out.jsonl --out back.parquet").succeeds();
    let back = read_table(&dir, "back.parquet", Format::Parquet);
    assert!(back.numbers("demur_p_refusal").unwrap().eq(p));
}

#[test]
fn arrow_goes_through_a_pipe_batch_by_batch() {
    let dir = Dir::new();
    write_table(&dir, "in.arrow", Format::Arrow, &table(&dir, 500));
    let run = dir
        .demur("score - --format arrow --out -")
        .stdin(dir.bytes("in.arrow"))
        .start()
        .wait_with_output()
        .unwrap();
    assert!(run.status.success());
    dir.write("out.arrow", run.stdout);
    let out = read_table(&dir, "out.arrow", Format::Arrow);
    assert_eq!((out.height(), out.names().len()), (500, 7));
    let run = dir.demur("score - --format arrow --to jsonl --out -").stdin(dir.bytes("in.arrow")).succeeds();
    assert_eq!(run.stdout.lines().count(), 500);
}

#[test]
fn one_format_goes_in_and_another_comes_out() {
    let dir = Dir::new();
    dir.write("in.csv", "question,n\n\"a, \"\"b\"\"\nc\",1\nd,\n");
    dir.demur("score in.csv --out out.jsonl").succeeds();
    let rows = dir.rows("out.jsonl");
    assert_eq!((&rows[0]["question"], &rows[1]["n"]), (&json!("a, \"b\"\nc"), &Value::Null));
    for name in ["out.csv", "out.tsv.gz", "out.json", "out.json.zst", "out.parquet", "out.arrow"] {
        dir.demur(&format!("score in.csv --out {name}")).succeeds();
        let again = read_any(&dir.path(name));
        assert_eq!(again.len(), 2, "{name}");
        for (again, row) in again.iter().zip(&rows) {
            assert!(again.keys().eq(row.keys()), "{name}");
            let number = |row: &Map<String, Value>| match &row["p_refusal"] {
                Value::String(text) => text.parse().unwrap(),
                other => other.as_f64().unwrap(),
            };
            assert_eq!((&again["question"], number(again)), (&row["question"], number(row)), "{name}");
        }
    }
    // Inputs of several formats, and an array whose rows span several lines.
    dir.write("in.json", "[\n {\"question\":\n\"x\"}, {\"question\": 7},\n\n 3]");
    dir.demur("score in.csv in.json --out all.jsonl").succeeds();
    assert_eq!(dir.rows("all.jsonl").len(), 3);
    let rejected = dir.rows("all.jsonl.rejected.jsonl");
    assert_eq!((&rejected[0]["line"], &rejected[1]["line"]), (&json!(3), &json!(5)));
    dir.demur("score in.csv --to parquet --out -").fails(2, &["cannot be written to a pipe"]);
}

#[test]
fn a_table_goes_on_after_a_death() {
    let dir = Dir::new();
    write_table(&dir, "in.parquet", Format::Parquet, &table(&dir, 100_000));
    dir.write("in.jsonl", rows(60_000, true));
    for (input, out) in [("in.parquet", "parquet"), ("in.jsonl", "parquet"), ("in.parquet", "csv")] {
        let score = |name: &str, flags: &str| dir.demur(&format!("score {input} --out {name}.{out} {flags}"));
        score("whole", "").succeeds();
        for wait in [30, 150, 400] {
            let mut child = score("killed", "").start();
            sleep(Duration::from_millis(wait));
            child.kill().unwrap();
            child.wait().unwrap();
            let progress = dir.path(&format!("killed.{out}.progress.json"));
            if !dir.path(&format!("killed.{out}")).exists() || progress.exists() {
                score("killed", "--resume").succeeds();
            }
            assert!(
                dir.bytes(&format!("killed.{out}")) == dir.bytes(&format!("whole.{out}")),
                "{input} {out} {wait}"
            );
            fs::remove_file(dir.path(&format!("killed.{out}"))).unwrap();
        }
        score("again", "--threads 1").succeeds();
        assert!(dir.bytes(&format!("again.{out}")) == dir.bytes(&format!("whole.{out}")), "{input} {out}");
        for name in ["whole", "again"] {
            fs::remove_file(dir.path(&format!("{name}.{out}"))).unwrap();
        }
    }
}
