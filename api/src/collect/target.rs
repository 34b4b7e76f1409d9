//! The target as it is asked: where, which model, with which words before the prompt. What changes an answer
//! is here and is kept in the store; what only gets there (the key, headers) is not.

use awc::http::Uri;
use demur_data::Turn;
use serde_json::{Map, Value, json};

use crate::engine::Usage;

/// The settings of a target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    /// The whole address, with the path.
    pub(crate) endpoint: String,
    pub(crate) model: String,
    pub(crate) system: Option<String>,
    /// Turns between the system prompt and the prompt.
    pub(crate) messages: Vec<Turn>,
    pub(crate) temperature: Option<f64>,
    pub(crate) max_tokens: Option<u64>,
    /// More fields of the body.
    pub(crate) extra: Map<String, Value>,
}

/// The path of chats.
const CHAT: &str = "/chat/completions";

impl Target {
    /// Checks the address and the fields of the body.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn checked(mut self) -> Result<Self, Usage> {
        self.endpoint = address(&self.endpoint)?;
        for (name, why) in [
            ("messages", "the prompts are its last message; use --system and --messages"),
            ("stream", "answers are read whole"),
            ("n", "use --samples"),
            ("model", "use --model"),
        ] {
            if self.extra.contains_key(name) {
                return Err(Usage(format!("--extra-body: `{name}` cannot be set: {why}")));
            }
        }
        if self.model.trim().is_empty() {
            return Err(Usage("--model: it is empty".to_owned()));
        }
        Ok(self)
    }

    /// The settings as the store keeps them. The query of the address is left out, for it may hold a key.
    pub(crate) fn stored(&self) -> String {
        let endpoint = self.endpoint.split('?').next().unwrap_or_default();
        json!({
            "endpoint": endpoint,
            "model": self.model,
            "system": self.system,
            "messages": self.messages,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "extra_body": self.extra,
        })
        .to_string()
    }

    /// The body of a request.
    pub(crate) fn body(&self, prompt: &str) -> String {
        let mut messages = Vec::with_capacity(self.messages.len() + 2);
        messages.extend(self.system.iter().map(|text| json!({"role": "system", "content": text})));
        messages.extend(self.messages.iter().map(|turn| json!({"role": turn.role, "content": turn.content})));
        messages.push(json!({"role": "user", "content": prompt}));
        let mut body = Map::new();
        body.insert("model".to_owned(), self.model.as_str().into());
        body.insert("messages".to_owned(), messages.into());
        if let Some(temperature) = self.temperature {
            body.insert("temperature".to_owned(), temperature.into());
        }
        if let Some(most) = self.max_tokens {
            body.insert("max_tokens".to_owned(), most.into());
        }
        body.extend(self.extra.clone());
        Value::Object(body).to_string()
    }

    /// About how many tokens a request with this prompt has: a token of English is about four bytes.
    pub(crate) fn prompt_tokens(&self, prompt: &str) -> u64 {
        let before: usize = self.messages.iter().map(|turn| turn.content.len() + 16).sum();
        let system = self.system.as_ref().map_or(0, |text| text.len() + 16);
        ((before + system + prompt.len() + 16) as u64).div_ceil(4)
    }

    /// The most tokens that an answer is assumed to have.
    pub(crate) fn answer_tokens(&self) -> u64 {
        const UNSAID: u64 = 1000;
        let extra = || self.extra.get("max_completion_tokens").and_then(Value::as_u64);
        self.max_tokens.or_else(extra).unwrap_or(UNSAID)
    }
}

/// The address of chats below an endpoint: as it is if it is one, else with the path added.
fn address(endpoint: &str) -> Result<String, Usage> {
    let wrong = |why: &str| Err(Usage(format!("--endpoint: {why}")));
    let must = "it must be an address of HTTP, such as https://api.openai.com/v1 or http://127.0.0.1:8000";
    let Ok(uri) = endpoint.parse::<Uri>() else { return wrong(must) };
    let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return wrong(must);
    };
    if authority.as_str().contains('@') {
        return wrong("it holds a user or a password; keys come from the environment (--api-key-env)");
    }
    let path = match uri.path().trim_end_matches('/') {
        "" => format!("/v1{CHAT}"),
        path if path.ends_with(CHAT) => path.to_owned(),
        path => format!("{path}{CHAT}"),
    };
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    Ok(format!("{}://{authority}{path}{query}", uri.scheme_str().unwrap_or_default()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn target(endpoint: &str, extra: &Value) -> Result<Target, Usage> {
        let extra = extra.as_object().unwrap().clone();
        let (model, system) = ("m".to_owned(), Some("Be brief.".to_owned()));
        let messages = vec![Turn { role: "user".to_owned(), content: "Hello".to_owned() }];
        let (temperature, max_tokens) = (Some(0.0), Some(64));
        Target { endpoint: endpoint.to_owned(), model, system, messages, temperature, max_tokens, extra }
            .checked()
    }

    #[test]
    fn an_endpoint_is_a_base_or_the_address_of_chats() {
        let of = |endpoint| target(endpoint, &json!({})).map(|target| target.endpoint);
        for (given, address) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/chat/completions"),
            ("https://api.example/v1/", "https://api.example/v1/chat/completions"),
            (
                "https://a.example/x/chat/completions?api-version=1",
                "https://a.example/x/chat/completions?api-version=1",
            ),
        ] {
            assert_eq!(of(given).unwrap(), address);
        }
        for wrong in ["api.example", "ftp://a.example", "", "http://"] {
            assert!(of(wrong).unwrap_err().0.contains("--endpoint"), "{wrong}");
        }
        let secret = of("https://user:SECRET@a.example/v1").unwrap_err().0;
        assert!(secret.contains("--api-key-env") && !secret.contains("SECRET"), "{secret}");
    }

    #[test]
    fn a_request_has_the_settings_and_the_store_keeps_no_query() {
        let target = target("https://a.example/v1?key=SECRET", &json!({"top_p": 0.5})).unwrap();
        let body: Value = serde_json::from_str(&target.body("Why?")).unwrap();
        assert_eq!(
            body,
            json!({"model": "m", "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hello"},
                {"role": "user", "content": "Why?"},
            ], "temperature": 0.0, "max_tokens": 64, "top_p": 0.5})
        );
        assert!(!target.stored().contains("SECRET") && target.stored().contains("\"top_p\":0.5"));
        assert_eq!((target.prompt_tokens("Why?"), target.answer_tokens()), (17, 64));
    }

    #[test]
    fn fields_that_would_change_what_comes_back_are_refused() {
        for name in ["messages", "stream", "n", "model"] {
            let error = target("http://a", &json!({name: 1})).unwrap_err().0;
            assert!(error.contains(name), "{error}");
        }
    }
}
