//! What a model has learned of contexts: what it adds to the logit that a prompt is sent behind a system
//! prompt, behind a known one, and to a target that can act.
//!
//! A system prompt may be a secret, so a model knows it by a digest alone. A prompt without any, in a chat,
//! is what all others are compared with: it adds nothing.

use std::collections::BTreeMap;

use demur_data::{Input, Mode, normalise};
use serde::{Deserialize, Serialize};

use crate::model::Model;
use crate::model::digest::sha256;

/// How many hexadecimal digits of SHA-256 name a system prompt: 64 bits.
const DIGITS: usize = 16;

/// A shift of the logit, and the rows that it was learned from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// What is added: above 0 it speaks for refusal.
    pub shift: f32,
    /// Rows of the fit in this context.
    pub rows: usize,
}

/// What contexts add to a logit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextShifts {
    /// Any system prompt; absent if the fit had too few rows behind one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<Shift>,
    /// A target that can act; absent if the fit had too few rows of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Shift>,
    /// Single system prompts by [`system_digest`], in addition to `system`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub systems: BTreeMap<String, Shift>,
}

/// The name of a system prompt: the first 16 hexadecimal digits of SHA-256 of its
/// [normalised](demur_data::normalise) text.
#[must_use]
pub fn system_digest(system: &str) -> String {
    let mut digest = sha256(normalise(system).as_bytes());
    digest.truncate(DIGITS);
    digest
}

impl ContextShifts {
    /// Every shift with its name: `system`, `system:DIGEST`, `agent`.
    pub fn all(&self) -> impl Iterator<Item = (String, Shift)> {
        let known = self.systems.iter().map(|(digest, &shift)| (format!("system:{digest}"), shift));
        let of = |name: &str, shift: Option<Shift>| shift.map(|shift| (name.to_owned(), shift));
        of("system", self.system).into_iter().chain(known).chain(of("agent", self.agent))
    }

    /// The shifts of an input's context, by the names of [`all`](Self::all).
    pub fn of(&self, input: &Input<'_>) -> impl Iterator<Item = (String, f32)> {
        let known = input.system.filter(|_| !self.systems.is_empty()).map(system_digest);
        let known =
            known.and_then(|digest| Some((format!("system:{digest}"), self.systems.get(&digest)?.shift)));
        let any = self.system.filter(|_| input.system.is_some());
        let agent = self.agent.filter(|_| input.mode == Mode::Agent);
        let of = |name: &str, shift: Option<Shift>| shift.map(|shift| (name.to_owned(), shift.shift));
        of("system", any).into_iter().chain(known).chain(of("agent", agent))
    }
}

impl Model {
    /// Whether a system prompt changes its predictions.
    #[must_use]
    pub fn reads_system(&self) -> bool {
        let shifts = self.scorer().dense().contexts.as_ref();
        self.scorer().reads_words_of_system()
            || shifts.is_some_and(|shifts| shifts.system.is_some() || !shifts.systems.is_empty())
    }

    /// Whether it changes its predictions that the target can act.
    #[must_use]
    pub fn reads_mode(&self) -> bool {
        self.scorer().dense().contexts.as_ref().is_some_and(|shifts| shifts.agent.is_some())
    }

    /// Whether the fit learned this system prompt by itself, and not only what it shares with others.
    #[must_use]
    pub fn knows_system(&self, system: &str) -> bool {
        let shifts = self.scorer().dense().contexts.as_ref();
        shifts.is_some_and(|shifts| shifts.systems.contains_key(&system_digest(system)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shifts() -> ContextShifts {
        let of = |shift, rows| Shift { shift, rows };
        ContextShifts {
            system: Some(of(0.5, 60)),
            agent: Some(of(-1.0, 20)),
            systems: BTreeMap::from([(system_digest("Be brief."), of(2.0, 30))]),
        }
    }

    fn sum(input: Input<'_>) -> f32 {
        shifts().of(&input).map(|(_, shift)| shift).sum()
    }

    #[test]
    fn a_context_adds_its_general_shift_and_its_own() {
        let prompt = Input::prompt("p");
        assert_eq!(sum(prompt), 0.0);
        assert_eq!(sum(Input { system: Some("Never seen."), ..prompt }), 0.5);
        assert_eq!(
            sum(Input { system: Some(" be BRIEF!"), ..prompt }),
            2.5,
            "it is known by its normalised text"
        );
        assert_eq!(sum(Input { system: Some("Be brief."), mode: Mode::Agent, ..prompt }), 1.5);
    }

    #[test]
    fn a_system_prompt_is_named_by_a_digest_alone() {
        let names: Vec<String> = shifts().all().map(|(name, _)| name).collect();
        assert_eq!(names, ["system", &format!("system:{}", system_digest("Be brief.")), "agent"]);
        assert_eq!(system_digest("Be brief.").len(), 16);
    }
}
