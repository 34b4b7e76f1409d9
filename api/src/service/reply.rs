//! Serializes an answer to JSON of limited size, and builds the response.

use std::io::{self, Write};

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::service::error::{ApiError, ErrorType};

/// What an endpoint answers.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// Headers beside those of every answer.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub(crate) json: Vec<u8>,
}

impl Reply {
    /// A body with status 200.
    pub(crate) const fn ok(json: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), json }
    }
}

/// The bytes that are left in an answer while its parts are built.
pub(crate) struct Room {
    most: usize,
    left: usize,
}

impl Room {
    pub(crate) const fn of(most: usize) -> Self {
        Self { most, left: most }
    }

    /// Reserves bytes for the next part.
    ///
    /// # Errors
    /// 422 when not enough are left.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), ApiError> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| too_large(self.most))?;
        Ok(())
    }
}

fn too_large(most: usize) -> ApiError {
    let message =
        format!("the answer would be larger than {most} bytes; ask about less at once, or lower `top`");
    ApiError::new(ErrorType::InvalidRequest, message)
}

/// The bytes of an answer about one text.
const USUAL: usize = 1024;

/// A buffer with a limit.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes).map(drop)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Serializes a value to JSON of at most `most` bytes.
///
/// # Errors
/// 422 when it would be larger.
pub(crate) fn to_json(value: &impl Serialize, most: usize) -> Result<Vec<u8>, ApiError> {
    let mut out = Bounded { bytes: Vec::with_capacity(USUAL.min(most)), most };
    match serde_json::to_writer(&mut out, value) {
        Ok(()) => Ok(out.bytes),
        Err(cause) if cause.is_io() => Err(too_large(most)),
        Err(cause) => Err(ApiError::new(ErrorType::Internal, format!("cannot write the answer: {cause}"))),
    }
}

/// A response with status 200.
pub(crate) fn text(media_type: &'static str, body: impl MessageBody + 'static) -> HttpResponse {
    HttpResponse::Ok().content_type(media_type).body(body)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_grows_to_its_limit_and_no_further() {
        assert_eq!(to_json(&"1234", 6).unwrap(), b"\"1234\"");
        let error = to_json(&"12345", 6).unwrap_err();
        assert_eq!(error.kind, ErrorType::InvalidRequest);
        assert!(error.message.contains("larger than 6 bytes"), "{error:?}");
    }
}
