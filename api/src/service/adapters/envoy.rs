//! The external authorization of Envoy, over HTTP: 200 lets a request through, 403 holds it, and headers say why.
//!
//! Envoy asks with the method and the path of its client's request, under a prefix (`/envoy`). A request without a
//! prompt in it passes: whether it may is not Demur's question.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::service::adapters::chat::{model_of, prompt_of};
use crate::service::adapters::verdict::{Extras, Place, prompts};
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::registry::Registry;
use crate::service::reply::{Reply, to_json};

/// P(refusal), where there is a prompt.
const P_REFUSAL: HeaderName = HeaderName::from_static("x-demur-p-refusal");
/// `send`, `abstain`, `hold`, or `none` where there is no prompt.
const DECISION: HeaderName = HeaderName::from_static("x-demur-decision");
/// The decision in one sentence.
const REASON: HeaderName = HeaderName::from_static("x-demur-reason");

/// Answers the request.
///
/// # Errors
/// Those of `predict`.
pub(crate) async fn authorize(bytes: &[u8], registry: &Registry, job: &Job) -> Result<Reply, ApiError> {
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let Some(prompt) = prompt_of(&body) else {
        let headers = vec![(DECISION, HeaderValue::from_static("none"))];
        return Ok(Reply { headers, ..Reply::ok(to_json(&json!({}), job.limits().answer)?) });
    };
    let ask = Extras::default().ask(model_of(&body), "model")?;
    let verdicts = prompts(vec![prompt], ask, Place::one("messages"), registry, job).await?;
    // There is one verdict, for there is one prompt.
    let Some(verdict) = verdicts.list.first() else { return Ok(Reply::ok(b"{}".to_vec())) };
    let reason = verdicts.reason(verdict);
    let headers = vec![
        (P_REFUSAL, value(&format!("{:.4}", verdict.p()))),
        (DECISION, value(verdict.decision.name())),
        (REASON, value(&reason)),
    ];
    let (status, body) = if verdict.is_held() {
        let error = json!({"message": reason, "type": "refusal_predicted", "param": null, "code": "hold"});
        (StatusCode::FORBIDDEN, json!({ "error": error }))
    } else {
        (StatusCode::OK, json!({}))
    };
    Ok(Reply { status, headers, json: to_json(&body, job.limits().answer)? })
}

/// A text as a header's value: the name of a model may hold characters that none can have.
fn value(text: &str) -> HeaderValue {
    let shown = |letter: char| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' };
    let text: String = text.chars().map(shown).take(1000).collect();
    // Visible ASCII is a valid value, so the fallback is not used.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("?"))
}
