//! The settings as a file of `--config` would have them, each with where its value comes from: `demur config show`.
//!
//! Values are those of the checked [`Settings`], so what is shown is what serves. A test reads the shown file back and
//! finds the same settings, which no setting that is forgotten here passes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use actix_web::http::Uri;
use anyhow::Context;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use toml::{Table, Value};

use crate::service::options::Options;
use crate::service::proxy::options::{ProxyOptions, ProxySettings};
use crate::service::settings::Settings;

/// The options of a command line, with where each came from.
#[derive(Debug)]
pub(crate) struct Given {
    options: Options,
    /// The flag or variable of each option that was set by one, by its key.
    origins: HashMap<String, String>,
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut origins = HashMap::new();
        for argument in Self::augment_args(Command::new("options")).get_arguments() {
            let Some(key) = argument.get_long() else { continue };
            let origin = match matches.value_source(argument.get_id().as_str()) {
                Some(ValueSource::CommandLine) => format!("--{key}"),
                Some(ValueSource::EnvVariable) => {
                    argument.get_env().unwrap_or_default().to_string_lossy().into_owned()
                }
                _ => continue,
            };
            origins.insert(key.to_owned(), origin);
        }
        let proxy = ProxyOptions::from_arg_matches(matches)?;
        Ok(Self { options: Options { proxy, ..Options::from_arg_matches(matches)? }, origins })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Given {
    fn augment_args(command: Command) -> Command {
        ProxyOptions::augment_args(Options::augment_args(command).next_help_heading("Proxy"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        ProxyOptions::augment_args_for_update(Options::augment_args_for_update(command))
    }
}

impl Given {
    /// Writes every setting as a line of a file of `--config`, with its origin as a comment.
    ///
    /// # Errors
    /// When the settings cannot be resolved.
    pub(crate) fn show(self) -> anyhow::Result<String> {
        let file = self.options.config.clone();
        let of_file = file.as_deref().map(keys_of).transpose()?.unwrap_or_default();
        let named = file.map_or_else(String::new, |file| file.display().to_string());
        let options = self.options.merged()?;
        let origin = |key: &str, of_file: Option<&Table>| match self.origins.get(key) {
            Some(origin) => Some(origin.clone()),
            None => of_file.is_some_and(|table| table.contains_key(key)).then(|| named.clone()),
        };
        let (has_upstream, proxy) =
            (options.proxy.upstream.is_some(), options.proxy.clone().with_an_upstream());
        let is_proxy = options.proxy.is_set();
        let options = Options { proxy, ..options };
        // Without a proxy, its settings are shown as they would be.
        let proxy = options.proxy.clone().resolve(|_| None)?;
        let settings = if is_proxy { options.resolve_proxy(|_| None)? } else { options.resolve()? };
        let mut text = String::new();
        for (key, value) in settings.shown() {
            let origin = origin(key, Some(&of_file)).unwrap_or_else(|| "default".to_owned());
            text.push_str(&line(key, value, &origin));
        }
        text.push_str("\n[proxy]\n");
        let of_proxy = of_file.get("proxy").and_then(Value::as_table);
        for (key, value) in proxy.shown() {
            let closed = self.origins.get("fail-closed").filter(|_| key == "on-failure").cloned();
            let by_policy = proxy.policy_file.as_ref().filter(|_| proxy.by_policy.contains(&key));
            let by_policy = by_policy.map(|policy| policy.display().to_string());
            match closed.or_else(|| origin(key, of_proxy)).or(by_policy) {
                Some(origin) => text.push_str(&line(key, value, &origin)),
                // A default that is written out would go before the policy.
                None => {
                    let value = value.filter(|_| key != "upstream" || has_upstream);
                    let comment = if value.is_some() { format!("# {key}") } else { key.to_owned() };
                    text.push_str(&line(&comment, value, "default"));
                }
            }
        }
        Ok(text)
    }
}

/// One line of what is shown.
fn line(key: &str, value: Option<Value>, origin: &str) -> String {
    match value {
        Some(value) => {
            let setting = format!("{key} = {}", without_secrets(value));
            format!("{setting:<44}  # {origin}\n")
        }
        None => format!("{:<44}  # not set\n", format!("# {key} =")),
    }
}

/// The keys that a file sets.
fn keys_of(path: &Path) -> anyhow::Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| path.display().to_string())
}

/// Leaves the password and the query out of an address.
fn without_secrets(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(match text.parse::<Uri>() {
            Ok(uri) if uri.scheme().is_some() => plain_address(&text),
            _ => text,
        }),
        Value::Array(values) => Value::Array(values.into_iter().map(without_secrets).collect()),
        other => other,
    }
}

fn plain_address(text: &str) -> String {
    let (address, query) = text.split_once('?').map_or((text, ""), |(address, _)| (address, "?***"));
    let Some((scheme, rest)) = address.split_once("://") else { return format!("{address}{query}") };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => authority.to_owned(),
    };
    format!("{scheme}://{authority}{path}{query}")
}

/// A key of the file with its value, if it has one.
type Line = (&'static str, Option<Value>);

impl Settings {
    /// Every setting, in the order of the flags.
    pub(crate) fn shown(&self) -> Vec<Line> {
        [self.shown_service(), self.shown_limits(), self.shown_tiers(), self.shown_operation()].concat()
    }

    fn shown_service(&self) -> Vec<Line> {
        let labels = [self.labels.complied.as_str(), self.labels.refused.as_str()];
        vec![
            ("model", list(self.models.iter().map(String::as_str))),
            ("placed", Some(Value::Array(self.placed.iter().map(path_value).collect()))),
            ("bind", text(&self.address.ip())),
            ("port", Some(i64::from(self.address.port()).into())),
            ("admin-bind", self.admin_address.as_ref().and_then(text)),
            ("adapters", list(self.adapters.names())),
            ("labels", list(labels)),
            ("workers", number(self.workers)),
            ("base-rate", self.base_rate.map(Value::Float)),
            ("phrases", self.phrases.as_deref().map(path_value)),
            ("feedback-store", self.feedback_store.as_ref().map(|place| Value::String(place.address()))),
            ("learn-online", self.learn_online.as_deref().map(path_value)),
            ("learn-every", Some(Value::Float(self.learn_every.as_secs_f64() / 60.0))),
        ]
    }

    fn shown_limits(&self) -> Vec<Line> {
        let limits = &self.limits;
        vec![
            ("max-body", number(limits.body)),
            ("max-batch", number(limits.batch)),
            ("max-chars", number(limits.chars)),
            ("max-rows", number(limits.rows)),
            ("max-answer", number(limits.answer)),
            ("max-held", number(limits.held)),
            ("max-concurrent", number(limits.concurrent)),
            ("request-timeout", seconds(limits.timeout)),
            ("write-timeout", seconds(limits.write_timeout)),
            ("rate", limits.rate.map(|rate| i64::from(rate).into())),
        ]
    }

    fn shown_tiers(&self) -> Vec<Line> {
        let encoder = self.load.encoder;
        let cascade = |cascade: demur_predictor::encoder::Cascade| {
            Value::Array([cascade.below, cascade.from].map(Value::Float).to_vec())
        };
        vec![
            ("tier", text(&self.load.tier.name())),
            ("cheap", self.cheap.map(Value::Float)),
            ("cascade", self.cascade.map(cascade)),
            ("encoder-library", text(&encoder.library.name())),
            ("encoder-threads", number(encoder.threads)),
            ("encoder-queue", number(self.batching.most)),
            ("encoder-batch-tokens", number(self.batching.tokens)),
            ("encoder-max-wait", Some(Value::Float(self.batching.wait.as_secs_f64() * 1000.0))),
        ]
    }

    fn shown_operation(&self) -> Vec<Line> {
        let tls =
            |which: fn(&(PathBuf, PathBuf)) -> &PathBuf| self.tls.as_ref().map(|tls| path_value(which(tls)));
        vec![
            ("keys", self.keys.as_deref().map(path_value)),
            ("cors-origin", list(self.cors_origins.iter().map(String::as_str))),
            ("tls-cert", tls(|tls| &tls.0)),
            ("tls-key", tls(|tls| &tls.1)),
            ("drain-delay", seconds(self.drain_delay)),
            ("drain-timeout", seconds(self.drain_timeout)),
            ("log", name(&self.log)),
            ("log-format", name(&self.log_format)),
            ("access-log", Some(self.access_log.into())),
            ("log-prompts", Some(self.log_prompts.into())),
            ("otlp-endpoint", self.otlp_endpoint.clone().map(Value::String)),
        ]
    }
}

impl ProxySettings {
    /// The settings of the proxy alone, as `[proxy]` of a file has them.
    pub(crate) fn shown(&self) -> Vec<Line> {
        let mut fallbacks: Vec<(&str, String)> = Vec::new();
        for fallback in &self.fallbacks {
            match fallbacks.last_mut().filter(|(name, _)| *name == fallback.name) {
                Some((_, text)) => {
                    text.push(',');
                    text.push_str(&fallback.model);
                }
                None => {
                    let (name, address) = (&fallback.name, plain_address(&fallback.address));
                    fallbacks.push((name, format!("{name}={address},{}", fallback.model)));
                }
            }
        }
        vec![
            ("upstream", text(&self.upstream)),
            ("fallback", list(fallbacks.iter().map(|(_, text)| text.as_str()))),
            ("policy", self.policy_file.as_deref().map(path_value)),
            ("mode", name(&self.mode)),
            ("on-failure", name(&self.on_failure)),
            ("store-texts", Some(self.store_texts.into())),
        ]
    }
}

fn text(value: &impl ToString) -> Option<Value> {
    Some(Value::String(value.to_string()))
}

fn path_value(path: impl AsRef<Path>) -> Value {
    Value::String(path.as_ref().display().to_string())
}

fn list<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Value> {
    Some(Value::Array(values.into_iter().map(|value| Value::String(value.to_owned())).collect()))
}

/// TOML has no larger whole numbers than these.
fn number(value: usize) -> Option<Value> {
    Some(i64::try_from(value).unwrap_or(i64::MAX).into())
}

fn seconds(time: Duration) -> Option<Value> {
    Some(Value::Float(time.as_secs_f64()))
}

/// The name of a choice, as flags and files have it.
fn name(choice: &impl ValueEnum) -> Option<Value> {
    choice.to_possible_value().and_then(|choice| text(&choice.get_name()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "shown_tests.rs"]
mod tests;
