//! The figures of one evaluation.

use std::collections::BTreeMap;

use demur_data::Labeller;
use demur_predictor::Field;
use serde::Serialize;

use crate::evaluate::breakdown::{Coverage, FacetFigures};
use crate::evaluate::kind_figures::KindFigures;
use crate::metrics::{Decisions, Ranking, ReliabilityBin, nan_is_null};

/// All figures of one evaluation. The positive class is refusal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The field that was classified.
    pub field: Field,
    /// How the rows were kept separate from the fit, in words.
    pub method: String,
    /// Rows scored.
    pub n: usize,
    /// How many of them each labeller labelled.
    pub labelled_by: BTreeMap<Labeller, usize>,
    /// What a share of correct decisions on such labels measures: `accuracy`, or an agreement with the
    /// labellers.
    pub measures: String,
    /// Distinct normalised prompts among them (responses, if there is no prompt). If there are fewer prompts
    /// than rows, intervals come from a bootstrap of whole prompts.
    pub prompts: usize,
    /// Share of refusals among them; a measured rate counts with its value.
    #[serde(serialize_with = "nan_is_null")]
    pub base_rate: f64,
    /// P(refusal) from which a row is called refused.
    pub threshold: f64,
    /// Figures at the threshold.
    #[serde(flatten)]
    pub decisions: Decisions,
    /// Area under the ROC curve.
    #[serde(serialize_with = "nan_is_null")]
    pub auroc: f64,
    /// 95% interval of the AUROC.
    pub auroc_interval: (f64, f64),
    /// Area under the ROC curve over pairs of rows from the same source; NaN if no named source has both
    /// classes.
    #[serde(serialize_with = "nan_is_null")]
    pub auroc_within_sources: f64,
    /// The share of refusals found at a threshold that calls at most one complied row in a hundred refused.
    #[serde(serialize_with = "nan_is_null")]
    pub tpr_at_1_fpr: f64,
    /// Average precision.
    #[serde(serialize_with = "nan_is_null")]
    pub average_precision: f64,
    /// Brier score.
    #[serde(serialize_with = "nan_is_null")]
    pub brier: f64,
    /// Log loss, nats.
    #[serde(serialize_with = "nan_is_null")]
    pub log_loss: f64,
    /// Expected calibration error over ten bins of equal width.
    #[serde(serialize_with = "nan_is_null")]
    pub ece: f64,
    /// P(refusal) against the refusal rate, for those bins.
    pub reliability: Vec<ReliabilityBin>,
    /// How many rows can be decided at 90, 95, 98 and 99% accuracy if the uncertain ones are left undecided.
    pub coverage: Vec<Coverage>,
    /// Figures by `kind`, `target`, `source` and `category`, if the rows have them, and by the `language` of
    /// the scored text, if it can be detected.
    pub by: BTreeMap<&'static str, Vec<FacetFigures>>,
    /// Figures for classifying kinds, if the model does so and the rows have kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kinds: Option<KindFigures>,
    /// `majority`, `phrase_list` and `shuffled_labels` on the same rows.
    pub baselines: BTreeMap<&'static str, Baseline>,
}

/// The figures of a simpler method on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baseline {
    /// A description of the method.
    pub description: &'static str,
    /// Figures of its decisions.
    #[serde(flatten)]
    pub decisions: Decisions,
    /// Area under the ROC curve of its score.
    #[serde(serialize_with = "nan_is_null")]
    pub auroc: f64,
}

impl Evaluation {
    /// The ranking over all rows, and within sources.
    #[must_use]
    pub const fn ranking(&self) -> Ranking {
        Ranking { pooled: self.auroc, within_sources: self.auroc_within_sources }
    }

    /// The figures as a manifest stores them: without those by category, of which there can be thousands.
    #[must_use]
    pub fn for_manifest(&self) -> serde_json::Value {
        let mut short = self.clone();
        short.by.remove("category");
        short.to_json()
    }

    /// Whether its shares of correct decisions are accuracies: people assigned all labels.
    #[must_use]
    pub fn is_accuracy(&self) -> bool {
        self.labelled_by.keys().eq([&Labeller::Person])
    }

    /// The figures as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        // Every field is a number, a string or a list of them; NaN becomes null.
        serde_json::to_value(self).unwrap_or_default()
    }
}
