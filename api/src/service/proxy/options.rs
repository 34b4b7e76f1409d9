//! The settings of `demur proxy` alone, and what they mean together: the upstream, its fallbacks, the policy.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::engine::Usage;
use crate::service::options::Options;
use crate::service::proxy::address::address;
use crate::service::proxy::fallback::{Fallback, Key};
use crate::service::proxy::policy::{self, Mode, OnFailure, PolicyFile, ProxyPolicy};
use crate::service::settings::Settings;

/// The flags, and the keys of `[proxy]` in the file of settings.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, clap::Args)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ProxyOptions {
    /// Where requests go: the address of the API, without the path that its clients add.
    #[arg(long, value_name = "URL", env = "DEMUR_UPSTREAM", hide_env_values = true)]
    pub(crate) upstream: Option<String>,
    /// Where a held prompt goes, or one whose answer is a refusal: an address as of the upstream, and the models to ask
    /// there; may be repeated (in the variable, with `;` between), and is tried in order. Its key is read from
    /// `DEMUR_FALLBACK_KEY_NAME`.
    #[arg(
        long,
        value_name = "NAME=URL,MODEL[,MODEL]",
        env = "DEMUR_FALLBACK",
        value_delimiter = ';',
        hide_env_values = true
    )]
    pub(crate) fallback: Vec<String>,
    /// What is judged, and what is done with a held prompt and a refused answer, for each model: a TOML file. Default:
    /// they go to the fallback; without one, a held prompt is answered 403.
    #[arg(long, value_name = "FILE", env = "DEMUR_POLICY")]
    pub(crate) policy: Option<PathBuf>,
    /// Whether the policy is carried out: `observe` sends everything and says in headers what was found, `enforce` does
    /// what the policy says. Default: that of the policy's file, else observe.
    #[arg(long, value_name = "MODE", env = "DEMUR_MODE", hide_possible_values = true)]
    pub(crate) mode: Option<Mode>,
    /// What becomes of a prompt that could not be judged: `open` sends it, `closed` answers with the failure. Default: that
    /// of the policy's file, else open.
    #[arg(long, value_name = "OPEN_OR_CLOSED", env = "DEMUR_ON_FAILURE", hide_possible_values = true)]
    pub(crate) on_failure: Option<OnFailure>,
    /// The same as `--on-failure closed`.
    #[arg(long, conflicts_with = "on_failure")]
    #[serde(skip)]
    pub(crate) fail_closed: bool,
    /// With `--feedback-store`: keep prompts and answers too, not only what was predicted and what came of it. They may be
    /// private.
    #[arg(
        long,
        env = "DEMUR_STORE_TEXTS",
        num_args = 0..=1,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub(crate) store_texts: Option<bool>,
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
    /// The file that the policy is from.
    pub(crate) policy_file: Option<PathBuf>,
    /// The settings that it decides, as no flag, variable or file of settings does.
    pub(crate) by_policy: Vec<&'static str>,
    /// Whether the store of feedback takes prompts and answers.
    pub(crate) store_texts: bool,
}

impl Options {
    /// Resolves the settings of a proxy, from wherever each comes. `key` gives the key of a fallback by the name of its
    /// variable.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve), when what a proxy needs is missing or wrong, or what it cannot have is set.
    pub(crate) fn resolve_proxy(self, key: impl Fn(&str) -> Option<String>) -> anyhow::Result<Settings> {
        let mut options = self.merged()?;
        let proxy = std::mem::take(&mut options.proxy).resolve(key)?;
        let settings = options.settings()?;
        ensure!(
            settings.keys.is_none() && settings.admin_address.is_none(),
            Usage(
                "--keys and --admin-bind are for `demur serve`: a proxy passes its callers' keys on to the upstream"
                    .to_owned()
            )
        );
        ensure!(
            !proxy.store_texts || settings.feedback_store.is_some(),
            Usage(
                "--store-texts says what the store of feedback keeps; give it with --feedback-store"
                    .to_owned()
            )
        );
        Ok(Settings { proxy: Some(proxy), ..settings })
    }
}

impl ProxyOptions {
    /// Whether anything is set.
    pub(crate) fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// Takes these options, and the others where these are not set.
    pub(crate) fn before(self, other: Self) -> Self {
        Self {
            upstream: self.upstream.or(other.upstream),
            fallback: if self.fallback.is_empty() { other.fallback } else { self.fallback },
            policy: self.policy.or(other.policy),
            mode: self.mode.or(other.mode),
            on_failure: self.on_failure.or(other.on_failure),
            fail_closed: self.fail_closed || other.fail_closed,
            store_texts: self.store_texts.or(other.store_texts),
        }
    }

    /// The same with some upstream, to check all else where only a flag or a variable will give it.
    pub(crate) fn with_an_upstream(self) -> Self {
        Self { upstream: self.upstream.or_else(|| Some("http://127.0.0.1".to_owned())), ..self }
    }

    /// Checks the flags, and reads the policy. `key` gives the key of a fallback by the name of its variable.
    ///
    /// # Errors
    /// When an address is none of HTTP, a fallback is incomplete, or the policy is wrong.
    pub(crate) fn resolve(self, key: impl Fn(&str) -> Option<String>) -> anyhow::Result<ProxySettings> {
        let missing = "--upstream is missing: the address of the API, by the flag, by DEMUR_UPSTREAM, or as `upstream` in \
                       [proxy] of the file of settings";
        let upstream = self.upstream.as_deref().ok_or_else(|| Usage(missing.to_owned()))?;
        let upstream = address("--upstream", upstream)?;
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
        let (mode, on_failure) = (self.mode, closed.or(self.on_failure));
        let by_policy = [
            ("mode", mode.is_none() && file.mode.is_some()),
            ("on-failure", on_failure.is_none() && file.on_failure.is_some()),
        ];
        Ok(ProxySettings {
            upstream,
            fallbacks,
            mode: mode.or(file.mode).unwrap_or(Mode::Observe),
            on_failure: on_failure.or(file.on_failure).unwrap_or(OnFailure::Open),
            policy,
            policy_file: self.policy,
            by_policy: by_policy.into_iter().filter_map(|(key, is)| is.then_some(key)).collect(),
            store_texts: self.store_texts.unwrap_or(false),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn settings(options: ProxyOptions) -> Result<ProxySettings, String> {
        let upstream = Some("https://a.example".to_owned());
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
