//! Reads a request's bytes and parses them into a checked value.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::body::{BodyStream, MessageBody};
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::rt::time::timeout;
use actix_web::web::Payload;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use crate::service::budget::{Caller, Hold};
use crate::service::error::{ApiError, ErrorType};
use crate::service::state::{Reason, SOON, State};

/// How long a client may pause in the middle of a body.
const SILENCE: Duration = Duration::from_secs(10);

/// A body, counted against the byte budget while it is held.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    /// None in tests that make a body by hand.
    pub(crate) _hold: Option<Hold>,
}

/// How a body must be declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// As JSON.
    Json,
    /// As JSON or not at all.
    JsonOrNone,
    /// In any way.
    Any,
}

impl MediaType {
    fn takes(self, declared: Option<&str>) -> bool {
        match self {
            Self::Json => declared.is_some_and(is_json),
            Self::JsonOrNone => declared.is_none_or(is_json),
            Self::Any => true,
        }
    }
}

/// Reads a body of at most `limits.body` bytes. A slow body does not block other
/// requests: it counts as at work only once it is complete, and until then it may be dropped if all bodies
/// together exceed the budget.
///
/// # Errors
/// 415 when it is not declared as JSON, 413 when it is too large, 408 when it does not arrive, 429 when it
/// was dropped.
pub(crate) async fn read(
    request: &HttpRequest,
    media_type: MediaType,
    payload: Payload,
    state: &State,
    caller: Caller,
) -> Result<Body, ApiError> {
    let declared = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !media_type.takes(declared) {
        return Err(ApiError::new(
            ErrorType::UnsupportedMediaType,
            "the body must be JSON and be declared so: content-type: application/json",
        ));
    }
    let most = state.settings.limits.body;
    let too_large = || {
        let message = format!("the body is larger than {most} bytes; send less at once");
        ApiError::new(ErrorType::BodyTooLarge, message)
    };
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > most as u64) {
        return Err(too_large());
    }
    // The length is within the limit, which is a `usize`, so the conversion cannot fail.
    let expected = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(most);
    let given_up = Arc::new(Notify::new());
    let give_up = Arc::clone(&given_up);
    let hold = state.bodies.hold(caller, move || give_up.notify_one());
    let no_room = || state.turned_away(ErrorType::Overloaded, Reason::Memory, SOON);
    let (mut body, mut bytes) = (BodyStream::new(payload), Vec::<u8>::new());
    loop {
        let piece = tokio::select! {
            biased;
            () = given_up.notified() => return Err(no_room()),
            piece = timeout(SILENCE, poll_fn(|context| std::pin::Pin::new(&mut body).poll_next(context))) => {
                piece.map_err(|_| late())?
            }
        };
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|cause| {
            ApiError::new(ErrorType::MalformedJson, format!("the body cannot be read: {cause}"))
        })?;
        if bytes.len() + piece.len() > most {
            return Err(too_large());
        }
        let (before, needed) = (bytes.capacity(), bytes.len() + piece.len());
        if needed > before {
            // Grows as a vector would, but never beyond the size that may arrive.
            let room = (2 * before).min(expected).max(needed);
            bytes.reserve_exact(room - bytes.len());
        }
        bytes.extend_from_slice(&piece);
        hold.grow(bytes.capacity() - before).map_err(|_| no_room())?;
    }
    hold.keep();
    Ok(Body { bytes, _hold: Some(hold) })
}

/// The error for a request that does not arrive in time, or is not answered in time.
pub(crate) fn late() -> ApiError {
    ApiError::new(ErrorType::RequestTimeout, "the request took too long to arrive or to answer")
}

/// Whether a media type is JSON, with any parameters.
fn is_json(declared: &str) -> bool {
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Parses JSON.
///
/// # Errors
/// 400 when it is not JSON, 422 when it is JSON of another type.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() { wrong_value::<T>(bytes, &error) } else { malformed(bytes, &error) }
    })
}

fn malformed(bytes: &[u8], error: &serde_json::Error) -> ApiError {
    let message = match std::str::from_utf8(bytes) {
        Err(cause) => format!("the body is not UTF-8 from byte {} on", cause.valid_up_to()),
        Ok(_) => format!("the body is not JSON: {error}"),
    };
    ApiError::new(ErrorType::MalformedJson, message)
}

/// Parses the body once more to find the field that is wrong; only requests that fail pay for this.
fn wrong_value<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> ApiError {
    // serde may report a wrong type before it reaches a syntax error. A body with a syntax error is
    // malformed, whatever comes before it.
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
        return malformed(bytes, &error);
    }
    let deserializer = &mut serde_json::Deserializer::from_slice(bytes);
    let field = match serde_path_to_error::deserialize::<_, T>(deserializer) {
        Err(found) => found.path().to_string(),
        Ok(_) => ".".to_owned(),
    };
    let message = without_content(error);
    if field == "." {
        return ApiError::new(ErrorType::InvalidRequest, message);
    }
    ApiError::invalid(field, message)
}

/// serde's message about a wrong value. Strings are removed from it, because they may be prompts.
fn without_content(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match (message.find("string \""), message.rfind("\", expected")) {
        (Some(start), Some(end)) if start < end => {
            format!("{}string{}", &message[..start], &message[end + 1..])
        }
        _ => message,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Wanted {
        list: Vec<Item>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Item {
        number: u8,
    }

    #[test]
    fn errors_say_where() {
        let deep = "[".repeat(200);
        for (body, kind, field, said) in [
            (&b"{"[..], ErrorType::MalformedJson, None, "EOF"),
            (b"", ErrorType::MalformedJson, None, "EOF"),
            (b"{\"list\": [{\"number\": \"secret\"}", ErrorType::MalformedJson, None, "EOF"),
            (b"\"\xff\"", ErrorType::MalformedJson, None, "not UTF-8 from byte 1"),
            (b"{\"list\": \"\\ud800\"}", ErrorType::MalformedJson, None, "line 1"),
            (deep.as_bytes(), ErrorType::MalformedJson, None, "EOF"),
            (b"[]", ErrorType::InvalidRequest, None, "invalid"),
            (b"{\"lost\": 1}", ErrorType::InvalidRequest, Some("lost"), "unknown field"),
            (
                b"{\"list\": [{\"number\": 1}, {\"number\": 300}]}",
                ErrorType::InvalidRequest,
                Some("list[1].number"),
                "300",
            ),
            (
                b"{\"list\": [{\"number\": \"secret\"}]}",
                ErrorType::InvalidRequest,
                Some("list[0].number"),
                "string",
            ),
        ] {
            let error = parse::<Wanted>(body).unwrap_err();
            assert_eq!(error.kind, kind, "{error:?}");
            assert_eq!(error.field.as_deref(), field, "{error:?}");
            assert!(error.message.contains(said) && !error.message.contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn media_types_are_told_apart() {
        for json in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"] {
            assert!(is_json(json), "{json}");
        }
        for other in ["text/plain", "application/x-www-form-urlencoded", "", "text/x+json"] {
            assert!(!is_json(other), "{other}");
        }
    }
}
