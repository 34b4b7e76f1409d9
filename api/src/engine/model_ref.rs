//! The model behind an answer and its quality, in the same form in every answer.

use demur_predictor::{LeftOutReport, Model, SourceFigures};
use serde::Serialize;
use utoipa::ToSchema;

/// A predictor or classifier.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ModelRef {
    /// The name that requests choose it by.
    #[schema(example = "prompt")]
    pub(crate) name: String,
    /// SHA-256 of its manifest, which holds the digests of all else: the same digest, the same answers.
    pub(crate) digest: String,
    /// What it is worth on sources that its fit has not seen; null where that was not measured. `/v1/models` has the figures
    /// of each source.
    pub(crate) left_out: Option<LeftOutShort>,
}

/// Means over the sources that a fit left out, each source counting alike.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LeftOutShort {
    /// What the figures say of the model's limits.
    pub(crate) limits: String,
    /// How many sources they are.
    pub(crate) sources: usize,
    /// Share of decisions that agree with the sources' labels.
    pub(crate) agreement: f64,
    /// The same of the more frequent label.
    pub(crate) majority: f64,
    /// The same of a short list of phrases.
    pub(crate) phrase_list: f64,
    /// Area under the ROC curve.
    pub(crate) auroc: Option<f64>,
}

impl From<&LeftOutReport> for LeftOutShort {
    fn from(report: &LeftOutReport) -> Self {
        let SourceFigures { accuracy, majority, phrase_list, auroc, .. } = report.mean;
        let (limits, sources) = (report.limits.clone(), report.sources.len());
        Self { limits, sources, agreement: accuracy, majority, phrase_list, auroc }
    }
}

impl ModelRef {
    /// Describes a model under the name that requests use.
    pub(crate) fn named(name: String, model: &Model) -> Self {
        let left_out = model.manifest().left_out.as_ref().map(Into::into);
        Self { name, digest: model.digest().to_owned(), left_out }
    }
}
