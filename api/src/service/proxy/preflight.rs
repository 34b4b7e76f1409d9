//! Predicts the prompt of a request that is on its way to the upstream.

use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::service::adapters::chat::{model_of, prompt_of};
use crate::service::adapters::notice;
use crate::service::adapters::verdict::{Ask, Place, prompts};
use crate::service::body::Body;
use crate::service::error::ApiError;
use crate::service::job::Job;

/// What is said of a request.
pub(crate) struct Preflight {
    /// Headers for its answer.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Why the policy holds it, if it does.
    pub(crate) held: Option<String>,
}

/// Predicts the prompt of a body for the model that it names.
///
/// # Errors
/// Those of `predict`.
pub(crate) async fn preflight(body: Arc<Body>, job: Job) -> Result<Preflight, ApiError> {
    let none = Preflight { headers: notice::not_judged(None), held: None };
    let json: Value = serde_json::from_slice(&body.bytes).unwrap_or_default();
    let Some(prompt) = prompt_of(&json) else { return Ok(none) };
    let registry = job.state.registry.load_full();
    let ask = Ask { target: model_of(&json), ..Ask::default() };
    let verdicts = prompts(vec![prompt], ask, Place::one("messages"), &registry, &job).await?;
    // There is one verdict, for there is one prompt.
    let Some(verdict) = verdicts.list.first() else { return Ok(none) };
    let held = verdict.is_held().then(|| verdicts.reason(verdict));
    Ok(Preflight { headers: notice::headers(&verdicts, verdict), held })
}
