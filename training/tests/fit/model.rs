//! A fit of one model on records: what it chooses, rejects and reports.

use std::sync::Arc;

use demur_data::{Label, Labelled, Labeller, Place, Record};
use demur_predictor::{Field, Input, Phrases};
use demur_training::{
    EncoderStore, Examples, FitPlan, Grouping, NgramParams, TrainingError, bootstrap, train, weighed,
};

use crate::{classifier, corpus, provenance, recipe};

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
fn weights_follow_who_labelled() {
    let model = classifier();
    let human = corpus(0..2);
    let machine = bootstrap(&model, &corpus(2..4), &Phrases::default()).unwrap().rows;
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

#[test]
fn inputs_are_the_texts_of_records() {
    let records = corpus(0..1);
    let expected = Input {
        prompt: records[0].prompt.as_deref(),
        response: records[0].response.as_deref(),
        target: records[0].target.as_deref(),
        ..Input::default()
    };
    assert_eq!(demur_training::input(&records[0]), expected);
}

/// Rows of five sources in which most words mean something else in each. What a fit learns from four sources
/// says little about the fifth, and much about other rows of the four.
fn particular_sources() -> Vec<Record> {
    let row = |at: usize| {
        let (source, word) = (at % 5, (at / 5) % 8);
        let refused = (word + source).is_multiple_of(2);
        let prompt = format!("word{word} of source{source} number{at} word{word}{source}");
        Record {
            id: None,
            prompt: Some(prompt),
            response: None,
            signs: None,
            context: Vec::new(),
            sent_in: demur_data::Context::default(),
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
fn intervals_can_be_for_another_source_whatever_calibrates() {
    let records = particular_sources();
    let examples = Examples::of(&records, &Grouping::Equal.groups(&records));
    let width = |intervals: &str| {
        let text = format!(
            "views = [{{ field = \"prompt\" }}]\nc = 10.0\ncalibration = \"temperature\"\nintervals = \"{intervals}\""
        );
        let params: NgramParams = toml::from_str(&text).unwrap();
        let fitted = FitPlan::new(&params, &EncoderStore::default()).fit(&examples, 0).unwrap();
        let bins = fitted.report.unwrap().reliability;
        let widths = bins.iter().filter(|bin| bin.rows > 0).map(|bin| bin.high - bin.low);
        (fitted.calibration, widths.sum::<f64>())
    };
    let (rows, sources) = (width("rows"), width("sources"));
    assert_eq!(rows.0, sources.0, "the calibration is the same");
    assert!(sources.1 > rows.1, "{} {}", sources.1, rows.1);
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
