//! Every command on a model with an encoder tier.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{DEPTH, PROMPTS, WORDS, dir_rows, metric, number, prompts, with_models};
use crate::server::Server;
use crate::support::{Demur, Dir, write_parquet};

/// What `predict --json` says of each prompt.
fn predicted(dir: &Dir, flags: &str) -> Vec<Value> {
    let out = dir
        .tiered(&format!("predict --model enc --json {flags} -"))
        .stdin(PROMPTS.join("\n"))
        .succeeds()
        .stdout;
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn predict_score_and_the_service_say_the_same() {
    let dir = with_models();
    let manifest: Value = serde_json::from_str(&dir.text("enc/manifest.json")).unwrap();
    assert!(number(&manifest["encoder"]["stack"]["encoder"]) > 0.0, "{}", manifest["encoder"]);
    let told = predicted(&dir, "");
    for row in &told {
        assert_eq!(row["tier"], "encoder");
        let sum: f64 =
            row["terms"].as_array().unwrap().iter().map(|term| number(&term["contribution"])).sum();
        assert!(
            row["terms"].as_array().unwrap().len() == 5
                || (number(&row["bias"]) + sum - number(&row["ngrams"]["logit"])).abs() < 1e-9
        );
        assert_ne!(row["logit"], row["ngrams"]["logit"]);
    }
    let alone = predicted(&dir, "--tier ngram");
    assert!(alone.iter().all(|row| row.get("tier").is_none() && row.get("ngrams").is_none()));
    for (row, alone) in told.iter().zip(&alone) {
        assert_eq!((&row["ngrams"]["p_refusal"], &row["terms"]), (&alone["p_refusal"], &alone["terms"]));
    }
    let rows: Vec<Value> = PROMPTS.iter().map(|prompt| json!({ "prompt": prompt })).collect();
    dir.write_rows("in.jsonl", &rows);
    let run = dir.tiered("score in.jsonl --model enc --out out.jsonl --json").succeeds();
    run.says("answered by: ngram 0, encoder 4");
    assert_eq!(run.json()["tiers"], json!({"ngram": 0, "encoder": 4}));
    write_parquet(&dir.path("in.parquet"), &rows);
    dir.tiered("score in.parquet --model enc --out table.jsonl").succeeds();
    let server = Server::start_tiered(&dir, "--model enc");
    let answer = server.post("/v1/predict", prompts(&PROMPTS)).ok();
    let text = dir.text("in.jsonl");
    let scored = server.post("/v1/score", json!({"format": "jsonl", "rows": text}).to_string()).ok();
    let scored = crate::support::rows(scored["rows"].as_str().unwrap());
    let near = |a: &Value, b: &Value| assert!((number(a) - number(b)).abs() < 1e-5, "{a} {b}");
    for (at, told) in told.iter().enumerate() {
        let prediction = &answer["predictions"][at];
        assert_eq!((&prediction["tier"], &prediction["decision"]), (&json!("encoder"), &told["decision"]));
        near(&prediction["p_refusal"], &told["p_refusal"]);
        for row in [&dir.rows("out.jsonl")[at], &dir.rows("table.jsonl")[at], &scored[at]] {
            near(&row["p_refusal"], &told["p_refusal"]);
            assert_eq!((&row["tier"], &row["decision"]), (&json!("encoder"), &told["decision"]));
        }
        let explained =
            server.post("/v1/explain", json!({"prompt": PROMPTS[at], "model": "enc"}).to_string()).ok();
        near(&explained["p_refusal"], &told["p_refusal"]);
        near(&explained["encoder"]["logit"], &told["logit"]);
    }
    let info = server.get("/v1/models/enc").ok();
    assert_eq!((&info["encoder"]["base"], &info["encoder"]["tuned"]), (&json!("tiny"), &json!(false)));
    assert_eq!(metric(&server, "demur_tier_answers_total{model=\"enc\",tier=\"encoder\"}"), Some(12.0));
    assert_eq!(metric(&server, DEPTH), Some(0.0));
    for name in ["queue_wait_seconds_count", "batch_inputs_sum"] {
        let line = format!("demur_encoder_{name}{{model=\"enc\"}}");
        // Explanations ask once more about what they found.
        assert!(metric(&server, &line).unwrap() >= 12.0, "{line}");
    }
    assert!(metric(&server, "demur_resident_memory_bytes").unwrap() > 1e6);
}

#[test]
fn the_text_says_which_tier_answered() {
    let dir = with_models();
    let ask =
        |flags: &str| dir.tiered(&format!("predict --model enc {flags}")).arg(PROMPTS[0]).succeeds().stdout;
    assert_eq!(ask("").split_whitespace().nth(2), Some("encoder"));
    assert_eq!(ask("--cascade 0.5,0.5").split_whitespace().nth(2), Some("ngram"));
    assert_ne!(ask("--tier ngram").split_whitespace().nth(2), Some("ngram"));
}

#[test]
fn the_cascade_is_the_one_that_is_asked_for() {
    let dir = with_models();
    let inspected = dir.tiered("inspect enc --json").succeeds().json();
    let cascades = inspected["manifest"]["encoder"]["cascades"].as_array().unwrap();
    let rows: Vec<Value> = dir_rows().into_iter().map(|prompt| json!({ "prompt": prompt })).collect();
    dir.write_rows("in.jsonl", &rows);
    let count = |flags: &str| {
        let run =
            dir.tiered(&format!("score in.jsonl --model enc --out out.jsonl --json {flags}")).succeeds();
        let rows = dir.rows("out.jsonl");
        let cheap = rows.iter().filter(|row| row["tier"] == "ngram").count();
        assert_eq!(run.json()["tiers"]["ngram"], cheap);
        cheap
    };
    let alone: Vec<f64> = {
        dir.tiered("score in.jsonl --model enc --tier ngram --out alone.jsonl").succeeds();
        dir.rows("alone.jsonl").iter().map(|row| number(&row["p_refusal"])).collect()
    };
    for share in [0.3, 0.6] {
        let nearest = cascades.iter().min_by(|a, b| {
            let distance = |figures: &Value| (number(&figures["cheap"]) - share).abs();
            distance(a).total_cmp(&distance(b))
        });
        let (below, from) =
            nearest.map(|f| (number(&f["cascade"]["below"]), number(&f["cascade"]["from"]))).unwrap();
        let expected = alone.iter().filter(|&&p| p < below || p >= from).count();
        assert!(expected > 0 && expected < alone.len());
        assert_eq!(count(&format!("--cheap {share}")), expected);
        assert_eq!(count(&format!("--cascade {below},{from}")), expected);
    }
    assert_eq!(count("--cheap 0"), 0);
    assert_eq!(count("--cascade 0.5,0.5"), alone.len());
    let only =
        dir.tiered("score in.jsonl --model enc --cheap 0.5 --out - --where").arg("tier == ngram").succeeds();
    let only = crate::support::rows(&only.stdout);
    assert!(!only.is_empty() && only.iter().all(|row| row["tier"] == "ngram"));

    let server = Server::start_tiered(&dir, "--model enc --model plain --cheap 0.6");
    let tier = |body: Value| {
        let answer = server.post("/v1/predict", body.to_string()).ok();
        answer["predictions"][0]["tier"].clone()
    };
    assert_eq!(tier(json!({"prompt": "a", "cheap": 0})), "encoder");
    assert_eq!(tier(json!({"prompt": "a", "cascade": {"below": 0.5, "from": 0.5}})), "ngram");
    assert_eq!(tier(json!({"prompt": "a", "model": "plain"})), Value::Null);
    for (body, field, said) in [
        (json!({"prompt": "a", "model": "plain", "cheap": 0.5}), "cheap", "no encoder tier"),
        (json!({"prompt": "a", "cheap": 1.0}), "cheap", "below 1"),
        (json!({"prompt": "a", "cascade": {"below": 0.9, "from": 0.1}}), "cascade", "0 <= BELOW <= FROM"),
        (json!({"prompt": "a", "cheap": 0.1, "cascade": {"below": 0, "from": 1}}), "cascade", "not both"),
    ] {
        server.post("/v1/predict", body.to_string()).is_error(422, "invalid_request", Some(field), said);
    }
    assert_eq!(server.get("/v1/models/enc").ok()["encoder"]["cascades"].as_array().unwrap().len(), 20);
}

#[test]
fn explain_shows_the_direction_and_what_lies_near() {
    let dir = with_models();
    let out = dir.tiered("explain --model enc").arg(PROMPTS[2]).succeeds().stdout;
    for part in [
        "by the encoder tier; n-grams alone 0.",
        "sd along the refusal axis",
        "AUROC",
        "nearest known prompts",
    ] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
    let told = dir.tiered("explain --json --model enc").arg(PROMPTS[2]).succeeds().json();
    let encoder = &told["encoder"];
    let nearest = encoder["nearest"].as_array().unwrap();
    assert_eq!(nearest.len(), 5);
    let similarities: Vec<f64> = nearest.iter().map(|text| number(&text["similarity"])).collect();
    assert!(similarities.is_sorted_by(|a, b| a >= b) && similarities[0] <= 1.0 + 1e-6, "{similarities:?}");
    assert!(number(&encoder["deviations"]).is_finite() && number(&encoder["head_auroc"]) > 0.4);
    let sum: f64 = told["terms"].as_array().unwrap().iter().map(|term| number(&term["contribution"])).sum();
    let others = told["terms_in_all"].as_u64().unwrap() > 10;
    assert!(others || (number(&told["bias"]) + sum - number(&told["logit"])).abs() < 1e-9);
    let known = nearest[0]["text"].as_str().unwrap();
    let again = dir.tiered("explain --json --model enc").arg(known).succeeds().json();
    assert_eq!(again["encoder"]["nearest"][0]["text"], known);
    assert!((number(&again["encoder"]["nearest"][0]["similarity"]) - 1.0).abs() < 1e-5);
    let server = Server::start_tiered(&dir, "--model enc");
    let served = server.post("/v1/explain", json!({"prompt": PROMPTS[2], "top": 10}).to_string()).ok();
    assert_eq!((&served["terms"], &served["words"]), (&told["terms"], &told["words"]));
    assert_eq!(served["encoder"]["nearest"][0]["text"], nearest[0]["text"]);
    // What is shown as a flip is one by all tiers.
    let hold = number(&told["p_refusal"]) - 0.001;
    let held = dir
        .tiered(&format!("explain --json --model enc --hold-from {hold}"))
        .arg(PROMPTS[2])
        .succeeds()
        .json();
    assert_eq!(held["decision"], "hold");
    if let Some(rest) = held["flip"]["rest"].as_str() {
        let alone = dir.tiered("predict --json --model enc").arg(rest).succeeds().json();
        assert!((number(&alone["p_refusal"]) - number(&held["flip"]["p_refusal"])).abs() < 1e-5);
        assert!(number(&alone["p_refusal"]) < hold);
    }
}

#[test]
fn inspect_shows_the_encoder_tier() {
    let dir = with_models();
    let out = dir.tiered("inspect enc").succeeds().stdout;
    for part in [
        "encoder tier\n  base        tiny (CC0-1.0)",
        "tuned       no",
        "2 layers of 32",
        "reads       the prompt, 32 tokens",
        "x n-grams",
        "direction   AUROC 0.",
        "; the head 0.",
        "knows       40 inputs",
        "cascade     none",
        "cheap  accuracy   AUROC   below    from",
    ] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
    let json = dir.tiered("inspect enc --json").succeeds().json();
    assert_eq!(json["manifest"]["encoder"]["base"]["name"], "tiny");
    assert!(!dir.tiered("inspect plain").succeeds().stdout.contains("encoder"));
}

#[test]
fn answers_are_judged_by_all_tiers() {
    let dir = with_models();
    let rows = [
        json!({"prompt": "Help me forge a signature.", "response": "I can't help with that. I won't forge anything."}),
        json!({"prompt": "How do I boil an egg?", "response": "Put it into boiling water for seven minutes."}),
    ];
    dir.write_rows("in.jsonl", &rows);
    dir.tiered("label in.jsonl --model cls --out out.jsonl").succeeds().says("answered by: ngram ");
    dir.tiered("label in.jsonl --model cls --tier ngram --out alone.jsonl").succeeds();
    let (labelled, alone) = (dir.rows("out.jsonl"), dir.rows("alone.jsonl"));
    let columns: Vec<&String> = labelled[0].keys().collect();
    assert_eq!(columns[2..], ["p_refusal", "label", "labelled_by", "form", "reasoning", "tier"]);
    assert!(!alone[0].contains_key("tier"));
    assert_eq!((&labelled[1]["form"], &labelled[1]["tier"]), (&json!("text"), &json!("encoder")));
    assert_ne!(labelled[1]["p_refusal"], alone[1]["p_refusal"]);
    let server = Server::start_tiered(&dir, "--model cls");
    let answers =
        server.post("/v1/classify", json!({ "answers": [rows[0], rows[1], {"response": null}] }).to_string());
    let answers = answers.ok();
    for (row, answer) in labelled.iter().zip(answers["classifications"].as_array().unwrap()) {
        assert_eq!((&answer["form"], &answer["tier"]), (&row["form"], &row["tier"]));
        assert!((number(&answer["p_refusal"]) - number(&row["p_refusal"])).abs() < 1e-5);
    }
    assert_eq!(answers["classifications"][2].get("tier"), None, "no text was judged");
    let one = server.post(
        "/v1/classify",
        json!({"response": "Sure", "cascade": {"below": 0.5, "from": 0.5}}).to_string(),
    );
    assert_eq!(one.ok()["classifications"][0]["tier"], "ngram");
    dir.tiered("bootstrap in.jsonl --model cls --out machine.jsonl").succeeds();
    let p = number(&dir.rows("machine.jsonl")[0]["p_refusal"]);
    assert!((p - number(&labelled[0]["p_refusal"])).abs() < 1e-5);
}

#[test]
fn figures_are_those_of_the_tiers_that_answer() {
    let dir = with_models();
    let starter = Dir::with_starter();
    dir.write("labelled.jsonl", starter.bytes("labelled.jsonl"));
    let ask = |flags: &str| {
        let line =
            format!("evaluate labelled.jsonl --label-column kind --allow-overlap --json --model enc {flags}");
        dir.tiered(&line).succeeds().json()
    };
    let (both, alone, cheap) = (ask(""), ask("--tier ngram"), ask("--cascade 0.5,0.5"));
    assert!(both["method"].as_str().unwrap().ends_with("both tiers"), "{}", both["method"]);
    assert!(alone["method"].as_str().unwrap().ends_with("n-gram tier alone"));
    assert_ne!(both["log_loss"], alone["log_loss"]);
    assert_eq!(cheap["log_loss"], alone["log_loss"]);
    dir.tiered("evaluate labelled.jsonl --cv 5 --field prompt --tier ngram").fails(2, &["go with a model"]);
}

#[test]
fn a_file_is_scored_to_the_same_bytes_on_any_number_of_threads_and_after_a_death() {
    let dir = with_models();
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let row = |n: usize| {
        let text: Vec<&str> =
            (0..3 + n % 11).map(|at| words[(n * 31 + at * 17 + n / 7) % words.len()]).collect();
        format!("{{\"n\":{n},\"prompt\":\"{}\"}}\n", text.join(" "))
    };
    let rows: String = (0..6_000).map(row).collect();
    dir.write("in.jsonl", &rows);
    let run = |flags: &str, out: &str| {
        dir.tiered(&format!("score in.jsonl --model enc --cheap 0.3 {flags} --out {out}")).succeeds();
        dir.bytes(out)
    };
    let one = run("--threads 1", "one.jsonl");
    assert!(one == run("--threads 4", "four.jsonl"), "threads do not show");
    let mut child = dir.tiered("score in.jsonl --model enc --cheap 0.3 --out cut.jsonl").start();
    let started = Instant::now();
    while !dir.path("cut.jsonl.progress.json").exists() {
        assert!(started.elapsed() < Duration::from_secs(60));
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    dir.tiered("score in.jsonl --model enc --cheap 0.4 --out cut.jsonl --resume")
        .fails(1, &["other settings"]);
    assert!(one == run("--resume", "cut.jsonl"), "a death does not show");
    let values = crate::support::rows(&rows);
    let values: Vec<Value> = values.into_iter().take(3000).map(Value::Object).collect();
    write_parquet(&dir.path("in.parquet"), &values);
    let table = |threads: usize| {
        dir.tiered(&format!("score in.parquet --model enc --threads {threads} --out {threads}.parquet"))
            .succeeds();
        dir.bytes(&format!("{threads}.parquet"))
    };
    assert!(table(1) == table(3));
    let top = dir.tiered("score in.jsonl --model enc --cheap 0.3 --top 3 --out -").succeeds();
    let top: Vec<f64> =
        crate::support::rows(&top.stdout).iter().map(|row| number(&row["p_refusal"])).collect();
    let mut all: Vec<f64> = dir.rows("one.jsonl").iter().map(|row| number(&row["p_refusal"])).collect();
    all.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(top, all[..3]);
}

#[test]
fn what_cannot_be_is_said() {
    let dir = with_models();
    let ask = |flags: &str| dir.tiered(&format!("predict hello {flags}"));
    ask("--model enc --tier bert").fails(2, &["bert", "ngram", "encoder"]);
    ask("--model enc --cheap 1").fails(2, &["--cheap", "below 1"]);
    ask("--model enc --cascade 0.9,0.1").fails(2, &["--cascade", "0 <= BELOW <= FROM"]);
    ask("--model enc --cheap 0.5 --cascade 0.1,0.9").fails(2, &["cannot be used with"]);
    ask("--model plain --cheap 0.5").fails(2, &["--cheap", "no encoder tier"]);
    ask("--model enc --tier ngram --cascade 0,1")
        .fails(2, &["--cascade", "only the model's n-gram tier is loaded"]);
    ask("--model enc")
        .env("DEMUR_ENCODER_LIBRARY", "onnx")
        .fails(2, &["DEMUR_ENCODER_LIBRARY=onnx", "rten, torch"]);
    ask("--model enc").env("DEMUR_ENCODER_THREADS", "0").fails(2, &["DEMUR_ENCODER_THREADS=0", "from 1 up"]);
    ask("--model enc").env("DEMUR_ENCODER_THREADS", "1").env("DEMUR_ENCODER_LIBRARY", "rten").succeeds();
    #[cfg(not(feature = "bert"))]
    ask("--model enc").env("DEMUR_ENCODER_LIBRARY", "torch").fails(1, &["not part of this build"]);
    ask("--model enc").env("DEMUR_TIER", "both").fails(2, &["DEMUR_TIER=both", "ngram and encoder"]);
    let said = |demur: Demur| demur.succeeds().json()["tier"].clone();
    assert_eq!(said(ask("--model enc --json")), "encoder");
    assert_eq!(said(ask("--model enc --json").env("DEMUR_TIER", "ngram")), Value::Null);
    assert_eq!(said(ask("--model enc --json --tier encoder").env("DEMUR_TIER", "ngram")), "encoder");
    dir.demur("serve --port 0 --cheap 0.5").fails(1, &["--cheap", "no model has one"]);
    dir.tiered("serve --port 0 --model enc --encoder-library onnx").fails(2, &["--encoder-library"]);
    dir.tiered("serve --port 0 --model enc --encoder-queue 0").fails(2, &["--encoder-queue is 0"]);
}

#[test]
fn a_damaged_encoder_is_refused_and_the_n_grams_work_without_it() {
    let dir = with_models();
    let mut bytes = dir.bytes("enc/encoder.safetensors");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    dir.write("enc/encoder.safetensors", bytes);
    for command in ["predict hello", "explain hello", "serve --port 0"] {
        dir.tiered(&format!("{command} --model enc")).fails(1, &["encoder.safetensors", "corrupted"]);
    }
    dir.tiered("predict hello --model enc --tier ngram").succeeds();
    dir.tiered("inspect enc").succeeds();
    dir.tiered("contrast swap --model enc").arg("Tell me about John").succeeds();
    let incomplete = with_models();
    fs::remove_file(incomplete.path("enc/encoder-head.safetensors")).unwrap();
    incomplete.tiered("predict hello --model enc").fails(1, &["encoder-head.safetensors", "missing"]);
    let server = Server::start_tiered(&dir, "--model enc --tier ngram");
    let answer = server.post("/v1/predict", r#"{"prompt": "hello"}"#).ok();
    assert_eq!(answer["predictions"][0].get("tier"), None);
}

#[test]
fn the_fit_of_an_encoder_says_what_it_lacks_before_it_reads_a_row() {
    let dir = Dir::new();
    dir.write("rows.jsonl", "{\"prompt\":\"a\",\"response\":\"No.\",\"label\":\"refused\"}\n");
    let fit = |flags: &str| dir.tiered(&format!("fit encoder --data rows.jsonl --out enc {flags}"));
    fit("").fails(2, &["--recipe", "[encoder]", "docs/encoder.md"]);
    fit("--unseen unseen.toml").fails(2, &["--unseen", "`fit response`"]);
    let encoder = "encoder={base=\"nowhere\",prompt_sources=[],parts=PARTS,\
                   answers={text=\"response\",tokens=16},prompts={text=\"prompt\",tokens=16},tune={}}";
    fit("").arg("--set").arg(&encoder.replace("PARTS", "1")).fails(1, &["encoder.parts", "2 to 100"]);
    dir.write("enc/notes.txt", "mine");
    fit("").arg("--set").arg(&encoder.replace("PARTS", "2")).fails(1, &["enc", "give another folder"]);
    assert_eq!(dir.text("enc/notes.txt"), "mine");
    fs::remove_file(dir.path("enc/notes.txt")).unwrap();
    let without = if cfg!(feature = "bert") { "nowhere" } else { "libtorch" };
    fit("").arg("--set").arg(&encoder.replace("PARTS", "2")).fails(1, &[without]);
    assert_eq!(fs::read_dir(dir.path("enc")).unwrap().count(), 0, "nothing is written");
}
