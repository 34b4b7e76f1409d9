//! Which kind of answer a response is: a distribution over the refusal continuum, and the response's place on
//! it.
//!
//! The classifier is a multinomial logistic regression: each kind has a score that is linear in n-grams. The
//! distribution is the softmax of the scores, scaled by a temperature, and then made to agree with
//! P(refusal), so that no two numbers about one response contradict each other.

use demur_data::{Input, Kind, KindPolicy, Label};
use serde::{Deserialize, Serialize};

use crate::error::SettingsError;
use crate::ngram::ngram_model::View;
use crate::ngram::scratch::Scratch;
use crate::probability::Probability;

/// The settings of a kind model in the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindSettings {
    /// The kinds that it classifies into, in the order of the scores.
    pub kinds: Vec<Kind>,
    /// Each kind's score without any feature.
    pub bias: Vec<f64>,
    /// The scores are divided by it before the softmax.
    pub temperature: f64,
    /// Added to the logarithm of each probability when one kind must be named. Rare kinds would hardly ever
    /// be named by probability alone.
    pub naming: Vec<f64>,
    /// The binary label of each kind.
    pub policy: KindPolicy,
    /// Figures on out-of-fold scores of the training rows.
    pub report: KindReport,
}

/// Metrics of a kind model on rows that its fit had not seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindReport {
    /// Rows with a kind.
    pub rows: usize,
    /// Rows of each kind, in the order of the scores.
    pub support: Vec<usize>,
    /// Mean log loss of the distribution at temperature 1, in nats.
    pub log_loss_before: f64,
    /// The same at the temperature of the model.
    pub log_loss_after: f64,
    /// F1 of naming each kind, in the order of the scores.
    pub f1: Vec<f64>,
}

/// A distribution over kinds.
#[derive(Debug, Clone, PartialEq)]
pub struct KindDistribution {
    /// The probability of each kind that the model knows; they sum to 1.
    pub probabilities: Vec<(Kind, f64)>,
    /// The kind to name where one must be named.
    pub kind: Kind,
    /// The response's place on the continuum, from 0 (complied) to 1 (rejected): the expected place, without
    /// the kinds that are not on the continuum.
    pub degree: f64,
}

/// Classifies responses into kinds.
#[derive(Debug, Clone)]
pub struct KindModel {
    settings: KindSettings,
    views: Vec<View>,
    /// Feature after feature, one weight per kind.
    weights: Vec<f32>,
}

impl KindModel {
    /// Puts a model together.
    ///
    /// # Errors
    /// [`SettingsError`] when numbers do not fit together or are not finite.
    pub fn new(settings: KindSettings, views: Vec<View>, weights: Vec<f32>) -> Result<Self, SettingsError> {
        let kinds = settings.kinds.len();
        let features = views.iter().map(|view| view.vectorizer.len()).sum::<usize>() * kinds;
        for (weights, features) in
            [(weights.len(), features), (settings.bias.len(), kinds), (settings.naming.len(), kinds)]
        {
            if weights != features {
                return Err(SettingsError::Weights { weights, features });
            }
        }
        let of_kinds = settings.bias.iter().chain(&settings.naming);
        let singles = weights.iter().map(|&weight| f64::from(weight));
        let good_temperature = settings.temperature.is_finite() && settings.temperature > 0.0;
        if kinds == 0 || !good_temperature || !of_kinds.copied().chain(singles).all(f64::is_finite) {
            return Err(SettingsError::NotFinite { what: "number of the kind model" });
        }
        Ok(Self { settings, views, weights })
    }

    /// Its settings, as in the manifest.
    #[must_use]
    pub const fn settings(&self) -> &KindSettings {
        &self.settings
    }

    /// Its views, in the order of the features.
    #[must_use]
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// One weight per feature and kind; those of a feature are next to each other.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The score of each kind, before temperature and softmax.
    #[must_use]
    pub fn scores(&self, input: &Input<'_>, scratch: &mut Scratch) -> Vec<f64> {
        let kinds = self.settings.kinds.len();
        let mut scores = self.settings.bias.clone();
        let mut weights = self.weights.as_slice();
        for view in &self.views {
            for (feature, value) in view.vectorizer.transform(view.settings.text(input), scratch) {
                let start = feature as usize * kinds;
                for (score, &weight) in scores.iter_mut().zip(&weights[start..start + kinds]) {
                    *score += value * f64::from(weight);
                }
            }
            weights = &weights[view.vectorizer.len() * kinds..];
        }
        scores
    }

    /// The distribution for some scores, made to agree with P(refusal): the refused kinds get this share of
    /// the probability of all kinds with a binary label.
    #[must_use]
    pub fn distribution(&self, scores: &[f64], p_refusal: Probability) -> KindDistribution {
        let mut p = softmax(scores, self.settings.temperature);
        let label = |kind: &Kind| self.settings.policy.label(*kind);
        let mass = |p: &[f64], wanted: Option<Label>| -> f64 {
            self.settings.kinds.iter().zip(p).filter(|(kind, _)| label(kind) == wanted).map(|(_, p)| p).sum()
        };
        let (refused, complied) = (mass(&p, Some(Label::Refused)), mass(&p, Some(Label::Complied)));
        let decided = refused + complied;
        // Rescale both sides to P(refusal) and its complement; kinds without a label keep their mass.
        let wanted = |share: f64, found: f64| if found > 0.0 { decided * share / found } else { 1.0 };
        let refused = wanted(p_refusal.get(), refused);
        let complied = wanted(1.0 - p_refusal.get(), complied);
        for (kind, p) in self.settings.kinds.iter().zip(&mut p) {
            *p *= match label(kind) {
                Some(Label::Refused) => refused,
                Some(Label::Complied) => complied,
                None => 1.0,
            };
        }
        let sum: f64 = p.iter().sum();
        p.iter_mut().for_each(|p| *p /= sum);
        let named = |at: usize| p[at].max(f64::MIN_POSITIVE).ln() + self.settings.naming[at];
        let kind = (0..p.len()).max_by(|&a, &b| named(a).total_cmp(&named(b)).then(b.cmp(&a)));
        let probabilities: Vec<(Kind, f64)> = self.settings.kinds.iter().copied().zip(p).collect();
        let placed = probabilities.iter().filter_map(|(kind, p)| Some((place(*kind)?, *p)));
        let (sum, weight) =
            placed.fold((0.0, 0.0), |(sum, weight), (place, p)| (place.mul_add(p, sum), weight + p));
        KindDistribution {
            // A model has at least one kind.
            kind: kind.map_or(Kind::Complied, |at| probabilities[at].0),
            probabilities,
            degree: if weight > 0.0 { sum / weight } else { 0.0 },
        }
    }

    /// The distribution over kinds of an input whose P(refusal) is known.
    #[must_use]
    pub fn predict(
        &self,
        input: &Input<'_>,
        p_refusal: Probability,
        scratch: &mut Scratch,
    ) -> KindDistribution {
        self.distribution(&self.scores(input, scratch), p_refusal)
    }
}

/// The place of a kind on the continuum from 0, complied, to 1, rejected, in even steps; `None` for kinds
/// that are not on it.
#[must_use]
pub fn place(kind: Kind) -> Option<f64> {
    let steps = [
        Kind::Complied,
        Kind::Disclaimed,
        Kind::Contradicted,
        Kind::Redirected,
        Kind::Counseling,
        Kind::Rejected,
    ];
    steps.iter().position(|&step| step == kind).map(|at| at as f64 / (steps.len() - 1) as f64)
}

/// The softmax of some scores at a temperature.
#[must_use]
pub fn softmax(scores: &[f64], temperature: f64) -> Vec<f64> {
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut p: Vec<f64> = scores.iter().map(|score| ((score - top) / temperature).exp()).collect();
    let sum: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= sum);
    p
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn settings(kinds: Vec<Kind>) -> KindSettings {
        let zeros = vec![0.0; kinds.len()];
        KindSettings {
            bias: zeros.clone(),
            naming: zeros,
            kinds,
            temperature: 1.0,
            policy: KindPolicy::default(),
            report: KindReport::default(),
        }
    }

    fn model(settings: KindSettings) -> Result<KindModel, SettingsError> {
        KindModel::new(settings, Vec::new(), Vec::new())
    }

    fn p(probability: f64) -> Probability {
        Probability::new(probability).unwrap()
    }

    #[test]
    fn the_distribution_agrees_with_p_refusal() {
        let kinds = vec![Kind::Complied, Kind::Contradicted, Kind::Rejected, Kind::DontKnow];
        let model = model(settings(kinds)).unwrap();
        for p_refusal in [0.0, 0.2, 0.5, 0.9, 1.0] {
            let found = model.distribution(&[0.3, -1.0, 2.0, 0.1], p(p_refusal));
            let of = |kind| found.probabilities.iter().find(|(known, _)| *known == kind).unwrap().1;
            let refused = of(Kind::Contradicted) + of(Kind::Rejected);
            assert!((refused / (refused + of(Kind::Complied)) - p_refusal).abs() < 1e-12);
            assert!((found.probabilities.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-12);
            assert!((0.0..=1.0).contains(&found.degree));
        }
        assert_eq!(model.distribution(&[0.0; 4], p(0.0)).degree, 0.0);
        assert_eq!(model.distribution(&[0.0, -90.0, 0.0, 0.0], p(1.0)).degree, 1.0);
        assert_eq!(model.distribution(&[0.0, 0.0, 3.0, 0.0], p(0.9)).kind, Kind::Rejected);
    }

    #[test]
    fn naming_lets_a_rare_kind_be_named() {
        let mut settings = settings(vec![Kind::Complied, Kind::Contradicted, Kind::Rejected]);
        let scores = [0.0, 0.0, 1.0];
        assert_eq!(model(settings.clone()).unwrap().distribution(&scores, p(0.8)).kind, Kind::Rejected);
        settings.naming = vec![0.0, 1.5, 0.0];
        assert_eq!(model(settings).unwrap().distribution(&scores, p(0.8)).kind, Kind::Contradicted);
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        let mut short = settings(vec![Kind::Complied, Kind::Rejected]);
        short.bias.pop();
        assert!(matches!(model(short), Err(SettingsError::Weights { weights: 1, features: 2 })));
        let mut cold = settings(vec![Kind::Complied, Kind::Rejected]);
        cold.temperature = 0.0;
        assert!(matches!(model(cold), Err(SettingsError::NotFinite { .. })));
        assert!(model(settings(Vec::new())).is_err());
    }

    #[test]
    fn places_run_from_complied_to_rejected() {
        assert_eq!((place(Kind::Complied), place(Kind::Rejected)), (Some(0.0), Some(1.0)));
        assert_eq!((place(Kind::DontKnow), place(Kind::Incoherent)), (None, None));
    }
}
