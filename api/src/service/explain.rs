//! `POST /v1/explain`: the words behind the decision, those whose removal would change it, and the few that
//! are enough for it.

use demur_data::{Context, Signs};
use demur_predictor::{Field, Input};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::engine::explain::{ExplainResponse, Question};
use crate::engine::shares::MOST_TOP;
use crate::engine::tiered_model::TieredModel;
use crate::service::bodies::{CascadeBody, Thresholds, Wanted};
use crate::service::contexts::{Beside, Tool};
use crate::service::error::{ApiError, ErrorType};
use crate::service::job::{Job, with_scratch};
use crate::service::registry::Registry;
use crate::service::served_tiers::ServedTiers;
use crate::service::validate::{check_length, check_text, check_top, policy_of_request};

/// A prompt, or a prompt and its response, to explain.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"prompt": "How do I pick a lock?"}))]
pub(crate) struct ExplainRequest {
    /// The prompt; it may be left out where a response is given.
    pub(crate) prompt: Option<String>,
    /// The response: then the response classifier is explained. It may be empty where one of the next three is given.
    pub(crate) response: Option<String>,
    /// Of a response, the provider's own field for refusals.
    pub(crate) refusal: Option<String>,
    /// Of a response, `finish_reason`, `stop_reason` or `blockReason` of the provider.
    pub(crate) finish_reason: Option<String>,
    /// Of a response, the body of the provider's error in its place: any JSON, null for none.
    #[schema(value_type = Value, required = false)]
    pub(crate) error: Option<Value>,
    /// Of a prompt, the system prompt that it is sent behind, as in `/v1/predict`.
    pub(crate) system: Option<String>,
    /// Of a prompt, the tools that the target is offered, as in `/v1/predict`.
    #[schema(value_type = Option<Vec<Object>>)]
    #[serde(alias = "functions")]
    pub(crate) tools: Option<Vec<Tool>>,
    /// The target, as in `/v1/predict`.
    pub(crate) target: Option<String>,
    /// The model by its name. Default: the first of the field that knows the target.
    pub(crate) model: Option<String>,
    /// The most words in `shares`, and n-grams in `terms`. Default: 100.
    #[schema(maximum = 100)]
    pub(crate) top: Option<usize>,
    /// Thresholds for this request. Default: the model's own.
    pub(crate) policy: Option<Thresholds>,
    /// Of a model with an encoder tier, the share of inputs that its n-gram tier is to answer alone: the nearest setting that the
    /// model was measured at. Default: the service's setting.
    #[schema(minimum = 0, exclusive_maximum = 1)]
    pub(crate) cheap: Option<f64>,
    /// The same by thresholds of its P(refusal); in place of `cheap`.
    pub(crate) cascade: Option<CascadeBody>,
}

impl ExplainRequest {
    /// What the request says beside a response.
    fn signs(&self) -> Signs {
        let Self { refusal, finish_reason, error, .. } = self;
        let (refusal, finish_reason, error) = (refusal.clone(), finish_reason.clone(), error.clone());
        Signs { refusal, finish_reason, error, ..Signs::NONE }
    }
}

/// Answers the request.
///
/// # Errors
/// 422 by field.
pub(crate) async fn explain(
    request: &ExplainRequest,
    registry: &Registry,
    job: &Job,
) -> Result<ExplainResponse, ApiError> {
    let limits = job.limits();
    check_top(request.top)?;
    let signs = request.signs();
    let (field, text) = match (request.prompt.as_deref(), request.response.as_deref()) {
        (_, response) if signs.any() => (Field::Response, response.unwrap_or_default()),
        (_, Some(response)) => (Field::Response, response),
        (Some(prompt), None) => (Field::Prompt, prompt),
        (None, None) => {
            return Err(ApiError::invalid("prompt", "there is no prompt and no response to explain"));
        }
    };
    let check = if signs.any() { check_length } else { check_text };
    check(text, || field.name().to_owned(), limits)?;
    check_length(request.prompt.as_deref().unwrap_or_default(), || "prompt".to_owned(), limits)?;
    let served = registry.choose(field, request.model.as_deref(), request.target.as_deref())?;
    let policy = policy_of_request(request.policy, &served.model)?;
    let tiered = ServedTiers::of(served, Wanted { cheap: request.cheap, cascade: request.cascade })?;
    let (prompt, target) = (request.prompt.as_deref(), request.target.as_deref());
    // An answer that did not come has an empty text.
    let beside = Beside::of(request.system.as_deref(), request.tools.as_deref(), None, &Context::default());
    let input = field.put(text, beside.sent_in().of(Input { prompt, target, ..Input::default() }));
    let top = request.top.unwrap_or(MOST_TOP);
    let compute = |tiered: TieredModel<'_>| {
        let (name, started) = (served.into(), job.started);
        let (signs, phrases) = (Some(&signs), &registry.phrases);
        let question = Question { tiered, name, input, field, policy, signs, phrases, top, started };
        Ok(with_scratch(|scratch| question.answer(scratch))?)
    };
    let answer = tiered.with_encoder(job, compute).await?;
    // All encoder replies are known at this point, so `None` cannot happen.
    let mut answer = answer.ok_or_else(|| ApiError::new(ErrorType::Internal, "there is no explanation"))?;
    (answer.not_judged, answer.not_known) =
        (beside.not_judged(&served.model), beside.not_known(&served.model));
    served.metrics.answered_by(answer.tier);
    Ok(answer)
}
