//! Leave one out: how a recipe does on a data set, or on a target, of which its fit has seen no row.
//!
//! Cross-validation asks how a model does on more rows like its own. Here each source (or target) in turn is judged by
//! a fit on all others, which is what a user with other prompts, other labels and another target will meet.

use std::collections::BTreeMap;

use demur_data::{Record, normalise};
use demur_predictor::Field;
use rayon::prelude::*;
use rustc_hash::FxHashSet;
use serde::Serialize;

use crate::error::TrainingError;
use crate::examples::{Examples, is_judged};
use crate::metrics::{Decisions, auroc, auroc_interval, ece, nan_is_null};
use crate::progress::Progress;
use crate::teacher::FitPlan;
use crate::train::{Grouping, identity, may_judge};

/// What is left out, one value after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LeftOutFacet {
    /// The data set.
    Source,
    /// The model that was asked.
    Target,
}

impl LeftOutFacet {
    /// Its name: `source` or `target`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }

    fn of(self, record: &Record) -> Option<&str> {
        match self {
            Self::Source => record.source.as_deref(),
            Self::Target => record.target.as_deref(),
        }
    }
}

/// A leave-one-out evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaveOneOut {
    /// The column to judge.
    pub field: Field,
    /// What is left out.
    pub facet: LeftOutFacet,
    /// Seed of the fits.
    pub seed: u64,
}

/// Figures of one value, by a fit that has seen none of its rows and none of its prompts. The positive class is
/// refusal; a figure that the rows do not define is NaN here and `null` in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeftOut {
    /// The value that was left out.
    pub value: String,
    /// Rows of other values that the fit has seen.
    pub fitted_on: usize,
    /// Rows judged.
    pub n: usize,
    /// Share of refusals among them.
    pub base_rate: f64,
    /// 95% Wilson interval of the accuracy.
    pub accuracy_interval: (f64, f64),
    /// 95% interval of the AUROC (after `DeLong`).
    pub auroc_interval: (f64, f64),
    /// The figures that are averaged over values.
    #[serde(flatten)]
    pub rates: LeftOutRates,
}

/// Means over the values that have both classes, each value counting alike; NaN where there are none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LeftOutMean {
    /// The values with both classes.
    pub values: usize,
    /// The means.
    #[serde(flatten)]
    pub rates: LeftOutRates,
}

/// Figures of one value, or their means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LeftOutRates {
    /// Share of right decisions.
    #[serde(serialize_with = "nan_is_null")]
    pub accuracy: f64,
    /// Mean of the two recalls.
    #[serde(serialize_with = "nan_is_null")]
    pub balanced_accuracy: f64,
    /// Share of the refused rows that are called refused.
    #[serde(serialize_with = "nan_is_null")]
    pub recall_refused: f64,
    /// Share of the complied rows that are called complied.
    #[serde(serialize_with = "nan_is_null")]
    pub recall_complied: f64,
    /// Area under the ROC curve.
    #[serde(serialize_with = "nan_is_null")]
    pub auroc: f64,
    /// Expected calibration error over ten bins of equal width.
    #[serde(serialize_with = "nan_is_null")]
    pub ece: f64,
}

/// The figures of all values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeftOutFigures {
    /// The column that was judged.
    pub field: Field,
    /// How the rows were kept apart from the fits, in words.
    pub method: String,
    /// What was left out.
    pub facet: LeftOutFacet,
    /// P(refusal) from which a row counts as called refused.
    pub threshold: f64,
    /// Values with too few rows to judge by.
    pub passed_over: usize,
    /// The figures of the others, by value.
    pub values: Vec<LeftOut>,
    /// Their means.
    pub mean: LeftOutMean,
}

impl LeftOutFigures {
    /// The figures as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        // Every field is a number, a string or a list of them; NaN becomes null.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// What is known of the rows, one entry each.
struct Rows<'a> {
    examples: Examples<'a>,
    values: Vec<Option<&'a str>>,
    /// Normalised prompts, or responses where there is no prompt.
    texts: Vec<String>,
    /// Whether figures may be taken on the row.
    judged: Vec<bool>,
}

impl<'a> Rows<'a> {
    fn of(records: &'a [Record], facet: LeftOutFacet) -> Self {
        let labelled = || records.iter().filter(|record| is_judged(record));
        Self {
            // Rows that are there for their kind alone have no label to fit on or to judge by.
            examples: Examples::of(records, &Grouping::Similar.groups(records)).judged(),
            values: labelled().map(|record| facet.of(record)).collect(),
            texts: labelled().map(|record| normalise(identity(record))).collect(),
            judged: labelled().map(may_judge).collect(),
        }
    }

    /// How many rows of each value figures may be taken on.
    fn judged_by_value(&self) -> BTreeMap<&'a str, usize> {
        let mut counts = BTreeMap::new();
        for (value, &judged) in self.values.iter().zip(&self.judged) {
            if let Some(value) = value {
                *counts.entry(*value).or_default() += usize::from(judged);
            }
        }
        counts
    }
}

impl LeaveOneOut {
    /// The fewest rows of a value that are judged.
    pub const MIN_ROWS: usize = 20;

    /// Judges each value with at least [`MIN_ROWS`](Self::MIN_ROWS) rows that figures may be taken on, by a fit on all
    /// rows of other values and of none, without those whose prompts (responses, where there is no prompt) equal a
    /// left-out row's once normalised.
    ///
    /// # Errors
    /// [`TrainingError::NoRows`] when no value has so many rows, [`TrainingError::LeftOut`] when a fit fails.
    pub fn judge(
        self,
        plan: FitPlan<'_>,
        records: &[Record],
        progress: Progress<'_>,
    ) -> Result<LeftOutFigures, TrainingError> {
        let rows = Rows::of(records, self.facet);
        let counts = rows.judged_by_value();
        let values: Vec<&str> =
            counts.iter().filter(|&(_, &n)| n >= Self::MIN_ROWS).map(|(&value, _)| value).collect();
        if values.is_empty() {
            return Err(self.nothing_to_judge());
        }
        let judge = |&value: &&str| {
            let left_out = self.judge_value(plan, &rows, value);
            progress.step("leave one out", values.len());
            left_out
                .map_err(|cause| TrainingError::LeftOut { value: value.to_owned(), cause: Box::new(cause) })
        };
        let figures: Vec<LeftOut> = values.par_iter().map(judge).collect::<Result<_, _>>()?;
        let facet = self.facet.name();
        Ok(LeftOutFigures {
            field: self.field,
            method: format!("one {facet} left out, with all rows of its prompts, seed {}", self.seed),
            facet: self.facet,
            threshold: plan.params.policy.hold_from,
            passed_over: counts.len() - values.len(),
            mean: LeftOutMean::of(&figures),
            values: figures,
        })
    }

    fn judge_value(self, plan: FitPlan<'_>, rows: &Rows<'_>, value: &str) -> Result<LeftOut, TrainingError> {
        let (out, others): (Vec<usize>, Vec<usize>) =
            (0..rows.values.len()).partition(|&row| rows.values[row] == Some(value));
        let texts: FxHashSet<&str> = out.iter().map(|&row| rows.texts[row].as_str()).collect();
        let train: Vec<usize> =
            others.into_iter().filter(|&row| !texts.contains(rows.texts[row].as_str())).collect();
        if train.is_empty() {
            let hint = format!("give rows of another {} with other prompts", self.facet.name());
            return Err(TrainingError::NoRows { step: "fit", hint });
        }
        let test: Vec<usize> = out.into_iter().filter(|&row| rows.judged[row]).collect();
        let fitted = plan.fit(&rows.examples.subset(&train), self.seed)?;
        let test = rows.examples.subset(&test);
        let p = fitted.probabilities(&test.inputs)?;
        Ok(LeftOut::of(value, train.len(), &p, &test.labels(), plan.params.policy.hold_from))
    }

    fn nothing_to_judge(self) -> TrainingError {
        let hint = format!(
            "no {0} has {1} labelled rows to judge by; look at the {0} column, or, for sources, give those of the \
             recipe a `name`",
            self.facet.name(),
            Self::MIN_ROWS
        );
        TrainingError::NoRows { step: "leave one out", hint }
    }
}

impl LeftOut {
    fn of(value: &str, fitted_on: usize, p: &[f64], labels: &[bool], threshold: f64) -> Self {
        let called: Vec<bool> = p.iter().map(|&p| p >= threshold).collect();
        let decisions = Decisions::judge(&called, labels);
        let (confusion, n) = (decisions.confusion, labels.len());
        let complied = confusion.true_negative + confusion.false_positive;
        Self {
            value: value.to_owned(),
            fitted_on,
            n,
            base_rate: (n - complied) as f64 / n as f64,
            accuracy_interval: decisions.accuracy_interval,
            auroc_interval: auroc_interval(p, labels),
            rates: LeftOutRates {
                accuracy: decisions.accuracy,
                balanced_accuracy: decisions.balanced_accuracy,
                recall_refused: decisions.recall,
                recall_complied: confusion.true_negative as f64 / complied as f64,
                auroc: auroc(p, labels),
                ece: ece(p, labels),
            },
        }
    }
}

impl LeftOutMean {
    fn of(values: &[LeftOut]) -> Self {
        let both: Vec<&LeftOutRates> =
            values.iter().map(|value| &value.rates).filter(|rates| rates.auroc.is_finite()).collect();
        let mean = |figure: fn(&LeftOutRates) -> f64| {
            both.iter().map(|&rates| figure(rates)).sum::<f64>() / both.len() as f64
        };
        Self {
            values: both.len(),
            rates: LeftOutRates {
                accuracy: mean(|rates| rates.accuracy),
                balanced_accuracy: mean(|rates| rates.balanced_accuracy),
                recall_refused: mean(|rates| rates.recall_refused),
                recall_complied: mean(|rates| rates.recall_complied),
                auroc: mean(|rates| rates.auroc),
                ece: mean(|rates| rates.ece),
            },
        }
    }
}

#[cfg(test)]
#[path = "leave_one_out_tests.rs"]
mod tests;
