//! The rows of an encoder's fit, and what all runs over them share.

use demur_data::shuffled;
use demur_predictor::encoder::Tokens;
use demur_predictor::sha256;

use crate::encoder::params::TuneParams;
use crate::encoder::tier::loaded::LoadedEncoder;
use crate::encoder::tier::store::EncoderStore;
use crate::examples::Examples;
use crate::fit::logistic::ClassWeight;

/// Batches whose rows are sorted by length together: with more of them, an epoch is less random.
const BUCKET: usize = 16;

/// The rows of a fit.
pub(crate) struct TuneRows {
    pub(crate) tokens: Vec<Tokens>,
    pub(crate) targets: Vec<f64>,
    pub(crate) weights: Vec<f64>,
    pub(crate) labels: Vec<bool>,
}

impl TuneRows {
    pub(crate) fn of(
        examples: &Examples<'_>,
        tokens: Vec<Tokens>,
        class_weight: ClassWeight,
        params: &TuneParams,
    ) -> Self {
        let rows = || examples.weights.iter().zip(&examples.targets);
        let refused: f64 = rows().map(|(weight, target)| weight * target).sum();
        let total: f64 = examples.weights.iter().sum();
        let (of_refused, of_others) = class_weight.factors(refused, total - refused);
        let weights = rows()
            .map(|(weight, target)| weight * (target * of_refused + (1.0 - target) * of_others))
            .collect();
        Self {
            tokens,
            targets: examples.targets.iter().map(|&target| smoothed(params, target)).collect(),
            weights,
            labels: examples.labels(),
        }
    }
}

/// A label moved towards one half, as far as `smoothing` says.
pub(crate) fn smoothed(params: &TuneParams, target: f64) -> f64 {
    (1.0 - params.smoothing).mul_add(target, params.smoothing / 2.0)
}

/// Runs of the loop on parts of the same rows.
pub(crate) struct Runs<'a> {
    pub(crate) params: &'a TuneParams,
    pub(crate) base: &'a LoadedEncoder,
    pub(crate) rows: &'a TuneRows,
    pub(crate) encoders: &'a EncoderStore,
    pub(crate) seed: u64,
}

impl Runs<'_> {
    /// The key of a run: equal keys mean equal results.
    pub(crate) fn key(&self, train: &[usize], held_out: &[usize]) -> String {
        let mut bytes = format!("{:?} {} {}", self.params, self.seed, self.base.digest).into_bytes();
        for rows in [train, held_out] {
            bytes.extend((rows.len() as u64).to_le_bytes());
            for &row in rows {
                bytes.extend(self.rows.tokens[row].ids.iter().flat_map(|id| id.to_le_bytes()));
                bytes.extend(self.rows.targets[row].to_le_bytes());
                bytes.extend(self.rows.weights[row].to_le_bytes());
            }
        }
        sha256(&bytes)[..24].to_owned()
    }

    /// Shuffled batches of rows of similar length.
    pub(crate) fn batches(&self, rows: &[usize], epoch: usize) -> Vec<Vec<usize>> {
        let size = self.params.batch;
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(epoch as u64);
        let mut order: Vec<usize> = shuffled(rows.len(), seed).into_iter().map(|at| rows[at]).collect();
        for bucket in order.chunks_mut(BUCKET * size) {
            bucket.sort_by_key(|&row| self.rows.tokens[row].ids.len());
        }
        let batches: Vec<Vec<usize>> = order.chunks(size).map(<[usize]>::to_vec).collect();
        shuffled(batches.len(), seed.wrapping_add(1)).into_iter().map(|at| batches[at].clone()).collect()
    }
}
