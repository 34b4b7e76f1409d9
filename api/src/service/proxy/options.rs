//! What `demur proxy` does with a prompt that is held, and with one that could not be judged.

use actix_web::http::Uri;
use clap::ValueEnum;

use crate::engine::Usage;

/// What is done with a prompt that the policy holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// It is sent like any other, and headers say so.
    Observe,
    /// It is answered 403.
    Enforce,
}

/// What is done with a prompt that could not be judged: it is too long, or too much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFailure {
    /// It is sent.
    Open,
    /// It is answered with the failure.
    Closed,
}

/// The settings of a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProxySettings {
    /// Scheme, host and, if there is one, the beginning of every path, without a `/` at its end.
    pub(crate) upstream: String,
    pub(crate) mode: Mode,
    pub(crate) on_failure: OnFailure,
}

impl ProxySettings {
    /// Checks the address.
    ///
    /// # Errors
    /// When it is not one of HTTP.
    pub(crate) fn new(upstream: &str, mode: Mode, on_failure: OnFailure) -> Result<Self, Usage> {
        let uri = upstream.parse::<Uri>().ok();
        let is_http = uri.as_ref().is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some()
                && uri.query().is_none()
        });
        if !is_http {
            let must = "it must be an address of HTTP without a query, such as https://api.openai.com";
            return Err(Usage(format!("--upstream {upstream}: {must}")));
        }
        Ok(Self { upstream: upstream.trim_end_matches('/').to_owned(), mode, on_failure })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_an_address_of_http() {
        let of = |upstream| {
            ProxySettings::new(upstream, Mode::Observe, OnFailure::Open).map(|found| found.upstream)
        };
        assert_eq!(of("https://a.example/v/").unwrap(), "https://a.example/v");
        for wrong in ["a.example", "ftp://a.example", "/v1", "http://a.example?x=1", "http://a b"] {
            assert!(of(wrong).unwrap_err().0.contains("--upstream"), "{wrong}");
        }
    }
}
