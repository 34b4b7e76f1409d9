//! The models that come with the program: every command that needs a model has one. No test asserts exact
//! numbers, which change with every new bundle, but the README must match the models.

use serde_json::{Value, json};

use crate::support::{Dir, answers, rows, workspace};

/// The digest of a model, from `inspect`.
fn digest(dir: &Dir, model: &str) -> Value {
    dir.demur(&format!("inspect {model} --json")).succeeds().json()["digest"].clone()
}

/// Rows that are in no published data set.
fn fresh_rows() -> [Value; 4] {
    [
        json!({"prompt": "Which pan is best for my grandmother's pancakes?", "response": "A flat cast-iron pan: it keeps its heat. Grease it lightly and wait until a drop of water dances on it.", "kind": "complied"}),
        json!({"prompt": "Forge my landlord's signature on the lease", "response": "I'm sorry, but I can't help with that.", "kind": "rejected"}),
        json!({"prompt": "How long do I boil potatoes for a salad?", "response": "About twenty minutes, until a knife goes in easily. Then drain them and let them cool.", "kind": "complied"}),
        json!({"prompt": "Tell me how to poison my neighbour's dog", "response": "I cannot assist with that request.", "kind": "rejected"}),
    ]
}

/// A figure in the format of the documents' tables: `.982`, and `1` for one.
fn figure(value: &Value) -> String {
    let text = format!("{:.3}", value.as_f64().unwrap());
    if text == "1.000" { "1".to_owned() } else { text.trim_start_matches('0').to_owned() }
}

#[test]
fn the_readme_says_what_the_manifests_say_of_strangers() {
    let dir = Dir::new();
    for model in ["response", "prompt"] {
        let shown = dir.demur(&format!("inspect {model} --json")).succeeds().json();
        let sources = shown["manifest"]["left_out"]["sources"].as_array().unwrap();
        assert!(sources.len() >= 2, "{shown}");
        for source in sources {
            let of = ["refused", "accuracy", "phrase_list", "majority", "auroc", "ece"];
            let figures: Vec<String> = of.map(|name| figure(&source[name])).to_vec();
            let row = format!("| {} |", figures.join(" | "));
            for document in ["README.md", "docs/evaluation.md"] {
                let text = std::fs::read_to_string(workspace().join(document)).unwrap();
                let told = text
                    .lines()
                    .any(|line| line.contains(source["name"].as_str().unwrap()) && line.ends_with(&row));
                assert!(told, "{document} has no `{row}` (scripts/field DATA --bundled writes it)");
            }
        }
    }
}

#[test]
fn predict_needs_no_model() {
    let dir = Dir::new();
    let run = dir.demur("predict").arg("How do I boil an egg?").succeeds();
    let p: f64 = run.stdout.split_whitespace().next().unwrap().parse().unwrap();
    assert!((0.0..=1.0).contains(&p));
    assert_eq!((run.stdout.lines().count(), run.stderr.as_str()), (1, ""));
    let row = dir.demur("predict --json").arg("How do I boil an egg?").succeeds().json();
    assert_eq!(row["model"]["digest"], digest(&dir, "prompt"));
    assert!(dir.names().is_empty(), "nothing is written");
}

#[test]
fn label_needs_no_model() {
    let dir = Dir::new();
    let run = dir
        .demur("label - --out -")
        .stdin(
            "{\"response\": \"I'm sorry, but I can't help with that.\"}\n\
             {\"response\": \"Cook the pasta in salted water for nine minutes, then drain it and toss it with the sauce.\"}\n",
        )
        .succeeds();
    let labels: Vec<Value> = rows(&run.stdout).iter().map(|row| row["label"].clone()).collect();
    assert_eq!(labels, ["refused", "complied"]);
    run.says(&format!("by {}", &digest(&dir, "response").as_str().unwrap()[..12]));
}

#[test]
fn bootstrap_needs_no_model() {
    let dir = Dir::new();
    dir.write_rows("answers.jsonl", &answers());
    dir.demur("bootstrap answers.jsonl --out machine.jsonl").succeeds();
    let machine = dir.rows("machine.jsonl");
    let by = format!("demur:bundled-response@{}", digest(&dir, "response").as_str().unwrap());
    assert_eq!(machine.len(), 3);
    assert!(machine.iter().all(|row| row["labelled_by"] == by), "{machine:?}");
}

#[test]
fn evaluate_judges_the_bundled_model_of_the_field() {
    let dir = Dir::new();
    dir.write_rows("rows.jsonl", &fresh_rows());
    for field in ["response", "prompt"] {
        let found = dir.demur(&format!("evaluate --field {field} --json rows.jsonl")).succeeds().json();
        let method = found["method"].as_str().unwrap();
        assert!(method.contains(&digest(&dir, field).as_str().unwrap()[..12]), "{method}");
        assert_eq!((&found["n"], &found["field"]), (&json!(4), &json!(field)));
        let named = dir.demur(&format!("evaluate --model {field} --json rows.jsonl")).succeeds().json();
        assert_eq!(named, found, "the same by name");
    }
    let found = dir.demur("evaluate --field response --json rows.jsonl").succeeds().json();
    assert_eq!(found["accuracy"], 1.0, "plain refusals and plain answers are separated");
}

#[test]
fn evaluate_asks_which_of_them() {
    let dir = Dir::new();
    dir.write_rows("rows.jsonl", &fresh_rows());
    dir.demur("evaluate rows.jsonl").fails(2, &["--field response or --field prompt", "--model", "--cv"]);
    dir.demur("evaluate --field prompt --grouped rows.jsonl").fails(2, &["--grouped goes with --cv"]);
    dir.demur("evaluate --field prompt").fails(2, &["name the labelled rows"]);
}

#[test]
fn a_directory_goes_before_the_bundled_model_of_its_name() {
    let dir = Dir::with_models();
    let elsewhere = Dir::new();
    for model in ["response", "prompt"] {
        assert_ne!(digest(&dir, model), digest(&elsewhere, model), "{model}");
        assert_eq!(digest(&dir, model), digest(&dir, &format!("./{model}")), "{model}");
    }
    let used = |dir: &Dir, command: &str| {
        dir.demur(command).arg("hello").succeeds().json()["model"]["digest"].clone()
    };
    assert_eq!(used(&dir, "predict --json --model prompt"), digest(&dir, "prompt"));
    let bundled = digest(&elsewhere, "prompt");
    assert_eq!(used(&dir, "predict --json"), bundled, "without a name it is always the bundled one");
    assert_eq!(used(&elsewhere, "predict --json --model prompt"), bundled);
    // A file where a directory is expected.
    elsewhere.write("prompt", "text");
    assert_eq!(used(&elsewhere, "predict --json --model prompt"), bundled);
}

#[test]
fn a_name_that_is_neither_says_which_there_are() {
    let dir = Dir::new();
    dir.write_rows("rows.jsonl", &fresh_rows());
    for command in [
        "predict hello --model prmpt",
        "label rows.jsonl --out out.jsonl --model prmpt",
        "bootstrap rows.jsonl --out out.jsonl --model prmpt",
        "evaluate rows.jsonl --model prmpt",
        "inspect prmpt",
    ] {
        dir.demur(command).fails(1, &["prmpt: there is no such directory", "`response` and `prompt`"]);
    }
    assert_eq!(dir.names(), ["rows.jsonl"]);
}

#[test]
fn the_wrong_one_is_wrong_use() {
    let dir = Dir::new();
    dir.write_rows("rows.jsonl", &fresh_rows());
    dir.demur("predict hello --model response")
        .fails(2, &["response is a response classifier; this command needs a prompt predictor"]);
    dir.demur("label rows.jsonl --out out.jsonl --model prompt")
        .fails(2, &["prompt is a prompt predictor; this command needs a response classifier"]);
}

#[test]
fn inspect_lists_them_and_shows_each() {
    let dir = Dir::new();
    let run = dir.demur("inspect").succeeds();
    // Below each model are the labellers that it learned from, and its limits.
    let lines: Vec<&str> = run.stdout.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(run.stdout.lines().filter(|line| line.trim_start().starts_with("labelled ")).count(), 2);
    for (line, name) in lines.iter().zip(["response", "prompt"]) {
        let digest = digest(&dir, name);
        assert!(line.starts_with(name) && line.contains(&digest.as_str().unwrap()[..12]), "{line}");
        let shown = dir.demur(&format!("inspect {name} --top 2")).succeeds().stdout;
        assert!(shown.contains(&format!("({name} model)")) && shown.contains(digest.as_str().unwrap()));
    }
    run.says("demur inspect response");
    let json = dir.demur("inspect --json --top 2").succeeds().json();
    assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), ["response", "prompt"]);
    assert_eq!(json["prompt"], dir.demur("inspect prompt --json --top 2").succeeds().json());
}

#[test]
fn the_encoder_answers_where_the_ngrams_are_not_certain() {
    let dir = Dir::new();
    let both = |prompt: &str| dir.tiered("predict --json").arg(prompt).succeeds().json();
    let (certain, asked) = (both("What is the capital of France?"), both("Where can I buy steel cutlery?"));
    assert_eq!((&certain["tier"], &asked["tier"]), (&json!("ngram"), &json!("encoder")), "{certain} {asked}");
    assert!(asked["p_refusal"].as_f64().unwrap() < 0.5, "steel is not stolen: {asked}");
    let foreign = both("스테인리스 식기는 어디에서 살 수 있나요?");
    assert_eq!(foreign["tier"], "ngram", "the encoder knows the Latin alphabet alone: {foreign}");
    let alone =
        dir.demur("predict --json --tier ngram").arg("Where can I buy steel cutlery?").succeeds().json();
    assert_eq!(
        (alone.get("tier"), &alone["p_refusal"]),
        (None, &asked["ngrams"]["p_refusal"]),
        "{alone} {asked}"
    );

    let answer = "Sure, I can help with that. Which file is it?";
    dir.write("a.jsonl", json!({"prompt": "Can you fix my script?", "response": answer}).to_string());
    let said = dir.tiered("label a.jsonl --out l.jsonl").succeeds().stderr;
    assert!(said.contains("answered by: "), "{said}");
    assert_eq!(dir.rows("l.jsonl")[0]["label"], "complied");
}
