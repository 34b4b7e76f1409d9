//! One request to the upstream or to a fallback, and the head of its answer.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use awc::Client;
use awc::error::SendRequestError;

use crate::service::admit::X_API_KEY;
use crate::service::body::Body;
use crate::service::error::{ApiError, ErrorType};
use crate::service::proxy::breaking::ToClient;
use crate::service::proxy::fallback::Fallback;
use crate::service::proxy::passed::{Answered, Passed};
use crate::service::proxy::rewrite::with_model;

/// Headers that are about one connection, not about what goes over it; and those that the client itself sets.
const OF_CONNECTION: [HeaderName; 11] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HOST,
    CONTENT_LENGTH,
    EXPECT,
];
/// Headers with which a caller proves who it is; they are for the upstream alone.
const OF_CALLER: [HeaderName; 7] = [
    AUTHORIZATION,
    COOKIE,
    X_API_KEY,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
];
/// The path of Anthropic's API, which has the key in a header of its own.
const MESSAGES: &str = "/v1/messages";

/// What is the same for the upstream and all fallbacks.
pub(crate) struct Exchange<'a> {
    pub(crate) client: &'a Client,
    pub(crate) request: &'a HttpRequest,
    pub(crate) body: Arc<Body>,
    /// Whether the answer is read on its way; then it must be packed by gzip or not at all.
    pub(crate) is_read: bool,
    pub(crate) to_client: ToClient,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct To<'a> {
    pub(crate) address: &'a str,
    /// The model in place of the one that the request names.
    pub(crate) model: Option<&'a str>,
    pub(crate) fallback: Option<&'a Fallback>,
}

impl Exchange<'_> {
    /// Sends the request, and reads the head of the answer.
    ///
    /// # Errors
    /// 422 where the model cannot be replaced, 502 where no answer comes.
    pub(crate) async fn send(&self, to: To<'_>) -> Result<Answered, ApiError> {
        let foreign = to.fallback.filter(|fallback| !fallback.is_of_upstream || fallback.key.is_some());
        let uri = self.request.uri();
        // What is behind the `?` may be a key.
        let whole = || uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if foreign.is_some() { uri.path() } else { whole() };
        let url = format!("{}{path}", to.address);
        let mut forwarded = self.client.request(self.request.method().clone(), url).no_decompress();
        let headers = forwarded.headers_mut();
        for (name, value) in passed(self.request.headers()) {
            let is_kept = foreign.is_none() || !OF_CALLER.contains(name);
            match value {
                _ if !is_kept => {}
                value if self.is_read && name == ACCEPT_ENCODING => {
                    headers.insert(ACCEPT_ENCODING, readable(headers.get(ACCEPT_ENCODING), value));
                }
                value => headers.append(name.clone(), value.clone()),
            }
        }
        if let Some(key) = foreign.and_then(|fallback| fallback.key.as_ref()) {
            let (name, value) = if uri.path() == MESSAGES {
                (X_API_KEY, key.text().to_owned())
            } else {
                (AUTHORIZATION, format!("Bearer {}", key.text()))
            };
            let value = HeaderValue::from_str(&value);
            let wrong =
                |_| ApiError::new(ErrorType::Internal, "the key of a fallback is no value of a header");
            headers.insert(name, value.map_err(wrong)?);
        }
        let bytes = match to.model {
            None => self.body.bytes.clone(),
            Some(model) => with_model(&self.body.bytes, model).ok_or_else(|| {
                ApiError::invalid("model", "another model cannot be put in its place: it is there twice")
            })?,
        };
        let answered = forwarded.send_body(bytes).await.map_err(|error| unreached(&error))?;
        let mut headers = HeaderMap::new();
        for (name, value) in passed(answered.headers()) {
            headers.append(name.clone(), value.clone());
        }
        Ok(Answered {
            status: answered.status(),
            headers,
            body: Passed::new(answered, self.to_client.clone()),
        })
    }
}

/// The packing to ask for, of those that a client takes: gzip where it is among them, else none.
fn readable(before: Option<&HeaderValue>, value: &HeaderValue) -> HeaderValue {
    let takes_gzip = value.to_str().unwrap_or_default().split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        is_gzip && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    });
    let is_asked_for = before.is_some_and(|before| before == "gzip");
    HeaderValue::from_static(if takes_gzip || is_asked_for { "gzip" } else { "identity" })
}

/// The headers that are passed on.
fn passed(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    // `connection` may name others that are about the connection.
    let named = |name: &HeaderName| {
        headers
            .get_all(CONNECTION)
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|other| other.trim().eq_ignore_ascii_case(name.as_str())))
    };
    headers.iter().filter(move |(name, _)| !OF_CONNECTION.contains(name) && !named(name))
}

/// The error when the upstream gives no answer.
fn unreached(error: &SendRequestError) -> ApiError {
    tracing::debug!(target: "demur", "the upstream gives no answer: {error}");
    ApiError::new(ErrorType::UpstreamFailed, "the upstream gives no answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gzip_is_asked_for_where_the_answer_is_read() {
        let of = |text| readable(None, &HeaderValue::from_static(text));
        for gzip in ["gzip", "gzip, deflate, br", "br;q=1.0, GZIP;q=0.8"] {
            assert_eq!(of(gzip), "gzip", "{gzip}");
        }
        for none in ["br", "", "identity", "gzip;q=0, br"] {
            assert_eq!(of(none), "identity", "{none}");
        }
        assert_eq!(
            readable(Some(&HeaderValue::from_static("gzip")), &HeaderValue::from_static("br")),
            "gzip"
        );
    }
}
