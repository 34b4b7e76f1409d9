//! How early in an answer the bundled classifier tells a refusal, on Do-Not-Answer's human labels, which it
//! was never fitted on: the table of docs/evaluation.md.
//!
//!     cargo test --release --locked -p demur-training --test prefixes -- --ignored --nocapture

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use demur_data::{Input, Label};
use demur_predictor::{Answer, Bundled, Field, Model, Phrases, Scratch, first_tokens};
use demur_training::phrase_list;
use serde_json::Value;

/// Right decisions about refused and about complied answers.
#[derive(Default)]
struct Right {
    refused: usize,
    complied: usize,
}

impl Right {
    fn count(&mut self, truth: Label, found: Option<Label>) {
        match truth {
            Label::Refused => self.refused += usize::from(found == Some(truth)),
            Label::Complied => self.complied += usize::from(found == Some(truth)),
        }
    }
}

#[test]
#[ignore = "needs ../shared/data"]
fn accuracy_by_the_number_of_words() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data/responses/do_not_answer.jsonl");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let label = |row: &Value| match row["label"].as_str()? {
        "refused" => Some(Label::Refused),
        _ => Some(Label::Complied),
    };
    let rows: Vec<(&str, &str, Label)> = rows
        .iter()
        .filter_map(|row| Some((row["prompt"].as_str()?, row["response"].as_str()?, label(row)?)))
        .collect();
    let of = |truth| rows.iter().filter(|(_, _, label)| *label == truth).count();
    let (refused, complied) = (of(Label::Refused), of(Label::Complied));
    println!(
        "| words | refused found, of {refused} | complied found, of {complied} | mean | phrase list: refused | complied | mean |"
    );
    println!("|---|---|---|---|---|---|---|");
    let model = Model::bundled(Bundled::Response).unwrap();
    let (policy, phrases, scratch) = (model.manifest().policy, Phrases::default(), &mut Scratch::default());
    let mut means = Vec::new();
    for prefix in [Some(8), Some(16), Some(32), Some(64), None] {
        let (mut ours, mut list) = (Right::default(), Right::default());
        for (prompt, response, truth) in &rows {
            let answer =
                Answer { prompt: Some(prompt), response: Some(response), prefix, ..Answer::default() };
            ours.count(*truth, model.judge(&answer, &policy, &phrases, scratch).label);
            let part = prefix.map_or(*response, |count| first_tokens(response, count));
            let found = phrase_list(Field::Response, &Input { response: Some(part), ..Input::default() });
            list.count(*truth, Some(if found { Label::Refused } else { Label::Complied }));
        }
        let share = |right: usize, of: usize| 100.0 * right as f64 / of as f64;
        let mean =
            |right: &Right| f64::midpoint(share(right.refused, refused), share(right.complied, complied));
        let name = prefix.map_or("all".to_owned(), |count| count.to_string());
        println!(
            "| {name} | {:.1}% | {:.1}% | {:.1}% | {:.1}% | {:.1}% | {:.1}% |",
            share(ours.refused, refused),
            share(ours.complied, complied),
            mean(&ours),
            share(list.refused, refused),
            share(list.complied, complied),
            mean(&list)
        );
        means.push(mean(&ours));
    }
    assert!(means.iter().all(|&mean| mean > 93.0), "{means:?}");
    assert!(means.windows(2).all(|pair| pair[0] <= pair[1] + 1.0), "more words are no worse: {means:?}");
}
