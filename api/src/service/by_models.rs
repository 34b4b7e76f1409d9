//! Requests that models answer: reads the body, runs the endpoint on the right thread, sends the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::rt::time::sleep;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::service::adapters::name::Adapter;
use crate::service::adapters::{self, Called};
use crate::service::answer::Answer;
use crate::service::beside::{Work, beside, caught};
use crate::service::body::{self, Body, MediaType};
use crate::service::budget::{Caller, NoRoom, SMALL};
use crate::service::classify::classify;
use crate::service::classify_forms;
use crate::service::connection::Connection;
use crate::service::error::{ApiError, ErrorType};
use crate::service::explain::explain;
use crate::service::feedback::told::feedback;
use crate::service::job::{Asker, Job, gone};
use crate::service::predict::predict;
use crate::service::reply::{Reply, text, to_json};
use crate::service::route::Endpoint;
use crate::service::routing::route;
use crate::service::score::score;
use crate::service::state::{Reason, SOON, State};

/// Bodies of at least this size are processed outside the workers, so that small requests do not wait behind
/// them.
const LARGE: usize = 16 << 10;
/// After a client has closed its side of the connection, it may still read its answer for this long.
const GRACE: Duration = Duration::from_secs(2);

/// Stops the work on a request when nobody waits for it any more.
struct StopWork(Arc<AtomicBool>);

impl Drop for StopWork {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads a body and lets the models answer it: on this thread if it is small, else outside the workers. Work
/// that waits or runs outside holds a permit, and stops soon after its client has left or its time is over.
pub(crate) async fn by_models(
    (endpoint, path): (Endpoint, &'static str),
    request: &HttpRequest,
    payload: Payload,
    state: &Data<State>,
    asker: Asker,
) -> Result<HttpResponse, ApiError> {
    let (caller, connection) = (asker.caller, asker.connection.clone());
    let called = Called::of(request)?;
    let body = body::read(request, endpoint.media_type(), payload, state, caller).await?;
    let size = body.bytes.len();
    let work = |job| -> Work<Reply> { Box::pin(endpoint.answer(body, called, job)) };
    let reply = worked(path, (size, endpoint.is_heavy()), asker, state, work).await?;
    answered(reply, connection, caller, state)
}

/// Works on a body of this size: on this thread if it is small and not heavy, else outside the workers. The work stops
/// soon after the asker has left, or after this future is dropped.
///
/// # Errors
/// Those of the work, and 429 if too many requests wait or run.
pub(crate) async fn worked<T: Send + 'static>(
    path: &'static str,
    (size, is_heavy): (usize, bool),
    asker: Asker,
    state: &Data<State>,
    work: impl FnOnce(Job) -> Work<T>,
) -> Result<T, ApiError> {
    let (caller, connection) = (asker.caller, asker.connection.clone());
    let stop = StopWork(Arc::default());
    let job = Job::new(state.clone(), asker, Arc::clone(&stop.0));
    let is_small = size < LARGE && !is_heavy;
    // Small work runs to its end on this thread, and takes a permit only if it waits for an encoder.
    if !is_small {
        job.enter()?;
    }
    let work: Work<T> = Box::pin(caught(path, work(job)));
    if is_small {
        return work.await;
    }
    tokio::select! {
        done = beside(work, &state.turns, (caller, size)) => done,
        () = left(connection.as_deref()) => Err(gone()),
    }
}

impl Endpoint {
    /// How its bodies must be declared. Clients of other APIs leave it out (Triton's), or pass on their own client's
    /// (Envoy).
    const fn media_type(self) -> MediaType {
        match self {
            Self::Predict | Self::Classify | Self::Explain | Self::Score | Self::Route | Self::Feedback => {
                MediaType::Json
            }
            Self::Adapted(Adapter::Envoy | Adapter::OpenInference) => MediaType::Any,
            Self::Adapted(_) => MediaType::JsonOrNone,
        }
    }

    /// Turns the bytes of a request into those of its answer. The body stays counted, and the permit held,
    /// until this is done.
    async fn answer(self, body: Body, called: Called, job: Job) -> Result<Reply, ApiError> {
        job.check()?;
        let registry = job.state.registry.load_full();
        let (bytes, most) = (&body.bytes, job.limits().answer);
        // Boxed but for the most frequent one: a future is as large as its largest branch, and each request moves it.
        let json = match self {
            Self::Predict => to_json(&predict(&body::parse(bytes)?, &registry, &job).await?, most),
            Self::Classify => {
                let request = classify_forms::parse(bytes)?;
                to_json(&Box::pin(classify(&request, &registry, &job)).await?, most)
            }
            Self::Explain => to_json(&Box::pin(explain(&body::parse(bytes)?, &registry, &job)).await?, most),
            Self::Score => to_json(&Box::pin(score(&body::parse(bytes)?, &registry, &job)).await?, most),
            Self::Route => to_json(&Box::pin(route(body::parse(bytes)?, &registry, &job)).await?, most),
            Self::Feedback => {
                to_json(&Box::pin(feedback(&body::parse(bytes)?, &registry, &job)).await?, most)
            }
            Self::Adapted(adapter) => {
                return Box::pin(adapters::answer(adapter, bytes, &called, &registry, &job)).await;
            }
        };
        Ok(Reply::ok(json?))
    }
}

/// Waits until the client has left, and a grace period more: a client that has closed only its own side may
/// still read.
async fn left(connection: Option<&Connection>) {
    match connection {
        Some(connection) => connection.client_left().await,
        None => std::future::pending().await,
    }
    sleep(GRACE).await;
}

/// Builds the response. A large answer is counted while it waits for its client.
fn answered(
    Reply { status, headers, json }: Reply,
    connection: Option<Arc<Connection>>,
    caller: Caller,
    state: &State,
) -> Result<HttpResponse, ApiError> {
    let mut response = if json.len() <= SMALL {
        text("application/json", json)
    } else {
        let answer = Answer::new(json, connection, caller, state);
        let no_room = |NoRoom| state.turned_away(ErrorType::Overloaded, Reason::Memory, SOON);
        text("application/json", answer.map_err(no_room)?)
    };
    *response.status_mut() = status;
    for (name, value) in headers {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "by_models_tests.rs"]
mod tests;
