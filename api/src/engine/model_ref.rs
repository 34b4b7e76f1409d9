//! The model behind an answer and its quality, in the same form in every answer.

use std::ops::Deref;
use std::sync::Arc;

use demur_predictor::{LeftOutReport, Model, SourceFigures};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

/// The model behind an answer. It is the same in all answers of a model, so its JSON is made once.
#[derive(Debug, Clone)]
pub(crate) struct ModelRef(Arc<Written>);

#[derive(Debug)]
struct Written {
    described: Described,
    /// `None` if it cannot be written beforehand.
    json: Option<Box<RawValue>>,
}

/// A predictor or classifier.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelRef)]
pub(crate) struct Described {
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
#[derive(Debug, Serialize, ToSchema)]
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
        let described = Described { name, digest: model.digest().to_owned(), left_out };
        let json = to_raw_value(&described).ok();
        Self(Arc::new(Written { described, json }))
    }
}

impl Deref for ModelRef {
    type Target = Described;

    fn deref(&self) -> &Described {
        &self.0.described
    }
}

impl Serialize for ModelRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.json {
            Some(json) => json.serialize(serializer),
            None => self.0.described.serialize(serializer),
        }
    }
}
