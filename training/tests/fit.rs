//! Fits: the solver's errors and invariants, the choice of C, the bootstrap, the cross-fit.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use demur_data::{Kind, Label, Labelled, Labeller, Place, Record};
use demur_predictor::{Field, Input, Model, SeenPrompts};
use demur_training::{
    CalibrationMethod, ClassWeight, CrossValidation, DataSource, EncoderStore, Examples, FitPlan, Grouping,
    LogisticParams, NgramParams, PipelineData, Progress, Provenance, Recipe, SparseLogistic, SparseMatrix,
    TrainingError, ViewParams, bootstrap, label, labelled_by, run, train, weighed,
};
use linfa::dataset::DatasetBase;
use linfa::prelude::{Fit, ParamGuard};
use ndarray::Array1;
use proptest::prelude::*;

fn fit_rows(
    params: LogisticParams,
    rows: &[Vec<(u32, f64)>],
    targets: Vec<f64>,
    weights: Option<Vec<f32>>,
) -> Result<SparseLogistic, TrainingError> {
    let mut dataset = DatasetBase::new(SparseMatrix::from_rows(rows, 4), Array1::from_vec(targets));
    if let Some(weights) = weights {
        dataset = dataset.with_weights(Array1::from_vec(weights));
    }
    params.check()?.fit(&dataset)
}

fn some_rows() -> Vec<Vec<(u32, f64)>> {
    vec![
        vec![(0, 1.0), (1, 0.5)],
        vec![(0, 0.3), (2, 1.0)],
        vec![(1, 1.0)],
        vec![(2, 0.7), (3, 0.7)],
        vec![(3, 1.0)],
        vec![],
    ]
}

#[test]
fn parameters_out_of_range_are_named() {
    for (params, name) in [
        (LogisticParams::default().c(0.0), "c"),
        (LogisticParams::default().c(f64::NAN), "c"),
        (LogisticParams::default().tolerance(-1.0), "tolerance"),
        (LogisticParams::default().max_iterations(0), "max_iterations"),
    ] {
        let error = params.check().unwrap_err();
        assert!(matches!(&error, TrainingError::Parameter { name: found, .. } if *found == name), "{error}");
    }
}

#[test]
fn targets_and_weights_are_checked_row_by_row() {
    let params = LogisticParams::default;
    let error = fit_rows(params(), &some_rows(), vec![0.0, 1.0, 1.5, 0.0, 1.0, 0.0], None).unwrap_err();
    assert!(matches!(error, TrainingError::Target { row: 2, .. }), "{error}");
    let targets = vec![0.0, 1.0, 1.0, 0.0, 1.0, 0.0];
    let error = fit_rows(params(), &some_rows(), targets.clone(), Some(vec![1.0, -1.0, 1.0, 1.0, 1.0, 1.0]))
        .unwrap_err();
    assert!(matches!(error, TrainingError::Weight { row: 1, .. }), "{error}");
    let error = fit_rows(params(), &some_rows(), vec![0.0; 6], None).unwrap_err();
    assert!(matches!(error, TrainingError::OneClass { rows: 6 }), "{error}");
    let error = fit_rows(params(), &some_rows(), targets[..5].to_vec(), None).unwrap_err();
    assert!(matches!(error, TrainingError::Lengths { what: "targets", .. }), "{error}");
    let start = SparseLogistic { weights: vec![0.0; 9], bias: 0.0, objective: 0.0, iterations: 0 };
    let error = fit_rows(params().start(start), &some_rows(), targets, None).unwrap_err();
    assert!(matches!(error, TrainingError::Lengths { what: "starting weights", .. }), "{error}");
}

#[test]
fn a_fit_that_does_not_converge_says_so() {
    let params = LogisticParams::default().c(1e6).tolerance(1e-12).max_iterations(1);
    let error = fit_rows(params, &some_rows(), vec![0.0, 1.0, 1.0, 0.0, 1.0, 0.0], None).unwrap_err();
    assert!(matches!(error, TrainingError::NotConverged { iterations: 1, .. }), "{error}");
}

#[test]
fn a_soft_label_is_two_weighted_rows() {
    let rows = some_rows();
    let params = LogisticParams::default().tolerance(1e-10);
    let soft = fit_rows(params.clone(), &rows, vec![0.25, 1.0, 1.0, 0.0, 1.0, 0.0], None).unwrap();
    let doubled = [rows[..1].to_vec(), rows].concat();
    let weights = vec![0.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0];
    let hard = fit_rows(params, &doubled, vec![1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0], Some(weights)).unwrap();
    for (soft, hard) in soft.weights.iter().zip(&hard.weights) {
        assert!((soft - hard).abs() < 1e-6, "{soft} {hard}");
    }
    assert!((soft.bias - hard.bias).abs() < 1e-6);
}

#[test]
fn balanced_classes_weigh_half_each() {
    let rows = vec![vec![(0, 1.0)], vec![], vec![], vec![]];
    let params = LogisticParams::default().c(1e-6).tolerance(1e-10);
    // With next to no weights allowed, the intercept is the log odds of the class weights.
    let plain = fit_rows(params.clone(), &rows, vec![1.0, 0.0, 0.0, 0.0], None).unwrap();
    assert!((plain.bias - (1.0_f64 / 3.0).ln()).abs() < 1e-4, "{}", plain.bias);
    let balanced = params.class_weight(ClassWeight::Balanced);
    let balanced = fit_rows(balanced, &rows, vec![1.0, 0.0, 0.0, 0.0], None).unwrap();
    assert!(balanced.bias.abs() < 1e-4, "{}", balanced.bias);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn at_the_optimum_the_gradient_is_nothing_and_threads_change_nothing(
        cells in prop::collection::vec(prop::collection::vec((0_u32..4, 0.1_f64..2.0), 0..4), 6..30),
        flips in prop::collection::vec(0.0_f64..=1.0, 30),
        c in 0.05_f64..20.0,
    ) {
        let rows: Vec<Vec<(u32, f64)>> = cells.iter().map(|row| {
            row.iter().copied().collect::<BTreeMap<u32, f64>>().into_iter().collect()
        }).collect();
        let targets = flips[..rows.len()].to_vec();
        let params = LogisticParams::default().c(c).tolerance(1e-9);
        let fit = || fit_rows(params.clone(), &rows, targets.clone(), None).unwrap();
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (one, four) = (pool(1).install(fit), pool(4).install(fit));
        prop_assert_eq!(&one, &four);
        // d/dw_j = w_j + C sum_i (p_i - t_i) x_ij
        let logits = one.logits(&SparseMatrix::from_rows(&rows, 4));
        let mut gradient = one.weights;
        for ((row, logit), target) in rows.iter().zip(logits).zip(&targets) {
            for &(feature, value) in row {
                gradient[feature as usize] += c * (demur_predictor::sigmoid(logit) - target) * value;
            }
        }
        prop_assert!(gradient.iter().all(|g| g.abs() < 1e-5 * (1.0 + c)), "{:?}", gradient);
    }
}

fn record(line: usize, prompt: &str, response: &str, refused: bool) -> Record {
    let kind = if refused { Kind::Rejected } else { Kind::Complied };
    let label = if refused { Label::Refused } else { Label::Complied };
    Record {
        id: None,
        prompt: Some(prompt.to_owned()),
        response: Some(response.to_owned()),
        context: Vec::new(),
        target: Some("a model".to_owned()),
        source: None,
        category: None,
        split: None,
        group: None,
        label: Some(Labelled { kind: Some(kind), ..Labelled::of(label, Labeller::Person) }),
        weight: 1.0,
        place: Place { file: Arc::from("rows"), line },
        row: None,
    }
}

/// Prompts that ask for a thing, half of them for a forbidden one, and answers to match.
fn corpus(things: std::ops::Range<usize>) -> Vec<Record> {
    let row = |thing: usize| {
        let refused = thing.is_multiple_of(2);
        let verb = if refused { "steal" } else { "paint" };
        let answer = if refused { "No, that is wrong." } else { "Take a brush first." };
        let (prompt, answer) =
            (format!("how do i {verb} number{thing} today"), format!("{answer} thing{thing}"));
        // Without groups of their own, all of these would be one template.
        Record { group: Some(thing.to_string()), ..record(thing + 1, &prompt, &answer, refused) }
    };
    things.map(row).collect()
}

fn recipe() -> Recipe {
    let settings =
        ["response.c=[1.0, 10.0]", "evaluation.grouped=false", "response.inner_folds=3"].map(str::to_owned);
    let mut recipe =
        Recipe::parse(demur_training::STARTER_RECIPE, Path::new("starter.toml"), &settings).unwrap();
    recipe.response.views = vec![ViewParams::new(Field::Response)];
    recipe.prompt.fit.views = vec![ViewParams::new(Field::Prompt)];
    recipe
}

fn provenance() -> Provenance {
    Provenance {
        recipe: recipe(),
        training: Vec::new(),
        figures: BTreeMap::new(),
        teacher: SeenPrompts::default(),
    }
}

fn classifier() -> Model {
    train(Field::Response, &corpus(0..40), provenance(), &EncoderStore::default()).unwrap().0
}

#[test]
fn c_is_chosen_by_the_least_log_loss() {
    let (_, fitted) = train(Field::Response, &corpus(0..40), provenance(), &EncoderStore::default()).unwrap();
    assert_eq!(fitted.choice.iter().map(|(c, _)| *c).collect::<Vec<_>>(), [1.0, 10.0]);
    let best = fitted.choice.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
    assert_eq!(fitted.c, best);
}

#[test]
fn a_view_without_ngrams_and_a_corpus_without_labels_are_errors() {
    let mut params: NgramParams = recipe().response;
    params.views[0].min_df = demur_training::DocumentFrequency::Count(1000);
    let records = corpus(0..10);
    let examples = Examples::of(&records, &Grouping::Equal.groups(&records));
    let error = FitPlan::new(&params, &EncoderStore::default()).fit(&examples, 0).unwrap_err();
    assert!(matches!(error, TrainingError::EmptyVocabulary { view: 1, field: "response", .. }), "{error}");
    params.views[0].idf_power = f64::NAN;
    let error = FitPlan::new(&params, &EncoderStore::default()).fit(&examples, 0).unwrap_err();
    assert!(matches!(error, TrainingError::Parameter { name: "idf_power", .. }), "{error}");
    let unlabelled: Vec<Record> = corpus(0..10).into_iter().map(|r| Record { label: None, ..r }).collect();
    let error = train(Field::Response, &unlabelled, provenance(), &EncoderStore::default()).unwrap_err();
    assert!(matches!(error, TrainingError::NoRows { step: "fit", .. }), "{error}");
}

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
    let machine = bootstrap(&model, &rows).unwrap();
    assert_eq!(machine.len(), 2, "one row a prompt and target; a row without a prompt is none");
    let p = label(&model, &rows).unwrap();
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

#[test]
fn weights_follow_who_labelled() {
    let model = classifier();
    let human = corpus(0..2);
    let machine = bootstrap(&model, &corpus(2..4)).unwrap();
    let machine: Vec<Record> = machine.iter().map(|row| row.to_record(human[0].place.clone())).collect();
    let all = [human, machine].concat();
    let kept = weighed(all.clone(), 0.0, 2.0);
    assert_eq!(kept.iter().map(|record| record.weight).collect::<Vec<_>>(), [2.0, 2.0]);
    assert_eq!(weighed(all, 1.0, 0.0).len(), 2);
}

#[test]
fn a_group_named_by_the_file_goes_before_what_is_found() {
    let mut records: Vec<Record> = corpus(0..4).into_iter().map(|r| Record { group: None, ..r }).collect();
    records[0].group = Some("g".to_owned());
    records[3].group = Some("g".to_owned());
    let groups = Grouping::Equal.groups(&records);
    assert_eq!(groups[0], groups[3]);
    assert!(groups[1] != groups[2] && groups[0] != groups[1]);
}

/// A model that can only know a row by heart must not know it in a cross-validation.
#[test]
fn no_row_is_judged_by_a_fit_that_saw_it() {
    // Every prompt has one word of its own and the labels are a coin: nothing can be learned from other rows.
    let coin = |at: usize| (at * 7919) % 13 < 6;
    let rows: Vec<Record> = (0..80).map(|at| record(at, &format!("word{at}x"), "same", coin(at))).collect();
    // Each row stands there four times.
    let rows: Vec<Record> = rows.iter().flat_map(|row| std::iter::repeat_n(row.clone(), 4)).collect();
    let mut recipe = recipe();
    recipe.prompt.fit.c = vec![100.0];
    // Scores that say nothing are calibrated away.
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
    let p = label(&model, &rows).unwrap();
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
    // Labels of the prompts are a coin, and the unlabelled corpus holds the very same prompts and answers.
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

#[test]
fn inputs_are_the_texts_of_records() {
    let records = corpus(0..1);
    let expected = Input {
        prompt: records[0].prompt.as_deref(),
        response: records[0].response.as_deref(),
        target: records[0].target.as_deref(),
    };
    assert_eq!(demur_training::input(&records[0]), expected);
}

/// Rows of five sources in which every word but a few means something else: what a fit learns of four says little of the
/// fifth, and much of other rows of the four.
fn particular_sources() -> Vec<Record> {
    let row = |at: usize| {
        let (source, word) = (at % 5, (at / 5) % 8);
        let refused = (word + source).is_multiple_of(2);
        let prompt = format!("word{word} of source{source} number{at} word{word}{source}");
        Record {
            id: None,
            prompt: Some(prompt),
            response: None,
            context: Vec::new(),
            target: None,
            source: Some(format!("source {source}")),
            category: None,
            split: None,
            group: Some(at.to_string()),
            label: Some(Labelled::of(
                if refused { Label::Refused } else { Label::Complied },
                Labeller::Person,
            )),
            weight: 1.0,
            place: Place { file: Arc::from("rows"), line: 1 },
            row: None,
        }
    };
    (0..400).map(row).collect()
}

#[test]
fn a_fit_calibrated_on_left_out_sources_claims_less() {
    let records = particular_sources();
    let examples = Examples::of(&records, &Grouping::Equal.groups(&records));
    let fit = |on: &str| {
        let text = format!(
            "views = [{{ field = \"prompt\" }}]\nc = 10.0\ncalibration = \"temperature\"\ncalibrate_on = \"{on}\""
        );
        let params: NgramParams = toml::from_str(&text).unwrap();
        FitPlan::new(&params, &EncoderStore::default()).fit(&examples, 0).unwrap()
    };
    let (inside, outside) = (fit("folds"), fit("left-out-sources"));
    let temperature = |fitted: &demur_training::FittedNgram| match fitted.calibration {
        demur_predictor::Calibration::Temperature { temperature } => temperature,
        ref other => panic!("{other:?}"),
    };
    assert!(
        temperature(&outside) > 3.0 * temperature(&inside),
        "{} {}",
        temperature(&outside),
        temperature(&inside)
    );
    let (inside, outside) = (inside.report.unwrap(), outside.report.unwrap());
    assert_eq!((inside.left_out_sources, outside.left_out_sources), (None, Some(5)));
    assert!(outside.log_loss["none"] > inside.log_loss["none"] + 0.2, "{outside:?}");
    let nameless: Vec<Record> = records.into_iter().map(|row| Record { source: None, ..row }).collect();
    let examples = Examples::of(&nameless, &Grouping::Equal.groups(&nameless));
    let params: NgramParams = toml::from_str(
        "views = [{ field = \"prompt\" }]\ncalibration = \"temperature\"\ncalibrate_on = \"left-out-sources\"",
    )
    .unwrap();
    let error = FitPlan::new(&params, &EncoderStore::default()).fit(&examples, 0).unwrap_err();
    assert!(matches!(error, TrainingError::FewSources) && error.to_string().contains("`name`"), "{error}");
}
