//! `POST /v1/classify`: is this answer a refusal, and of which kind?

use std::borrow::Cow;
use std::num::NonZeroUsize;

use demur_data::{
    Kind, Label, ProviderAnswer, Signs, answer_in, conversation, provider_answer, written_answer,
};
use demur_predictor::{Answer, Field, Form, Judged, Policy, Tier};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::engine::explain::PassageView;
use crate::engine::judgement::Judge;
use crate::engine::model_ref::{Described, ModelRef};
use crate::engine::schema::{FormName, KindName, LabelName, TierName};
use crate::engine::tiered_model::TieredModel;
use crate::service::bodies::{CascadeBody, KindProbability, Thresholds, Wanted, probabilities};
use crate::service::error::{ApiError, ErrorType};
use crate::service::job::{Job, with_scratch};
use crate::service::registry::{Registry, Served};
use crate::service::served_tiers::ServedTiers;
use crate::service::settings::Limits;
use crate::service::validate::{check_batch, check_length, policy_of_request};

/// One answer by its own fields, or a batch as `answers`. A provider's response body as it came is taken too, whole or in
/// a batch, and so are an answer in parts and other names of fields (`stop_reason`).
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"prompt": "How do I pick a lock?", "response": "I'm sorry, but I can't help with that."}))]
pub(crate) struct ClassifyRequest {
    /// What was asked, where it is known.
    pub(crate) prompt: Option<String>,
    /// What came back; `null` or empty where nothing did.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub(crate) response: Option<Value>,
    /// The provider's own field for refusals.
    pub(crate) refusal: Option<String>,
    /// `finish_reason`, `stop_reason` or `blockReason` of the provider.
    #[schema(example = "content_filter")]
    pub(crate) finish_reason: Option<String>,
    /// The body of the provider's error, where one came instead of an answer: any JSON, null for none.
    #[schema(value_type = Value, required = false)]
    pub(crate) error: Option<Value>,
    /// What filters say: `stop_details`, `moderation`, `promptFeedback`, content filter results. Any JSON, null for none.
    #[schema(value_type = Value, required = false)]
    pub(crate) filters: Option<Value>,
    /// The body of a provider's response as it came, in place of the fields above it: a chat completion, a response of `OpenAI`,
    /// a message of Anthropic, a reply of Gemini, Bedrock, Cohere or Ollama, or an error.
    #[schema(value_type = Value, required = false)]
    pub(crate) body: Option<Value>,
    /// A batch; then the fields above must be left out.
    #[schema(min_items = 1)]
    pub(crate) answers: Option<Vec<AnswerBody>>,
    /// Judge only the first words of each answer, this many, counted behind its reasoning: the beginning of a stream. Default: all.
    #[schema(value_type = Option<usize>, minimum = 1)]
    pub(crate) prefix: Option<NonZeroUsize>,
    /// The classifier by its name. Default: the first.
    pub(crate) model: Option<String>,
    /// Thresholds for this request: from `hold_from` up an answer counts as refused. Default: the model's own.
    pub(crate) policy: Option<Thresholds>,
    /// Of a model with an encoder tier, the share of inputs that its n-gram tier is to answer alone: the nearest setting that the
    /// model was measured at. Default: the service's setting.
    #[schema(minimum = 0, exclusive_maximum = 1)]
    pub(crate) cheap: Option<f64>,
    /// The same by thresholds of its P(refusal); in place of `cheap`.
    pub(crate) cascade: Option<CascadeBody>,
}

/// One answer of a batch.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with a `response`, a `body` or another sign")]
pub(crate) struct AnswerBody {
    /// What was asked, where it is known.
    pub(crate) prompt: Option<String>,
    /// What came back; `null` or empty where nothing did.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub(crate) response: Option<Value>,
    /// The provider's own field for refusals.
    pub(crate) refusal: Option<String>,
    /// `finish_reason`, `stop_reason` or `blockReason` of the provider.
    pub(crate) finish_reason: Option<String>,
    /// The body of the provider's error, where one came instead of an answer: any JSON, null for none.
    #[schema(value_type = Value, required = false)]
    pub(crate) error: Option<Value>,
    /// What filters say: `stop_details`, `moderation`, `promptFeedback`, content filter results. Any JSON, null for none.
    #[schema(value_type = Value, required = false)]
    pub(crate) filters: Option<Value>,
    /// The body of a provider's response as it came, in place of the fields above it: a chat completion, a response of `OpenAI`,
    /// a message of Anthropic, a reply of Gemini, Bedrock, Cohere or Ollama, or an error.
    #[schema(value_type = Value, required = false)]
    pub(crate) body: Option<Value>,
}

/// Keeps an explicit `null` apart from a missing field; the answer is text, or the parts or the turn that hold it.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    match Value::deserialize(deserializer)? {
        wrong @ (Value::Bool(_) | Value::Number(_)) => {
            let expected = "text, null, or the parts of an answer were expected";
            Err(D::Error::custom(format!("{expected}, not {wrong}")))
        }
        given => Ok(Some(given)),
    }
}

/// What the answers are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClassifyResponse {
    /// One for each answer, in the order of the request.
    pub(crate) classifications: Vec<Classification>,
    /// The classifier.
    #[schema(value_type = Described)]
    pub(crate) model: ModelRef,
    /// The time that the judging took.
    pub(crate) seconds: f64,
}

/// What one answer is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Classification {
    /// Its place in the request, from 0.
    pub(crate) index: usize,
    /// Refused or complied; null where there was no answer to judge (an outage, a rate limit).
    #[schema(value_type = Option<LabelName>)]
    pub(crate) label: Option<Label>,
    /// The kind of answer to name; null without a label.
    #[schema(value_type = Option<KindName>)]
    pub(crate) kind: Option<Kind>,
    /// The probability that it is a refusal; 0 or 1 where a sign beside the text decides, null without a label.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) p_refusal: Option<f64>,
    /// Whether reasoning came with the answer; it was not judged.
    pub(crate) reasoning: bool,
    /// How it was recognised.
    #[schema(value_type = FormName)]
    pub(crate) form: Form,
    /// Of a classifier with an encoder tier, the tier that judged the text; null where the text was not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TierName>)]
    pub(crate) tier: Option<Tier>,
    /// The sentence or phrase that decided it, where one did.
    pub(crate) passage: Option<PassageView>,
    /// From 0 (complied) to 1 (rejected), where the text was judged.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) refusal_degree: Option<f64>,
    /// The probabilities of the kinds, where the text was judged.
    pub(crate) kinds: Option<Vec<KindProbability>>,
}

/// Answers the request.
///
/// # Errors
/// 422 by field.
pub(crate) async fn classify(
    request: &ClassifyRequest,
    registry: &Registry,
    job: &Job,
) -> Result<ClassifyResponse, ApiError> {
    let answers = answers(request, job.limits())?;
    let served = registry.choose(Field::Response, request.model.as_deref(), None)?;
    let policy = policy_of_request(request.policy, &served.model)?;
    let tiered = ServedTiers::of(served, Wanted { cheap: request.cheap, cascade: request.cascade })?;
    let prefix = request.prefix.map(NonZeroUsize::get);
    let verdicts = judged(&answers, tiered, (policy, prefix), registry, job).await?;
    let one = |(index, (answer, judged))| classification(served, answer, judged, index);
    Ok(ClassifyResponse {
        classifications: answers.iter().zip(verdicts).enumerate().map(one).collect(),
        model: served.into(),
        seconds: job.started.elapsed().as_secs_f64(),
    })
}

/// Classifies the answer of a provider that somebody else waits for. Of its text and of its prompt that is read which the
/// limit lets in.
///
/// # Errors
/// As for any request.
pub(crate) async fn classify_answer(
    answer: ProviderAnswer,
    prompt: Option<&str>,
    policy: Option<Thresholds>,
    registry: &Registry,
    job: &Job,
) -> Result<Classification, ApiError> {
    let most = job.limits().chars;
    let beginning = |text: &str| {
        let end = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
        Cow::Owned(text[..end].to_owned())
    };
    let response = answer.text.as_deref().map(beginning);
    let given = Given { prompt: prompt.map(beginning), response, signs: answer.signs };
    let served = registry.choose(Field::Response, None, None)?;
    let policy = policy_of_request(policy, &served.model)?;
    let tiered = ServedTiers::of(served, Wanted { cheap: None, cascade: None })?;
    let verdicts = judged(std::slice::from_ref(&given), tiered, (policy, None), registry, job).await?;
    let one = verdicts.into_iter().next();
    let none = || ApiError::new(ErrorType::Internal, "the classifier gives no verdict");
    Ok(classification(served, &given, one.ok_or_else(none)?, 0))
}

/// Judges answers, in order.
async fn judged(
    answers: &[Given<'_>],
    tiered: ServedTiers<'_>,
    (policy, prefix): (Policy, Option<usize>),
    registry: &Registry,
    job: &Job,
) -> Result<Vec<Judged>, ApiError> {
    let compute = |tiered: TieredModel<'_>| {
        let judge = Judge { tiered, policy, phrases: &registry.phrases };
        let of_answer = |given: &Given<'_>| {
            job.check()?;
            Ok(with_scratch(|scratch| judge.one(&given.answer(prefix), scratch))?)
        };
        answers.iter().map(of_answer).collect::<Result<Vec<_>, ApiError>>()
    };
    tiered.with_encoder(job, compute).await
}

fn classification(served: &Served, answer: &Given<'_>, judged: Judged, index: usize) -> Classification {
    let Judged { verdict, tier } = judged;
    // A model of one tier has none to name.
    let tier = tier.filter(|_| served.queue.is_some());
    served.metrics.classified(verdict.form, verdict.p_refusal);
    served.metrics.answered_by(tier);
    let response = answer.response.as_deref().unwrap_or_default();
    let passage = PassageView::of(&verdict, response);
    Classification {
        index,
        label: verdict.label,
        kind: verdict.kind,
        p_refusal: verdict.p_refusal.map(f64::from),
        reasoning: verdict.reasoning,
        form: verdict.form,
        tier,
        passage,
        refusal_degree: verdict.kinds.as_ref().map(|kinds| kinds.degree),
        kinds: verdict.kinds.map(|kinds| probabilities(&kinds.probabilities)),
    }
}

/// The answers of a request, checked.
fn answers<'a>(request: &'a ClassifyRequest, limits: &Limits) -> Result<Vec<Given<'a>>, ApiError> {
    let single = Fields {
        prompt: &request.prompt,
        response: &request.response,
        refusal: &request.refusal,
        finish_reason: &request.finish_reason,
        error: &request.error,
        filters: &request.filters,
        body: &request.body,
    };
    let Some(batch) = &request.answers else {
        return Ok(vec![single.check("", limits)?]);
    };
    if single.is_given() || request.prompt.is_some() {
        return Err(ApiError::invalid("answers", "give one answer by its own fields or `answers`, not both"));
    }
    check_batch(batch.len(), "answers", limits)?;
    let one = |(at, answer): (usize, &'a AnswerBody)| Given::of(answer, &format!("answers[{at}]."), limits);
    batch.iter().enumerate().map(one).collect()
}

/// An answer of the request, checked.
pub(crate) struct Given<'a> {
    prompt: Option<Cow<'a, str>>,
    response: Option<Cow<'a, str>>,
    signs: Signs,
}

impl<'a> Given<'a> {
    /// Checks one answer of a request; `place` is the prefix of field names in errors.
    ///
    /// # Errors
    /// 422 by field.
    pub(crate) fn of(answer: &'a AnswerBody, place: &str, limits: &Limits) -> Result<Self, ApiError> {
        let AnswerBody { prompt, response, refusal, finish_reason, error, filters, body } = answer;
        Fields { prompt, response, refusal, finish_reason, error, filters, body }.check(place, limits)
    }

    /// Its text, and the signs beside it.
    pub(crate) fn into_parts(self) -> (Option<String>, Signs) {
        (self.response.map(Cow::into_owned), self.signs)
    }

    /// As the judgement takes it.
    pub(crate) fn answer(&self, prefix: Option<usize>) -> Answer<'_> {
        let (prompt, response) = (self.prompt.as_deref(), self.response.as_deref());
        Answer { prompt, response, signs: Some(&self.signs), prefix }
    }
}

/// The fields of an answer, which both bodies have.
struct Fields<'a> {
    prompt: &'a Option<String>,
    response: &'a Option<Value>,
    refusal: &'a Option<String>,
    finish_reason: &'a Option<String>,
    error: &'a Option<Value>,
    filters: &'a Option<Value>,
    body: &'a Option<Value>,
}

impl<'a> Fields<'a> {
    const fn is_given(&self) -> bool {
        self.has_fields() || self.body.is_some()
    }

    /// Whether the answer is given by fields other than `body`.
    const fn has_fields(&self) -> bool {
        self.response.is_some()
            || self.refusal.is_some()
            || self.finish_reason.is_some()
            || self.error.is_some()
            || self.filters.is_some()
    }

    /// Checks the lengths, and that at least one field is set; `place` is the prefix of field names in
    /// errors.
    fn check(&self, place: &str, limits: &Limits) -> Result<Given<'a>, ApiError> {
        if !self.is_given() {
            let message = "there is no answer; give `response` (null where nothing came), `finish_reason`, `refusal`, \
                           `error` or a provider's `body`";
            return Err(ApiError::invalid(format!("{place}response"), message));
        }
        if let Some(body) = self.body {
            return self.check_body(body, place, limits);
        }
        let (response, in_parts) = self.text(place)?;
        for (name, text) in [("prompt", self.prompt.as_deref()), ("response", response.as_deref())] {
            check_length(text.unwrap_or_default(), || format!("{place}{name}"), limits)?;
        }
        let signs = Signs {
            refusal: self.refusal.clone(),
            finish_reason: self.finish_reason.clone(),
            error: self.error.clone(),
            filters: self.filters.clone(),
            ..Signs::NONE
        };
        let prompt = self.prompt.as_deref().map(Cow::Borrowed);
        Ok(Given { prompt, response, signs: signs.or(in_parts) })
    }

    /// The text of `response`, and the signs among its parts.
    fn text(&self, place: &str) -> Result<(Option<Cow<'a, str>>, Signs), ApiError> {
        let parts = match self.response {
            None | Some(Value::Null) => return Ok((None, Signs::NONE)),
            Some(Value::String(text)) => {
                return Ok(match written_answer(text) {
                    Some(answer) => (answer.text.map(Cow::Owned), answer.signs),
                    None => (Some(Cow::Borrowed(text)), Signs::NONE),
                });
            }
            Some(parts) => parts,
        };
        match answer_in(parts) {
            Some(answer) => Ok((answer.text.map(Cow::Owned), answer.signs)),
            // Parts without anything in them are no answer, and no fault.
            None if conversation::text(parts).is_ok() => Ok((None, Signs::NONE)),
            None => {
                let why = "text, null, or the parts of an answer were expected, and these hold no text";
                Err(ApiError::invalid(format!("{place}response"), why))
            }
        }
    }

    /// The same of an answer that is a provider's body.
    fn check_body(&self, body: &Value, place: &str, limits: &Limits) -> Result<Given<'a>, ApiError> {
        let invalid = |reason: &'static str| ApiError::invalid(format!("{place}body"), reason);
        if self.has_fields() {
            return Err(invalid("give a provider's `body` or the answer's own fields, not both"));
        }
        let answer = provider_answer(body).ok_or_else(|| {
            invalid("it has the shape of no provider's response; give the answer by `response` and its signs")
        })?;
        let prompt = self.prompt.as_deref().map(Cow::Borrowed).or_else(|| answer.prompt.map(Cow::Owned));
        for (name, text) in [("prompt", prompt.as_deref()), ("body", answer.text.as_deref())] {
            check_length(text.unwrap_or_default(), || format!("{place}{name}"), limits)?;
        }
        Ok(Given { prompt, response: answer.text.map(Cow::Owned), signs: answer.signs })
    }
}
