//! An answer of the upstream on its way to the client, byte for byte.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BodyStream, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use actix_web::web::Bytes;
use awc::ClientResponse;
use awc::error::PayloadError;

use crate::service::proxy::breaking::{Breaking, ToClient};
use crate::service::proxy::copy::AnswerCopy;
use crate::service::proxy::judging::Judging;

/// An answer whose body may still be on its way.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    /// Those that are passed on.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Passed,
}

impl Answered {
    /// The answer for the client.
    pub(crate) fn response(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status).body(self.body);
        let headers = response.headers_mut();
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response
    }
}

/// The body of an answer.
pub(crate) struct Passed {
    /// Pieces that have been read, and the failure after which nothing comes.
    first: VecDeque<Result<Bytes, PayloadError>>,
    rest: Option<BodyStream<ClientResponse>>,
    size: BodySize,
    /// How many bytes are still to come from the upstream, where that is known.
    left: Option<u64>,
    /// An answer that says neither its length nor that it is in chunks ends where the connection does.
    is_ended_by_connection: bool,
    /// The copy that is judged when the answer has ended.
    beside: Option<(AnswerCopy, Judging)>,
    to_client: ToClient,
    /// The failure that ends it, while what has come before it is written.
    breaking: Option<Breaking>,
}

impl Passed {
    pub(crate) fn new(answered: ClientResponse, to_client: ToClient) -> Self {
        let headers = answered.headers();
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let is_ended_by_connection = length.is_none() && !headers.contains_key(TRANSFER_ENCODING);
        Self {
            first: VecDeque::new(),
            rest: Some(BodyStream::new(answered)),
            size: length.map_or(BodySize::Stream, BodySize::Sized),
            left: length,
            is_ended_by_connection,
            beside: None,
            to_client,
            breaking: None,
        }
    }

    /// Lets the answer be judged beside its way; what has been read so far is in the copy already.
    pub(crate) fn judge_beside(&mut self, copy: AnswerCopy, judging: Judging) {
        self.beside = Some((copy, judging));
        if self.rest.is_none() {
            self.end(self.first.back().is_none_or(Result::is_ok));
        }
    }

    /// Reads the next piece into memory, and into a copy. False when the answer has ended; an error is passed on where
    /// it came.
    pub(crate) async fn read_ahead(&mut self, copy: &mut AnswerCopy) -> bool {
        let piece = poll_fn(|context| self.poll_rest(context)).await;
        if let Some(Ok(bytes)) = &piece {
            copy.read(bytes);
        }
        let is_more = matches!(piece, Some(Ok(_)));
        self.first.extend(piece);
        is_more
    }

    /// How many bytes have been read and not passed on.
    pub(crate) fn ahead(&self) -> usize {
        self.first.iter().flatten().map(Bytes::len).sum()
    }

    /// Whether the answer has come to its end, and not broken off.
    pub(crate) fn is_whole(&self) -> bool {
        self.rest.is_none() && self.first.back().is_none_or(Result::is_ok)
    }

    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        let piece = match ready!(Pin::new(rest).poll_next(context)) {
            Some(Err(PayloadError::Io(error)))
                if self.is_ended_by_connection && error.kind() == ErrorKind::UnexpectedEof =>
            {
                None
            }
            piece => piece,
        };
        match &piece {
            Some(Ok(bytes)) => {
                let left = self.left.map(|left| left.saturating_sub(bytes.len() as u64));
                self.left = left;
            }
            _ => self.rest = None,
        }
        Poll::Ready(piece)
    }

    /// Judges the copy, if the answer is whole.
    fn end(&mut self, is_whole: bool) {
        if let Some((copy, judging)) = self.beside.take() {
            judging.beside(copy.answer().filter(|_| is_whole));
        }
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        // Its client has left before it ended.
        self.end(false);
    }
}

impl MessageBody for Passed {
    type Error = PayloadError;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(breaking) = &mut self.breaking {
            return breaking.poll(context).map(|error| error.map(Err));
        }
        let piece = match self.first.pop_front() {
            Some(piece) => Some(piece),
            None => {
                let piece = ready!(self.poll_rest(context));
                if let (Some(Ok(bytes)), Some((copy, _))) = (&piece, &mut self.beside) {
                    copy.read(bytes);
                }
                // A body of known length is not asked whether more comes.
                match &piece {
                    Some(Ok(_)) if self.left == Some(0) => self.end(true),
                    Some(Ok(_)) => {}
                    ended => self.end(ended.is_none()),
                }
                piece
            }
        };
        let Some(Err(error)) = piece else { return Poll::Ready(piece) };
        let mut breaking = self.to_client.breaks(error);
        let polled = breaking.poll(context).map(|error| error.map(Err));
        self.breaking = Some(breaking);
        polled
    }
}
