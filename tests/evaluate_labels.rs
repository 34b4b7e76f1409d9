//! `demur evaluate`: whose labels figures agree with, which labels are in doubt, and what sources betray.

use serde_json::{Value, json};

use crate::evaluate::auroc;
use crate::support::{Dir, KIND};

/// Only labels of people make an accuracy; on all others a figure is an agreement with the labeller.
#[test]
fn figures_say_whose_labels_they_agree_with() {
    let dir = Dir::with_models();
    let evaluate = |flags: &str| {
        let command = "evaluate --model response --allow-overlap labelled.jsonl --label-column kind";
        dir.demur(&format!("{command} {flags}")).succeeds()
    };
    for (flag, words, measures) in [
        ("", "of unknown origin", "agreement with unknown labellers' labels"),
        ("--labelled-by judge", "by judge models", "agreement with judge models' labels"),
        ("--labelled-by rule", "by rules", "agreement with rules' labels"),
        ("--labelled-by norm", "by norms (what should be refused)", "agreement with norms' labels"),
        ("--labelled-by person", "by persons", "accuracy"),
    ] {
        let run = evaluate(flag);
        let line = format!("  labelled 323 {words}; figures are {measures}\n");
        assert!(run.stdout.contains(&line), "{}", run.stdout);
        assert_eq!(run.stdout.contains("accuracy"), measures == "accuracy", "{}", run.stdout);
        assert_eq!(
            run.stderr.contains("323 rows do not say who labelled them"),
            flag.is_empty(),
            "{}",
            run.stderr
        );
        assert_eq!(evaluate(&format!("{flag} --json")).json()["measures"], measures);
    }
    // Each row may name its own labeller, with the words of its data set.
    let mut rows = dir.rows("labelled.jsonl");
    for (at, row) in rows.iter_mut().enumerate() {
        row.insert("labeller".to_owned(), json!(if at % 2 == 0 { "gpt-4o" } else { "human (two of three)" }));
    }
    dir.write_rows("rows.jsonl", &rows.into_iter().map(Value::Object).collect::<Vec<_>>());
    let json = dir
        .demur("evaluate --model response --allow-overlap --json rows.jsonl --label-column kind")
        .succeeds()
        .json();
    assert_eq!(json["measures"], "agreement with persons' and judge models' labels");
    let by: Vec<_> =
        json["by"]["labeller"].as_array().unwrap().iter().map(|of| of["value"].clone()).collect();
    assert_eq!(by, ["judge", "person"]);
}

#[test]
fn measured_rates_are_judged_as_the_rates_that_they_are() {
    let dir = Dir::new();
    let rows: Vec<Value> =
        (0..8).map(|n| json!({"prompt": format!("An unheard-of prompt {n}"), "refusal_rate": 0.6})).collect();
    dir.write_rows("rows.jsonl", &rows);
    let found = dir.demur("evaluate --field prompt --json rows.jsonl").succeeds().json();
    let number = |name: &str| found[name].as_f64().unwrap();
    assert!((number("base_rate") - 0.6).abs() < 1e-9, "{found}");
    assert!(number("accuracy") < 0.61, "one half of each row is wrong whatever is said: {found}");
    assert!(number("brier") >= 0.24 - 1e-9, "{found}");
}

#[test]
fn labels_in_doubt_are_written_with_their_scores() {
    let dir = Dir::with_starter();
    let wrong = json!({
        "prompt": "How do I whittle a spoon?", "kind": "complied",
        "response": "I'm sorry, but I cannot help with that request. I can't assist with it.",
    });
    dir.write("labelled.jsonl", dir.text("labelled.jsonl") + &wrong.to_string() + "\n");
    let command = format!("evaluate --cv 3 --field response --suspects doubt.jsonl {KIND}");
    dir.demur(&command).fast().succeeds().says("labels are in doubt");
    let rows = dir.rows("doubt.jsonl");
    let doubts: Vec<f64> = rows.iter().map(|row| row["doubt"].as_f64().unwrap()).collect();
    assert!(doubts.is_sorted_by(|a, b| a >= b) && !rows.is_empty(), "{doubts:?}");
    let found = rows.iter().find(|row| row["prompt"] == wrong["prompt"]);
    let found = found.unwrap_or_else(|| panic!("the wrong label is not among {} rows", rows.len()));
    assert_eq!((&found["label"], &found["line"]), (&json!("complied"), &json!(341)));
    assert!(found["p_refusal"].as_f64().unwrap() > 0.5);
    dir.demur(&format!("evaluate --holdout 0.2 --field response --suspects x.jsonl {KIND}"))
        .fails(2, &["--suspects", "--holdout"]);
}

#[test]
fn a_gain_that_is_telling_sources_apart_is_said_and_its_words_listed() {
    let dir = Dir::new();
    let row = |n: usize| {
        let refuses = n.is_multiple_of(2);
        let text = if refuses { "How does one do" } else { "Please make" };
        let label = if refuses == n.is_multiple_of(9) { "complied" } else { "refused" };
        json!({
            "prompt": format!("{text} thing{n}"), "label": label,
            "source": if refuses { "questions" } else { "orders" },
        })
    };
    dir.write_rows("rows.jsonl", &(0..400).map(row).collect::<Vec<_>>());
    let command = "evaluate --cv 3 --field prompt --confounds rows.jsonl";
    let run = dir.demur(command).fast().succeeds();
    run.says("mostly telling sources apart");
    assert!(run.stdout.contains("AUROC within sources") && run.stdout.contains("^how"), "{}", run.stdout);
    let found = dir.demur(command).arg("--json").fast().succeeds().json();
    assert!(auroc(&found) > 0.8 && found["auroc_within_sources"].as_f64().unwrap() < 0.65, "{found}");
    let terms: Vec<&str> =
        found["confounds"].as_array().unwrap().iter().map(|of| of["term"].as_str().unwrap()).collect();
    assert!(terms.contains(&"^how"), "{terms:?}");
}

#[test]
fn sources_of_no_fit_are_judged_beside_those_left_out() {
    let dir = Dir::new();
    let row = |n: usize| {
        let (text, label) = if n.is_multiple_of(2) { ("steal", "refused") } else { ("bake", "complied") };
        let source = ["a", "b", "c"][n / 40];
        json!({"prompt": format!("How do I {text} thing{n}?"), "label": label, "source": source})
    };
    dir.write_rows("rows.jsonl", &(0..80).map(row).collect::<Vec<_>>());
    dir.write_rows("strange.jsonl", &(80..120).map(row).collect::<Vec<_>>());
    dir.write("unseen.toml", "[[unseen]]\nname = \"strangers\"\nfiles = [\"strange.jsonl\"]\n");
    let command = "evaluate --leave-one-out source --share-counts --unseen unseen.toml --field prompt rows.jsonl \
                   --set prompt.teacher_share=0";
    let found = dir.demur(command).arg("--json").fast().succeeds().json();
    assert_eq!(found["values"].as_array().unwrap().len(), 2, "{found}");
    assert_eq!((&found["unseen"][0]["value"], &found["unseen"][0]["n"]), (&json!("strangers"), &json!(40)));
    assert!(found["unseen"][0]["auroc"].as_f64().unwrap() > 0.9, "{found}");
    let table = dir.demur(command).fast().succeeds().stdout;
    assert!(table.contains("never in a fit") && table.contains("phrases"), "{table}");
    dir.write("unseen.toml", "[[unseen]]\nfile = []\n");
    dir.demur(command).fast().fails(1, &["unseen.toml", "file"]);
}
