//! Parity with scikit-learn on the fixtures that `tests/golden/make_fixtures.py` makes (versions in each
//! file).

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use demur_predictor::{Analyzer, Field, Input, Norm, Probability, Scratch};
use demur_training::{
    Clusters, Confusion, Decisions, DocumentFrequency, EncoderStore, Examples, FEW_FALSE_POSITIVES, FitPlan,
    LogisticParams, NgramParams, SparseMatrix, ViewParams, auroc, auroc_interval, auroc_within,
    average_precision, brier, ece, intervals, log_loss, log_odds, tpr_at_fpr, wilson,
};
use linfa::dataset::DatasetBase;
use linfa::prelude::{Fit, ParamGuard};
use ndarray::Array1;
use serde_json::Value;

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn texts() -> Vec<String> {
    let fixture = fixture("texts.json");
    fixture["texts"].as_array().unwrap().iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn sparse_rows(value: &Value) -> Vec<Vec<(u32, f64)>> {
    let pair = |pair: &Value| (u32::try_from(pair[0].as_u64().unwrap()).unwrap(), pair[1].as_f64().unwrap());
    value.as_array().unwrap().iter().map(|row| row.as_array().unwrap().iter().map(pair).collect()).collect()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

/// A view with a fixture's settings, or the name of the setting that Demur does not support.
fn view(settings: &Value) -> Result<ViewParams, &'static str> {
    if settings["lowercase"] != true {
        return Err("lowercase");
    }
    if settings["smooth_idf"] != true {
        return Err("smooth_idf");
    }
    let norm = match settings["norm"].as_str() {
        Some("l2") => Norm::L2,
        None => Norm::None,
        Some(_) => return Err("norm"),
    };
    let frequency = |value: &Value| match value.as_u64() {
        Some(count) => DocumentFrequency::Count(u32::try_from(count).unwrap()),
        None => DocumentFrequency::Share(value.as_f64().unwrap()),
    };
    let length = |at: usize| usize::try_from(settings["ngram_range"][at].as_u64().unwrap()).unwrap();
    Ok(ViewParams {
        analyzer: if settings["analyzer"] == "char_wb" { Analyzer::CharWb } else { Analyzer::Word },
        ngrams: (length(0), length(1)),
        sublinear_tf: settings["sublinear_tf"].as_bool().unwrap(),
        use_idf: settings["use_idf"].as_bool().unwrap(),
        norm,
        min_df: frequency(&settings["min_df"]),
        max_df: frequency(&settings["max_df"]),
        max_features: settings["max_features"].as_u64().map(|limit| usize::try_from(limit).unwrap()),
        ..ViewParams::new(Field::Prompt)
    })
}

fn assert_rows_equal(found: &[(u32, f64)], expected: &[(u32, f64)], what: &str) {
    assert_eq!(
        found.iter().map(|(feature, _)| feature).collect::<Vec<_>>(),
        expected.iter().map(|(feature, _)| feature).collect::<Vec<_>>(),
        "{what}"
    );
    for ((feature, found), (_, expected)) in found.iter().zip(expected) {
        let error = (found - expected).abs() / expected.abs().max(1.0);
        assert!(error <= 1e-6, "{what}, feature {feature}: {found}, scikit-learn {expected}");
    }
}

#[test]
fn vectorizers_have_the_features_of_scikit_learn() {
    let texts = texts();
    let (mut compared, mut unsupported) = (0, Vec::<(String, &str)>::new());
    for file in ["vectorizer_word_basic.json", "vectorizer_word_pruned.json", "vectorizer_char_wb.json"] {
        let fixture = fixture(file);
        let train = usize::try_from(fixture["n_train"].as_u64().unwrap()).unwrap();
        for case in fixture["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let params = match view(&case["settings"]) {
                Ok(params) => params,
                Err(setting) => {
                    unsupported.push((name.to_owned(), setting));
                    continue;
                }
            };
            let vectorizer = params.fit(texts[..train].iter().map(String::as_str)).unwrap();
            let vocabulary: Vec<String> = (0..u32::try_from(vectorizer.len()).unwrap())
                .map(|feature| vectorizer.ngram(feature))
                .collect();
            assert_eq!(vocabulary, strings(&case["vocabulary"]), "{name}");
            if let Some(idf) = case["idf"].as_array() {
                for (found, expected) in vectorizer.idf().iter().zip(idf) {
                    assert!(
                        (f64::from(*found) - expected.as_f64().unwrap()).abs() < 1e-6,
                        "{name}: idf {found}"
                    );
                }
            }
            let mut scratch = Scratch::default();
            for (text, expected) in texts.iter().zip(sparse_rows(&case["features"])) {
                let found = vectorizer.transform(text, &mut scratch);
                assert_rows_equal(&found, &expected, &format!("{name}, {text:?}"));
            }
            compared += 1;
        }
        unsupported
            .retain(|(name, _)| !["norm_l1", "idf_not_smooth", "no_lowercase"].contains(&name.as_str()));
    }
    assert_eq!(unsupported, [], "settings that are not in Demur on purpose are named above");
    assert!(compared >= 15, "only {compared} cases were compared");
}

#[test]
fn the_logistic_regression_reaches_the_optimum_of_scikit_learn() {
    let mut compared = 0;
    for file in ["logistic_plain.json", "logistic_weighted.json"] {
        let fixture = fixture(file);
        let rows = sparse_rows(&fixture["features"]);
        let features = fixture["vocabulary"].as_array().unwrap().len();
        for case in fixture["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let (targets, weights) = (numbers(&case["target"]), numbers(&case["weight"]));
            let x = SparseMatrix::from_rows(&rows[..targets.len()], features);
            let weights32 = weights.iter().map(|&weight| weight as f32).collect();
            let dataset = DatasetBase::new(x, Array1::from_vec(targets)).with_weights(weights32);
            let c = case["C"].as_f64().unwrap();
            let fitted = LogisticParams::default().c(c).check().unwrap().fit(&dataset).unwrap();
            // scikit-learn's objective is ours divided by C.
            let (found, expected) = (fitted.objective / c, case["objective"].as_f64().unwrap());
            assert!(
                (found - expected).abs() <= 1e-6 * expected,
                "{name}: objective {found}, scikit-learn {expected}"
            );
            let logits = fitted.logits(&SparseMatrix::from_rows(&rows, features));
            for (logit, expected) in logits.into_iter().zip(numbers(&case["probabilities"])) {
                let found = Probability::from_logit(logit).get();
                assert!((found - expected).abs() <= 1e-4, "{name}: {found}, scikit-learn {expected}");
            }
            compared += 1;
        }
    }
    assert!(compared >= 12, "only {compared} cases were compared");
}

#[test]
fn views_side_by_side_give_the_probabilities_of_scikit_learn() {
    let (fixture, texts_file) = (fixture("union.json"), fixture("texts.json"));
    let logistic = &fixture["logistic"];
    let views =
        fixture["views"].as_array().unwrap().iter().map(|case| view(&case["settings"]).unwrap()).collect();
    let texts = texts();
    let inputs: Vec<Input<'_>> = texts.iter().map(|text| Input::prompt(text)).collect();
    let rows = texts_file["texts"].as_array().unwrap();
    let train = usize::try_from(fixture["n_train"].as_u64().unwrap()).unwrap();
    let targets: Vec<f64> = rows[..train].iter().map(|row| row["label"].as_f64().unwrap()).collect();
    assert_eq!(targets, numbers(&logistic["target"]), "the fixture is a plain fit of the labels");
    let examples = Examples {
        inputs: inputs[..train].to_vec(),
        weights: vec![1.0; train],
        groups: (0..u32::try_from(train).unwrap()).collect(),
        facets: Vec::new(),
        truth: targets.clone(),
        targets,
        ..Examples::default()
    };
    let c = vec![logistic["C"].as_f64().unwrap()];
    let params = NgramParams { c, inner_folds: 2, tolerance: 1e-6, ..NgramParams::new(views) };
    let model = FitPlan::new(&params, &EncoderStore::default()).fit(&examples, 0).unwrap().model;
    let logits = model.logits(&inputs);
    for (logit, expected) in logits.into_iter().zip(numbers(&logistic["probabilities"])) {
        let found = Probability::from_logit(logit).get();
        assert!((found - expected).abs() <= 1e-4, "{found}, scikit-learn {expected}");
    }
}

#[test]
fn metrics_are_those_of_scikit_learn() {
    let fixture = fixture("metrics.json");
    let mut compared = 0;
    for case in fixture["cases"].as_array().unwrap() {
        // Demur's figures count every row equally.
        if !case["weights"].is_null() {
            continue;
        }
        let name = case["name"].as_str().unwrap();
        let labels: Vec<bool> = numbers(&case["labels"]).into_iter().map(|label| label == 1.0).collect();
        let scores = numbers(&case["scores"]);
        let called: Vec<bool> = scores.iter().map(|&score| score >= 0.5).collect();
        let decisions = Decisions::judge(&called, &labels);
        let same = |metric: &str, found: f64, expected: &Value| {
            let Some(expected) = expected.as_f64() else {
                assert!(found.is_nan(), "{name}: {metric} is {found}, scikit-learn has none");
                return;
            };
            // If a class or a prediction is missing, scikit-learn returns 0 (or averages the rest) and Demur
            // NaN.
            let undefined = found.is_nan();
            assert!(
                undefined || (found - expected).abs() < 1e-9,
                "{name}: {metric} {found}, scikit-learn {expected}"
            );
        };
        same("auroc", auroc(&scores, &labels), &case["roc_auc"]);
        same("average precision", average_precision(&scores, &labels), &case["average_precision"]);
        same("brier", brier(&scores, &labels), &case["brier"]);
        same("log loss", log_loss(&scores, &labels), &case["log_loss"]);
        same("accuracy", decisions.accuracy, &case["accuracy"]);
        same("precision", decisions.precision, &case["precision"]);
        same("recall", decisions.recall, &case["recall"]);
        same("f1", decisions.f1, &case["f1"]);
        same("balanced accuracy", decisions.balanced_accuracy, &case["balanced_accuracy"]);
        let counts = |key: &str| case["confusion"][key].as_f64().unwrap();
        let Confusion { true_positive, false_positive, true_negative, false_negative } = decisions.confusion;
        let found = [true_positive, false_positive, true_negative, false_negative];
        assert_eq!(found, ["tp", "fp", "tn", "fn"].map(counts), "{name}");
        compared += 1;
    }
    assert!(compared >= 10, "only {compared} cases were compared");
    for row in fixture["wilson"].as_array().unwrap().iter().filter(|row| row["level"] == 0.95) {
        let count = |key: &str| usize::try_from(row[key].as_u64().unwrap()).unwrap();
        let (low, high) = wilson(count("k"), count("n"));
        let expected = (row["low"].as_f64().unwrap(), row["high"].as_f64().unwrap());
        assert!((low - expected.0).abs() < 1e-9 && (high - expected.1).abs() < 1e-9, "{row}: {low} {high}");
    }
}

#[test]
fn log_odds_are_those_of_the_formula_and_standard_normal_where_labels_say_nothing() {
    let fixture = fixture("log_odds.json");
    let count = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let pair = |value: &Value| (count(&value[0]), count(&value[1]));
    let cases = fixture["cases"].as_array().unwrap();
    for case in cases {
        let odds = log_odds(pair(&case["first"]), pair(&case["second"]));
        for (found, expected) in [(odds.difference, &case["difference"]), (odds.z, &case["z"])] {
            assert!((found - expected.as_f64().unwrap()).abs() < 1e-9, "{case}: {odds:?}");
        }
    }
    let null = fixture["null"].as_array().unwrap();
    assert!(cases.len() >= 7 && null.len() >= 6);
    for case in null {
        let [rows, first, with] = ["rows", "first", "with"].map(|key| count(&case[key]));
        // How many of the term's rows are in the first set, if labels carry no information.
        let of: Vec<(f64, f64)> = (with.saturating_sub(rows - first)..=first.min(with))
            .map(|x| {
                let ways = ln_choose(first, x) + ln_choose(rows - first, with - x) - ln_choose(rows, with);
                (ways.exp(), log_odds((x, first), (with - x, rows - first)).z)
            })
            .collect();
        let mean: f64 = of.iter().map(|(p, z)| p * z).sum();
        let deviation = of.iter().map(|(p, z)| p * (z - mean).powi(2)).sum::<f64>().sqrt();
        let expected = ["mean", "sd"].map(|key| case[key].as_f64().unwrap());
        assert!((mean - expected[0]).abs() < 1e-9 && (deviation - expected[1]).abs() < 1e-9, "{case}");
        assert!(mean.abs() < 0.05, "{case}");
        // A term of a few rows cannot move far from 0; one of many rows varies as chance predicts.
        assert!((if with < 10 { 0.5..1.0 } else { 0.95..1.05 }).contains(&deviation), "{case}");
    }
}

/// The logarithm of the number of ways to choose k of n.
fn ln_choose(n: usize, k: usize) -> f64 {
    (1..=k).map(|at| ((n - k + at) as f64 / at as f64).ln()).sum()
}

#[test]
fn measured_rates_are_weighted_halves_of_rows() {
    let fixture = fixture("metrics.json");
    let cases = fixture["rates"].as_array().unwrap();
    assert!(cases.len() >= 3);
    for case in cases {
        let (rates, scores) = (numbers(&case["rates"]), numbers(&case["scores"]));
        let called: Vec<bool> = scores.iter().map(|&score| score >= 0.5).collect();
        let decisions = Decisions::judge(&called, &rates);
        for (metric, found) in [
            ("roc_auc", auroc(&scores, &rates)),
            ("average_precision", average_precision(&scores, &rates)),
            ("brier", brier(&scores, &rates)),
            ("log_loss", log_loss(&scores, &rates)),
            ("accuracy", decisions.accuracy),
            ("recall", decisions.recall),
            ("precision", decisions.precision),
            ("tpr_at_1_fpr", tpr_at_fpr(&scores, &rates, FEW_FALSE_POSITIVES)),
            ("ece", ece(&scores, &rates, &[])),
        ] {
            let expected = case[metric].as_f64().unwrap();
            assert!((found - expected).abs() < 1e-9, "{} {metric}: {found}, {expected}", case["name"]);
        }
    }
}

#[test]
fn intervals_are_those_of_an_independent_computation() {
    let fixture = fixture("metrics.json");
    let cases = fixture["auroc_intervals"].as_array().unwrap();
    assert!(cases.len() >= 6);
    for case in cases {
        let labels: Vec<bool> = numbers(&case["labels"]).into_iter().map(|label| label == 1.0).collect();
        let scores = numbers(&case["scores"]);
        let (low, high) = auroc_interval(&scores, &labels);
        let expected = numbers(&case["interval"]);
        assert!(
            (low - expected[0]).abs() < 1e-9 && (high - expected[1]).abs() < 1e-9,
            "{}: {low} {high}, {expected:?}",
            case["name"]
        );
        let found = tpr_at_fpr(&scores, &labels, FEW_FALSE_POSITIVES);
        assert!((found - case["tpr_at_1_fpr"].as_f64().unwrap()).abs() < 1e-12, "{}", case["name"]);
    }
}

#[test]
fn repeated_prompts_have_the_intervals_of_a_bootstrap_of_prompts() {
    let case = &fixture("metrics.json")["clusters"];
    let labels: Vec<bool> = numbers(&case["labels"]).into_iter().map(|label| label == 1.0).collect();
    let (scores, of) = (numbers(&case["scores"]), numbers(&case["clusters"]));
    let names: Vec<String> = of.iter().map(ToString::to_string).collect();
    let clusters = Clusters::of(names.iter());
    let (accuracy, area) = intervals(&scores, &labels, 0.5, &clusters, 0);
    // Two bootstraps of 1,000 and of 10,000 draws: their standard errors differ by some 3%.
    for (found, expected) in [(accuracy, &case["accuracy_interval"]), (area, &case["auroc_interval"])] {
        let expected = numbers(expected);
        let width = expected[1] - expected[0];
        assert!(
            (found.0 - expected[0]).abs() < 0.06 * width && (found.1 - expected[1]).abs() < 0.06 * width,
            "{found:?}, {expected:?}"
        );
        let naive = auroc_interval(&scores, &labels);
        assert!(naive.1 - naive.0 < width, "rows of one prompt are no independent rows");
    }
    let sources: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
    let within = auroc_within(&scores, &labels, &sources);
    assert!((within - case["auroc_within"].as_f64().unwrap()).abs() < 1e-12, "{within}");
}
