//! Forwards a request to the upstream and its answer to the client, byte for byte.

use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BodyStream, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use actix_web::rt::time::timeout;
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use awc::error::{PayloadError, SendRequestError};

use crate::service::adapters::notice;
use crate::service::beside::Work;
use crate::service::body::{self, MediaType};
use crate::service::budget::Caller;
use crate::service::by_models::worked;
use crate::service::error::{ApiError, ErrorType};
use crate::service::proxy::client::Upstream;
use crate::service::proxy::options::{Mode, OnFailure, ProxySettings};
use crate::service::proxy::preflight::{Preflight, preflight};
use crate::service::state::State;

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

/// Forwards a request; one that is `judged` has its prompt predicted before.
///
/// # Errors
/// As for any body; with `closed`, those of `predict`; 502 when the upstream cannot be reached.
pub(crate) async fn forward(
    (judged, path): (bool, &'static str),
    request: &HttpRequest,
    payload: Payload,
    state: &Data<State>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let (Some(settings), Some(upstream)) = (&state.settings.proxy, request.app_data::<Upstream>()) else {
        return Err(ApiError::new(ErrorType::NotFound, "there is no upstream"));
    };
    let longest = state.settings.limits.timeout;
    let body = body::read(request, MediaType::Any, payload, state, caller);
    let body = Arc::new(timeout(longest, body).await.map_err(|_| body::late())??);
    let mut before = Preflight { headers: Vec::new(), held: None };
    if judged {
        let (size, own) = (body.bytes.len(), Arc::clone(&body));
        let work = |job| -> Work<Preflight> { Box::pin(preflight(own, job)) };
        let worked = timeout(longest, worked(path, (size, false), request, state, caller, work)).await;
        before = match (worked.map_err(|_| body::late()).flatten(), settings.on_failure) {
            (Ok(before), _) => before,
            (Err(error), OnFailure::Closed) => return Err(error),
            (Err(error), OnFailure::Open) => {
                Preflight { headers: notice::not_judged(Some(&error.message)), held: None }
            }
        };
    }
    let mut response = match before.held.filter(|_| settings.mode == Mode::Enforce) {
        Some(reason) => HttpResponse::build(StatusCode::FORBIDDEN).json(notice::held(&reason)),
        None => sent(settings, upstream, request, body.bytes.clone()).await?,
    };
    for (name, value) in before.headers {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// The upstream's answer, which is read as its client reads it.
async fn sent(
    settings: &ProxySettings,
    Upstream(client): &Upstream,
    request: &HttpRequest,
    bytes: Vec<u8>,
) -> Result<HttpResponse, ApiError> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", settings.upstream);
    let mut forwarded = client.request(request.method().clone(), url).no_decompress();
    for (name, value) in passed(request.headers()) {
        forwarded.headers_mut().append(name.clone(), value.clone());
    }
    let answered = forwarded.send_body(bytes).await.map_err(|error| unreached(&error))?;
    let mut response = HttpResponse::build(answered.status());
    for (name, value) in passed(answered.headers()) {
        response.append_header((name.clone(), value.clone()));
    }
    let length = answered.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // An answer that says neither its length nor that it is in chunks ends where the connection does.
    let is_ended_by_connection = length.is_none() && !answered.headers().contains_key(TRANSFER_ENCODING);
    let size = length.map_or(BodySize::Stream, BodySize::Sized);
    Ok(response.body(Passed { pieces: BodyStream::new(answered), size, is_ended_by_connection }))
}

/// The body of the upstream's answer.
struct Passed<B> {
    pieces: B,
    size: BodySize,
    is_ended_by_connection: bool,
}

impl<B: MessageBody<Error = PayloadError> + Unpin> MessageBody for Passed<B> {
    type Error = PayloadError;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match ready!(Pin::new(&mut self.pieces).poll_next(context)) {
            Some(Err(PayloadError::Io(error)))
                if self.is_ended_by_connection && error.kind() == ErrorKind::UnexpectedEof =>
            {
                Poll::Ready(None)
            }
            piece => Poll::Ready(piece),
        }
    }
}

/// The headers that are passed on.
fn passed(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &actix_web::http::header::HeaderValue)> {
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
