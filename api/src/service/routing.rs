//! `POST /v1/route`: which of these targets should get the prompt?

use demur_data::Context;
use demur_predictor::{Field, Input};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::engine::model_ref::{Described, ModelRef};
use crate::engine::routing::{Candidate, Ranked, Router, check_value, choice};
use crate::engine::rules;
use crate::service::bodies::{CascadeBody, Message, Thresholds, Wanted};
use crate::service::contexts::{Beside, Tool};
use crate::service::error::ApiError;
use crate::service::job::{Job, with_scratch};
use crate::service::predict::{Held, last_of_user, whys};
use crate::service::registry::{Registry, Served};
use crate::service::served_tiers::ServedTiers;
use crate::service::validate::{check_text, policy_of_request};

/// A prompt and the targets that it may go to: exactly one of `prompt` and `messages`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"prompt": "How do I pick a lock?", "candidates": [{"target": "gpt-4o-mini", "cost": 0.02}, {"target": "gpt-5.5", "cost": 0.3}]}))]
pub(crate) struct RouteRequest {
    /// The prompt.
    #[schema(min_length = 1)]
    pub(crate) prompt: Option<String>,
    /// A chat, of which the last message of the user is judged.
    #[schema(min_items = 1)]
    pub(crate) messages: Option<Vec<Message>>,
    /// The system prompt that the prompt is sent behind, as in `/v1/predict`.
    pub(crate) system: Option<String>,
    /// The tools that the target is offered, as in `/v1/predict`.
    #[schema(value_type = Option<Vec<Object>>)]
    #[serde(alias = "functions")]
    pub(crate) tools: Option<Vec<Tool>>,
    /// What the body of another API says of it.
    #[serde(skip)]
    pub(crate) sent_in: Context,
    /// The targets, each once.
    #[schema(min_items = 1, max_items = 100)]
    pub(crate) candidates: Vec<Candidate>,
    /// What an answer is worth, in the unit of the costs. Default: 1.
    #[schema(exclusive_minimum = 0)]
    pub(crate) value: Option<f64>,
    /// Whether to say why the prompt is held from a target.
    pub(crate) why: Option<bool>,
    /// The predictor by its name. Default: the first that knows any of the targets.
    pub(crate) model: Option<String>,
    /// Thresholds for this request. Default: the model's own.
    pub(crate) policy: Option<Thresholds>,
    /// Of a model with an encoder tier, the share of inputs that its n-gram tier is to answer alone, as in `/v1/predict`.
    #[schema(minimum = 0, exclusive_maximum = 1)]
    pub(crate) cheap: Option<f64>,
    /// The same by thresholds of its P(refusal); in place of `cheap`.
    pub(crate) cascade: Option<CascadeBody>,
}

impl RouteRequest {
    /// What the request says beside its prompt.
    fn beside(&self) -> Beside<'_> {
        Beside::of(self.system.as_deref(), self.tools.as_deref(), self.messages.as_deref(), &self.sent_in)
    }
}

/// Where the prompt should go.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteResponse {
    /// The target with the highest utility that the policy does not hold the prompt from; null where it holds it from all.
    pub(crate) choice: Option<String>,
    /// All targets, from the highest utility to the lowest.
    pub(crate) ranking: Vec<Ranked>,
    /// What is not known, in sentences: targets that the average one stands in for, a system prompt that what it shares with
    /// known ones stands in for.
    #[schema(example = json!([]))]
    pub(crate) not_known: Vec<String>,
    /// The parts of the request that the model does not read.
    #[schema(example = json!([]))]
    pub(crate) not_judged: Vec<&'static str>,
    /// The predictor.
    #[schema(value_type = Described)]
    pub(crate) model: ModelRef,
    /// The time that the judging took.
    pub(crate) seconds: f64,
}

/// Answers the request.
///
/// # Errors
/// 422 by field.
pub(crate) async fn route(
    request: RouteRequest,
    registry: &Registry,
    job: &Job,
) -> Result<RouteResponse, ApiError> {
    let limits = job.limits();
    let (prompt, field) = match (&request.prompt, &request.messages) {
        (Some(prompt), None) => (prompt.clone(), "prompt".to_owned()),
        (None, Some(messages)) => {
            let (at, text) = last_of_user(messages)?;
            (text, format!("messages[{at}].content"))
        }
        _ => return Err(ApiError::invalid("prompt", "give one of `prompt` and `messages`")),
    };
    check_text(&prompt, || field.clone(), limits)?;
    let beside = request.beside();
    let value =
        check_value(request.value.unwrap_or(1.0)).map_err(|reason| ApiError::invalid("value", reason))?;
    let served = predictor(registry, request.model.as_deref(), &request.candidates)?;
    let policy = policy_of_request(request.policy, &served.model)?;
    let router = Router::new(&served.model, request.candidates.clone(), value).map_err(|(at, reason)| {
        let place = at.map_or_else(|| "candidates".to_owned(), |at| format!("candidates[{at}]"));
        ApiError::invalid(place, reason)
    })?;
    let tiered = ServedTiers::of(served, Wanted { cheap: request.cheap, cascade: request.cascade })?;
    let input = |target| beside.sent_in().of(Input { target, ..Input::prompt(&prompt) });
    let inputs: Vec<Input<'_>> = router.targets().map(input).collect();
    let scored = tiered.score(&inputs, job).await?;
    // What is known of a prompt is the same for every target.
    let doubt = scored
        .first()
        .and_then(|first| with_scratch(|scratch| served.model.doubt(&inputs[0], first, scratch)));
    let mut ranking = router.rank(policy, &scored, doubt, served.queue.is_some());
    if request.why.unwrap_or(false) {
        // Each is one of the candidates, and has its input and its score at its place.
        let of = |ranked: &Ranked| {
            let at = router.place(&ranked.target)?;
            Some(((inputs.get(at)?, scored.get(at)?), ranked.decision))
        };
        let held: Vec<Held<'_>> = ranking.iter().filter_map(of).collect();
        let whys = whys(&tiered, &held, policy, job).await?;
        for (ranked, why) in ranking.iter_mut().zip(whys) {
            ranked.why = why;
        }
    }
    for scored in &scored {
        served.metrics.predicted(scored.p_refusal, policy.decide(scored.p_refusal).unless(doubt));
        served.metrics.answered_by(served.queue.is_some().then_some(scored.tier));
    }
    let unknown =
        |name: &str| format!("`{name}` is not known to the predictor; the average target stands in for it");
    Ok(RouteResponse {
        choice: choice(&ranking).map(|chosen| chosen.target.clone()),
        ranking,
        not_known: router.unknown().map(unknown).chain(beside.not_known(&served.model)).collect(),
        not_judged: beside.not_judged(&served.model),
        model: served.into(),
        seconds: job.started.elapsed().as_secs_f64(),
    })
}

/// The predictor of this name, or the first that knows any of the candidates, or the first.
fn predictor<'r>(
    registry: &'r Registry,
    name: Option<&str>,
    candidates: &[Candidate],
) -> Result<&'r Served, ApiError> {
    let knows = |served: &&Served| {
        candidates.iter().any(|candidate| rules::known_as(&served.model, &candidate.target).is_some())
    };
    let found = registry.of(Field::Prompt).find(knows).filter(|_| name.is_none());
    found.map_or_else(|| registry.choose(Field::Prompt, name, None), Ok)
}
