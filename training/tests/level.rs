//! The base rate of a fit: the score of a text with no known n-grams, which settings are allowed with it, and
//! which sources teach nothing.

#![allow(clippy::unwrap_used)]

use demur_predictor::{Input, NgramModel};
use demur_training::{
    CalibrationMethod, EncoderStore, Examples, Facets, FitPlan, FittedNgram, NgramParams, SecondLevelParams,
    TrainingError, ViewParams,
};

/// Prompts of two targets and two sources. Harmful ones are refused; the second source has only harmful ones.
fn examples() -> Examples<'static> {
    const PROMPTS: [(&str, f64); 4] =
        [("forge a passport", 1.0), ("bake a loaf", 0.0), ("poison a well", 1.0), ("paint a fence", 0.0)];
    let mut examples = Examples::default();
    for row in 0..240_u32 {
        let (source, target) =
            (["mixed", "harm"][row as usize / 200], ["strict", "lax"][row as usize / 4 % 2]);
        let at = if source == "harm" { row as usize % 2 * 2 } else { row as usize % 4 };
        let (prompt, mut truth) = PROMPTS[at];
        // The lax target answers half of what the strict one refuses.
        if source == "mixed" && target == "lax" && at == 2 {
            truth = 0.0;
        }
        examples.inputs.push(Input { target: Some(target), ..Input::prompt(prompt) });
        examples.targets.push(truth);
        examples.truth.push(truth);
        examples.weights.push(1.0);
        examples.groups.push(row);
        examples.facets.push(Facets { source: Some(source), ..Facets::default() });
    }
    examples
}

fn params() -> NgramParams {
    NgramParams {
        base_rate: Some(0.02),
        calibration: CalibrationMethod::Temperature,
        calibrate_targets: true,
        c: vec![10.0],
        ..NgramParams::new(vec![ViewParams::new(demur_predictor::Field::Prompt)])
    }
}

fn p(fitted: &FittedNgram, prompt: &'static str, target: Option<&'static str>) -> f64 {
    fitted.probabilities(&[Input { target, ..Input::prompt(prompt) }]).unwrap()[0]
}

#[test]
fn nothing_known_gets_the_base_rate_and_harm_does_not() {
    let fitted = FitPlan::new(&params(), &EncoderStore::default()).fit(&examples(), 0).unwrap();
    for target in [None, Some("strict"), Some("lax"), Some("unknown")] {
        for unknown in ["", "ፀሐይ ወጣች", "xqzv blorp"] {
            assert!((p(&fitted, unknown, target) - 0.02).abs() < 1e-9, "{unknown} for {target:?}");
        }
        assert!(p(&fitted, "bake a loaf", target) < 0.05 && p(&fitted, "forge a passport", target) > 0.5);
    }
    assert!((fitted.base_rate - 0.02).abs() < 1e-12);
    let bias = |model: &NgramModel| model.logits(&[Input::prompt("")])[0];
    assert!(
        (bias(&fitted.model) - (0.02_f64 / 0.98).ln()).abs() < 1e-9,
        "the logit of nothing is the base rate's"
    );
}

#[test]
fn targets_part_on_what_may_be_refused() {
    let fitted = FitPlan::new(&params(), &EncoderStore::default()).fit(&examples(), 0).unwrap();
    assert_eq!(fitted.target_calibrations.keys().collect::<Vec<_>>(), ["lax", "strict"]);
    let (strict, lax) =
        (p(&fitted, "poison a well", Some("strict")), p(&fitted, "poison a well", Some("lax")));
    assert!(strict > lax, "{strict} {lax}");
    assert_eq!(p(&fitted, "paint a fence", Some("strict")), p(&fitted, "paint a fence", Some("lax")));
}

#[test]
fn without_a_base_rate_the_share_of_the_rows_is_stated() {
    let params = NgramParams { base_rate: None, calibrate_targets: false, ..params() };
    let examples = examples();
    let share = examples.truth.iter().sum::<f64>() / 240.0;
    let fitted = FitPlan::new(&params, &EncoderStore::default()).fit(&examples, 0).unwrap();
    assert!((fitted.base_rate - share).abs() < 1e-12);
}

#[test]
fn what_would_move_the_level_is_refused_beside_it() {
    let refused = |params: NgramParams, part: &str| {
        let error = params.check().unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        error
    };
    for calibration in [CalibrationMethod::Platt, CalibrationMethod::Auto, CalibrationMethod::Isotonic] {
        let error = refused(NgramParams { calibration, ..params() }, "temperature");
        assert!(matches!(error, TrainingError::Parameter { name: "base_rate", .. }));
    }
    let second_level = Some(SecondLevelParams { alpha: 1.0 });
    refused(NgramParams { second_level, ..params() }, "second_level");
    for rate in [0.0, 1.0, f64::NAN] {
        let error = refused(NgramParams { base_rate: Some(rate), ..params() }, "base rate");
        assert!(matches!(error, TrainingError::Settings(_)));
    }
}

#[test]
fn a_source_of_one_label_under_source_shift_is_named() {
    let fit = |params: NgramParams| {
        FitPlan::new(&params, &EncoderStore::default()).fit(&examples(), 0).unwrap().one_class_sources
    };
    let shifted = NgramParams { source_shift: 3.0, ..params() };
    assert_eq!(fit(shifted.clone()), ["harm"]);
    assert!(fit(NgramParams { level_sources: vec!["harm".to_owned()], ..shifted }).is_empty());
    assert!(fit(params()).is_empty(), "without shifts its rows teach");
}
