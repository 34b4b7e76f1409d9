//! Reads every published file whole, where these files are.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use super::{ReadOptions, read};

/// The real files, if they are available.
#[test]
#[ignore = "needs ../shared/data"]
fn every_shared_file_is_read_whole() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    let folders = ["chatgpt-refusals", "prompts", "rates", "responses", "unlabelled"];
    let mut files = Vec::new();
    for folder in folders.map(|folder| root.join(folder)) {
        files.extend(std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()));
    }
    assert!(!files.is_empty(), "there is no ../shared/data");
    files.sort();
    for file in &files {
        let corpus = read(std::slice::from_ref(file), &ReadOptions::default()).unwrap();
        assert_eq!(
            (corpus.summary.kept, corpus.rejected.len()),
            (corpus.summary.read, 0),
            "{}",
            file.display()
        );
        let text = std::fs::read_to_string(file).unwrap();
        let is_array = text.starts_with('[');
        let rows = if is_array { text.matches("\n\"prompt\":").count() } else { text.lines().count() };
        assert_eq!(corpus.summary.read, rows, "{}", file.display());
        assert!(corpus.records.iter().all(|row| row.prompt.is_some() || row.response.is_some()));
        assert_eq!(
            corpus.records.iter().all(|row| row.label.is_some()),
            is_array && rows > 0 || labelled(file)
        );
    }
    let labelled = ReadOptions { need_label: true, ..ReadOptions::default() };
    let corpus = read(&[root.join("chatgpt-refusals/hand_labeled.json")], &labelled).unwrap();
    assert_eq!(
        corpus.summary.to_string(),
        "1465 rows read from 1 file: 1450 kept, 0 rejected, 15 dropped (12 kind dontknow, 3 kind incoherent)"
    );
}

/// Whether every row of a file of JSON Lines has a label.
fn labelled(file: &std::path::Path) -> bool {
    let name = file.file_name().unwrap().to_str().unwrap();
    let whole = ["dual_taxonomy.jsonl", "gptfuzz.jsonl", "refusal_direction.jsonl"];
    file.parent().unwrap().ends_with("responses") && whole.contains(&name)
}
