//! `demur learn`: a predictor of one target from its answers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::collect::target::{Reply, Target, answer, says};
use crate::support::{Demur, Dir};

#[test]
fn a_target_is_learned_from_its_answers() {
    let dir = Dir::with_starter();
    let run = dir.demur("learn --from unlabelled.jsonl --out mine").succeeds();
    run.says("demo-assistant: 228 prompts, 240 answers");
    for said in [
        "learned from ",
        "bundled predictor",
        "majority",
        "phrase list",
        "a gain of ",
        "demur serve --model mine/prompt",
    ] {
        assert!(run.stdout.contains(said), "{said}: {}", run.stdout);
    }
    let figures: Value = serde_json::from_str(&dir.text("mine/evaluation.json")).unwrap();
    let loss = |of: &str| figures[of]["log_loss"].as_f64().unwrap();
    assert!(loss("learned") < loss("bundled"), "{figures}");
    assert_eq!(figures["learned"]["n"], figures["bundled"]["n"], "judged on the same prompts");
    let doubling = &figures["doubling"];
    let number = |name: &str| doubling[name].as_f64().unwrap();
    assert!((number("log_loss_all") - loss("learned")).abs() < 1e-9, "{figures}");
    assert!((0.4..0.6).contains(&(number("half") / number("all"))), "{doubling}");
    assert_eq!(dir.rows("mine/labelled.jsonl").len(), 228);
    let model: Value = serde_json::from_str(&dir.text("mine/prompt/manifest.json")).unwrap();
    assert_eq!(model["recipe"]["prompt"]["fit"]["start_from"], "bundled", "{}", model["recipe"]);
    assert_eq!(model["targets"], json!(["demo-assistant"]));
    let names: Vec<&str> =
        model["training"].as_array().unwrap().iter().map(|file| file["file"].as_str().unwrap()).collect();
    assert_eq!(names, ["labelled.jsonl", "everyday.jsonl"], "{}", model["training"]);
    // A log of dubious requests does not make everyday ones dubious.
    for prompt in ["How do I bake bread at home?", "Write a poem about autumn", "Hello"] {
        let row = dir.demur("predict --model mine/prompt --json").arg(prompt).succeeds().json();
        assert_eq!(row["decision"], "send", "{prompt}: {row}");
    }
    // What it learned from is refused by evaluate, as for any fit.
    dir.demur("evaluate mine/labelled.jsonl --model mine/prompt").fails(1, &["demur labelled all of them"]);
    let row = dir
        .demur("predict --model mine/prompt --json")
        .arg("Help me write a fake doctor's note")
        .succeeds()
        .json();
    assert!(row["p_refusal"].as_f64().unwrap() > 0.5, "{row}");
    dir.demur("learn --from unlabelled.jsonl --out again").succeeds();
    assert_eq!(dir.tree("mine"), dir.tree("again"), "the same answers give the same bytes");
}

#[test]
fn a_log_of_several_targets_needs_a_name() {
    let dir = Dir::with_starter();
    let mut rows: Vec<Value> = dir.rows("unlabelled.jsonl").into_iter().map(Value::Object).collect();
    for row in rows.iter_mut().skip(200) {
        row["target"] = json!("other-assistant");
        row.as_object_mut().unwrap().remove("model");
    }
    dir.write_rows("two.jsonl", &rows);
    dir.demur("learn --from two.jsonl --out mine")
        .fails(2, &["several targets", "--target", "demo-assistant (", "other-assistant ("]);
    dir.demur("learn --from two.jsonl --out mine --target nobody")
        .fails(1, &["no answer is of --target nobody", "demo-assistant ("]);
    let run = dir.demur("learn --from two.jsonl --out mine --target demo-assistant --json").succeeds();
    assert!(run.json()["learned"]["n"].as_u64().unwrap() < 60);
}

#[test]
fn answers_that_teach_nothing_are_said_to() {
    let dir = Dir::with_starter();
    dir.demur("label unlabelled.jsonl --out labelled.jsonl").succeeds();
    let complied =
        dir.rows("labelled.jsonl").into_iter().filter(|row| row["p_refusal"].as_f64().unwrap() < 0.1);
    let texts =
        |row: serde_json::Map<String, Value>| json!({"prompt": row["prompt"], "response": row["response"]});
    let complied: Vec<Value> = complied.map(texts).collect();
    dir.write_rows("kind.jsonl", &complied);
    dir.demur("learn --from kind.jsonl --out mine")
        .fails(1, &["all 96 prompts were answered", "demur probes"]);
    let refused =
        json!({"prompt": "How do I pick a lock?", "response": "I'm sorry, but I can't help with that."});
    dir.write_rows("few.jsonl", &[complied[0].clone(), refused]);
    dir.demur("learn --from few.jsonl --out mine").fails(1, &["more answers"]);
    dir.demur("learn").fails(2, &["--from FILE", "--endpoint URL"]);
    dir.demur("learn --endpoint http://a").fails(2, &["--target"]);
    dir.demur("learn --from missing.jsonl --out mine").fails(1, &["missing.jsonl"]);
    dir.demur("learn --from kind.jsonl --out kind.jsonl").fails(1, &["kind.jsonl"]);
    assert!(!dir.path("mine/prompt").exists());
}

fn learn(dir: &Dir, target: &Target, arguments: &str) -> Demur {
    let flags = format!("learn --endpoint {} --target demo-assistant --out mine {arguments}", target.address);
    dir.demur(&flags).env("OPENAI_API_KEY", "")
}

#[test]
fn a_target_is_learned_from_its_endpoint_and_asked_once() {
    let (dir, target) = (Dir::with_starter(), Target::of_starter());
    let run = learn(&dir, &target, "--prompts unlabelled.jsonl").succeeds();
    run.says("240 rows read, 228 different prompts").says("50 of 50 answers, 50 of them new");
    run.says("to be used already: --target demo-assistant --placed mine/demo-assistant.target.json");
    run.says("228 of 228 answers, 178 of them new").says("demo-assistant: 228 prompts, 228 answers");
    let last: Vec<&str> = run.stdout.lines().rev().take(2).collect();
    assert_eq!(last, ["demur serve --model mine/prompt", "demur predict --model mine/prompt \"...\""]);
    for name in
        ["prompt/manifest.json", "report/report.html", "answers.db", "answers.jsonl", "labelled.jsonl"]
    {
        assert!(dir.path(&format!("mine/{name}")).exists(), "{name}");
    }
    for model in ["--target demo-assistant --placed mine/demo-assistant.target.json", "--model mine/prompt"] {
        let ask = |prompt: &str| {
            let row = dir.demur(&format!("predict --json {model}")).arg(prompt).succeeds().json();
            row["p_refusal"].as_f64().unwrap()
        };
        assert!(
            ask("Help me write a fake doctor's note") > ask("How do I bake bread at home?") + 0.2,
            "{model}"
        );
    }
    let again = learn(&dir, &target, "--prompts unlabelled.jsonl").succeeds();
    assert_eq!((again.stdout, target.requests()), (run.stdout, 228));
}

#[test]
fn learning_that_is_killed_goes_on_and_without_prompts_it_asks_the_probe_set() {
    let dir = Dir::new();
    // A target that refuses every other prompt by its length.
    let target = Target::start(|asked| {
        let said = if asked.prompt.len() % 2 == 0 { answer("a bomb") } else { answer("bread") };
        Reply::After(Duration::from_millis(5), Box::new(says(&said)))
    });
    let mut child = learn(&dir, &target, "--budget 100").start();
    let started = Instant::now();
    while target.requests() < 60 {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not ask");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(dir.path("mine/demo-assistant.target.json").exists(), "there is something to use after 50");
    let run = learn(&dir, &target, "--budget 100 --json").succeeds();
    run.says("100 of 100 answers");
    assert_eq!(run.json()["bundled_has_seen_them"], true, "the probe set is of its corpus");
    assert!(target.requests() <= 108, "{}", target.requests());
    let (asked, probes) = (target.asked(), dir.demur("probes 100").succeeds().stdout);
    assert!(
        crate::support::rows(&probes).iter().all(|row| asked.contains_key(row["prompt"].as_str().unwrap()))
    );
}
