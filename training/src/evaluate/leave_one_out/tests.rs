//! Leaving values out of constructed corpora with known results.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use demur_data::{Label, Labelled, Labeller, Place, Record};
use demur_predictor::Field;

use super::{LeaveOneOut, LeftOut, LeftOutFacet, LeftOutFigures};
use crate::{EncoderStore, FitPlan, NgramParams, Progress, TrainingError};

fn record(source: &str, prompt: &str, refused: bool) -> Record {
    let label = if refused { Label::Refused } else { Label::Complied };
    Record {
        id: None,
        prompt: Some(prompt.to_owned()),
        response: None,
        signs: None,
        context: Vec::new(),
        sent_in: demur_data::Context::default(),
        target: Some("a model".to_owned()),
        source: Some(source.to_owned()),
        category: None,
        split: None,
        group: None,
        label: Some(Labelled::of(label, Labeller::Person)),
        weight: 1.0,
        place: Place { file: Arc::from("rows"), line: 1 },
        row: None,
    }
}

/// Rows whose words determine the label or, if the source is flipped, its opposite.
fn source(name: &str, n: usize, flipped: bool) -> Vec<Record> {
    let row = |at: usize| {
        let steals = at.is_multiple_of(2);
        let verb = if steals { "steal" } else { "paint" };
        record(name, &format!("{verb} {name}thing{at}"), steals != flipped)
    };
    (0..n).map(row).collect()
}

fn params() -> NgramParams {
    toml::from_str("views = [{ field = \"prompt\", ngrams = [1, 1] }]\nc = 10.0").unwrap()
}

fn judge(facet: LeftOutFacet, records: &[Record]) -> Result<LeftOutFigures, TrainingError> {
    let params = params();
    let encoders = EncoderStore::default();
    let plan = FitPlan::new(&params, &encoders);
    LeaveOneOut { field: Field::Prompt, facet, seed: 0, share_counts: false }.judge(
        plan,
        records,
        &[],
        Progress::none(),
    )
}

fn by_source(records: &[Record]) -> LeftOutFigures {
    judge(LeftOutFacet::Source, records).unwrap()
}

fn of<'a>(figures: &'a LeftOutFigures, value: &str) -> &'a LeftOut {
    figures.values.iter().find(|left_out| left_out.value == value).unwrap()
}

#[test]
fn a_source_of_flipped_labels_is_told_from_the_others() {
    let rows = ["a", "b", "c", "flipped"].map(|name| source(name, 40, name == "flipped")).concat();
    let figures = by_source(&rows);
    assert_eq!(
        figures.values.iter().map(|v| v.value.as_str()).collect::<Vec<_>>(),
        ["a", "b", "c", "flipped"]
    );
    for name in ["a", "b", "c"] {
        let found = of(&figures, name);
        assert!(found.rates.auroc > 0.9 && found.rates.accuracy > 0.9, "{found:?}");
        assert_eq!((found.n, found.fitted_on, found.base_rate), (40, Some(120), 0.5));
    }
    let flipped = of(&figures, "flipped");
    assert!(
        flipped.rates.auroc < 0.1
            && flipped.rates.recall_refused < 0.1
            && flipped.rates.recall_complied < 0.1,
        "{flipped:?}"
    );
    let mean = figures.values.iter().map(|v| v.rates.auroc).sum::<f64>() / 4.0;
    assert_eq!((figures.mean.values, figures.mean.rates.auroc), (4, mean));
}

#[test]
fn a_left_out_prompt_is_left_out_of_the_other_sources_too() {
    let mut rows = [source("a", 30, false), source("b", 40, false)].concat();
    rows.extend((0..5).map(|at| record("b", &format!("STEAL athing{}!", 2 * at), true)));
    let figures = by_source(&rows);
    assert_eq!(of(&figures, "a").fitted_on, Some(40), "five of the 45 rows have prompts of `a`");
    assert_eq!(of(&figures, "b").fitted_on, Some(25));
}

#[test]
fn small_sources_are_counted_and_rows_without_one_only_teach() {
    let mut rows = [source("a", 20, false), source("small", 19, false), source("none", 21, false)].concat();
    rows.iter_mut().filter(|row| row.source.as_deref() == Some("none")).for_each(|row| row.source = None);
    let figures = by_source(&rows);
    assert_eq!((figures.values.len(), figures.passed_over, of(&figures, "a").fitted_on), (1, 1, Some(40)));
}

#[test]
fn machine_labels_teach_and_do_not_judge() {
    let mut rows = [source("a", 60, false), source("b", 40, false)].concat();
    for row in &mut rows[..30] {
        row.label = Some(Labelled { p_refusal: Some(0.5), ..Labelled::of(Label::Refused, Labeller::Demur) });
    }
    let figures = by_source(&rows);
    assert_eq!((of(&figures, "a").n, of(&figures, "a").fitted_on), (30, Some(40)));
    assert_eq!((of(&figures, "b").n, of(&figures, "b").fitted_on), (40, Some(60)));
}

#[test]
fn a_value_of_one_class_is_judged_and_takes_no_part_in_the_means() {
    let refused: Vec<Record> = source("refused", 60, false).into_iter().step_by(2).collect();
    let figures = by_source(&[source("a", 40, false), source("b", 40, false), refused].concat());
    let found = of(&figures, "refused");
    assert_eq!((found.n, found.base_rate), (30, 1.0));
    assert!(
        found.rates.recall_refused > 0.9
            && found.rates.recall_complied.is_nan()
            && found.rates.auroc.is_nan(),
        "{found:?}"
    );
    assert_eq!(figures.mean.values, 2);
    let json = figures.to_json();
    assert_eq!(json["values"][2]["recall_complied"], serde_json::Value::Null);
    assert_eq!(json["facet"], "source");
}

#[test]
fn what_cannot_be_judged_is_said() {
    let one = judge(LeftOutFacet::Target, &source("a", 40, false)).unwrap_err().to_string();
    assert!(
        one.contains("without `a model`: fit: no rows are left") && one.contains("another target"),
        "{one}"
    );
    let few = judge(LeftOutFacet::Source, &source("a", 19, false)).unwrap_err().to_string();
    assert!(few.contains("no source has 20 labelled rows") && few.contains("`name`"), "{few}");
    let refused: Vec<Record> = source("b", 60, false).into_iter().step_by(2).collect();
    let error = judge(LeftOutFacet::Source, &[source("a", 40, false), refused].concat()).unwrap_err();
    assert!(matches!(&error, TrainingError::LeftOut { value, .. } if value == "a"), "{error}");
    assert!(error.to_string().contains("all refused or all complied"), "{error}");
}

/// As [`judge`], with n-grams counted once.
fn shared(
    records: &[Record],
    unseen: &[Record],
    params: &NgramParams,
) -> Result<LeftOutFigures, TrainingError> {
    let encoders = EncoderStore::default();
    let plan = FitPlan::new(params, &encoders);
    LeaveOneOut { field: Field::Prompt, facet: LeftOutFacet::Source, seed: 0, share_counts: true }.judge(
        plan,
        records,
        unseen,
        Progress::none(),
    )
}

#[test]
fn one_count_of_ngrams_comes_to_the_same_figures() {
    let rows = [source("a", 40, false), source("b", 60, false), source("c", 44, false)].concat();
    let params = params();
    let (each, once) = (by_source(&rows), shared(&rows, &[], &params).unwrap());
    for (each, once) in each.values.iter().zip(&once.values) {
        assert_eq!((&each.value, each.n, each.fitted_on), (&once.value, once.n, once.fitted_on));
        assert!((each.rates.auroc - once.rates.auroc).abs() < 0.01, "{each:?} {once:?}");
        assert!((each.rates.ece - once.rates.ece).abs() < 0.02, "{each:?} {once:?}");
    }
    let several = NgramParams { c: vec![1.0, 2.0], ..params };
    let error = shared(&rows, &[], &several).unwrap_err().to_string();
    assert!(error.contains("`c`") && error.contains("--share-counts"), "{error}");
}

/// A recipe with a base rate applies it in both ways of leaving out. A text with no known n-grams is at the
/// base rate, and the evidence of the words is stretched around it, whatever share of the rows is refused.
#[test]
fn the_level_of_a_recipe_is_that_of_one_count_of_ngrams_too() {
    let mut rows = [source("a", 40, false), source("b", 60, false), source("c", 44, false)].concat();
    // Words that occur in no other source: half of the rows are refused, and nothing is known about any of
    // them.
    rows.extend((0..40).map(|at| record("d", &format!("dthing{at}"), at % 2 == 0)));
    let params = NgramParams { base_rate: Some(0.02), ..params() };
    let encoders = EncoderStore::default();
    let plan = FitPlan::new(&params, &encoders);
    let each =
        LeaveOneOut { field: Field::Prompt, facet: LeftOutFacet::Source, seed: 0, share_counts: false }
            .judge(plan, &rows, &[], Progress::none())
            .unwrap();
    let once = shared(&rows, &[], &params).unwrap();
    // Half of the rows are refused, and each has P(refusal) of one in fifty.
    assert!((of(&each, "d").rates.ece - 0.48).abs() < 1e-6, "{each:?}");
    for (each, once) in each.values.iter().zip(&once.values) {
        assert!((each.rates.auroc - once.rates.auroc).abs() < 0.01, "{each:?} {once:?}");
        assert!((each.rates.ece - once.rates.ece).abs() < 0.02, "{each:?} {once:?}");
    }
}

#[test]
fn rows_of_no_source_are_judged_by_a_fit_on_all() {
    let rows = [source("a", 40, false), source("b", 40, false)].concat();
    let mut strangers = source("strange", 60, false);
    strangers.drain(..20);
    // Their texts are in the fit, so they are left out of the figures.
    strangers.extend(
        source("a", 10, false).into_iter().map(|row| Record { source: Some("strange".into()), ..row }),
    );
    let params = params();
    let figures = shared(&rows, &strangers, &params).unwrap();
    let found: Vec<(&str, usize)> = figures.unseen.iter().map(|of| (of.value.as_str(), of.n)).collect();
    assert_eq!(found, [("strange", 40)]);
    assert!(figures.unseen[0].rates.auroc > 0.9, "{:?}", figures.unseen);
}

#[test]
fn a_response_in_two_sources_is_left_out_of_the_fit_by_its_first_words() {
    let answer = |source: &str, at: usize, response: String, refused: bool| Record {
        response: Some(response),
        ..record(source, &format!("{source} asks {at}"), refused)
    };
    let opening = "I am sorry but I cannot help you with this request because it may hurt someone and I want all of \
                   you to be safe here";
    let mut rows: Vec<Record> = Vec::new();
    for at in 0..40 {
        let text = if at % 2 == 0 { format!("I refuse thing{at}") } else { format!("Here is thing{at}") };
        rows.push(answer("a", at, text.clone() + " a", at % 2 == 0));
        rows.push(answer("b", at, text + " b", at % 2 == 0));
    }
    rows.push(answer("a", 90, format!("{opening} now."), true));
    rows.push(answer("b", 91, format!("{} tomorrow.", opening.to_uppercase()), true));
    let params = NgramParams::new(vec![crate::ViewParams::new(Field::Response)]);
    let encoders = EncoderStore::default();
    let plan = FitPlan::new(&params, &encoders);
    let judge =
        LeaveOneOut { field: Field::Response, facet: LeftOutFacet::Source, seed: 0, share_counts: false };
    let figures = judge.judge(plan, &rows, &[], Progress::none()).unwrap();
    assert_eq!(of(&figures, "a").fitted_on, Some(40), "41 rows of `b`, one of which begins as one of `a`");
}

#[test]
fn every_line_has_baselines_and_a_language() {
    let figures = by_source(&[source("a", 40, false), source("b", 40, false)].concat());
    let found = of(&figures, "a");
    assert_eq!(found.rates.majority, 0.5);
    assert!(found.rates.phrase_list > 0.5, "`steal` is on the list: {found:?}");
    assert_eq!(found.labelled_by.as_deref(), Some("person"));
    assert!((0.0..=1.0).contains(&found.rates.tpr_at_1_fpr));
    let n: usize = figures.by["target"].iter().map(|of| of.n).sum();
    assert_eq!(n, 80);
    assert_eq!(figures.reliability.iter().map(|bin| bin.n).sum::<usize>(), 80);
}
