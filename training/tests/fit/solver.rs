//! The solver: its errors, its weights, its optimum.

use std::collections::BTreeMap;

use demur_training::{ClassWeight, LogisticParams, SparseLogistic, SparseMatrix, TrainingError};
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
    // With almost no weights allowed, the intercept is the log odds of the class weights.
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
