//! `demur pipeline`: the whole path, with the same result on every run.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::{Dir, Run};

/// The files and the output of a default run; it runs once.
fn default_run() -> &'static (BTreeMap<String, Vec<u8>>, Run) {
    static RUN: OnceLock<(BTreeMap<String, Vec<u8>>, Run)> = OnceLock::new();
    RUN.get_or_init(|| {
        let dir = Dir::new();
        let run = dir.demur("pipeline").succeeds();
        assert_eq!(dir.names(), ["demur-out"]);
        (dir.tree("demur-out"), run)
    })
}

fn accuracy(figures: &Value) -> f64 {
    figures["accuracy"].as_f64().unwrap()
}

#[test]
fn the_default_run_writes_both_models_the_corpus_and_the_figures() {
    let (files, run) = default_run();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let mut expected =
        vec!["bootstrap.jsonl", "bootstrap.jsonl.seen", "evaluation.json", "recipe.toml", "report.ipynb"];
    let model = ["README.md", "manifest.json", "seen.bin", "vocabulary.txt", "weights.safetensors"];
    let of_models: Vec<String> =
        ["prompt", "response"].iter().flat_map(|m| model.map(|file| format!("{m}/{file}"))).collect();
    expected.extend(of_models.iter().map(String::as_str));
    expected.sort_unstable();
    assert_eq!(names, expected);
    run.says("labelled rows: 340 rows read from 1 file").says("unlabelled rows: 240 rows read from 1 file");
    run.says("results are in demur-out");
    for title in
        ["response classifier\n", "prompt predictor\n", "machine labels only\n", "human labels only\n"]
    {
        assert!(run.stdout.contains(title), "{title} is not in {}", run.stdout);
    }
}

#[test]
fn the_default_models_beat_their_baselines() {
    let figures: Value = serde_json::from_slice(&default_run().0["evaluation.json"]).unwrap();
    for part in ["response", "prompt"] {
        let (model, baselines) = (&figures[part], &figures[part]["baselines"]);
        for baseline in ["majority", "phrase_list", "shuffled_labels"] {
            assert!(accuracy(model) > accuracy(&baselines[baseline]), "{part} against {baseline}: {model}");
        }
        let lowest = model["accuracy_interval"][0].as_f64().unwrap();
        assert!(lowest > accuracy(&baselines["majority"]), "{part}: the interval lies above the majority");
    }
}

#[test]
fn the_recipe_beside_the_results_is_the_one_that_ran() {
    let recipe = String::from_utf8(default_run().0["recipe.toml"].clone()).unwrap();
    assert!(recipe.contains("name = \"starter\""), "{recipe}");
    let manifest: Value = serde_json::from_slice(&default_run().0["prompt/manifest.json"]).unwrap();
    assert_eq!(manifest["recipe"]["name"], "starter");
    let files: Vec<&Value> =
        manifest["training"].as_array().unwrap().iter().map(|data| &data["file"]).collect();
    assert_eq!(files, ["unlabelled.jsonl", "labelled.jsonl"]);
}

#[test]
fn two_default_runs_are_equal_byte_for_byte() {
    let dir = Dir::new();
    let again = dir.demur("pipeline --out elsewhere/again").succeeds();
    let (files, first) = default_run();
    assert_eq!(again.stdout, first.stdout);
    assert_equal(files, &dir.tree("elsewhere/again"));
}

fn assert_equal(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) {
    assert!(one.keys().eq(other.keys()), "{:?} against {:?}", one.keys(), other.keys());
    for (name, bytes) in one {
        assert!(*bytes == other[name], "{name} differs");
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let dir = Dir::new();
    for threads in ["1", "2", "4"] {
        dir.demur(&format!("pipeline --out with-{threads}"))
            .fast()
            .env("RAYON_NUM_THREADS", threads)
            .succeeds();
    }
    let one = dir.tree("with-1");
    assert_eq!(one.len(), 15);
    assert_equal(&one, &dir.tree("with-2"));
    assert_equal(&one, &dir.tree("with-4"));
}

#[test]
fn json_is_one_object_equal_to_the_file() {
    let dir = Dir::new();
    let run = dir.demur("pipeline --json").fast().succeeds();
    let figures = run.json();
    let keys: Vec<&String> = figures.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["method", "response", "prompt", "prompt_machine_only", "prompt_human_only"]);
    let file: Value = serde_json::from_slice(&dir.bytes("demur-out/evaluation.json")).unwrap();
    assert_eq!(figures, file);
}

#[test]
fn a_setting_changes_the_run_and_is_written_down() {
    let dir = Dir::new();
    dir.demur("pipeline --set seed=7 --set name=mine --set response.c=[0.5] --out set").fast().succeeds();
    let manifest: Value = serde_json::from_slice(&dir.bytes("set/response/manifest.json")).unwrap();
    assert_eq!(manifest["seed"], 7);
    assert_eq!(manifest["name"], "mine-response");
    assert_eq!(manifest["recipe"]["response"]["c"], serde_json::json!([0.5]));
    let recipe = dir.text("set/recipe.toml");
    assert!(recipe.contains("--set seed=7") && recipe.contains("--set name=mine"), "{recipe}");
    assert!(recipe.ends_with('\n'), "the last line is a whole one: {recipe}");
}

#[test]
fn a_setting_that_the_recipe_does_not_have_is_wrong_use() {
    let dir = Dir::new();
    dir.demur("pipeline --set response.colour=1").fails(2, &["--set response.colour=1", "colour"]);
    dir.demur("pipeline --set seed").fails(2, &["--set seed", "key=value"]);
    assert_eq!(dir.names(), [""; 0]);
}

const RECIPE: &str = r#"name = "own"
[labelled]
files = ["labelled.jsonl"]
columns = { label = "kind" }
[unlabelled]
files = ["unlabelled.jsonl"]
[evaluation]
folds = 2
[response]
views = [{ field = "response", ngrams = [1, 1] }]
[prompt.fit]
views = [{ field = "prompt", ngrams = [1, 1] }]
"#;

#[test]
fn a_recipe_reads_files_beside_itself_or_in_the_data_folder() {
    let dir = Dir::with_starter();
    dir.write("own.toml", RECIPE);
    dir.write("recipes/own.toml", RECIPE);
    dir.demur("pipeline own.toml --out beside").succeeds();
    dir.demur("pipeline recipes/own.toml --data-dir . --out there").succeeds();
    assert_equal(&dir.tree("beside"), &dir.tree("there"));
    assert_eq!(dir.text("beside/recipe.toml"), RECIPE);
}

#[test]
fn a_recipe_whose_file_is_missing_names_it() {
    let dir = Dir::new();
    dir.write("recipes/own.toml", RECIPE);
    let missing = "recipes/labelled.jsonl";
    dir.demur("pipeline recipes/own.toml").fails(1, &[missing, "cannot read"]);
    assert_eq!(dir.names(), ["recipes"], "no results of a run that did not start");
    dir.demur("pipeline nowhere.toml").fails(1, &["nowhere.toml"]);
}

#[test]
fn a_broken_recipe_is_located() {
    let dir = Dir::new();
    dir.write("broken.toml", "name = \"x\"\nseed = [\n");
    dir.demur("pipeline broken.toml").fails(1, &["broken.toml", "line 2"]);
    dir.write("unknown.toml", format!("colour = 1\n{RECIPE}"));
    dir.demur("pipeline unknown.toml").fails(1, &["unknown.toml", "colour"]);
    assert_eq!(dir.names(), ["broken.toml", "unknown.toml"]);
}

/// Only its words determine the labels of a template's prompts. Rows that the classifier labels must not
/// bring prompts of a held-out template into the fit that is evaluated on it.
#[test]
fn a_held_out_template_is_held_out_of_the_machine_labels_too() {
    let dir = Dir::new();
    let rows = |places: Range<usize>, labelled: bool| -> Vec<Value> {
        let names = ["adams", "polk", "tyler", "grant", "hayes", "pierce"];
        let row = |template: u8, at: usize| {
            let (of, name) = (char::from(b'a' + template), names[at]);
            let mut row = json!({"prompt": format!("{of}og {of}um {of}ap {name} {of}ix {of}el")});
            let refused = template.is_multiple_of(2);
            let response = if refused { "I cannot help you" } else { "Surely here it is" };
            row["response"] = format!("{response}, {name} {of}og").into();
            if labelled {
                row["kind"] = if refused { "rejected" } else { "complied" }.into();
            }
            row
        };
        (0..20).flat_map(|template| places.clone().map(move |at| row(template, at))).collect()
    };
    dir.write_rows("labelled.jsonl", &rows(0..3, true));
    dir.write_rows("unlabelled.jsonl", &rows(3..6, false));
    dir.write("own.toml", RECIPE);
    let figures = dir.demur("pipeline own.toml --out out --json").succeeds().json();
    assert!(accuracy(&figures["response"]) > 0.9, "the classifier's labels are right: {figures}");
    for part in ["prompt", "prompt_machine_only"] {
        let auroc = figures[part]["auroc"].as_f64().unwrap();
        assert!(auroc < 0.7, "{part}: words of no other template say anything, so it is a guess: {figures}");
    }
}

#[test]
fn hard_machine_labels_aim_at_the_label_and_not_at_its_probability() {
    let dir = Dir::new();
    let word =
        |at: usize| format!("{}{}", char::from(b'a' + (at / 26) as u8), char::from(b'a' + (at % 26) as u8));
    let answers = |at: usize| match at % 3 {
        0 => ("sew", "I cannot help you"),
        1 => ("paint", "Surely here it is"),
        _ => ("maybe", "Perhaps indeed"),
    };
    let labelled = |at: usize| {
        // Of the uncertain ones, three in five are refused.
        let refused = at.is_multiple_of(3) || (at % 3 == 2 && at % 5 < 3);
        let kind = if refused { "rejected" } else { "complied" };
        json!({"prompt": format!("ask {}", word(at)), "response": answers(at).1, "kind": kind})
    };
    let unlabelled = |at: usize| {
        let (verb, response) = answers(at);
        json!({"prompt": format!("{verb} x{}", word(at)), "response": response})
    };
    dir.write_rows("labelled.jsonl", &(0..90).map(labelled).collect::<Vec<_>>());
    dir.write_rows("unlabelled.jsonl", &(0..90).map(unlabelled).collect::<Vec<_>>());
    dir.write("own.toml", RECIPE);
    let of_doubtful = |labels: &str| {
        let settings = format!(
            "--set prompt.human_weight=0.0 --set prompt.fit.c=[100.0] --set prompt.machine_labels={labels}"
        );
        dir.demur(&format!("pipeline own.toml {settings} --out {labels}")).succeeds();
        let run = dir.demur(&format!("predict maybe --model {labels}/prompt --json")).succeeds();
        run.json()["p_refusal"].as_f64().unwrap()
    };
    let (soft, hard) = (of_doubtful("soft"), of_doubtful("hard"));
    assert!((0.5..0.7).contains(&soft) && hard > 0.9, "soft {soft}, hard {hard}");
}
