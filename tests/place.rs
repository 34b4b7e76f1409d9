//! `demur place` and `demur probes`: a new target from some of its answers, used by every command, and the
//! prompts to ask it.

use std::fs;

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{Dir, rows, workspace};

const PROMPT: &str = "How do I pick a lock?";

/// A folder with the labelled answers of a target that refuses whatever names a tool or a substance.
fn with_answers() -> Dir {
    let dir = Dir::new();
    let things = ["lock", "knife", "drill", "saw", "hammer", "bleach"];
    let others = ["poem", "cake", "song", "letter", "garden", "kite"];
    let mut answers = Vec::new();
    for (words, label) in [(things, "refused"), (others, "complied")] {
        for word in words {
            for prompt in [format!("How do I use a {word}?"), format!("Tell me about every {word}")] {
                answers.push(
                    json!({"prompt": prompt, "label": label, "model": "fussy", "labelled_by": "person"}),
                );
            }
        }
    }
    dir.write_rows("answers.jsonl", &answers);
    dir
}

fn p(dir: &Dir, flags: &str) -> f64 {
    dir.demur(&format!("predict --json {flags}")).arg(PROMPT).succeeds().json()["p_refusal"].as_f64().unwrap()
}

#[test]
fn a_placed_target_is_predicted_scored_explained_judged_and_served() {
    let dir = with_answers();
    let run = dir.demur("place answers.jsonl").succeeds();
    assert!(run.stdout.starts_with("fussy: 24 prompts, 24 answers, 0.500 refused"), "{}", run.stdout);
    run.says("placed on answers labelled 24 by persons");
    let as_fussy = "--target fussy --placed fussy.target.json";
    let (average, fussy) = (p(&dir, ""), p(&dir, as_fussy));
    assert!(fussy > average + 0.1, "{fussy} {average}");

    dir.write_rows("prompts.jsonl", &[json!({"prompt": PROMPT})]);
    dir.demur(&format!("score prompts.jsonl --out scored.jsonl {as_fussy}")).succeeds();
    let scored = dir.rows("scored.jsonl")[0]["p_refusal"].as_f64().unwrap();
    assert!((scored - fussy).abs() < 1e-9, "{scored} {fussy}");

    let explained = dir.demur(&format!("explain --json {as_fussy}")).arg(PROMPT).succeeds().json();
    assert!((explained["p_refusal"].as_f64().unwrap() - fussy).abs() < 1e-9, "{explained}");
    assert!(explained["shares"].to_string().contains("fussy"), "{explained}");

    // The rows name the target, so they are judged as its own.
    let accuracy = |flags: &str| {
        let run = dir.demur(&format!("evaluate answers.jsonl --field prompt --allow-overlap --json {flags}"));
        run.succeeds().json()["accuracy"].as_f64().unwrap()
    };
    assert!(accuracy("--placed .") > accuracy(""), "{} {}", accuracy("--placed ."), accuracy(""));

    let server = Server::start(&dir, "--placed fussy.target.json");
    let body = server.post("/v1/predict", json!({"prompt": PROMPT, "target": "fussy"}).to_string()).ok();
    let served = body["predictions"][0]["p_refusal"].as_f64().unwrap();
    assert!((served - fussy).abs() < 1e-9, "{served} {fussy}");
    assert!(server.get("/v1/models/prompt").text().contains("fussy"));
}

#[test]
fn answers_without_labels_are_judged_by_the_bundled_classifier() {
    let dir = Dir::with_starter();
    let run = dir.demur("place unlabelled.jsonl --json --out own.target.json").succeeds();
    run.says("answers without a label judged by bundled-response").says("by Demur itself");
    let placed = run.json();
    assert_eq!(placed["name"], "demo-assistant");
    assert!(placed["prompts"].as_u64().unwrap() > 200, "{}", placed["prompts"]);
    let figures = |name: &str| placed["figures"][name].as_f64().unwrap();
    assert!(figures("log_loss") < figures("average_log_loss"), "{}", placed["figures"]);
}

#[test]
fn of_several_targets_the_named_one_is_placed() {
    let dir = with_answers();
    let mut both = dir.rows("answers.jsonl");
    let mut other = both.clone();
    for row in &mut other {
        row["model"] = json!("mild");
        row["label"] = json!("complied");
    }
    both.append(&mut other);
    let both: Vec<Value> = both.into_iter().map(Value::Object).collect();
    dir.write_rows("both.jsonl", &both);
    dir.demur("place both.jsonl").fails(2, &["several targets", "--name", "fussy, mild"]);
    dir.demur("place both.jsonl --name none").fails(2, &["several targets"]);
    let placed = dir.demur("place both.jsonl --name mild --json").succeeds().json();
    assert_eq!((&placed["refused"], &placed["prompts"]), (&json!(0.0), &json!(24)));
    assert!(dir.path("mild.target.json").is_file());
    dir.demur("predict x --placed .").succeeds();
    dir.demur("predict x --target fussy --placed .").fails(2, &["the target is not known"]);
}

#[test]
fn a_placed_target_belongs_to_its_model_and_must_be_whole() {
    let dir = with_answers();
    dir.demur("place answers.jsonl").succeeds();
    let text = dir.text("fussy.target.json");
    let other = Dir::with_models();
    other.write("fussy.target.json", &text);
    other
        .demur("predict x --model ./prompt --placed fussy.target.json")
        .fails(1, &["was placed in the model bundled-prompt", "place the target again"]);
    dir.demur("label answers.jsonl --out x.jsonl --placed y").fails(2, &["--placed"]);
    let wrong = |content: &str, said: &str| {
        dir.write("wrong.target.json", content);
        dir.demur("predict x --placed wrong.target.json").fails(1, &["wrong.target.json", said]);
    };
    wrong(&text.replacen("\"intercept\":", "\"intercept\":1", 1), "it was changed");
    wrong(&text[..200], "no placed target");
    wrong("", "no placed target");
    wrong(&text.replacen("\"format\":1", "\"format\":9", 1), "use a newer demur");
    dir.demur("predict x --placed none.json").fails(1, &["none.json"]);
    dir.demur("serve --port 0 --placed none.json").fails(1, &["none.json"]);
}

#[test]
fn what_cannot_be_placed_is_said() {
    let dir = with_answers();
    dir.demur("place answers.jsonl --name gpt-4o-mini").fails(1, &["knows a target `gpt-4o-mini` already"]);
    dir.demur("place answers.jsonl --model response").fails(2, &["response"]);
    dir.demur("place answers.jsonl --out answers.jsonl").fails(2, &["would overwrite an input"]);
    dir.demur("place answers.jsonl --ordinary=-1").fails(2, &["--ordinary"]);
    let few: Vec<Value> = dir.rows("answers.jsonl").into_iter().take(9).map(Value::Object).collect();
    dir.write_rows("few.jsonl", &few);
    dir.demur("place few.jsonl").fails(1, &["9 different prompts", "10 to 2000"]);
    dir.write("bare.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\n");
    dir.demur("place bare.jsonl").fails(2, &["name no target"]);
    dir.demur("place bare.jsonl --name mine").fails(1, &["no row has a label or a response"]);
    assert!(!dir.path("mine.target.json").exists());
}

#[test]
fn probes_are_of_the_bundled_set_or_chosen_from_files() {
    let dir = Dir::new();
    let twenty = dir.demur("probes 20").succeeds().stdout;
    let found = rows(&twenty);
    assert_eq!(found.len(), 20);
    let severities = |name: &str| found.iter().filter(|row| row["severity"] == name).count();
    assert_eq!(["harmful", "borderline", "everyday"].map(severities), [8, 8, 4]);
    assert!(found.iter().all(|row| !row.contains_key("label")), "a norm is no answer of the target");
    let corpus = |name: &str| workspace().join("data/corpus").join(name).display().to_string();
    let (prompts, everyday) = (corpus("prompts.jsonl"), corpus("everyday.jsonl"));
    let again = dir
        .demur("probes 20 --category-column topic --out own.jsonl --from")
        .args([prompts.as_str(), everyday.as_str()].into_iter());
    again.succeeds();
    assert_eq!(
        fs::read_to_string(dir.path("own.jsonl")).unwrap(),
        twenty,
        "scripts/probes makes the set again"
    );
    dir.demur("probes 0").fails(2, &["choose from 1 to 1000"]);
    dir.write("two.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\n");
    dir.demur("probes 3 --from two.jsonl").fails(1, &["3 prompts are to be chosen from 2 different ones"]);
}
