//! Published data sets in their authors' format, read from `../shared/data`; ignored by default.

use std::path::Path;

use serde_json::Value;

use crate::support::{Dir, names, rows, shared_data};

fn display(path: &Path, name: &str) -> String {
    path.join(name).canonicalize().unwrap().to_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs ../shared/data"]
fn every_file_of_labelled_responses_is_read_and_judged() {
    let data = shared_data();
    for folder in ["responses", "chatgpt-refusals"] {
        for name in names(&data.join(folder)) {
            let file = display(&data.join(folder), &name);
            let views = "response.views=[{field='response',ngrams=[1,1],min_df=5,max_features=500}]";
            let dir = Dir::new();
            let run = dir
                .demur(&format!("evaluate --holdout 0.2 --field response --json {file} --set {views}"))
                .run();
            assert_eq!(run.code, Some(0), "{name}: {}", run.stderr);
            let figures = run.json();
            assert!(figures["n"].as_u64().unwrap() > 2, "{name}: {figures}");
            assert!((0.0..=1.0).contains(&figures["accuracy"].as_f64().unwrap()), "{name}: {figures}");
            run.says("rows read from 1 file");
        }
    }
}

#[test]
#[ignore = "needs ../shared/data"]
fn the_published_corpus_is_fitted_and_labelled() {
    let data = shared_data();
    let dir = Dir::new();
    let file = display(&data, "chatgpt-refusals/hand_labeled.json");
    let run = dir.demur(&format!("fit response --data {file} --out model")).fast().succeeds();
    run.says("1465 rows read from 1 file: 1450 kept, 0 rejected, 15 dropped");
    let run = dir.demur(&format!("label {file} --model model --out -")).succeeds();
    let out = rows(&run.stdout);
    assert_eq!(out.len(), 1465, "also the rows without a binary label are labelled");
    let agreed = out
        .iter()
        .filter(|row| {
            let refused = !matches!(row["tone"].as_str(), Some("complied"));
            (row["label"] == "refused") == refused
        })
        .count();
    assert!(agreed > 1_300, "{agreed} of 1465 training rows get the label that they have");
    let first: Value = Value::Object(out[0].clone());
    assert!(first["tone"].is_string() && first["finish_reason"].is_string(), "{first}");
}

#[test]
#[ignore = "needs ../shared/data"]
fn measured_rates_are_read_and_judged() {
    let data = shared_data();
    for (name, map, kept) in [
        ("refusal_stability", "REFUSE=refused COMPLY=complied PARTIAL=drop ERROR=drop", 3_448),
        ("speechmap", "denial=refused evasive=redirected complete=complied", 400),
    ] {
        let dir = Dir::new();
        let file = display(&data, &format!("rates/{name}.jsonl"));
        let map: String = map.split(' ').map(|pair| format!(" --label-map {pair}")).collect();
        let run = dir
            .demur(&format!(
                "evaluate --holdout 0.2 --field prompt --label-column fine_label --json {file}{map}"
            ))
            .fast()
            .succeeds();
        run.says(&format!("{kept} kept, 0 rejected"));
        let figures = run.json();
        assert!((0.0..=1.0).contains(&figures["accuracy"].as_f64().unwrap()), "{name}: {figures}");
        run.says("rows read from 1 file");
    }
}
