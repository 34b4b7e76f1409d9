//! What the models answer: the body is read, worked on where it fits, and the answer sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::rt::time::sleep;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::service::answer::Answer;
use crate::service::beside::{Work, beside, caught};
use crate::service::body::{self, Body};
use crate::service::budget::{Caller, NoRoom, SMALL};
use crate::service::classify::classify;
use crate::service::connection::{Connection, connection};
use crate::service::error::{ApiError, ErrorType};
use crate::service::explain::explain;
use crate::service::job::{Job, gone};
use crate::service::predict::predict;
use crate::service::reply::{text, to_json};
use crate::service::route::{Endpoint, Route};
use crate::service::score::score;
use crate::service::state::{Reason, SOON, State};

/// Bodies from this size up are worked on beside the workers, so that small requests do not wait behind them.
const LARGE: usize = 16 << 10;
/// A client that has closed its side of the connection may read its answer for so long.
const GRACE: Duration = Duration::from_secs(2);

/// Ends the work on a request when nobody waits for it any more.
struct StopWork(Arc<AtomicBool>);

impl Drop for StopWork {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads a body and has the models answer it, on this thread where it is small. What waits or works beside has a permit for
/// as long as it does, and stops soon after its client has left or its time is over.
pub(crate) async fn by_models(
    (endpoint, route): (Endpoint, &'static Route),
    request: &HttpRequest,
    payload: Payload,
    state: &Data<State>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let body = body::read(request, payload, state, caller).await?;
    let size = body.bytes.len();
    let connection = connection(request).cloned();
    let stop = StopWork(Arc::default());
    let job = Job::new(state.clone(), caller, connection.clone(), Arc::clone(&stop.0));
    let is_small = size < LARGE && !endpoint.is_heavy();
    if !is_small {
        job.enter()?;
    }
    let work: Work<Vec<u8>> = Box::pin(caught(route.path, endpoint.answer(body, job)));
    let json = if is_small {
        work.await?
    } else {
        tokio::select! {
            json = beside(work, &state.turns, (caller, size)) => json?,
            () = left(connection.as_deref()) => return Err(gone()),
        }
    };
    answered(json, connection, caller, state)
}

impl Endpoint {
    /// From the bytes of a request to those of its answer. The body is counted, and the permit held, until this is done.
    async fn answer(self, body: Body, job: Job) -> Result<Vec<u8>, ApiError> {
        job.check()?;
        let registry = job.state.registry.load_full();
        let (bytes, most) = (&body.bytes, job.limits().answer);
        match self {
            Self::Predict => to_json(&predict(&body::parse(bytes)?, &registry, &job).await?, most),
            Self::Classify => to_json(&classify(&body::parse(bytes)?, &registry, &job).await?, most),
            Self::Explain => to_json(&explain(&body::parse(bytes)?, &registry, &job).await?, most),
            Self::Score => to_json(&score(&body::parse(bytes)?, &registry, &job).await?, most),
        }
    }
}

/// Waits until the client has left, and a while more: one that has closed its side alone may still read.
async fn left(connection: Option<&Connection>) {
    match connection {
        Some(connection) => connection.client_left().await,
        None => std::future::pending().await,
    }
    sleep(GRACE).await;
}

/// An answer as it is sent: a large one is counted while it waits for its client.
fn answered(
    json: Vec<u8>,
    connection: Option<Arc<Connection>>,
    caller: Caller,
    state: &State,
) -> Result<HttpResponse, ApiError> {
    if json.len() <= SMALL {
        return Ok(text("application/json", json));
    }
    let answer = Answer::new(json, connection, caller, state);
    let answer = answer.map_err(|NoRoom| state.turned_away(ErrorType::Overloaded, Reason::Memory, SOON))?;
    Ok(text("application/json", answer))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "by_models_tests.rs"]
mod tests;
