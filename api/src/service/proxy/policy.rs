//! The policy of a proxy: what is judged, and what is done with a prompt that is held and with an answer that is a
//! refusal, for each target. `--policy` names its file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use serde::Deserialize;
use toml::Spanned;

use crate::engine::Usage;
use crate::engine::routing::{Candidate, check_candidates, check_value};
use crate::service::bodies::Thresholds;

/// How much of a streamed answer is held back, unless the policy says otherwise.
const HOLD_CHARS: usize = 200;
/// The most of it that a policy may ask for, so that what is held stays small.
const MOST_HOLD_CHARS: usize = 10_000;
/// How long it is held back, unless the policy says otherwise.
const HOLD_SECONDS: f64 = 2.0;
/// The longest that a policy may ask for.
const MOST_HOLD_SECONDS: f64 = 60.0;

/// Whether the policy is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Everything is sent and passed on, and headers say what was found.
    Observe,
    /// It is carried out.
    Enforce,
}

/// What is done with a prompt that could not be judged: it is too long, or too much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnFailure {
    /// It is sent.
    Open,
    /// It is answered with the failure.
    Closed,
}

/// What is done with a prompt that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PromptAction {
    /// It is sent and counted, and nothing is said.
    Pass,
    /// It is sent, and headers of the answer say that it was held.
    Annotate,
    /// It is answered 403.
    Reject,
    /// It is sent with the name of a target that is less likely to refuse.
    Reroute,
    /// It is sent to the fallback.
    Fallback,
}

/// What is done with an answer that is a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AnswerAction {
    /// It is passed on and counted, and nothing waits for that.
    Pass,
    /// It is passed on; where it does not stream, headers say that it is a refusal.
    Annotate,
    /// The fallback is asked instead.
    Fallback,
}

/// A probability in a policy.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
struct Share(f64);

impl TryFrom<f64> for Share {
    type Error = &'static str;

    fn try_from(share: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&share) { Ok(Self(share)) } else { Err("it must be from 0 to 1") }
    }
}

/// How many characters are held back.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "usize")]
struct HoldChars(usize);

impl TryFrom<usize> for HoldChars {
    type Error = String;

    fn try_from(chars: usize) -> Result<Self, Self::Error> {
        let is_right = (1..=MOST_HOLD_CHARS).contains(&chars);
        if is_right { Ok(Self(chars)) } else { Err(format!("it must be from 1 to {MOST_HOLD_CHARS}")) }
    }
}

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
struct HoldSeconds(f64);

impl TryFrom<f64> for HoldSeconds {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        let is_right = seconds > 0.0 && seconds <= MOST_HOLD_SECONDS;
        if is_right {
            Ok(Self(seconds))
        } else {
            Err(format!("it must be above 0 and at most {MOST_HOLD_SECONDS}"))
        }
    }
}

/// The rules for prompts, as a file has them.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct PromptRules {
    judge: Option<bool>,
    action: Option<Spanned<PromptAction>>,
    hold_from: Option<Share>,
    send_below: Option<Spanned<Share>>,
}

/// The rules for answers, as a file has them.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct AnswerRules {
    judge: Option<bool>,
    action: Option<Spanned<AnswerAction>>,
    hold_from: Option<Share>,
    hold_chars: Option<HoldChars>,
    hold_seconds: Option<HoldSeconds>,
}

/// The rules for one target, as a file has them.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TargetRules {
    prompts: PromptRules,
    answers: AnswerRules,
}

/// The targets that a prompt may be sent to, as a file has them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteRules {
    candidates: Spanned<Vec<Candidate>>,
    value: Option<Spanned<f64>>,
}

/// A file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PolicyFile {
    pub(crate) mode: Option<Mode>,
    pub(crate) on_failure: Option<OnFailure>,
    prompts: PromptRules,
    answers: AnswerRules,
    route: Option<RouteRules>,
    targets: BTreeMap<String, TargetRules>,
}

/// The rule for prompts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PromptRule {
    pub(crate) judge: bool,
    pub(crate) action: PromptAction,
    /// `None` for the model's own.
    pub(crate) thresholds: Option<Thresholds>,
}

/// The rule for answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AnswerRule {
    pub(crate) judge: bool,
    pub(crate) action: AnswerAction,
    /// From its `hold_from` up an answer is a refusal; `None` for the model's own.
    pub(crate) thresholds: Option<Thresholds>,
    /// How much of a streamed answer is held back to be judged.
    pub(crate) hold_chars: usize,
    /// For how long at most.
    pub(crate) hold_for: Duration,
}

/// The rules for a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rules {
    pub(crate) prompts: PromptRule,
    pub(crate) answers: AnswerRule,
}

/// The targets that a prompt may be sent to, and what an answer is worth.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RouteRule {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) value: f64,
}

/// A policy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProxyPolicy {
    general: Rules,
    targets: BTreeMap<String, Rules>,
    pub(crate) route: Option<RouteRule>,
}

impl ProxyPolicy {
    /// The rules for a target: its own, else those of its name without the vendor before its last `/`, else the general
    /// ones.
    pub(crate) fn of(&self, target: Option<&str>) -> &Rules {
        let own = target.and_then(|target| {
            let bare = target.rsplit('/').next().unwrap_or(target);
            self.targets.get(target).or_else(|| self.targets.get(bare))
        });
        own.unwrap_or(&self.general)
    }

    /// Whether answers to any target are judged.
    pub(crate) fn judges_answers(&self) -> bool {
        self.targets.values().chain([&self.general]).any(|rules| rules.answers.judge)
    }
}

/// What the rules of a file may use.
struct Means<'a> {
    text: &'a str,
    has_fallback: bool,
    has_route: bool,
}

impl Means<'_> {
    /// An error about the value that begins at this byte of the file.
    fn wrong(&self, at: usize, place: &str, message: &str) -> Usage {
        let line = self.text[..at.min(self.text.len())].matches('\n').count() + 1;
        Usage(format!("line {line}: {place}: {message}"))
    }

    fn check(&self, at: usize, place: &str, (fallback, reroute): (bool, bool)) -> Result<(), Usage> {
        if fallback && !self.has_fallback {
            let message = "there is no fallback; give --fallback NAME=URL,MODEL beside the policy";
            return Err(self.wrong(at, place, message));
        }
        if reroute && !self.has_route {
            return Err(self.wrong(at, place, "there is no [route] with candidates in the policy"));
        }
        Ok(())
    }
}

impl PromptRules {
    /// The rule of these, and of `general` where they leave something out.
    fn resolve(&self, general: &Self, place: &str, means: &Means<'_>) -> Result<PromptRule, Usage> {
        let place = |field: &str| format!("{place}prompts.{field}");
        let action = self.action.as_ref().or(general.action.as_ref());
        if let Some(action) = action {
            let needs =
                (*action.get_ref() == PromptAction::Fallback, *action.get_ref() == PromptAction::Reroute);
            means.check(action.span().start, &place("action"), needs)?;
        }
        let by_flags = if means.has_fallback { PromptAction::Fallback } else { PromptAction::Reject };
        let hold_from = self.hold_from.or(general.hold_from).map(|share| share.0);
        let thresholds = match (hold_from, self.send_below.as_ref().or(general.send_below.as_ref())) {
            (None, None) => None,
            (Some(hold_from), None) => Some(Thresholds { send_below: hold_from, hold_from }),
            (hold_from, Some(send_below)) => {
                let (at, send_below) = (send_below.span().start, send_below.get_ref().0);
                let wrong = |message: &str| means.wrong(at, &place("send-below"), message);
                let hold_from = hold_from.ok_or_else(|| wrong("it needs `hold-from` beside it"))?;
                if send_below > hold_from {
                    return Err(wrong(&format!("{send_below} is above `hold-from`, {hold_from}")));
                }
                Some(Thresholds { send_below, hold_from })
            }
        };
        Ok(PromptRule {
            judge: self.judge.or(general.judge).unwrap_or(true),
            action: action.map_or(by_flags, |action| *action.get_ref()),
            thresholds,
        })
    }
}

impl AnswerRules {
    fn resolve(&self, general: &Self, place: &str, means: &Means<'_>) -> Result<AnswerRule, Usage> {
        let action = self.action.as_ref().or(general.action.as_ref());
        if let Some(action) = action {
            let needs = (*action.get_ref() == AnswerAction::Fallback, false);
            means.check(action.span().start, &format!("{place}answers.action"), needs)?;
        }
        let by_flags = if means.has_fallback { AnswerAction::Fallback } else { AnswerAction::Annotate };
        let hold_from = self.hold_from.or(general.hold_from).map(|share| share.0);
        let seconds = self.hold_seconds.or(general.hold_seconds).map_or(HOLD_SECONDS, |seconds| seconds.0);
        Ok(AnswerRule {
            judge: self.judge.or(general.judge).unwrap_or(true),
            action: action.map_or(by_flags, |action| *action.get_ref()),
            thresholds: hold_from.map(|hold_from| Thresholds { send_below: hold_from, hold_from }),
            hold_chars: self.hold_chars.or(general.hold_chars).map_or(HOLD_CHARS, |chars| chars.0),
            hold_for: Duration::from_secs_f64(seconds),
        })
    }
}

/// Reads a file.
///
/// # Errors
/// When it cannot be read or has what no policy has; with line and field.
pub(crate) fn read(path: &Path) -> anyhow::Result<(PolicyFile, String)> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok((toml::from_str(&text).with_context(|| path.display().to_string())?, text))
}

impl PolicyFile {
    /// Checks what fields need of each other; `text` is the file's.
    ///
    /// # Errors
    /// With line and field.
    pub(crate) fn resolve(&self, text: &str, has_fallback: bool) -> Result<ProxyPolicy, Usage> {
        let means = Means { text, has_fallback, has_route: self.route.is_some() };
        let (none, no_answers) = (PromptRules::default(), AnswerRules::default());
        let general = Rules {
            prompts: self.prompts.resolve(&none, "", &means)?,
            answers: self.answers.resolve(&no_answers, "", &means)?,
        };
        let of_target = |(name, rules): (&String, &TargetRules)| {
            let place = format!("targets.\"{name}\".");
            let rules = Rules {
                prompts: rules.prompts.resolve(&self.prompts, &place, &means)?,
                answers: rules.answers.resolve(&self.answers, &place, &means)?,
            };
            Ok((name.clone(), rules))
        };
        let targets = self.targets.iter().map(of_target).collect::<Result<_, Usage>>()?;
        let route = self.route.as_ref().map(|route| route.resolve(&means)).transpose()?;
        Ok(ProxyPolicy { general, targets, route })
    }
}

impl RouteRules {
    fn resolve(&self, means: &Means<'_>) -> Result<RouteRule, Usage> {
        let candidates = self.candidates.get_ref().clone();
        check_candidates(&candidates).map_err(|(at, message)| {
            let place =
                at.map_or_else(|| "route.candidates".to_owned(), |at| format!("route.candidates[{at}]"));
            means.wrong(self.candidates.span().start, &place, &message)
        })?;
        let value = self.value.as_ref().map_or(Ok(1.0), |value| {
            check_value(*value.get_ref())
                .map_err(|message| means.wrong(value.span().start, "route.value", &message))
        });
        Ok(RouteRule { candidates, value: value? })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "policy_tests.rs"]
mod tests;
