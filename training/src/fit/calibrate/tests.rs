//! Calibrations on scores whose error is known.
#![allow(clippy::unwrap_used)]

use demur_predictor::Probability;

use super::*;

/// Rows with known true logits, and scores that distort them. Labels are soft, so nothing depends on chance.
fn scores(distort: impl Fn(f64) -> f64) -> OutOfFold {
    let truth: Vec<f64> = (-200..=200).map(|step| f64::from(step) / 40.0).collect();
    OutOfFold {
        logits: truth.iter().map(|&z| distort(z)).collect(),
        weights: vec![1.0; truth.len()],
        truth: truth.into_iter().map(sigmoid).collect(),
        ..OutOfFold::default()
    }
}

/// The same rows with randomly drawn labels, so that methods differ by chance.
fn drawn(n: u32, seed: u32, distort: impl Fn(f64) -> f64) -> OutOfFold {
    let random = |row: u32, salt: u32| {
        let mixed = (row ^ seed.wrapping_mul(0x9e37_79b9) ^ salt).wrapping_mul(0x85eb_ca6b);
        let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
        f64::from(mixed ^ (mixed >> 16)) / f64::from(u32::MAX)
    };
    let logits: Vec<f64> = (0..n).map(|row| 6.0 * random(row, 0x51) - 3.0).collect();
    let refused = |(row, &z): (u32, &f64)| f64::from(u8::from(random(row, 0xa7) < sigmoid(z)));
    OutOfFold {
        truth: (0..n).zip(&logits).map(refused).collect(),
        logits: logits.into_iter().map(distort).collect(),
        weights: vec![1.0; n as usize],
        ..OutOfFold::default()
    }
}

/// Ten sources with the same scores, each of which refuses more or less than its scores say: `level` by
/// source.
fn sources(level: impl Fn(u32) -> f64) -> OutOfFold {
    let mut all = OutOfFold::default();
    for source in 0..10 {
        let part = drawn(600, 77 + source, |z| z);
        let moved = |z: &f64| sigmoid(z - level(source));
        all.truth.extend(part.logits.iter().map(moved));
        all.logits.extend(part.logits.iter().map(|z| 2.0 * z));
        all.weights.extend(part.weights);
        all.clusters.extend([source; 600]);
        all.source_folds.extend([source as usize % 5; 600]);
    }
    all
}

#[test]
fn a_method_with_more_parameters_must_earn_them() {
    let (mut simple, mut simple_by_least_loss) = (0, 0);
    for seed in 0..10 {
        let good = drawn(800, seed, |z| z);
        let (calibration, report) = good.calibrate(CalibrationMethod::Auto).unwrap();
        let losses = report.unwrap().log_loss;
        let least = losses.values().copied().fold(f64::INFINITY, f64::min);
        simple += u32::from(["none", "temperature"].contains(&calibration.method()));
        simple_by_least_loss += u32::from(losses["none"] == least || losses["temperature"] == least);
    }
    assert!(simple >= 8, "scores that need no map get a bent one in {} of 10 draws", 10 - simple);
    assert!(simple > simple_by_least_loss, "by the least loss alone {simple_by_least_loss} of 10");
    let bent = drawn(4000, 1, |z| if z < 0.0 { 6.0 * z } else { 0.3 * z });
    let (calibration, _) = bent.calibrate(CalibrationMethod::Auto).unwrap();
    assert!(["beta", "isotonic"].contains(&calibration.method()), "what is earned is taken");
}

#[test]
fn on_sources_left_out_an_intercept_is_fitted_only_when_asked_for() {
    let tilted = sources(|source| if source == 0 { 6.0 } else { 1.0 });
    let (calibration, report) = tilted.calibrate(CalibrationMethod::Auto).unwrap();
    assert_eq!(calibration.method(), "temperature");
    let report = report.unwrap();
    assert_eq!(report.left_out_sources, Some(10));
    assert_eq!(report.log_loss.keys().collect::<Vec<_>>(), ["none", "temperature"]);
    let (asked, _) = tilted.calibrate(CalibrationMethod::Platt).unwrap();
    assert_eq!(asked.method(), "platt");
    let in_domain = OutOfFold { source_folds: Vec::new(), clusters: Vec::new(), ..tilted };
    let (calibration, report) = in_domain.calibrate(CalibrationMethod::Auto).unwrap();
    assert_ne!(calibration.method(), "temperature");
    assert_eq!(report.unwrap().left_out_sources, None);
}

#[test]
fn the_temperature_of_sources_left_out_is_that_of_the_typical_one() {
    // In two of seven sources the scores are far too confident: they say 8 logits where 1 is true; the others
    // say 2.
    let mut all = OutOfFold::default();
    for source in 0..7_u32 {
        let stretch = if source < 2 { 8.0 } else { 2.0 };
        let part = drawn(600, 31 + source, |z| z);
        all.truth.extend(part.logits.iter().map(|&z| sigmoid(z)));
        all.logits.extend(part.logits.iter().map(|z| stretch * z));
        all.weights.extend(part.weights);
        all.clusters.extend([source; 600]);
        all.source_folds.extend([source as usize; 600]);
    }
    let temperature = |of: &OutOfFold| match of.fit(CalibrationMethod::Temperature).unwrap() {
        Calibration::Temperature { temperature } => temperature,
        other => panic!("{other:?}"),
    };
    assert!((temperature(&all) - 2.0).abs() < 1e-3, "{}", temperature(&all));
    let part = all.subset(0..all.truth.len());
    assert!((temperature(&part) - 2.0).abs() < 1e-3, "a part knows that its clusters are sources");
    let together = OutOfFold { source_folds: Vec::new(), ..all };
    assert!(temperature(&together) > 2.5, "{}: the two rule the rows of all", temperature(&together));
}

/// The share of (source, tenth) pairs whose refusal rate is in the interval computed from the other sources.
fn coverage(all: &OutOfFold, outside: bool) -> f64 {
    let (mut held, mut stated) = (0.0, 0.0);
    for source in 0..10 {
        let rows = |keep: &dyn Fn(u32) -> bool| -> Vec<usize> {
            (0..all.truth.len()).filter(|&row| keep(all.clusters[row])).collect()
        };
        let known = rows(&|of| of != source);
        let mut part = all.subset(known.iter().copied());
        if outside {
            part.source_folds = known.iter().map(|&row| all.source_folds[row]).collect();
        }
        let (calibration, report) = part.calibrate(CalibrationMethod::Temperature).unwrap();
        let own = all.subset(rows(&|of| of == source).into_iter());
        let p: Vec<f64> = own.logits.iter().map(|&z| calibration.apply(z).get()).collect();
        for (bin, stated_bin) in own.reliability(&p).iter().zip(report.unwrap().reliability) {
            if bin.rows >= 20 {
                stated += 1.0;
                held += f64::from(u8::from((stated_bin.low..=stated_bin.high).contains(&bin.refused)));
            }
        }
    }
    held / stated
}

#[test]
fn stated_intervals_hold_on_a_source_that_was_left_out() {
    let differ = sources(|source| f64::from(source) / 5.0 - 0.9);
    // The two sources at the ends of an even row are further out than the nine others predict.
    assert!(coverage(&differ, true) >= 0.85, "{}", coverage(&differ, true));
    assert!(
        coverage(&differ, false) < 0.5,
        "rows of known sources claim too much: {}",
        coverage(&differ, false)
    );
    // If sources do not differ, having few of them widens the intervals very little.
    let alike = sources(|_| 0.0);
    let (_, report) = alike.calibrate(CalibrationMethod::Temperature).unwrap();
    let widths: Vec<f64> = report.unwrap().reliability.iter().map(|bin| bin.high - bin.low).collect();
    assert!(widths.iter().all(|&width| width < 0.15), "{widths:?}");
}

#[test]
fn two_sources_take_the_spread_of_many() {
    let differ = sources(|source| f64::from(source) / 5.0 - 0.9);
    let (calibration, report) = differ.calibrate(CalibrationMethod::Temperature).unwrap();
    let of_ten = report.unwrap().reliability;
    let spreads = differ.spreads(&calibration);
    let halves = differ.clusters.iter().map(|&source| u32::from(source >= 5)).collect();
    let few = OutOfFold { sources: halves, ..differ };
    let widths = |of: &OutOfFold| -> Vec<f64> {
        let (_, report) = of.calibrate(CalibrationMethod::Temperature).unwrap();
        report.unwrap().reliability.iter().map(|bin| bin.high - bin.low).collect()
    };
    let alone = widths(&few);
    let with = OutOfFold { spreads, ..few };
    for (bin, (alone, with)) in of_ten.iter().zip(alone.iter().zip(widths(&with))) {
        let all = bin.high - bin.low;
        assert!(with < *alone && (all / 2.0..2.0 * all).contains(&with), "{all}: {alone}, {with}");
    }
    // Those of fewer sources than its own it does not take.
    let of_two = OutOfFold { spreads: vec![Some(Spread { between: 9.0, freedom: 1.0 }); 10], ..with };
    let own = OutOfFold { sources: of_two.clusters.clone(), ..of_two };
    let found = widths(&own);
    assert!(of_ten.iter().zip(found).all(|(bin, width)| (bin.high - bin.low - width).abs() < 1e-12));
}

fn examples(sources: &[Option<&'static str>], groups: &[u32]) -> crate::Examples<'static> {
    let n = sources.len();
    crate::Examples {
        inputs: vec![demur_predictor::Input::prompt("a prompt"); n],
        truth: (0..n).map(|row| (row % 2) as f64).collect(),
        targets: (0..n).map(|row| (row % 2) as f64).collect(),
        weights: vec![1.0; n],
        groups: groups.to_vec(),
        facets: sources.iter().map(|&source| crate::Facets { source, ..crate::Facets::default() }).collect(),
        ..crate::Examples::default()
    }
}

#[test]
fn folds_of_left_out_sources_keep_them_whole_and_groups_out() {
    let on = CalibrateOn::LeftOutSources;
    let names = [Some("a"), Some("a"), Some("b"), Some("b"), Some("c"), Some("c"), None, None];
    let rows = examples(&names, &[0, 1, 1, 2, 3, 4, 5, 6]);
    let folds = on.folds(&rows, 3, 0).unwrap();
    assert!(folds[0] == folds[1] && folds[2] == folds[3] && folds[4] == folds[5], "{folds:?}");
    let (train, test) = on.split(&rows, &folds, folds[0]);
    assert!(test.contains(&0) && test.contains(&1));
    assert!(!train.contains(&2) || test.contains(&2), "row 2 has the template of row 1: {train:?}");
    let two = examples(&names[..4], &[0, 1, 2, 3]);
    assert_eq!(on.folds(&two, 5, 0).unwrap().iter().max(), Some(&1), "no more folds than sources");
    for few in [&names[..2], &names[6..]] {
        let error = on.folds(&examples(few, &[0, 1]), 5, 0).unwrap_err();
        assert!(matches!(error, TrainingError::FewSources), "{error}");
    }
}

fn worst(scores: &OutOfFold, calibration: &Calibration) -> f64 {
    let distance = |(&logit, &truth): (&f64, &f64)| (calibration.apply(logit).get() - truth).abs();
    scores.logits.iter().zip(&scores.truth).map(distance).fold(0.0, f64::max)
}

#[test]
fn each_method_undoes_the_distortion_that_it_is_for() {
    let stretched = scores(|z| 3.0 * z);
    let shifted = scores(|z| 0.5 * z - 1.0);
    let bent = scores(|z| if z < 0.0 { z } else { 4.0 * z });
    for (scores, method, bar) in [
        (&stretched, CalibrationMethod::Temperature, 1e-3),
        (&stretched, CalibrationMethod::Platt, 1e-3),
        (&shifted, CalibrationMethod::Platt, 1e-3),
        (&stretched, CalibrationMethod::Beta, 0.02),
        (&bent, CalibrationMethod::Isotonic, 0.35),
    ] {
        let calibration = scores.fit(method).unwrap();
        assert_eq!(calibration.check(), Ok(()));
        let (with, without) = (worst(scores, &calibration), worst(scores, &Calibration::None));
        assert!(with <= bar && with < without, "{method:?}: {with} with it, {without} without");
    }
}

#[test]
fn a_target_gets_a_line_of_its_own_where_its_rows_say_so() {
    let mut rows = scores(|z| z);
    let mut other = scores(|z| 0.5 * z - 1.0);
    let mut few = scores(|z| 0.5 * z - 1.0).subset(0..150);
    for part in [&mut other, &mut few] {
        rows.logits.append(&mut part.logits);
        rows.truth.append(&mut part.truth);
        rows.weights.append(&mut part.weights);
    }
    let names = ["same", "other"].iter().flat_map(|name| std::iter::repeat_n(Some(*name), 401));
    let targets: Vec<_> = names.chain(std::iter::repeat_n(Some("few"), 150)).collect();
    let found = rows.calibrate_targets(&Calibration::None, &targets).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["other"]);
    assert!(worst(&scores(|z| 0.5 * z - 1.0), &found["other"]) < 1e-3);
}

#[test]
fn the_choice_is_the_least_log_loss_and_is_reported() {
    let shifted = scores(|z| 0.5 * z - 1.0);
    let (calibration, report) = shifted.calibrate(CalibrationMethod::Auto).unwrap();
    let report = report.unwrap();
    let best = report.log_loss.values().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(report.log_loss[calibration.method()], best);
    assert_eq!(report.log_loss.len(), 5);
    assert_eq!(report.rows, 401);
}

#[test]
fn good_scores_are_left_alone() {
    let good = scores(|z| z);
    let (calibration, _) = good.calibrate(CalibrationMethod::Auto).unwrap();
    for logit in [-3.0, 0.0, 3.0] {
        let p = calibration.apply(logit).get();
        assert!((p - Probability::from_logit(logit).get()).abs() < 0.01, "{}: {p}", calibration.method());
    }
}

#[test]
fn a_method_that_is_asked_for_is_taken() {
    let (calibration, report) = scores(|z| z).calibrate(CalibrationMethod::Isotonic).unwrap();
    assert_eq!(calibration.method(), "isotonic");
    assert_eq!(report.unwrap().log_loss.len(), 2);
    assert_eq!(scores(|z| z).calibrate(CalibrationMethod::None).unwrap(), (Calibration::None, None));
}

#[test]
fn scores_of_one_class_are_not_calibrated() {
    let mut scores = scores(|z| z);
    scores.truth.fill(0.0);
    assert_eq!(scores.calibrate(CalibrationMethod::Platt).unwrap(), (Calibration::None, None));
}
