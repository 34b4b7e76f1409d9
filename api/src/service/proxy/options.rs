//! The flags of `demur proxy`, and what they mean together: the upstream, its fallbacks, the policy.

use std::path::PathBuf;

use anyhow::Context;

use crate::engine::Usage;
use crate::service::proxy::address::address;
use crate::service::proxy::fallback::{Fallback, Key};
use crate::service::proxy::policy::{self, Mode, OnFailure, PolicyFile, ProxyPolicy};

/// The flags.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ProxyOptions {
    /// Where requests go: the address of the API, without the path that its clients add.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: String,
    /// Where a held prompt goes, or one whose answer is a refusal: an address as of the upstream, and the models to ask
    /// there; may be repeated, and is tried in order. Its key is read from `DEMUR_FALLBACK_KEY_NAME`.
    #[arg(long, value_name = "NAME=URL,MODEL[,MODEL]")]
    pub(crate) fallback: Vec<String>,
    /// What is judged, and what is done with a held prompt and a refused answer, for each model: a TOML file. Default:
    /// they go to the fallback; without one, a held prompt is answered 403.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Whether the policy is carried out: `observe` sends everything and says in headers what was found, `enforce` does
    /// what the policy says. Default: that of the policy's file, else observe.
    #[arg(long, value_name = "MODE", hide_possible_values = true)]
    pub(crate) mode: Option<Mode>,
    /// What becomes of a prompt that could not be judged: `open` sends it, `closed` answers with the failure. Default: that
    /// of the policy's file, else open.
    #[arg(long, value_name = "OPEN_OR_CLOSED", hide_possible_values = true)]
    pub(crate) on_failure: Option<OnFailure>,
    /// The same as `--on-failure closed`.
    #[arg(long, conflicts_with = "on_failure")]
    pub(crate) fail_closed: bool,
    /// With `--feedback-store`: keep prompts and answers too, not only what was predicted and what came of it. They may be
    /// private.
    #[arg(long)]
    pub(crate) store_texts: bool,
}

/// The settings of a proxy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProxySettings {
    /// Scheme, host and, if there is one, the beginning of every path, without a `/` at its end.
    pub(crate) upstream: String,
    /// In the order in which they are tried.
    pub(crate) fallbacks: Vec<Fallback>,
    pub(crate) mode: Mode,
    pub(crate) on_failure: OnFailure,
    pub(crate) policy: ProxyPolicy,
    /// Whether the store of feedback takes prompts and answers.
    pub(crate) store_texts: bool,
}

impl ProxyOptions {
    /// Checks the flags, and reads the policy. `key` gives the key of a fallback by the name of its variable.
    ///
    /// # Errors
    /// When an address is none of HTTP, a fallback is incomplete, or the policy is wrong.
    pub(crate) fn resolve(self, key: impl Fn(&str) -> Option<String>) -> anyhow::Result<ProxySettings> {
        let upstream = address("--upstream", &self.upstream)?;
        let mut fallbacks: Vec<Fallback> = Vec::new();
        for text in &self.fallback {
            let parsed = Fallback::parse(text, &upstream, |name| key(name).map(Key::new))?;
            if fallbacks.iter().any(|other| other.name == parsed[0].name) {
                return Err(Usage(format!("--fallback {text}: two fallbacks have this name")).into());
            }
            fallbacks.extend(parsed);
        }
        let (file, text) = match &self.policy {
            Some(path) => policy::read(path)?,
            None => (PolicyFile::default(), String::new()),
        };
        let policy = file.resolve(&text, !fallbacks.is_empty());
        let policy = match &self.policy {
            Some(path) => policy.with_context(|| path.display().to_string())?,
            None => policy?,
        };
        let closed = self.fail_closed.then_some(OnFailure::Closed);
        Ok(ProxySettings {
            upstream,
            fallbacks,
            mode: self.mode.or(file.mode).unwrap_or(Mode::Observe),
            on_failure: closed.or(self.on_failure).or(file.on_failure).unwrap_or(OnFailure::Open),
            policy,
            store_texts: self.store_texts,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn settings(options: ProxyOptions) -> Result<ProxySettings, String> {
        let upstream = "https://a.example".to_owned();
        let options = ProxyOptions { upstream, ..options };
        options.resolve(|_| None).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_flag_wins_over_the_policy_and_the_policy_over_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.toml");
        std::fs::write(&path, "mode = 'enforce'\non-failure = 'closed'").unwrap();
        let of = |mode, on_failure, policy: Option<&PathBuf>| {
            let found = settings(ProxyOptions {
                mode,
                on_failure,
                policy: policy.cloned(),
                ..ProxyOptions::default()
            });
            found.map(|found| (found.mode, found.on_failure)).unwrap()
        };
        assert_eq!(of(None, None, None), (Mode::Observe, OnFailure::Open));
        assert_eq!(of(None, None, Some(&path)), (Mode::Enforce, OnFailure::Closed));
        let by_flags = of(Some(Mode::Observe), Some(OnFailure::Open), Some(&path));
        assert_eq!(by_flags, (Mode::Observe, OnFailure::Open));
        std::fs::write(&path, "[prompts]\naction = 'fallback'").unwrap();
        let error = settings(ProxyOptions { policy: Some(path), ..ProxyOptions::default() }).unwrap_err();
        assert!(error.contains("policy.toml: line 2: prompts.action"), "{error}");
    }

    #[test]
    fn a_fallback_has_a_name_of_its_own() {
        let fallback = vec!["b=http://b,m,n".to_owned(), "b=http://c,m".to_owned()];
        let error = settings(ProxyOptions { fallback, ..ProxyOptions::default() }).unwrap_err();
        assert!(error.contains("two fallbacks"), "{error}");
    }
}
