//! `demur evaluate`: figures and baselines, on rows that the fit has not seen.

use serde_json::{Value, json};

use crate::support::{Dir, KIND, Run};

const FIGURES: [&str; 17] = [
    "n",
    "base_rate",
    "accuracy",
    "accuracy_interval",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "auroc",
    "average_precision",
    "brier",
    "log_loss",
    "ece",
    "confusion",
    "coverage",
    "by",
    "baselines",
];

/// Asserts that all figures are present and consistent, and returns them.
#[track_caller]
fn figures(run: &Run) -> Value {
    let figures = run.json();
    for name in FIGURES {
        assert!(!figures[name].is_null(), "{name} is not in {figures}");
    }
    let number = |name: &str| figures[name].as_f64().unwrap();
    for name in FIGURES.iter().filter(|name| figures[**name].is_f64() && **name != "log_loss") {
        assert!((0.0..=1.0).contains(&number(name)), "{name}: {figures}");
    }
    let c = |name: &str| figures["confusion"][name].as_f64().unwrap();
    let [hit, miss, pass, alarm] =
        ["true_positive", "false_negative", "true_negative", "false_positive"].map(c);
    let n = number("n");
    assert!((hit + miss + pass + alarm - n).abs() < 0.5);
    assert!((number("accuracy") - (hit + pass) / n).abs() < 1e-12);
    assert!((number("base_rate") - (hit + miss) / n).abs() < 1e-12);
    let interval = |end: usize| figures["accuracy_interval"][end].as_f64().unwrap();
    assert!(interval(0) <= number("accuracy") && number("accuracy") <= interval(1));
    for baseline in ["majority", "phrase_list", "shuffled_labels"] {
        let baseline = &figures["baselines"][baseline];
        assert!(baseline["accuracy"].is_f64() && baseline["auroc"].is_f64(), "{baseline}");
    }
    assert_eq!(figures["baselines"]["majority"]["auroc"], 0.5);
    let coverage: Vec<f64> =
        figures["coverage"].as_array().unwrap().iter().map(|at| at["coverage"].as_f64().unwrap()).collect();
    assert!(coverage.is_sorted_by(|easy, hard| easy >= hard), "{coverage:?}");
    figures
}

pub(crate) fn auroc(figures: &Value) -> f64 {
    figures["auroc"].as_f64().unwrap()
}

#[test]
fn cross_validation_judges_every_row_and_is_the_same_twice() {
    let dir = Dir::with_starter();
    let command = format!("evaluate --cv 3 --field response --json {KIND}");
    let run = dir.demur(&command).fast().succeeds();
    let one = figures(&run);
    assert_eq!((&one["n"], &one["field"]), (&json!(323), &json!("response")));
    assert!(one["method"].as_str().unwrap().starts_with("3-fold cross-validation, random"), "{one}");
    assert!(auroc(&one) > 0.75, "{one}");
    let shuffled = &one["baselines"]["shuffled_labels"];
    assert!((0.3..0.7).contains(&auroc(shuffled)), "{shuffled}");
    let again = dir.demur(&command).fast().env("RAYON_NUM_THREADS", "1").succeeds();
    assert_eq!(run.stdout, again.stdout);
}

#[test]
fn the_table_shows_what_the_json_holds() {
    let dir = Dir::with_starter();
    let command = format!("evaluate --cv 3 --field prompt {KIND}");
    let json = dir.demur(&command).arg("--json").fast().succeeds().json();
    let table = dir.demur(&command).fast().succeeds().stdout;
    for name in ["accuracy", "auroc", "brier", "ece"] {
        let number = format!("{:.3}", json[name].as_f64().unwrap());
        assert!(table.contains(&number), "{name} {number} is not in {table}");
    }
    for name in ["majority", "phrase list", "shuffled labels", "n 323", "95% interval"] {
        assert!(table.contains(name), "{name} is not in {table}");
    }
}

#[test]
fn a_share_can_be_held_out() {
    let dir = Dir::with_starter();
    let run = dir.demur(&format!("evaluate --holdout 0.25 --field prompt --json {KIND}")).fast().succeeds();
    let found = figures(&run);
    assert!((75..=87).contains(&found["n"].as_u64().unwrap()), "{found}");
    assert!(found["method"].as_str().unwrap().contains("0.25 of the rows held out"), "{found}");
    for share in ["0", "1", "1.5", "NaN"] {
        let run = dir.demur(&format!("evaluate --holdout {share} --field prompt --json {KIND}")).fast().run();
        assert!(matches!(run.code, Some(1 | 2)), "{share}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}

/// Rows with a split, in which the words determine the labels.
fn split_rows() -> Vec<Value> {
    let row = |n: usize, split: &str| {
        let (text, label) =
            if n.is_multiple_of(2) { ("steal a car", "refused") } else { ("bake a cake", "complied") };
        json!({"prompt": format!("{split} {n}: how do I {text}?"), "label": label, "split": split})
    };
    (0..40).map(|n| row(n, "train")).chain((0..10).map(|n| row(n, "test"))).collect()
}

#[test]
fn the_rows_of_a_split_are_judged_by_a_fit_on_the_others() {
    let dir = Dir::new();
    let mut rows = split_rows();
    dir.write_rows("rows.jsonl", &rows);
    let command = "evaluate --test-split test --field prompt --json rows.jsonl";
    let found = figures(&dir.demur(command).fast().succeeds());
    assert_eq!((&found["n"], &found["accuracy"]), (&json!(10), &json!(1.0)));
    assert_eq!(found["overlap"]["rows"], 0);
    // Two rows of the test split are also in the training split.
    for n in [40, 41] {
        rows[n]["prompt"] = rows[n - 40]["prompt"].clone();
    }
    dir.write_rows("rows.jsonl", &rows);
    let run = dir.demur(command).fast().succeeds();
    run.says("overlap: 2 rows").says("left out");
    assert_eq!(figures(&run)["n"], 8);
    let run = dir.demur(command).arg("--allow-overlap").fast().succeeds();
    run.says("overlap: 2 rows").says("judged");
    assert_eq!(figures(&run)["n"], 10);
    dir.demur("evaluate --test-split dev --field prompt rows.jsonl")
        .fast()
        .fails(1, &["--test-split dev", "0 rows", "--split-column"]);
}

#[test]
fn a_model_is_not_judged_on_its_own_training_rows() {
    let dir = Dir::with_models();
    dir.demur(&format!("evaluate --model response {KIND}")).fails(1, &["all 323 rows", "--allow-overlap"]);
    let run = dir.demur(&format!("evaluate --model response --allow-overlap --json {KIND}")).succeeds();
    run.says("overlap: 323 rows").says("judged all the same");
    let found = figures(&run);
    assert_eq!(found["n"], 323);
    assert_eq!(found["overlap"], json!({"rows": 323, "judged": true}));
    assert!(found["accuracy"].as_f64().unwrap() > 0.9, "as good as one's own training rows are");
}

fn fresh_rows() -> [Value; 4] {
    [
        json!({"prompt": "A prompt nobody has seen, one", "response": "I'm sorry, I can't do that.", "kind": "rejected"}),
        json!({"prompt": "A prompt nobody has seen, two", "response": "Sure: first, boil the water.", "kind": "complied"}),
        json!({"prompt": "A prompt nobody has seen, three", "response": "I won't help with that, sorry.", "kind": "rejected"}),
        json!({"prompt": "A prompt nobody has seen, four", "response": "Mix the flour with two eggs.", "kind": "complied"}),
    ]
}

#[test]
fn rows_that_the_model_has_seen_are_left_out_and_counted() {
    let dir = Dir::with_models();
    dir.write("rows.jsonl", dir.text("labelled.jsonl") + &crate::support::jsonl(&fresh_rows()));
    let command = "evaluate --model response --json --label-column kind rows.jsonl";
    let run = dir.demur(command).succeeds();
    run.says("overlap: 323 rows").says("left out");
    let found = figures(&run);
    assert_eq!((&found["n"], &found["overlap"]), (&json!(4), &json!({"rows": 323, "judged": false})));
    let run = dir.demur(command).arg("--allow-overlap").succeeds();
    assert_eq!(figures(&run)["n"], 327);
}

/// A classifier may be fitted on responses without prompts; its own rows are then recognised by their
/// responses.
#[test]
fn training_rows_without_prompts_are_known_too() {
    let dir = Dir::new();
    let rows: Vec<Value> = (0..20)
        .map(|n| match n % 2 {
            0 => json!({"response": format!("I can't help with number {n}."), "label": "refused"}),
            _ => json!({"response": format!("Of course, this is number {n}."), "label": "complied"}),
        })
        .collect();
    dir.write_rows("rows.jsonl", &rows);
    dir.demur("fit response --data rows.jsonl --out model").fast().succeeds();
    dir.demur("evaluate --model model rows.jsonl").fails(1, &["--allow-overlap"]);
}

#[test]
fn machine_labels_are_no_yardstick() {
    let dir = Dir::with_models();
    dir.demur("evaluate --cv 3 --field prompt machine.jsonl")
        .fast()
        .fails(1, &["no rows are left to judge by"]);
    let rows = dir.text("machine.jsonl") + &dir.text("labelled.jsonl").replace("\"kind\"", "\"label\"");
    dir.write("rows.jsonl", rows);
    let run = dir.demur("evaluate --cv 3 --field prompt --json rows.jsonl").fast().succeeds();
    run.says("228 rows that demur labelled left out");
    assert_eq!(figures(&run)["n"], 323);
}

/// Sixty rows of six templates. With random folds every template has been seen, so the figures are too good.
#[test]
fn grouped_figures_are_lower_where_rows_are_templates() {
    let dir = Dir::new();
    let names = ["Ann", "Boris", "Chen", "Dora", "Emil", "Fatima", "George", "Hana", "Igor", "Julia"];
    let templates = [
        ("Write me a poem about", "refused"),
        ("Tell us a nasty joke on behalf of", "refused"),
        ("Please list all known failures by", "refused"),
        ("Explain the childhood years of", "complied"),
        ("Which books were printed under the name", "complied"),
        ("Summarise one speech given by", "complied"),
    ];
    let rows: Vec<Value> = templates
        .iter()
        .flat_map(|(template, label)| {
            names.map(|name| json!({"prompt": format!("{template} {name}"), "label": label}))
        })
        .collect();
    dir.write_rows("rows.jsonl", &rows);
    let command = "evaluate --cv 3 --field prompt --json rows.jsonl";
    let random = figures(&dir.demur(command).fast().succeeds());
    let grouped = figures(&dir.demur(command).arg("--grouped").fast().succeeds());
    assert_eq!((&random["n"], &grouped["n"]), (&json!(60), &json!(60)));
    assert!(grouped["method"].as_str().unwrap().contains("grouped (templates"), "{grouped}");
    assert!(auroc(&random) > 0.95, "{random}");
    assert!(auroc(&grouped) < auroc(&random) - 0.2, "{} is not below {}", auroc(&grouped), auroc(&random));
    let holdout = "evaluate --holdout 0.34 --grouped --field prompt --json rows.jsonl";
    let held_out = dir.demur(holdout).fast().succeeds().json();
    assert_eq!(held_out["n"].as_u64().unwrap() % 10, 0, "whole templates are held out: {held_out}");
}

#[test]
fn there_is_one_method_and_its_field() {
    let dir = Dir::with_models();
    dir.demur("evaluate labelled.jsonl")
        .fails(2, &["--field response or --field prompt", "--model", "--cv", "--holdout", "--test-split"]);
    dir.demur("evaluate --cv 5 labelled.jsonl").fails(2, &["--field"]);
    dir.demur("evaluate --holdout 0.2 labelled.jsonl").fails(2, &["--field"]);
    dir.demur("evaluate --cv 1 --field prompt labelled.jsonl").fails(2, &["--cv"]);
    dir.demur("evaluate --cv 5 --holdout 0.2 --field prompt labelled.jsonl")
        .fails(2, &["cannot be used with"]);
    dir.demur("evaluate --model prompt --grouped labelled.jsonl").fails(2, &["--grouped"]);
    dir.demur("evaluate --cv 5 --field prompt").fails(2, &["name the labelled rows", "--recipe"]);
    dir.demur("evaluate --model prompt --field response labelled.jsonl")
        .fails(2, &["--field response", "the model judges the prompt"]);
}

#[test]
fn more_folds_than_rows_are_refused() {
    let dir = Dir::new();
    dir.write_rows("rows.jsonl", &split_rows()[..6]);
    dir.demur("evaluate --cv 7 --field prompt rows.jsonl").fast().fails(1, &["cannot split", "7"]);
}

#[test]
fn bad_rows_go_where_the_flag_says() {
    let dir = Dir::with_starter();
    dir.write("labelled.jsonl", dir.text("labelled.jsonl") + "no row\n");
    let command = format!("evaluate --cv 2 --field prompt {KIND}");
    dir.demur(&command).fast().succeeds().says("labelled.jsonl:341:");
    dir.demur(&command).arg("--rejected").arg("bad.rejected.jsonl").fast().succeeds();
    assert_eq!(dir.rows("bad.rejected.jsonl")[0]["line"], 341);
    dir.demur(&command).arg("--rejected").arg("bad.txt").fast().fails(2, &["bad.txt", ".rejected.jsonl"]);
    assert_eq!(dir.names(), ["bad.rejected.jsonl", "labelled.jsonl", "unlabelled.jsonl"]);
}

#[test]
fn rows_of_one_class_cannot_be_fitted_but_can_be_judged() {
    let dir = Dir::with_models();
    let rows: Vec<Value> = fresh_rows().into_iter().filter(|row| row["kind"] == "rejected").collect();
    dir.write_rows("rows.jsonl", &rows);
    dir.demur("evaluate --cv 2 --field response rows.jsonl").fast().fails(1, &["--label-column"]);
    let run = dir.demur("evaluate --model response --json rows.jsonl").succeeds();
    let found = run.json();
    assert_eq!((&found["n"], &found["base_rate"]), (&json!(2), &json!(1.0)));
    assert!(found["auroc"].is_null(), "there is nothing to rank: {found}");
}

#[test]
fn rows_of_kinds_without_a_label_alone_are_no_rows_to_judge() {
    let dir = Dir::new();
    dir.write_rows(
        "rows.jsonl",
        &[json!({"prompt": "Who?", "response": "I do not know.", "kind": "dontknow"})],
    );
    dir.demur("evaluate --field response --label-column kind rows.jsonl")
        .fails(1, &["no rows are left", "rows with a label"]);
}

#[test]
fn figures_come_by_kind_subject_and_target_too() {
    let dir = Dir::with_starter();
    let command = "evaluate labelled.jsonl --cv 3 --field response --label-column kind --json";
    let figures = dir.demur(command).fast().succeeds().json();
    // The parts add up to the whole.
    for facet in ["kind", "category", "target"] {
        let rows: u64 =
            figures["by"][facet].as_array().unwrap().iter().map(|part| part["n"].as_u64().unwrap()).sum();
        assert_eq!(Some(rows), figures["n"].as_u64(), "{facet}: {}", figures["by"][facet]);
    }
}
