//! Why a request has brought no answer. None of these is a refusal.

use serde_json::Value;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server was not reached.
    Connect,
    /// It took too long.
    Timeout,
    /// The connection broke off.
    Broken,
    /// The body is longer than one may be.
    TooLong,
    /// The body is no answer of a chat.
    Malformed,
    /// Too many requests.
    RateLimited,
    /// The server failed, or said that it did.
    ServerError,
    /// This request is not accepted, and not because of its content.
    Rejected,
    /// The key is missing or wrong.
    Unauthorised,
    /// There is no such address, or no such model.
    NotFound,
    /// Nothing is left to pay with.
    Quota,
    /// The server sends elsewhere.
    Redirected,
}

impl Failure {
    /// The failure that a status says, with the body beside it.
    pub(crate) fn of_status(status: u16, body: Option<&Value>) -> Self {
        let error = body.and_then(|body| body.get("error"));
        let says = |name| error.and_then(|error| error.get(name)?.as_str());
        let is_quota = [says("code"), says("type")].contains(&Some("insufficient_quota"));
        match status {
            200..=299 => Self::ServerError,
            300..=399 => Self::Redirected,
            401 | 403 => Self::Unauthorised,
            402 => Self::Quota,
            429 if is_quota => Self::Quota,
            404 | 405 => Self::NotFound,
            429 => Self::RateLimited,
            408 | 409 | 425 => Self::ServerError,
            400..=499 => Self::Rejected,
            _ => Self::ServerError,
        }
    }

    /// The name in the store.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::Rejected => "rejected",
            Self::Unauthorised => "unauthorised",
            Self::NotFound => "not_found",
            Self::Quota => "quota",
            Self::Redirected => "redirected",
        }
    }

    /// What it means for a person.
    pub(crate) const fn means(self) -> &'static str {
        match self {
            Self::Connect => "the endpoint is not reached",
            Self::Timeout => "the endpoint takes longer than --timeout",
            Self::Broken => "the connection breaks off",
            Self::TooLong => "the answer is longer than an answer may be",
            Self::Malformed => "what comes back is no answer of a chat",
            Self::RateLimited => "the endpoint asks to slow down",
            Self::ServerError => "the endpoint fails",
            Self::Rejected => "the endpoint does not accept the request",
            Self::Unauthorised => "the endpoint lets nobody in with this key (--api-key-env)",
            Self::NotFound => "the endpoint has no such address or model",
            Self::Quota => "the account has nothing left to pay with",
            Self::Redirected => "the endpoint sends elsewhere; give that address",
        }
    }

    /// Whether the same request may succeed later.
    pub(crate) const fn passes(self) -> bool {
        use Failure::{Broken, Connect, Malformed, RateLimited, ServerError, Timeout};
        matches!(self, Connect | Timeout | Broken | Malformed | RateLimited | ServerError)
    }

    /// Whether every other request would fail too.
    pub(crate) const fn ends_all(self) -> bool {
        matches!(self, Self::Unauthorised | Self::NotFound | Self::Quota | Self::Redirected)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_says_whether_to_try_again_or_to_end() {
        let quota = json!({"error": {"code": "insufficient_quota"}});
        for (status, failure, passes, ends) in [
            (200, Failure::ServerError, true, false),
            (302, Failure::Redirected, false, true),
            (400, Failure::Rejected, false, false),
            (401, Failure::Unauthorised, false, true),
            (404, Failure::NotFound, false, true),
            (429, Failure::RateLimited, true, false),
            (503, Failure::ServerError, true, false),
        ] {
            let found = Failure::of_status(status, None);
            assert_eq!((found, found.passes(), found.ends_all()), (failure, passes, ends), "{status}");
        }
        assert_eq!(Failure::of_status(429, Some(&quota)), Failure::Quota);
        assert!(Failure::Quota.ends_all());
    }
}
