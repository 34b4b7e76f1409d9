//! What a request needs to get in: the key and the headers. They are kept nowhere, and taken out of whatever
//! a server says before it is stored or printed.

use std::borrow::Cow;

use awc::http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::engine::Usage;

/// The headers of all requests.
#[derive(Clone, Default)]
pub(crate) struct Access {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Values that must not be seen, the longest first.
    secrets: Vec<String>,
}

/// The shortest value that is taken out of texts: a shorter one would be found in ordinary words.
const SHORTEST: usize = 6;

impl Access {
    /// From the key and the headers as they are typed (`Name: value`).
    ///
    /// # Errors
    /// When a header cannot be one. The error does not show its value.
    pub(crate) fn new(key: Option<&str>, headers: &[String]) -> Result<Self, Usage> {
        let mut access = Self::default();
        if let Some(key) = key {
            let why = "the key in the environment has characters that a header cannot have";
            let value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| Usage(why.to_owned()))?;
            access.headers.push((AUTHORIZATION, value));
            access.secrets.push(key.to_owned());
        }
        for header in headers {
            let wrong = || Usage("--header: write it as 'Name: value', in characters of HTTP".to_owned());
            let (name, value) = header.split_once(':').ok_or_else(wrong)?;
            let name = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
            let value = value.trim();
            // A key that is typed replaces the one in the environment.
            access.headers.retain(|(known, _)| *known != name);
            access.headers.push((name, HeaderValue::from_str(value).map_err(|_| wrong())?));
            access.secrets.push(value.to_owned());
            access.secrets.extend(value.split_whitespace().map(str::to_owned));
        }
        access.secrets.retain(|secret| secret.len() >= SHORTEST);
        access.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Ok(access)
    }

    /// A text without the key and the values of headers.
    pub(crate) fn clean<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut clean = Cow::Borrowed(text);
        for secret in &self.secrets {
            if clean.contains(secret.as_str()) {
                clean = Cow::Owned(clean.replace(secret.as_str(), "[key]"));
            }
        }
        clean
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_headers_are_taken_out_of_texts_and_errors() {
        let headers = ["X-Key: abcdef123".to_owned(), "X-Team: ab".to_owned()];
        let access = Access::new(Some("sk-SECRET"), &headers).unwrap();
        assert_eq!(access.headers.len(), 3);
        assert_eq!(access.clean("wrong key sk-SECRET, abcdef123, ab"), "wrong key [key], [key], ab");
        let typed =
            Access::new(Some("sk-SECRET"), &["Authorization: Basic dXNlcjpwYXNz".to_owned()]).unwrap();
        assert_eq!(typed.headers.len(), 1);
        assert_eq!(typed.clean("dXNlcjpwYXNz"), "[key]");
        for wrong in ["no colon SECRET", "Bad Name: SECRET", "X: SEC\nRET"] {
            let Usage(error) = Access::new(None, &[wrong.to_owned()]).err().unwrap();
            assert!(error.contains("--header") && !error.contains("SEC"), "{error}");
        }
        let Usage(error) = Access::new(Some("SEC\nRET"), &[]).err().unwrap();
        assert!(!error.contains("SEC"), "{error}");
    }
}
