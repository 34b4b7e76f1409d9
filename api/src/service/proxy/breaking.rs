//! The end of an answer that breaks off. The server drops what it has not written yet when a body fails, so the failure
//! waits until it has written all.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::Version;
use actix_web::rt::time::{Instant, Sleep, sleep};
use awc::error::PayloadError;

use crate::service::connection::{Connection, connection};

/// How often it is looked whether all is written.
const STEP: Duration = Duration::from_millis(1);
/// Longest wait where a connection has several answers at once, and it cannot be seen which one is written.
const SHARED: Duration = Duration::from_millis(50);

/// The connection to the client, as far as a failure needs it.
#[derive(Clone)]
pub(crate) struct ToClient {
    connection: Option<Arc<Connection>>,
    /// Longest wait for it.
    patience: Duration,
}

impl ToClient {
    pub(crate) fn of(request: &HttpRequest, patience: Duration) -> Self {
        let patience = if request.version() == Version::HTTP_2 { SHARED } else { patience };
        Self { connection: connection(request).cloned(), patience }
    }

    /// Begins to wait with a failure.
    pub(crate) fn breaks(&self, error: PayloadError) -> Breaking {
        let connection = self.connection.clone();
        let before = connection.as_ref().map_or(0, |connection| connection.flushes());
        let until = Instant::now() + self.patience;
        Breaking { error: Some(error), connection, before, until, step: Box::pin(sleep(STEP)) }
    }
}

/// A failure that waits.
pub(crate) struct Breaking {
    error: Option<PayloadError>,
    connection: Option<Arc<Connection>>,
    /// How often all had been written when it came.
    before: usize,
    until: Instant,
    step: Pin<Box<Sleep>>,
}

impl Breaking {
    /// The failure, when all is written; once.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<PayloadError>> {
        let is_written = self.connection.as_ref().is_none_or(|connection| connection.flushes() > self.before);
        if is_written || Instant::now() >= self.until {
            return Poll::Ready(self.error.take());
        }
        while self.step.as_mut().poll(context).is_ready() {
            self.step = Box::pin(sleep(STEP));
        }
        Poll::Pending
    }
}
