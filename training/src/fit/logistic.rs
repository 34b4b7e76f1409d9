//! Sparse L2 logistic regression with sample weights, class weights and soft labels.
//!
//! Minimises `1/2 |w|^2 + C sum_i s_i [ t_i ln(1 + e^-z_i) + (1 - t_i) ln(1 + e^z_i) ]`, `z = Xw + b`, where `t` is the target (0, 1 or a probability between them), `s` the weight of a row and the intercept `b`
//! is not penalised: scikit-learn's objective of `LogisticRegression(C=...)`. The method is a truncated Newton
//! method with a line search: conjugate gradients, preconditioned by the Hessian's diagonal, give the step
//! (Lin, Weng & Keerthi 2008; Hsia, Chiang & Lin 2018). It follows linfa's idiom: parameters, checked
//! parameters, `fit`, a fitted type.

use linfa::dataset::{DatasetBase, Records};
use linfa::prelude::{Fit, ParamGuard};
use ndarray::Array1;

use crate::error::TrainingError;
use crate::fit::sparse::{Columns, Merged, SparseMatrix};

/// How the two classes are weighed against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeight {
    /// Every row counts as it stands.
    #[default]
    None,
    /// Both classes get half of the total weight.
    Balanced,
}

impl ClassWeight {
    /// What the weights of positive and of negative rows are multiplied by, given their sums.
    pub(crate) fn factors(self, positive: f64, negative: f64) -> (f64, f64) {
        match self {
            Self::None => (1.0, 1.0),
            Self::Balanced => {
                let half = f64::midpoint(positive, negative);
                (half / positive, half / negative)
            }
        }
    }
}

/// Parameters of a [`SparseLogistic`] fit, not yet checked.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticParams(LogisticValidParams);

/// Checked parameters; only these can fit.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticValidParams {
    c: f64,
    tolerance: f64,
    max_iterations: usize,
    class_weight: ClassWeight,
    start: Option<SparseLogistic>,
}

/// A fitted logistic regression.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseLogistic {
    /// One weight per feature; above 0 speaks for the positive class.
    pub weights: Vec<f64>,
    /// The logit of an empty row.
    pub bias: f64,
    /// The objective at the optimum, as in the module's formula.
    pub objective: f64,
    /// Newton steps taken.
    pub iterations: usize,
}

impl SparseLogistic {
    /// The logit of every row.
    #[must_use]
    pub fn logits(&self, x: &SparseMatrix) -> Vec<f64> {
        let mut w = self.weights.clone();
        w.push(self.bias);
        x.times(&w)
    }
}

impl Default for LogisticParams {
    fn default() -> Self {
        Self(LogisticValidParams {
            c: 1.0,
            tolerance: 2e-5,
            max_iterations: 100,
            class_weight: ClassWeight::None,
            start: None,
        })
    }
}

impl LogisticParams {
    /// Inverse strength of the penalty. Default: 1.
    #[must_use]
    pub const fn c(mut self, c: f64) -> Self {
        self.0.c = c;
        self
    }

    /// The fit ends when the gradient has shrunk by this factor. Default: 2e-5.
    #[must_use]
    pub const fn tolerance(mut self, tolerance: f64) -> Self {
        self.0.tolerance = tolerance;
        self
    }

    /// Newton steps before the fit gives up. Default: 100.
    #[must_use]
    pub const fn max_iterations(mut self, max_iterations: usize) -> Self {
        self.0.max_iterations = max_iterations;
        self
    }

    /// Default: [`ClassWeight::None`].
    #[must_use]
    pub const fn class_weight(mut self, class_weight: ClassWeight) -> Self {
        self.0.class_weight = class_weight;
        self
    }

    /// Begin at a fit of the same features (for example with the next smaller C). Default: at zero.
    #[must_use]
    pub fn start(mut self, start: SparseLogistic) -> Self {
        self.0.start = Some(start);
        self
    }
}

impl ParamGuard for LogisticParams {
    type Checked = LogisticValidParams;
    type Error = TrainingError;

    fn check_ref(&self) -> Result<&LogisticValidParams, TrainingError> {
        let bad =
            |name, value| Err(TrainingError::Parameter { name, value, wanted: "a finite number above 0" });
        let positive = |value: f64| value.is_finite() && value > 0.0;
        match &self.0 {
            LogisticValidParams { c, .. } if !positive(*c) => bad("c", *c),
            LogisticValidParams { tolerance, .. } if !positive(*tolerance) => bad("tolerance", *tolerance),
            LogisticValidParams { max_iterations: 0, .. } => bad("max_iterations", 0.0),
            checked => Ok(checked),
        }
    }

    fn check(self) -> Result<LogisticValidParams, TrainingError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl Fit<SparseMatrix, Array1<f64>, TrainingError> for LogisticValidParams {
    type Object = SparseLogistic;

    /// Fits on rows with targets in 0..=1 and, where the dataset has them, weights.
    ///
    /// # Errors
    /// [`TrainingError`] for a target outside 0..=1, a negative weight, rows of one class only, or a fit that
    /// does not converge.
    fn fit(&self, dataset: &DatasetBase<SparseMatrix, Array1<f64>>) -> Result<SparseLogistic, TrainingError> {
        let costs = self.costs(dataset)?;
        let features = dataset.records().nfeatures();
        let merged = Merged::of(dataset.records());
        let start = match &self.start {
            Some(start) if start.weights.len() == features => {
                SparseLogistic { weights: merged.collapse(&start.weights), ..start.clone() }
            }
            Some(start) => {
                return Err(TrainingError::Lengths {
                    what: "starting weights",
                    found: start.weights.len(),
                    expected: features,
                });
            }
            None => SparseLogistic {
                weights: vec![0.0; merged.matrix.nfeatures()],
                bias: 0.0,
                objective: 0.0,
                iterations: 0,
            },
        };
        let x = &*merged.matrix;
        let fitted = Problem { x, columns: Columns::of(x), c: self.c, costs }.solve(self, start)?;
        Ok(SparseLogistic { weights: merged.expand(&fitted.weights), ..fitted })
    }
}

/// What a row costs: `positive` for each nat of -ln p, `negative` for each nat of -ln(1 - p).
#[derive(Debug, Clone, Copy)]
struct Cost {
    positive: f64,
    negative: f64,
}

impl LogisticValidParams {
    fn costs(&self, dataset: &DatasetBase<SparseMatrix, Array1<f64>>) -> Result<Vec<Cost>, TrainingError> {
        let targets = dataset.targets();
        let rows = dataset.records().nsamples();
        if targets.len() != rows {
            return Err(TrainingError::Lengths { what: "targets", found: targets.len(), expected: rows });
        }
        let mut costs = Vec::with_capacity(rows);
        for (row, &target) in targets.iter().enumerate() {
            let weight = dataset.weights().map_or(1.0, |weights| f64::from(weights[row]));
            if !(0.0..=1.0).contains(&target) {
                return Err(TrainingError::Target { row, target });
            }
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(TrainingError::Weight { row, weight });
            }
            costs.push(Cost { positive: weight * target, negative: weight * (1.0 - target) });
        }
        let total = costs.iter().fold((0.0, 0.0), |(p, n), cost| (p + cost.positive, n + cost.negative));
        if total.0 <= 0.0 || total.1 <= 0.0 {
            return Err(TrainingError::OneClass { rows });
        }
        let (positive, negative) = self.class_weight.factors(total.0, total.1);
        for cost in &mut costs {
            cost.positive *= positive;
            cost.negative *= negative;
        }
        Ok(costs)
    }
}

/// The optimisation problem; vectors over features have the intercept as their last entry.
struct Problem<'a> {
    x: &'a SparseMatrix,
    columns: Columns,
    c: f64,
    costs: Vec<Cost>,
}

/// The point that the search has reached: w with b behind it, z = Xw + b, and the objective.
struct Point {
    w: Vec<f64>,
    z: Vec<f64>,
    objective: f64,
}

impl Problem<'_> {
    fn solve(
        &self,
        params: &LogisticValidParams,
        start: SparseLogistic,
    ) -> Result<SparseLogistic, TrainingError> {
        let reference = norm(&self.gradient(&self.at(vec![0.0; start.weights.len() + 1])));
        let mut w = start.weights;
        w.push(start.bias);
        let mut point = self.at(w);
        for iterations in 0..params.max_iterations {
            let gradient = self.gradient(&point);
            let size = norm(&gradient);
            if size <= params.tolerance * reference {
                return Ok(Self::fitted(point, iterations));
            }
            let curvature = self.curvature(&point);
            // The closer to the optimum, the more exact the step: this makes the method superlinear.
            let forcing = (size / reference).sqrt().min(0.1);
            let step = self.newton_step(&gradient, &curvature, forcing * size);
            match self.line_search(&point, &gradient, &step) {
                Some(next) => point = next,
                // No step makes it better: the objective is flat to the last digit here.
                None => return Ok(Self::fitted(point, iterations)),
            }
        }
        Err(TrainingError::NotConverged { iterations: params.max_iterations, c: self.c })
    }

    fn fitted(mut point: Point, iterations: usize) -> SparseLogistic {
        let bias = point.w.pop().unwrap_or_default();
        SparseLogistic { weights: point.w, bias, objective: point.objective, iterations }
    }

    fn at(&self, w: Vec<f64>) -> Point {
        let z = self.x.times(&w);
        let objective = self.objective(&w, &z);
        Point { w, z, objective }
    }

    fn objective(&self, w: &[f64], z: &[f64]) -> f64 {
        let penalty = dot(&w[..w.len() - 1], &w[..w.len() - 1]) / 2.0;
        let loss = |(cost, &z): (&Cost, &f64)| {
            // ln(1 + e^-|z|) is shared by both sides; the linear part belongs to one of them.
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

    /// Solves H step = -gradient by preconditioned conjugate gradients, until the residual is at most `target`.
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
        // Vectors over a million features: what a step leaves behind is used again by the next.
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

    /// Halves the step until the objective falls by Armijo's rule; only vectors over rows are touched.
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

const MAX_CG_STEPS: usize = 250;
const MAX_HALVINGS: usize = 30;

/// Sum in eight running parts: fast, and the same whatever the number of threads.
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
