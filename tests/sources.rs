//! Recipes with several sources: the weight of each in a fit, in figures and in the manifests.

use serde_json::{Value, json};

use crate::support::{Dir, Run};

/// The part of a recipe besides its sources.
const FITS: &str = r#"
[evaluation]
folds = 2
[response]
views = [{ field = "response", ngrams = [1, 1] }]
[prompt]
[prompt.fit]
views = [{ field = "prompt", ngrams = [1, 1] }]
"#;

/// Two labelled sources of responses, one of prompts without responses, and one to bootstrap from.
fn with_sources(labelled: &str) -> Dir {
    let dir = Dir::with_starter();
    let rows: Vec<Value> = dir.rows("labelled.jsonl").into_iter().map(Value::Object).collect();
    dir.write_rows("data/first.jsonl", &rows[..170]);
    dir.write_rows("data/second.jsonl", &rows[170..]);
    let prompts: Vec<Value> = (0..40)
        .map(|n| match n % 2 {
            0 => json!({"prompt": format!("how do I steal car {n}"), "response": null, "verdict": "NO"}),
            _ => json!({"prompt": format!("how do I bake cake {n}"), "response": null, "verdict": "YES"}),
        })
        .chain([json!({"prompt": "what is it", "verdict": "UNSURE"})])
        .collect();
    dir.write_rows("data/prompts.jsonl", &prompts);
    dir.write("data/unlabelled.jsonl", dir.bytes("unlabelled.jsonl"));
    dir.write(
        "own.toml",
        format!("name = \"own\"\n{labelled}\n[unlabelled]\nfiles = [\"unlabelled.jsonl\"]\n{FITS}"),
    );
    dir
}

const THREE: &str = r#"
[[labelled]]
name = "one"
files = ["first.jsonl"]
columns = { label = "kind" }
licence = "CC0-1.0"
[[labelled]]
files = ["second.jsonl"]
columns = { label = "kind" }
prompt_weight = 0
limit = 50
[[labelled]]
name = "prompts"
files = ["prompts.jsonl"]
columns = { label = "verdict" }
labels = { NO = "refused", YES = "complied", "*" = "drop" }
weight = 0.25
licence = "MIT"
"#;

/// The files in a manifest, each with its rows and licence.
fn training(dir: &Dir, model: &str) -> Vec<(String, u64, Value)> {
    let manifest: Value = serde_json::from_slice(&dir.bytes(&format!("{model}/manifest.json"))).unwrap();
    let files = manifest["training"].as_array().unwrap();
    let file = |file: &Value| file["file"].as_str().unwrap().to_owned();
    files.iter().map(|data| (file(data), data["rows"].as_u64().unwrap(), data["licence"].clone())).collect()
}

fn names(files: &[(String, u64, Value)]) -> Vec<&str> {
    files.iter().map(|(name, ..)| name.as_str()).collect()
}

#[test]
fn a_fit_takes_all_sources_of_its_recipe() {
    let dir = with_sources(THREE);
    let run = dir.demur("fit response --recipe own.toml --data-dir data --out response").succeeds();
    run.says("labelled rows of one: ").says("labelled rows of data/second.jsonl: ");
    run.says("over the limit of 50 per label");
    run.says("labelled rows of prompts: 41 rows read from 1 file: 40 kept, 0 rejected, 1 dropped (1 label says drop)");
    run.says("40 of the labelled rows take no part in the response fit: they have no response");
    let files = training(&dir, "response");
    assert_eq!(names(&files), ["first.jsonl", "second.jsonl"]);
    assert!(files[1].1 > 50 && files[1].1 <= 100, "{files:?}");
    assert_eq!(files[0].2, "CC0-1.0");

    dir.demur("fit prompt --recipe own.toml --data-dir data --out prompt").succeeds();
    let files = training(&dir, "prompt");
    assert_eq!(names(&files), ["first.jsonl", "prompts.jsonl"], "the weight 0 leaves a source out");
    assert_eq!((files[1].1, &files[1].2), (40, &json!("MIT")));
    let manifest = dir.text("prompt/manifest.json");
    assert!(!manifest.contains("data/"), "the manifest names no folder of this machine: {manifest}");
}

#[test]
fn a_pipeline_takes_all_sources() {
    let dir = with_sources(THREE);
    let run = dir.demur("pipeline own.toml --data-dir data --out out --json").succeeds();
    run.says("take no part in the response fit").says("take no part in the prompt fit");
    let (response, prompt) = (training(&dir, "out/response"), training(&dir, "out/prompt"));
    assert_eq!(names(&response), ["first.jsonl", "second.jsonl"]);
    assert_eq!(names(&prompt), ["unlabelled.jsonl", "first.jsonl", "prompts.jsonl"]);
    let rows = |files: &[(String, u64, Value)]| files.iter().map(|(_, rows, _)| rows).sum::<u64>();
    let figures = run.json();
    assert_eq!(figures["response"]["n"], rows(&response));
    assert_eq!(figures["prompt"]["n"], rows(&prompt[1..]), "judged on the prompts of the labelled rows");
    let sources = figures["prompt"]["by"]["source"].as_array().unwrap();
    assert!(sources.iter().any(|source| source["value"] == "one"), "{sources:?}");
}

#[test]
fn unlabelled_sources_have_weights_too() {
    let dir = with_sources(THREE);
    let mut rows: Vec<Value> = dir.rows("unlabelled.jsonl").into_iter().map(Value::Object).collect();
    // One answer per prompt, so that no row of the bootstrap comes from two sources.
    let mut prompts = std::collections::HashSet::new();
    rows.retain(|row| prompts.insert(row["prompt"].to_string()));
    dir.write_rows("data/trusted.jsonl", &rows[..30]);
    dir.write_rows("data/doubted.jsonl", &rows[30..60]);
    dir.write_rows("data/ignored.jsonl", &rows[60..]);
    let unlabelled = "[[unlabelled]]\nname = \"trusted\"\nfiles = [\"trusted.jsonl\"]\n\
         [[unlabelled]]\nname = \"doubted\"\nfiles = [\"doubted.jsonl\"]\nprompt_weight = 0.25\n\
         [[unlabelled]]\nname = \"ignored\"\nfiles = [\"ignored.jsonl\"]\nprompt_weight = 0";
    dir.write("own.toml", format!("name = \"own\"\n{THREE}\n{unlabelled}\n{FITS}"));
    let run = dir.demur("pipeline own.toml --data-dir data --out out").succeeds();
    run.says(&format!("{} of the unlabelled rows take no part in the prompt fit", rows.len() - 60));
    let machine = dir.rows("out/bootstrap.jsonl");
    for row in &machine {
        let trust = if row["source"] == "trusted" { 1.0 } else { 0.25 };
        assert_eq!(row["weight"], trust, "{row:?}");
        assert_ne!(row["source"], "ignored");
    }
    assert!(machine.iter().any(|row| row["source"] == "doubted"));
    let files = training(&dir, "out/prompt");
    assert_eq!(names(&files), ["trusted.jsonl", "doubted.jsonl", "first.jsonl", "prompts.jsonl"]);
}

/// Rows whose words determine the label, and equally many that say the opposite.
fn contradicting(weights: &str) -> Dir {
    let dir = Dir::new();
    let row = |n: usize, word: &str, label: &str| json!({"prompt": format!("please {word} number{n}"), "response": format!("{word} it"), "label": label});
    let rows = |refused: &str, complied: &str| -> Vec<Value> {
        (0..40).flat_map(|n| [row(n, refused, "refused"), row(n, complied, "complied")]).collect()
    };
    dir.write_rows("right.jsonl", &rows("steal", "bake"));
    dir.write_rows("wrong.jsonl", &rows("bake", "steal"));
    let head =
        "name = \"own\"\n[[labelled]]\nfiles = [\"right.jsonl\"]\n[[labelled]]\nfiles = [\"wrong.jsonl\"]";
    dir.write("own.toml", format!("{head}\n{weights}\n[unlabelled]\n{FITS}"));
    dir
}

fn p_refusal(dir: &Dir, model: &str) -> f64 {
    let run: Run =
        dir.demur(&format!("predict --json --model {model}")).arg("please steal number3").succeeds();
    run.json()["p_refusal"].as_f64().unwrap()
}

#[test]
fn weights_say_whose_labels_are_trusted() {
    for (weights, trusted) in [("prompt_weight = 0.05", true), ("weight = 20", false), ("", true)] {
        let dir = contradicting(weights);
        dir.demur("fit prompt --recipe own.toml --out model --set prompt.teacher_share=0").succeeds();
        let p = p_refusal(&dir, "model");
        match weights {
            "" => assert!((p - 0.5).abs() < 0.05, "as many say yes as no: {p}"),
            _ => assert_eq!(p > 0.5, trusted, "{weights}: {p}"),
        }
    }
}

#[test]
fn cross_validation_takes_the_recipes_files_and_their_weights() {
    let auroc = |weights: &str| {
        let dir = contradicting(weights);
        let run = dir.demur("evaluate --cv 4 --field response --recipe own.toml --json").succeeds();
        let figures = run.json();
        (figures["n"].as_u64().unwrap(), figures["by"]["source"].clone(), figures["auroc"].as_f64().unwrap())
    };
    assert_eq!(auroc("weight = 0"), (80, Value::Null, 1.0));
    let (n, _, even) = auroc("");
    assert_eq!(n, 160);
    assert!(even < 0.7, "half of the labels are wrong: {even}");
}

#[test]
fn other_files_are_read_as_the_only_source_of_a_recipe() {
    let dir = with_sources(
        "[labelled]\nname = \"one\"\nfiles = [\"first.jsonl\"]\ncolumns = { label = \"kind\" }\nlimit = 3\nweight = 0",
    );
    let run =
        dir.demur("evaluate --cv 2 --field response --recipe own.toml --json data/second.jsonl").succeeds();
    assert!(run.json()["n"].as_u64().unwrap() > 100, "the limit is that of the recipe's own rows");
    let dir = with_sources(THREE);
    dir.demur("evaluate --cv 2 --field prompt --recipe own.toml data/prompts.jsonl")
        .fails(1, &["no row can be used", "41 no label"]);
}

#[test]
fn what_is_wrong_with_a_source_is_said() {
    for (labelled, parts) in [
        ("[[labelled]]\nname = \"one\"\nweight = -2", ["source one", "`weight` is -2"]),
        ("[labelled]\nlimit = 0", ["`limit` is 0", "1 or more"]),
        ("[labelled]\ndeduplicate = \"answer\"", ["own.toml", "\"prompt\" or \"response\""]),
        ("[[labelled]]\ncolour = 1", ["own.toml", "unknown field `colour`"]),
    ] {
        let dir = with_sources(labelled);
        for command in ["pipeline own.toml", "fit prompt --recipe own.toml --out model"] {
            dir.demur(command).fails(1, &parts);
        }
    }
    let dir = with_sources("labelled = []");
    dir.demur("pipeline own.toml --data-dir data").fails(1, &["name files under [labelled]"]);
    dir.demur("fit prompt --recipe own.toml --out model").fails(2, &["--recipe"]);
    dir.demur("evaluate --cv 2 --field prompt --recipe own.toml").fails(2, &["--recipe"]);
    dir.demur("fit prompt --data-dir data --out model").fails(2, &["--recipe"]);
}

/// A recipe of three sources that agree and a small one, and a file of a source with inverted labels.
fn agreeing() -> Dir {
    let dir = Dir::new();
    let rows = |name: &str, n: usize, flipped: bool| -> Vec<Value> {
        let row = |at: usize| {
            let steals = at.is_multiple_of(2);
            let word = if steals { "steal" } else { "bake" };
            let label = if steals == flipped { "complied" } else { "refused" };
            json!({"prompt": format!("{word} {name}{at}"), "source": name, "label": label, "model": "m"})
        };
        (0..n).map(row).collect()
    };
    let mut recipe = "name = \"own\"\n".to_owned();
    for (name, n) in [("one", 40), ("two", 40), ("three", 40), ("small", 10)] {
        dir.write_rows(&format!("data/{name}.jsonl"), &rows(name, n, false));
        recipe += &format!("[[labelled]]\nfiles = [\"{name}.jsonl\"]\n");
    }
    dir.write_rows("flipped.jsonl", &rows("odd", 40, true));
    dir.write("own.toml", format!("{recipe}[unlabelled]\n{FITS}"));
    dir
}

const LEAVE_OUT: &str = "evaluate --leave-one-out source --field prompt";

#[test]
fn each_source_is_left_out_in_turn() {
    let dir = agreeing();
    let command = format!("{LEAVE_OUT} --recipe own.toml --data-dir data");
    let figures = dir.demur(&command).arg("--json").succeeds().json();
    let values = figures["values"].as_array().unwrap();
    let names: Vec<&str> = values.iter().map(|value| value["value"].as_str().unwrap()).collect();
    assert_eq!(names, ["one", "three", "two"]);
    assert_eq!((&figures["passed_over"], &figures["mean"]["values"]), (&json!(1), &json!(3)));
    assert_eq!((&values[0]["n"], &values[0]["fitted_on"]), (&json!(40), &json!(90)));
    assert_eq!(values[0]["auroc"], 1.0);

    let table = dir.demur(&command).succeeds().stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[1].contains("sources passed over, with fewer than 20 rows: 1"), "{table}");
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(cells(lines[3])[..3], ["one", "40", "0.500"], "{table}");
    assert!(lines[6].trim_start().starts_with("mean of 3"), "{table}");
    for figure in ["accuracy", "balanced_accuracy", "recall_refused", "recall_complied", "auroc", "ece"] {
        let number = format!("{:.3}", figures["mean"][figure].as_f64().unwrap());
        assert!(cells(lines[6]).contains(&number), "{figure} {number}: {table}");
    }
}

/// The AUROC of each value that was left out.
fn aurocs(run: &Run) -> Vec<(String, f64)> {
    let figures = run.json();
    let values = figures["values"].as_array().unwrap().iter();
    values
        .map(|value| (value["value"].as_str().unwrap().to_owned(), value["auroc"].as_f64().unwrap()))
        .collect()
}

#[test]
fn named_files_can_be_left_out_of_each_other() {
    let dir = agreeing();
    let files = "data/one.jsonl data/two.jsonl data/three.jsonl flipped.jsonl";
    let run = dir.demur(&format!("{LEAVE_OUT} --json {files}")).fast().succeeds();
    for (name, auroc) in aurocs(&run) {
        assert_eq!(auroc < 0.5, name == "odd", "{name}: {auroc}");
    }
}

#[test]
fn what_is_left_out_is_judged_by_those_that_are_trusted() {
    for (weight, one) in [("0.05", 1.0), ("20", 0.0)] {
        let dir = agreeing();
        let recipe = format!(
            "name = \"own\"\n[[labelled]]\nfiles = [\"data/one.jsonl\", \"data/two.jsonl\"]\n\
             [[labelled]]\nfiles = [\"flipped.jsonl\"]\nprompt_weight = {weight}\n[unlabelled]\n{FITS}"
        );
        dir.write("own.toml", recipe);
        let run = dir.demur(&format!("{LEAVE_OUT} --json --recipe own.toml")).succeeds();
        assert!(aurocs(&run).contains(&("one".to_owned(), one)), "{weight}: {}", run.stdout);
    }
}

#[test]
fn leaving_out_says_what_it_lacks() {
    let dir = agreeing();
    let method = "evaluate --leave-one-out";
    dir.demur(&format!("{method} source --recipe own.toml --data-dir data")).fails(2, &["--field"]);
    dir.demur(&format!("{method} colour --field prompt flipped.jsonl"))
        .fails(2, &["colour", "source", "target"]);
    dir.demur(&format!("{LEAVE_OUT} --cv 3 flipped.jsonl")).fails(2, &["cannot be used with"]);
    dir.demur(&format!("{LEAVE_OUT} --grouped flipped.jsonl")).fails(2, &["--grouped"]);
    dir.demur(LEAVE_OUT).fails(2, &["name the labelled rows", "--recipe"]);
    let rows = dir.rows("flipped.jsonl").into_iter().map(Value::Object).take(15).collect::<Vec<_>>();
    dir.write_rows("few.jsonl", &rows);
    dir.demur(&format!("{LEAVE_OUT} few.jsonl"))
        .fast()
        .fails(1, &["no source has 20 labelled rows to judge by"]);
    dir.demur(&format!("{method} target --field prompt flipped.jsonl"))
        .fast()
        .fails(1, &["without `m`: fit: no rows are left to work on; give rows of another target"]);
}
