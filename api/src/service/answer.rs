//! An answer on its way to the client: in pieces, within the budget of all answers, for as long as the client takes them.
//!
//! Given whole to actix-http, an answer is copied whole into the connection's buffer and stays there until the client has read
//! it, if ever. So it is handed over some kilobytes at a time; what waits is counted, and a client that takes none of it for
//! too long loses its connection. That holds for HTTP/2 as well, where a client can stop an answer without stopping the
//! connection.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::rt::{spawn, time::sleep};
use actix_web::web::Bytes;

use crate::service::budget::{Caller, Hold, NoRoom};
use crate::service::connection::Connection;
use crate::service::state::State;

/// Bytes that are handed over at once.
const PIECE: usize = 32 << 10;

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    rest: Bytes,
    /// Bytes that were taken.
    taken: Arc<AtomicUsize>,
    _hold: Hold,
}

impl Answer {
    /// Counts an answer, and watches that it is taken.
    ///
    /// # Errors
    /// [`NoRoom`] where all answers together are too many bytes, and this is the one to go.
    pub(crate) fn new(
        bytes: Vec<u8>,
        connection: Option<Arc<Connection>>,
        caller: Caller,
        state: &State,
    ) -> Result<Self, NoRoom> {
        let condemned = connection.clone();
        let hold = state.answers.hold(caller, move || {
            if let Some(connection) = condemned {
                connection.condemn();
            }
        });
        hold.grow(bytes.len())?;
        let taken = Arc::new(AtomicUsize::new(0));
        if let Some(connection) = connection {
            let patience = state.settings.limits.write_timeout;
            spawn(watch(Arc::downgrade(&taken), connection, patience));
        }
        Ok(Self { rest: bytes.into(), taken, _hold: hold })
    }
}

/// Ends the connection of an answer of which nothing is taken for too long.
async fn watch(taken: Weak<AtomicUsize>, connection: Arc<Connection>, patience: Duration) {
    let mut before = 0;
    loop {
        sleep(patience).await;
        // An answer that is gone has been taken, or its connection has ended.
        let Some(taken) = taken.upgrade() else { return };
        let now = taken.load(Ordering::Relaxed);
        if now == before {
            return connection.condemn();
        }
        before = now;
    }
}

impl MessageBody for Answer {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = this.rest.split_to(PIECE.min(this.rest.len()));
        this.taken.fetch_add(piece.len(), Ordering::Relaxed);
        Poll::Ready(Some(Ok(piece)))
    }
}
