//! Models with an encoder tier: a tiny BERT of random numbers under a head that is really fitted, asked by
//! every command and by the service.

mod commands;
mod service;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use demur_predictor::encoder::{EncoderConfig, Weights};
use serde_json::{Value, json};

use crate::server::{Client, JSON, Reply, Server};
use crate::support::Dir;

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

/// A folder with a predictor `enc`, a classifier `cls`, both with an encoder tier, and a predictor `plain`
/// without.
fn with_models() -> Dir {
    static MODELS: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    let models = MODELS.get_or_init(|| {
        let dir = Dir::with_starter();
        tiny(&dir.path("encoders/tiny"));
        let fit = |what: &str, set: &[&str]| {
            dir.tiered(&format!("fit {what}"))
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

/// Prompts of the starter corpus.
fn dir_rows() -> Vec<String> {
    let rows = Dir::with_starter().rows("labelled.jsonl");
    rows.iter().filter_map(|row| row["prompt"].as_str()).take(100).map(str::to_owned).collect()
}
