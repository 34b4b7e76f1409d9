//! The shields of Llama Stack, `POST /v1/safety/run-shield`: a prompt that is held, or an answer that is a refusal, is a
//! violation.

use demur_data::conversation::{self, Conversation};
use demur_predictor::Decision;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::engine::schema::DecisionName;
use crate::service::adapters::verdict::{Ask, Extras, Place, answers, prompts};
use crate::service::classify::AnswerBody;
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::registry::Registry;

/// A chat to judge.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"shield_id": "demur", "messages": [{"role": "user", "content": "How do I pick a lock?"}], "params": {}}))]
pub(crate) struct ShieldRequest {
    /// The shield; any name, for which side of the model is judged is said by the chat.
    #[allow(dead_code, reason = "a shield's clients must send it, and every shield is this one")]
    shield_id: String,
    /// Ends with the user's message, which is predicted, or with the model's, which is classified.
    #[schema(value_type = Vec<Object>, min_items = 1)]
    messages: Vec<Map<String, Value>>,
    /// Settings.
    params: Option<Extras>,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShieldResponse {
    /// Null where nothing is held.
    violation: Option<Violation>,
}

/// Why the chat should not go on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Violation {
    /// `error`.
    #[schema(example = "error")]
    violation_level: &'static str,
    /// One sentence.
    user_message: String,
    /// What was found.
    metadata: ViolationMetadata,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ViolationMetadata {
    /// `refusal`.
    #[schema(example = "refusal")]
    violation_type: &'static str,
    #[schema(minimum = 0, maximum = 1)]
    p_refusal: f64,
    /// By the policy.
    #[schema(value_type = DecisionName)]
    decision: Decision,
}

/// Answers the request.
///
/// # Errors
/// 422 when there is no message to judge; those of `predict` and `classify`.
pub(crate) async fn run_shield(
    request: ShieldRequest,
    registry: &Registry,
    job: &Job,
) -> Result<ShieldResponse, ApiError> {
    let invalid = |reason: String| ApiError::invalid("messages", reason);
    let ask: Ask = request.params.unwrap_or_default().ask(None, "params")?;
    let last_role = request.messages.last().and_then(|turn| turn.get("role")).and_then(Value::as_str);
    let is_answer = last_role.is_some_and(conversation::is_assistant);
    let turns = Value::Array(request.messages.into_iter().map(Value::Object).collect());
    let chat = Conversation::parse(&turns).map_err(invalid)?;
    let place = Place::one("messages");
    let verdicts = if is_answer {
        let response = Some(chat.response.map_or(Value::Null, Value::from));
        let answer = AnswerBody { prompt: chat.prompt, response, ..AnswerBody::default() };
        answers(vec![answer], ask, place, registry, job).await?
    } else {
        let prompt = chat.prompt.ok_or_else(|| invalid("there is no message of the user".to_owned()))?;
        let ask = Ask { sent_in: chat.sent_in, ..ask };
        prompts(vec![prompt], ask, place, registry, job).await?
    };
    let held = verdicts.list.first().filter(|verdict| verdict.is_held());
    let violation = held.map(|verdict| Violation {
        violation_level: "error",
        user_message: verdicts.reason(verdict),
        metadata: ViolationMetadata {
            violation_type: "refusal",
            p_refusal: verdict.p(),
            decision: verdict.decision,
        },
    });
    Ok(ShieldResponse { violation })
}
