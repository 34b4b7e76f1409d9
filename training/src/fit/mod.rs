//! Fitting an n-gram model: examples in, views and weights out, C chosen by inner cross-validation.

pub(crate) mod calibrate;
pub(crate) mod design;
pub(crate) mod doubt;
pub(crate) mod features;
pub(crate) mod kinds;
pub(crate) mod level;
pub(crate) mod logistic;
pub(crate) mod prune;
pub(crate) mod second_level;
pub(crate) mod sparse;
pub(crate) mod teacher;

use std::borrow::Cow;
use std::collections::BTreeMap;

use demur_data::DataError;
#[cfg(feature = "encoder")]
use demur_predictor::Field;
#[cfg(not(feature = "encoder"))]
use demur_predictor::encoder::EncoderError;
use demur_predictor::{
    Calibration, CalibrationReport, Dense, Input, KindModel, NgramModel, Policy, STYLE, Scorer,
    check_base_rate, log_odds, round,
};
use linfa::dataset::DatasetBase;
use linfa::prelude::{Fit, ParamGuard};
use ndarray::{Array1, Array2};
use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize};

use crate::encoder::EncoderParams;
use crate::encoder::distil::{Lesson, with_lesson};
#[cfg(feature = "encoder")]
use crate::encoder::{FittedEncoder, fit::Task};
use crate::error::TrainingError;
use crate::examples::{Examples, split};
use crate::fit::calibrate::{CalibrateOn, CalibrationMethod, OutOfFold};
use crate::fit::design::{Design, MIN_ROWS, Weights};
use crate::fit::doubt::DoubtParams;
use crate::fit::features::ViewParams;
use crate::fit::kinds::KindParams;
use crate::fit::level::{KnownOf, one_class_sources};
use crate::fit::logistic::{ClassWeight, LogisticParams, SparseLogistic};
use crate::fit::prune::strongest;
use crate::fit::second_level::{Line, SecondLevelParams, fit_binary, styles};

/// How a model is fitted: its views and its solver, as a recipe's `[response]` or `[prompt]` describes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NgramParams {
    /// The views, side by side.
    pub views: Vec<ViewParams>,
    /// Inverse strength of the penalty. With several values, inner cross-validation on the training rows takes
    /// the one with the least log loss. A recipe may give one number or a list. Default: 1.
    #[serde(default = "default_c", deserialize_with = "one_or_several")]
    pub c: Vec<f64>,
    /// Default: none.
    #[serde(default)]
    pub class_weight: ClassWeight,
    /// Rows of a group of n (a template with a hundred names in its slot) weigh n^-power each: 0 counts every row
    /// alike, 1 counts a group as one row. Default: 0.
    #[serde(default)]
    pub group_power: f64,
    /// Rows of a source of n weigh n^-power of what they did, so that a large source does not drown the others; the sum
    /// of all weights stays. Default: 0.
    #[serde(default)]
    pub source_power: f64,
    /// The target becomes an input that shifts the logit: the prior width of a shift, in feature values (a view's row
    /// has length 1). Default: 0, no input.
    #[serde(default)]
    pub target_shift: f64,
    /// The same for the source, within the fit alone: words need not explain why one source refuses more than another.
    /// Default: 0, none.
    #[serde(default)]
    pub source_shift: f64,
    /// Sources without a shift: what they say of a text holds for the text, as that of people who judged it. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub level_sources: Vec<String>,
    /// Keep at most so many n-grams, those with the largest weights, and fit again on them. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<usize>,
    /// Round all weights to bfloat16, which halves their file. Default: false.
    #[serde(default)]
    pub round: bool,
    /// A second level over the out-of-fold logits of the views and the style of the response. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_level: Option<SecondLevelParams>,
    /// Tell kinds of answers apart. Default: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<KindParams>,
    /// Weigh rows down whose labels out-of-fold scores make doubtful. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<DoubtParams>,
    /// Folds of the inner cross-validation. Default: 5.
    #[serde(default = "default_inner_folds")]
    pub inner_folds: usize,
    /// The fit ends when the gradient has shrunk by this factor. Default: 2e-5.
    #[serde(default = "default_tolerance")]
    pub tolerance: f64,
    /// Newton steps before a fit gives up. Default: 100.
    #[serde(default = "default_max_iterations")]
    pub max_iterations: usize,
    /// Fitted on out-of-fold scores of the inner cross-validation. Default: none.
    #[serde(default)]
    pub calibration: CalibrationMethod,
    /// Which rows are left out together for the out-of-fold scores that C, the second level and the calibration are learned
    /// from: groups of rows, or whole sources. Default: folds.
    #[serde(default, skip_serializing_if = "CalibrateOn::is_folds")]
    pub calibrate_on: CalibrateOn,
    /// Whether targets with rows enough get calibrations of their own. It learns how often each refuses in the data, so it is
    /// for predictors: what an answer says does not depend on who gave it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calibrate_targets: bool,
    /// The share of refusals in ordinary traffic: what a text of which nothing is known gets, whatever share the rows have.
    /// The fit is held there. Calibration then stretches what the words say about that point, `calibrate_targets` shifts
    /// targets where a prompt may be refused at all, and `target_shift` is for the fit alone. Default: none; the level is that of the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_rate: Option<f64>,
    /// Thresholds that the fitted model decides by. Default: 0.5 and 0.5.
    #[serde(default)]
    pub policy: Policy,
    /// An encoder tier above the n-grams. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderParams>,
}

pub(crate) fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number or a list of numbers")]
    enum Numbers {
        One(f64),
        Several(Vec<f64>),
    }
    Ok(match Numbers::deserialize(deserializer)? {
        Numbers::One(number) => vec![number],
        Numbers::Several(numbers) => numbers,
    })
}

fn default_c() -> Vec<f64> {
    vec![1.0]
}
const fn default_inner_folds() -> usize {
    5
}
const fn default_tolerance() -> f64 {
    2e-5
}
const fn default_max_iterations() -> usize {
    100
}

/// A fitted model with the C that it was fitted with.
#[derive(Debug, Clone)]
pub struct FittedNgram {
    /// The model.
    pub model: NgramModel,
    /// What tells kinds apart, where that was asked for and two kinds have rows enough.
    pub kinds: Option<KindModel>,
    /// The C that was given or chosen.
    pub c: f64,
    /// Mean log loss of each C in the inner cross-validation, `(c, nats)`; empty when there was none.
    pub choice: Vec<(f64, f64)>,
    /// From the model's logit to P(refusal).
    pub calibration: Calibration,
    /// The same for targets whose own rows say otherwise.
    pub target_calibrations: BTreeMap<String, Calibration>,
    /// What the calibration was worth; `None` when there was none, asked for or not possible.
    pub report: Option<CalibrationReport>,
    /// The share of refusals that the probabilities assume: the recipe's, or that of the rows by their weights.
    pub base_rate: f64,
    /// Sources whose rows taught nothing: they have a shift of their own (`source_shift`), and it explains their one label.
    pub one_class_sources: Vec<String>,
    /// The encoder tier, where that was asked for.
    #[cfg(feature = "encoder")]
    pub encoder: Option<FittedEncoder>,
}

impl FittedNgram {
    /// P(refusal) of each input, calibrated, by all tiers as the fitted model asks them.
    ///
    /// # Errors
    /// [`TrainingError::Encoder`] when an encoder fails; n-grams never do.
    pub fn probabilities(&self, inputs: &[Input<'_>]) -> Result<Vec<f64>, TrainingError> {
        let logits = self.model.logits(inputs)?;
        let of = |(&logit, input): (&f64, &Input<'_>)| {
            let own = input.target.and_then(|target| self.target_calibrations.get(target));
            own.unwrap_or(&self.calibration).apply(logit).get()
        };
        let p = logits.iter().zip(inputs).map(of).collect();
        #[cfg(feature = "encoder")]
        if let Some(encoder) = &self.encoder {
            return encoder.probabilities(inputs, &logits, p);
        }
        Ok(p)
    }
}

impl NgramParams {
    /// These views with all defaults.
    #[must_use]
    pub fn new(views: Vec<ViewParams>) -> Self {
        Self {
            views,
            c: default_c(),
            class_weight: ClassWeight::default(),
            group_power: 0.0,
            source_power: 0.0,
            target_shift: 0.0,
            source_shift: 0.0,
            level_sources: Vec::new(),
            keep: None,
            round: false,
            second_level: None,
            kinds: None,
            doubt: None,
            inner_folds: default_inner_folds(),
            tolerance: default_tolerance(),
            max_iterations: default_max_iterations(),
            calibration: CalibrationMethod::default(),
            calibrate_on: CalibrateOn::default(),
            calibrate_targets: false,
            base_rate: None,
            policy: Policy::default(),
            encoder: None,
        }
    }

    /// Checks what can be checked without rows.
    ///
    /// # Errors
    /// [`TrainingError::Parameter`], [`TrainingError::Settings`].
    pub fn check(&self) -> Result<(), TrainingError> {
        let few =
            |name, found: usize, wanted| Err(TrainingError::Parameter { name, value: found as f64, wanted });
        if self.views.is_empty() {
            return few("views", 0, "at least one view");
        }
        if self.c.is_empty() {
            return few("c", 0, "one number or several");
        }
        if self.inner_folds < 2 {
            return few("inner_folds", self.inner_folds, "2 or more");
        }
        for (name, value) in [
            ("group_power", self.group_power),
            ("source_power", self.source_power),
            ("target_shift", self.target_shift),
            ("source_shift", self.source_shift),
            ("second_level.alpha", self.second_level.map_or(0.0, |params| params.alpha)),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(TrainingError::Parameter {
                    name,
                    value,
                    wanted: "a finite number of at least 0",
                });
            }
        }
        self.check_level()?;
        if self.keep == Some(0) {
            return few("keep", 0, "1 or more");
        }
        if let Some(kinds) = &self.kinds {
            kinds.check()?;
        }
        if let Some(doubt) = &self.doubt {
            doubt.check()?;
        }
        if let Some(encoder) = &self.encoder {
            encoder.check()?;
        }
        for &c in &self.c {
            self.logistic(c).check_ref()?;
        }
        Ok(self.policy.check()?)
    }

    /// Checks what goes together with a base rate.
    fn check_level(&self) -> Result<(), TrainingError> {
        let Some(rate) = self.base_rate else { return Ok(()) };
        check_base_rate(rate)?;
        let bad = |name, wanted| Err(TrainingError::Parameter { name, value: rate, wanted });
        if !matches!(self.calibration, CalibrationMethod::None | CalibrationMethod::Temperature) {
            return bad(
                "base_rate",
                "a recipe whose calibration is \"temperature\" or \"none\": others move the level",
            );
        }
        if self.second_level.is_some() {
            return bad(
                "base_rate",
                "a recipe without second_level: measures of style have no level of their own",
            );
        }
        Ok(())
    }

    /// Whether groups have a say: in weights, or in folds of an inner cross-validation.
    pub(crate) fn needs_groups(&self) -> bool {
        self.group_power > 0.0 || self.needs_folds()
    }

    /// Whether a fit is not what was asked for without out-of-fold scores.
    const fn needs_logits(&self) -> bool {
        self.second_level.is_some() || self.kinds.is_some() || self.encoder.is_some() || self.doubt.is_some()
    }

    /// Whether anything is learned from out-of-fold scores.
    fn needs_folds(&self) -> bool {
        let above = self.needs_logits();
        self.c.len() > 1 || self.calibration != CalibrationMethod::None || self.calibrate_targets || above
    }

    pub(crate) fn logistic(&self, c: f64) -> LogisticParams {
        LogisticParams::default()
            .c(c)
            .tolerance(self.tolerance)
            .max_iterations(self.max_iterations)
            .class_weight(self.class_weight)
    }

    /// Fits on some rows. Groups stay whole in the inner cross-validation.
    ///
    /// # Errors
    /// Any [`TrainingError`] of parameters, vocabulary or solver.
    pub fn fit(&self, examples: &Examples<'_>, seed: u64) -> Result<FittedNgram, TrainingError> {
        self.check()?;
        #[cfg(not(feature = "encoder"))]
        if self.encoder.is_some() {
            return Err(EncoderError::NotBuilt.into());
        }
        let examples = &examples.clone().shared_out(self.group_power).balanced(self.source_power);
        #[cfg(feature = "encoder")]
        let upper =
            self.encoder.as_ref().map(|params| params.upper(&self.task(examples, seed))).transpose()?;
        #[cfg(feature = "encoder")]
        let lesson = upper.as_ref().and_then(|upper| upper.lesson.as_ref());
        #[cfg(not(feature = "encoder"))]
        let lesson = None;
        let above = self.above(examples, lesson, seed)?;
        let doubted = match (&self.doubt, &above.logits) {
            (Some(doubt), Some(logits)) => Cow::Owned(doubt.weighed(examples, logits, &above.calibration)),
            _ => Cow::Borrowed(examples),
        };
        let examples = doubted.as_ref();
        let (design, mut by_c) = self.first_level(&with_lesson(examples, lesson, None), &[above.c])?;
        let weights = by_c.remove(0);
        let single = |number: f64| if self.round { round(number as f32) } else { number as f32 };
        let (mut weights, style, mut bias) = fold(&design, &weights, above.second.as_ref());
        if let Some(rate) = self.base_rate {
            (weights.targets, bias) = (BTreeMap::new(), log_odds(rate));
        }
        let dense = Dense {
            style: style.into_iter().map(single).collect(),
            targets: weights.targets.iter().map(|(name, &shift)| (name.clone(), single(shift))).collect(),
        };
        let ngrams = weights.ngrams.iter().copied().map(single).collect();
        Ok(FittedNgram {
            model: NgramModel::new(design.views, ngrams, dense, bias)?,
            kinds: match (&self.kinds, &above.logits) {
                (Some(kinds), Some(logits)) => {
                    kinds.fit(examples, logits, &above.calibration, (seed, self.round))?
                }
                _ => None,
            },
            #[cfg(feature = "encoder")]
            encoder: match (&self.encoder, upper, &above.logits) {
                (Some(params), Some(upper), Some(ngrams)) => {
                    let of_ngrams = (ngrams.as_slice(), &above.calibration);
                    Some(params.join(&self.task(examples, seed), upper, of_ngrams)?)
                }
                _ => None,
            },
            c: above.c,
            choice: above.choice,
            calibration: above.calibration,
            target_calibrations: above.target_calibrations,
            report: above.report,
            base_rate: self.base_rate.unwrap_or_else(|| examples.base_rate()),
            one_class_sources: self.one_class_sources(examples),
        })
    }

    /// Sources whose rows teach this fit nothing: all of them have one label, and the source a shift of its own.
    fn one_class_sources(&self, examples: &Examples<'_>) -> Vec<String> {
        if self.source_shift <= 0.0 {
            return Vec::new();
        }
        let mut sources = one_class_sources(examples, MIN_ROWS);
        sources.retain(|source| !self.level_sources.contains(source));
        sources
    }

    /// What the fit of the encoder tier is given.
    #[cfg(feature = "encoder")]
    fn task<'a, 'e>(&self, examples: &'a Examples<'e>, seed: u64) -> Task<'a, 'e> {
        let reads_response = self.views.iter().any(|view| view.field == Field::Response);
        Task {
            examples,
            field: if reads_response { Field::Response } else { Field::Prompt },
            folds: self.inner_folds,
            class_weight: self.class_weight,
            calibration: self.calibration,
            calibrate_on: self.calibrate_on,
            calibrate_targets: self.calibrate_targets,
            seed,
        }
    }

    /// Everything that is learned from out-of-fold scores: C, the second level, calibration.
    fn above(
        &self,
        examples: &Examples<'_>,
        lesson: Option<&Lesson>,
        seed: u64,
    ) -> Result<Above, TrainingError> {
        let mut above = Above { c: self.c[0], ..Above::default() };
        let needed = self.needs_logits();
        if !self.needs_folds() {
            return Ok(above);
        }
        let mut by_c = match self.out_of_fold(examples, lesson, seed) {
            // Too few rows, groups or classes to hold any out: without a choice of C, only calibration is lost,
            // and the missing report says so.
            Err(TrainingError::OneClass { .. } | TrainingError::Data(DataError::Split { .. }))
                if self.c.len() == 1 && !needed =>
            {
                return Ok(above);
            }
            other => other?,
        };
        above.choice = by_c
            .iter()
            .map(|(c, scores)| {
                let scores = scores.out_of_fold(examples, self.calibrate_on);
                (*c, scores.log_loss(&scores.plain()))
            })
            .collect();
        let best = (0..by_c.len()).min_by(|&a, &b| above.choice[a].1.total_cmp(&above.choice[b].1));
        let (c, mut scores) = by_c.swap_remove(best.unwrap_or_default());
        above.c = c;
        if let Some(params) = self.second_level {
            let (second, logits) = scores.second_level(examples, params)?;
            above.second = Some(second);
            scores.logits = logits;
        }
        if let Some(rate) = self.base_rate {
            let start = log_odds(rate);
            scores.logits = scores.words().into_iter().map(|words| start + words).collect();
        }
        let mut out_of_fold = scores.out_of_fold(examples, self.calibrate_on);
        out_of_fold.centre = self.base_rate.map_or(0.0, log_odds);
        (above.calibration, above.report) = out_of_fold.calibrate(self.calibration)?;
        if let (true, Some(base_rate)) = (self.calibrate_targets, self.base_rate) {
            let known = KnownOf { words: &scores.words(), examples, base_rate };
            above.target_calibrations = known.targets(&above.calibration);
        } else if self.calibrate_targets {
            let targets: Vec<Option<&str>> = examples.inputs.iter().map(|input| input.target).collect();
            above.target_calibrations = out_of_fold.calibrate_targets(&above.calibration, &targets)?;
        }
        above.logits = Some(scores.logits);
        Ok(above)
    }

    /// The design of the first level and its weights under each C, each fit begun where the one before ended.
    fn first_level(
        &self,
        examples: &Examples<'_>,
        cs: &[f64],
    ) -> Result<(Design, Vec<Weights>), TrainingError> {
        let mut design = Design::fit(self, examples)?;
        if let Some(keep) = self.keep {
            let all = self.fit_weights(&design, examples, &cs[..1])?.remove(0);
            design.views = strongest(design.views, &all.weights, keep)?;
        }
        let fits = self.fit_weights(&design, examples, cs)?;
        let weights = fits.iter().map(|fit| design.read(&fit.weights, fit.bias, examples)).collect();
        Ok((design, weights))
    }

    fn fit_weights(
        &self,
        design: &Design,
        examples: &Examples<'_>,
        cs: &[f64],
    ) -> Result<Vec<SparseLogistic>, TrainingError> {
        let examples = &*match self.base_rate {
            Some(rate) => Cow::Owned(examples.clone().anchored(rate)),
            None => Cow::Borrowed(examples),
        };
        let weights = examples.weights.iter().map(|&weight| weight as f32).collect();
        let targets = Array1::from_vec(examples.targets.clone());
        let dataset = DatasetBase::new(design.matrix(examples), targets).with_weights(weights);
        let mut fits: Vec<SparseLogistic> = Vec::with_capacity(cs.len());
        for &c in cs {
            let mut params = self.logistic(c);
            if let Some(before) = fits.last() {
                params = params.start(before.clone());
            }
            fits.push(params.check()?.fit(&dataset)?);
        }
        Ok(fits)
    }

    /// The out-of-fold scores of all rows under each C, ascending by C.
    fn out_of_fold(
        &self,
        examples: &Examples<'_>,
        lesson: Option<&Lesson>,
        seed: u64,
    ) -> Result<Vec<(f64, Scores)>, TrainingError> {
        let mut cs = self.c.clone();
        cs.sort_by(f64::total_cmp);
        let folds = self.calibrate_on.folds(examples, self.inner_folds, seed)?;
        let score = |fold| {
            let (train, rows) = self.calibrate_on.split(examples, &folds, fold);
            let (train, test) = (examples.subset(&train), examples.subset(&rows));
            let (design, by_c) = self.first_level(&with_lesson(&train, lesson, Some(fold)), &cs)?;
            let scores = by_c.iter().map(|weights| design.logits(weights, &test));
            Ok((rows, scores.collect::<Vec<_>>()))
        };
        let count = folds.iter().max().map_or(0, |last| last + 1);
        let parts: Vec<_> = (0..count).into_par_iter().map(score).collect::<Result<_, TrainingError>>()?;
        let gather = |(at, &c): (usize, &f64)| {
            let mut scores = Scores {
                parts: vec![vec![0.0; examples.len()]; self.views.len()],
                logits: vec![0.0; examples.len()],
                folds: folds.clone(),
            };
            for (rows, by_c) in &parts {
                let (of_views, logits) = &by_c[at];
                for (to, from) in scores.parts.iter_mut().zip(of_views) {
                    rows.iter().zip(from).for_each(|(&row, &part)| to[row] = part);
                }
                rows.iter().zip(logits).for_each(|(&row, &logit)| scores.logits[row] = logit);
            }
            (c, scores)
        };
        Ok(cs.iter().enumerate().map(gather).collect())
    }
}

/// What stands above the first level.
#[derive(Debug, Default)]
struct Above {
    c: f64,
    choice: Vec<(f64, f64)>,
    second: Option<Line>,
    calibration: Calibration,
    target_calibrations: BTreeMap<String, Calibration>,
    report: Option<CalibrationReport>,
    /// The out-of-fold logits, second level included.
    logits: Option<Vec<f64>>,
}

/// Out-of-fold scores of the first level.
struct Scores {
    /// The part of each view in each row's logit.
    parts: Vec<Vec<f64>>,
    logits: Vec<f64>,
    /// The fold that each row was scored in.
    folds: Vec<usize>,
}

impl Scores {
    /// What the words of each row say: the sum of the views' parts of its logit.
    fn words(&self) -> Vec<f64> {
        let rows = self.logits.len();
        (0..rows).map(|row| self.parts.iter().map(|part| part[row]).sum()).collect()
    }

    fn out_of_fold(&self, examples: &Examples<'_>, on: CalibrateOn) -> OutOfFold {
        on.scores(examples, self.logits.clone(), self.folds.clone())
    }

    /// Fits the second level on all rows, and gives each row's logit by one that has not seen the row.
    fn second_level(
        &self,
        examples: &Examples<'_>,
        params: SecondLevelParams,
    ) -> Result<(Line, Vec<f64>), TrainingError> {
        let style = styles(&examples.inputs);
        let views = self.parts.len();
        let dense =
            Array2::from_shape_fn((examples.len(), 1 + views + STYLE), |(row, column)| match column {
                0 => self.logits[row],
                column if column <= views => self.parts[column - 1][row],
                column => style[[row, column - 1 - views]],
            });
        let labels = examples.labels();
        let fit = |rows: &[usize]| {
            let x = dense.select(ndarray::Axis(0), rows);
            let labels: Vec<bool> = rows.iter().map(|&row| labels[row]).collect();
            let weights: Vec<f64> = rows.iter().map(|&row| examples.weights[row]).collect();
            fit_binary(&x, &labels, &weights, params)
        };
        let mut logits = vec![0.0; examples.len()];
        for fold in 0..self.folds.iter().max().map_or(0, |last| last + 1) {
            let (train, test) = split(&self.folds, fold);
            let line = fit(&train)?;
            test.into_iter().for_each(|row| logits[row] = line.at(dense.row(row)));
        }
        Ok((fit(&(0..examples.len()).collect::<Vec<_>>())?, logits))
    }
}

/// Puts the second level into the weights of the first: weights, style and bias of one linear model.
fn fold(design: &Design, weights: &Weights, second: Option<&Line>) -> (Weights, Vec<f64>, f64) {
    let Some(line) = second else { return (weights.clone(), Vec::new(), weights.bias) };
    let (slopes, style) = line.weights.split_at(1 + design.views.len());
    let mut folded = weights.clone();
    let mut rest = folded.ngrams.as_mut_slice();
    for (view, slope) in design.views.iter().zip(&slopes[1..]) {
        let (own, others) = rest.split_at_mut(view.vectorizer.len());
        own.iter_mut().for_each(|weight| *weight *= slopes[0] + slope);
        rest = others;
    }
    folded.targets.values_mut().for_each(|shift| *shift *= slopes[0]);
    (folded, style.to_vec(), slopes[0].mul_add(weights.bias, line.bias))
}
