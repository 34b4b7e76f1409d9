//! A model's metrics on sources that its fit has not seen, beside the results of a majority guess and a list
//! of phrases.

use demur_data::Labeller;
use serde::{Deserialize, Serialize};

/// A model's metrics on sources that its recipe's fit left out whole: its quality on rows unlike its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOutReport {
    /// The model's limits according to these figures, in one sentence for its users.
    pub limits: String,
    /// The figures of each source, sorted by name.
    pub sources: Vec<LeftOutSource>,
    /// Their mean, where each source with both labels has the same weight; `n` is the sum of theirs.
    pub mean: SourceFigures,
}

/// A source that was left out of the fit, and its figures.
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

/// Figures on left-out rows, beside those of simple methods on the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SourceFigures {
    /// Rows scored.
    pub n: usize,
    /// Share of refusals among them.
    pub refused: f64,
    /// Share of correct decisions; on labels not from persons, an agreement with those labels.
    pub accuracy: f64,
    /// The same for always guessing the more frequent label.
    pub majority: f64,
    /// The same for a short list of phrases.
    pub phrase_list: f64,
    /// Area under the ROC curve; absent if the rows have only one label.
    pub auroc: Option<f64>,
    /// Expected calibration error over ten bins of equal width.
    pub ece: f64,
}
