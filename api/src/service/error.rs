//! The errors of requests, and the one table of what a client sees of them.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use demur_predictor::ScoreError;
use serde::Serialize;
use utoipa::ToSchema;

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorType {
    /// The body is no JSON text in UTF-8.
    MalformedJson,
    /// No key was sent, or none that is known.
    Unauthorized,
    /// The key may not do this.
    Forbidden,
    /// There is no such path or model.
    NotFound,
    /// The path is there, the method is not.
    MethodNotAllowed,
    /// The request took too long to arrive.
    RequestTimeout,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The JSON says something that cannot be.
    InvalidRequest,
    /// A model cannot be reloaded; the old one serves on.
    ReloadFailed,
    /// Too many requests are at work.
    Overloaded,
    /// This caller has sent too many requests.
    RateLimited,
    /// The server itself failed.
    Internal,
    /// The server is starting or about to end.
    NotReady,
    /// The upstream of a proxy gives no answer.
    UpstreamFailed,
}

impl ErrorType {
    /// The status table.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::MalformedJson => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidRequest | Self::ReloadFailed => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Overloaded | Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamFailed => StatusCode::BAD_GATEWAY,
        }
    }
}

/// Longest message in bytes. A request can hold long texts, such as field names, and its error must not be as
/// long.
const LONGEST: usize = 2000;

/// A failed request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) kind: ErrorType,
    pub(crate) message: Cow<'static, str>,
    /// The field of the body that is wrong, as a path (`messages[1].content`).
    pub(crate) field: Option<String>,
    /// When to retry.
    pub(crate) retry_after: Option<Duration>,
    /// The methods that the path has.
    pub(crate) allow: Option<&'static str>,
}

/// What a failed request is answered with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody<'a> {
    pub(crate) error: ErrorDetail<'a>,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorDetail<'a> {
    /// For programs.
    #[serde(rename = "type")]
    pub(crate) kind: ErrorType,
    /// For people: what was wrong and what to do.
    #[schema(example = "the prompt is empty")]
    pub(crate) message: &'a str,
    /// The field of the body that is wrong, as a path, where it is one.
    #[schema(example = "messages[1].content")]
    pub(crate) field: Option<&'a str>,
    /// The request's id, as in the header `x-request-id` and in the log.
    pub(crate) request_id: &'a str,
}

impl<'a> ErrorBody<'a> {
    /// Describes an error.
    pub(crate) fn of(error: &'a ApiError, request_id: &'a str) -> Self {
        let ApiError { kind, message, field, .. } = error;
        Self { error: ErrorDetail { kind: *kind, message, field: field.as_deref(), request_id } }
    }
}

/// Shortens a text to at most [`LONGEST`] bytes, with a mark that it was longer.
fn shortened(text: Cow<'static, str>) -> Cow<'static, str> {
    if text.len() <= LONGEST {
        return text;
    }
    let end = (0..=LONGEST).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default();
    Cow::Owned(format!("{}\u{2026}", &text[..end]))
}

/// A scorer's failure. Handlers call no encoder directly and inputs are checked before, so this would be a
/// bug of ours.
impl From<ScoreError> for ApiError {
    fn from(cause: ScoreError) -> Self {
        Self::new(ErrorType::Internal, format!("the model failed: {cause}"))
    }
}

impl ApiError {
    pub(crate) fn new(kind: ErrorType, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: shortened(message.into()), field: None, retry_after: None, allow: None }
    }

    /// The part of the error that may be logged: a constant message. A composed message may hold field names,
    /// values or headers of the request, so it is logged only if the operator turns on prompts in the log.
    pub(crate) fn for_log(&self, log_prompts: bool) -> &str {
        match &self.message {
            Cow::Borrowed(own) => own,
            Cow::Owned(message) if log_prompts => message,
            Cow::Owned(_) => "the answer says why; it may hold parts of the request",
        }
    }

    /// The error for a body that is JSON but invalid.
    pub(crate) fn invalid(field: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        let field = shortened(Cow::Owned(field.into())).into_owned();
        Self { field: Some(field), ..Self::new(ErrorType::InvalidRequest, message) }
    }

    /// Builds the response; `body` describes the error in the form of its route.
    pub(crate) fn response(&self, body: &impl Serialize) -> HttpResponse {
        let mut response = HttpResponse::build(self.kind.status());
        match self.kind {
            ErrorType::Unauthorized => {
                response.insert_header((WWW_AUTHENTICATE, "Bearer"));
            }
            // The rest of the body is not read, so the connection cannot be used again.
            ErrorType::RequestTimeout | ErrorType::BodyTooLarge => {
                response.force_close();
            }
            _ => {}
        }
        if let Some(wait) = self.retry_after {
            // The header has whole seconds; rounded up, so that a client that waits as told is let in.
            response.insert_header((RETRY_AFTER, wait.as_secs_f64().ceil().max(1.0).to_string()));
        }
        if let Some(methods) = self.allow {
            response.insert_header((ALLOW, methods));
        }
        response.json(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_never_as_long_as_the_request_and_its_values_stay_out_of_the_log() {
        let secret = "\u{e9}".repeat(1 << 20);
        let error = ApiError::invalid(secret.clone(), format!("unknown field `{secret}`"));
        assert!(error.message.len() < 2100 && error.field.as_ref().is_some_and(|field| field.len() < 2100));
        assert!(!error.for_log(false).contains('\u{e9}') && error.for_log(true).contains('\u{e9}'));
        let own = ApiError::new(ErrorType::Unauthorized, "the key is not known");
        assert_eq!(own.for_log(false), "the key is not known");
    }
}
