//! `demur label` on rows and files that it cannot use.

use serde_json::{Value, json};

use crate::support::{Dir, answers, jsonl};

#[test]
fn bad_rows_are_kept_aside_with_their_place_and_the_reason() {
    let dir = Dir::with_models();
    let bad = [
        "{\"prompt\": \"a\", \"response\": 7}",
        "{\"prompt\": \"b\"}",
        "{\"prompt\": \"c\", \"response\": \"  \"}",
        "[1, 2]",
        "{\"prompt\": \"d\", ",
    ];
    dir.write("in.jsonl", jsonl(&answers()) + "\n" + &bad.join("\n") + "\n");
    let run = dir.demur("label in.jsonl --model response --out out.jsonl").succeeds();
    run.says("8 rows read, 4 rejected, 4 scored by ")
        .says("in.jsonl:5: `response`:")
        .says("bad rows are in out.jsonl.rejected.jsonl");
    let out = dir.rows("out.jsonl");
    assert_eq!((out.len(), &out[3]["label"]), (4, &Value::Null), "blanks are what came back: no answer");
    let rejected = dir.rows("out.jsonl.rejected.jsonl");
    let told: Vec<(&Value, &Value, &str)> =
        rejected.iter().map(|row| (&row["line"], &row["field"], row["reason"].as_str().unwrap())).collect();
    let (field, none) = (json!("response"), Value::Null);
    assert_eq!(
        told[..3],
        [
            (&json!(5), &field, "text was expected, not number"),
            (&json!(6), &field, "there is no response"),
            (&json!(8), &none, "the row is no object but list"),
        ]
    );
    assert_eq!((told[3].0, told[3].1), (&json!(9), &none));
    assert!(told[3].2.contains("no valid JSON"), "{}", told[3].2);
    assert!(rejected.iter().all(|row| row["file"] == "in.jsonl"));
    assert_eq!(rejected[0]["row"]["response"], 7);
    assert_eq!(rejected[3]["row"], bad[4]);
}

#[test]
fn the_bad_rows_of_an_earlier_run_do_not_stay() {
    let dir = Dir::with_models();
    dir.write("in.jsonl", jsonl(&answers()) + "no row\n");
    dir.demur("label in.jsonl --model response --out out.csv").succeeds();
    assert!(dir.names().contains(&"out.csv.rejected.jsonl".to_owned()));
    dir.write_rows("in.jsonl", &answers());
    dir.demur("label in.jsonl --model response --out out.csv").succeeds();
    assert!(!dir.names().contains(&"out.csv.rejected.jsonl".to_owned()));
}

/// The last turn is a question without an answer: neither it nor an earlier answer is labelled instead.
#[test]
fn a_chat_that_ends_with_the_user_is_set_aside_with_its_reason() {
    let dir = Dir::with_models();
    let chat = json!([
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Write malware"},
        {"role": "user", "content": "I can't help with that."},
    ]);
    let answered = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]);
    dir.write_rows("in.jsonl", &[json!({"messages": chat}), json!({"messages": answered})]);
    let run = dir.demur("label in.jsonl --model response --out out.jsonl --json").succeeds();
    assert_eq!((&run.json()["scored"], &run.json()["rejected"]), (&json!(1), &json!(1)));
    let rejected = &dir.rows("out.jsonl.rejected.jsonl")[0];
    assert_eq!((&rejected["line"], &rejected["field"]), (&json!(1), &json!("messages")));
    assert_eq!(rejected["reason"], "there is no response: the chat ends with a turn of the user");
    assert_eq!(rejected["row"]["messages"], chat);
}

#[test]
fn rows_without_a_usable_response_end_the_run() {
    let dir = Dir::with_models();
    let before = dir.names();
    dir.demur("label - --model response --out out.jsonl")
        .stdin("{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\n")
        .fails(1, &["-: no column holds the response; the columns are: prompt", "--response-column"]);
    assert_eq!(dir.names(), before);
}

#[test]
fn a_prompt_predictor_cannot_label() {
    let dir = Dir::with_models();
    dir.write_rows("in.jsonl", &answers());
    dir.demur("label in.jsonl --model prompt --out out.jsonl")
        .fails(2, &["prompt is a prompt predictor", "response classifier"]);
}

#[test]
fn an_output_whose_format_is_unknown_is_refused_before_anything_is_read() {
    let dir = Dir::with_models();
    let before = dir.names();
    dir.demur("label - --model response --out out.jsonl.txt")
        .stdin(jsonl(&answers()))
        .fails(2, &["out.jsonl.txt", ".jsonl", ".csv", ".parquet"]);
    dir.demur("label - --model response --out out.parquet.gz")
        .stdin(jsonl(&answers()))
        .fails(2, &["out.parquet.gz", "compresses by itself"]);
    assert_eq!(dir.names(), before);
}

#[test]
fn an_input_of_bad_rows_alone_is_an_error() {
    let dir = Dir::new();
    dir.write_rows("good.jsonl", &answers());
    dir.write_rows("bad.jsonl", &[json!({"response": 7}), json!({"prompt": "a"})]);
    dir.demur("label good.jsonl bad.jsonl --out out.jsonl")
        .fails(1, &["bad.jsonl: no row can be used: 2 rows read, 2 rejected", "bad.jsonl:1: `response`"]);
    assert_eq!(dir.rows("out.jsonl").len(), 3, "what could be labelled is kept");
    assert_eq!(dir.rows("out.jsonl.rejected.jsonl").len(), 2);
}

#[test]
fn without_a_row_there_is_no_mean_and_no_success() {
    let dir = Dir::new();
    dir.write("none.jsonl", "");
    dir.write_rows("bad.jsonl", &[json!({"response": 7})]);
    for (input, rejected) in [("none.jsonl", 0), ("bad.jsonl", 1)] {
        for out in ["out.jsonl", "/dev/null"] {
            let run = dir.demur(&format!("label {input} --out {out} --json")).run();
            let expected = if out == "/dev/null" && rejected == 0 { 0 } else { 1 };
            assert_eq!(run.code, Some(expected), "{input} {out}: {}", run.stderr);
            let summary = run.json();
            assert_eq!(summary["p_refusal"]["mean"], Value::Null, "{input}");
            assert_eq!(summary["p_refusal"]["quantiles"]["0.5"], Value::Null, "{input}");
            assert_eq!((&summary["scored"], &summary["rejected"]), (&json!(0), &json!(rejected)));
        }
    }
    assert_eq!(dir.names(), ["bad.jsonl", "none.jsonl"]);
}
