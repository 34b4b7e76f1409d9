//! Lines that a service learns from feedback: small corrections behind what a model says of its targets.
//!
//! Such a line is kept in the form of a placed target ([`PlacedTarget`]), so it has a digest of its own. It
//! differs in what it starts from: not the average target, but whatever the model says of this target without
//! it, be that a target that the fit knows, one that was placed, or one that nobody knows. Predictions of
//! other models, of another base rate or of another placed file are another basis, which the line does not
//! fit.

use demur_data::Input;
use serde::{Deserialize, Serialize};

use crate::model::Model;
use crate::model::digest::sha256;
use crate::placed::{PlacedTarget, TargetLine, finite_log_odds};
use crate::probability::Probability;

/// What a learned line starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learned {
    /// [`Model::basis`] of the predictions that it corrects.
    pub basis: String,
    /// The digest of the line before it; `None` of the first.
    pub before: Option<String>,
    /// The number of the last feedback that was learned from, in its store.
    pub until: i64,
    /// Feedback of this time and before is not learned from: milliseconds since 1970, when somebody went
    /// back.
    pub since: i64,
}

/// What a model keeps of a learned line.
#[derive(Debug, Clone)]
pub(crate) struct LearnedInUse {
    line: TargetLine,
    sha256: String,
}

impl TargetLine {
    /// The average target's log-odds, from those of the target.
    #[must_use]
    pub fn average(&self, log_odds: f64) -> f64 {
        self.pivot + (log_odds - self.pivot - self.intercept) / self.slope
    }

    /// Whether it moves nothing.
    #[must_use]
    pub fn is_neutral(&self) -> bool {
        self.intercept == 0.0 && self.slope == 1.0
    }
}

impl Model {
    /// What predictions for a target depend on, apart from learned lines: the model, the file of a placed
    /// target, the base rate.
    #[must_use]
    pub fn basis(&self, target: &str) -> String {
        let placed = self.placed.get(target).map_or("", |placed| placed.sha256.as_str());
        let text = format!("{} {placed} {:e}", self.digest(), self.prior_shift());
        sha256(text.as_bytes())[..16].to_owned()
    }

    /// Whether a learned line corrects this model's predictions.
    #[must_use]
    pub fn fits(&self, line: &PlacedTarget) -> bool {
        let basis = line.learned.as_ref().map(|learned| &learned.basis);
        line.model.digest == self.digest() && basis.is_some_and(|basis| *basis == self.basis(&line.name))
    }

    /// The same model with those of these learned lines that [fit](Self::fits) and move anything, in place of
    /// those that it has.
    #[must_use]
    pub fn with_learned(&self, lines: &[PlacedTarget]) -> Self {
        let own = lines.iter().filter(|line| self.fits(line) && !line.line.is_neutral());
        let in_use = |line: &PlacedTarget| {
            (line.name.clone(), LearnedInUse { line: line.line, sha256: line.sha256.clone() })
        };
        let mut model = self.clone();
        model.learned = own.map(in_use).collect();
        model
    }

    /// The digest of a learned line's file; `None` for a target without one.
    #[must_use]
    pub fn learned_digest(&self, target: &str) -> Option<&str> {
        self.learned.get(target).map(|learned| learned.sha256.as_str())
    }

    /// The log-odds of a prediction for a target as they are without a learned line.
    #[must_use]
    pub fn unlearned(&self, p_refusal: Probability, target: &str) -> f64 {
        let log_odds = finite_log_odds(p_refusal);
        self.learned.get(target).map_or(log_odds, |learned| learned.line.average(log_odds))
    }

    /// A probability for the input's target as its learned line moves it, where it has one.
    pub(crate) fn as_learned(&self, p_refusal: Probability, input: &Input<'_>) -> Probability {
        let learned = input.target.and_then(|target| self.learned.get(target));
        learned.map_or(p_refusal, |learned| learned.line.apply(p_refusal))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Bundled, PLACED_FORMAT, PlacedFigures, PlacedIn, Scratch};

    fn line(model: &Model, name: &str, line: TargetLine) -> PlacedTarget {
        let (before, until, since) = (None, 7, 0);
        PlacedTarget {
            format: PLACED_FORMAT,
            polarity: "refused=1".to_owned(),
            written_by: "demur".to_owned(),
            name: name.to_owned(),
            model: PlacedIn { name: model.manifest().name.clone(), digest: model.digest().to_owned() },
            line,
            ngrams: Vec::new(),
            prompts: 50,
            answers: 50,
            refused: 0.5,
            ordinary: 0.0,
            figures: PlacedFigures {
                average_log_loss: 0.7,
                log_loss: 0.5,
                average_accuracy: 0.6,
                accuracy: 0.8,
                majority: 0.7,
            },
            training: Vec::new(),
            learned: Some(Learned { basis: model.basis(name), before, until, since }),
            sha256: String::new(),
        }
        .sealed()
        .unwrap()
    }

    #[test]
    fn a_learned_line_moves_its_target_alone_and_is_known_again() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let up = TargetLine { pivot: -3.0, intercept: 1.0, slope: 1.5 };
        let lines = [line(&model, "gpt-4o-mini", up), line(&model, "nobody", up)];
        let learned = model.with_learned(&lines);
        let p = |model: &Model, target| {
            let input = Input { target, ..Input::prompt("How do I pick a lock?") };
            model.predict_ngrams(&input, &mut Scratch::default()).p_refusal
        };
        for target in ["gpt-4o-mini", "nobody"] {
            let (before, after) = (p(&model, Some(target)), p(&learned, Some(target)));
            assert!((finite_log_odds(after) - up.log_odds(finite_log_odds(before))).abs() < 1e-9);
            assert!((learned.unlearned(after, target) - finite_log_odds(before)).abs() < 1e-9);
            assert!(learned.knows_target(target) && learned.known_targets().contains(&target));
            assert_ne!(learned.placed_digest(target), model.placed_digest(target));
            assert_eq!(learned.basis(target), model.basis(target), "what it corrects stays");
        }
        assert_eq!(p(&model, None), p(&learned, None));
        // The lines are replaced as a whole, and one that moves nothing is none.
        let flat = TargetLine { pivot: -3.0, intercept: 0.0, slope: 1.0 };
        let again = learned.with_learned(&[line(&model, "nobody", flat)]);
        assert!(!again.knows_target("nobody") && again.learned_digest("gpt-4o-mini").is_none());
    }

    #[test]
    fn a_line_of_another_basis_is_not_used_and_one_is_no_placed_target() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let up = TargetLine { pivot: -3.0, intercept: 1.0, slope: 1.0 };
        let own = line(&model, "gpt-4o-mini", up);
        let moved = model.clone().at_base_rate(0.2).unwrap();
        assert!(model.fits(&own) && !moved.fits(&own));
        assert!(moved.with_learned(std::slice::from_ref(&own)).learned_digest("gpt-4o-mini").is_none());
        let error = model.with_placed(own).unwrap_err();
        assert!(error.to_string().contains("--learn-online"), "{error}");
    }
}
