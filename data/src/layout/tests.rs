//! Each layout reads its own example back: recognised by itself, with the right texts, labels and signs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;

use serde_json::{Map, Value, json};

use super::{LAYOUTS, Layout, LayoutChoice};
use crate::stream::Opening;
use crate::{Corpus, Label, ReadOptions, read};

/// What the example of a layout holds: prompts, answers, labels, and the target of its first row.
struct Holds {
    layout: &'static str,
    prompts: &'static [Option<&'static str>],
    answers: &'static [Option<&'static str>],
    labels: &'static [Option<Label>],
    target: Option<&'static str>,
}

const LOCK: Option<&str> = Some("How do I pick a lock?");
const NO: Option<&str> = Some("I can't help with that.");
const REFUSED: Option<Label> = Some(Label::Refused);
const COMPLIED: Option<Label> = Some(Label::Complied);
const MINI: Option<&str> = Some("gpt-4o-mini");
const PINS: Option<&str> = Some("Push the pins up one by one.");

const fn holds(
    layout: &'static str,
    prompts: &'static [Option<&'static str>],
    answers: &'static [Option<&'static str>],
    target: Option<&'static str>,
) -> Holds {
    Holds { layout, prompts, answers, labels: &[None, None], target }
}

const ALL: &[Holds] = &[
    holds("openai-batch-output", &[None], &[NO], MINI),
    holds("openai-batch-input", &[LOCK], &[None], MINI),
    holds("anthropic-batch-output", &[None], &[NO], Some("claude-3-5-haiku")),
    holds("anthropic-batch-input", &[LOCK], &[None], Some("claude-3-5-haiku")),
    holds("gemini-batch-output", &[LOCK], &[NO], Some("gemini-2.0-flash")),
    holds("gemini-batch-input", &[LOCK], &[None], None),
    holds("bedrock-batch-output", &[LOCK], &[NO], None),
    holds("lm-eval-samples", &[LOCK], &[NO], None),
    holds("inspect-log", &[LOCK], &[NO], MINI),
    holds("inspect-samples", &[LOCK], &[NO], MINI),
    holds("promptfoo-results", &[LOCK], &[NO], Some("openai:gpt-4o-mini")),
    holds("garak-report", &[LOCK], &[NO], None),
    holds("garak-hits", &[LOCK], &[NO], Some("openai gpt-4o-mini")),
    holds("openai-evals-log", &[LOCK], &[NO], None),
    holds("helm-scenario-state", &[LOCK], &[NO], MINI),
    holds("jailbreakbench-artifact", &[LOCK], &[NO], None),
    holds(
        "harmbench-results",
        &[LOCK, Some("How do I bake bread?")],
        &[NO, Some("Mix flour and water.")],
        None,
    ),
    holds("harmbench-behaviors", &[LOCK], &[None], None),
    holds("alpaca-eval-annotations", &[LOCK], &[NO], Some("llama-2-7b-chat")),
    holds("alpaca-eval-outputs", &[LOCK], &[NO], Some("llama-2-7b-chat")),
    holds("mt-bench-answers", &[None, None], &[NO, Some("Mix flour and water.")], Some("vicuna-7b-v1.5")),
    holds("strongreject", &[LOCK], &[None], None),
    Holds {
        layout: "xstest",
        prompts: &[Some("How do I kill a Python process?")],
        answers: &[Some("Use the command kill.")],
        labels: &[COMPLIED],
        target: None,
    },
    holds("or-bench", &[Some("How do I pick a lock that is my own?")], &[None], None),
    holds("do-not-answer", &[LOCK], &[NO], None),
    Holds { layout: "label-studio", prompts: &[None], answers: &[NO], labels: &[REFUSED], target: None },
    Holds { layout: "label-studio-min", prompts: &[None], answers: &[NO], labels: &[REFUSED], target: None },
    Holds { layout: "doccano", prompts: &[None], answers: &[NO], labels: &[REFUSED], target: None },
    Holds { layout: "argilla", prompts: &[LOCK], answers: &[NO], labels: &[REFUSED], target: None },
    Holds { layout: "prodigy", prompts: &[None], answers: &[NO], labels: &[REFUSED], target: None },
    holds("litellm-log", &[LOCK], &[NO], MINI),
    holds("langfuse-export", &[LOCK], &[NO], MINI),
    holds("langsmith-runs", &[LOCK], &[NO], MINI),
    holds("weave-calls", &[LOCK], &[NO], MINI),
    holds("helicone-export", &[LOCK], &[NO], MINI),
    holds("bedrock-invocation-log", &[LOCK], &[NO], Some("anthropic.claude-3-5-haiku")),
    holds("chatgpt-export", &[LOCK], &[NO], MINI),
    holds("opentelemetry-traces", &[LOCK], &[NO], MINI),
    holds("opentelemetry-spans", &[LOCK], &[NO], MINI),
    holds("openinference-spans", &[LOCK], &[NO], MINI),
    holds("chat-completions", &[None], &[NO], MINI),
    holds("provider-bodies", &[None], &[NO], Some("gemini-2.0-flash")),
    holds("ultrachat", &[LOCK], &[NO], None),
    holds("openai-preferences", &[LOCK], &[NO], None),
    holds("preference-pairs", &[LOCK], &[NO], None),
    holds("preference-sides", &[LOCK, LOCK], &[NO, PINS], None),
    holds("arena-pairs", &[LOCK, LOCK], &[NO, PINS], Some("vicuna-13b")),
    holds("several-answers", &[LOCK, LOCK], &[NO, PINS], Some("vicuna-13b")),
];

/// Reads a text as a file of this name.
fn read_as(name: &str, text: &str, options: &ReadOptions) -> Corpus {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    read(&[path], options).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"))
}

fn answers_needed() -> ReadOptions {
    ReadOptions { need_response: true, spare_absent: true, ..ReadOptions::default() }
}

/// The options for a layout. A pair is read by its chosen answer unless both are asked for.
fn options(layout: &'static Layout) -> ReadOptions {
    let mut options = answers_needed();
    if layout.name == "preference-sides" {
        options.opening = Opening { layout: LayoutChoice::Forced(layout), ..Opening::default() };
    }
    options
}

#[track_caller]
fn check(corpus: &Corpus, holds: &Holds) {
    let name = holds.layout;
    let prompts: Vec<Option<&str>> = corpus.records.iter().map(|row| row.prompt.as_deref()).collect();
    let answers: Vec<Option<&str>> = corpus.records.iter().map(|row| row.response.as_deref()).collect();
    assert_eq!(prompts, holds.prompts, "{name}");
    assert_eq!(answers, holds.answers, "{name}");
    for (row, label) in corpus.records.iter().zip(holds.labels) {
        assert_eq!(row.label.as_ref().and_then(|label| label.label), *label, "{name}");
    }
    assert_eq!(corpus.records[0].target.as_deref(), holds.target, "{name}");
    let layout = Layout::of_name(name).unwrap();
    assert!(corpus.summary.read_as.iter().any(|title| title == layout.title), "{:?}", corpus.summary.read_as);
}

/// A layout without an example that is read back would be found here.
#[test]
fn every_layout_reads_its_example() {
    let names: Vec<&str> = LAYOUTS.iter().map(|layout| layout.name).collect();
    let checked: Vec<&str> = ALL.iter().map(|holds| holds.layout).collect();
    assert_eq!(names, checked, "each layout has what its example holds, in the table's order");
    for holds in ALL {
        let layout = Layout::of_name(holds.layout).unwrap();
        let ending = if layout.example.starts_with('[') { "json" } else { "jsonl" };
        let corpus = read_as(&format!("rows.{ending}"), layout.example, &options(layout));
        check(&corpus, holds);
    }
}

/// Objects around rows are found on one line or over several, and rows of JSON Lines in an array too.
#[test]
fn the_form_of_the_json_does_not_matter() {
    for holds in ALL {
        let layout = Layout::of_name(holds.layout).unwrap();
        let example: Value = serde_json::from_str(layout.example).unwrap();
        for text in [layout.example.to_owned(), serde_json::to_string_pretty(&example).unwrap()] {
            check(&read_as("rows.json", &text, &options(layout)), holds);
        }
        if !example.is_array() && layout.rows.is_none() {
            check(&read_as("rows.json", &json!([example]).to_string(), &options(layout)), holds);
        }
    }
}

#[test]
fn a_layout_can_be_forced_and_switched_off() {
    let row = r#"{"result": {"content": "I can't."}, "custom_id": "a", "answer": "other"}"#;
    let with = |layout: &str| {
        let opening = Opening { layout: layout.parse().unwrap(), ..Opening::default() };
        let corpus = read_as("rows.jsonl", row, &ReadOptions { opening, ..ReadOptions::default() });
        (corpus.records[0].response.clone().unwrap(), corpus.summary.read_as)
    };
    assert_eq!(with("auto").0, "other");
    assert_eq!(
        with("anthropic-batch-output"),
        ("I can't.".to_owned(), vec!["Anthropic batch output".to_owned()])
    );
    assert_eq!(with("none").0, "other");
    let error = "nope".parse::<LayoutChoice>().unwrap_err();
    assert!(
        error.contains("no layout is called `nope`; use auto, none or one of openai-batch-output"),
        "{error}"
    );
}

#[test]
fn entries_of_other_types_are_passed_over_and_counted_and_each_output_is_a_row() {
    let text = r#"{"entry_type": "start_run setup", "_config.version": "0.13"}
{"entry_type": "attempt", "uuid": "u1", "status": 1, "prompt": "a", "outputs": ["b", "c"]}
{"entry_type": "attempt", "uuid": "u1", "status": 2, "prompt": "a", "outputs": ["b", "c"]}
{"entry_type": "attempt", "uuid": "u2", "prompt": {"turns": [{"role": "user", "content": {"text": "d"}}]}, "outputs": [{"text": "e"}]}
{"entry_type": "eval", "probe": "x"}
"#;
    let corpus = read_as("report.jsonl", text, &answers_needed());
    let rows: Vec<_> = corpus
        .records
        .iter()
        .map(|row| (row.place.line, row.prompt.as_deref(), row.response.as_deref()))
        .collect();
    assert_eq!(rows, [(3, Some("a"), Some("b")), (3, Some("a"), Some("c")), (4, Some("d"), Some("e"))]);
    assert_eq!(
        corpus.summary.to_string(),
        "6 rows read from 1 file: 3 kept, 0 rejected, 3 dropped (3 entry of another type); read as: garak report"
    );
}

#[test]
fn what_a_provider_says_in_a_nested_body_is_a_sign() {
    let row = |body: Value| {
        let row = json!({"id": "b", "custom_id": "r", "response": {"status_code": 200, "body": body}, "error": null});
        let options = ReadOptions::default();
        let corpus = read_as("rows.jsonl", &row.to_string(), &options);
        corpus.records[0].clone()
    };
    let filtered = row(
        json!({"model": "m", "choices": [{"finish_reason": "content_filter", "message": {"content": "So"}}]}),
    );
    assert_eq!(filtered.response.as_deref(), Some("So"));
    assert_eq!(filtered.signs.unwrap().finish_reason.as_deref(), Some("content_filter"));
    let refused = row(json!({"choices": [{"message": {"content": null, "refusal": "I can't."}}]}));
    assert_eq!(refused.signs.unwrap().refusal.as_deref(), Some("I can't."));
    let failed = row(json!({"error": {"code": "invalid_prompt"}}));
    assert_eq!(
        (failed.response, failed.signs.unwrap().error),
        (None, Some(json!({"code": "invalid_prompt"})))
    );
}

#[test]
fn annotators_who_differ_are_outvoted_or_drop_the_row() {
    let row = |labels: &[&str]| {
        let annotations: Vec<Value> =
            labels.iter().map(|label| json!({"result": [{"value": {"choices": [label]}}]})).collect();
        json!({"id": 1, "data": {"text": "a"}, "annotations": annotations})
    };
    let rows = json!([
        row(&["refused", "refused", "complied"]),
        row(&["complied"]),
        row(&["refused", "complied"]),
        row(&[]),
    ]);
    let corpus = read_as("rows.json", &rows.to_string(), &answers_needed());
    let labels: Vec<_> =
        corpus.records.iter().map(|row| row.label.as_ref().and_then(|label| label.label)).collect();
    assert_eq!(labels, [REFUSED, COMPLIED, None]);
    assert_eq!(corpus.summary.dropped.get("label says drop"), Some(&1));
}

#[test]
fn plain_rows_are_in_no_layout() {
    for row in [
        json!({"prompt": "a", "response": "b", "label": "refused"}),
        json!({"id": 1, "prompt": "a", "type": "question"}),
        json!({"prompt": "a", "category": "illegal", "response": "b"}),
        json!({"messages": [{"role": "user", "content": "a"}], "model": "m"}),
        json!({"instruction": "a", "input": "", "output": "b"}),
        json!({"prompt": "a", "response": {"candidates": [{"finishReason": "SAFETY"}]}}),
        json!({"id": 1, "text": "a", "label": "refused"}),
    ] {
        let row: Map<String, Value> = row.as_object().unwrap().clone();
        let found = Layout::of_rows(&[&row]).map(|layout| layout.name);
        assert_eq!(found, None, "{row:?}");
    }
}

#[test]
fn a_zipped_log_is_its_samples() {
    let sample = |id: u32, answer: &str| {
        json!({"id": id, "epoch": 1, "input": "a", "output": {"choices": [{"message": {"role": "assistant", "content": answer}}]}})
            .to_string()
    };
    let files = [("samples/1_epoch_1.json", sample(1, "b")), ("samples/2_epoch_1.json", sample(2, "c"))];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.eval");
    fs::write(&path, crate::archive::tests::zip(&files)).unwrap();
    let corpus = read(&[path], &answers_needed()).unwrap();
    let answers: Vec<_> = corpus.records.iter().map(|row| row.response.as_deref()).collect();
    assert_eq!(answers, [Some("b"), Some("c")]);
    assert_eq!(corpus.summary.read_as, ["Inspect samples"]);
}
