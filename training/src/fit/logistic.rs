//! Sparse L2 logistic regression with sample weights, class weights and soft labels.
//!
//! Minimises `1/2 |w|^2 + C sum_i s_i [ t_i ln(1 + e^-z_i) + (1 - t_i) ln(1 + e^z_i) ]`, `z = Xw + b`, where
//! `t` is the target (0, 1 or a probability between them), `s` the weight of a row and the intercept `b` is
//! not penalised: scikit-learn's objective of `LogisticRegression(C=...)`. It follows linfa's idiom:
//! parameters, checked parameters, `fit`, a fitted type; `newton` is the method.

use linfa::dataset::{DatasetBase, Records};
use linfa::prelude::{Fit, ParamGuard};
use ndarray::Array1;

use crate::error::TrainingError;
use crate::fit::newton::{Cost, Problem};
use crate::fit::sparse::{Columns, Merged, SparseMatrix};

/// How the two classes are weighted against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeight {
    /// Row weights are used unchanged.
    #[default]
    None,
    /// Both classes get half of the total weight.
    Balanced,
}

impl ClassWeight {
    /// The factors for the weights of positive and of negative rows, given the sums of their weights.
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

/// Checked parameters; only these have a `fit`.
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
    /// One weight per feature; above 0 it points to the positive class.
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

    /// Starts from a fit of the same features (for example with the next smaller C). Default: from zero.
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
                let mut w = merged.collapse(&start.weights);
                w.push(start.bias);
                w
            }
            Some(start) => {
                return Err(TrainingError::Lengths {
                    what: "starting weights",
                    found: start.weights.len(),
                    expected: features,
                });
            }
            None => vec![0.0; merged.matrix.nfeatures() + 1],
        };
        let x = &*merged.matrix;
        let problem = Problem { x, columns: Columns::of(x), c: self.c, costs };
        let (point, iterations) = problem.solve(start, self.tolerance, self.max_iterations)?;
        // The intercept follows the weights.
        let (bias, weights) = point.w.split_last().map_or((0.0, &[][..]), |(&bias, weights)| (bias, weights));
        let weights = merged.expand(weights);
        Ok(SparseLogistic { weights, bias, objective: point.objective, iterations })
    }
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
