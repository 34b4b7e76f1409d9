//! Which of several targets a prompt should go to: each by its P(refusal) and its cost.
//!
//! The utility of a target is what an answer is worth, times the probability that one comes, less the cost of asking:
//! `value * (1 - P(refusal)) - cost`. How good the targets' answers are is not known here.

use demur_predictor::{Decision, Doubt, Model, Policy, Tier, Tiered};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::engine::rules;
use crate::engine::schema::{DecisionName, TierName};
use crate::engine::why::Why;

/// Most candidates of a request.
pub(crate) const MOST_CANDIDATES: usize = 100;
/// Longest name of a candidate in bytes.
const LONGEST_NAME: usize = 1000;

/// A target that a prompt may go to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"target": "gpt-4o-mini", "cost": 0.05}))]
pub(crate) struct Candidate {
    /// Its name; one that no predictor knows is answered for by the average target.
    #[schema(min_length = 1, max_length = 1000)]
    pub(crate) target: String,
    /// What it costs to ask it, in any unit. Default: 0.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub(crate) cost: f64,
}

/// What is said of a candidate.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Ranked {
    /// Its name, as it was given.
    pub(crate) target: String,
    /// The probability that it refuses.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) p_refusal: f64,
    /// By the policy.
    #[schema(value_type = DecisionName)]
    pub(crate) decision: Decision,
    /// What it costs to ask it.
    pub(crate) cost: f64,
    /// `value * (1 - p_refusal) - cost`.
    pub(crate) utility: f64,
    /// Whether the predictor knows it; else its `p_refusal` is that of the average target.
    pub(crate) known: bool,
    /// Of a model with an encoder tier, the tier that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TierName>)]
    pub(crate) tier: Option<Tier>,
    /// Why the prompt is held from it, where that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<Why>,
}

/// Candidates that were checked, with the names by which the model knows them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Router {
    candidates: Vec<Candidate>,
    known: Vec<Option<String>>,
    value: f64,
}

impl Router {
    /// Checks candidates, and what an answer is worth in the unit of their costs.
    ///
    /// # Errors
    /// The index of the candidate that is wrong, where it is one, and why.
    pub(crate) fn new(
        model: &Model,
        candidates: Vec<Candidate>,
        value: f64,
    ) -> Result<Self, (Option<usize>, String)> {
        check_candidates(&candidates)?;
        let known = |candidate: &Candidate| rules::known_as(model, &candidate.target).map(str::to_owned);
        let known = candidates.iter().map(known).collect();
        Ok(Self { candidates, known, value })
    }

    /// The candidates as inputs of the model; `None` is the average target.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Option<&str>> {
        self.known.iter().map(Option::as_deref)
    }

    /// The names that the model does not know.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &str> {
        let both = self.candidates.iter().zip(&self.known);
        both.filter(|(_, known)| known.is_none()).map(|(candidate, _)| candidate.target.as_str())
    }

    /// The place of a candidate.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.candidates.iter().position(|candidate| candidate.target == name)
    }

    /// The router's own copy of a candidate's name.
    pub(crate) fn own_name(&self, name: &str) -> Option<&str> {
        self.place(name).map(|at| self.candidates[at].target.as_str())
    }

    /// The candidates from the highest utility to the lowest, by their scores in the order of
    /// [`targets`](Self::targets); of equal ones, in their own order. Where there is a doubt about the prompt, nothing
    /// is decided for any.
    pub(crate) fn rank(
        &self,
        policy: Policy,
        scored: &[Tiered],
        doubt: Option<Doubt>,
        has_encoder: bool,
    ) -> Vec<Ranked> {
        let each = self.candidates.iter().zip(&self.known).zip(scored);
        let ranked = |((candidate, known), scored): ((&Candidate, &Option<String>), &Tiered)| Ranked {
            target: candidate.target.clone(),
            p_refusal: scored.p_refusal.get(),
            decision: policy.decide(scored.p_refusal).unless(doubt),
            cost: candidate.cost,
            utility: self.value * (1.0 - scored.p_refusal.get()) - candidate.cost,
            known: known.is_some(),
            tier: has_encoder.then_some(scored.tier),
            why: None,
        };
        let mut list: Vec<Ranked> = each.map(ranked).collect();
        list.sort_by(|a, b| b.utility.total_cmp(&a.utility));
        list
    }
}

/// The candidate to send to: the first that is not held; `None` where all are.
pub(crate) fn choice(ranked: &[Ranked]) -> Option<&Ranked> {
    ranked.iter().find(|candidate| candidate.decision != Decision::Hold)
}

/// Checks candidates by themselves.
///
/// # Errors
/// The index of the candidate that is wrong, where it is one, and why.
pub(crate) fn check_candidates(candidates: &[Candidate]) -> Result<(), (Option<usize>, String)> {
    if candidates.is_empty() || candidates.len() > MOST_CANDIDATES {
        let message = format!("{} candidates; it must be 1 to {MOST_CANDIDATES}", candidates.len());
        return Err((None, message));
    }
    for (at, Candidate { target, cost }) in candidates.iter().enumerate() {
        let wrong = if target.trim().is_empty() || target.len() > LONGEST_NAME {
            Some(format!("the name of a target has 1 to {LONGEST_NAME} bytes"))
        } else if !cost.is_finite() || *cost < 0.0 {
            Some("a cost must be a number from 0 up".to_owned())
        } else if candidates[..at].iter().any(|other| other.target == *target) {
            Some("this target is there twice".to_owned())
        } else {
            None
        };
        if let Some(message) = wrong {
            return Err((Some(at), message));
        }
    }
    Ok(())
}

/// Checks what an answer is worth.
///
/// # Errors
/// When it is no number above 0.
pub(crate) fn check_value(value: f64) -> Result<f64, String> {
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err("it must be a number above 0".to_owned()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::{Bundled, Found, Probability};

    use super::*;

    fn candidate(target: &str, cost: f64) -> Candidate {
        Candidate { target: target.to_owned(), cost }
    }

    #[test]
    fn candidates_are_ranked_by_utility_and_the_first_that_is_not_held_is_chosen() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let candidates =
            vec![candidate("openai/gpt-4o-mini", 0.0), candidate("nobody", 0.1), candidate("x", 0.7)];
        let router = Router::new(&model, candidates, 1.0).unwrap();
        assert_eq!(router.targets().collect::<Vec<_>>(), [Some("gpt-4o-mini"), None, None]);
        assert_eq!(router.unknown().collect::<Vec<_>>(), ["nobody", "x"]);
        let scored = [0.9, 0.6, 0.1].map(|p| Tiered {
            p_refusal: Probability::new(p).unwrap(),
            logit: 0.0,
            tier: Tier::Ngram,
            found: Found::default(),
        });
        let policy = Policy { send_below: 0.5, hold_from: 0.5 };
        let ranked = router.rank(policy, &scored, None, false);
        let names: Vec<&str> = ranked.iter().map(|ranked| ranked.target.as_str()).collect();
        assert_eq!(names, ["nobody", "x", "openai/gpt-4o-mini"]);
        assert!((ranked[0].utility - 0.3).abs() < 1e-12 && !ranked[0].known && ranked[2].known);
        assert_eq!(choice(&ranked).unwrap().target, "x");
        assert!(choice(&ranked[..1]).is_none());
        let unknown = router.rank(policy, &scored, Some(Doubt::UnknownWords), false);
        assert!(unknown.iter().all(|ranked| ranked.decision == Decision::Abstain));
        assert_eq!(choice(&unknown).unwrap().target, "nobody");
    }

    #[test]
    fn wrong_candidates_are_refused_with_their_place() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        for (candidates, at, said) in [
            (Vec::new(), None, "0 candidates"),
            (vec![candidate("a", 0.0); 101], None, "101 candidates"),
            (vec![candidate("a", 0.0), candidate(" ", 0.0)], Some(1), "the name"),
            (vec![candidate("a", -1.0)], Some(0), "a cost"),
            (vec![candidate("a", f64::NAN)], Some(0), "a cost"),
            (vec![candidate("a", 0.0), candidate("a", 1.0)], Some(1), "twice"),
        ] {
            let (found, message) = Router::new(&model, candidates, 1.0).unwrap_err();
            assert!(found == at && message.contains(said), "{message}");
        }
        assert!(check_value(0.0).is_err() && check_value(f64::INFINITY).is_err() && check_value(2.0).is_ok());
    }
}
