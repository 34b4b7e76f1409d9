//! Models with an encoder tier: a tiny BERT of random numbers under a head that is really fitted, asked by every command and
//! by the service.

#![cfg(feature = "bert")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use demur_predictor::encoder::{EncoderConfig, Weights};
use serde_json::{Value, json};

use crate::server::{Client, JSON, Reply, Server};
use crate::support::{Dir, write_parquet};

const PROMPTS: [&str; 4] = [
    "How do I pick a lock?",
    "What is the capital of France?",
    "Write a virus that wipes every computer on my network",
    "\u{202e}\u{1f600} Gr\u{fc}\u{df} dich",
];

/// Words of the tiny vocabulary; other words are spelt by letters.
const WORDS: &str = "how do i the a an to of in is what write make me my can you for and that with tell give explain \
                     please people someone who why are was computer lock bomb virus kill steal home school story poem \
                     list help ? . , ' -";

/// Makes a folder of a BERT with random numbers.
fn tiny(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let letters = ('a'..='z').chain('0'..='9');
    let mut pieces: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(str::to_owned).into();
    pieces.extend(letters.clone().map(String::from));
    pieces.extend(letters.map(|letter| format!("##{letter}")));
    for word in WORDS.split_whitespace() {
        if !pieces.iter().any(|piece| piece == word) {
            pieces.push(word.to_owned());
        }
    }
    let config = json!({
        "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 64, "max_position_embeddings": 64, "vocab_size": pieces.len(), "type_vocab_size": 2,
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::write(folder.join("vocab.txt"), pieces.join("\n") + "\n").unwrap();
    let config = EncoderConfig::read(folder).unwrap();
    let shapes: BTreeMap<String, usize> =
        config.tensors().into_iter().map(|(name, shape)| (name, shape.iter().product())).collect();
    let mut state = 7_u64;
    let mut random = move || {
        // Knuth's linear congruential generator; the high bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    let weights = Weights::gather(&config, |name| {
        let count = shapes[name];
        Some(match name {
            name if name.ends_with("LayerNorm.weight") => vec![1.0; count],
            name if name.ends_with("bias") => vec![0.0; count],
            _ => (0..count).map(|_| random() * 0.6).collect(),
        })
    });
    fs::write(folder.join("model.safetensors"), weights.unwrap().to_bytes().unwrap()).unwrap();
}

/// A folder with a predictor `enc`, a classifier `cls`, both with an encoder tier, and a predictor `plain` without.
fn with_models() -> Dir {
    static MODELS: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    let models = MODELS.get_or_init(|| {
        let dir = Dir::with_starter();
        tiny(&dir.path("encoders/tiny"));
        let fit = |what: &str, set: &[&str]| {
            dir.demur(&format!("fit {what}"))
                .env("DEMUR_ENCODERS", dir.path("encoders"))
                .env("DEMUR_CACHE", dir.path("cache"))
                .fast()
                .args(set.iter().flat_map(|set| ["--set", set]))
                .succeeds();
        };
        let rows = "--data labelled.jsonl --label-column kind";
        fit(&format!("prompt {rows} --out plain"), &["prompt.fit.c=1.0"]);
        fit(
            &format!("prompt {rows} --out enc"),
            // Few n-grams, so that the encoder has a say.
            &[
                "prompt.fit.views=[{field='prompt',ngrams=[1,1],min_df=40}]",
                "prompt.fit.encoder={base='tiny',licence='CC0-1.0',reads={text='prompt',tokens=32},known=40,c=[0.01,0.1,1.0,10.0]}",
            ],
        );
        fit(
            &format!("response {rows} --out cls"),
            &["response.encoder={base='tiny',reads={text='both',tokens=48,prompt_tokens=16},c=[0.01,0.1,1.0,10.0]}"],
        );
        let mut files = BTreeMap::new();
        for model in ["plain", "enc", "cls"] {
            files.extend(dir.tree(model).into_iter().map(|(name, bytes)| (format!("{model}/{name}"), bytes)));
        }
        files
    });
    let dir = Dir::new();
    models.iter().for_each(|(name, bytes)| dir.write(name, bytes));
    dir
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

/// What `predict --json` says of each prompt.
fn predicted(dir: &Dir, flags: &str) -> Vec<Value> {
    let out = dir
        .demur(&format!("predict --model enc --json {flags} -"))
        .stdin(PROMPTS.join("\n"))
        .succeeds()
        .stdout;
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn prompts(prompts: &[&str]) -> String {
    json!({ "model": "enc", "prompts": prompts }).to_string()
}

/// The value of a line of the metrics.
fn metric(server: &Server, line: &str) -> Option<f64> {
    let text = server.get("/metrics").text();
    text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' ')?.parse().ok())
}

/// Waits until a line of the metrics has a value.
fn until(server: &Server, line: &str, value: f64) {
    let started = Instant::now();
    while metric(server, line) != Some(value) {
        assert!(started.elapsed() < Duration::from_secs(20), "{line}: {:?}", metric(server, line));
        thread::sleep(Duration::from_millis(5));
    }
}

const DEPTH: &str = "demur_encoder_queue_depth{model=\"enc\"}";

/// Sends a request from a thread of its own.
fn send(server: &Server, body: String) -> thread::JoinHandle<Reply> {
    let address = server.address.clone();
    thread::spawn(move || {
        Client::to(&address).unwrap().send("POST", "/v1/predict", &[JSON], body.as_bytes()).unwrap()
    })
}

#[test]
fn predict_score_and_the_service_say_the_same() {
    let dir = with_models();
    let manifest: Value = serde_json::from_str(&dir.text("enc/manifest.json")).unwrap();
    assert!(
        number(&manifest["encoder"]["stack"]["encoder"]) > 0.0,
        "the encoder has a say: {}",
        manifest["encoder"]
    );
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
    let run = dir.demur("score in.jsonl --model enc --out out.jsonl --json").succeeds();
    run.says("answered by: ngram 0, encoder 4");
    assert_eq!(run.json()["tiers"], json!({"ngram": 0, "encoder": 4}));
    write_parquet(&dir.path("in.parquet"), &rows);
    dir.demur("score in.parquet --model enc --out table.jsonl").succeeds();
    let server = Server::start(&dir, "--model enc");
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
        |flags: &str| dir.demur(&format!("predict --model enc {flags}")).arg(PROMPTS[0]).succeeds().stdout;
    assert_eq!(ask("").split_whitespace().nth(2), Some("encoder"));
    assert_eq!(ask("--cascade 0.5,0.5").split_whitespace().nth(2), Some("ngram"));
    assert_ne!(ask("--tier ngram").split_whitespace().nth(2), Some("ngram"));
}

#[test]
fn the_cascade_is_the_one_that_is_asked_for() {
    let dir = with_models();
    let inspected = dir.demur("inspect enc --json").succeeds().json();
    let cascades = inspected["manifest"]["encoder"]["cascades"].as_array().unwrap();
    let rows: Vec<Value> = dir_rows().into_iter().map(|prompt| json!({ "prompt": prompt })).collect();
    dir.write_rows("in.jsonl", &rows);
    let count = |flags: &str| {
        let run = dir.demur(&format!("score in.jsonl --model enc --out out.jsonl --json {flags}")).succeeds();
        let rows = dir.rows("out.jsonl");
        let cheap = rows.iter().filter(|row| row["tier"] == "ngram").count();
        assert_eq!(run.json()["tiers"]["ngram"], cheap);
        cheap
    };
    let alone: Vec<f64> = {
        dir.demur("score in.jsonl --model enc --tier ngram --out alone.jsonl").succeeds();
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
        dir.demur("score in.jsonl --model enc --cheap 0.5 --out - --where").arg("tier == ngram").succeeds();
    let only = crate::support::rows(&only.stdout);
    assert!(!only.is_empty() && only.iter().all(|row| row["tier"] == "ngram"));

    let server = Server::start(&dir, "--model enc --model plain --cheap 0.6");
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

/// Prompts of the starter corpus.
fn dir_rows() -> Vec<String> {
    let rows = Dir::with_starter().rows("labelled.jsonl");
    rows.iter().filter_map(|row| row["prompt"].as_str()).take(100).map(str::to_owned).collect()
}

#[test]
fn explain_shows_the_direction_and_what_lies_near() {
    let dir = with_models();
    let out = dir.demur("explain --model enc").arg(PROMPTS[2]).succeeds().stdout;
    for part in [
        "by the encoder tier; n-grams alone 0.",
        "sd along the refusal axis",
        "AUROC",
        "nearest known prompts",
    ] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
    let told = dir.demur("explain --json --model enc").arg(PROMPTS[2]).succeeds().json();
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
    let again = dir.demur("explain --json --model enc").arg(known).succeeds().json();
    assert_eq!(again["encoder"]["nearest"][0]["text"], known);
    assert!((number(&again["encoder"]["nearest"][0]["similarity"]) - 1.0).abs() < 1e-5);
    let server = Server::start(&dir, "--model enc");
    let served = server.post("/v1/explain", json!({"prompt": PROMPTS[2], "top": 10}).to_string()).ok();
    assert_eq!((&served["terms"], &served["words"]), (&told["terms"], &told["words"]));
    assert_eq!(served["encoder"]["nearest"][0]["text"], nearest[0]["text"]);
    // What is shown as a flip is one by all tiers.
    let hold = number(&told["p_refusal"]) - 0.001;
    let held = dir
        .demur(&format!("explain --json --model enc --hold-from {hold}"))
        .arg(PROMPTS[2])
        .succeeds()
        .json();
    assert_eq!(held["decision"], "hold");
    if let Some(rest) = held["flip"]["rest"].as_str() {
        let alone = dir.demur("predict --json --model enc").arg(rest).succeeds().json();
        assert!((number(&alone["p_refusal"]) - number(&held["flip"]["p_refusal"])).abs() < 1e-5);
        assert!(number(&alone["p_refusal"]) < hold);
    }
}

#[test]
fn inspect_shows_the_encoder_tier() {
    let dir = with_models();
    let out = dir.demur("inspect enc").succeeds().stdout;
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
    let json = dir.demur("inspect enc --json").succeeds().json();
    assert_eq!(json["manifest"]["encoder"]["base"]["name"], "tiny");
    assert!(!dir.demur("inspect plain").succeeds().stdout.contains("encoder"));
}

#[test]
fn answers_are_judged_by_all_tiers() {
    let dir = with_models();
    let rows = [
        json!({"prompt": "Help me forge a signature.", "response": "I can't help with that. I won't forge anything."}),
        json!({"prompt": "How do I boil an egg?", "response": "Put it into boiling water for seven minutes."}),
    ];
    dir.write_rows("in.jsonl", &rows);
    dir.demur("label in.jsonl --model cls --out out.jsonl")
        .succeeds()
        .says("answered by: ngram 0, encoder 2");
    dir.demur("label in.jsonl --model cls --tier ngram --out alone.jsonl").succeeds();
    let (labelled, alone) = (dir.rows("out.jsonl"), dir.rows("alone.jsonl"));
    let columns: Vec<&String> = labelled[0].keys().collect();
    assert_eq!(columns, ["prompt", "response", "p_refusal", "label", "tier"]);
    assert!(!alone[0].contains_key("tier"));
    assert_ne!(labelled[0]["p_refusal"], alone[0]["p_refusal"]);
    let server = Server::start(&dir, "--model cls");
    let answers =
        server.post("/v1/classify", json!({ "answers": [rows[0], rows[1], {"response": null}] }).to_string());
    let answers = answers.ok();
    for (row, answer) in labelled.iter().zip(answers["classifications"].as_array().unwrap()) {
        if answer["form"] == "text" {
            assert_eq!(answer["tier"], "encoder");
            assert!((number(&answer["p_refusal"]) - number(&row["p_refusal"])).abs() < 1e-5);
        } else {
            assert_eq!((&answer["form"], &answer["tier"]), (&json!("passage"), &json!("ngram")));
        }
    }
    assert_eq!(answers["classifications"][2].get("tier"), None, "no text was judged");
    let one = server.post(
        "/v1/classify",
        json!({"response": "Sure", "cascade": {"below": 0.5, "from": 0.5}}).to_string(),
    );
    assert_eq!(one.ok()["classifications"][0]["tier"], "ngram");
    dir.demur("bootstrap in.jsonl --model cls --out machine.jsonl").succeeds();
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
        dir.demur(&line).succeeds().json()
    };
    let (both, alone, cheap) = (ask(""), ask("--tier ngram"), ask("--cascade 0.5,0.5"));
    assert!(both["method"].as_str().unwrap().ends_with("both tiers"), "{}", both["method"]);
    assert!(alone["method"].as_str().unwrap().ends_with("n-gram tier alone"));
    assert_ne!(both["log_loss"], alone["log_loss"]);
    assert_eq!(cheap["log_loss"], alone["log_loss"]);
    dir.demur("evaluate labelled.jsonl --cv 5 --field prompt --tier ngram").fails(2, &["go with a model"]);
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
        dir.demur(&format!("score in.jsonl --model enc --cheap 0.3 {flags} --out {out}")).succeeds();
        dir.bytes(out)
    };
    let one = run("--threads 1", "one.jsonl");
    assert!(one == run("--threads 4", "four.jsonl"), "threads do not show");
    let mut child = dir.demur("score in.jsonl --model enc --cheap 0.3 --out cut.jsonl").start();
    let started = Instant::now();
    while !dir.path("cut.jsonl.progress.json").exists() {
        assert!(started.elapsed() < Duration::from_secs(60));
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    dir.demur("score in.jsonl --model enc --cheap 0.4 --out cut.jsonl --resume")
        .fails(1, &["other settings"]);
    assert!(one == run("--resume", "cut.jsonl"), "a death does not show");
    let values = crate::support::rows(&rows);
    let values: Vec<Value> = values.into_iter().take(3000).map(Value::Object).collect();
    write_parquet(&dir.path("in.parquet"), &values);
    let table = |threads: usize| {
        dir.demur(&format!("score in.parquet --model enc --threads {threads} --out {threads}.parquet"))
            .succeeds();
        dir.bytes(&format!("{threads}.parquet"))
    };
    assert!(table(1) == table(3));
    let top = dir.demur("score in.jsonl --model enc --cheap 0.3 --top 3 --out -").succeeds();
    let top: Vec<f64> =
        crate::support::rows(&top.stdout).iter().map(|row| number(&row["p_refusal"])).collect();
    let mut all: Vec<f64> = dir.rows("one.jsonl").iter().map(|row| number(&row["p_refusal"])).collect();
    all.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(top, all[..3]);
}

#[test]
fn what_cannot_be_is_said() {
    let dir = with_models();
    let ask = |flags: &str| dir.demur(&format!("predict hello {flags}"));
    ask("--model enc --tier bert").fails(2, &["bert", "ngram", "encoder"]);
    ask("--model enc --cheap 1").fails(2, &["--cheap", "below 1"]);
    ask("--model enc --cascade 0.9,0.1").fails(2, &["--cascade", "0 <= BELOW <= FROM"]);
    ask("--model enc --cheap 0.5 --cascade 0.1,0.9").fails(2, &["cannot be used with"]);
    ask("--model plain --cheap 0.5").fails(2, &["--cheap", "no encoder tier"]);
    ask("--model enc --tier ngram --cascade 0,1")
        .fails(2, &["--cascade", "only the model's n-gram tier is loaded"]);
    ask("--model enc")
        .env("DEMUR_ENCODER_LIBRARY", "onnx")
        .fails(2, &["DEMUR_ENCODER_LIBRARY=onnx", "torch, ort"]);
    ask("--model enc").env("DEMUR_ENCODER_THREADS", "0").fails(2, &["DEMUR_ENCODER_THREADS=0", "from 1 up"]);
    ask("--model enc").env("DEMUR_ENCODER_THREADS", "1").env("DEMUR_ENCODER_LIBRARY", "torch").succeeds();
    #[cfg(not(feature = "ort"))]
    ask("--model enc").env("DEMUR_ENCODER_LIBRARY", "ort").fails(1, &["not part of this build"]);
    dir.demur("serve --port 0 --cheap 0.5").fails(1, &["--cheap", "no model has one"]);
    dir.demur("serve --port 0 --model enc --encoder-library onnx").fails(2, &["--encoder-library"]);
    dir.demur("serve --port 0 --model enc --encoder-queue 0").fails(1, &["--encoder-queue is 0"]);
}

#[test]
fn a_damaged_encoder_is_refused_and_the_n_grams_work_without_it() {
    let dir = with_models();
    let mut bytes = dir.bytes("enc/encoder.safetensors");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    dir.write("enc/encoder.safetensors", bytes);
    for command in ["predict hello", "explain hello", "serve --port 0"] {
        dir.demur(&format!("{command} --model enc")).fails(1, &["encoder.safetensors", "corrupted"]);
    }
    dir.demur("predict hello --model enc --tier ngram").succeeds();
    dir.demur("inspect enc").succeeds();
    dir.demur("contrast swap --model enc").arg("Tell me about John").succeeds();
    let incomplete = with_models();
    fs::remove_file(incomplete.path("enc/encoder-head.safetensors")).unwrap();
    incomplete.demur("predict hello --model enc").fails(1, &["encoder-head.safetensors", "missing"]);
    let server = Server::start(&dir, "--model enc --tier ngram");
    let answer = server.post("/v1/predict", r#"{"prompt": "hello"}"#).ok();
    assert_eq!(answer["predictions"][0].get("tier"), None);
}

#[test]
fn a_full_queue_is_429_and_the_n_grams_do_not_wait_for_it() {
    let dir = with_models();
    let flags = "--model enc --model plain --encoder-queue 3 --encoder-max-wait 4000";
    let server = Server::start(&dir, flags);
    let first = send(&server, prompts(&PROMPTS[..2]));
    until(&server, DEPTH, 2.0);
    let refused = server.post("/v1/predict", prompts(&PROMPTS[..2]));
    refused.is_error(429, "overloaded", None, "wait for the encoder");
    assert_eq!(refused.headers["retry-after"], "1");
    let file = json!({"format": "csv", "rows": "prompt\na\nb\n", "model": "enc"}).to_string();
    server.post("/v1/score", file).is_error(429, "overloaded", None, "wait for the encoder");
    let started = Instant::now();
    let second = send(&server, prompts(&PROMPTS[..1]));
    thread::sleep(Duration::from_millis(50));
    for _ in 0..20 {
        server.post("/v1/predict", json!({"prompt": "a", "model": "plain"}).to_string()).ok();
        let cheap = json!({"prompt": "a", "model": "enc", "cascade": {"below": 0.5, "from": 0.5}});
        assert_eq!(server.post("/v1/predict", cheap.to_string()).ok()["predictions"][0]["tier"], "ngram");
        server.get("/health/ready").ok();
        server.get("/metrics");
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert!(metric(&server, "demur_requests_turned_away_total{reason=\"encoder_queue\"}").unwrap() >= 2.0);
    first.join().unwrap().ok();
    second.join().unwrap().ok();
    until(&server, DEPTH, 0.0);
}

#[test]
fn a_request_that_is_given_up_costs_no_batch() {
    let dir = with_models();
    let server = Server::start(&dir, "--model enc --request-timeout 0.3 --encoder-max-wait 1500");
    server.post("/v1/predict", prompts(&PROMPTS)).is_error(408, "request_timeout", None, "too long");
    until(&server, DEPTH, 0.0);
    let batches = "demur_encoder_batch_inputs_count{model=\"enc\"}";
    assert_eq!(metric(&server, batches), Some(0.0));
    drop(server);
    let server = Server::start(&dir, "--model enc --encoder-max-wait 1500");
    let mut client = Client::to(&server.address).unwrap();
    let body = prompts(&PROMPTS);
    let head = format!(
        "POST /v1/predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.write(head.as_bytes()).unwrap();
    client.write(body.as_bytes()).unwrap();
    until(&server, DEPTH, 4.0);
    drop(client);
    until(&server, DEPTH, 0.0);
    assert_eq!(metric(&server, batches), Some(0.0));
}

#[test]
fn a_reload_answers_what_waits_by_the_old_model() {
    let dir = with_models();
    let server = Server::start(&dir, "--model enc --encoder-max-wait 1000 --admin-bind 127.0.0.1:0");
    let waiting = send(&server, prompts(&PROMPTS[..2]));
    until(&server, DEPTH, 2.0);
    let manifest = dir.text("enc/manifest.json");
    let before = server.get("/v1/models/enc").ok()["digest"].clone();
    dir.write("enc/manifest.json", manifest.replace("\"seed\": 0", "\"seed\": 1"));
    let mut admin = Client::to(server.admin.as_ref().unwrap()).unwrap();
    admin.send("POST", "/admin/reload", &[], b"").unwrap().ok();
    let after = server.get("/v1/models/enc").ok()["digest"].clone();
    assert_ne!(before, after);
    assert_eq!(waiting.join().unwrap().ok()["model"]["digest"], before);
    assert_eq!(server.post("/v1/predict", prompts(&PROMPTS[..1])).ok()["model"]["digest"], after);
    dir.write("enc/encoder-vocab.txt", "spoilt");
    admin.send("POST", "/admin/reload", &[], b"").unwrap().is_error(
        422,
        "reload_failed",
        None,
        "encoder-vocab.txt",
    );
    assert_eq!(server.post("/v1/predict", prompts(&PROMPTS[..1])).ok()["model"]["digest"], after);
}

#[test]
fn an_end_answers_a_full_queue_first() {
    let dir = with_models();
    let server =
        Server::start(&dir, "--model enc --encoder-queue 8 --encoder-max-wait 800 --drain-delay 0.1");
    let waiting: Vec<_> = (0..4).map(|_| send(&server, prompts(&PROMPTS[..2]))).collect();
    until(&server, DEPTH, 8.0);
    server.post("/v1/predict", prompts(&PROMPTS[..1])).is_error(429, "overloaded", None, "encoder");
    server.signal("-TERM");
    for reply in waiting {
        assert_eq!(reply.join().unwrap().ok()["predictions"].as_array().unwrap().len(), 2);
    }
    let (status, log) = server.wait(Duration::from_secs(20));
    assert!(status.success() && log.contains("ended") && !log.contains(PROMPTS[0]), "{status} {log}");
}

#[test]
fn many_clients_share_batches_and_get_what_one_gets() {
    let dir = with_models();
    let server = Server::start(&dir, "--model enc --encoder-max-wait 20");
    let texts: Vec<String> = dir_rows().into_iter().take(64).collect();
    let alone: Vec<f64> = texts
        .iter()
        .map(|text| number(&server.post("/v1/predict", prompts(&[text])).ok()["predictions"][0]["p_refusal"]))
        .collect();
    let before = metric(&server, "demur_encoder_batch_inputs_count{model=\"enc\"}").unwrap();
    let together: Vec<_> = texts.iter().map(|text| send(&server, prompts(&[text]))).collect();
    for (reply, alone) in together.into_iter().zip(alone) {
        let p = number(&reply.join().unwrap().ok()["predictions"][0]["p_refusal"]);
        assert!((p - alone).abs() < 1e-5, "{p} {alone}");
    }
    let batches = metric(&server, "demur_encoder_batch_inputs_count{model=\"enc\"}").unwrap() - before;
    assert!(batches < 64.0, "{batches} batches for 64 requests");
}
