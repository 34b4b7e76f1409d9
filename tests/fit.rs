//! `demur fit`: a model folder from labelled rows.

use serde_json::{Value, json};

use crate::support::{Dir, KIND};

const MODEL: [&str; 5] = ["README.md", "manifest.json", "seen.bin", "vocabulary.txt", "weights.safetensors"];

fn fit(dir: &Dir, field: &str, out: &str) {
    dir.demur(&format!("fit {field} --data {KIND} --out {out}")).fast().succeeds();
}

#[test]
fn a_model_is_a_folder_with_its_manifest() {
    let dir = Dir::with_starter();
    let run = dir.demur(&format!("fit response --data {KIND} --out model")).fast().succeeds();
    assert_eq!(run.stdout, "");
    run.says(
        "340 rows read from 1 file: 323 kept, 0 rejected, 17 dropped (13 kind dontknow, 4 kind incoherent)",
    );
    assert_eq!(dir.tree("model").keys().collect::<Vec<_>>(), MODEL);
    assert_eq!(dir.names(), ["labelled.jsonl", "model", "unlabelled.jsonl"]);
    let manifest: Value = serde_json::from_slice(&dir.bytes("model/manifest.json")).unwrap();
    assert_eq!(manifest["field"], "response");
    assert_eq!(manifest["polarity"], "refused=1");
    assert_eq!(manifest["targets"], json!(["demo-assistant"]));
    assert_eq!(manifest["training"][0]["file"], "labelled.jsonl");
    assert_eq!(manifest["training"][0]["rows"], 323);
    assert_eq!(manifest["training"][0]["labellers"], json!([{ "by": "person", "rows": 323 }]));
    let card = dir.text("model/README.md");
    assert!(card.starts_with("---\nlibrary_name: demur\n") && card.contains("labelled.jsonl"), "{card}");
}

#[test]
fn a_refit_gives_the_same_bytes() {
    for field in ["response", "prompt"] {
        let (one, other) = (Dir::with_starter(), Dir::with_starter());
        fit(&one, field, "model");
        fit(&other, field, "somewhere-else");
        assert_eq!(one.tree("model"), other.tree("somewhere-else"), "{field}");
    }
}

#[test]
fn a_folder_that_is_no_model_is_not_overwritten() {
    let dir = Dir::with_starter();
    dir.write("thesis/chapter1.txt", "years of work");
    dir.demur(&format!("fit prompt --data {KIND} --out thesis"))
        .fast()
        .fails(1, &["thesis", "exists and is no model directory", "--out"]);
    dir.demur(&format!("fit prompt --data {KIND} --out unlabelled.jsonl"))
        .fast()
        .fails(1, &["unlabelled.jsonl"]);
    assert_eq!(dir.text("thesis/chapter1.txt"), "years of work");
    assert_eq!(dir.names(), ["labelled.jsonl", "thesis", "unlabelled.jsonl"]);
}

#[test]
fn a_model_and_an_empty_folder_are_replaced() {
    let dir = Dir::with_starter();
    std::fs::create_dir(dir.path("model")).unwrap();
    fit(&dir, "prompt", "model");
    let before = dir.tree("model");
    dir.demur(&format!("fit prompt --data {KIND} --out model --set prompt.fit.c=[0.1]")).fast().succeeds();
    assert_ne!(before["weights.safetensors"], dir.bytes("model/weights.safetensors"));
    assert_eq!(dir.tree("model").keys().collect::<Vec<_>>(), MODEL);
    assert_eq!(dir.names(), ["labelled.jsonl", "model", "unlabelled.jsonl"]);
}

#[test]
fn a_place_for_the_model_that_cannot_be_is_said_before_the_fit() {
    let dir = Dir::with_starter();
    let run = dir.demur(&format!("fit prompt --data {KIND} --out labelled.jsonl/model")).fast();
    let run = run.fails(1, &["cannot write labelled.jsonl/model"]);
    assert!(!run.stderr.contains("labelled rows:"), "{}", run.stderr);
    assert_eq!(dir.names(), ["labelled.jsonl", "unlabelled.jsonl"]);
}

#[test]
fn rows_of_one_class_are_refused_with_the_flags_to_look_at() {
    let dir = Dir::new();
    let rows: Vec<Value> =
        (0..20).map(|n| json!({"prompt": format!("question {n}"), "label": "complied"})).collect();
    dir.write_rows("rows.jsonl", &rows);
    dir.demur("fit prompt --data rows.jsonl --out model")
        .fast()
        .fails(1, &["20 training rows", "--label-column", "--label-map"]);
    assert_eq!(dir.names(), ["rows.jsonl"]);
}

#[test]
fn a_fit_without_rows_is_wrong_use() {
    let dir = Dir::new();
    dir.demur("fit response --out model").fails(2, &["--data"]);
    dir.demur("fit --out model").fails(2, &["<MODEL>"]);
    dir.demur("fit response --data rows.jsonl").fails(2, &["--out"]);
    dir.demur("fit both --data rows.jsonl --out model").fails(2, &["both", "response", "prompt"]);
    assert_eq!(dir.names(), [""; 0]);
}

#[test]
fn of_several_values_of_c_the_best_is_taken_and_all_are_shown() {
    let dir = Dir::with_starter();
    let run = dir
        .demur(&format!("fit response --data {KIND} --out model --set response.c=[0.0001,3.0]"))
        .fast()
        .succeeds();
    run.says("c = 0.0001: log loss").says("c = 3: log loss").says("c = 3, digest");
}

#[test]
fn bad_rows_go_beside_the_model() {
    let dir = Dir::with_starter();
    let rows =
        dir.text("labelled.jsonl") + "{\"prompt\": \"x\", \"response\": 7, \"kind\": \"complied\"}\nno row\n";
    dir.write("labelled.jsonl", rows);
    let run = dir.demur(&format!("fit response --data {KIND} --out model")).fast().succeeds();
    run.says("2 rejected").says("bad rows are in model.rejected.jsonl").says("labelled.jsonl:341");
    let rejected = dir.rows("model.rejected.jsonl");
    assert_eq!(rejected.iter().map(|row| &row["line"]).collect::<Vec<_>>(), [341, 342]);
    assert_eq!(rejected[0]["field"], "response");
}

#[test]
fn a_slash_behind_the_folders_name_changes_nothing() {
    let dir = Dir::with_starter();
    dir.write("labelled.jsonl", dir.text("labelled.jsonl") + "no row\n");
    dir.demur(&format!("fit response --data {KIND} --out model/")).fast().succeeds();
    assert_eq!(dir.tree("model").keys().collect::<Vec<_>>(), MODEL);
    assert_eq!(dir.names(), ["labelled.jsonl", "model", "model.rejected.jsonl", "unlabelled.jsonl"]);
}

#[test]
fn rows_may_come_from_stdin_and_from_several_files() {
    let dir = Dir::with_starter();
    let rows = dir.bytes("labelled.jsonl");
    dir.demur("fit prompt --data - --label-column kind --out model").fast().stdin(rows.clone()).succeeds();
    let manifest: Value = serde_json::from_slice(&dir.bytes("model/manifest.json")).unwrap();
    assert_eq!(manifest["training"][0]["rows"], 323);
    dir.write("more.jsonl", rows);
    let run =
        dir.demur("fit prompt --data labelled.jsonl more.jsonl --deduplicate --label-column kind --out both");
    run.fast().succeeds().says("680 rows read from 2 files").says("duplicate");
}

#[test]
fn a_recipe_gives_data_and_features() {
    let dir = Dir::with_starter();
    dir.write(
        "own.toml",
        r#"name = "own"
[labelled]
files = ["labelled.jsonl"]
columns = { label = "kind" }
licence = "CC0-1.0"
[unlabelled]
files = []
[response]
views = [{ field = "response", ngrams = [1, 1] }]
[prompt.fit]
views = [{ field = "prompt", ngrams = [1, 1] }]
"#,
    );
    dir.demur("fit response --recipe own.toml --out model").succeeds();
    let manifest: Value = serde_json::from_slice(&dir.bytes("model/manifest.json")).unwrap();
    assert_eq!(manifest["name"], "own-response");
    assert_eq!(manifest["training"][0]["licence"], "CC0-1.0");
    assert_eq!(manifest["views"].as_array().unwrap().len(), 1);
}

#[test]
fn a_card_says_whose_labels_the_fit_has_learned() {
    let dir = Dir::with_starter();
    let fit = |flags: &str| {
        let command = format!("fit response --data labelled.jsonl --label-column kind --out model {flags}");
        let run = dir.demur(&command).fast().succeeds();
        (run.stderr, dir.text("model/README.md"))
    };
    let (said, card) = fit("");
    assert!(said.contains("323 rows do not say who labelled them; say it with --labelled-by"), "{said}");
    assert!(card.contains("Rows by who labelled them: 323 of unknown origin."), "{card}");
    assert!(card.contains("| - | labelled.jsonl | 323 | unknown | `"), "{card}");
    assert!(!card.contains("human"), "{card}");
    for (flag, words) in [
        ("person", "323 by persons"),
        ("judge", "323 by judge models"),
        ("rule", "323 by rules"),
        ("norm", "323 by norms (what should be refused)"),
    ] {
        let (said, card) = fit(&format!("--labelled-by {flag}"));
        assert!(said.contains(&format!("fitted on rows labelled {words}")), "{said}");
        assert!(card.contains(&format!("Rows by who labelled them: {words}.")), "{card}");
    }
    // The recipe names the labeller of its own files, and of no others.
    let recipe = "name = 'ours'\n[[labelled]]\nname = 'ours'\nfiles = ['labelled.jsonl']\ncolumns = { label = 'kind' }\n\
                  labelled_by = 'judge'\n[unlabelled]\nfiles = []\n[response]\n\
                  views = [{ field = 'response', ngrams = [1, 1] }]\n[prompt.fit]\nviews = [{ field = 'prompt' }]\n";
    dir.write("recipe.toml", recipe);
    dir.demur("fit response --recipe recipe.toml --out of-recipe").succeeds();
    assert!(dir.text("of-recipe/README.md").contains("| ours | labelled.jsonl | 323 | judge | `"));
    dir.demur("fit response --recipe recipe.toml --data labelled.jsonl --out other").succeeds();
    assert!(dir.text("other/README.md").contains("323 of unknown origin"));
    dir.demur("fit response --data labelled.jsonl --out model --labelled-by human")
        .fails(2, &["no labeller is called `human`", "person, judge, rule, norm, demur, unknown"]);
    dir.write("recipe.toml", recipe.replace("'judge'", "'someone'"));
    dir.demur("fit response --recipe recipe.toml --out of-recipe").fails(1, &["labelled_by", "`person`"]);
}

#[test]
fn figures_on_unseen_sources_stand_in_the_manifest_and_where_people_look() {
    let dir = Dir::with_starter();
    let rows = |source: &str| -> Vec<serde_json::Value> {
        let row = |n: usize| {
            let refused = n.is_multiple_of(2);
            let response =
                if refused { "I'm sorry, I can't help with that." } else { "Here it is: boil the egg." };
            serde_json::json!({"prompt": format!("{source} {n}"), "response": response,
                "label": if refused { "refused" } else { "complied" }, "source": source})
        };
        (0..30).map(row).collect()
    };
    dir.write_rows("elsewhere.jsonl", &rows("elsewhere"));
    let few = &rows("few")[..10];
    dir.write_rows("few.jsonl", few);
    dir.write(
        "unseen.toml",
        "[[unseen]]\nfiles = [\"elsewhere.jsonl\"]\nlabelled_by = \"person\"\n[[unseen]]\nfiles = [\"few.jsonl\"]\n",
    );
    let fit = format!("fit response --data {KIND} --unseen unseen.toml --out models/response");
    dir.demur(&fit).fast().succeeds();
    let manifest = dir.demur("inspect models/response --json").succeeds().json();
    let report = &manifest["manifest"]["left_out"];
    let sources = report["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 1, "a source of ten rows has no figures: {report}");
    assert_eq!((sources[0]["name"].as_str(), sources[0]["n"].as_u64()), (Some("elsewhere"), Some(30)));
    assert_eq!(sources[0]["labeller"], "person");
    assert_eq!(sources[0]["majority"], 0.5);
    assert!(sources[0]["phrase_list"].as_f64().unwrap() > 0.9, "{report}");
    let shown = dir.demur("inspect models/response").succeeds().stdout;
    assert!(shown.contains("On one source that the fit has not seen"), "{shown}");
    let card = dir.text("models/response/README.md");
    assert!(card.contains("On one source that the fit has not seen"), "{card}");
}

/// Sources that differ in how much they refuse, with rows that carry no other information.
#[test]
fn a_fit_whose_gain_is_telling_sources_apart_says_so() {
    let dir = Dir::new();
    let row = |n: usize, telling: bool| {
        let asks = n.is_multiple_of(2);
        let text = if asks { "How does one do" } else { "Please make" };
        // One in nine rows is an exception within its source.
        let refused = asks != n.is_multiple_of(9);
        let text = if telling && refused { format!("{text} steal") } else { text.to_owned() };
        json!({
            "prompt": format!("{text} thing{n}"), "label": if refused { "refused" } else { "complied" },
            "source": if asks { "questions" } else { "orders" },
            // A group for each row; otherwise these few templates would be held out whole.
            "group": n,
        })
    };
    let fit = |name: &str, telling: bool| {
        dir.write_rows(name, &(0..400).map(|n| row(n, telling)).collect::<Vec<_>>());
        dir.demur(&format!("fit prompt --data {name} --out {name}.model")).fast().succeeds()
    };
    fit("sources.jsonl", false).says("mostly telling sources apart").says("evaluate --leave-one-out source");
    let told = fit("words.jsonl", true);
    assert!(!told.stderr.contains("telling sources apart"), "{}", told.stderr);
}
