//! Prompts and answers from files of other layouts, and back.

use serde_json::json;

use super::Bench;
use super::target::Target;
use crate::support::{rows, write_parquet};

#[test]
fn prompts_are_read_as_score_reads_them() {
    let bench = Bench::new();
    let target = Target::obliging();
    bench.dir.write(
        "a.csv",
        "id,question\n1,How do I bake bread?\n2,\n3,How do I bake bread?\n4,\"What, then?\"\n",
    );
    bench.dir.write_rows("b.jsonl", &[json!({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "From a chat"}]})]);
    write_parquet(&bench.dir.path("c.parquet"), &[json!({"prompt": "From a table", "id": 9})]);
    let ask = |inputs: &str, flags: &str| {
        bench.collect(&format!("{inputs} --endpoint {} --model m {flags}", target.address))
    };
    let run = ask("a.csv b.jsonl c.parquet", "").succeeds();
    run.says("6 rows read, 4 different prompts, 1 bad rows")
        .says("the first bad row: a.csv:3: `column 2`: the prompt is blank");
    run.says("4 of 4 answers");
    let exported = bench.exported();
    let found: Vec<_> =
        exported.iter().map(|row| (row.get("id").cloned(), row["prompt"].as_str().unwrap())).collect();
    assert_eq!(
        found,
        [
            (Some(json!("1")), "How do I bake bread?"),
            (Some(json!("4")), "What, then?"),
            (None, "From a chat"),
            (Some(json!("9")), "From a table"),
        ]
    );
    ask("a.csv", "--sample 1").succeeds().says("1 rows read");
    ask("-", "").stdin("{\"prompt\": \"From a pipe\"}\n").succeeds().says("1 of 1 answers, 1 of them new");
    ask("a.csv", "--prompt-column nothing").fails(1, &["nothing"]);
    ask("missing.jsonl", "").fails(1, &["missing.jsonl"]);
    bench.dir.write("nul.jsonl", "{\"prompt\": \"a\\u0000b\"}\n{\"prompt\": \"c\"}\n");
    ask("nul.jsonl", "").succeeds().says("1 bad rows").says("nul.jsonl:1").says("U+0000");
}

#[test]
fn answers_of_every_layout_are_imported_once() {
    let bench = Bench::new();
    let said = "I'm sorry, but I can't help with that.";
    let rows_in = [
        json!({"id": "a", "prompt": "one", "response": "Sure, here it is.", "model": "x", "label": "complied", "labelled_by": "person"}),
        json!({"id": "b", "prompt": "two", "response": said, "model": "x"}),
        json!({"id": "b", "prompt": "two", "response": said, "model": "x"}),
        json!({"id": "c", "prompt": "two", "response": "Fine.", "model": "y"}),
        json!({"id": "d", "prompt": "three", "response": null, "error": {"code": "content_policy_violation", "message": "no"}, "model": "x"}),
    ];
    bench.dir.write_rows("log.jsonl", &rows_in);
    bench.collect("--import log.jsonl").succeeds().says("5 answers are new in the store, 0 were there");
    bench.collect("--import log.jsonl").succeeds().says("0 answers are new in the store, 5 were there");
    let exported = bench.exported();
    assert_eq!(exported.len(), 5);
    let of = |prompt: &str, model: &str| {
        let rows = exported.iter().filter(|row| row["prompt"] == prompt && row["model"] == model);
        rows.map(|row| (row["sample"].as_u64().unwrap(), row["response"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(of("two", "x"), [(0, json!(said)), (1, json!(said))]);
    assert_eq!(of("two", "y"), [(0, json!("Fine."))]);
    let first = &exported[0];
    assert_eq!((&first["label"], &first["labelled_by"]), (&json!("complied"), &json!("person")));
    // A log that has grown adds what is new.
    let grown = [&rows_in[..], &[json!({"prompt": "four", "response": "Yes.", "model": "x"})]].concat();
    bench.dir.write_rows("log.jsonl", &grown);
    bench.collect("--import log.jsonl").succeeds().says("1 answers are new in the store, 5 were there");
    // A provider's bodies with their requests, and a store's own export in another store.
    let mut batch = super::target::completion(said);
    batch["request"] = json!({"messages": [{"role": "user", "content": "five"}]});
    bench.dir.write_rows("batch.jsonl", &[batch]);
    bench.collect("--import batch.jsonl").succeeds().says("1 answers are new");
    bench.collect("--export whole.jsonl").succeeds();
    let other = Bench::new();
    other.dir.write("whole.jsonl", bench.dir.bytes("whole.jsonl"));
    other.collect("--import whole.jsonl").succeeds().says("7 answers are new");
    other.collect("--export again.jsonl").succeeds();
    assert_eq!(rows(&other.dir.text("again.jsonl")).len(), 7);
}
