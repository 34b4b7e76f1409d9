//! `POST /v1/feedback`: what a target really did with a prompt.

use std::sync::PoisonError;

use demur_data::{LABELLED_BY_DEMUR, Signs};
use demur_predictor::{Field, Input, Outcome};
use demur_training::labelled_by;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::drift::agrees;
use crate::engine::judgement::Judge;
use crate::engine::schema::OutcomeName;
use crate::engine::tiered_model::TieredModel;
use crate::service::bodies::Wanted;
use crate::service::classify::{AnswerBody, Given};
use crate::service::error::{ApiError, ErrorType};
use crate::service::feedback::queue::Unkept;
use crate::service::feedback::recent::Predicted;
use crate::service::feedback::{Feedback, entry, new_event, settings};
use crate::service::job::{Job, with_scratch};
use crate::service::registry::Registry;
use crate::service::served_tiers::ServedTiers;
use crate::service::state::{Reason, SOON};
use crate::service::validate::{check_name, check_text};
use crate::store::{Answer, Label, Prompt, Reported, answer_of, label_of, stored};

/// Who gave a label, where the request does not say.
const UNNAMED: &str = "feedback";

/// What a target did: `prompt` or `request_id`, and `label` or `answer`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"prompt": "How do I pick a lock?", "label": "refused"}))]
pub(crate) struct FeedbackRequest {
    /// The prompt, which is kept with what came of it.
    #[schema(min_length = 1)]
    prompt: Option<String>,
    /// The `x-request-id` of the prediction, in place of the prompt; it must be among this process's last 50,000 predictions.
    request_id: Option<String>,
    /// Of a batch of prompts, the place of the prompt in it. Default: 0.
    index: Option<usize>,
    /// The model that answered, by a name that a predictor knows. Default: the predictor's own target.
    target: Option<String>,
    /// The predictor by its name. Default: the first that knows the target.
    model: Option<String>,
    /// What it did; `no_answer` is an outage or a limit.
    #[schema(value_type = Option<OutcomeName>)]
    label: Option<Outcome>,
    /// Who says so: `person`, `judge`, or any name. Default: `feedback`.
    #[schema(max_length = 1000)]
    labelled_by: Option<String>,
    /// What came back, in place of a label: it is judged as `/v1/classify` does, and kept.
    answer: Option<AnswerBody>,
}

/// What was kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeedbackResponse {
    /// `refused`, `complied` or `no_answer`.
    #[schema(example = "refused")]
    label: &'static str,
    /// Who says so; of an answer, the classifier with its digest.
    labelled_by: String,
    /// What was predicted.
    #[schema(minimum = 0, maximum = 1)]
    p_refusal: f64,
    /// The predictor with its digest and, behind a `+`, that of the line of a target that was placed or learned.
    predicted_by: String,
    /// Whether P(refusal), held against 0.5, agrees; null where there was no answer.
    agrees: Option<bool>,
    /// Whether it is new; of a request whose feedback is there already, it is not.
    new: bool,
}

/// Keeps what a target did.
///
/// # Errors
/// 422 by field, 429 if too much waits to be written, 500 if the store fails.
pub(crate) async fn feedback(
    request: &FeedbackRequest,
    registry: &Registry,
    job: &Job,
) -> Result<FeedbackResponse, ApiError> {
    // The route is on only where there is a store.
    let Some(of_service) = &job.state.feedback else {
        return Err(ApiError::new(ErrorType::NotFound, "this service keeps no feedback (--feedback-store)"));
    };
    check(request, job)?;
    let (event, predicted) = predicted(request, of_service, registry, job).await?;
    let (outcome, label, answer) = done(request, registry, job).await?;
    let reported = request.prompt.as_ref().map(|prompt| Reported {
        prompt: Prompt { text: stored(prompt.clone()), row_id: None },
        settings: settings(request.target.as_deref()),
        answer,
    });
    let response = FeedbackResponse {
        label: outcome.name(),
        labelled_by: label.labelled_by.clone(),
        p_refusal: predicted.p_refusal,
        predicted_by: predicted.predicted_by.clone(),
        agrees: (outcome != Outcome::NoAnswer)
            .then(|| agrees(predicted.p_refusal, outcome == Outcome::Refused)),
        new: false,
    };
    let Predicted { target, p_refusal, .. } = predicted.clone();
    let entry = entry(event, predicted, label, reported);
    job.enter()?;
    let new = of_service.queue.keep(entry).await.map_err(|why| {
        job.state.metrics.feedback_unwritten(why);
        match why {
            Unkept::Full => job.state.turned_away(ErrorType::Overloaded, Reason::Feedback, SOON),
            Unkept::Failed => {
                ApiError::new(ErrorType::Internal, "the feedback could not be written; the log says why")
            }
        }
    })?;
    if new {
        job.state.metrics.told(&target, p_refusal, outcome);
    }
    Ok(FeedbackResponse { new, ..response })
}

/// Checks which fields are there, and their lengths.
fn check(request: &FeedbackRequest, job: &Job) -> Result<(), ApiError> {
    match (&request.prompt, &request.request_id) {
        (Some(prompt), None) => check_text(prompt, || "prompt".to_owned(), job.limits())?,
        (None, Some(_)) => {}
        _ => return Err(ApiError::invalid("prompt", "give one of `prompt` and `request_id`")),
    }
    for (field, given) in [
        ("index", request.index.is_some() && request.request_id.is_none()),
        ("target", request.target.is_some() && request.request_id.is_some()),
        ("model", request.model.is_some() && request.request_id.is_some()),
    ] {
        if given {
            let why = "`index` goes with `request_id`, `target` and `model` with `prompt`; leave it out";
            return Err(ApiError::invalid(field, why));
        }
    }
    if request.label.is_some() == request.answer.is_some() {
        return Err(ApiError::invalid("label", "give one of `label` and `answer`"));
    }
    check_name(request.labelled_by.as_deref(), "labelled_by")?;
    let wrong = |why: &'static str| Err(ApiError::invalid("labelled_by", why));
    match &request.labelled_by {
        Some(_) if request.answer.is_some() => wrong("the classifier labels an answer; leave it out"),
        Some(by) if by.trim().is_empty() => wrong("the name is empty"),
        Some(by) if by.starts_with(LABELLED_BY_DEMUR) => {
            wrong("`demur:` is for labels of demur's own; send the `answer` to have it judged")
        }
        _ => Ok(()),
    }
}

/// What was predicted, and the name of the event.
async fn predicted(
    request: &FeedbackRequest,
    of_service: &Feedback,
    registry: &Registry,
    job: &Job,
) -> Result<(String, Predicted), ApiError> {
    let Some(prompt) = &request.prompt else {
        let (id, index) = (request.request_id.as_deref().unwrap_or_default(), request.index.unwrap_or(0));
        let recent = of_service.recent.lock().unwrap_or_else(PoisonError::into_inner);
        return recent.find(job.caller(), id, index).ok_or_else(|| {
            let why = "no prediction of this caller with this id and index is remembered; send the `prompt`";
            ApiError::invalid("request_id", why)
        });
    };
    let target = request.target.as_deref();
    let served = registry.choose(Field::Prompt, request.model.as_deref(), target)?;
    let tiered = ServedTiers::of(served, Wanted { cheap: None, cascade: None })?;
    let scored = tiered.score(&[Input { target, ..Input::prompt(prompt) }], job).await?;
    let p_refusal = scored.first().map(|scored| scored.p_refusal.get());
    let p_refusal =
        p_refusal.ok_or_else(|| ApiError::new(ErrorType::Internal, "the model gave no probability"))?;
    Ok((new_event(), Predicted::of(served, target, p_refusal)))
}

/// What the target did, by the label or by the classifier, and the answer as it is kept.
async fn done(
    request: &FeedbackRequest,
    registry: &Registry,
    job: &Job,
) -> Result<(Outcome, Label, Answer), ApiError> {
    let Some(answer) = &request.answer else {
        let Some(outcome) = request.label else {
            return Err(ApiError::invalid("label", "give one of `label` and `answer`"));
        };
        let by = request.labelled_by.clone().unwrap_or_else(|| UNNAMED.to_owned());
        let label = Label {
            labelled_by: stored(by),
            label: outcome.name().to_owned(),
            p_refusal: None,
            kind: None,
            form: None,
        };
        return Ok((outcome, label, Answer::default()));
    };
    if answer.prompt.is_some() {
        return Err(ApiError::invalid("answer.prompt", "the prompt goes beside the answer, not into it"));
    }
    let given = Given::of(answer, "answer.", job.limits())?;
    let served = registry.choose(Field::Response, None, None)?;
    let tiered = ServedTiers::of(served, Wanted { cheap: None, cascade: None })?;
    let judged = tiered
        .with_encoder(job, |tiered: TieredModel<'_>| {
            let policy = served.model.manifest().policy;
            let judge = Judge { tiered, policy, phrases: &registry.phrases };
            let mut answer = given.answer(None);
            answer.prompt = answer.prompt.or(request.prompt.as_deref());
            Ok(with_scratch(|scratch| judge.one(&answer, scratch))?)
        })
        .await?;
    let label = label_of(&judged, &labelled_by(&served.model));
    let (text, signs): (Option<String>, Signs) = given.into_parts();
    Ok((judged.verdict.outcome(), label, answer_of(text, signs)))
}
