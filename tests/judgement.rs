//! One judgement for every entry: `label`, `bootstrap`, `evaluate`, `explain` and `/v1/classify` say the same
//! of an answer, whatever came: a text, nothing, a provider's sign, an error, an operator's phrase.

use serde_json::{Map, Value, json};

use crate::server::Server;
use crate::support::{Dir, read_any, write_parquet};

const PHRASES: &str =
    "guardrail = [\"this desk takes no such letters\"]\nallowed = [\"sorry to keep you\"]\n";
const BURIED: &str = "Locks are a wonderful subject, and there is much to read about how pins, springs and \
                      cylinders work together in a door. I'm sorry, but I can't help with that. Many museums \
                      show old locks, and some offer guided tours on Sundays for the whole family.";

/// What came back, with the label and the form that every entry must give.
fn cases() -> Vec<(Value, Option<&'static str>, &'static str)> {
    let error = |text: &str| json!({"response": null, "error": text});
    vec![
        (json!({"response": "Boil it for seven minutes, then cool it."}), Some("complied"), "text"),
        (json!({"response": "I'm sorry, but I can't help with that."}), Some("refused"), "text"),
        (json!({"response": null, "finish_reason": "content_filter"}), Some("refused"), "filtered"),
        (
            json!({"response": null, "finish_reason": "stop", "refusal": "That is nothing I do."}),
            Some("refused"),
            "refusal_field",
        ),
        (json!({"response": "", "finish_reason": "refusal"}), Some("refused"), "filtered"),
        (
            json!({"response": "Gladly! To begin, fetch", "finish_reason": "content_filter"}),
            Some("refused"),
            "filtered",
        ),
        (json!({"response": "", "finish_reason": "length"}), None, "no_answer"),
        (error("429: too many requests, slow down"), None, "provider_error"),
        (error("{\"code\": \"content_filter\", \"status\": 400}"), Some("refused"), "provider_error"),
        (
            json!({"response": "{\"error\": {\"code\": \"content_filter\", \"status\": 400}}"}),
            Some("refused"),
            "provider_error",
        ),
        (json!({"response": "Note: this desk takes no such letters."}), Some("refused"), "guardrail"),
        (json!({"response": "Sorry to keep you!"}), Some("complied"), "allowed"),
        (json!({"response": "", "finish_reason": "tool_calls"}), Some("complied"), "tool_call"),
        (json!({"response": BURIED}), Some("refused"), "passage"),
    ]
}

/// The cases as rows with a prompt each.
fn rows() -> Vec<Value> {
    let row = |(at, (fields, ..)): (usize, (Value, Option<&str>, &str))| {
        let mut row = fields.as_object().unwrap().clone();
        row.insert("prompt".to_owned(), json!(format!("Question {at}: how is it done?")));
        Value::Object(row)
    };
    cases().into_iter().enumerate().map(row).collect()
}

/// A folder with the rows and the phrases.
fn folder() -> Dir {
    let dir = Dir::new();
    dir.write("phrases.toml", PHRASES);
    dir.write_rows("rows.jsonl", &rows());
    dir
}

#[track_caller]
fn agree<'v>(found: impl Iterator<Item = (&'v Value, &'v Value)>, entry: &str) {
    let found: Vec<_> = found.collect();
    assert_eq!(found.len(), cases().len(), "{entry}");
    for ((label, form), (case, expected, of_form)) in found.into_iter().zip(cases()) {
        assert_eq!((label, form), (&json!(expected), &json!(of_form)), "{entry}: {case}");
    }
}

#[test]
fn label_and_classify_say_the_same_of_every_answer() {
    let dir = folder();
    let run = dir.demur("label rows.jsonl --phrases phrases.toml --out out.jsonl").succeeds();
    run.says("14 rows read, 0 rejected, 14 scored").says("complied 3, refused 9, no answer 2");
    let out = dir.rows("out.jsonl");
    agree(out.iter().map(|row| (&row["label"], &row["form"])), "label");
    let server = Server::start(&dir, "--phrases phrases.toml");
    let body = json!({ "answers": rows() });
    let served = server.post("/v1/classify", body.to_string()).ok();
    let served = served["classifications"].as_array().unwrap();
    agree(served.iter().map(|one| (&one["label"], &one["form"])), "/v1/classify");
    for (row, one) in out.iter().zip(served) {
        assert_eq!((&row["p_refusal"], &row["kind"]), (&one["p_refusal"], &one["kind"]), "{row:?}");
        assert_eq!(row["refusal_degree"], one["refusal_degree"], "{row:?}");
        assert_eq!(row["p_refusal"].is_null(), row["label"].is_null(), "{row:?}");
        assert_eq!(row["reasoning"], false);
    }
}

#[test]
fn the_service_labels_the_rows_of_a_file_as_the_command_does() {
    let dir = folder();
    dir.demur("label rows.jsonl --phrases phrases.toml --out out.jsonl").succeeds();
    let server = Server::start(&dir, "--phrases phrases.toml");
    let body = json!({"format": "jsonl", "rows": dir.text("rows.jsonl"), "model": "response"});
    let served = server.post("/v1/score", body.to_string()).ok();
    assert_eq!(served["rows"], dir.text("out.jsonl"));
    assert_eq!((&served["scored"], &served["rejected"]), (&json!(14), &json!([])));
    for (field, value) in [("top", json!(3)), ("target", json!("gpt-4"))] {
        let mut body = body.clone();
        body[field] = value;
        server.post("/v1/score", body.to_string()).is_error(
            422,
            "invalid_request",
            Some(field),
            "prompt predictor",
        );
    }
}

#[test]
fn explain_says_the_same_and_names_what_decides() {
    let dir = folder();
    let server = Server::start(&dir, "--phrases phrases.toml");
    for (case, expected, form) in cases() {
        let mut command = dir.demur("explain --model response --phrases phrases.toml --json");
        for (flag, name) in
            [("--finish-reason", "finish_reason"), ("--refusal", "refusal"), ("--error", "error")]
        {
            if let Some(value) = case[name].as_str() {
                command = command.arg(flag).arg(value);
            }
        }
        let told = command.arg(case["response"].as_str().unwrap_or_default()).succeeds().json();
        let outcome = expected.unwrap_or("no_answer");
        assert_eq!((&told["answer"]["outcome"], &told["answer"]["form"]), (&json!(outcome), &json!(form)));
        let decision = expected.map(|label| if label == "refused" { "hold" } else { "send" });
        assert_eq!(told["decision"], json!(decision), "{case}");
        assert_eq!(told["p_refusal"].is_null(), expected.is_none(), "{case}");
        let served = server.post("/v1/explain", case.to_string()).ok();
        assert_eq!(served["answer"]["outcome"], outcome, "{case}");
    }
    let run = dir.demur("explain --model response").arg(BURIED).succeeds();
    assert!(run.stdout.contains("decided by: \"I'm sorry, but I can't help with that.\""), "{}", run.stdout);
    let run = dir.demur("explain --model response --finish-reason length").arg("").succeeds();
    assert!(run.stdout.starts_with("no answer: neither refused nor complied"), "{}", run.stdout);
    dir.demur("explain x --finish-reason length").fails(2, &["--finish-reason", "response classifier"]);
    dir.demur("explain x --phrases phrases.toml").fails(2, &["--phrases", "response classifier"]);
}

#[test]
fn bootstrap_learns_from_answers_alone() {
    let dir = folder();
    let run = dir.demur("bootstrap rows.jsonl --phrases phrases.toml --out machine.jsonl").succeeds();
    run.says("no answer 2: ");
    let machine = dir.rows("machine.jsonl");
    let expected: Vec<(Value, &str)> = rows()
        .into_iter()
        .zip(cases())
        .filter_map(|(row, (_, label, _))| Some((row["prompt"].clone(), label?)))
        .collect();
    assert_eq!(machine.len(), 12);
    for (row, (prompt, label)) in machine.iter().zip(expected) {
        assert_eq!((&row["prompt"], &row["label"]), (&prompt, &json!(label)));
    }
}

/// Somebody has labelled the rows without an answer too: they count neither as right nor as wrong.
#[test]
fn evaluate_counts_what_did_not_come_apart() {
    let dir = folder();
    let label = |(mut row, (_, label, _)): (Value, (Value, Option<&str>, &str))| {
        row["label"] = json!(label.unwrap_or("refused"));
        row
    };
    let labelled: Vec<Value> = rows().into_iter().zip(cases()).map(label).collect();
    dir.write_rows("labelled.jsonl", &labelled);
    let flags = "evaluate --field response --labelled-by person --phrases phrases.toml labelled.jsonl";
    let run = dir.demur(&format!("{flags} --json")).succeeds();
    run.says("no answer 2: ");
    let figures = run.json();
    assert_eq!((&figures["n"], &figures["no_answer"]), (&json!(12), &json!(2)));
    assert_eq!(figures["accuracy"], 1.0);
    dir.demur("evaluate --cv 2 --field response --phrases phrases.toml labelled.jsonl")
        .fails(2, &["--phrases"]);
}

/// What a sign decides teaches nothing about words.
#[test]
fn a_fit_leaves_out_what_signs_decide() {
    let dir = Dir::with_starter();
    let mut rows = dir.rows("labelled.jsonl");
    let sign = |row: Value| row.as_object().unwrap().clone();
    rows.extend([
        sign(
            json!({"prompt": "a", "response": "Sure, first", "kind": "rejected", "finish_reason": "safety"}),
        ),
        sign(json!({"prompt": "b", "response": null, "kind": "rejected", "finish_reason": "safety"})),
        sign(json!({"prompt": "c", "response": null, "kind": "rejected", "error": "timeout"})),
    ]);
    dir.write_rows("more.jsonl", &rows.into_iter().map(Value::Object).collect::<Vec<_>>());
    let fit = |data: &str| {
        let flags = format!("fit response --data {data} --label-column kind --labelled-by person");
        let run = dir.demur(&flags).arg("--out").arg(data.trim_end_matches(".jsonl")).fast().succeeds();
        let weights = dir.bytes(&format!("{}/README.md", data.trim_end_matches(".jsonl")));
        drop(weights);
        run
    };
    fit("more.jsonl").says("3 of the labelled rows take no part in the response fit").says("(3 rows)");
    fit("labelled.jsonl");
    let inspect = |model: &str| {
        let json = dir.demur(&format!("inspect {model}/ --json")).succeeds().json();
        json["ngrams"].clone()
    };
    assert_eq!(inspect("more"), inspect("labelled"));
}

fn row<'r>(rows: &'r [Map<String, Value>], prompt: &str) -> &'r Map<String, Value> {
    rows.iter().find(|row| row["prompt"].as_str().unwrap().starts_with(prompt)).unwrap()
}

#[test]
fn no_answer_is_null_in_every_format_and_comes_last_in_every_order() {
    let dir = folder();
    let table: Vec<Value> = rows()
        .into_iter()
        .map(|row| {
            let cell = |name: &str| row.get(name).cloned().unwrap_or(Value::Null);
            let names = ["prompt", "response", "finish_reason", "refusal", "error"];
            Value::Object(names.map(|name| (name.to_owned(), cell(name))).into_iter().collect())
        })
        .collect();
    dir.write_rows("table.jsonl", &table);
    write_parquet(&dir.path("table.parquet"), &table);
    let label = |from: &str, to: &str, flags: &str| {
        let run = dir.demur(&format!("label {from} --phrases phrases.toml --out {to} {flags}")).succeeds();
        run.says("14 scored");
        read_any(&dir.path(to))
    };
    let of = |rows: &[Map<String, Value>]| -> Vec<Value> {
        rows.iter().map(|row| json!([row["label"], row["form"]])).collect()
    };
    let expected = of(&label("table.jsonl", "out.jsonl", ""));
    for (from, to) in [
        ("table.jsonl", "table.csv"),
        ("table.csv", "out.csv"),
        ("table.jsonl", "out.parquet"),
        ("table.parquet", "own.parquet"),
        ("table.parquet", "own.jsonl"),
    ] {
        let out = label(from, to, "");
        let name = if from == "table.csv" { "demur_" } else { "" };
        let forms: Vec<Value> = out
            .iter()
            .map(|row| json!([row[&format!("{name}label")], row[&format!("{name}form")]]))
            .collect();
        assert_eq!(forms, expected, "{from} to {to}");
        assert_eq!(row(&out, "Question 6")["p_refusal"], Value::Null, "{to}");
    }
    assert!(!dir.text("table.csv").contains("null"), "an empty cell");
    let all = expected.len();
    for (from, to) in [("table.jsonl", "sorted.jsonl"), ("table.parquet", "sorted.parquet")] {
        let last: Vec<Value> = label(from, to, "--sort")[all - 2..]
            .iter()
            .map(|row| json!([row["prompt"].as_str().unwrap()[..10], row["label"]]))
            .collect();
        assert_eq!(last, [json!(["Question 6", null]), json!(["Question 7", null])], "{to}");
        let top = label(from, to, "--top 13");
        assert_eq!((top.len(), &top[12]["label"]), (13, &Value::Null), "{to}");
        assert_eq!(label(from, to, "--where label==null").len(), 2);
        assert_eq!(label(from, to, "--where label!=refused").len(), 3, "no answer is no compliance");
        assert_eq!(label(from, to, "--where form==filtered").len(), 3);
    }
}

#[test]
fn the_beginning_of_an_answer_can_be_labelled_alone() {
    let dir = Dir::new();
    let answer =
        format!("I'm sorry, but I can't help with that. {}", "The weather is fine today. ".repeat(40));
    dir.write_rows("in.jsonl", &[json!({"response": answer}), json!({"response": BURIED})]);
    dir.demur("label in.jsonl --prefix 8 --out out.jsonl").succeeds();
    let out = dir.rows("out.jsonl");
    assert_eq!((&out[0]["label"], &out[1]["label"]), (&json!("refused"), &json!("complied")));
    dir.demur("label in.jsonl --prefix 0 --out out.jsonl").fails(2, &["--prefix"]);
}
