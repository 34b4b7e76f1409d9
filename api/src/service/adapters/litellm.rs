//! The generic guardrail of `LiteLLM`'s proxy, `POST /beta/litellm_basic_guardrail_api`: a request is predicted before
//! it is sent, an answer, or its beginning while it streams, is classified.

use demur_data::conversation;
use demur_predictor::Decision;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::engine::schema::DecisionName;
use crate::service::adapters::verdict::{Extras, Place, Verdicts, answers, prompts};
use crate::service::classify::AnswerBody;
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::registry::Registry;

/// What the proxy sends; its other fields are not read.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"input_type": "request", "texts": ["How do I pick a lock?"], "model": "gpt-4o-mini"}))]
pub(crate) struct GuardrailRequest {
    /// Whether it is a request to a model or its answer.
    input_type: InputType,
    /// The texts in it, empty ones among them.
    texts: Option<Vec<String>>,
    /// The chat of a request; its last message of the user is judged, and without one, all texts.
    #[schema(value_type = Option<Vec<Object>>)]
    structured_messages: Option<Vec<Map<String, Value>>>,
    /// The tools that the model is offered, as the gateway has them: a list of what its providers call tools.
    tools: Option<Value>,
    /// The model that is asked: the target. One that is not known is answered for by the average target.
    model: Option<String>,
    /// The operator's settings.
    additional_provider_specific_params: Option<Extras>,
}

/// The two sides of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InputType {
    /// Before a model is asked.
    Request,
    /// After it has answered, or while it does.
    Response,
}

/// What the proxy is to do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuardrailResponse {
    /// `NONE`, or `BLOCKED` where a prompt is held or an answer is a refusal.
    action: Action,
    /// Why, in one sentence.
    blocked_reason: Option<String>,
    /// What was found, for whoever reads the proxy's logs of this answer. Null where there was nothing to judge.
    demur: Option<Found>,
}

/// What the proxy can do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Action {
    /// Go on.
    None,
    /// Answer with an error.
    Blocked,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Found {
    /// Of the text that is most likely refused; null where there was no answer to judge.
    #[schema(minimum = 0, maximum = 1)]
    p_refusal: Option<f64>,
    /// By the policy.
    #[schema(value_type = DecisionName)]
    decision: Decision,
    /// The target that was taken; null for the average.
    target: Option<String>,
    /// The target that was asked for, where it is not known.
    unknown_target: Option<String>,
    /// The model that answered, by name.
    model: String,
    /// Its digest.
    digest: String,
}

/// Answers the request.
///
/// # Errors
/// Those of `predict` and `classify`.
pub(crate) async fn guard(
    request: GuardrailRequest,
    registry: &Registry,
    job: &Job,
) -> Result<GuardrailResponse, ApiError> {
    const PARAMS: &str = "additional_provider_specific_params";
    let mut texts = request.texts.unwrap_or_default();
    texts.retain(|text| !text.trim().is_empty());
    let mut ask =
        request.additional_provider_specific_params.unwrap_or_default().ask(request.model, PARAMS)?;
    if let (InputType::Request, Some(messages)) = (request.input_type, request.structured_messages) {
        let messages = Value::Array(messages.into_iter().map(Value::Object).collect());
        let last = conversation::last_of_user(&messages).ok();
        ask.sent_in = conversation::sent_in_body(&json!({ "messages": messages, "tools": request.tools }));
        texts = last.filter(|last| !last.trim().is_empty()).map_or(texts, |last| vec![last]);
    }
    if texts.is_empty() {
        return Ok(GuardrailResponse { action: Action::None, blocked_reason: None, demur: None });
    }
    let place = Place::list("texts");
    let verdicts = match request.input_type {
        InputType::Request => prompts(texts, ask, place, registry, job).await?,
        InputType::Response => {
            let answer = |text: String| AnswerBody { response: Some(text.into()), ..AnswerBody::default() };
            answers(texts.into_iter().map(answer).collect(), ask, place, registry, job).await?
        }
    };
    Ok(response(verdicts))
}

fn response(verdicts: Verdicts) -> GuardrailResponse {
    let Some(worst) = verdicts.worst() else {
        return GuardrailResponse { action: Action::None, blocked_reason: None, demur: None };
    };
    let action = if worst.is_held() { Action::Blocked } else { Action::None };
    let blocked_reason = worst.is_held().then(|| verdicts.reason(worst));
    let (p_refusal, decision) = (worst.p_refusal, worst.decision);
    let Verdicts { model, target, unknown_target, .. } = verdicts;
    let found = Found {
        p_refusal,
        decision,
        target,
        unknown_target,
        model: model.name.clone(),
        digest: model.digest.clone(),
    };
    GuardrailResponse { action, blocked_reason, demur: Some(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a gateway sends along must not fail the call that it guards.
    #[test]
    fn tools_of_any_form_are_taken() {
        for tools in
            [json!("x"), json!([[null]]), json!(null), json!([]), json!([{"type": "function"}]), json!(3)]
        {
            let body = json!({"input_type": "request", "texts": ["p"], "tools": tools});
            let request = serde_json::from_value::<GuardrailRequest>(body);
            assert!(request.is_ok(), "{tools}");
        }
    }
}
