//! `POST /classify` of vLLM, and `POST /v1/classify` of `SGLang` under the prefix `/sglang`: the shape in which
//! refusal classifiers are served, and which the rail `hf_classifier` of `NeMo` Guardrails asks.
//!
//! The label carries the policy: it is that of a refusal from `hold_from` up, whatever the larger probability is.

use std::time::{SystemTime, UNIX_EPOCH};

use demur_data::conversation::Conversation;
use demur_predictor::Field;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::service::adapters::name::LabelNames;
use crate::service::adapters::verdict::{Ask, Place, Verdict, Verdicts, answers, field_of, judge, prompts};
use crate::service::classify::AnswerBody;
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::registry::Registry;

/// Texts or a chat to label; fields that are about tokens and priorities are not read.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"model": "prompt", "input": "How do I pick a lock?"}))]
pub(crate) struct LabelRequest {
    /// The model by its name (`GET /v1/models`): a predictor takes the input as prompts, a classifier as answers.
    /// Default: the first predictor.
    model: Option<String>,
    /// The texts; instead of `messages`.
    input: Option<TextOrTexts>,
    /// A chat: a predictor judges the last message of the user, a classifier the answer to it.
    #[schema(value_type = Option<Vec<Object>>)]
    messages: Option<Vec<Map<String, Value>>>,
}

/// One text or several.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a text or a list of texts was expected; tokens are not taken")]
pub(crate) enum TextOrTexts {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl TextOrTexts {
    /// The texts, and their place in the body.
    pub(crate) fn placed(self, field: &'static str) -> (Vec<String>, Place) {
        match self {
            Self::One(text) => (vec![text], Place::one(field)),
            Self::Several(texts) => (texts, Place::list(field)),
        }
    }
}

/// The labels.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LabelResponse {
    id: String,
    #[schema(example = "list")]
    object: &'static str,
    /// Seconds since 1970.
    created: u64,
    /// The model that answered.
    model: String,
    /// One for each text, in their order.
    data: Vec<LabelData>,
    /// Zeros: tokens are not counted.
    usage: Usage,
}

/// The label of a text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LabelData {
    index: usize,
    /// One of the two names of `--labels`.
    #[schema(example = "Refusal")]
    label: String,
    /// The probabilities that it is not refused, and that it is.
    probs: [f64; 2],
    num_classes: usize,
}

/// Counts of tokens.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
    completion_tokens: usize,
}

/// Answers the request.
///
/// # Errors
/// 404 when no model has this name; those of `predict` and `classify`.
pub(crate) async fn label(
    request: LabelRequest,
    registry: &Registry,
    job: &Job,
) -> Result<LabelResponse, ApiError> {
    let ask = Ask { model: request.model, ..Ask::default() };
    let verdicts = match (request.input, request.messages) {
        (Some(input), None) => {
            let (texts, place) = input.placed("input");
            judge(texts, ask, place, registry, job).await?
        }
        (None, Some(messages)) => of_chat(messages, ask, registry, job).await?,
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid("input", "give one of `input` and `messages`, not both"));
        }
        (None, None) => {
            return Err(ApiError::invalid("input", "there is no text; give `input` or `messages`"));
        }
    };
    let names = &job.state.settings.labels;
    let data = verdicts.list.iter().enumerate().map(|(index, verdict)| LabelData {
        index,
        label: name_of(verdict, names).to_owned(),
        probs: [1.0 - verdict.p(), verdict.p()],
        num_classes: 2,
    });
    Ok(LabelResponse {
        id: format!("classify-{}", uuid::Uuid::new_v4().simple()),
        object: "list",
        created: now(),
        data: data.collect(),
        model: verdicts.model.name.clone(),
        usage: Usage::default(),
    })
}

/// The label of a verdict, by the policy.
pub(crate) fn name_of<'n>(verdict: &Verdict, names: &'n LabelNames) -> &'n str {
    if verdict.is_held() { &names.refused } else { &names.complied }
}

/// Seconds since 1970.
fn now() -> u64 {
    // A clock before 1970 is no reason to fail.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

async fn of_chat(
    messages: Vec<Map<String, Value>>,
    ask: Ask,
    registry: &Registry,
    job: &Job,
) -> Result<Verdicts, ApiError> {
    let turns = Value::Array(messages.into_iter().map(Value::Object).collect());
    let chat = Conversation::parse(&turns).map_err(|reason| ApiError::invalid("messages", reason))?;
    let place = Place::one("messages");
    match field_of(registry, ask.model.as_deref())? {
        Field::Prompt => {
            let none = || ApiError::invalid("messages", "there is no message of the user");
            let ask = Ask { sent_in: chat.sent_in, ..ask };
            prompts(vec![chat.prompt.ok_or_else(none)?], ask, place, registry, job).await
        }
        Field::Response => {
            let response = Some(chat.response.map_or(Value::Null, Value::from));
            let answer = AnswerBody { prompt: chat.prompt, response, ..AnswerBody::default() };
            answers(vec![answer], ask, place, registry, job).await
        }
    }
}
