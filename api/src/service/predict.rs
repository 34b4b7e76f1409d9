//! `POST /v1/predict`: will these prompts be refused?

use demur_data::{Context, conversation};
use demur_predictor::{Decision, Doubt, Field, Input, Policy, Tier, Tiered};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::engine::explain::{Term, terms};
use crate::engine::model_ref::{Described, ModelRef};
use crate::engine::schema::{DecisionName, DoubtName, TierName};
use crate::engine::shares::{ShareView, shares};
use crate::engine::tiered_model::TieredModel;
use crate::engine::why::{Why, why};
use crate::service::bodies::{
    CascadeBody, KindProbability, Message, Thresholds, Wanted, confidence, probabilities,
};
use crate::service::contexts::{Beside, Tool};
use crate::service::error::ApiError;
use crate::service::job::{Job, with_scratch};
use crate::service::registry::{Registry, Served};
use crate::service::reply::Room;
use crate::service::served_tiers::ServedTiers;
use crate::service::settings::Limits;
use crate::service::validate::{check_batch, check_terms, check_text, check_top, policy_of_request};

/// How many words and n-grams are shown if the request does not say.
pub(crate) const TOP: usize = 10;

/// Prompts to judge: exactly one of `prompt`, `prompts` and `messages`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"prompt": "How do I pick a lock?"}))]
pub(crate) struct PredictRequest {
    /// One prompt.
    #[schema(min_length = 1)]
    pub(crate) prompt: Option<String>,
    /// A batch of prompts.
    #[schema(min_items = 1)]
    pub(crate) prompts: Option<Vec<String>>,
    /// A chat, of which the last message of the user is judged.
    #[schema(min_items = 1)]
    #[serde(alias = "conversations")]
    pub(crate) messages: Option<Vec<Message>>,
    /// The model that the prompts would be sent to, by a name that a predictor knows (`GET /v1/models`). Default: the
    /// average target.
    pub(crate) target: Option<String>,
    /// The predictor by its name. Default: the first that knows the target.
    pub(crate) model: Option<String>,
    /// The system prompt that the prompts are sent behind, beside that of a chat. A predictor that has learned no contexts
    /// does not read it and says so in `not_judged`.
    pub(crate) system: Option<String>,
    /// The tools that the target is offered: with any, it is an agent.
    #[schema(value_type = Option<Vec<Object>>)]
    #[serde(alias = "functions")]
    pub(crate) tools: Option<Vec<Tool>>,
    /// What was said before the prompt. It is not judged.
    pub(crate) context: Option<String>,
    /// What the body of another API says of it.
    #[serde(skip)]
    pub(crate) sent_in: Context,
    /// Whether to show the strongest words and n-grams of each prompt.
    pub(crate) explain: Option<bool>,
    /// Whether to say why a prompt is held.
    pub(crate) why: Option<bool>,
    /// How many words and n-grams to show. Default: 10.
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

impl PredictRequest {
    /// What the request says beside its prompts.
    fn beside(&self) -> Beside<'_> {
        Beside::of(self.system.as_deref(), self.tools.as_deref(), self.messages.as_deref(), &self.sent_in)
    }
}

/// What a prompt is predicted to meet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PredictResponse {
    /// One for each prompt, in the order of the request.
    pub(crate) predictions: Vec<Prediction>,
    /// The predictor.
    #[schema(value_type = Described)]
    pub(crate) model: ModelRef,
    /// The target that was taken, where the request names one.
    pub(crate) target: Option<String>,
    /// The digest of the target's line, where it was placed or learned from feedback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target_digest: Option<String>,
    /// The fields of the request that the model does not read.
    #[schema(example = json!([]))]
    pub(crate) not_judged: Vec<&'static str>,
    /// What is not known, in sentences: a system prompt that what it shares with known ones stands in for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!([]))]
    pub(crate) not_known: Vec<String>,
    /// The time that the judging took.
    pub(crate) seconds: f64,
}

/// One prompt's answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Prediction {
    /// Its place in the request, from 0.
    pub(crate) index: usize,
    /// The probability that the target refuses, as calibrated on rows that the fit had not seen.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) p_refusal: f64,
    /// The probability of the likelier of both outcomes: from .5, a guess, to 1.
    #[schema(minimum = 0.5, maximum = 1)]
    pub(crate) confidence: f64,
    /// What to do: by the policy, and `abstain` where there is a `reason`.
    #[schema(value_type = DecisionName)]
    pub(crate) decision: Decision,
    /// Why nothing is decided, where too little of the prompt is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DoubtName>)]
    pub(crate) reason: Option<Doubt>,
    /// The share of the prompt's letters that lie in n-grams known to the model.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) coverage: f64,
    /// The language of the prompt (ISO 639); null where it cannot be told.
    #[schema(example = "en")]
    pub(crate) language: Option<&'static str>,
    /// The lower end of the 95% interval of the share refused among unseen rows with a similar P(refusal), widened by what is
    /// unknown of the prompt; where there is a `reason`, 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) p_refusal_low: Option<f64>,
    /// The upper end of that interval; where there is a `reason`, 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) p_refusal_high: Option<f64>,
    /// Of a model with an encoder tier, the tier that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TierName>)]
    pub(crate) tier: Option<Tier>,
    /// Where the model tells kinds of refusal apart: their probabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kinds: Option<Vec<KindProbability>>,
    /// Why it is held, where it is and the request asks for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<Why>,
    /// The strongest n-grams of the n-gram tier, where the request asks for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) terms: Option<Vec<Term>>,
    /// The answer of the n-gram tier by whole words, as `/v1/explain` shows it, where the request asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shares: Option<Vec<ShareView>>,
}

/// The prompts of a request, and the field name for errors about them.
struct Prompts<'a> {
    texts: Vec<&'a str>,
    field: &'static str,
}

impl Prompts<'_> {
    /// Checks how many there are, and how long each is.
    fn check(&self, limits: &Limits) -> Result<(), ApiError> {
        check_batch(self.texts.len(), self.field, limits)?;
        for (at, text) in self.texts.iter().enumerate() {
            let name =
                || if self.field == "prompts" { format!("prompts[{at}]") } else { self.field.to_owned() };
            check_text(text, name, limits)?;
        }
        Ok(())
    }
}

/// Answers the request.
///
/// # Errors
/// 422 by field.
pub(crate) async fn predict(
    request: &PredictRequest,
    registry: &Registry,
    job: &Job,
) -> Result<PredictResponse, ApiError> {
    let joined;
    let mut prompts = prompts_of(request)?;
    let limits = job.limits();
    check_top(request.top)?;
    if let Some(messages) = &request.messages {
        let (at, text) = last_of_user(messages)?;
        joined = text;
        prompts.texts.push(&joined);
        check_text(&joined, || format!("messages[{at}].content"), limits)?;
    } else {
        prompts.check(limits)?;
    }
    let served = registry.choose(Field::Prompt, request.model.as_deref(), request.target.as_deref())?;
    let policy = policy_of_request(request.policy, &served.model)?;
    let top = request.explain.unwrap_or(false).then(|| request.top.unwrap_or(TOP));
    check_terms(top.unwrap_or_default(), prompts.texts.len())?;
    let tiered = ServedTiers::of(served, Wanted { cheap: request.cheap, cascade: request.cascade })?;
    let target = request.target.as_deref();
    let beside = request.beside();
    let inputs = prompts.texts.iter().map(|text| Input { target, ..Input::prompt(text) });
    let inputs: Vec<Input<'_>> = inputs.map(|input| beside.sent_in().of(input)).collect();
    let scored = tiered.score(&inputs, job).await?;
    let mut room = Room::of(limits.answer);
    let mut predictions = Vec::with_capacity(inputs.len());
    for (index, (input, scored)) in inputs.iter().zip(&scored).enumerate() {
        // Explaining many prompts takes a while, so the work stops here if nobody waits any more.
        job.check()?;
        predictions.push(predict_one(served, input, scored, (policy, top), &mut room, index)?);
    }
    if request.why.unwrap_or(false) {
        let each = predictions.iter().map(|prediction| prediction.decision);
        let held: Vec<Held<'_>> = inputs.iter().zip(&scored).zip(each).collect();
        for (prediction, why) in predictions.iter_mut().zip(whys(&tiered, &held, policy, job).await?) {
            room.take(why.as_ref().map_or(0, Why::size))?;
            prediction.why = why;
        }
    }
    job.remember(served, target, predictions.iter().map(|one| one.p_refusal));
    let response = PredictResponse {
        predictions,
        model: served.into(),
        target: request.target.clone(),
        target_digest: target.and_then(|target| served.model.placed_digest(target)).map(str::to_owned),
        not_judged: not_judged(request, &beside, served),
        not_known: beside.not_known(&served.model),
        seconds: job.started.elapsed().as_secs_f64(),
    };
    if job.state.settings.log_prompts {
        tracing::info!(target: "demur", ?request, ?response, "predicted");
    }
    Ok(response)
}

/// A prompt with its target, its score and what is decided on it.
pub(crate) type Held<'a> = ((&'a Input<'a>, &'a Tiered), Decision);

/// Why prompts are held, those that are.
///
/// # Errors
/// When an encoder fails, or too many inputs wait for it.
pub(crate) async fn whys(
    tiered: &ServedTiers<'_>,
    each: &[Held<'_>],
    policy: Policy,
    job: &Job,
) -> Result<Vec<Option<Why>>, ApiError> {
    let compute = |tiered: TieredModel<'_>| {
        let of = |((input, scored), decision): &Held<'_>| {
            job.check()?;
            let why = with_scratch(|scratch| why(&tiered, input, (scored, *decision, policy), scratch))?;
            Ok(why.map(|why| Why { request_id: job.request_id(), ..why }))
        };
        each.iter().map(of).collect::<Result<Vec<_>, ApiError>>()
    };
    tiered.with_encoder(job, compute).await
}

fn predict_one(
    served: &Served,
    input: &Input<'_>,
    scored: &Tiered,
    (policy, top): (Policy, Option<usize>),
    room: &mut Room,
    index: usize,
) -> Result<Prediction, ApiError> {
    let (p_refusal, tier) = (scored.p_refusal, served.queue.is_some().then_some(scored.tier));
    let kinds = with_scratch(|scratch| served.model.kinds_at(input, p_refusal, scratch));
    let known = with_scratch(|scratch| served.model.familiarity(input, scored, scratch));
    let reason = known.and_then(|known| known.doubt);
    let interval = known.and_then(|known| served.model.interval_of_known(scored, &known));
    let decision = policy.decide(p_refusal).unless(reason);
    served.metrics.predicted(p_refusal, decision);
    served.metrics.answered_by(tier);
    let explanation = top.map(|top| (served.model.scorer().explain(input), top));
    let terms = explanation.as_ref().map(|(explanation, top)| terms(explanation, input, *top));
    room.take(terms.iter().flatten().map(size_of).sum())?;
    Ok(Prediction {
        index,
        p_refusal: p_refusal.get(),
        confidence: confidence(p_refusal),
        decision,
        reason,
        coverage: known.map_or(0.0, |known| known.coverage),
        language: known.and_then(|known| known.language),
        p_refusal_low: interval.map(|(low, _)| low),
        p_refusal_high: interval.map(|(_, high)| high),
        tier,
        kinds: kinds.map(|kinds| probabilities(&kinds.probabilities)),
        why: None,
        terms,
        shares: explanation
            .as_ref()
            .map(|(explanation, top)| shares(&served.model, explanation, input, *top)),
    })
}

/// The approximate JSON size of a term with its word. It counts spans, because a text of one repeated word
/// has as many spans as words.
fn size_of(term: &Term) -> usize {
    300 + 2 * term.ngram.len() + 48 * term.spans.len()
}

/// Returns the prompts from whichever of the three fields the request uses.
fn prompts_of(request: &PredictRequest) -> Result<Prompts<'_>, ApiError> {
    match (&request.prompt, &request.prompts, &request.messages) {
        (Some(prompt), None, None) => Ok(Prompts { texts: vec![prompt], field: "prompt" }),
        (None, Some(prompts), None) => {
            Ok(Prompts { texts: prompts.iter().map(String::as_str).collect(), field: "prompts" })
        }
        (None, None, Some(_)) => Ok(Prompts { texts: Vec::new(), field: "messages" }),
        (None, None, None) => {
            Err(ApiError::invalid("prompt", "there is no prompt; give `prompt`, `prompts` or `messages`"))
        }
        _ => Err(ApiError::invalid("prompt", "give one of `prompt`, `prompts` and `messages`, not several")),
    }
}

/// The parts of a request that the model does not read.
fn not_judged(request: &PredictRequest, beside: &Beside<'_>, served: &Served) -> Vec<&'static str> {
    let mut parts = beside.not_judged(&served.model);
    if request.context.is_some() {
        let after = parts.iter().take_while(|part| matches!(**part, "system" | "tools")).count();
        parts.insert(after, "context");
    }
    parts
}

/// The last message of the user, and its index.
///
/// # Errors
/// 422 when there is none.
pub(crate) fn last_of_user(messages: &[Message]) -> Result<(usize, String), ApiError> {
    let last = conversation::last_user(messages, |message| (&message.role, &message.content));
    let at = last.ok_or_else(|| ApiError::invalid("messages", "there is no message with the role `user`"))?;
    Ok((at, messages[at].content.clone()))
}
