//! The truncated Newton method of a sparse logistic regression. Conjugate gradients, preconditioned by the
//! Hessian's diagonal, compute the step, and a line search its length (Lin, Weng & Keerthi 2008; Hsia, Chiang
//! & Lin 2018).

use crate::error::TrainingError;
use crate::fit::sparse::{Columns, SparseMatrix};

/// Maximum conjugate gradient steps in a Newton step.
const MAX_CG_STEPS: usize = 250;
/// Maximum halvings of a step's length.
const MAX_HALVINGS: usize = 30;

/// The loss weights of a row: `positive` for each nat of -ln p, `negative` for each nat of -ln(1 - p).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) positive: f64,
    pub(crate) negative: f64,
}

/// The optimisation problem; vectors over features have the intercept as their last entry.
pub(crate) struct Problem<'a> {
    pub(crate) x: &'a SparseMatrix,
    pub(crate) columns: Columns,
    pub(crate) c: f64,
    pub(crate) costs: Vec<Cost>,
}

/// The current point of the search: w followed by b, z = Xw + b, and the objective.
pub(crate) struct Point {
    pub(crate) w: Vec<f64>,
    z: Vec<f64>,
    pub(crate) objective: f64,
}

impl Problem<'_> {
    /// Searches the optimum from `start`; also returns the number of Newton steps. The search ends when the
    /// gradient, relative to that at zero, has shrunk to the tolerance.
    ///
    /// # Errors
    /// [`TrainingError::NotConverged`].
    pub(crate) fn solve(
        &self,
        start: Vec<f64>,
        tolerance: f64,
        max_iterations: usize,
    ) -> Result<(Point, usize), TrainingError> {
        let reference = norm(&self.gradient(&self.at(vec![0.0; start.len()])));
        let mut point = self.at(start);
        for iterations in 0..max_iterations {
            let gradient = self.gradient(&point);
            let size = norm(&gradient);
            if size <= tolerance * reference {
                return Ok((point, iterations));
            }
            let curvature = self.curvature(&point);
            // The closer to the optimum, the more exact the step: this makes the method superlinear.
            let forcing = (size / reference).sqrt().min(0.1);
            let step = self.newton_step(&gradient, &curvature, forcing * size);
            match self.line_search(&point, &gradient, &step) {
                Some(next) => point = next,
                // No step improves it: the objective is flat to the last digit here.
                None => return Ok((point, iterations)),
            }
        }
        Err(TrainingError::NotConverged { iterations: max_iterations, c: self.c })
    }

    fn at(&self, w: Vec<f64>) -> Point {
        let z = self.x.times(&w);
        let objective = self.objective(&w, &z);
        Point { w, z, objective }
    }

    fn objective(&self, w: &[f64], z: &[f64]) -> f64 {
        let penalty = dot(&w[..w.len() - 1], &w[..w.len() - 1]) / 2.0;
        let loss = |(cost, &z): (&Cost, &f64)| {
            // Both sides share ln(1 + e^-|z|); the linear part belongs to one of them.
            let shared = (-z.abs()).exp().ln_1p();
            let linear = if z < 0.0 { cost.positive * -z } else { cost.negative * z };
            (cost.positive + cost.negative).mul_add(shared, linear)
        };
        penalty + self.c * self.costs.iter().zip(z).map(loss).sum::<f64>()
    }

    fn gradient(&self, point: &Point) -> Vec<f64> {
        let residual: Vec<f64> = self
            .costs
            .iter()
            .zip(&point.z)
            .map(|(cost, &z)| {
                let p = demur_predictor::sigmoid(z);
                self.c * ((cost.positive + cost.negative) * p - cost.positive)
            })
            .collect();
        let mut gradient = self.columns.transposed_times(&residual);
        let penalised = gradient.len() - 1;
        for (g, w) in gradient[..penalised].iter_mut().zip(&point.w) {
            *g += w;
        }
        gradient
    }

    /// The second derivative of each row's loss by its z, times C.
    fn curvature(&self, point: &Point) -> Vec<f64> {
        let curvature = |(cost, &z): (&Cost, &f64)| {
            let p = demur_predictor::sigmoid(z);
            self.c * (cost.positive + cost.negative) * p * (1.0 - p)
        };
        self.costs.iter().zip(&point.z).map(curvature).collect()
    }

    /// Hv in `product`; `rows` is a buffer.
    fn hessian_times(&self, curvature: &[f64], v: &[f64], rows: &mut Vec<f64>, product: &mut Vec<f64>) {
        self.x.times_into(v, rows);
        for (row, h) in rows.iter_mut().zip(curvature) {
            *row *= h;
        }
        self.columns.transposed_times_into(rows, product);
        let penalised = v.len() - 1;
        for (p, v) in product[..penalised].iter_mut().zip(v) {
            *p += v;
        }
    }

    /// Solves H step = -gradient by preconditioned conjugate gradients, until the residual is at most
    /// `target`.
    fn newton_step(&self, gradient: &[f64], curvature: &[f64], target: f64) -> Vec<f64> {
        let preconditioner: Vec<f64> = {
            let mut diagonal = self.columns.diagonal(curvature);
            let penalised = diagonal.len() - 1;
            diagonal[..penalised].iter_mut().for_each(|d| *d += 1.0);
            diagonal.iter().map(|&d| if d > 0.0 { 1.0 / d } else { 1.0 }).collect()
        };
        let mut step = vec![0.0; gradient.len()];
        let mut residual: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut z: Vec<f64> = residual.iter().zip(&preconditioner).map(|(r, m)| r * m).collect();
        let mut direction = z.clone();
        let mut rz = dot(&residual, &z);
        // These vectors have a million features, so their memory is reused by the next step.
        let (mut rows, mut product) = (Vec::new(), Vec::new());
        for _ in 0..MAX_CG_STEPS {
            self.hessian_times(curvature, &direction, &mut rows, &mut product);
            let alpha = rz / dot(&direction, &product);
            if !alpha.is_finite() {
                break;
            }
            add_scaled(&mut step, alpha, &direction);
            add_scaled(&mut residual, -alpha, &product);
            if norm(&residual) <= target {
                break;
            }
            for ((z, r), m) in z.iter_mut().zip(&residual).zip(&preconditioner) {
                *z = r * m;
            }
            let next = dot(&residual, &z);
            let beta = next / rz;
            rz = next;
            for (d, z) in direction.iter_mut().zip(&z) {
                *d = beta.mul_add(*d, *z);
            }
        }
        step
    }

    /// Halves the step until the objective falls by Armijo's rule; only vectors over rows are computed.
    fn line_search(&self, point: &Point, gradient: &[f64], step: &[f64]) -> Option<Point> {
        let slope = dot(gradient, step);
        let along = self.x.times(step);
        let mut length = 1.0;
        for _ in 0..MAX_HALVINGS {
            let mut w = point.w.clone();
            add_scaled(&mut w, length, step);
            let mut z = point.z.clone();
            add_scaled(&mut z, length, &along);
            let objective = self.objective(&w, &z);
            if objective < point.objective && objective <= point.objective + 1e-4 * length * slope {
                return Some(Point { w, z, objective });
            }
            length /= 2.0;
        }
        None
    }
}

/// A sum in eight partial sums: fast, and independent of the number of threads.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (heads_a, tail_a) = a.as_chunks::<8>();
    let (heads_b, tail_b) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in heads_a.iter().zip(heads_b) {
        for lane in 0..8 {
            sums[lane] = a[lane].mul_add(b[lane], sums[lane]);
        }
    }
    sums.iter().sum::<f64>() + tail_a.iter().zip(tail_b).map(|(a, b)| a * b).sum::<f64>()
}

fn norm(v: &[f64]) -> f64 {
    dot(v, v).sqrt()
}

fn add_scaled(to: &mut [f64], factor: f64, v: &[f64]) {
    for (to, v) in to.iter_mut().zip(v) {
        *to += factor * v;
    }
}
