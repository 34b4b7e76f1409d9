//! Predicts the prompt of a request that is on its way to the upstream, and decides what is done with it.

use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use demur_data::Context;
use demur_data::conversation::sent_in_body;
use demur_predictor::Decision;
use serde_json::Value;

use crate::engine::routing::Ranked;
use crate::engine::rules;
use crate::service::adapters::chat::{model_of, prompt_of};
use crate::service::adapters::notice;
use crate::service::adapters::verdict::{Ask, Place, prompts};
use crate::service::body::Body;
use crate::service::error::ApiError;
use crate::service::feedback::recent::Predicted;
use crate::service::job::Job;
use crate::service::proxy::options::ProxySettings;
use crate::service::proxy::policy::{Mode, PromptAction, PromptRule};
use crate::service::registry::Registry;
use crate::service::routing::{RouteRequest, RouteResponse, route};

/// What is said of a request before it is sent.
pub(crate) struct Before {
    /// Headers for its answer.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The prompt, where there is one.
    pub(crate) prompt: Option<Arc<str>>,
    /// The model that it is for.
    pub(crate) model: Option<String>,
    /// What was predicted for the model that is asked.
    pub(crate) predicted: Option<Predicted>,
    pub(crate) todo: Todo,
}

/// What is done with it.
pub(crate) enum Todo {
    /// It is sent as it is.
    Send,
    /// It is answered 403 with this body.
    Reject(Value),
    /// It is sent for this model.
    Reroute(String),
    /// It is sent to the fallback.
    Fallback,
    /// It could not be judged.
    Failed(ApiError),
}

impl Before {
    /// Of a request that could not be judged.
    pub(crate) fn failed(error: ApiError) -> Self {
        let headers = notice::not_judged(Some(&error.message));
        Self { headers, todo: Todo::Failed(error), ..Self::not_judged() }
    }

    /// Of a request that is not to be judged.
    pub(crate) const fn not_judged() -> Self {
        Self { headers: Vec::new(), prompt: None, model: None, predicted: None, todo: Todo::Send }
    }
}

/// Predicts the prompt of a body for the model that it names.
///
/// # Errors
/// None of its own: what fails is in the result, with what is known of the request.
pub(crate) async fn preflight(body: Arc<Body>, job: Job) -> Result<Before, ApiError> {
    let json: Value = serde_json::from_slice(&body.bytes).unwrap_or_default();
    let (prompt, model) = (prompt_of(&json).map(Arc::<str>::from), model_of(&json));
    let sent_in = sent_in_body(&json);
    drop(json);
    let Some(settings) = &job.state.settings.proxy else { return Ok(Before::not_judged()) };
    let rule = settings.policy.of(model.as_deref()).prompts;
    let before = match prompt.as_deref().filter(|_| rule.judge) {
        None if rule.judge => Before { headers: notice::not_judged(None), ..Before::not_judged() },
        None => Before::not_judged(),
        Some(prompt) => match judged((prompt, &sent_in), model.as_deref(), rule, settings, &job).await {
            Ok(before) => before,
            Err(error) => Before::failed(error),
        },
    };
    Ok(Before { prompt, model, ..before })
}

/// What is said of a prompt, and what the policy does with it.
async fn judged(
    (prompt, sent_in): (&str, &Context),
    model: Option<&str>,
    rule: PromptRule,
    settings: &ProxySettings,
    job: &Job,
) -> Result<Before, ApiError> {
    let registry = job.state.registry.load_full();
    let is_done = settings.mode == Mode::Enforce;
    // Only an answer in place of the upstream's says why.
    let why = is_done && matches!(rule.action, PromptAction::Reject | PromptAction::Reroute);
    let target = model.map(str::to_owned);
    let ask = Ask { target, policy: rule.thresholds, sent_in: sent_in.clone(), why, ..Ask::default() };
    let verdicts = prompts(vec![prompt.to_owned()], ask, Place::one("messages"), &registry, job).await?;
    // There is one verdict, for there is one prompt.
    let Some(verdict) = verdicts.list.first() else { return Ok(Before::not_judged()) };
    let is_silent = rule.action == PromptAction::Pass;
    let headers = if is_silent { Vec::new() } else { notice::headers(&verdicts, verdict) };
    let target = verdicts.target.as_deref().or(verdicts.unknown_target.as_deref());
    let predicted = match &job.state.feedback {
        Some(_) => Some(Predicted::of(registry.named(&verdicts.model.name)?, target, verdict.p())),
        None => None,
    };
    let before = Before { headers, predicted, ..Before::not_judged() };
    if !verdict.is_held() {
        return Ok(before);
    }
    let reason = verdicts.reason(verdict);
    let mut of_other = None;
    let todo = match rule.action {
        PromptAction::Pass | PromptAction::Annotate => return Ok(before),
        // A request that names no model can be given none.
        PromptAction::Reroute if is_done && model.is_some() => {
            let found = rerouted((prompt, sent_in.clone()), settings, &registry, job).await?;
            found.map(|(target, predicted)| {
                of_other = Some(predicted);
                Todo::Reroute(target)
            })
        }
        PromptAction::Fallback if model.is_some() => Some(Todo::Fallback),
        PromptAction::Reject | PromptAction::Reroute | PromptAction::Fallback => None,
    };
    let action = match &todo {
        Some(Todo::Fallback) => "fallback",
        Some(_) => "reroute",
        None if !is_done && rule.action == PromptAction::Reroute => "reroute",
        None => "reject",
    };
    job.state.metrics.proxy_acted("prompt", action, is_done);
    if !is_done {
        return Ok(before);
    }
    let todo = todo.unwrap_or_else(|| Todo::Reject(notice::held(&reason, verdict.why.as_ref())));
    Ok(Before { todo, predicted: of_other.or(before.predicted), ..before })
}

/// The target that the prompt is to go to: the first in the order of their utility that it is not held from, by the
/// thresholds for that target, with what was predicted for it. `None` where it is held from all.
async fn rerouted(
    (prompt, sent_in): (&str, Context),
    settings: &ProxySettings,
    registry: &Registry,
    job: &Job,
) -> Result<Option<(String, Predicted)>, ApiError> {
    let Some(to) = &settings.policy.route else { return Ok(None) };
    let request = RouteRequest {
        prompt: Some(prompt.to_owned()),
        messages: None,
        system: None,
        tools: None,
        sent_in,
        why: None,
        candidates: to.candidates.clone(),
        value: Some(to.value),
        model: None,
        policy: None,
        cheap: None,
        cascade: None,
    };
    let RouteResponse { ranking, model, .. } = route(request, registry, job).await?;
    let served = registry.named(&model.name)?;
    let is_held = |candidate: &Ranked| match settings.policy.of(Some(&candidate.target)).prompts.thresholds {
        Some(own) => candidate.p_refusal >= own.hold_from,
        None => candidate.decision == Decision::Hold,
    };
    let chosen = ranking.into_iter().find(|candidate| !is_held(candidate));
    Ok(chosen.map(|Ranked { target, p_refusal, .. }| {
        let name = rules::known_as(&served.model, &target).unwrap_or(&target);
        let predicted = Predicted::of(served, Some(name), p_refusal);
        (target, predicted)
    }))
}
