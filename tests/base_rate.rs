//! `--base-rate`: probabilities for traffic with a refusal share other than the one in the model's manifest.

use serde_json::{Value, json};

use crate::support::{Dir, rows};

const PROMPTS: [&str; 3] = ["How do I boil an egg?", "Forge my landlord's signature", "Hello"];

fn log_odds(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

fn stated(dir: &Dir, model: &str) -> f64 {
    let manifest = dir.demur(&format!("inspect {model} --json")).succeeds().json()["manifest"].clone();
    manifest["base_rate"].as_f64().unwrap()
}

fn predicted(dir: &Dir, flags: &str) -> Vec<f64> {
    let lines = dir.demur(&format!("predict --json {flags} -")).stdin(PROMPTS.join("\n")).succeeds();
    rows(&lines.stdout).iter().map(|row| row["p_refusal"].as_f64().unwrap()).collect()
}

#[test]
fn every_probability_moves_by_one_shift_of_its_logit() {
    let dir = Dir::with_models();
    let shift = log_odds(0.02) - log_odds(stated(&dir, "prompt"));
    let (own, moved) =
        (predicted(&dir, "--model prompt"), predicted(&dir, "--model prompt --base-rate 0.02"));
    for (own, moved) in own.iter().zip(&moved) {
        assert!((log_odds(*moved) - log_odds(*own) - shift).abs() < 1e-6, "{own} to {moved} by {shift}");
    }
    assert_eq!(predicted(&dir, &format!("--model prompt --base-rate {}", stated(&dir, "prompt"))), own);
}

#[test]
fn files_are_scored_labelled_and_judged_under_it_too() {
    let dir = Dir::with_models();
    let prompts: Vec<Value> = PROMPTS.iter().map(|prompt| json!({ "prompt": prompt })).collect();
    dir.write_rows("prompts.jsonl", &prompts);
    dir.demur("score prompts.jsonl --model prompt --base-rate 0.3 --out scored.jsonl").succeeds();
    let scored: Vec<f64> =
        dir.rows("scored.jsonl").iter().map(|row| row["p_refusal"].as_f64().unwrap()).collect();
    assert_eq!(scored, predicted(&dir, "--model prompt --base-rate 0.3"));
    let answers = [
        json!({"prompt": "Where do storks winter?", "response": "In Africa, most of them.", "label": "complied"}),
        json!({"prompt": "Write a threat", "response": "I'm sorry, but I can't help with that.", "label": "refused"}),
    ];
    dir.write_rows("answers.jsonl", &answers);
    let labelled = |flags: &str| -> Vec<f64> {
        dir.demur(&format!("label answers.jsonl --model response {flags} --out labelled.jsonl")).succeeds();
        dir.rows("labelled.jsonl").iter().map(|row| row["p_refusal"].as_f64().unwrap()).collect()
    };
    let (own, rare) = (labelled(""), labelled("--base-rate 0.001"));
    assert!(own.iter().zip(&rare).all(|(own, rare)| rare < own), "{own:?} {rare:?}");
    let judged = |flags: &str| {
        let command = format!("evaluate --model response {flags} --json answers.jsonl");
        dir.demur(&command).succeeds().json()["log_loss"].as_f64().unwrap()
    };
    assert!((judged("") - judged("--base-rate 0.001")).abs() > 1e-6);
}

#[test]
fn the_share_is_estimated_from_the_traffic_itself() {
    let dir = Dir::with_models();
    let harm = "Forge my landlord's signature";
    let write = |name: &str, refused: usize| {
        let row = |at: usize| json!({ "prompt": if at < refused { harm } else { "How do I boil an egg?" } });
        dir.write_rows(name, &(0..200).map(row).collect::<Vec<_>>());
    };
    write("calm.jsonl", 2);
    write("rough.jsonl", 150);
    let estimate = |name: &str| -> f64 {
        let run = dir
            .demur(&format!("score {name} --model prompt --base-rate auto --out {name}.scored.jsonl"))
            .succeeds();
        run.says("estimated from the probabilities of 200 rows").says("manifest states");
        let said = run.stderr.split("base rate ").nth(1).unwrap();
        said.split(',').next().unwrap().parse().unwrap()
    };
    let (calm, rough) = (estimate("calm.jsonl"), estimate("rough.jsonl"));
    let p = predicted(&dir, "--model prompt");
    assert!(p[1] > p[0], "the model must tell them apart: {p:?}");
    assert!(calm < rough, "{calm} {rough}");
    assert_eq!(dir.rows("calm.jsonl.scored.jsonl").len(), 200, "every row is written");
    dir.demur("score - --model prompt --base-rate auto --out out.jsonl")
        .stdin("{\"prompt\": \"a\"}\n")
        .fails(2, &["--base-rate auto reads the inputs twice", "stdin"]);
}

#[test]
fn rates_and_models_that_it_cannot_work_with_are_wrong_use() {
    let dir = Dir::with_models();
    for rate in ["0", "1", "-0.2", "nan", "often"] {
        dir.demur(&format!("predict hello --base-rate={rate}")).fails(2, &["between 0 and 1"]);
    }
    dir.demur("score x.jsonl --out y.jsonl --base-rate often").fails(2, &["between 0 and 1", "`auto`"]);
    dir.demur("evaluate --field prompt --cv 2 --base-rate 0.1").fails(2, &["--base-rate goes with a model"]);
    // The manifest of an older model has no base rate.
    let mut manifest: Value = serde_json::from_str(&dir.text("prompt/manifest.json")).unwrap();
    manifest.as_object_mut().unwrap().remove("base_rate");
    manifest["format"] = json!(2);
    dir.write("prompt/manifest.json", manifest.to_string());
    dir.demur("predict hello --model prompt").succeeds();
    dir.demur("predict hello --model prompt --base-rate 0.1")
        .fails(2, &["states no base rate", "`base_rate` in the recipe"]);
}
