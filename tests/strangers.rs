//! Answers and files as strangers have them: what providers, their libraries, harnesses and scripts leave
//! behind. The inputs are in `tests/forms`, in our own words: `rows.jsonl` has a row of a log each, with its
//! right label, and `files.jsonl` a whole file each.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::{Dir, jsonl, rows, workspace};

fn fixture(name: &str) -> Vec<Map<String, Value>> {
    let path = workspace().join("tests/forms").join(name);
    rows(&std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The label that was added to a row, whatever columns it had.
fn label(row: &Map<String, Value>) -> &Value {
    row.get("demur_label").unwrap_or(&row["label"])
}

#[test]
fn every_row_of_a_log_gets_its_label() {
    // Rows with the same fields are those of one file.
    let mut files: BTreeMap<Vec<String>, Vec<Map<String, Value>>> = BTreeMap::new();
    let cases = fixture("rows.jsonl");
    assert!(cases.len() > 200, "{}", cases.len());
    for case in cases {
        let names = case["row"].as_object().unwrap().keys().cloned().collect();
        files.entry(names).or_default().push(case);
    }
    let mut wrong = Vec::new();
    for (names, cases) in files {
        let dir = Dir::new();
        dir.write_rows("rows.jsonl", &cases.iter().map(|case| case["row"].clone()).collect::<Vec<_>>());
        dir.demur("label rows.jsonl --out out.jsonl").succeeds().says(" 0 rejected");
        let labelled = dir.rows("out.jsonl");
        assert_eq!(labelled.len(), cases.len(), "{names:?}");
        for (case, row) in cases.iter().zip(&labelled) {
            let same = |name: &str, found: &Value| case.get(name).is_none_or(|wanted| wanted == found);
            if !(same("label", label(row))
                && same("form", &row["form"])
                && same("reasoning", &row["reasoning"]))
            {
                wrong.push(format!(
                    "{}: {}, {}, reasoning {}",
                    case["case"],
                    label(row),
                    row["form"],
                    row["reasoning"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_is_labelled_without_a_flag() {
    let cases = fixture("files.jsonl");
    assert!(cases.len() > 60, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let (dir, file) = (Dir::new(), case["file"].as_str().unwrap());
        dir.write(file, case["text"].as_str().unwrap());
        let run = dir.demur(&format!("label {file} --out out.jsonl")).run();
        if run.code != Some(0) {
            wrong.push(format!("{}: {}", case["case"], run.stderr));
            continue;
        }
        let labels: Vec<Value> = dir.rows("out.jsonl").iter().map(|row| label(row).clone()).collect();
        if Value::from(labels.clone()) != case["labels"] {
            wrong.push(format!("{}: {labels:?}", case["case"]));
        }
        // The same prompts and targets by the reader of corpora.
        let Some(wanted) = case.get("pairs") else { continue };
        dir.demur(&format!("bootstrap {file} --out machine.jsonl")).succeeds();
        let pairs = dir.rows("machine.jsonl");
        let pairs: Vec<Value> =
            pairs.iter().map(|row| json!([row.get("prompt"), row.get("target")])).collect();
        if Value::from(pairs.clone()) != *wanted {
            wrong.push(format!("{}: {pairs:?}", case["case"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const NO: &str = "I can't help with that.";
const YES: &str = "Mix flour, water, salt and yeast, then bake for forty minutes.";

/// Both outputs of `--filter` from one pipe, byte for byte as from a file, and no copy is left.
#[test]
fn a_pipe_is_filtered_like_a_file() {
    let dir = Dir::new();
    let text =
        format!("{{\"prompt\": \"a\",  \"response\": \"{NO}\"}}\n{{\"response\" :\"{YES}\", \"n\": 1.50}}\n");
    dir.write("in.jsonl", &text);
    dir.demur("label in.jsonl --filter complied --out file.jsonl").succeeds();
    let run = dir.demur("label - --filter complied --out pipe.jsonl").stdin(text.clone()).succeeds();
    run.says("dropped: 1 rows, which are in pipe.dropped.jsonl with their labels");
    assert_eq!(dir.text("pipe.jsonl"), format!("{}\n", text.lines().nth(1).unwrap()));
    assert_eq!(dir.bytes("pipe.dropped.jsonl"), dir.bytes("file.dropped.jsonl"));
    let csv = format!("prompt,response\na,\"{NO}\"\nb,\"{YES}\"\n");
    dir.demur("label - --filter complied --out pipe.csv").stdin(csv).succeeds();
    assert_eq!(dir.text("pipe.csv"), format!("prompt,response\nb,\"{YES}\"\n"));
    let run =
        dir.demur("label - --filter complied --out bad.jsonl").stdin(format!("{text}nope\n")).succeeds();
    run.says("the first bad row: -:3");
    assert_eq!(dir.rows("bad.jsonl.rejected.jsonl")[0]["file"], "-");
    assert!(dir.names().iter().all(|name| !name.contains("input")), "{:?}", dir.names());
    dir.demur("label - --filter complied --out -").stdin(text).fails(2, &["name a file with --out"]);
}

#[test]
fn a_header_in_a_pipe_or_in_a_text_file_is_recognised() {
    let dir = Dir::new();
    for separator in [",", "\t", ";", "|"] {
        let text = format!("id{separator}response\n1{separator}{NO}\n").replace(", ", " ");
        let run = dir.demur("label - --out - --to jsonl").stdin(text.clone()).succeeds();
        assert_eq!(rows(&run.stdout)[0]["label"], "refused", "{separator:?}");
        dir.write("rows.txt", &text);
        dir.demur("label rows.txt --out out.jsonl").succeeds();
        assert_eq!(dir.rows("out.jsonl")[0]["label"], "refused", "{separator:?}");
    }
    dir.write("rows.psv", format!("id|response\n1|{NO}\n"));
    dir.demur("label rows.psv --out out.psv --to psv").succeeds();
    assert!(dir.text("out.psv").starts_with("id|response|p_refusal|label|"));
    dir.write("prompts.txt", "Tell me, please, how to bake\nprompt\n");
    dir.demur("score prompts.txt --out scored.jsonl").succeeds().says("2 rows read");
}

/// Rows that become several are JSON Lines, or what the name of the output says.
#[test]
fn both_answers_of_a_table_of_an_arena_are_labelled() {
    let dir = Dir::new();
    let row = json!({"id": 1, "model_a": "m1", "model_b": "m2", "prompt": "q", "response_a": NO, "response_b": YES});
    crate::support::write_parquet(&dir.path("in.parquet"), std::slice::from_ref(&row));
    dir.write(
        "in.csv",
        format!("id,model_a,model_b,prompt,response_a,response_b\n1,m1,m2,q,{NO},\"{YES}\"\n"),
    );
    dir.write("in.jsonl", jsonl(&[row]));
    for file in ["in.parquet", "in.csv", "in.jsonl"] {
        dir.demur(&format!("label {file} --out out.jsonl")).succeeds().says("read as: arena pairs (both)");
        let out = dir.rows("out.jsonl");
        let found: Vec<[&Value; 3]> =
            out.iter().map(|row| [&row["side"], &row["model"], &row["label"]]).collect();
        assert_eq!(
            found,
            [[&json!("a"), &json!("m1"), &json!("refused")], [&json!("b"), &json!("m2"), &json!("complied")]],
            "{file}"
        );
        dir.demur(&format!("label {file} --out out.csv")).succeeds();
        assert_eq!(dir.text("out.csv").lines().count(), 3, "{file}");
        dir.demur(&format!("label {file} --out out.parquet")).succeeds();
        assert_eq!(crate::support::read_any(&dir.path("out.parquet")).len(), 2, "{file}");
        dir.demur(&format!("rates {file} --by target --labels demur")).succeeds();
    }
    dir.demur("label in.csv --layout none --response-column response_b --out out.csv").succeeds();
    assert!(dir.text("out.csv").starts_with("id,model_a,model_b,prompt,response_a,response_b,p_refusal"));
}

#[test]
fn chats_of_texts_alone_are_cut_and_stay_such_chats() {
    let dir = Dir::new();
    dir.write_rows(
        "in.jsonl",
        &[json!({"id": "0", "data": ["a", NO, "b", YES]}), json!({"id": "1", "data": ["a", NO]})],
    );
    let run = dir.demur("label in.jsonl --filter complied --cut turns --out clean.jsonl").succeeds();
    run.says("read as: UltraChat").says("dropped or cut: 2 rows");
    assert_eq!(dir.rows("clean.jsonl")[0]["data"], json!(["b", YES]));
    assert_eq!(dir.rows("clean.jsonl").len(), 1);
}
