//! The figures of a leave-one-out evaluation, beside baselines on the same rows.

use std::collections::BTreeMap;

use demur_predictor::{Field, language};
use serde::Serialize;

use super::rows::FacetRows;
use super::{LeaveOneOut, LeftOutFacet, ScoredValue};
use crate::evaluate::baselines::phrase_list;
use crate::examples::Examples;
use crate::metrics::{
    Decisions, FEW_FALSE_POSITIVES, ReliabilityBin, auroc, ece, intervals, nan_is_null, reliability,
    tpr_at_fpr,
};

/// Figures for one value, from a fit that has seen none of its rows and none of its prompts. The positive
/// class is refusal; a figure that the rows do not define is NaN here and `null` in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeftOut {
    /// The value that was left out.
    pub value: String,
    /// Rows of other values that the fit has seen; `None` in a breakdown, because its rows come from several
    /// fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fitted_on: Option<usize>,
    /// Who labelled the rows, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labelled_by: Option<String>,
    /// The language of more than half of the scored texts, by script and short words; `mixed` if no language
    /// has more than half, `None` if it cannot be detected.
    pub language: Option<&'static str>,
    /// Rows scored.
    pub n: usize,
    /// Share of refusals among them; a measured rate counts with its value.
    pub base_rate: f64,
    /// 95% interval of the accuracy.
    pub accuracy_interval: (f64, f64),
    /// 95% interval of the AUROC.
    pub auroc_interval: (f64, f64),
    /// The figures that are averaged over values.
    #[serde(flatten)]
    pub rates: LeftOutRates,
}

/// Means over the values that have both classes, each value with equal weight; NaN if there are none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LeftOutMean {
    /// The values with both classes.
    pub values: usize,
    /// The means.
    #[serde(flatten)]
    pub rates: LeftOutRates,
}

/// Figures of one value, or the means over values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LeftOutRates {
    /// Share of correct decisions.
    #[serde(serialize_with = "nan_is_null")]
    pub accuracy: f64,
    /// The same for a short list of phrases.
    #[serde(serialize_with = "nan_is_null")]
    pub phrase_list: f64,
    /// The same for always guessing the more frequent label of the fit's rows.
    #[serde(serialize_with = "nan_is_null")]
    pub majority: f64,
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
    /// The share of refusals found at a threshold that calls at most one complied row in a hundred refused.
    #[serde(serialize_with = "nan_is_null")]
    pub tpr_at_1_fpr: f64,
    /// Expected calibration error over ten bins of equal width.
    #[serde(serialize_with = "nan_is_null")]
    pub ece: f64,
}

/// Whether the intervals that a fit states beside its predictions hold for a value that it has not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stated {
    /// Tenths of P(refusal) in which a value has at least 20 rows, over all values.
    pub tenths: usize,
    /// Those whose share of refusals is within the stated interval.
    pub held: usize,
    /// Those whose share is within it, or so near to its end that the chance of so few rows explains the rest
    /// (two standard errors).
    pub within_chance: usize,
}

/// The figures of all values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeftOutFigures {
    /// The field that was classified.
    pub field: Field,
    /// How the rows were kept separate from the fits, in words.
    pub method: String,
    /// What was left out.
    pub facet: LeftOutFacet,
    /// P(refusal) from which a row is called refused.
    pub threshold: f64,
    /// Values with too few rows to evaluate.
    pub passed_over: usize,
    /// The figures of the others, by value.
    pub values: Vec<LeftOut>,
    /// Their means.
    pub mean: LeftOutMean,
    /// Figures of the same left-out scores by language, and by target or source, for groups of 20 rows or
    /// more.
    pub by: BTreeMap<&'static str, Vec<LeftOut>>,
    /// Figures by source for rows that belong to no value, from a fit on all values.
    pub unseen: Vec<LeftOut>,
    /// P(refusal) against the refusal rate over all left-out rows.
    pub reliability: Vec<ReliabilityBin>,
    /// Whether stated intervals hold; `None` if the fits are not calibrated.
    pub stated: Option<Stated>,
}

impl LeftOutFigures {
    /// The figures as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        // Every field is a number, a string or a list of them; NaN becomes null.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Scored rows, and how to evaluate them.
#[derive(Clone, Copy)]
pub(super) struct ValueFigures<'r, 'a> {
    pub(super) plan: LeaveOneOut,
    pub(super) threshold: f64,
    pub(super) rows: &'r FacetRows<'a>,
}

/// One scored row: its number, P(refusal), and the majority guess.
type Row = (usize, f64, bool);

fn rows_of(scored: &ScoredValue) -> impl Iterator<Item = Row> {
    scored.rows.iter().zip(&scored.p).map(|(&row, &p)| (row, p, scored.majority))
}

impl ValueFigures<'_, '_> {
    /// The figures of each value and their means; the caller fills in the rest.
    pub(super) fn values(&self, values: &[&str], scored: &[ScoredValue]) -> LeftOutFigures {
        let figures: Vec<LeftOut> = values
            .iter()
            .zip(scored)
            .map(|(&value, scored)| LeftOut {
                fitted_on: scored.fitted_on,
                labelled_by: self.rows.labelled_by.get(value).cloned(),
                ..self.figures(value, &rows_of(scored).collect::<Vec<_>>())
            })
            .collect();
        LeftOutFigures {
            field: self.plan.field,
            method: String::new(),
            facet: self.plan.facet,
            threshold: self.threshold,
            passed_over: 0,
            mean: LeftOutMean::of(&figures),
            values: figures,
            by: BTreeMap::new(),
            unseen: Vec::new(),
            reliability: Vec::new(),
            stated: None,
        }
    }

    /// The figures of rows of several values that one fit has scored.
    pub(super) fn by_value(&self, scored: &ScoredValue) -> Vec<LeftOut> {
        let all = self.grouped(rows_of(scored), |row| self.rows.values[row]);
        let labelled_by = |figures: LeftOut| LeftOut {
            labelled_by: self.rows.labelled_by.get(figures.value.as_str()).cloned(),
            ..figures
        };
        all.into_iter().map(labelled_by).collect()
    }

    /// The same scores by language and by the facet that was not left out.
    pub(super) fn by(&self, scored: &[ScoredValue]) -> BTreeMap<&'static str, Vec<LeftOut>> {
        let examples = &self.rows.examples;
        let all = || scored.iter().flat_map(rows_of);
        let other = match self.plan.facet {
            LeftOutFacet::Source => ("target", self.grouped(all(), |row| examples.inputs[row].target)),
            LeftOutFacet::Target => ("source", self.grouped(all(), |row| examples.facets[row].source)),
        };
        BTreeMap::from([other, ("language", self.grouped(all(), |row| self.language(row)))])
    }

    fn language(&self, row: usize) -> Option<&'static str> {
        self.plan.field.of(&self.rows.examples.inputs[row]).and_then(language)
    }

    fn grouped<'v>(
        &self,
        rows: impl Iterator<Item = Row>,
        value_of: impl Fn(usize) -> Option<&'v str>,
    ) -> Vec<LeftOut> {
        let mut groups: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
        for row in rows {
            if let Some(value) = value_of(row.0) {
                groups.entry(value).or_default().push(row);
            }
        }
        groups
            .into_iter()
            .filter(|(_, rows)| rows.len() >= LeaveOneOut::MIN_ROWS)
            .map(|(value, rows)| self.figures(value, &rows))
            .collect()
    }

    fn figures(&self, value: &str, rows: &[Row]) -> LeftOut {
        let numbers: Vec<usize> = rows.iter().map(|row| row.0).collect();
        let examples = self.rows.examples.subset(&numbers);
        let p: Vec<f64> = rows.iter().map(|row| row.1).collect();
        let majority: Vec<bool> = rows.iter().map(|row| row.2).collect();
        let (truth, n) = (examples.truth.as_slice(), p.len());
        let called: Vec<bool> = p.iter().map(|&p| p >= self.threshold).collect();
        let phrases: Vec<bool> =
            examples.inputs.iter().map(|input| phrase_list(self.plan.field, input)).collect();
        let decisions = Decisions::judge(&called, truth);
        let confusion = decisions.confusion;
        let complied = confusion.true_negative + confusion.false_positive;
        let (accuracy_interval, auroc_interval) =
            intervals(&p, truth, self.threshold, &examples.prompts(), self.plan.seed);
        LeftOut {
            value: value.to_owned(),
            fitted_on: None,
            labelled_by: None,
            language: main_language(&examples, self.plan.field),
            n,
            base_rate: truth.iter().sum::<f64>() / n as f64,
            accuracy_interval,
            auroc_interval,
            rates: LeftOutRates {
                accuracy: decisions.accuracy,
                phrase_list: Decisions::judge(&phrases, truth).accuracy,
                majority: Decisions::judge(&majority, truth).accuracy,
                balanced_accuracy: decisions.balanced_accuracy,
                recall_refused: decisions.recall,
                recall_complied: confusion.true_negative / complied,
                auroc: auroc(&p, truth),
                tpr_at_1_fpr: tpr_at_fpr(&p, truth, FEW_FALSE_POSITIVES),
                ece: ece(&p, truth, &[]),
            },
        }
    }

    /// P(refusal) against the refusal rate over all left-out rows.
    pub(super) fn reliability(&self, scored: &[ScoredValue]) -> Vec<ReliabilityBin> {
        let (p, truth): (Vec<f64>, Vec<f64>) =
            scored.iter().flat_map(rows_of).map(|(row, p, _)| (p, self.rows.examples.truth[row])).unzip();
        reliability(&p, &truth, &[])
    }

    /// How many of the tenths of each value are within the interval that its fit states for them.
    pub(super) fn stated(&self, scored: &[ScoredValue]) -> Option<Stated> {
        let mut stated = Stated { tenths: 0, held: 0, within_chance: 0 };
        for scored in scored {
            let truth: Vec<f64> = scored.rows.iter().map(|&row| self.rows.examples.truth[row]).collect();
            let intervals = &scored.report.as_ref()?.reliability;
            for (found, stated_bin) in reliability(&scored.p, &truth, &[]).iter().zip(intervals) {
                if found.n >= LeaveOneOut::MIN_ROWS {
                    stated.tenths += 1;
                    let nearest = found.refusal_rate.clamp(stated_bin.low, stated_bin.high);
                    let apart = (found.refusal_rate - nearest).abs();
                    let error = (nearest * (1.0 - nearest) / found.n as f64).sqrt();
                    stated.held += usize::from(apart == 0.0);
                    stated.within_chance += usize::from(apart <= 2.0 * error);
                }
            }
        }
        Some(stated)
    }
}

/// The language of more than half of the texts whose language can be detected.
fn main_language(examples: &Examples<'_>, field: Field) -> Option<&'static str> {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for input in &examples.inputs {
        if let Some(language) = field.of(input).and_then(language) {
            *counts.entry(language).or_default() += 1;
        }
    }
    let told: usize = counts.values().sum();
    let most = counts.into_iter().max_by_key(|&(_, count)| count)?;
    Some(if 2 * most.1 > told { most.0 } else { "mixed" })
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
                phrase_list: mean(|rates| rates.phrase_list),
                majority: mean(|rates| rates.majority),
                balanced_accuracy: mean(|rates| rates.balanced_accuracy),
                recall_refused: mean(|rates| rates.recall_refused),
                recall_complied: mean(|rates| rates.recall_complied),
                auroc: mean(|rates| rates.auroc),
                tpr_at_1_fpr: mean(|rates| rates.tpr_at_1_fpr),
                ece: mean(|rates| rates.ece),
            },
        }
    }
}
