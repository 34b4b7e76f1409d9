//! Scores every prompt of a file over and over: what a profiler is run on, and the time of a prompt without a
//! harness.
//!
//!     prompt_loop PROMPTS [TIMES] [MODEL]      PROMPTS has one prompt a line; without MODEL, the bundled one

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::env;
use std::fs;
use std::path::Path;
use std::time::Instant;

use demur_predictor::{Bundled, Input, Model, Scratch};

fn main() {
    let mut args = env::args().skip(1);
    let file = fs::read_to_string(args.next().expect("a file of prompts")).expect("a readable file");
    let times: usize = args.next().map_or(1, |times| times.parse().expect("a number"));
    let start = Instant::now();
    let model =
        args.next().map_or_else(|| Model::bundled(Bundled::Prompt), |dir| Model::load(Path::new(&dir)));
    let model = model.expect("a model");
    println!("loaded in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let prompts: Vec<&str> = file.lines().collect();
    let mut scratch = Scratch::default();
    let (mut fastest, mut digest) = (f64::MAX, 0_u64);
    for _ in 0..times {
        let start = Instant::now();
        // Every bit of every logit: two builds that print the same score alike.
        digest = prompts.iter().fold(0, |digest, prompt| {
            digest.rotate_left(5) ^ model.scorer().logit(&Input::prompt(prompt), &mut scratch).to_bits()
        });
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    println!(
        "{} prompts, {:.3} us each, digest {digest:016x}",
        prompts.len(),
        fastest * 1e6 / prompts.len() as f64
    );
}
