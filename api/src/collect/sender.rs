//! One request to the target, as it went: what came, or why nothing did.

use std::time::{Duration, Instant, SystemTime};

use actix_web::rt::time::timeout;
use awc::Client;
use awc::error::{ConnectError, PayloadError, SendRequestError};
use awc::http::header::{CONTENT_TYPE, RETRY_AFTER};

use crate::collect::access::Access;
use crate::collect::failure::Failure;
use crate::collect::retry::retry_after;
use crate::store::now;

/// The longest body of an answer.
const LONGEST: usize = 4 << 20;

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Milliseconds since 1970.
    pub(crate) started_at: i64,
    pub(crate) latency: Duration,
    /// The status and the body, or why there is none.
    pub(crate) came: Result<Came, Failure>,
}

/// A whole answer of the server.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) status: u16,
    /// How long the server asks to wait.
    pub(crate) retry_after: Option<Duration>,
    /// Without the key.
    pub(crate) body: String,
}

/// Sends requests.
pub(crate) struct Sender {
    pub(crate) client: Client,
    pub(crate) endpoint: String,
    pub(crate) access: Access,
    pub(crate) timeout: Duration,
}

impl Sender {
    /// Sends a request and waits for the whole answer.
    pub(crate) async fn send(&self, body: String) -> Sent {
        let (started_at, started) = (now(), Instant::now());
        let came = timeout(self.timeout, self.exchange(body)).await.unwrap_or(Err(Failure::Timeout));
        Sent { started_at, latency: started.elapsed(), came }
    }

    async fn exchange(&self, body: String) -> Result<Came, Failure> {
        let mut request = self.client.post(&self.endpoint).no_decompress();
        request = request.insert_header((CONTENT_TYPE, "application/json"));
        for (name, value) in &self.access.headers {
            request = request.insert_header((name.clone(), value.clone()));
        }
        let mut answer = request.send_body(body).await.map_err(|error| unsent(&error))?;
        let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = asked.and_then(|value| retry_after(value, SystemTime::now()));
        let status = answer.status().as_u16();
        let bytes = answer.body().limit(LONGEST).await.map_err(|error| unread(&error))?;
        let body = String::from_utf8_lossy(&bytes);
        Ok(Came { status, retry_after, body: self.access.clean(&body).into_owned() })
    }
}

fn unsent(error: &SendRequestError) -> Failure {
    match error {
        SendRequestError::Connect(ConnectError::Timeout) | SendRequestError::Timeout => Failure::Timeout,
        SendRequestError::Connect(_) => Failure::Connect,
        _ => Failure::Broken,
    }
}

fn unread(error: &PayloadError) -> Failure {
    match error {
        PayloadError::Overflow => Failure::TooLong,
        _ => Failure::Broken,
    }
}
