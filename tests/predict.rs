//! `demur predict`: one answer per prompt, in order, whatever the prompt contains.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use crate::support::{Dir, rows};

#[test]
fn a_prompt_gets_a_probability_a_decision_and_its_ngrams() {
    let dir = Dir::with_models();
    let run = dir
        .demur("predict --model prompt")
        .arg("Draft an anonymous note telling my classmate to leave school.")
        .succeeds();
    let words: Vec<&str> = run.stdout.split_whitespace().collect();
    let p: f64 = words[0].parse().unwrap();
    assert!((0.0..=1.0).contains(&p));
    assert_eq!(words[1], if p >= 0.5 { "hold" } else { "send" });
    assert!(words[3].starts_with(['+', '-']), "a word and what it adds: {words:?}");
    assert_eq!(run.stdout.lines().count(), 1);
    assert_eq!(run.stderr, "");
}

#[test]
fn json_adds_up() {
    let dir = Dir::with_models();
    let prompt = "Help me forge \"her\" signature";
    let run = dir.demur("predict --model prompt --json --top 100").arg(prompt).succeeds();
    let row = run.json();
    assert_eq!(row["prompt"], prompt);
    let number = |value: &Value| value.as_f64().unwrap();
    let terms = row["terms"].as_array().unwrap();
    let sum: f64 = terms.iter().map(|term| number(&term["contribution"])).sum();
    let logit = number(&row["logit"]);
    assert!((number(&row["bias"]) + sum - logit).abs() < 1e-6, "{row}");
    let sizes: Vec<f64> = terms.iter().map(|term| number(&term["contribution"]).abs()).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b), "the strongest first: {sizes:?}");
    let model = dir.demur("inspect prompt --json").succeeds().json();
    assert_eq!(row["model"]["digest"], model["digest"]);
    let calibration = &model["manifest"]["calibration"];
    let (slope, intercept) = match calibration["method"].as_str() {
        Some("none") => (1.0, 0.0),
        Some("platt") => (number(&calibration["slope"]), number(&calibration["intercept"])),
        other => panic!("{other:?}"),
    };
    let expected = 1.0 / (1.0 + (-(slope * logit + intercept)).exp());
    assert!((number(&row["p_refusal"]) - expected).abs() < 1e-9, "{row}");
    let run = dir.demur("predict --model prompt --json --top 1").arg(prompt).succeeds();
    assert_eq!(run.json()["terms"].as_array().unwrap().len(), 1);
}

#[test]
fn stdin_is_read_line_by_line_in_order() {
    let dir = Dir::with_models();
    let prompts: Vec<String> = (0..50).map(|n| format!("How do I kill process {n}?")).collect();
    let run = dir.demur("predict --model prompt --json -").stdin(prompts.join("\r\n")).succeeds();
    let out = rows(&run.stdout);
    assert_eq!(out.iter().map(|row| row["prompt"].as_str().unwrap()).collect::<Vec<_>>(), prompts);
    let alone = dir.demur("predict --model prompt --json").arg(&prompts[7]).succeeds().json();
    assert_eq!(alone, Value::Object(out[7].clone()), "the same alone and among others");
}

#[test]
fn blank_lines_are_passed_over_and_reported() {
    let dir = Dir::with_models();
    let run = dir.demur("predict --model prompt -").stdin("one\n\n  \ntwo\n").succeeds();
    assert_eq!(run.stdout.lines().count(), 2);
    run.says("2 blank lines passed over: 2, 3");
}

#[test]
fn an_empty_prompt_is_wrong_use() {
    let dir = Dir::with_models();
    for prompt in ["", "  \t "] {
        dir.demur("predict --model prompt").arg(prompt).fails(2, &["the prompt is empty"]);
    }
    // Invalid arguments are an error before anything is answered.
    dir.demur("predict --model prompt").arg("Good morning").arg("").fails(2, &["the prompt is empty"]);
    dir.demur("predict --model prompt").fails(2, &["<PROMPT>"]);
}

#[test]
fn a_response_classifier_cannot_predict() {
    let dir = Dir::with_models();
    dir.demur("predict --model response hello")
        .fails(2, &["response is a response classifier", "prompt predictor"]);
}

/// A folder with a model that takes its ten targets as inputs: `stern` refuses what the others answer.
fn with_targets() -> Dir {
    let dir = Dir::new();
    let rows: Vec<Value> = ["stern", "mild", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9"]
        .iter()
        .flat_map(|target| {
            (0..25).map(move |n| {
                let label = if *target == "stern" || n == 0 { "refused" } else { "complied" };
                let prompt = format!("How do I bake cake number {n}?");
                json!({"prompt": prompt, "target": target, "label": label})
            })
        })
        .collect();
    dir.write_rows("rows.jsonl", &rows);
    let fit = dir.demur("fit prompt --data rows.jsonl --out model --set prompt.fit.target_shift=1.0");
    fit.fast().succeeds();
    dir
}

#[test]
fn a_target_that_the_model_knows_moves_the_answer() {
    let dir = with_targets();
    let ask = |flags: &str| {
        let run = dir.demur(&format!("predict --model model --json {flags}")).arg("How do I bake a cake?");
        run.succeeds().json()
    };
    let (average, stern) = (ask(""), ask("--target stern"));
    assert!(average.get("target").is_none(), "{average}");
    assert_eq!(stern["target"], json!({"name": "stern", "known": true}));
    assert!(stern["p_refusal"].as_f64() > average["p_refusal"].as_f64(), "{stern} against {average}");
    let terms = stern["terms"].as_array().unwrap();
    assert!(terms.iter().any(|term| term["field"] == "target" && term["ngram"] == "stern"), "{stern}");
    assert_eq!(dir.demur("predict --model model --target stern hello").succeeds().stderr, "");
}

#[test]
fn a_target_that_the_model_does_not_know_is_refused_with_those_that_it_knows() {
    let dir = with_targets();
    let said = ["--target nobody: the target is not known; known are `mild`, `stern`, `t2`", "Leave it out"];
    for command in
        ["predict --model model --target nobody one two", "explain --model model --target nobody one"]
    {
        dir.demur(command).fails(2, &said);
    }
    dir.write("in.jsonl", "{\"prompt\": \"one\"}\n");
    dir.demur("score in.jsonl --out out.jsonl --model model --target nobody").fails(2, &said);
    Dir::with_models()
        .demur("predict --model prompt --target nobody hello")
        .fails(2, &["--target nobody: the target is not known"]);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let dir = Dir::with_models();
    let mut child =
        dir.demur("predict --model prompt --json -").stdin("Hello there\n".repeat(20_000)).start();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!(rows(&first)[0]["prompt"], "Hello there");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn every_script_and_every_length_is_a_prompt() {
    let dir = Dir::with_models();
    let long = "write me a poem about the sea ".repeat(20_000);
    let prompts = [
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{1f1e9}\u{1f1ea} \u{1f600}",
        "\u{627}\u{643}\u{62a}\u{628} \u{642}\u{635}\u{64a}\u{62f}\u{629} \u{202e}evil",
        "\u{5199}\u{4e00}\u{9996}\u{8bd7}",
        "e\u{301}\u{301}\u{301} \u{fdfa} \u{1d4ea}",
        "nul\u{0}inside \u{1}\u{7f}",
        "\u{feff}\u{200b}",
        "?!...",
        long.trim_end(),
    ];
    let run = dir.demur("predict --model prompt --json -").stdin(prompts.join("\n")).succeeds();
    let out = rows(&run.stdout);
    assert_eq!(out.len(), prompts.len());
    for (row, prompt) in out.iter().zip(prompts) {
        assert_eq!(row["prompt"], prompt);
        assert!((0.0..=1.0).contains(&row["p_refusal"].as_f64().unwrap()));
    }
    let run = dir.demur("predict --model prompt -").stdin(prompts.join("\n")).succeeds();
    assert_eq!(run.stdout.lines().count(), prompts.len(), "the text form has one line a prompt");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_prompt() {
    let dir = Dir::with_models();
    let run = dir.demur("predict --model prompt --json -").stdin("\u{feff}Hello there\n").succeeds();
    assert_eq!(run.json()["prompt"], "Hello there");
}

#[test]
fn invalid_utf8_is_located() {
    let dir = Dir::with_models();
    let run = dir.demur("predict --model prompt -").stdin(b"one\ntwo\nthr\xffee\n".to_vec()).run();
    assert_eq!(run.code, Some(1));
    run.says("-:3:").says("invalid UTF-8");
    assert_eq!(run.stdout.lines().count(), 2, "what came before was answered");
}

#[test]
fn several_prompts_and_stdin_may_be_mixed() {
    let dir = Dir::with_models();
    let run = dir.demur("predict --model prompt --json first - last").stdin("middle\n").succeeds();
    let prompts: Vec<Value> = rows(&run.stdout).iter().map(|row| row["prompt"].clone()).collect();
    assert_eq!(prompts, ["first", "middle", "last"]);
}

#[test]
fn thresholds_of_the_recipe_decide() {
    let dir = Dir::with_models();
    dir.demur("fit prompt --data machine.jsonl --out careful")
        .arg("--set")
        .arg("prompt.fit.policy={send_below=0.0,hold_from=1.0}")
        .fast()
        .succeeds();
    let run = dir.demur("predict --model careful").arg("How do I boil an egg?").succeeds();
    assert!(run.stdout.contains("abstain"), "{}", run.stdout);
}
