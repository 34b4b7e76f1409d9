//! How long an encoder takes for a text: batches of 32 texts of 20 tokens, by each library that the build
//! has. `benches/peers/encoder_peer.py` is the same for Python's onnxruntime and torch, on the same weights.
//!
//!     cargo run --release -p demur-predictor --example encode -- FOLDER [--onnx FILE]

#![allow(missing_docs, clippy::print_stdout)]

use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use demur_predictor::encoder::{BaseFiles, Encoder, EncoderOptions, Library, Tokens};

const ROWS: usize = 32;
const LENGTH: u32 = 20;
const RUNS: usize = 30;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let folder = args.next().ok_or("usage: encode FOLDER [--onnx FILE]")?;
    let files = BaseFiles::read(Path::new(&folder))?;
    if let (Some("--onnx"), Some(file)) = (args.next().as_deref(), args.next()) {
        fs::write(file, demur_predictor::encoder::to_onnx(&files.config, &files.weights)?)?;
    }
    let row = |row: u32| {
        let id = |at: u32| 1000 + (row * 37 + at * 101) % 20_000;
        Tokens { ids: (0..LENGTH).map(id).collect(), second: LENGTH as usize }
    };
    let batch: Vec<Tokens> = (0..32).map(row).collect();
    for library in Library::ALL {
        if library == Library::Torch && !cfg!(feature = "bert") {
            continue;
        }
        let options = EncoderOptions { library, ..EncoderOptions::default() };
        let encoder = Encoder::new(&files.config, &files.vocabulary, &files.weights, options)?;
        let mut seconds: Vec<f64> = Vec::with_capacity(RUNS);
        for _ in 0..RUNS + 3 {
            let started = Instant::now();
            encoder.embed_tokens(&batch)?;
            seconds.push(started.elapsed().as_secs_f64());
        }
        // The first ones pay for what is set up once.
        seconds.drain(..3);
        seconds.sort_by(f64::total_cmp);
        let ms = |seconds: f64| 1000.0 * seconds / ROWS as f64;
        let (best, median) = (ms(seconds[0]), ms(seconds[RUNS / 2]));
        let (name, threads) = (library.name(), options.threads);
        println!(
            "{{\"library\": \"{name}\", \"threads\": {threads}, \"ms_per_text\": {median:.3}, \"best\": {best:.3}}}"
        );
    }
    Ok(())
}
