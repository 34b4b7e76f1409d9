//! The figures of a manifest as they are shown: each beside what a majority guess and a list of phrases reach on the same
//! rows, and by whose labels.

use serde_json::Value;

use crate::model::manifest::Manifest;

/// The figures of one evaluation in a manifest, as cards and tables show them. What a model of before did not write is NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct FigureLine<'m> {
    /// The evaluation.
    pub name: &'m str,
    /// Rows judged.
    pub n: u64,
    /// Share of refusals among them.
    pub base_rate: f64,
    /// Share of right decisions.
    pub accuracy: f64,
    /// The same of the more frequent label.
    pub majority: f64,
    /// The same of a short list of phrases.
    pub phrase_list: f64,
    /// Area under the ROC curve.
    pub auroc: f64,
    /// Expected calibration error.
    pub ece: f64,
    /// What the share of right decisions is: `accuracy` on labels of persons, else `agreement with ...`.
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

/// A figure with three digits; a dash where there is none.
#[must_use]
pub fn three_digits(figure: f64) -> String {
    if figure.is_finite() { format!("{figure:.3}") } else { "-".to_owned() }
}
