//! From answers to a predictor, with figures that are independent of the rows that they are computed on.

use std::path::PathBuf;

use demur_data::{Label, Record};
use demur_predictor::{Field, Phrases};
use demur_training::{
    CalibrationMethod, CrossValidation, DataSource, EncoderStore, Examples, Grouping, PipelineData, Progress,
    Provenance, bootstrap, input, judge_answers, labelled_by, run, train,
};

use crate::{classifier, provenance, recipe, record};

#[test]
fn answers_to_one_prompt_become_a_rate() {
    let model = classifier();
    let answers =
        [("No, that is wrong.", true), ("Take a brush first.", false), ("No, that is wrong.", true)];
    let mut rows: Vec<Record> =
        answers.iter().enumerate().map(|(at, (answer, r))| record(at, "May I?", answer, *r)).collect();
    rows[1].prompt = Some("may i".to_owned());
    rows.push(Record {
        target: Some("another".to_owned()),
        ..record(9, "May I?", "Take a brush first.", false)
    });
    rows.push(Record { prompt: None, ..record(10, "", "No.", true) });
    let machine = bootstrap(&model, &rows, &Phrases::default()).unwrap().rows;
    assert_eq!(machine.len(), 2, "one row a prompt and target; a row without a prompt is none");
    let judged = judge_answers(&model, &rows, None, &Phrases::default()).unwrap();
    let p: Vec<_> = judged.iter().map(|judged| judged.verdict.p_refusal.unwrap()).collect();
    assert_eq!((machine[0].samples, machine[1].samples), (3, 1));
    assert!((machine[0].p_refusal - (p[0].get() + p[1].get() + p[2].get()) / 3.0).abs() < 1e-12);
    assert!((machine[0].refusal_rate - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(machine[0].label, Label::Refused);
    assert_eq!(machine[0].labelled_by, labelled_by(&model));
    assert_eq!(machine[0].labelled_by, format!("demur:{}@{}", model.manifest().name, model.digest()));
    let read_back = machine[0].to_record(rows[0].place.clone());
    assert_eq!(read_back.label.unwrap().target(), Some(machine[0].p_refusal));
    assert_eq!(machine[0].to_row().unwrap()["samples"], 3);
}

/// A model that can only memorise rows must not score well in a cross-validation.
#[test]
fn no_row_is_judged_by_a_fit_that_saw_it() {
    // Every prompt has one word of its own and the labels are random, so nothing can be learned from other
    // rows.
    let coin = |at: usize| (at * 7919) % 13 < 6;
    let rows: Vec<Record> = (0..80).map(|at| record(at, &format!("word{at}x"), "same", coin(at))).collect();
    // Each row occurs four times.
    let rows: Vec<Record> = rows.iter().flat_map(|row| std::iter::repeat_n(row.clone(), 4)).collect();
    let mut recipe = recipe();
    recipe.prompt.fit.c = vec![100.0];
    // Calibration would remove scores without information.
    recipe.prompt.fit.calibration = CalibrationMethod::None;
    for grouping in [Grouping::Equal, Grouping::Similar] {
        let examples = Examples::of(&rows, &grouping.groups(&rows));
        let plan = CrossValidation { field: Field::Prompt, folds: 5, grouping, seed: 1 };
        let evaluation = plan
            .judge(recipe.plan(Field::Prompt, &EncoderStore::default()), &examples, Progress::none())
            .unwrap();
        assert!(
            (evaluation.auroc - 0.5).abs() < 0.1,
            "{grouping:?}: AUROC {} without a leak",
            evaluation.auroc
        );
    }
    let model = train(Field::Prompt, &rows, Provenance { recipe, ..provenance() }, &EncoderStore::default())
        .unwrap()
        .0;
    let inputs: Vec<_> = rows.iter().map(input).collect();
    let p = model.predict_all(&inputs).unwrap();
    let right = rows
        .iter()
        .zip(p)
        .filter(|(row, p)| (p.get() >= 0.5) == (row.label.as_ref().unwrap().target() == Some(1.0)));
    assert_eq!(right.count(), rows.len(), "the model does know its own rows by heart");
}

#[test]
fn the_cross_fit_takes_a_folds_prompts_out_of_every_step() {
    let dir = tempfile::TempDir::new().unwrap();
    let write = |name: &str, records: &[Record]| {
        let rows: Vec<_> = records
            .iter()
            .map(|record| {
                let kind = record.label.as_ref().unwrap().kind.unwrap().name();
                let row =
                    serde_json::json!({ "prompt": record.prompt, "response": record.response, "kind": kind });
                row.as_object().unwrap().clone()
            })
            .collect();
        demur_data::write_rows(&dir.path().join(name), None, &rows).unwrap();
        PathBuf::from(name)
    };
    // The prompts have random labels, and the unlabelled corpus contains the same prompts and answers.
    let coin = |at: usize| (at * 7919) % 13 < 6;
    let rows: Vec<Record> = (0..90)
        .map(|at| record(at, &format!("word{at}x"), if coin(at) { "no never" } else { "yes sure" }, coin(at)))
        .collect();
    let mut recipe = recipe();
    recipe.labelled = vec![DataSource::of(vec![write("labelled.jsonl", &rows)])];
    recipe.labelled[0].columns.label = Some("kind".to_owned());
    recipe.unlabelled = vec![DataSource::of(vec![write("unlabelled.jsonl", &rows)])];
    recipe.prompt.fit.c = vec![100.0];
    let mut resolved = recipe.clone();
    resolved.resolve(dir.path());
    let data = PipelineData::read(&resolved).unwrap();
    let output = run(&recipe, &data, &EncoderStore::default(), Progress::none()).unwrap();
    let figures = &output.figures;
    assert!(figures.response.auroc > 0.99, "the answers are easy: {}", figures.response.auroc);
    for evaluation in [&figures.prompt, &figures.prompt_machine_only, &figures.prompt_human_only] {
        assert_eq!(evaluation.n, 90);
        assert!(
            (evaluation.auroc - 0.5).abs() < 0.12,
            "AUROC {} where nothing can be known",
            evaluation.auroc
        );
    }
    let machine_rows: usize = output.prompt.manifest().training.iter().map(|data| data.rows).sum();
    assert_eq!(machine_rows, 180);
    assert!(output.prompt.seen().contains("word3x") && output.response.seen().contains("word3x"));
    let files = &output.prompt.manifest().recipe["labelled"][0]["files"];
    assert_eq!(files, &serde_json::json!(["labelled.jsonl"]), "the manifest names no folder of this machine");
}
