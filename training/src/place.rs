//! Placing a target: what a fitted predictor needs to know of a new target, from some of its answers.
//!
//! The target's log-odds are those of the average target on a line of their own, and what its own words add:
//!
//! `pivot + a + (1 + b) (average - pivot) + w x`
//!
//! with normal priors on `a`, `b` and `w`: it is logistic regression with an offset, and a Gaussian process
//! with the kernel `va + vb d d' + vw x x'` (Rasmussen & Williams 2006, sections 2.7 and 3.4). There are
//! fewer answers than n-grams, so it is solved over the answers. `b` has the mean and the variance that the
//! targets known to the model have: their shifts at one half, as slopes.
//!
//! Ordinary prompts are answered by every target, and the answers that somebody collects are rarely of such.
//! So ordinary prompts, answered as the model's base rate says, stand beside them: without these, a target
//! that refuses much of a hard set would refuse a recipe for pancakes.

use std::collections::BTreeMap;

use demur_data::normalise;
use demur_predictor::{
    Calibration, Input, Model, PlacedFigures, Scratch, TargetLine, finite_log_odds, log_odds, sigmoid,
};

use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::kernel::{Observation, kernel_fit};
use crate::metrics::loss_of;

/// Fewer prompts place nothing.
pub const FEWEST_PROMPTS: usize = 10;
/// More prompts deserve a fit of their own, and would take long here.
pub const MOST_PROMPTS: usize = 2000;

/// The prior variance of what the target adds at the pivot.
const INTERCEPT_VARIANCE: f64 = 1.0;
/// The same for a model whose base rate is no share of ordinary traffic: there the level is open.
const OPEN_INTERCEPT_VARIANCE: f64 = 4.0;
/// The prior variance of the slope where the model knows too few targets to tell.
const SLOPE_VARIANCE: f64 = 0.5;
/// Fewer known targets say nothing of how targets vary.
const FEWEST_TARGETS: usize = 5;
/// The prior variance of the weights of n-grams, whose values have the norm 1.
const NGRAM_VARIANCE: f64 = 10.0;
/// The slope stays above this, so that the order of prompts stays.
const LEAST_SLOPE: f64 = 0.05;
/// Ordinary prompts beside the answers, for each of them.
const ORDINARY: f64 = 0.5;
/// A model with a larger base rate does not assume ordinary traffic.
const ORDINARY_RATE: f64 = 0.1;
/// The most n-grams that are kept: the strongest.
const MOST_NGRAMS: usize = 4000;
/// The parts in which the answers are left out for the figures.
const FOLDS: usize = 10;

/// How a target is placed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PlaceParams {
    /// How many ordinary prompts stand beside the answers; 0 takes the answers for the target's whole
    /// traffic. Default: half as many as prompts, if the model's base rate is one of ordinary traffic (at
    /// most .1), else 0.
    pub ordinary: Option<f64>,
}

/// A placed target's fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// From the average target's log-odds to its own.
    pub line: TargetLine,
    /// What n-grams add, ascending by feature.
    pub ngrams: Vec<(u32, f32)>,
    /// Different prompts.
    pub prompts: usize,
    /// Their answers.
    pub answers: usize,
    /// Share of the prompts refused.
    pub refused: f64,
    /// Ordinary prompts beside them.
    pub ordinary: f64,
    /// How it does on its own answers, each left out.
    pub figures: PlacedFigures,
}

/// One prompt of the target.
struct Asked {
    /// Its log-odds for the average target.
    average: f64,
    features: Vec<(u32, f64)>,
    /// The share of its answers that refuse.
    refused: f64,
}

/// What is believed of a target before any answer: the prior of its line and of the weights of its n-grams.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TargetPrior {
    /// The log-odds at which the intercept is what the target adds.
    pub(crate) pivot: f64,
    /// The variance of the intercept; its mean is 0.
    intercept: f64,
    /// The mean of the slope's deviation from 1.
    slope_mean: f64,
    /// Its variance.
    slope: f64,
}

impl TargetPrior {
    /// The prior that the targets known to a model give.
    pub(crate) fn of(model: &Model) -> Self {
        let pivot = model.manifest().base_rate.map_or(0.0, log_odds);
        let intercept = if is_ordinary(model) { INTERCEPT_VARIANCE } else { OPEN_INTERCEPT_VARIANCE };
        let (slope_mean, slope) = known_slopes(model, pivot);
        Self { pivot, intercept, slope_mean, slope }
    }

    /// The covariance of what a target adds to two prompts, each by its distance from the pivot and its
    /// features.
    pub(crate) fn covariance(&self, a: (f64, &[(u32, f64)]), b: (f64, &[(u32, f64)])) -> f64 {
        self.intercept + self.slope * a.0 * b.0 + NGRAM_VARIANCE * dot(a.1, b.1)
    }
}

/// Whether a model's base rate is one of ordinary traffic.
fn is_ordinary(model: &Model) -> bool {
    model.manifest().base_rate.is_some_and(|rate| rate <= ORDINARY_RATE)
}

/// Places a target by labelled answers to prompts; several answers to one prompt count as one, with their
/// mean.
///
/// # Errors
/// [`TrainingError::Place`] for too few or too many prompts, [`TrainingError::Score`] where the model cannot
/// score one.
pub fn place(
    model: &Model,
    examples: &Examples<'_>,
    params: PlaceParams,
) -> Result<Placement, TrainingError> {
    let (asked, answers) = asked(model, examples)?;
    if !(FEWEST_PROMPTS..=MOST_PROMPTS).contains(&asked.len()) {
        return Err(TrainingError::Place { prompts: asked.len() });
    }
    let share = if is_ordinary(model) { ORDINARY } else { 0.0 };
    let fit = Fit {
        prior: TargetPrior::of(model),
        ordinary: params.ordinary.map_or(share, |ordinary| ordinary / asked.len() as f64),
    };
    let all: Vec<&Asked> = asked.iter().collect();
    let (line, ngrams) = fit.of(&all);
    Ok(Placement {
        line,
        ngrams: strongest(ngrams),
        prompts: asked.len(),
        answers,
        refused: all.iter().map(|asked| asked.refused).sum::<f64>() / all.len() as f64,
        ordinary: fit.ordinary * asked.len() as f64,
        figures: fit.figures(&all),
    })
}

/// The labelled prompts with the average target's log-odds, and how many answers they got.
fn asked(model: &Model, examples: &Examples<'_>) -> Result<(Vec<Asked>, usize), TrainingError> {
    let mut truths: BTreeMap<String, (Input<'_>, f64, f64)> = BTreeMap::new();
    let rows = examples.labelled();
    for &row in &rows {
        let prompt = examples.inputs[row].prompt.unwrap_or_default();
        let new = || (Input::prompt(prompt), 0.0, 0.0);
        let (_, refused, n) = truths.entry(normalise(prompt)).or_insert_with(new);
        *refused += examples.truth[row];
        *n += 1.0;
    }
    let inputs: Vec<Input<'_>> = truths.values().map(|(input, _, _)| *input).collect();
    let mut scratch = Scratch::default();
    let scored = model.predict_tiers(&inputs, None, &mut scratch)?;
    let of = |((input, refused, n), tiered): (&(Input<'_>, f64, f64), &demur_predictor::Tiered)| Asked {
        average: finite_log_odds(tiered.p_refusal),
        features: model.scorer().features(input, &mut scratch),
        refused: refused / n,
    };
    Ok((truths.values().zip(&scored).map(of).collect(), rows.len()))
}

/// The mean and the variance of the slopes, less 1, of the targets that the model knows. A known target has a
/// shift where the average target refuses every second prompt; a line through the pivot gets as far by this
/// slope.
fn known_slopes(model: &Model, pivot: f64) -> (f64, f64) {
    let manifest = model.manifest();
    let slope = |map: &Calibration| match map {
        Calibration::Gated { shift, .. } if pivot < 0.0 => Some(shift / -pivot),
        _ => None,
    };
    let slopes: Vec<f64> = manifest.target_calibrations.values().filter_map(slope).collect();
    if slopes.len() < FEWEST_TARGETS {
        return (0.0, SLOPE_VARIANCE);
    }
    let n = slopes.len() as f64;
    let mean = slopes.iter().sum::<f64>() / n;
    let variance = slopes.iter().map(|slope| (slope - mean).powi(2)).sum::<f64>() / n;
    // Targets that are all alike would allow no other.
    (mean, variance.max(0.01))
}

/// What a fit depends on besides its answers.
struct Fit {
    prior: TargetPrior,
    /// Ordinary prompts for each prompt.
    ordinary: f64,
}

impl Fit {
    /// The line, and the weights of n-grams by feature.
    fn of(&self, asked: &[&Asked]) -> (TargetLine, BTreeMap<u32, f64>) {
        let free = with_prior(asked, &self.prior, self.ordinary);
        if free.0.slope >= LEAST_SLOPE {
            return free;
        }
        // The likelihood has one maximum, so the best allowed slope is the bound.
        with_prior(
            asked,
            &TargetPrior { slope_mean: LEAST_SLOPE - 1.0, slope: 0.0, ..self.prior },
            self.ordinary,
        )
    }

    /// The figures of the answers, each tenth by a fit on the others.
    fn figures(&self, asked: &[&Asked]) -> PlacedFigures {
        let mut figures = PlacedFigures {
            average_log_loss: 0.0,
            log_loss: 0.0,
            average_accuracy: 0.0,
            accuracy: 0.0,
            majority: 0.0,
        };
        let n = asked.len() as f64;
        for fold in 0..FOLDS {
            // Prompts are in the order of their text, so every tenth is a mixture.
            let (test, train): (Vec<_>, Vec<_>) =
                asked.iter().enumerate().partition(|(at, _)| at % FOLDS == fold);
            let train: Vec<&Asked> = train.into_iter().map(|(_, asked)| *asked).collect();
            let (line, ngrams) = self.of(&train);
            let refused = train.iter().map(|asked| asked.refused).sum::<f64>() * 2.0 >= train.len() as f64;
            for (_, asked) in test {
                let words = asked.features.iter().filter_map(|(at, value)| Some(ngrams.get(at)? * value));
                let placed = line.log_odds(asked.average) + words.sum::<f64>();
                let is_right = |says: bool| f64::from(u8::from(says == (asked.refused >= 0.5)));
                figures.average_log_loss += loss_of(sigmoid(asked.average), asked.refused) / n;
                figures.log_loss += loss_of(sigmoid(placed), asked.refused) / n;
                figures.average_accuracy += is_right(asked.average >= 0.0) / n;
                figures.accuracy += is_right(placed >= 0.0) / n;
                figures.majority += is_right(refused) / n;
            }
        }
        figures
    }
}

/// The mode of the line and of the weights of n-grams under a prior, with ordinary prompts for each prompt.
fn with_prior(asked: &[&Asked], prior: &TargetPrior, ordinary: f64) -> (TargetLine, BTreeMap<u32, f64>) {
    let away: Vec<f64> = asked.iter().map(|asked| asked.average - prior.pivot).collect();
    let row = |(asked, away): (&&Asked, &f64)| Observation {
        offset: asked.average + prior.slope_mean * away,
        truth: asked.refused,
        weight: 1.0,
    };
    let mut rows: Vec<Observation> = asked.iter().zip(&away).map(row).collect();
    let ordinary = ordinary * asked.len() as f64;
    rows.push(Observation { offset: prior.pivot, truth: sigmoid(prior.pivot), weight: ordinary });
    // The ordinary prompts lie at the pivot and have words of their own.
    let place =
        |row: usize| (away.get(row).copied().unwrap_or(0.0), asked.get(row).map_or(&[][..], |a| &a.features));
    let alpha = kernel_fit(&rows, |i, j| prior.covariance(place(i), place(j)));
    let slope = prior.slope_mean + prior.slope * alpha.iter().zip(&away).map(|(a, x)| a * x).sum::<f64>();
    let mut ngrams: BTreeMap<u32, f64> = BTreeMap::new();
    for (asked, alpha) in asked.iter().zip(&alpha) {
        for &(feature, value) in &asked.features {
            *ngrams.entry(feature).or_default() += NGRAM_VARIANCE * alpha * value;
        }
    }
    let intercept = prior.intercept * alpha.iter().sum::<f64>();
    (TargetLine { pivot: prior.pivot, intercept, slope: 1.0 + slope }, ngrams)
}

/// The strongest weights, ascending by feature.
fn strongest(ngrams: BTreeMap<u32, f64>) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> = ngrams.into_iter().map(|(at, weight)| (at, weight as f32)).collect();
    all.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
    all.truncate(MOST_NGRAMS);
    all.retain(|(_, weight)| *weight != 0.0);
    all.sort_unstable_by_key(|(at, _)| *at);
    all
}

/// The product of two rows of features, ascending.
fn dot(a: &[(u32, f64)], b: &[(u32, f64)]) -> f64 {
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    while let (Some((at, x)), Some((other, y))) = (a.get(i), b.get(j)) {
        match at.cmp(other) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                sum += x * y;
                (i, j) = (i + 1, j + 1);
            }
        }
    }
    sum
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
