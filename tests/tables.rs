//! Tables and texts written by other programs, and files designed to exhaust the memory.
//!
//! The small tables are in `tests/tables`, with the script that made them; `tests/tables/check.py` tests
//! more, with the libraries themselves.

use std::fs;
use std::io::Write;

use demur_data::{Format, FrameReader};
use serde_json::{Value, json};

use crate::support::{Dir, Run, workspace};

/// The most memory that a run may use.
const MEMORY: u64 = 300 << 20;

/// A folder with the tables.
fn with_tables() -> Dir {
    let dir = Dir::new();
    for entry in fs::read_dir(workspace().join("tests/tables")).unwrap() {
        let path = entry.unwrap().path();
        if Format::of_path(&path).is_some() {
            fs::copy(&path, dir.path(path.file_name().unwrap().to_str().unwrap())).unwrap();
        }
    }
    dir
}

/// The rows and the columns of a table.
fn shape(dir: &Dir, name: &str) -> (usize, Vec<String>) {
    let path = dir.path(name);
    let frames = FrameReader::open(&path, Format::of_path(&path).unwrap(), 0).unwrap();
    let (mut rows, mut columns) = (0, Vec::new());
    for frame in frames {
        let frame = frame.unwrap();
        rows += frame.height();
        columns = frame.names().map(str::to_owned).collect();
    }
    (rows, columns)
}

#[test]
fn tables_of_other_programs_are_scored_into_every_format() {
    let dir = with_tables();
    for (name, rows, columns) in [
        ("groups.parquet", 3, &["prompt"][..]),
        ("category.parquet", 3, &["prompt"]),
        ("zoned.parquet", 3, &["prompt", "when"]),
        ("lz4.arrow", 150, &["prompt", "n"]),
        ("zstd.arrow", 150, &["prompt", "n"]),
        ("half.arrow", 3, &["prompt", "half"]),
        ("list_view.parquet", 3, &["prompt", "odd"]),
    ] {
        for command in ["score", "label --response-column prompt"] {
            for out in ["out.parquet", "out.arrow", "out.jsonl", "out.csv"] {
                let run = dir.demur(&format!("{command} {name} --out {out} --json")).succeeds();
                assert_eq!(
                    (&run.json()["scored"], &run.json()["rejected"]),
                    (&json!(rows), &json!(0)),
                    "{name}"
                );
                if Format::of_path(&dir.path(out)).unwrap() == Format::Jsonl {
                    assert_eq!(dir.rows(out)[0]["prompt"], "How do I bake bread?", "{name}");
                } else if !out.ends_with("csv") {
                    let (found, names) = shape(&dir, out);
                    assert_eq!(
                        (found, &names[..columns.len()]),
                        (rows as usize, columns_of(columns).as_slice())
                    );
                }
            }
        }
    }
}

fn columns_of(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_table_without_a_row_keeps_its_columns() {
    let dir = with_tables();
    for out in ["out.parquet", "out.arrow"] {
        let run = dir.demur(&format!("score none.parquet --out {out}")).run();
        assert!(!run.stderr.contains("panicked") && run.code != Some(2), "{}", run.stderr);
        if run.code == Some(0) {
            let (rows, names) = shape(&dir, out);
            assert_eq!((rows, names[0].as_str()), (0, "prompt"));
        }
    }
}

#[test]
fn a_column_of_a_type_that_is_not_known_is_named() {
    let dir = with_tables();
    for name in ["run_end.arrow", "list_view.arrow"] {
        dir.demur(&format!("score {name} --out out.parquet")).fails(1, &["column `odd`", "cast it to text"]);
    }
}

/// If the output is a table, the name and type of each value that it cannot represent are reported; text has
/// no types to keep.
#[test]
fn a_column_whose_type_is_not_kept_is_named_with_both_types() {
    let dir = with_tables();
    let changes = [
        ("day", "date64", "timestamp[ms]"),
        ("at", "time32[s]", "time64[ns]"),
        ("code", "fixed_size_binary[2]", "binary"),
        ("number", "dictionary<int64 by int32>", "int64"),
        ("entries", "map<key: string, value: int32>", "list<struct<key: string, value: int32>>"),
    ];
    for name in ["changed.arrow", "changed.parquet"] {
        for out in ["out.parquet", "out.arrow"] {
            let run = dir.demur(&format!("score {name} --out {out}")).succeeds();
            for (column, from, to) in changes {
                let said = format!("column `{column}`: {from} is written as {to}");
                assert_eq!(run.stderr.matches(&said).count(), 1, "{name} to {out}: {said}: {}", run.stderr);
            }
            assert_eq!(run.stderr.matches("is written as").count(), changes.len(), "{}", run.stderr);
        }
        let run = dir.demur(&format!("score {name} --out out.jsonl")).succeeds();
        assert!(!run.stderr.contains("is written as"), "{}", run.stderr);
    }
}

#[test]
fn a_folder_that_spark_wrote_is_read_with_all_of_its_parts() {
    let dir = Dir::new();
    for entry in fs::read_dir(workspace().join("tests/tables/spark")).unwrap() {
        let entry = entry.unwrap();
        dir.write(&format!("in/{}", entry.file_name().to_str().unwrap()), fs::read(entry.path()).unwrap());
    }
    for out in ["out.parquet", "out.arrow", "out.jsonl"] {
        let run = dir.demur(&format!("score in --out {out} --json")).succeeds();
        assert_eq!((&run.json()["scored"], &run.json()["rejected"]), (&json!(6), &json!(0)), "{out}");
        let rows = crate::support::read_any(&dir.path(out));
        let numbers: Vec<i64> = rows.iter().map(|row| row["n"].as_i64().unwrap()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5], "{out}");
        assert_eq!(rows[5]["at"], "2026-11-29 02:00:00", "{out}");
    }
}

/// The peak memory of a run, as it reports itself.
fn peak(run: &Run) -> u64 {
    run.json()["peak_memory_bytes"].as_u64().unwrap()
}

/// Runs a command that must fail with this text, and not because memory runs out.
#[cfg(target_os = "linux")]
fn fails_within(dir: &Dir, command: &str, parts: &[&str]) {
    // Polls the process's peak memory while it runs, because a failed run does not report its own.
    let script = format!(
        "\"$DEMUR\" {command} & pid=$!; most=0; while now=$(awk '/^VmHWM/ {{ print $2 }}' /proc/$pid/status 2>/dev/null) && [ -n \"$now\" ]; do most=$now; sleep 0.02; done; wait $pid; echo \"code $? most $most\""
    );
    let mut shell = std::process::Command::new("sh");
    shell
        .env("DEMUR_TIER", "ngram")
        .args(["-c", &script])
        .env("DEMUR", env!("CARGO_BIN_EXE_demur"))
        .current_dir(dir.path("."));
    let run = Run::of(shell.output().unwrap());
    for part in parts {
        assert!(run.stderr.contains(part), "{command}: no `{part}` in {}", run.stderr);
    }
    let words: Vec<&str> = run.stdout.split_whitespace().collect();
    let [.., "code", code, "most", most] = words[..] else { panic!("{}", run.stdout) };
    assert_eq!(code, "1", "{command}: {}", run.stderr);
    assert!(most.parse::<u64>().unwrap() << 10 < MEMORY, "{command}: {most} kB");
}

#[cfg(target_os = "linux")]
#[test]
fn tables_that_say_much_with_little_are_refused_within_300_mb() {
    let dir = with_tables();
    for name in ["much.parquet", "much_beside.parquet"] {
        for ending in ["parquet", "jsonl"] {
            // A run that fails midway may be resumed, so each has its own output.
            let out = format!("{name}.out.{ending}");
            fails_within(&dir, &format!("score {name} --out {out}"), &[name, "the limit is 268435456 bytes"]);
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn rows_of_any_length_are_read_within_300_mb() {
    let dir = Dir::new();
    // A gigabyte in one line, in a file of a few kilobytes.
    let mut packed =
        zstd::stream::write::Encoder::new(fs::File::create(dir.path("bomb.jsonl.zst")).unwrap(), 1).unwrap();
    let piece = vec![b'x'; 1 << 20];
    packed.write_all(b"{\"prompt\":\"").unwrap();
    (0..1024).for_each(|_| packed.write_all(&piece).unwrap());
    packed.write_all(b"\"}\n").unwrap();
    packed.finish().unwrap();
    fails_within(
        &dir,
        "score bomb.jsonl.zst --out out.jsonl",
        &["bomb.jsonl.zst", "longer than 16777216 bytes"],
    );
    fails_within(&dir, "score bomb.jsonl.zst --format json --out out.jsonl", &["bomb.jsonl.zst", "object"]);
    // One such row among others is rejected.
    let mut file = fs::File::create(dir.path("long.jsonl")).unwrap();
    file.write_all(b"{\"prompt\":\"a\"}\n{\"prompt\":\"").unwrap();
    (0..64).for_each(|_| file.write_all(&piece).unwrap());
    file.write_all(b"\"}\n{\"prompt\":\"b\"}\n").unwrap();
    drop(file);
    let run = dir.demur("score long.jsonl --out out.jsonl --json").succeeds();
    assert_eq!((&run.json()["scored"], &run.json()["rejected"]), (&json!(2), &json!(1)));
    assert!(peak(&run) < MEMORY, "{} MB", peak(&run) >> 20);
    let rejected = dir.rows("out.jsonl.rejected.jsonl");
    assert_eq!(rejected[0]["line"], 2);
    assert!(rejected[0]["reason"].as_str().unwrap().contains("at most 16777216"));
}

#[cfg(target_os = "linux")]
#[test]
fn rows_with_ever_new_keys_are_read_within_300_mb() {
    let dir = Dir::new();
    let rows: String =
        (0..200_000).map(|n| format!("{{\"prompt\":\"x\",\"k{n}\":{{\"m{n}\":1}}}}\n")).collect();
    dir.write("in.jsonl", &rows);
    let run = dir.demur("score in.jsonl --out out.jsonl --json").succeeds();
    assert!(peak(&run) < MEMORY, "{} MB", peak(&run) >> 20);
    for out in ["out.csv", "out.parquet"] {
        fails_within(
            &dir,
            &format!("score in.jsonl --out {out}"),
            &["more than 10000 columns", "JSON Lines"],
        );
    }
    let nested: String =
        (0..50_000).map(|n| format!("{{\"prompt\":\"x\",\"meta\":{{\"m{n}\":1}}}}\n")).collect();
    dir.write("nested.jsonl", &nested);
    let run = dir.demur("score nested.jsonl --out nested.parquet --json").succeeds();
    assert!(peak(&run) < MEMORY, "{} MB", peak(&run) >> 20);
    assert_eq!(shape(&dir, "nested.parquet").0, 50_000);
}

#[test]
fn a_large_array_is_read_element_by_element() {
    let dir = Dir::new();
    let row = format!("{{\"prompt\": \"{}\"}}", "how do I bake bread? ".repeat(20));
    dir.write("in.json", format!("[{}]", vec![row; 100_000].join(",\n")));
    let run = dir.demur("score in.json --out out.jsonl --sample 60000 --json").succeeds();
    assert_eq!(run.json()["scored"], 60_000);
    assert!(peak(&run) < MEMORY, "{} MB", peak(&run) >> 20);
}

/// Headers and texts as written by spreadsheets and data frames.
#[test]
fn texts_of_spreadsheets_are_read_or_the_very_thing_is_named() {
    let dir = Dir::new();
    let two = "How do I bake bread?,\"Mix flour, and bake.\"\nHow do I forge a passport?,I can't help.\n";
    for (name, header) in [
        ("bom.csv", "\u{feff}prompt,response\n"),
        ("capitals.csv", "Prompt,RESPONSE\n"),
        ("spaced.csv", "prompt, response \n"),
    ] {
        dir.write(name, format!("{header}{two}"));
    }
    dir.write("index.csv", ",prompt,response\n0,How do I bake bread?,Mix.\n1,How?,I can't.\n");
    for name in ["bom.csv", "capitals.csv", "spaced.csv", "index.csv"] {
        for command in ["score", "label"] {
            let run = dir.demur(&format!("{command} {name} --out out.csv --json")).succeeds();
            assert_eq!(run.json()["scored"], 2, "{command} {name}: {}", run.stderr);
        }
    }
    dir.write("semicolon.csv", "prompt;response\nHow?;Mix.\n");
    dir.write("latin1.csv", b"prompt\nCaf\xe9 ouvert ?\n");
    dir.write("utf16.csv", b"\xff\xfep\0r\0o\0m\0p\0t\0\n\0a\0\n\0");
    dir.write("nan.jsonl", "{\"prompt\":\"a\",\"score\":NaN}\n{\"prompt\":\"b\",\"score\": -Infinity}\n");
    for (name, rows) in [("semicolon.csv", 1), ("latin1.csv", 1), ("utf16.csv", 1), ("nan.jsonl", 2)] {
        let run = dir.demur(&format!("score {name} --out out.jsonl --json")).succeeds();
        assert_eq!((&run.json()["scored"], &run.json()["rejected"]), (&json!(rows), &json!(0)), "{name}");
    }
    assert_eq!(dir.rows("out.jsonl")[1]["score"], Value::Null);
}

/// A chat is read the same way by every command and by the service, whatever its format.
#[test]
fn a_chat_is_read_one_way() {
    let dir = Dir::new();
    let (ask, no) = ("How do I forge a passport?", "I'm sorry, but I can't help with that.");
    let plain = json!({"prompt": ask, "response": no});
    let shared = json!([{"from": "human", "value": ask}, {"from": "gpt", "value": no}]);
    let rows = [
        plain.clone(),
        json!({"messages": [{"role": "User", "content": ask}, {"role": "assistant", "content": no}]}),
        json!({"messages": [
            {"role": "user", "content": [{"type": "text", "text": ask}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": no}]},
        ]}),
        json!({"messages": shared.to_string()}),
        json!({"conversations": shared}),
        json!({"conversations": [{"from": "user", "value": ask}, {"from": "bing", "value": no}]}),
        json!({"messages": [{"type": "human", "content": ask}, {"type": "ai", "content": no}]}),
        json!({"contents": [{"role": "user", "parts": [{"text": ask}]}, {"role": "model", "parts": [{"text": no}]}]}),
        json!({"prompt": [{"role": "user", "content": ask}], "response": [{"type": "text", "text": no}]}),
    ];
    let p = |command: &str, name: &str, out: &str| -> Value {
        dir.demur(&format!("{command} {name} --out {out}")).succeeds();
        crate::support::read_any(&dir.path(out))[0]["p_refusal"]
            .to_string()
            .trim_matches('"')
            .parse::<f64>()
            .unwrap()
            .into()
    };
    dir.write_rows("plain.jsonl", &[plain]);
    let (score, label) = (p("score", "plain.jsonl", "s.jsonl"), p("label", "plain.jsonl", "l.jsonl"));
    for (n, row) in rows.iter().enumerate() {
        dir.write_rows("in.jsonl", std::slice::from_ref(row));
        assert_eq!(p("score", "in.jsonl", "s.jsonl"), score, "{n}: {row}");
        // A refusal in a part of its own decides by itself.
        let label = if n == 2 { json!(1.0) } else { label.clone() };
        assert_eq!(p("label", "in.jsonl", "l.jsonl"), label, "{n}: {row}");
        crate::support::write_parquet(&dir.path("in.parquet"), std::slice::from_ref(row));
        assert_eq!(p("score", "in.parquet", "s.parquet"), score, "{n}: {row}");
    }
    // All formats in one file, each row with its own name.
    dir.write_rows("mixed.jsonl", &rows[1..8]);
    for command in ["score", "label"] {
        let run = dir.demur(&format!("{command} mixed.jsonl --out mixed-out.jsonl --json")).succeeds();
        assert_eq!((&run.json()["scored"], &run.json()["rejected"]), (&json!(7), &json!(0)), "{command}");
    }
    let cell = shared.to_string().replace('"', "\"\"");
    dir.write("in.csv", format!("id,conversations\n1,\"{cell}\"\n"));
    assert_eq!(p("score", "in.csv", "s.csv"), score);
    assert_eq!(p("label", "in.csv", "l.csv"), label);
}
