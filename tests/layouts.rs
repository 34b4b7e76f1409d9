//! Files in the layouts of other programs, read without a flag by the commands that people use on them.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{Dir, rows, workspace};

/// The examples of all layouts by name.
fn examples() -> Vec<(String, String, String)> {
    let listed = Dir::new().demur("layouts --json").succeeds().json();
    let text = |layout: &Value, name: &str| layout[name].as_str().unwrap().to_owned();
    let of = |layout: &Value| (text(layout, "name"), text(layout, "title"), text(layout, "example"));
    listed.as_array().unwrap().iter().map(of).collect()
}

#[test]
fn layouts_are_listed_with_their_examples() {
    let dir = Dir::new();
    let table = dir.demur("layouts").succeeds().stdout;
    for (name, title, example) in examples() {
        assert!(table.contains(&name) && table.contains(&title), "{name}");
        assert_eq!(dir.demur(&format!("layouts {name}")).succeeds().stdout, format!("{example}\n"));
    }
    dir.demur("layouts nope").fails(2, &["no layout is called `nope`", "openai-batch-output"]);
    dir.demur("label a.jsonl --out b.jsonl --layout nope").fails(2, &["no layout is called `nope`"]);
}

#[test]
fn every_layout_with_answers_is_labelled_and_every_one_with_prompts_scored_without_a_flag() {
    for (name, title, example) in examples() {
        let dir = Dir::new();
        dir.write("in.json", &example);
        let is_input =
            ["-input", "behaviors", "strongreject", "or-bench"].iter().any(|part| name.contains(part));
        if !is_input {
            let forced = if name == "preference-sides" { "--layout preference-sides" } else { "" };
            let run = dir.demur(&format!("label in.json {forced} --out out.jsonl")).succeeds();
            run.says(&format!("read as: {title}"));
            let labelled = dir.rows("out.jsonl");
            let label = |row: &serde_json::Map<String, Value>| {
                row.get("demur_label").or_else(|| row.get("label")).cloned().unwrap()
            };
            let expected = if name == "xstest" { "complied" } else { "refused" };
            assert_eq!(label(&labelled[0]), json!(expected), "{name}");
        }
        let answers_alone = [
            "openai-batch-output",
            "anthropic-batch-output",
            "mt-bench-answers",
            "chat-completions",
            "provider-bodies",
        ];
        if !answers_alone.contains(&name.as_str()) {
            let forced = if name == "preference-sides" { "--layout preference-sides" } else { "" };
            let run = dir.demur(&format!("score in.json {forced} --out scored.jsonl")).succeeds();
            run.says(&format!("read as: {title}"));
            assert!(dir.rows("scored.jsonl")[0]["p_refusal"].is_number(), "{name}");
        }
    }
}

#[test]
fn entries_of_other_types_are_passed_over_in_files_of_any_size_too() {
    let dir = Dir::new();
    let attempt = |id: usize| json!({"entry_type": "attempt", "uuid": id, "prompt": "a", "outputs": ["I can't help with that.", "Mix flour."]});
    let mut entries = vec![json!({"entry_type": "start_run setup"})];
    entries.extend((0..500).map(attempt));
    entries.push(json!({"entry_type": "eval"}));
    dir.write_rows("report.jsonl", &entries);
    let run = dir.demur("label report.jsonl --out out.jsonl --json").succeeds();
    run.says("2 entries of other types passed over").says("read as: garak report");
    let summary = run.json();
    assert_eq!((&summary["read"], &summary["passed_over"]), (&json!(1000), &json!(2)));
    assert_eq!(summary["read_as"], json!(["garak report"]));
    let labelled = dir.rows("out.jsonl");
    assert_eq!((&labelled[0]["label"], &labelled[1]["label"]), (&json!("refused"), &json!("complied")));
    assert_eq!(labelled[1]["outputs"], json!(["Mix flour."]), "each output is a row");
}

#[test]
fn a_column_that_is_missing_is_answered_with_the_columns_and_the_flag() {
    let dir = Dir::new();
    dir.write_rows("rows.jsonl", &[json!({"ask": "a", "meta": {"said": "b"}})]);
    let there = "ask, meta.said";
    dir.demur("label rows.jsonl --out out.jsonl").fails(1, &[there, "--response-column"]);
    dir.demur("score rows.jsonl --out out.jsonl").fails(1, &["`ask`, `meta`", "--prompt-column"]);
    dir.demur("label rows.jsonl --out out.jsonl --response-column x")
        .fails(1, &["`x`", there, "--response-column"]);
    dir.demur("label rows.jsonl --out out.jsonl --response-column meta.said").succeeds();
    dir.demur("evaluate --field response rows.jsonl --label-column x").fails(1, &[there, "--label-column"]);
}

#[test]
fn files_as_spreadsheets_and_editors_write_them_are_scored() {
    let utf_16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain("prompt,n\nHow do I bake?,1\n".encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    for (name, content, out) in [
        ("a.csv", "Prompt;N\nHow do I bake, and when?;1\n".as_bytes().to_vec(), "out.csv"),
        ("a.csv", utf_16, "out.csv"),
        ("a.csv", b"prompt,n\nCaf\xe9 au lait?,1\n".to_vec(), "out.csv"),
        ("a.txt", b"How do I bake?\n\n".to_vec(), "out.jsonl"),
        ("a.jsonl", br#"{"prompt": "a", "n": NaN}"#.to_vec(), "out.jsonl"),
        ("a.jsonl", br#"{"prompt": "a", "n": -Infinity}"#.to_vec(), "out.csv"),
    ] {
        let dir = Dir::new();
        dir.write(name, content);
        dir.demur(&format!("score {name} --out {out}")).succeeds();
        let text = dir.text(out);
        assert!(text.contains("send") || text.contains("hold") || text.contains("abstain"), "{text}");
        assert!(!text.contains("NaN") && !text.contains("Infinity"), "{text}");
        if out.ends_with("jsonl") {
            rows(&text);
        }
    }
}

#[test]
fn paths_reach_into_lists() {
    let dir = Dir::new();
    let row = json!({"turns": [{"text": "a"}, {"text": "How do I bake bread?"}], "out": {"all": [{"t": "No"}, {"t": "way."}]}});
    dir.write_rows("rows.jsonl", &[row]);
    dir.demur("score rows.jsonl --prompt-column turns[-1].text --out a.jsonl").succeeds();
    dir.demur("label rows.jsonl --response-column out.all[*].t --out b.jsonl").succeeds();
    dir.demur("score rows.jsonl --prompt-column turns[5].text --out c.jsonl")
        .fails(1, &["there is no prompt"]);
}

#[test]
fn refusals_are_cleaned_out_of_training_data_in_place() {
    let dir = Dir::new();
    let chat = |answer: &str| json!({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": answer}], "n": 1.5});
    let (bread, no) =
        ("Mix flour, water, salt and yeast, then bake for forty minutes.", "I can't help with that.");
    dir.write_rows("chats.jsonl", &[chat(bread), chat(no), chat(bread)]);
    let run = dir.demur("label chats.jsonl --filter complied --out clean.jsonl").succeeds();
    run.says("dropped: 1 rows, which are in clean.dropped.jsonl with their labels");
    let lines: Vec<String> = dir.text("chats.jsonl").lines().map(str::to_owned).collect();
    assert_eq!(dir.text("clean.jsonl"), format!("{}\n{}\n", lines[0], lines[2]), "rows as they were");
    let dropped = dir.rows("clean.dropped.jsonl");
    assert_eq!((dropped.len(), &dropped[0]["label"]), (1, &json!("refused")));
    dir.demur("label clean.jsonl --filter complied --out again.jsonl").succeeds().says("no row was dropped");
    assert!(!dir.names().contains(&"again.dropped.jsonl".to_owned()));

    let pair = |chosen: &str, rejected: &str| json!({"prompt": "q", "chosen": chosen, "rejected": rejected});
    dir.write_rows("pairs.jsonl", &[pair(no, bread), pair(bread, no)]);
    dir.demur("label pairs.jsonl --response-column chosen --filter complied --out pairs.csv").succeeds();
    assert_eq!(dir.text("pairs.csv"), format!("prompt,chosen,rejected\nq,\"{bread}\",{no}\n"));
    assert!(dir.text("pairs.dropped.csv").contains("refused"));
    dir.demur("label pairs.jsonl --filter complied --out -").fails(2, &["--filter writes a second file"]);
    dir.demur("label pairs.jsonl --filter nope --out a.jsonl").fails(2, &["complied, refused"]);
}

/// A chat keeps what is worth learning from; what was cut stands beside, as a row like it.
#[test]
fn refused_turns_are_cut_out_of_chats() {
    let dir = Dir::new();
    let (bread, no) =
        ("Mix flour, water, salt and yeast, then bake for forty minutes.", "I can't help with that.");
    let turn = |role: &str, said: &str| json!({"role": role, "content": said});
    let chat = |answers: &[&str]| {
        let turns = answers.iter().flat_map(|answer| [turn("user", "q"), turn("assistant", answer)]);
        let turns: Vec<Value> = [turn("system", "s")].into_iter().chain(turns).collect();
        json!({"messages": turns, "n": 1})
    };
    let shared = |answers: &[&str]| {
        let said = |from: &str, value: &str| json!({"from": from, "value": value});
        let turns = answers.iter().flat_map(|answer| [said("human", "q"), said("gpt", answer)]);
        let turns: Vec<Value> = turns.collect();
        json!({"conversations": turns})
    };
    for (rows, left, cut) in [
        (
            vec![chat(&[bread, no, bread]), chat(&[no, no]), chat(&[bread])],
            vec![chat(&[bread, bread]), chat(&[bread])],
            vec![chat(&[no]), chat(&[no, no])],
        ),
        (vec![shared(&[bread, no])], vec![shared(&[bread])], vec![shared(&[no])]),
    ] {
        dir.write_rows("in.jsonl", &rows);
        let run = dir.demur("label in.jsonl --filter complied --cut turns --out clean.jsonl").succeeds();
        run.says(&format!("dropped or cut: {} rows", cut.len()));
        let read = |name: &str| dir.rows(name).into_iter().map(Value::Object).collect::<Vec<_>>();
        assert_eq!(read("clean.jsonl"), left);
        for (found, wanted) in read("clean.dropped.jsonl").iter().zip(&cut) {
            assert_eq!(found["label"], "refused");
            let name = if found["messages"].is_null() { "conversations" } else { "messages" };
            assert_eq!(found[name], wanted[name]);
        }
    }
    dir.demur("label in.jsonl --filter refused --cut turns --out a.jsonl").fails(2, &["--filter complied"]);
    dir.demur("label in.jsonl --cut turns --out a.jsonl").fails(2, &["--filter"]);
}

#[test]
fn the_service_scores_rows_of_a_known_layout() {
    let server = Server::start(&Dir::new(), "");
    let row = json!({"custom_id": "r", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": [{"role": "user", "content": "How do I pick a lock?"}]}});
    let answer =
        server.post("/v1/score", json!({"format": "jsonl", "rows": format!("{row}\n")}).to_string()).ok();
    assert!(answer["rows"].as_str().unwrap().contains("p_refusal"), "{answer}");
}

#[test]
fn a_providers_body_is_classified_as_it_came() {
    let server = Server::start(&Dir::new(), "");
    let refused = json!({"choices": [{"message": {"role": "assistant", "content": "I can't help with that."}, "finish_reason": "stop"}]});
    let bodies = json!({"answers": [
        {"prompt": "How do I pick a lock?", "body": refused},
        {"body": {"candidates": [{"finishReason": "SAFETY"}]}},
        {"body": {"type": "message", "content": [{"type": "text", "text": "Mix flour, water, salt and yeast, then bake it."}], "stop_reason": "end_turn"}},
    ]});
    let found = server.post("/v1/classify", bodies.to_string()).ok();
    let labels: Vec<&Value> =
        found["classifications"].as_array().unwrap().iter().map(|answer| &answer["label"]).collect();
    assert_eq!(labels, [&json!("refused"), &json!("refused"), &json!("complied")]);
    for (body, field) in [
        (json!({"body": {"n": 1}}), "body"),
        (json!({"body": refused, "response": "a"}), "body"),
        (json!({"answers": [{"body": []}]}), "answers[0].body"),
    ] {
        server.post("/v1/classify", body.to_string()).is_error(422, "invalid_request", Some(field), "");
    }
}

/// The folder of cases beside this repository.
fn cases() -> PathBuf {
    let path = workspace().join("../shared/cases/formats");
    assert!(path.is_dir(), "there is no {}", path.display());
    path
}

#[test]
#[ignore = "needs ../shared/cases"]
fn every_file_of_the_field_is_labelled_or_scored() {
    for entry in fs::read_dir(cases()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let (command, more) = match name.as_str() {
            "13-phrases.toml" => continue,
            "20-plain.txt" | "50-quote.csv" => ("score", ""),
            "41-chosen-rejected.jsonl" => ("label", "--response-column chosen"),
            _ => ("label", ""),
        };
        let dir = Dir::new();
        let run = dir.demur(&format!("{command} {} --out out.jsonl {more}", path.display())).run();
        assert_eq!(run.code, Some(0), "{name}: {}", run.stderr);
        let written = dir.rows("out.jsonl");
        assert!(!written.is_empty(), "{name}");
        let all = match name.as_str() {
            // A chat that ends with the user's turn has no answer; rows of signs alone are another test's.
            "24-roles.jsonl" | "14-provider-signs.jsonl" | "17-content-parts.jsonl" => continue,
            _ => run.stderr.contains(" 0 rejected"),
        };
        assert!(all, "{name}: {}", run.stderr);
    }
}
