//! How a model does on sources that its fit has not seen, beside what a majority guess and a list of phrases reach there.

use demur_data::Labeller;
use serde::{Deserialize, Serialize};

/// How a model does on sources that its recipe's fit left out whole: what it is worth on rows unlike its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOutReport {
    /// What these figures say of the model's limits, in one sentence for those who use it.
    pub limits: String,
    /// The figures of each source, sorted by name.
    pub sources: Vec<LeftOutSource>,
    /// Their mean, each source with both labels counting alike; `n` is the sum of theirs.
    pub mean: SourceFigures,
}

/// A source that was left out of the fit, and the figures on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOutSource {
    /// Its name.
    pub name: String,
    /// Who labelled it.
    pub labeller: Labeller,
    /// The figures.
    #[serde(flatten)]
    pub figures: SourceFigures,
}

/// Figures on left-out rows, with what a simple method reaches on the same beside them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SourceFigures {
    /// Rows judged.
    pub n: usize,
    /// Share of refusals among them.
    pub refused: f64,
    /// Share of right decisions; on labels of others than persons an agreement with those labels.
    pub accuracy: f64,
    /// The same of the more frequent label.
    pub majority: f64,
    /// The same of a short list of phrases.
    pub phrase_list: f64,
    /// Area under the ROC curve; absent where the rows have one label.
    pub auroc: Option<f64>,
    /// Expected calibration error over ten bins of equal width.
    pub ece: f64,
}
