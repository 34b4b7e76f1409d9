//! What a handler works with: limits, buffers, the room that is left in its answer, and whether anyone still waits for it.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use demur_predictor::Scratch;
use serde::Serialize;

use crate::engine::tiered_model::PendingEncoder;
use crate::service::encoder_queue::EncoderQueue;
use crate::service::error::{ApiError, ErrorType};
use crate::service::settings::Limits;

/// The work on one request.
pub(crate) struct Job<'a> {
    pub(crate) limits: &'a Limits,
    /// What its encoder has said so far.
    pub(crate) told: &'a PendingEncoder,
    /// The buffers of this thread.
    pub(crate) scratch: &'a mut Scratch,
    /// Set when nobody waits for the answer any more.
    pub(crate) stop: &'a AtomicBool,
    /// Bytes that its answer may still grow by.
    room: usize,
}

impl<'a> Job<'a> {
    pub(crate) const fn new(
        limits: &'a Limits,
        told: &'a PendingEncoder,
        scratch: &'a mut Scratch,
        stop: &'a AtomicBool,
    ) -> Self {
        Self { limits, told, scratch, stop, room: limits.answer }
    }

    /// Asks between two steps of the work whether to go on.
    ///
    /// # Errors
    /// When nobody waits for the answer any more; nobody reads the error either.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        if self.stop.load(Ordering::Relaxed) { Err(stopped()) } else { Ok(()) }
    }

    /// Takes room in the answer for what is about to be kept for it.
    ///
    /// # Errors
    /// 422 when there is none left.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), ApiError> {
        self.room = self.room.checked_sub(bytes).ok_or_else(|| too_large(self.limits.answer))?;
        Ok(())
    }
}

/// How far a request has come.
pub(crate) enum Worked<T> {
    /// It is answered.
    Done(T),
    /// An encoder is to be asked what was noted, and then the request is worked on again.
    AskFirst(EncoderQueue),
}

/// The work was given up.
pub(crate) fn stopped() -> ApiError {
    ApiError::new(ErrorType::RequestTimeout, "the work was given up: nobody waits for its answer any more")
}

fn too_large(most: usize) -> ApiError {
    let message =
        format!("the answer would be larger than {most} bytes; ask about less at once, or lower `top`");
    ApiError::new(ErrorType::InvalidRequest, message)
}

/// Bytes up to a limit.
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

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value as JSON of at most so many bytes.
///
/// # Errors
/// 422 when it would be larger.
pub(crate) fn to_json(value: &impl Serialize, most: usize) -> Result<Vec<u8>, ApiError> {
    let mut out = Bounded { bytes: Vec::new(), most };
    match serde_json::to_writer(&mut out, value) {
        Ok(()) => Ok(out.bytes),
        Err(cause) if cause.is_io() => Err(too_large(most)),
        Err(cause) => Err(ApiError::new(ErrorType::Internal, format!("cannot write the answer: {cause}"))),
    }
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
