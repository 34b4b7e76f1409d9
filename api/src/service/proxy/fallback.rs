//! Another API, or another model of the same one, that is asked where the upstream is not to be, or has refused.

use std::fmt;

use actix_web::http::Uri;

use crate::engine::Usage;
use crate::service::proxy::address::address;

/// A model that is asked instead.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fallback {
    /// What headers and metrics call it.
    pub(crate) name: String,
    /// Its address, as that of the upstream.
    pub(crate) address: String,
    /// The model that requests to it name.
    pub(crate) model: String,
    /// The key of requests to it, in place of the caller's.
    pub(crate) key: Option<Key>,
    /// Whether it has the upstream's scheme and host, so that the caller's keys are for it too.
    pub(crate) is_of_upstream: bool,
}

/// A key of an API, which nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) const fn new(key: String) -> Self {
        Self(key)
    }

    /// Its text, to send it.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Fallback {
    /// Parses `NAME=URL,MODEL[,MODEL...]`: one for each model. `key` gives a key by the name of its variable.
    ///
    /// # Errors
    /// When a part is missing or wrong.
    pub(crate) fn parse(
        text: &str,
        upstream: &str,
        key: impl Fn(&str) -> Option<Key>,
    ) -> Result<Vec<Self>, Usage> {
        let wrong = |why: &str| Usage(format!("--fallback {text}: {why}"));
        let must = "it must be NAME=URL,MODEL, such as backup=https://api.example,small-model";
        let (name, rest) = text.split_once('=').ok_or_else(|| wrong(must))?;
        let is_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_name {
            return Err(wrong("a name has letters, digits, `-` and `_`"));
        }
        let (url, models) = rest.split_once(',').ok_or_else(|| wrong(must))?;
        let address = address(&format!("--fallback {name}"), url)?;
        if models.split(',').any(|model| model.trim().is_empty()) {
            return Err(wrong("the name of a model is empty"));
        }
        let key = key(&variable(name));
        let is_of_upstream = origin(&address) == origin(upstream);
        let of_model = |model: &str| Self {
            name: name.to_owned(),
            address: address.clone(),
            model: model.trim().to_owned(),
            key: key.clone(),
            is_of_upstream,
        };
        Ok(models.split(',').map(of_model).collect())
    }
}

/// The variable with the key of a fallback.
fn variable(name: &str) -> String {
    format!("DEMUR_FALLBACK_KEY_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// Scheme and host with port.
fn origin(address: &str) -> Option<(String, String)> {
    let uri = address.parse::<Uri>().ok()?;
    Some((uri.scheme_str()?.to_owned(), uri.authority()?.as_str().to_ascii_lowercase()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Fallback>, Usage> {
        let key = |name: &str| (name == "DEMUR_FALLBACK_KEY_IN_HOUSE").then(|| Key::new("k".to_owned()));
        Fallback::parse(text, "https://a.example/v", key)
    }

    #[test]
    fn a_fallback_is_a_name_an_address_and_models() {
        let list = parse("in-house=https://b.example/api/,m, n/o").unwrap();
        let models: Vec<&str> = list.iter().map(|fallback| fallback.model.as_str()).collect();
        assert_eq!((models, list[0].address.as_str()), (vec!["m", "n/o"], "https://b.example/api"));
        assert_eq!((list[1].key.as_ref().map(Key::text), list[1].is_of_upstream), (Some("k"), false));
        assert!(!format!("{list:?}").contains("\"k\""));
        let same = parse("x=https://A.example/other,m").unwrap();
        assert!(same[0].is_of_upstream && same[0].key.is_none());
        for wrong in ["", "x", "x=https://b", "=https://b,m", "a b=https://b,m", "x=b,m", "x=https://b,m,"] {
            assert!(parse(wrong).unwrap_err().0.starts_with("--fallback"), "{wrong}");
        }
    }
}
