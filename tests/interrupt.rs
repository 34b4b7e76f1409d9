//! Ctrl-C during the work: exit code 130, and no partial files.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Demur, Dir, names};

/// Many distinct rows, so that a fit on them takes long.
fn many(n: usize) -> Vec<Value> {
    (0..n)
        .map(|n| {
            let (ask, answer, label) = match n % 2 {
                0 => ("steal", "I'm sorry, but I can't help with that", "refused"),
                _ => ("bake", "Sure, this is how it is done", "complied"),
            };
            let words: String = (1..30).map(|k| format!(" w{}", n.wrapping_mul(k * 7919) % 50_021)).collect();
            json!({"prompt": format!("{ask} {n}{words}"), "response": format!("{answer} {n}{words}"), "label": label})
        })
        .collect()
}

fn send(signal: &str, child: &Child) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Starts the command, waits for text on its stderr, interrupts it, and asserts how it ended.
#[track_caller]
fn interrupted_after(command: Demur, said: &str, signal: &str) {
    let mut child = command.start();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let all: Vec<String> = stderr.by_ref().take_while(|line| !line.contains(said)).collect();
    // It has finished reading and is at work.
    sleep(Duration::from_millis(100));
    send(signal, &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{all:?} {:?}", stderr.collect::<Vec<_>>());
    assert!(output.stdout.is_empty());
}

#[test]
fn an_interrupted_evaluation_leaves_nothing() {
    let dir = Dir::new();
    dir.write_rows("rows.jsonl", &many(8_000));
    interrupted_after(dir.demur("evaluate --cv 10 --field response rows.jsonl"), "labelled rows:", "-INT");
    assert_eq!(dir.names(), ["rows.jsonl"]);
}

#[test]
fn an_interrupted_fit_leaves_the_old_model() {
    let dir = Dir::with_models();
    let (before, names) = (dir.tree("response"), dir.names());
    dir.write_rows("rows.jsonl", &many(8_000));
    let fit = dir.demur("fit response --data rows.jsonl --out response --set response.c=[0.1,1.0,10.0]");
    // SIGTERM, as a scheduler sends it.
    interrupted_after(fit, "labelled rows:", "-TERM");
    assert_eq!(dir.tree("response"), before);
    std::fs::remove_file(dir.path("rows.jsonl")).unwrap();
    assert_eq!(dir.names(), names);
}

#[test]
fn an_interrupted_pipeline_leaves_no_file_here_and_none_in_the_temporary_folder() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("tmp")).unwrap();
    let pipeline = dir.demur("pipeline --out out --set evaluation.folds=20").env("TMPDIR", dir.path("tmp"));
    interrupted_after(pipeline, "unlabelled rows:", "-INT");
    assert_eq!(dir.names(), ["tmp"], "no folder, and so no part of one");
    assert_eq!(names(&dir.path("tmp")), [""; 0], "the starter corpus was unpacked there");
}

#[test]
fn an_interrupted_report_leaves_no_folder() {
    let dir = Dir::new();
    dir.write_rows("rows.jsonl", &many(4_000));
    let report = dir.demur("report --data rows.jsonl --resamples 20 --out report");
    interrupted_after(report, "labelled rows:", "-INT");
    assert_eq!(dir.names(), ["rows.jsonl"]);
}

#[test]
fn a_file_that_is_being_labelled_can_be_gone_on_with() {
    let dir = Dir::with_models();
    dir.write_rows("rows.jsonl", &many(20_000));
    dir.write("out.jsonl.gz", "old");
    let mut child = dir.demur("label rows.jsonl --model response --out out.jsonl.gz").start();
    while !dir.path("out.jsonl.gz.progress.json").exists() && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(2));
    }
    send("-INT", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(dir.text("out.jsonl.gz"), "old");
    dir.demur("label rows.jsonl --model response --out out.jsonl.gz --resume").succeeds();
    dir.demur("label rows.jsonl --model response --out whole.jsonl.gz").succeeds();
    assert!(dir.bytes("out.jsonl.gz") == dir.bytes("whole.jsonl.gz"));
}
