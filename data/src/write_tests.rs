//! Written rows can be read back, and no half-written file stays.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{rejected_path, write_rejected, write_rows};
use crate::{Place, ReadOptions, Rejection, read};

type Row = Map<String, Value>;

fn row(value: &Value) -> Row {
    value.as_object().unwrap().clone()
}

/// Writes rows under a name and reads them back as they are in the file.
fn back(name: &str, rows: &[Row]) -> Vec<Row> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    write_rows(&path, None, rows).unwrap();
    let corpus = read(&[path], &ReadOptions { keep_rows: true, ..ReadOptions::default() }).unwrap();
    assert!(corpus.rejected.is_empty(), "{:?}", corpus.rejected);
    corpus.records.into_iter().map(|record| *record.row.unwrap()).collect()
}

/// Text with characters that are difficult for the formats.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ]{1,12}", "[\"',;\t\r\n\\\\{}\\[\\]aé漢\u{feff}]{1,12}", any::<String>()]
}

fn cell() -> impl Strategy<Value = Value> {
    text().prop_map(|text| if text.is_empty() { Value::Null } else { Value::String(text) })
}

/// Values with one type per column, as Parquet has them; those of `mixed` have none in common.
fn typed_row() -> impl Strategy<Value = Row> {
    let chat = prop::collection::vec((text(), text()), 0..3);
    let chat =
        chat.prop_map(|turns| turns.into_iter().map(|(a, b)| json!({"role": a, "content": b})).collect());
    let parts = (text(), any::<bool>(), any::<i64>(), -1e300..1e300_f64, prop::option::of(text()), chat);
    parts.prop_map(|(prompt, truth, whole, real, maybe, chat): (_, _, _, _, _, Vec<Value>)| {
        row(&json!({"prompt": prompt, "truth": truth, "whole": whole, "real": real, "maybe": maybe, "chat": chat}))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn typed_rows_come_back(rows in prop::collection::vec(typed_row(), 1..6)) {
        for name in ["a.jsonl", "a.json", "a.jsonl.gz", "a.json.zst", "a.ndjson.zst", "a.parquet"] {
            prop_assert_eq!(&back(name, &rows), &rows, "{}", name);
        }
    }

    #[test]
    fn cells_come_back(rows in prop::collection::vec((cell(), cell()), 1..6)) {
        let rows: Vec<Row> = rows.iter().map(|(a, b)| row(&json!({"id": "x", "prompt": a, "note": b}))).collect();
        for name in ["a.csv", "a.tsv", "a.csv.gz", "a.tsv.zst"] {
            prop_assert_eq!(&back(name, &rows), &rows, "{}", name);
        }
    }
}

#[test]
fn csv_has_all_keys_and_nested_values_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    let rows =
        [json!({"b": 1, "a": [1, {"c": null}]}), json!({"a": null, "z": true})].map(|value| row(&value));
    write_rows(&path, None, &rows).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "b,a,z\n1,\"[1,{\"\"c\"\":null}]\",\n,,true\n");
}

#[test]
fn json_is_one_row_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    write_rows(&path, None, &[row(&json!({"a": 1})), row(&json!({"a": 2}))]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "[\n{\"a\":1},\n{\"a\":2}\n]\n");
    write_rows(&path, None, &[]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "[\n]\n");
}

#[test]
fn parquet_gives_a_column_its_common_type_or_json_text() {
    let rows = [
        json!({"prompt": "a", "mixed": 1, "real": 1, "deep": {"x": [1]}, "big": u64::MAX, "none": null}),
        json!({"prompt": "b", "mixed": "1", "real": 0.5, "deep": {"y": "z"}, "big": 1, "empty": {}}),
    ]
    .map(|value| row(&value));
    let expected = [
        json!({"prompt": "a", "mixed": "1", "real": 1.0, "deep": {"x": [1], "y": null},
            "big": "18446744073709551615", "none": null, "empty": null}),
        json!({"prompt": "b", "mixed": "\"1\"", "real": 0.5, "deep": {"x": null, "y": "z"},
            "big": "1", "none": null, "empty": "{}"}),
    ]
    .map(|value| row(&value));
    assert_eq!(back("a.parquet", &rows), expected);
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let rows: Vec<Row> = (0..500)
        .map(|n| row(&json!({"prompt": format!("p{n}"), "n": n, "tags": ["a", n.to_string()]})))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.parquet", "a.jsonl.gz", "a.csv.zst"] {
        let bytes = ["x", "y"].map(|prefix| {
            let path = dir.path().join(format!("{prefix}-{name}"));
            write_rows(&path, None, &rows).unwrap();
            fs::read(path).unwrap()
        });
        assert!(bytes[0] == bytes[1], "{name}");
    }
}

#[test]
fn a_cut_parquet_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    write_rows(&path, None, &[row(&json!({"prompt": "a"}))]).unwrap();
    let bytes = fs::read(&path).unwrap();
    for cut in [4, 40, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..cut]).unwrap();
        let error = read(std::slice::from_ref(&path), &ReadOptions::default()).unwrap_err().to_string();
        assert!(error.contains("a.parquet: cannot be read as Parquet ("), "{error}");
    }
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let message = |name: &str| write_rows(&dir.path().join(name), None, &[]).unwrap_err().to_string();
    fs::write(dir.path().join("file"), "").unwrap();
    assert!(message("file/a.csv").contains("cannot make the folder"), "{}", message("file/a.csv"));
    fs::remove_file(dir.path().join("file")).unwrap();
    assert!(message("a.parquet.gz").contains("drop the `.gz` or `.zst`"), "{}", message("a.parquet.gz"));
    assert!(message("a.txt").contains("does not tell the format of the output"), "{}", message("a.txt"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn bad_rows_stand_beside_the_output_until_there_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out.csv");
    let place = Place { file: "in.csv".into(), line: 3 };
    let (field, raw) = (Some("prompt".into()), Some(json!({"prompt": 1})));
    let bad = Rejection { place, field, reason: "no".into(), raw };
    assert_eq!(bad.to_string(), "in.csv:3: `prompt`: no");
    let path = write_rejected(&output, std::slice::from_ref(&bad)).unwrap().unwrap();
    assert_eq!(path, rejected_path(&output));
    assert!(path.ends_with("out.csv.rejected.jsonl"));
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "{\"file\":\"in.csv\",\"line\":3,\"field\":\"prompt\",\"reason\":\"no\",\"row\":{\"prompt\":1}}\n"
    );
    assert_eq!(write_rejected(&output, &[]).unwrap(), None);
    assert!(!path.exists());
    assert_eq!(write_rejected(&output, &[]).unwrap(), None);
    assert_eq!(write_rejected(Path::new("-"), &[bad]).unwrap(), None);
}
