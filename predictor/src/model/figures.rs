//! The figures of a manifest for display: each beside the results of a majority guess and a list of phrases
//! on the same rows, and by whose labels.

use serde_json::Value;

use crate::model::manifest::Manifest;

/// The figures of one evaluation in a manifest, as cards and tables show them. A value that an older build
/// did not write is NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct FigureLine<'m> {
    /// The evaluation.
    pub name: &'m str,
    /// Rows scored.
    pub n: u64,
    /// Share of refusals among them.
    pub base_rate: f64,
    /// Share of correct decisions.
    pub accuracy: f64,
    /// The same for always guessing the more frequent label.
    pub majority: f64,
    /// The same for a short list of phrases.
    pub phrase_list: f64,
    /// Area under the ROC curve.
    pub auroc: f64,
    /// Expected calibration error.
    pub ece: f64,
    /// The name of the share of correct decisions: `accuracy` on labels of persons, else
    /// `agreement with ...`.
    pub measures: &'m str,
}

impl Manifest {
    /// The figures on rows that the fit has not seen, by the name of the evaluation.
    pub fn figure_lines(&self) -> impl Iterator<Item = FigureLine<'_>> {
        self.figures.iter().map(|(name, figures)| {
            let number = |path: &str| figures.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
            FigureLine {
                name,
                n: figures.get("n").and_then(Value::as_u64).unwrap_or_default(),
                base_rate: number("/base_rate"),
                accuracy: number("/accuracy"),
                majority: number("/baselines/majority/accuracy"),
                phrase_list: number("/baselines/phrase_list/accuracy"),
                auroc: number("/auroc"),
                ece: number("/ece"),
                measures: figures
                    .get("measures")
                    .and_then(Value::as_str)
                    .unwrap_or("agreement with labels of unknown origin"),
            }
        })
    }
}

/// A figure with three digits; a dash if there is none.
#[must_use]
pub fn three_digits(figure: f64) -> String {
    if figure.is_finite() { format!("{figure:.3}") } else { "-".to_owned() }
}
