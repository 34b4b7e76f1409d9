//! `demur bootstrap`: many answers become one row per prompt, and the row records who labelled it.

use serde_json::{Value, json};

use crate::support::{Dir, KIND, rows};

const NO: &str = "I'm sorry, but I can't help with that. I won't do it.";
const YES: &str = "Put it into boiling water for seven minutes, then cool it.";

fn answer(prompt: &str, target: &str, response: &str) -> Value {
    json!({"prompt": prompt, "target": target, "source": "mine", "response": response})
}

#[test]
fn several_answers_to_one_prompt_become_one_row() {
    let dir = Dir::with_models();
    let input = [
        answer("Help me!", "m", NO),
        answer("How do I boil an egg?", "m", YES),
        answer("help  ME", "m", NO),
        answer("Help me!", "m", YES),
        answer("Help me!", "other", YES),
    ];
    dir.write_rows("in.jsonl", &input);
    let run = dir.demur("bootstrap in.jsonl --model response --out out.jsonl").succeeds();
    assert_eq!(run.stdout, "");
    run.says("m: 2 prompts, 4 answers, 1 refused").says("other: 1 prompts, 1 answers, 0 refused");
    dir.demur("label in.jsonl --model response --out each.jsonl").succeeds();
    let p: Vec<f64> = dir.rows("each.jsonl").iter().map(|row| row["p_refusal"].as_f64().unwrap()).collect();
    let out = dir.rows("out.jsonl");
    assert_eq!(out.len(), 3);
    let row = &out[0];
    assert_eq!(row["prompt"], "Help me!", "as it first stood");
    assert_eq!((&row["target"], &row["source"], &row["samples"]), (&json!("m"), &json!("mine"), &json!(3)));
    let number = |name: &str| row[name].as_f64().unwrap();
    assert!((number("p_refusal") - (p[0] + p[2] + p[3]) / 3.0).abs() < 1e-12, "the mean: {row:?} of {p:?}");
    assert!((number("refusal_rate") - 2.0 / 3.0).abs() < 1e-12, "{row:?}");
    let certainty = [p[0], p[2], p[3]].iter().map(|p| (2.0 * p - 1.0).abs()).sum::<f64>() / 3.0;
    assert!((number("confidence") - certainty).abs() < 1e-12, "{row:?}");
    assert_eq!(row["weight"], 1.0, "a machine's certainty is no weight");
    assert_eq!(row["label"], "refused");
    assert_eq!((&out[1]["samples"], &out[1]["label"]), (&json!(1), &json!("complied")));
    assert_eq!((&out[2]["target"], &out[2]["refusal_rate"]), (&json!("other"), &json!(0.0)));
}

#[test]
fn every_row_names_the_model_that_labelled_it() {
    let dir = Dir::with_models();
    let model = dir.demur("inspect response --json").succeeds().json();
    let labelled_by = format!("demur:starter-response@{}", model["digest"].as_str().unwrap());
    let machine = dir.rows("machine.jsonl");
    assert_eq!(machine.len(), 228, "240 answers to 228 prompts");
    assert!(machine.iter().all(|row| row["labelled_by"] == labelled_by.as_str()));
    let answers: u64 = machine.iter().map(|row| row["samples"].as_u64().unwrap()).sum();
    assert_eq!(answers, 240);
}

#[test]
fn a_prompt_predictor_is_fitted_on_what_it_writes() {
    let dir = Dir::with_models();
    let run = dir.demur("fit prompt --data machine.jsonl --out again").fast().succeeds();
    run.says("228 rows read from 1 file: 228 kept");
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    assert_eq!(dir.tree("again"), dir.tree("prompt"));
    let manifest: Value = serde_json::from_slice(&dir.bytes("prompt/manifest.json")).unwrap();
    let labellers = &manifest["training"][0]["labellers"];
    assert_eq!((&labellers[0]["by"], &labellers[0]["rows"]), (&json!("demur"), &json!(228)));
    assert!(labellers[0]["who"].as_str().unwrap().starts_with("starter-response@"), "{labellers}");
    assert_eq!(dir.bytes("machine.jsonl.seen"), dir.bytes("response/seen.bin"));
}

#[test]
fn all_formats_can_be_written_and_read_again() {
    let dir = Dir::with_models();
    for ending in ["csv", "parquet", "jsonl.gz"] {
        dir.demur(&format!("bootstrap unlabelled.jsonl --model response --out m.{ending}")).succeeds();
        let run = dir.demur(&format!("fit prompt --data m.{ending} --out of-{ending}")).fast().succeeds();
        assert!(!run.stderr.contains("warning"), "{}", run.stderr);
        let (this, first) = (format!("of-{ending}/weights.safetensors"), "prompt/weights.safetensors");
        assert_eq!(dir.bytes(&this), dir.bytes(first), "{ending} keeps every bit of the labels");
    }
}

/// The predictor's own labels are in these rows, so figures on them would be too good.
#[test]
fn the_predictor_is_not_judged_on_the_classifiers_own_prompts() {
    let dir = Dir::with_models();
    dir.demur(&format!("evaluate --model prompt {KIND}")).fails(1, &["323 rows", "--allow-overlap"]);
}

#[test]
fn without_the_seen_file_a_fit_warns() {
    let dir = Dir::with_models();
    std::fs::remove_file(dir.path("machine.jsonl.seen")).unwrap();
    dir.demur("fit prompt --data machine.jsonl --out again")
        .fast()
        .succeeds()
        .says("warning: there is no .seen");
    dir.write("machine.jsonl.seen", "not digests");
    dir.demur("fit prompt --data machine.jsonl --out broken")
        .fast()
        .fails(1, &["machine.jsonl.seen", "demur bootstrap"]);
    assert!(!dir.path("broken").exists());
}

#[test]
fn stdout_has_the_rows_and_stderr_says_what_is_missing() {
    let dir = Dir::with_models();
    let before = dir.names();
    let run = dir
        .demur("bootstrap - --model response --out -")
        .stdin(answer("Help me!", "m", NO).to_string())
        .succeeds();
    assert_eq!(rows(&run.stdout).len(), 1);
    run.says(".seen");
    assert_eq!(dir.names(), before);
}

#[test]
fn rows_without_a_prompt_are_bad_rows() {
    let dir = Dir::with_models();
    dir.write_rows("in.jsonl", &[answer("Help me!", "m", NO), json!({"prompt": null, "response": YES})]);
    let run = dir.demur("bootstrap in.jsonl --model response --out out.jsonl").succeeds();
    run.says("1 kept, 1 rejected").says("out.jsonl.rejected.jsonl");
    let rejected = dir.rows("out.jsonl.rejected.jsonl");
    assert_eq!((&rejected[0]["line"], &rejected[0]["field"]), (&json!(2), &json!("prompt")));
}

#[test]
fn a_prompt_predictor_cannot_label() {
    let dir = Dir::with_models();
    dir.demur("bootstrap unlabelled.jsonl --model prompt --out out.jsonl")
        .fails(2, &["prompt is a prompt predictor"]);
}
