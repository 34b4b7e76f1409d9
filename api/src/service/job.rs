//! The work on one request, from its handler's view: what it may call and wait for, and whether anyone still
//! waits for the answer.

use std::cell::RefCell;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Instant;

use actix_web::http::header::HeaderValue;
use actix_web::web::Data;
use demur_predictor::Scratch;

use crate::engine::tiered_model::{EncoderReply, EncoderRequest};
use crate::service::budget::Caller;
use crate::service::connection::Connection;
use crate::service::encoder_queue::{EncoderQueue, Unanswered};
use crate::service::error::{ApiError, ErrorType};
use crate::service::feedback::recent::Predicted;
use crate::service::registry::Served;
use crate::service::settings::Limits;
use crate::service::state::{Permit, Reason, SOON, State};

thread_local! {
    /// The scratch buffers of this thread. Every answer about a prompt says how much of it is known.
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::measuring());
}

/// Computes with this thread's buffers. `compute` must not wait, because the next step may run on another
/// thread.
pub(crate) fn with_scratch<T>(compute: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(compute)
}

/// Who waits for the work on a request.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) caller: Caller,
    /// `None` where nobody does, and in tests that build a request by hand.
    pub(crate) connection: Option<Arc<Connection>>,
    /// The request's id.
    pub(crate) id: Option<HeaderValue>,
}

/// The work on one request.
pub(crate) struct Job {
    pub(crate) state: Data<State>,
    /// When the work began.
    pub(crate) started: Instant,
    asker: Asker,
    /// Set when nobody waits for the answer any more.
    stop: Arc<AtomicBool>,
    /// Held from the moment it waits, or runs outside the workers, until the work is done.
    permit: OnceLock<Permit>,
}

impl Job {
    pub(crate) fn new(state: Data<State>, asker: Asker, stop: Arc<AtomicBool>) -> Self {
        Self { state, started: Instant::now(), asker, stop, permit: OnceLock::new() }
    }

    /// Who sent the request.
    pub(crate) fn caller(&self) -> Caller {
        self.asker.caller
    }

    /// Remembers what a predictor has said for a target, if feedback is kept and can name it: a proxy sees by itself what
    /// comes back.
    pub(crate) fn remember(&self, served: &Served, target: Option<&str>, p: impl Iterator<Item = f64>) {
        if self.state.settings.proxy.is_some() {
            return;
        }
        let (Some(feedback), Some(id)) = (&self.state.feedback, self.request_id()) else { return };
        let predictions: Vec<Predicted> = p.map(Predicted::by(served, target)).collect();
        let mut recent = feedback.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.remember(self.caller(), &id, predictions);
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.state.settings.limits
    }

    /// The request's id, where it has one.
    pub(crate) fn request_id(&self) -> Option<String> {
        Some(self.asker.id.as_ref()?.to_str().ok()?.to_owned())
    }

    /// The stop flag, for work that checks it by itself.
    pub(crate) fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// Checks between two steps whether to continue.
    ///
    /// # Errors
    /// When nobody waits for the answer any more; then nobody reads the error either.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        if self.stop.load(Ordering::Relaxed) { Err(stopped()) } else { Ok(()) }
    }

    /// Takes a permit to wait or to run outside the workers, once. It is held until the work is done, even if
    /// its caller is gone.
    ///
    /// # Errors
    /// 429 if too many requests wait or run.
    pub(crate) fn enter(&self) -> Result<(), ApiError> {
        if self.permit.get().is_none() {
            let permit = self.state.enter(self.asker.caller)?;
            // The steps of a request run one after another, so nothing else has set it in between.
            drop(self.permit.set(permit));
        }
        Ok(())
    }

    /// Sends requests to an encoder's queue. They are cancelled as soon as the client has left.
    ///
    /// # Errors
    /// 429 if too many inputs wait, 500 if the encoder fails.
    pub(crate) async fn ask(
        &self,
        queue: &EncoderQueue,
        requests: Vec<EncoderRequest>,
    ) -> Result<Vec<EncoderReply>, ApiError> {
        self.enter()?;
        let client_left = async {
            match &self.asker.connection {
                Some(connection) => connection.client_left().await,
                None => pending().await,
            }
        };
        tokio::select! {
            replies = queue.ask(requests) => replies.map_err(|why| match why {
                Unanswered::Full => self.state.turned_away(ErrorType::Overloaded, Reason::EncoderQueue, SOON),
                Unanswered::Failed => {
                    ApiError::new(ErrorType::Internal, "the encoder failed on this request; the log says why")
                }
            }),
            () = client_left => Err(gone()),
        }
    }
}

/// The error when the client has left; nobody reads it.
pub(crate) fn gone() -> ApiError {
    ApiError::new(ErrorType::RequestTimeout, "the client has gone away")
}

/// The error when the work was stopped.
fn stopped() -> ApiError {
    ApiError::new(ErrorType::RequestTimeout, "the work was given up: nobody waits for its answer any more")
}
