//! The webhook of Portkey's gateway, `POST /portkey`: its verdict is false where a prompt is held or an answer is a
//! refusal.

use demur_data::conversation::sent_in_body;
use demur_data::provider_answer;
use demur_predictor::Decision;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::engine::schema::DecisionName;
use crate::service::adapters::chat::{model_of, prompt_of};
use crate::service::adapters::verdict::{Ask, Extras, Place, answers, prompts};
use crate::service::classify::AnswerBody;
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::registry::Registry;

/// What the gateway sends; its other fields are not read.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"eventType": "beforeRequestHook", "request": {"json": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "How do I pick a lock?"}]}}}))]
pub(crate) struct HookRequest {
    /// Which side of the model it is.
    #[serde(rename = "eventType")]
    event_type: EventType,
    /// The request to the model.
    #[serde(deserialize_with = "object")]
    request: HookSide,
    /// Its answer.
    #[serde(default, deserialize_with = "object_or_null")]
    response: Option<HookSide>,
}

/// The two hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum EventType {
    /// Before the model is asked.
    BeforeRequestHook,
    /// After it has answered.
    AfterRequestHook,
}

/// A body, and the text that the gateway found in it.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct HookSide {
    /// The body.
    #[schema(value_type = Value, required = false)]
    json: Option<Value>,
    /// The text in it.
    text: Option<String>,
}

/// Reads an object, and no list of its fields' values, which serde would take too.
fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HookSide, D::Error> {
    let fields = Map::deserialize(deserializer)?;
    serde_json::from_value(Value::Object(fields)).map_err(D::Error::custom)
}

fn object_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HookSide>, D::Error> {
    let fields: Option<Map<String, Value>> = Option::deserialize(deserializer)?;
    let side = fields.map(|fields| serde_json::from_value(Value::Object(fields)));
    side.transpose().map_err(D::Error::custom)
}

/// What the gateway is to do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HookResponse {
    /// Whether the check is passed; also where there was nothing to judge.
    verdict: bool,
    /// Why; null where there was nothing to judge.
    data: Option<HookData>,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HookData {
    /// Null where there was no answer to judge.
    #[schema(minimum = 0, maximum = 1)]
    p_refusal: Option<f64>,
    /// By the policy.
    #[schema(value_type = DecisionName)]
    decision: Decision,
    /// The same in one sentence.
    explanation: String,
}

/// Answers the request.
///
/// # Errors
/// Those of `predict` and `classify`.
pub(crate) async fn hook(
    request: HookRequest,
    registry: &Registry,
    job: &Job,
) -> Result<HookResponse, ApiError> {
    let HookRequest { event_type, request, response } = request;
    let target = request.json.as_ref().and_then(model_of);
    let sent_in = request.json.as_ref().map(sent_in_body).unwrap_or_default();
    let prompt = request.json.as_ref().and_then(prompt_of).or(request.text);
    let ask = Ask { sent_in, ..Extras::default().ask(target, "request")? };
    let nothing = HookResponse { verdict: true, data: None };
    let verdicts = match event_type {
        EventType::BeforeRequestHook => {
            let Some(prompt) = prompt.filter(|prompt| !prompt.trim().is_empty()) else { return Ok(nothing) };
            prompts(vec![prompt], ask, Place::one("request.json"), registry, job).await?
        }
        EventType::AfterRequestHook => {
            let HookSide { json, text } = response.unwrap_or_default();
            let body = json.filter(|body| provider_answer(body).is_some());
            let response = if body.is_some() { None } else { text.map(Value::from) };
            if body.is_none() && response.is_none() {
                return Ok(nothing);
            }
            let answer = AnswerBody { prompt, response, body, ..AnswerBody::default() };
            answers(vec![answer], ask, Place::one("response.json"), registry, job).await?
        }
    };
    let data = verdicts.list.first().map(|verdict| HookData {
        p_refusal: verdict.p_refusal,
        decision: verdict.decision,
        explanation: verdicts.reason(verdict),
    });
    Ok(HookResponse { verdict: verdicts.list.iter().all(|verdict| !verdict.is_held()), data })
}
