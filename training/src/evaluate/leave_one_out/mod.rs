//! Leave one out: how a recipe does on a data set, or on a target, of which its fit has seen no row.
//!
//! Cross-validation asks how a model does on more rows like its own. Here each source (or target) in turn is
//! scored by a fit on all others, because a user brings other prompts, other labels and another target. Rows
//! of no source of the recipe may be scored as well, by a fit on all of its rows.

mod figures;
mod rows;
mod shared;

use demur_data::Record;
use demur_predictor::{CalibrationReport, Field};
use rayon::prelude::*;
use serde::Serialize;

pub use self::figures::{LeftOut, LeftOutFigures, LeftOutMean, LeftOutRates, Stated};
use self::rows::FacetRows;
use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::teacher::FitPlan;
use crate::progress::Progress;

/// What is left out, one value after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LeftOutFacet {
    /// The data set.
    Source,
    /// The model that answered.
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
    /// The field to classify.
    pub field: Field,
    /// What is left out.
    pub facet: LeftOutFacet,
    /// Seed of the fits.
    pub seed: u64,
    /// Count n-grams once, over the rows of all values, for all fits, which takes a fraction of the time. The
    /// texts of a left-out value then contribute to the vocabulary and to the document frequencies; its
    /// labels contribute to nothing.
    pub share_counts: bool,
}

/// The rows of one value, scored by a fit that has not seen them.
struct ScoredValue {
    /// Their indices among the given rows.
    rows: Vec<usize>,
    /// Rows of the fit; `None` if the rows belong to no value of the recipe.
    fitted_on: Option<usize>,
    /// Whether most rows of the fit are refused.
    majority: bool,
    p: Vec<f64>,
    /// What the fit's calibration reports about its own quality.
    report: Option<CalibrationReport>,
}

impl LeaveOneOut {
    /// Values with fewer rows are not evaluated.
    pub const MIN_ROWS: usize = 20;

    /// Evaluates each value with at least [`MIN_ROWS`](Self::MIN_ROWS) usable rows, by a fit on all rows with
    /// another value or none. That fit excludes rows whose normalised prompts (responses, if there is no
    /// prompt) equal a left-out row's and, if responses are classified, rows whose responses begin with the
    /// same 25 words. The `unseen` rows are scored by a fit on all `records`, without those whose texts are
    /// in it.
    ///
    /// # Errors
    /// [`TrainingError::NoRows`] when no value has enough rows, [`TrainingError::LeftOut`] when a fit fails.
    pub fn judge(
        self,
        plan: FitPlan<'_>,
        records: &[Record],
        unseen: &[Record],
        progress: Progress<'_>,
    ) -> Result<LeftOutFigures, TrainingError> {
        let rows = FacetRows::of(records, self);
        let counts = rows.judged_by_value();
        let values: Vec<&str> =
            counts.iter().filter(|&(_, &n)| n >= Self::MIN_ROWS).map(|(&value, _)| value).collect();
        if values.is_empty() {
            return Err(self.nothing_to_judge());
        }
        let strangers = FacetRows::of(unseen, self).without(&rows);
        let (scored, of_strangers) = if self.share_counts {
            self.score_shared(plan, &rows, &values, &strangers, progress)?
        } else {
            self.score_each(plan, &rows, &values, &strangers, progress)?
        };
        let threshold = plan.params.policy.hold_from;
        let judged = figures::ValueFigures { plan: self, threshold, rows: &rows };
        Ok(LeftOutFigures {
            field: self.field,
            method: self.describe(),
            facet: self.facet,
            threshold,
            passed_over: counts.len() - values.len(),
            by: judged.by(&scored),
            reliability: judged.reliability(&scored),
            stated: judged.stated(&scored),
            unseen: of_strangers.map_or_else(Vec::new, |scored| {
                figures::ValueFigures { rows: &strangers, ..judged }.by_value(&scored)
            }),
            ..judged.values(&values, &scored)
        })
    }

    /// One complete fit for each value, as `fit` does it.
    fn score_each(
        self,
        plan: FitPlan<'_>,
        rows: &FacetRows<'_>,
        values: &[&str],
        strangers: &FacetRows<'_>,
        progress: Progress<'_>,
    ) -> Result<(Vec<ScoredValue>, Option<ScoredValue>), TrainingError> {
        let judge = |&value: &&str| {
            let (train, out) = rows.split(value);
            let scored = self.score(plan, (rows, &train), rows, out, Some(train.len()));
            progress.step("leave one out", values.len());
            scored.map_err(|cause| TrainingError::LeftOut { value: value.to_owned(), cause: Box::new(cause) })
        };
        let scored = values.par_iter().map(judge).collect::<Result<_, _>>()?;
        if strangers.is_empty() {
            return Ok((scored, None));
        }
        let all: Vec<usize> = (0..rows.len()).collect();
        let of_strangers = self.score(plan, (rows, &all), strangers, strangers.all_judged(), None)?;
        Ok((scored, Some(of_strangers)))
    }

    fn score(
        self,
        plan: FitPlan<'_>,
        (rows, train): (&FacetRows<'_>, &[usize]),
        judged: &FacetRows<'_>,
        out: Vec<usize>,
        fitted_on: Option<usize>,
    ) -> Result<ScoredValue, TrainingError> {
        if train.is_empty() {
            return Err(self.nothing_to_fit());
        }
        let train = rows.examples.subset(train);
        let fitted = plan.fit(&train, self.seed)?;
        let p = fitted.probabilities(&judged.examples.subset(&out).inputs)?;
        Ok(ScoredValue { rows: out, fitted_on, majority: most_are_refused(&train), p, report: fitted.report })
    }

    fn describe(self) -> String {
        let texts = match self.field {
            Field::Prompt => "its prompts",
            Field::Response => "its prompts and of its responses' first 25 words",
        };
        let facet = self.facet.name();
        let shared = if self.share_counts {
            "; n-grams counted once for all fits, calibrated on the other left-out scores"
        } else {
            ""
        };
        format!("one {facet} left out, with all rows of {texts}, seed {}{shared}", self.seed)
    }

    fn nothing_to_fit(self) -> TrainingError {
        let hint = format!("give rows of another {} with other prompts", self.facet.name());
        TrainingError::NoRows { step: "fit", hint }
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

/// Whether the majority guess from these rows is refused.
fn most_are_refused(train: &Examples<'_>) -> bool {
    2.0 * train.truth.iter().sum::<f64>() > train.len() as f64
}

#[cfg(test)]
mod tests;
