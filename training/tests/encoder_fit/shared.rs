//! The encoder that both models use: its fit, its folder, and a model on it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use demur_data::{Place, Record};
use demur_predictor::{Input, Model};
use demur_training::{Distil, EncoderProgress, SharedEncoder, fit_shared};

use crate::{corpus, fit, recipe, store, tiny};

/// The corpus as a recipe for both models has it: prompts of two files, answers of two sources.
fn of_both_models() -> (Vec<Record>, Vec<Record>) {
    let part = |at: usize| if at.is_multiple_of(2) { "a" } else { "b" };
    let prompts = corpus(240).into_iter().enumerate().map(|(at, record)| Record {
        source: Some("norm".to_owned()),
        place: Place { file: Arc::from(part(at)), line: at + 1 },
        ..record
    });
    let answers = corpus(60).into_iter().enumerate().map(|(at, record)| Record {
        response: Some(if at % 3 == 0 { "how fraud" } else { "make bread" }.to_owned()),
        source: Some(part(at).to_owned()),
        ..record
    });
    (answers.collect(), prompts.collect())
}

#[test]
fn one_encoder_serves_both_models_and_its_fit_is_kept() {
    let (_guard, cache, encoders) = store();
    let (answers, prompts) = of_both_models();
    let base = tiny().display();
    let text = format!(
        "base = \"{base}\"\nanswers = {{ text = \"both\", tokens = 24, prompt_tokens = 8 }}\n\
         prompts = {{ text = \"prompt\", tokens = 16 }}\nprompt_sources = [\"norm\"]\npieces = 8\nparts = 2\n\
         [tune]\nepochs = 3\nbatch = 16\nrate = 0.005\nhead_rate = 0.05\n"
    );
    let params: SharedEncoder = toml::from_str(&text).unwrap();
    let folder = cache.path().join("both");
    fs::create_dir(cache.path().join("taken")).unwrap();
    fs::write(cache.path().join("taken/notes.txt"), "mine").unwrap();
    let taken = fit_shared(&params, (&answers, &prompts), &encoders, 0, &cache.path().join("taken"));
    assert!(taken.unwrap_err().to_string().contains("something else"));
    assert_eq!(fs::read_to_string(cache.path().join("taken/notes.txt")).unwrap(), "mine");

    // What had been fitted when the folder could not be written is not fitted again.
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&steps);
    let encoders = encoders.resuming(true).on_progress(move |progress| {
        counted.fetch_add(usize::from(matches!(progress, EncoderProgress::Step { .. })), Ordering::Relaxed);
    });
    fit_shared(&params, (&answers, &prompts), &encoders, 0, &folder).unwrap();
    assert_eq!(steps.load(Ordering::Relaxed), 0, "it goes on from the checkpoints");
    let files = |name: &str| fs::read(folder.join(name)).unwrap();
    let first = ["model.safetensors", "head.json", "held-out.bin", "vocab.txt"].map(files);
    fit_shared(&params, (&answers, &prompts), &encoders, 0, &folder).unwrap();
    assert_eq!(["model.safetensors", "head.json", "held-out.bin", "vocab.txt"].map(files), first);

    // The n-grams know these words too: without a second level the encoder answers alone.
    let mut recipe = recipe("stack = false\n");
    let encoder = recipe.prompt.fit.encoder.as_mut().unwrap();
    encoder.base = folder.display().to_string();
    let model = fit(&recipe, &prompts, &encoders).unwrap();
    let manifest = model.encoder().unwrap().0;
    assert!(manifest.tuned && manifest.stack.ngrams == 0.0, "{:?}", manifest.stack);
    assert_eq!(manifest.base.name, tiny().file_name().unwrap().to_string_lossy());
    model.save(&cache.path().join("model")).unwrap();
    assert_eq!(fs::read(cache.path().join("model/encoder.safetensors")).unwrap(), first[0]);
    let loaded = Model::load(&cache.path().join("model")).unwrap();
    let p = |prompt: &str| loaded.predict_all(&[Input::prompt(prompt)]).unwrap()[0].get();
    assert!(p("how make tea poison") > 0.5 && p("how make tea song") < 0.5);

    recipe.prompt.fit.encoder.as_mut().unwrap().distil = Some(Distil { data: Vec::new(), weight: 1.0 });
    let error = fit(&recipe, &prompts, &encoders).unwrap_err().to_string();
    assert!(error.contains("encoder.distil"), "{error}");
}
