//! Logistic regression over rows instead of columns: few rows, any number of columns, each with its own
//! prior.
//!
//! With a normal prior on every weight, the log-odds of the rows are `offset + K alpha`, where the kernel `K`
//! holds the prior covariances. Newton's method finds the mode (Rasmussen & Williams 2006, algorithm 3.1);
//! conjugate gradients solve its steps, and halving keeps every step an improvement.

use demur_predictor::sigmoid;

use crate::metrics::loss_of;

/// One row: its log-odds under the prior's mean, its truth in 0..=1, and its weight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation {
    pub(crate) offset: f64,
    pub(crate) truth: f64,
    pub(crate) weight: f64,
}

const MOST_STEPS: usize = 100;
const MOST_HALVINGS: usize = 30;
/// The objective falls by less than this at the end.
const TOLERANCE: f64 = 1e-9;

/// The weights of the rows at the mode.
pub(crate) fn kernel_fit(rows: &[Observation], kernel: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let n = rows.len();
    let mut k = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            k[i * n + j] = kernel(i, j);
            k[j * n + i] = k[i * n + j];
        }
    }
    let times = |v: &[f64]| -> Vec<f64> { k.chunks_exact(n).map(|row| product(row, v)).collect() };
    let objective = |alpha: &[f64], of_prior: &[f64]| {
        let loss = |(row, f): (&Observation, &f64)| row.weight * loss_of(sigmoid(row.offset + f), row.truth);
        product(alpha, of_prior) / 2.0 + rows.iter().zip(of_prior).map(loss).sum::<f64>()
    };
    let mut alpha = vec![0.0; n];
    let mut added = vec![0.0; n];
    let mut best = objective(&alpha, &added);
    for _ in 0..MOST_STEPS {
        let next = newton(rows, &added, &times);
        let Some((better, to, f)) = halved(&alpha, &next, &times, &objective, best) else { break };
        let gain = best - better;
        (best, alpha, added) = (better, to, f);
        if gain < TOLERANCE {
            break;
        }
    }
    alpha
}

/// Where Newton's method wants to go from some log-odds: `alpha = b - W^1/2 B^-1 W^1/2 K b` with
/// `b = W f + gradient` and `B = I + W^1/2 K W^1/2`.
fn newton(rows: &[Observation], added: &[f64], times: &impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let p: Vec<f64> = rows.iter().zip(added).map(|(row, f)| sigmoid(row.offset + f)).collect();
    let root: Vec<f64> = rows.iter().zip(&p).map(|(row, p)| (row.weight * p * (1.0 - p)).sqrt()).collect();
    let b: Vec<f64> = (0..rows.len())
        .map(|at| root[at] * root[at] * added[at] + rows[at].weight * (rows[at].truth - p[at]))
        .collect();
    let scaled = |v: &[f64]| -> Vec<f64> { v.iter().zip(&root).map(|(v, root)| v * root).collect() };
    let right = scaled(&times(&b));
    let solved = conjugate_gradients(&right, |v| {
        let inner = scaled(&times(&scaled(v)));
        v.iter().zip(inner).map(|(v, inner)| v + inner).collect()
    });
    b.iter().zip(scaled(&solved)).map(|(b, solved)| b - solved).collect()
}

/// The first point on the way to `next`, halving the distance, that lowers the objective.
#[allow(clippy::type_complexity, reason = "the objective, alpha and K alpha of one point")]
fn halved(
    alpha: &[f64],
    next: &[f64],
    times: &impl Fn(&[f64]) -> Vec<f64>,
    objective: &impl Fn(&[f64], &[f64]) -> f64,
    best: f64,
) -> Option<(f64, Vec<f64>, Vec<f64>)> {
    let mut length = 1.0;
    for _ in 0..MOST_HALVINGS {
        let to: Vec<f64> = alpha.iter().zip(next).map(|(from, to)| from + length * (to - from)).collect();
        let f = times(&to);
        let found = objective(&to, &f);
        if found < best {
            return Some((found, to, f));
        }
        length /= 2.0;
    }
    None
}

/// Solves a positive definite system whose matrix is given by its products.
fn conjugate_gradients(right: &[f64], times: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let mut x = vec![0.0; right.len()];
    let mut residual = right.to_vec();
    let mut direction = residual.clone();
    let mut size = product(&residual, &residual);
    let target = size * 1e-20;
    for _ in 0..2 * right.len() {
        if size <= target {
            break;
        }
        let along = times(&direction);
        let step = size / product(&direction, &along);
        x.iter_mut().zip(&direction).for_each(|(x, d)| *x += step * d);
        residual.iter_mut().zip(&along).for_each(|(r, a)| *r -= step * a);
        let next = product(&residual, &residual);
        direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + next / size * *d);
        size = next;
    }
    x
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_mode_the_weights_are_the_residuals() {
        // The gradient in alpha is K (alpha - weight (truth - p)), which is 0 there.
        let rows: Vec<Observation> = (0..12_u32)
            .map(|at| Observation {
                offset: f64::from(at) / 3.0 - 2.0,
                truth: f64::from(u8::from(at % 3 == 0)),
                weight: 1.0 + f64::from(at % 2),
            })
            .collect();
        let kernel = |i: usize, j: usize| {
            let x = |at: usize| at as f64 / 4.0 - 1.0;
            1.0 + 0.5 * x(i) * x(j) + if i == j { 2.0 } else { 0.0 }
        };
        let alpha = kernel_fit(&rows, kernel);
        for (at, row) in rows.iter().enumerate() {
            let added: f64 = (0..rows.len()).map(|other| kernel(at, other) * alpha[other]).sum();
            let residual = row.weight * (row.truth - sigmoid(row.offset + added));
            assert!((alpha[at] - residual).abs() < 1e-4, "row {at}: {} {residual}", alpha[at]);
        }
    }

    #[test]
    fn without_variance_nothing_moves() {
        let rows = [Observation { offset: 3.0, truth: 0.0, weight: 1.0 }; 4];
        let alpha = kernel_fit(&rows, |_, _| 0.0);
        assert!(alpha.iter().all(|alpha| alpha.is_finite()));
    }
}
