//! The external authorization of Envoy, over HTTP: 200 lets a request through, 403 holds it, and headers say why.
//!
//! Envoy asks with the method and the path of its client's request, under a prefix (`/envoy`). A request without a
//! prompt in it passes: whether it may is not Demur's question.

use actix_web::http::StatusCode;
use demur_data::conversation::sent_in_body;
use serde_json::{Value, json};

use crate::service::adapters::chat::{model_of, prompt_of};
use crate::service::adapters::notice::{headers, held, not_judged};
use crate::service::adapters::verdict::{Ask, Place, prompts};
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::registry::Registry;
use crate::service::reply::{Reply, to_json};

/// Answers the request.
///
/// # Errors
/// Those of `predict`.
pub(crate) async fn authorize(bytes: &[u8], registry: &Registry, job: &Job) -> Result<Reply, ApiError> {
    let most = job.limits().answer;
    let passed = |headers| Ok(Reply { headers, ..Reply::ok(to_json(&json!({}), most)?) });
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let Some(prompt) = prompt_of(&body) else { return passed(not_judged(None)) };
    let ask = Ask { target: model_of(&body), sent_in: sent_in_body(&body), ..Ask::default() };
    let verdicts = prompts(vec![prompt], ask, Place::one("messages"), registry, job).await?;
    // There is one verdict, for there is one prompt.
    let Some(verdict) = verdicts.list.first() else { return passed(not_judged(None)) };
    let headers = headers(&verdicts, verdict);
    if !verdict.is_held() {
        return passed(headers);
    }
    let json = to_json(&held(&verdicts.reason(verdict), None), most)?;
    Ok(Reply { status: StatusCode::FORBIDDEN, headers, json })
}
