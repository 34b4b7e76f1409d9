//! Fits of the encoder tier on a tiny random encoder: what is learned, stored, left out and resumed.

#![cfg(feature = "bert")]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use demur_data::{Label, Labelled, Labeller, Place, Record};
use demur_predictor::encoder::{Cascade, EncoderConfig, Weights};
use demur_predictor::{Field, Input, LoadOptions, Model, Scratch, SeenPrompts, Tier};
use demur_training::{
    CrossValidation, Distil, EncoderProgress, EncoderStore, Examples, Grouping, Progress, Provenance, Recipe,
    TrainingError, train,
};
use tempfile::TempDir;

mod shared;

const WORDS: [&str; 16] = [
    "tea", "milk", "bread", "rain", "tree", "song", "bike", "lamp", "bomb", "gun", "theft", "fraud", "knife",
    "poison", "hack", "drug",
];

/// A store that caches what it computes in a folder of its own. libtorch's threads and seed are global to the
/// process, so the tests run one at a time.
fn store() -> (MutexGuard<'static, ()>, TempDir, EncoderStore) {
    static ONE: Mutex<()> = Mutex::new(());
    let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let cache = tempfile::tempdir().unwrap();
    let encoders = EncoderStore::default().keep_in(Some(cache.path().to_owned()));
    (guard, cache, encoders)
}

/// The folder of a tiny BERT.
fn tiny() -> &'static Path {
    static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        let config = r#"{"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
            "intermediate_size": 24, "max_position_embeddings": 32, "vocab_size": 24, "type_vocab_size": 2}"#;
        fs::write(dir.path().join("config.json"), config).unwrap();
        let pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "how", "make"].iter().chain(&WORDS);
        fs::write(dir.path().join("vocab.txt"), pieces.map(|piece| format!("{piece}\n")).collect::<String>())
            .unwrap();
        let config = EncoderConfig::read(dir.path()).unwrap();
        let shapes: BTreeMap<String, Vec<usize>> = config.tensors().into_iter().collect();
        let mut state = 7_u32;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * 0.3
        };
        let tensor = |name: &str| {
            let numbers = shapes[name].iter().product();
            Some(
                (0..numbers).map(|_| if name.ends_with("LayerNorm.weight") { 1.0 } else { draw() }).collect(),
            )
        };
        let weights = Weights::gather(&config, tensor).unwrap();
        fs::write(dir.path().join("model.safetensors"), weights.to_bytes().unwrap()).unwrap();
        dir
    });
    FOLDER.path()
}

/// Prompts of two words; refused if the second is a bad one, otherwise one in ten.
fn corpus(rows: usize) -> Vec<Record> {
    let row = |at: usize| {
        let (first, second) = (WORDS[at % 8], WORDS[(at * 7 + at / 16) % 16]);
        let bad = (at * 7 + at / 16) % 16 >= 8;
        let refused = bad != (at % 10 == 3);
        Record {
            id: None,
            prompt: Some(format!("how make {first} {second} {}", "tea ".repeat(at % 5))),
            response: None,
            signs: None,
            context: Vec::new(),
            sent_in: demur_data::Context::default(),
            target: None,
            source: None,
            category: None,
            split: None,
            // Otherwise all of these would be one template.
            group: Some(at.to_string()),
            label: Some(Labelled::of(
                if refused { Label::Refused } else { Label::Complied },
                Labeller::Person,
            )),
            weight: 1.0,
            place: Place { file: Arc::from("test"), line: at + 1 },
            row: None,
        }
    };
    (0..rows).map(row).collect()
}

fn recipe(encoder: &str) -> Recipe {
    let base = tiny().display();
    let text = format!(
        "name = \"t\"\nlabelled = {{}}\nunlabelled = {{}}\n[response]\nviews = [{{ field = \"response\", ngrams = [1, 1] }}]\n\
         [prompt.fit]\ncalibration = \"platt\"\nviews = [{{ field = \"prompt\", ngrams = [1, 1] }}]\n\
         [prompt.fit.encoder]\nbase = \"{base}\"\nreads = {{ text = \"prompt\", tokens = 16 }}\nc = [0.3, 3.0]\n{encoder}"
    );
    Recipe::parse(&text, Path::new("t.toml"), &[]).unwrap()
}

fn fit(recipe: &Recipe, records: &[Record], encoders: &EncoderStore) -> Result<Model, TrainingError> {
    let provenance = Provenance {
        recipe: recipe.clone(),
        training: Vec::new(),
        figures: BTreeMap::new(),
        teacher: SeenPrompts::default(),
    };
    train(Field::Prompt, records, provenance, encoders).map(|(model, _)| model)
}

fn inputs(records: &[Record]) -> Vec<Input<'_>> {
    records.iter().map(|record| Input::prompt(record.prompt.as_deref().unwrap())).collect()
}

fn bits(model: &Model, records: &[Record]) -> Vec<u64> {
    let all = model.predict_all(&inputs(records)).unwrap();
    all.into_iter().map(|p| p.get().to_bits()).collect()
}

#[test]
fn a_head_learns_and_a_saved_model_says_the_same() {
    let (_guard, _cache, encoders) = store();
    let records = corpus(240);
    let model = fit(&recipe("taps = [1, 3]\nknown = 6\ncheap = 0.4\n"), &records, &encoders).unwrap();
    let (manifest, tier) = model.encoder().unwrap();
    assert_eq!((manifest.config.width(), manifest.known, manifest.tuned), (32, 6, false));
    assert!(manifest.stack.encoder > 0.0, "{:?}", manifest.stack);
    assert!(
        manifest.direction.auroc.unwrap() > 0.6 && manifest.direction.head_auroc.unwrap() > 0.7,
        "{manifest:?}"
    );
    let cheap = manifest.cascades[8].cheap;
    assert!((cheap - 0.4).abs() < 0.1, "{cheap}");
    let near = tier.direction(&Input::prompt("how make tea bomb"), 3).unwrap();
    assert_eq!(near.nearest.len(), 3);
    assert!(near.nearest[0].similarity >= near.nearest[2].similarity && near.deviations.is_finite());

    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("model");
    model.save(&place).unwrap();
    let again = Model::load(&place).unwrap();
    assert_eq!(again.digest(), model.digest());
    assert_eq!(bits(&again, &records), bits(&model, &records), "to the last bit");
    let card = fs::read_to_string(place.join("README.md")).unwrap();
    assert!(card.contains(&manifest.base.sha256) && card.contains(&manifest.base.name), "{card}");
    // The same result from the loaded model.
    let copy = dir.path().join("copy");
    again.save(&copy).unwrap();
    assert_eq!(Model::load(&copy).unwrap().digest(), model.digest());
    // The n-gram tier alone does not need the encoder.
    let options = LoadOptions { tier: Tier::Ngram, ..LoadOptions::default() };
    fs::remove_file(copy.join("encoder.safetensors")).unwrap();
    let ngrams = Model::load_with(&copy, options).unwrap();
    assert!(ngrams.encoder().is_none());
    let mut scratch = Scratch::default();
    let input = inputs(&records)[0];
    assert_eq!(
        ngrams.predict_ngrams(&input, &mut scratch).p_refusal,
        model.predict_ngrams(&input, &mut scratch).p_refusal
    );
    assert!(Model::load(&copy).unwrap_err().to_string().contains("encoder.safetensors"));
}

#[test]
fn damage_is_found() {
    let (_guard, _cache, encoders) = store();
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("model");
    fit(&recipe("known = 4\n"), &corpus(120), &encoders).unwrap().save(&place).unwrap();
    for name in ["encoder.safetensors", "encoder-head.safetensors", "encoder-vocab.txt", "known.jsonl"] {
        let whole = fs::read(place.join(name)).unwrap();
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(place.join(name), bytes).unwrap();
        let error = Model::load(&place).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("SHA-256"), "{name}: {error}");
        fs::write(place.join(name), whole).unwrap();
    }
    Model::load(&place).unwrap();
}

#[test]
fn a_cascade_asks_where_it_is_told_to() {
    let (_guard, _cache, encoders) = store();
    let records = corpus(160);
    let model = fit(&recipe(""), &records, &encoders).unwrap();
    let mut scratch = Scratch::default();
    let texts = inputs(&records);
    let mut tiers = |cascade| {
        let all = model.predict_tiers(&texts, cascade, &mut scratch).unwrap();
        all.iter().filter(|tiered| tiered.tier == Tier::Ngram).count()
    };
    assert_eq!(tiers(None), 0, "no share was asked for");
    assert_eq!(tiers(Some(Cascade { below: 2.0, from: 2.0 })), 160);
    let some = tiers(Some(Cascade { below: 0.5, from: 2.0 }));
    assert!(0 < some && some < 160, "{some}");
}

/// The numbers of tuned encoders do not depend on whether the fit was cut off.
#[test]
fn a_fit_that_was_cut_off_ends_where_it_would_have_ended() {
    let (_guard, cache, encoders) = store();
    let records = corpus(120);
    let recipe = recipe(
        "[prompt.fit.encoder.tune]\nepochs = 3\nbatch = 16\nrate = 0.002\nhead_rate = 0.02\npatience = 3\n",
    );
    let whole = fit(&recipe, &records, &encoders).unwrap();
    assert!(whole.manifest().encoder.as_ref().unwrap().tuned);
    let left = fs::read_dir(cache.path().join("checkpoints")).unwrap().count();
    assert_eq!(left, 0, "checkpoints go when the fit is done");

    let other = tempfile::tempdir().unwrap();
    let elsewhere = || EncoderStore::default().keep_in(Some(other.path().to_owned()));
    let cut_off = elsewhere().on_progress(|progress| {
        // When an epoch is reported, its checkpoint is not yet written; the first two are.
        assert!(!matches!(progress, EncoderProgress::Epoch { epoch: 3, .. }), "cut off");
    });
    assert!(catch_unwind(AssertUnwindSafe(|| fit(&recipe, &records, &cut_off))).is_err());
    let resumed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&resumed);
    let resuming = elsewhere().resuming(true).on_progress(move |progress| {
        if let EncoderProgress::Resumed { epochs } = progress {
            count.fetch_add(*epochs, Ordering::Relaxed);
        }
    });
    let again = fit(&recipe, &records, &resuming).unwrap();
    assert_eq!(resumed.load(Ordering::Relaxed), 2);
    assert_eq!(again.digest(), whole.digest());
}

#[test]
fn fits_of_the_encoder_learn() {
    let (_guard, _cache, encoders) = store();
    let records = corpus(240);
    let examples = Examples::of(&records, &Grouping::Equal.groups(&records));
    let base = "stack = false\n[prompt.fit.encoder.tune]\nepochs = 15\nbatch = 16\nrate = 0.004\nhead_rate = 0.05\npatience = 15\n";
    for more in ["", "layers = 2\n", "precision = \"bfloat16\"\n", "layers = 1\nfolds = 2\nsmoothing = 0.1\n"]
    {
        let recipe = recipe(&format!("{base}{more}"));
        let judge = CrossValidation { field: Field::Prompt, folds: 2, grouping: Grouping::Equal, seed: 1 };
        let figures =
            judge.judge(recipe.plan(Field::Prompt, &encoders), &examples, Progress::none()).unwrap();
        assert!(figures.auroc > 0.65, "{more}: {}", figures.auroc);
    }
}

#[test]
fn an_intermediate_task_is_learned_once_and_sees_no_row_of_the_corpus() {
    let (_guard, cache, encoders) = store();
    let records = corpus(160);
    let file = cache.path().join("first.jsonl");
    let all = corpus(400);
    let lines = all.iter().map(|record| {
        let label =
            if record.label.as_ref().unwrap().label == Some(Label::Refused) { "refused" } else { "complied" };
        format!(
            "{}\n",
            serde_json::json!({"prompt": format!("{} x", record.prompt.as_ref().unwrap()), "label": label})
        )
    });
    // One row that is also in the corpus.
    let shared = serde_json::json!({"prompt": records[5].prompt, "label": "refused"});
    fs::write(&file, lines.collect::<String>() + &format!("{shared}\n")).unwrap();
    let estimates = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&estimates);
    let encoders = encoders.on_progress(move |progress| {
        if let EncoderProgress::Estimate { rows, .. } = progress {
            heard.lock().unwrap().push(*rows);
        }
    });
    let recipe = recipe(&format!(
        "[prompt.fit.encoder.intermediate]\ndata = {{ files = [\"{}\"] }}\n\
         [prompt.fit.encoder.intermediate.tune]\nepochs = 2\nrate = 0.001\n",
        file.display()
    ));
    let examples = Examples::of(&records, &Grouping::Equal.groups(&records));
    let judge = CrossValidation { field: Field::Prompt, folds: 4, grouping: Grouping::Equal, seed: 1 };
    let figures = judge.judge(recipe.plan(Field::Prompt, &encoders), &examples, Progress::none()).unwrap();
    assert!(figures.auroc > 0.75, "{}", figures.auroc);
    let heard = estimates.lock().unwrap().clone();
    assert_eq!(heard.len(), 1, "one fit for all folds: {heard:?}");
    let model = fit(&recipe, &records, &encoders).unwrap();
    assert!(model.seen().contains("how make tea tea  x") && model.manifest().encoder.as_ref().unwrap().tuned);
    let files: Vec<&str> = model.manifest().training.iter().map(|data| data.file.as_str()).collect();
    assert!(files.contains(&"first.jsonl"), "{files:?}");
}

#[test]
fn the_ngrams_learn_what_the_encoder_thinks_of_other_texts() {
    let (_guard, cache, encoders) = store();
    let records = corpus(160);
    let file = cache.path().join("texts.jsonl");
    let prompts = |from: usize| {
        WORDS.iter().flat_map(move |a| WORDS[from..].iter().map(move |b| format!("how make {a} {b} so")))
    };
    let line = |prompt: &str| format!("{}\n", serde_json::json!({"prompt": prompt}));
    // One of them is also in the corpus.
    let shared = records[5].prompt.clone().unwrap();
    fs::write(&file, prompts(0).chain([shared]).map(|prompt| line(&prompt)).collect::<String>()).unwrap();
    let section =
        format!("[prompt.fit.encoder.distil]\nweight = 4.0\ndata = {{ files = [\"{}\"] }}\n", file.display());
    let distilled = fit(&recipe(&format!("stack = false\n{section}")), &records, &encoders).unwrap();
    let plain = fit(&recipe("stack = false\n"), &records, &encoders).unwrap();

    // The distance between the n-grams and the encoder on texts that neither has seen.
    let fresh: Vec<String> = prompts(8).map(|prompt| prompt.replace(" so", "")).collect();
    let fresh: Vec<Input<'_>> = fresh.iter().map(|prompt| Input::prompt(prompt)).collect();
    let mut scratch = Scratch::default();
    let mut apart = |model: &Model| -> f64 {
        let always = Some(Cascade { below: 2.0, from: 2.0 });
        let mut of = |cascade| model.predict_tiers(&fresh, cascade, &mut scratch).unwrap();
        let (ngrams, encoder) = (of(always), of(Some(Cascade::NEVER_CHEAP)));
        ngrams.iter().zip(&encoder).map(|(a, b)| (a.p_refusal.get() - b.p_refusal.get()).abs()).sum()
    };
    let (with, without) = (apart(&distilled), apart(&plain));
    assert!(with < 0.8 * without, "{with} {without}");
    let seen = distilled.seen();
    assert!(seen.contains("how make tea tea so") && !plain.seen().contains("how make tea tea so"));
    let lesson = distilled.manifest().training.iter().find(|data| data.file == "texts.jsonl").unwrap();
    assert_eq!(lesson.rows, 257, "what the file has");
    // A word that occurs only in the texts is now an n-gram of the model.
    let mut logit = |model: &Model, word| model.predict_ngrams(&Input::prompt(word), &mut scratch).logit;
    assert_eq!(logit(&plain, "so"), logit(&plain, "zzz"));
    assert_ne!(logit(&distilled, "so"), logit(&distilled, "zzz"));
}

#[test]
fn what_cannot_be_is_named() {
    let (_guard, _cache, encoders) = store();
    let records = corpus(60);
    for (encoder, said) in [("taps = [4]\n", "layers [4]"), ("taps = [2, 1]\n", "not in order")] {
        let error = fit(&recipe(encoder), &records, &encoders).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    let mut missing = recipe("");
    missing.prompt.fit.encoder.as_mut().unwrap().base = "no-such-encoder".to_owned();
    let error = fit(&missing, &records, &encoders).unwrap_err().to_string();
    assert!(error.contains("scripts/setup-bert.sh"), "{error}");
    let mut long = recipe("");
    long.prompt.fit.encoder.as_mut().unwrap().reads =
        Some(demur_predictor::encoder::Reads::Prompt { tokens: 64 });
    let mut both = recipe("[prompt.fit.encoder.tune]\n");
    let distil = Distil { data: Vec::new(), weight: 1.0 };
    both.prompt.fit.encoder.as_mut().unwrap().distil = Some(distil);
    let error = fit(&both, &records, &encoders).unwrap_err().to_string();
    assert!(error.contains("encoder.distil") && error.contains("`tune`"), "{error}");
    let error = fit(&long, &records, &encoders).unwrap_err().to_string();
    assert!(error.contains("encoder.reads.tokens") && error.contains("64"), "{error}");
}
