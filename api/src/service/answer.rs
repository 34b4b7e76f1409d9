//! The body of an answer: sent in chunks, within the byte budget of all answers, and only while the client
//! reads it.
//!
//! If actix-http gets an answer as a whole, it copies it into the connection's buffer, where it stays until
//! the client has read it, possibly never. So the answer is passed on in chunks of some kilobytes. The bytes
//! that wait are counted, and a client that reads none of them for too long loses its connection. This holds
//! for HTTP/2 too, where a client can stall one answer without stalling the connection.

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

/// Size of a chunk in bytes.
const PIECE: usize = 32 << 10;

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    rest: Bytes,
    /// Bytes that the connection has taken.
    taken: Arc<AtomicUsize>,
    _hold: Hold,
}

impl Answer {
    /// Counts an answer against the budget, and watches whether the client reads it.
    ///
    /// # Errors
    /// [`NoRoom`] if all answers together exceed the budget, and this one has to go.
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

/// Ends the connection of an answer if none of it is read for too long.
async fn watch(taken: Weak<AtomicUsize>, connection: Arc<Connection>, patience: Duration) {
    let mut before = 0;
    loop {
        sleep(patience).await;
        // If the answer was dropped, it was sent in full or its connection has ended.
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
