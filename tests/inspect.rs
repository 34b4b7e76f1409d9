//! `demur inspect`: a description of a model, and the error for a folder that is not one.

use serde_json::{Value, json};

use crate::support::Dir;

#[test]
fn a_person_reads_target_data_and_ngrams() {
    let dir = Dir::with_models();
    let out = dir.demur("inspect response --top 4").succeeds().stdout;
    for part in [
        "starter-response (response model)",
        "targets     demo-assistant",
        "policy      send below 0.5, hold from 0.5",
        "trained on rows labelled 323 by persons",
        "323 rows of labelled.jsonl (labelled by: person; ",
        "n-grams that speak for refusal",
        "n-grams that speak for compliance",
    ] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
    assert_eq!(out.lines().filter(|line| line.starts_with("  +")).count(), 4);
    assert_eq!(out.lines().filter(|line| line.starts_with("  -")).count(), 4);
}

#[test]
fn a_person_reads_kinds_style_and_targets_where_a_model_has_them() {
    let dir = Dir::with_starter();
    let rows: Vec<Value> = dir
        .rows("labelled.jsonl")
        .into_iter()
        .enumerate()
        .map(|(at, mut row)| {
            row.insert("target".to_owned(), json!(if at % 2 == 0 { "even" } else { "odd" }));
            Value::Object(row)
        })
        .collect();
    dir.write_rows("rows.jsonl", &rows);
    dir.demur("fit response --data rows.jsonl --label-column kind --out model")
        .fast()
        .arg("--set")
        .arg("response.kinds={min_rows=10,views=[{field='response',ngrams=[1,1]}]}")
        .arg("--set")
        .arg("response.second_level={}")
        .arg("--set")
        .arg("response.target_shift=1.0")
        .succeeds();
    let out = dir.demur("inspect model --top 4").succeeds().stdout;
    let model = dir.demur("inspect model --json --top 4").succeeds().json();
    let kinds = &model["manifest"]["kinds"]["settings"];
    for (at, kind) in kinds["kinds"].as_array().unwrap().iter().enumerate() {
        let (kind, rows) = (kind.as_str().unwrap(), kinds["report"]["support"][at].as_u64().unwrap());
        let f1 = format!("{rows} rows  F1 {:.3}", kinds["report"]["f1"][at].as_f64().unwrap());
        assert!(
            out.lines().any(|line| line.starts_with(&format!("  {kind} ")) && line.ends_with(&f1)),
            "{out}"
        );
    }
    let temperature = kinds["temperature"].as_f64().unwrap();
    assert!(out.contains(&format!("kinds, on 336 rows: temperature {temperature:.2}")), "{out}");
    for target in ["even", "odd"] {
        let shift = model["manifest"]["target_shifts"][target].as_f64().unwrap();
        assert!(out.contains(&format!("  {shift:+.3}  {target}\n")), "{out}");
    }
    let (_, style) = out.split_once("measures of style, by weight\n").unwrap();
    for (line, measure) in style.lines().zip(model["style"].as_array().unwrap()).take(4) {
        assert!(line.ends_with(measure["name"].as_str().unwrap()), "{line}: {measure}");
    }
    assert!(style.lines().nth(4).unwrap().starts_with("n-grams that speak"), "{style}");
    let plain = Dir::with_models().demur("inspect response").succeeds().stdout;
    for absent in ["kinds, on", "measures of style", "targets as inputs"] {
        assert!(!plain.contains(absent), "{absent} is in {plain}");
    }
}

#[test]
fn json_holds_the_manifest_and_the_digest() {
    let dir = Dir::with_models();
    let model = dir.demur("inspect prompt --json --top 3").succeeds().json();
    let manifest: Value = serde_json::from_slice(&dir.bytes("prompt/manifest.json")).unwrap();
    assert_eq!(model["manifest"], manifest);
    assert_eq!(model["digest"].as_str().unwrap().len(), 64);
    assert_eq!(
        (model["refused"].as_array().unwrap().len(), model["complied"].as_array().unwrap().len()),
        (3, 3)
    );
    let seen = dir.bytes("prompt/seen.bin").len() / 8;
    assert_eq!(model["seen_prompts"], seen);
    let card = dir.text("prompt/README.md");
    assert!(card.contains(model["digest"].as_str().unwrap()), "the card names the same digest");
}

/// Asserts that every command which loads a model reports the same error for this one.
#[track_caller]
fn is_broken(dir: &Dir, parts: &[&str]) {
    for command in
        ["inspect prompt", "predict --model prompt hello", "evaluate --model prompt labelled.jsonl"]
    {
        dir.demur(command).fails(1, parts);
    }
}

fn edit_manifest(dir: &Dir, key: &str, value: Value) {
    let mut manifest: Value = serde_json::from_slice(&dir.bytes("prompt/manifest.json")).unwrap();
    manifest[key] = value;
    dir.write("prompt/manifest.json", manifest.to_string());
}

#[test]
fn a_missing_file_is_named() {
    for name in ["manifest.json", "vocabulary.txt", "weights.safetensors", "seen.bin"] {
        let dir = Dir::with_models();
        std::fs::remove_file(dir.path("prompt").join(name)).unwrap();
        is_broken(&dir, &[&format!("prompt/{name}: missing"), "a model directory holds"]);
    }
}

#[test]
fn a_truncated_file_is_named() {
    for name in ["vocabulary.txt", "weights.safetensors", "seen.bin"] {
        let dir = Dir::with_models();
        let path = format!("prompt/{name}");
        let bytes = dir.bytes(&path);
        dir.write(&path, &bytes[..bytes.len() - 1]);
        is_broken(&dir, &[&path, "corrupted or truncated", &format!("{} bytes", bytes.len())]);
    }
}

#[test]
fn a_flipped_bit_is_found() {
    for name in ["vocabulary.txt", "weights.safetensors", "seen.bin"] {
        let dir = Dir::with_models();
        let path = format!("prompt/{name}");
        let mut bytes = dir.bytes(&path);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        dir.write(&path, bytes);
        is_broken(&dir, &[&path, "corrupted or truncated", "SHA-256"]);
    }
}

#[test]
fn a_newer_format_asks_for_a_newer_demur() {
    let dir = Dir::with_models();
    edit_manifest(&dir, "format", json!(99));
    // A newer manifest may have fields that this build does not know.
    edit_manifest(&dir, "quantisation", json!("int4"));
    is_broken(&dir, &["prompt/manifest.json", "model format 99", "use a newer demur"]);
}

#[test]
fn a_model_of_the_other_polarity_is_refused() {
    let dir = Dir::with_models();
    edit_manifest(&dir, "polarity", json!("complied=1"));
    is_broken(&dir, &["label polarity `complied=1`", "refused=1"]);
}

#[test]
fn a_manifest_that_is_none_is_located() {
    let dir = Dir::with_models();
    dir.write("prompt/manifest.json", "{\"format\": 1,\n oops");
    is_broken(&dir, &["prompt/manifest.json: ", "line 2"]);
    dir.write("prompt/manifest.json", "[]");
    is_broken(&dir, &["prompt/manifest.json: ", "line 1"]);
    dir.write("prompt/manifest.json", "");
    is_broken(&dir, &["prompt/manifest.json: ", "line 1"]);
}

#[test]
fn a_policy_out_of_order_is_refused() {
    let dir = Dir::with_models();
    edit_manifest(&dir, "policy", json!({"send_below": 0.9, "hold_from": 0.1}));
    is_broken(&dir, &["prompt/manifest.json", "send_below 0.9"]);
}

#[test]
fn what_is_no_folder_is_no_model() {
    let dir = Dir::new();
    dir.write("file", "text");
    dir.demur("inspect file").fails(1, &["file", "cannot load the model", "directory"]);
    dir.demur("inspect nowhere").fails(1, &["nowhere", "cannot load the model"]);
    std::fs::create_dir(dir.path("empty")).unwrap();
    dir.demur("inspect empty").fails(1, &["empty/manifest.json: missing"]);
}

#[test]
fn limits_on_sources_left_out_stand_in_card_and_text() {
    let dir = Dir::with_models();
    let mut manifest: Value = serde_json::from_slice(&dir.bytes("prompt/manifest.json")).unwrap();
    let figures = json!({
        "n": 500, "refused": 0.4, "accuracy": 0.61, "majority": 0.6, "phrase_list": 0.55, "auroc": 0.66, "ece": 0.12,
    });
    let mut source = figures.clone();
    source["name"] = json!("speechmap");
    source["labeller"] = json!("judge");
    source["auroc"] = Value::Null;
    let limits = "On sources unlike its own it is hardly better than the majority guess.";
    manifest["left_out"] = json!({ "limits": limits, "sources": [source], "mean": figures });
    dir.write("prompt/manifest.json", serde_json::to_string_pretty(&manifest).unwrap());
    let out = dir.demur("inspect prompt/ --top 1").succeeds().stdout;
    for part in [limits, "judge    speechmap", "0.610    0.600       0.550      -", "mean"] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
    assert_eq!(
        dir.demur("inspect prompt/ --json").succeeds().json()["manifest"]["left_out"]["limits"],
        limits
    );
}

#[test]
fn a_manifest_of_before_calls_nobody_human() {
    let dir = Dir::with_models();
    let mut manifest: Value = serde_json::from_slice(&dir.bytes("response/manifest.json")).unwrap();
    let data = manifest["training"][0].as_object_mut().unwrap();
    data.remove("labellers");
    data.insert("labelled_by".to_owned(), json!("human"));
    dir.write("response/manifest.json", serde_json::to_string_pretty(&manifest).unwrap());
    let out = dir.demur("inspect response/ --top 1").succeeds().stdout;
    assert!(out.contains("trained on rows labelled 323 of unknown origin"), "{out}");
    assert!(!out.contains("human"), "{out}");
}
