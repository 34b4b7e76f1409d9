//! What a server sent, as an answer of the target or as a failure. An error about the content is an answer,
//! for it is a refusal; which errors these are is said by the judgement of all answers, and not here.

use std::sync::Arc;

use demur_data::{ProviderAnswer, provider_answer};
use demur_predictor::{Judged, Outcome};
use serde_json::Value;

use crate::collect::failure::Failure;
use crate::collect::sender::{Came, Sent};
use crate::store::{Answer, Entry, Key, Label, Request, answer_of, stored};

/// A request that has come back, before its answer is judged.
pub(crate) struct Returned {
    pub(crate) key: Key,
    pub(crate) prompt: Arc<str>,
    /// From 1 up.
    pub(crate) attempt: i64,
    pub(crate) sent: Sent,
    /// The body as JSON, if it is.
    json: Option<Value>,
    /// What it holds, if it has the shape of an answer or of an error.
    found: Option<ProviderAnswer>,
}

impl Returned {
    /// Reads the body.
    pub(crate) fn new(key: Key, prompt: Arc<str>, attempt: i64, sent: Sent) -> Self {
        let json = sent.came.as_ref().ok().and_then(|came| serde_json::from_str::<Value>(&came.body).ok());
        let found = json.as_ref().and_then(provider_answer);
        Self { key, prompt, attempt, sent, json, found }
    }

    /// The answer to judge.
    pub(crate) fn answer(&self) -> Option<&ProviderAnswer> {
        self.found.as_ref()
    }

    /// Why this is no answer of the target; `judged` is the verdict on what was found in it.
    pub(crate) fn failure(&self, judged: Option<&Judged>) -> Option<Failure> {
        let came = match &self.sent.came {
            Ok(came) => came,
            Err(failure) => return Some(*failure),
        };
        let is_success = (200..300).contains(&came.status);
        let refused = judged.is_some_and(|judged| judged.verdict.outcome() == Outcome::Refused);
        match &self.found {
            Some(found) if is_success && found.signs.error.is_none() => None,
            // An error about the content, in place of the answer.
            Some(found) if refused && found.text.is_none() => None,
            None if is_success => Some(Failure::Malformed),
            _ => Some(Failure::of_status(came.status, self.json.as_ref())),
        }
    }

    /// How many tokens the server counted.
    pub(crate) fn tokens(&self) -> (Option<i64>, Option<i64>) {
        let usage = self.json.as_ref().and_then(|body| body.get("usage"));
        let number =
            |names: [&str; 2]| names.iter().find_map(|name| usage?.get(*name)?.as_i64()).filter(|n| *n >= 0);
        (number(["prompt_tokens", "input_tokens"]), number(["completion_tokens", "output_tokens"]))
    }

    /// What the server says of an error, in short.
    pub(crate) fn said(&self) -> Option<String> {
        const LONGEST: usize = 200;
        let error = self.json.as_ref()?.get("error").or(self.json.as_ref())?;
        let said = error.get("message").or_else(|| error.get("detail")).unwrap_or(error).as_str()?;
        Some(said.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect())
    }

    /// The rows of the store.
    pub(crate) fn entry(self, failure: Option<Failure>, label: Option<Label>) -> Entry {
        let (prompt_tokens, completion_tokens) = self.tokens();
        let status = self.sent.came.as_ref().ok().map(|came| i64::from(came.status));
        let mut request = Request {
            key: self.key,
            attempt: self.attempt,
            started_at: self.sent.started_at,
            latency: i64::try_from(self.sent.latency.as_millis()).unwrap_or(i64::MAX),
            status,
            failure: failure.map(|failure| failure.name().to_owned()),
            prompt_tokens,
            completion_tokens,
            body: None,
        };
        let body = self.sent.came.ok().map(|Came { body, .. }| stored(body));
        if failure.is_some() {
            request.body = body;
            return Entry { request, answer: None };
        }
        let named = |name: &str| self.json.as_ref()?.get(name)?.as_str().map(|text| stored(text.to_owned()));
        let (served_model, fingerprint) = (named("model"), named("system_fingerprint"));
        let found = self.found.unwrap_or_default();
        let attempt = Some(request.attempt);
        let answer =
            Answer { attempt, status, served_model, fingerprint, body, ..answer_of(found.text, found.signs) };
        Entry { request, answer: label.map(|label| (answer, label)) }
    }
}
