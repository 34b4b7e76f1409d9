//! How an n-gram model is fitted, as a recipe describes it, and the checks that need no rows.

use demur_predictor::{Field, NgramModel, Policy, ViewText, check_base_rate};
use linfa::prelude::ParamGuard;
use serde::{Deserialize, Serialize};

use crate::encoder::EncoderParams;
use crate::error::TrainingError;
use crate::fit::calibrate::{CalibrateOn, CalibrationMethod, IntervalsFor};
use crate::fit::design::DesignParams;
use crate::fit::doubt::DoubtParams;
use crate::fit::features::ViewParams;
use crate::fit::kinds::KindParams;
use crate::fit::logistic::{ClassWeight, LogisticParams};
use crate::fit::second_level::SecondLevelParams;
use crate::fit::start::StartFrom;
use crate::recipe::values::one_or_several;

/// How a model is fitted: its views and its solver, as a recipe's `[response]` or `[prompt]` describes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NgramParams {
    /// The views; their features are concatenated.
    pub views: Vec<ViewParams>,
    /// Inverse strength of the penalty. With several values, inner cross-validation on the training rows
    /// picks the one with the least log loss. A recipe may have one number or a list. Default: 1.
    #[serde(default = "default_c", deserialize_with = "one_or_several")]
    pub c: Vec<f64>,
    /// Default: none.
    #[serde(default)]
    pub class_weight: ClassWeight,
    /// In a group of n rows (a template with a hundred names in its slot), each row weighs n^-power: 0 counts
    /// every row equally, 1 counts a group as one row. Default: 0.
    #[serde(default)]
    pub group_power: f64,
    /// In a source of n rows, each weight is multiplied by n^-power, so that a large source does not dominate
    /// the others; the sum of all weights stays the same. Default: 0.
    #[serde(default)]
    pub source_power: f64,
    /// Adds the target as an input that shifts the logit. The value is the prior width of a shift, in feature
    /// values (a view's row has length 1). Default: 0, no input.
    #[serde(default)]
    pub target_shift: f64,
    /// The same for the source, during the fit only, so that words need not explain why one source refuses
    /// more than another. Default: 0, none.
    #[serde(default)]
    pub source_shift: f64,
    /// Adds what a prompt is sent in as an input that shifts the logit: behind any system prompt, behind each
    /// with 20 rows, to a target that can act. The value is the prior width of a shift, as for targets; for
    /// fits of prompts whose level is that of the rows. Default: 0, no input.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub context_shift: f64,
    /// Sources without a shift: their labels describe the text itself, like those of people who rated it.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub level_sources: Vec<String>,
    /// A predictor whose words count as one more feature, so that few rows need not teach them again; for
    /// fits of prompts. The fitted model holds its n-grams too. Default: nothing.
    #[serde(default, skip_serializing_if = "StartFrom::is_nothing")]
    pub start_from: StartFrom,
    /// The maximum number of n-grams: keeps those with the largest weights and fits again on them. Default:
    /// all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<usize>,
    /// Round all weights to bfloat16, which halves their file. Default: false.
    #[serde(default)]
    pub round: bool,
    /// A second level over the out-of-fold logits of the views and the style of the response. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_level: Option<SecondLevelParams>,
    /// Also classify kinds of answers. Default: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<KindParams>,
    /// Reduce the weights of rows whose labels are doubtful by out-of-fold scores. Default: none.
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
    /// The calibration, fitted on out-of-fold scores of the inner cross-validation. Default: none.
    #[serde(default)]
    pub calibration: CalibrationMethod,
    /// Which rows are left out together to get the out-of-fold scores that C, the second level and the
    /// calibration are learned from: groups of rows, or whole sources. Default: folds.
    #[serde(default, skip_serializing_if = "CalibrateOn::is_folds")]
    pub calibrate_on: CalibrateOn,
    /// What the intervals beside predictions hold for. Default: rows.
    #[serde(default, skip_serializing_if = "IntervalsFor::is_rows")]
    pub intervals: IntervalsFor,
    /// Whether targets with enough rows get their own calibrations. These learn how often each target refuses
    /// in the data, so they are for predictors: the meaning of an answer does not depend on who wrote it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calibrate_targets: bool,
    /// The share of refusals in ordinary traffic: P(refusal) of a text about which nothing is known, whatever
    /// share the rows have. The intercept of the fit is fixed there. Calibration then stretches the
    /// contribution of the words around that point, `calibrate_targets` shifts targets on prompts that may be
    /// refused at all, and `target_shift` is used only during the fit. Default: none; the level is that of
    /// the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_rate: Option<f64>,
    /// Thresholds for the decisions of the fitted model. Default: 0.5 and 0.5.
    #[serde(default)]
    pub policy: Policy,
    /// An encoder tier above the n-grams. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderParams>,
}

fn default_c() -> Vec<f64> {
    vec![1.0]
}
fn is_zero(number: &f64) -> bool {
    *number == 0.0
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
            context_shift: 0.0,
            level_sources: Vec::new(),
            start_from: StartFrom::default(),
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
            intervals: IntervalsFor::default(),
            calibrate_targets: false,
            base_rate: None,
            policy: Policy::default(),
            encoder: None,
        }
    }

    /// Checks everything that can be checked without rows.
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
            ("context_shift", self.context_shift),
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
        self.check_start()?;
        self.check_contexts()?;
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

    /// Checks the settings that depend on a base rate.
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

    /// Checks the settings that a start from another model excludes.
    fn check_start(&self) -> Result<(), TrainingError> {
        if self.start_from.is_nothing() {
            return Ok(());
        }
        let refuse = |name, value, wanted| Err(TrainingError::Parameter { name, value, wanted });
        if self.views.iter().any(|view| view.field == Field::Response) {
            return refuse("start_from", 1.0, "left out of a fit that reads responses");
        }
        if self.second_level.is_some() {
            return refuse("start_from", 1.0, "left out of a recipe with second_level");
        }
        if let Some(rate) = self.base_rate {
            return refuse(
                "base_rate",
                rate,
                "left out of a recipe with start_from: its level is that of the rows",
            );
        }
        Ok(())
    }

    /// Whether the fit reads what prompts are sent in.
    pub(crate) fn reads_contexts(&self) -> bool {
        self.context_shift > 0.0 || self.views.iter().any(|view| view.field == ViewText::System)
    }

    /// Checks the settings that contexts exclude.
    fn check_contexts(&self) -> Result<(), TrainingError> {
        if !self.reads_contexts() {
            return Ok(());
        }
        let name = if self.context_shift > 0.0 { "context_shift" } else { "views" };
        let refuse = |wanted| Err(TrainingError::Parameter { name, value: self.context_shift, wanted });
        if self.views.iter().any(|view| view.field == Field::Response) {
            return refuse("left out of a fit that reads responses, and no view of system prompts either");
        }
        if self.views.iter().all(|view| view.field == ViewText::System) {
            return refuse("beside a view that reads prompts");
        }
        if self.base_rate.is_some() {
            return refuse(
                "left out of a recipe with base_rate, and no view of system prompts either: a context moves the level",
            );
        }
        Ok(())
    }

    /// Whether groups matter: for weights, or for folds of an inner cross-validation.
    pub(crate) fn needs_groups(&self) -> bool {
        self.group_power > 0.0 || self.needs_folds()
    }

    /// Whether the result would not be what was requested without out-of-fold scores.
    pub(crate) const fn needs_logits(&self) -> bool {
        self.second_level.is_some() || self.kinds.is_some() || self.encoder.is_some() || self.doubt.is_some()
    }

    /// Whether anything is learned from out-of-fold scores.
    pub(crate) fn needs_folds(&self) -> bool {
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

    /// The settings that determine the columns of the fit, besides its rows; with the model that it starts
    /// from, if it starts from one.
    pub(crate) fn design<'s>(&self, start: Option<&'s NgramModel>) -> DesignParams<'_, 's> {
        DesignParams {
            views: &self.views,
            start,
            target_shift: self.target_shift,
            source_shift: self.source_shift,
            context_shift: self.context_shift,
            level_sources: &self.level_sources,
        }
    }
}
