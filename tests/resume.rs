//! Runs that are interrupted, disturbed, or concurrent: one complete output from one input, or an error.

use std::fs::{self, File};
use std::io::Write;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use crate::support::Dir;

/// Rows of about a kilobyte, every tenth of them bad. Most of a row is ignored, so there are many blocks
/// between which a run can be interrupted, and little work in each.
fn rows(count: usize) -> String {
    let note = "It was a long story. ".repeat(50);
    let row = |n: usize| match n % 10 {
        3 => "{\"prompt\": 7}\n".to_owned(),
        _ => format!(
            "{{\"n\":{n}, \"note\":\"{note}\", \"prompt\":\"How do I pick lock number {n}, and why {}?\"}}\n",
            n * 7919 % 1013
        ),
    };
    (0..count).map(row).collect()
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Starts a run, and kills it when it has written some of its rows but not all; returns whether that worked.
fn killed_midway(dir: &Dir, command: &str) -> bool {
    let mut child = dir.demur(command).start();
    let done = || fs::read_to_string(dir.path("out.jsonl.progress.json")).unwrap_or_default();
    while child.try_wait().unwrap().is_none() {
        let done = done();
        if !done.is_empty() && !done.contains("\"lengths\":[0,0,0]") {
            break;
        }
        sleep(Duration::from_millis(1));
    }
    kill(child);
    !dir.path("out.jsonl").exists()
}

/// Changes one row of a file, but neither its length nor its modification time.
fn edit(dir: &Dir, name: &str, share: f64) {
    let path = dir.path(name);
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let from = (bytes.len() as f64 * share) as usize;
    let at = from + bytes[from..].windows(4).position(|part| part == b"pick").unwrap();
    bytes[at..at + 4].copy_from_slice(b"make");
    fs::write(&path, bytes).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
}

#[test]
fn a_run_whose_input_was_edited_is_never_gone_on_with() {
    const RUN: &str = "score in.jsonl --out out.jsonl --threads 1";
    let dir = Dir::new();
    let input = rows(6_000);
    dir.write("in.jsonl", &input);
    dir.demur("score in.jsonl --out whole.jsonl").succeeds();
    let whole = dir.bytes("whole.jsonl");
    let (mut refused, mut midway) = (0, 0);
    for number in 0..30_u64 {
        if number % 2 == 0 {
            midway += u32::from(killed_midway(&dir, RUN));
        } else {
            let child = dir.demur(RUN).start();
            sleep(Duration::from_millis(10 + number * 67 % 300));
            kill(child);
        }
        let begun = dir.path("out.jsonl.progress.json").exists();
        if dir.path("out.jsonl").exists() {
            // The run was faster, but may not have cleaned up.
            if begun {
                dir.demur(&format!("{RUN} --resume")).succeeds();
            }
            assert!(dir.bytes("out.jsonl") == whole, "{number}");
            fs::remove_file(dir.path("out.jsonl")).unwrap();
            continue;
        }
        // Before, within and after the part that is done.
        edit(&dir, "in.jsonl", [0.0, 0.4, 0.99][(number % 3) as usize]);
        let resumed = dir.demur(&format!("{RUN} --resume"));
        if begun {
            resumed.fails(1, &["in.jsonl: its content is not what it was", "remove out.jsonl.progress.json"]);
            refused += 1;
            assert!(!dir.path("out.jsonl").exists());
            dir.write("in.jsonl", &input);
            if number % 10 == 0 {
                dir.demur(&format!("{RUN} --resume")).succeeds();
                assert!(dir.bytes("out.jsonl") == whole, "{number}");
            }
        } else {
            resumed.succeeds();
            assert!(
                dir.bytes("out.jsonl") != whole,
                "{number}: nothing was begun, so all is of the new rows"
            );
            dir.write("in.jsonl", &input);
        }
        for name in dir.names().iter().filter(|name| name.contains("out.jsonl")) {
            fs::remove_file(dir.path(name)).unwrap();
        }
    }
    assert!(refused > 5 && midway > 2, "only {refused} runs of 30 were refused, {midway} of them midway");
}

#[test]
fn a_damaged_progress_is_refused_with_what_to_do() {
    let dir = Dir::new();
    dir.write("in.jsonl", rows(6_000));
    dir.demur("score in.jsonl --out whole.jsonl").succeeds();
    assert!(killed_midway(&dir, "score in.jsonl --out out.jsonl --threads 1"));
    let progress = dir.bytes("out.jsonl.progress.json");
    let digit = progress.windows(10).position(|part| part == b"\"lengths\":").unwrap() + 11;
    for damage in 0..4 {
        let mut bytes = progress.clone();
        match damage {
            0 => bytes[digit] = if bytes[digit] == b'1' { b'2' } else { b'1' },
            1 => bytes.truncate(progress.len() / 2),
            2 => bytes[20] ^= 1,
            _ => bytes.clear(),
        }
        dir.write("out.jsonl.progress.json", bytes);
        dir.demur("score in.jsonl --out out.jsonl --resume")
            .fails(1, &["out.jsonl.progress.json is damaged: remove it", "without --resume"]);
        assert!(!dir.path("out.jsonl").exists());
    }
    dir.write("out.jsonl.progress.json", progress);
    dir.demur("score in.jsonl --out out.jsonl --resume").succeeds();
    assert!(dir.bytes("out.jsonl") == dir.bytes("whole.jsonl"));
    assert!(dir.bytes("out.jsonl.rejected.jsonl") == dir.bytes("whole.jsonl.rejected.jsonl"));
}

#[test]
fn an_output_belongs_to_one_run_at_a_time() {
    let dir = Dir::new();
    dir.write("in.jsonl", "{\"prompt\":\"a\"}\n");
    let mut first = dir.demur("score - --out out.jsonl").stdin_open();
    first.stdin.as_mut().unwrap().write_all(b"{\"prompt\":\"b\"}\n").unwrap();
    while !dir.path("out.jsonl.progress.json").exists() {
        sleep(Duration::from_millis(2));
    }
    let holder = format!("process {} on ", first.id());
    for command in ["score in.jsonl --out out.jsonl", "label in.jsonl --out ./out.jsonl --resume"] {
        dir.demur(command)
            .fails(1, &["another run writes to `", &holder, ", since 20", "give another output"]);
    }
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    assert_eq!(dir.rows("out.jsonl")[0]["prompt"], "b");
    assert_eq!(dir.names(), ["in.jsonl", "out.jsonl"]);

    // The lock of a killed run does not count.
    let mut killed = dir.demur("score - --out out.jsonl").stdin_open();
    killed.stdin.as_mut().unwrap().write_all(b"{\"prompt\":\"b\"}\n").unwrap();
    while !dir.path("out.jsonl.progress.json").exists() {
        sleep(Duration::from_millis(2));
    }
    kill(killed);
    assert!(dir.path(".out.jsonl.demur-lock").exists());
    dir.demur("score in.jsonl --out out.jsonl").succeeds();
    assert_eq!(dir.rows("out.jsonl")[0]["prompt"], "a");
    assert_eq!(dir.names(), ["in.jsonl", "out.jsonl"]);
}

#[test]
fn a_run_that_dies_at_the_very_end_is_finished_by_the_next() {
    let dir = Dir::new();
    dir.write("in.jsonl", rows(1_000));
    dir.demur("score in.jsonl --out whole.csv --sort").succeeds();
    for number in 0..10_u64 {
        let child = dir.demur("score in.jsonl --out out.csv --sort").start();
        sleep(Duration::from_millis(60 + number * 23));
        kill(child);
        if !dir.path("out.csv").exists() || dir.path("out.csv.progress.json").exists() {
            dir.demur("score in.jsonl --out out.csv --sort --resume").succeeds();
        }
        assert!(dir.bytes("out.csv") == dir.bytes("whole.csv"), "{number}");
        fs::remove_file(dir.path("out.csv")).unwrap();
    }
}
