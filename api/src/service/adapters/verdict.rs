//! What Demur says of the texts of another API's request: the one way from every shape to `predict` and `classify`.
//!
//! A shape brings its body into texts and an [`Ask`], and puts the [`Verdicts`] into its own form. Whatever both
//! have in common is decided here: which model answers, what a target means that nobody knows, what thresholds
//! mean, and how errors name the fields of the caller's own body.

use demur_data::{Context, Label};
use demur_predictor::{Decision, Field, Form, ShareKind, ViewText};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::engine::model_ref::ModelRef;
use crate::engine::rules;
use crate::engine::shares::ShareView;
use crate::engine::why::Why;
use crate::service::bodies::Thresholds;
use crate::service::classify::{AnswerBody, Classification, ClassifyRequest, classify};
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::predict::{PredictRequest, Prediction, predict};
use crate::service::registry::Registry;
use crate::service::validate::policy_of;

/// How many words a reason names.
const WORDS: usize = 3;

/// Where the texts are in the caller's body, for errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The name of their field.
    pub(crate) field: &'static str,
    /// Whether they are a list there.
    pub(crate) is_list: bool,
}

impl Place {
    pub(crate) const fn one(field: &'static str) -> Self {
        Self { field, is_list: false }
    }

    pub(crate) const fn list(field: &'static str) -> Self {
        Self { field, is_list: true }
    }

    /// An error about a field of Demur's own request as one about the caller's.
    fn renamed(self, error: ApiError) -> ApiError {
        let field = error.field.as_deref().and_then(|field| {
            let of_texts = field.strip_prefix("prompts").or_else(|| field.strip_prefix("answers"))?;
            let index = of_texts.split_inclusive(']').next().filter(|_| self.is_list).unwrap_or_default();
            Some(format!("{}{index}", self.field))
        });
        ApiError { field: field.or(error.field), ..error }
    }
}

/// What a caller wants to know of texts.
#[derive(Debug, Default)]
pub(crate) struct Ask {
    /// The model that answers, by the name that it is served under. Default: the first of its field.
    pub(crate) model: Option<String>,
    /// The target, whether or not it is known.
    pub(crate) target: Option<String>,
    /// Thresholds. Default: the model's own.
    pub(crate) policy: Option<Thresholds>,
    /// What the prompts are sent in.
    pub(crate) sent_in: Context,
    /// Whether to name the words that speak for refusal.
    pub(crate) explain: bool,
    /// Whether to say why a prompt is held.
    pub(crate) why: bool,
}

/// Settings that several shapes let a caller add. Fields of others are left to them.
#[derive(Debug, Default, Clone, Deserialize, ToSchema)]
pub(crate) struct Extras {
    /// From this P(refusal) up a prompt is held and an answer counts as refused. Default: the model's own.
    #[serde(alias = "threshold")]
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) hold_from: Option<f64>,
    /// Below this a prompt is sent. Default: `hold_from`, so that nothing is in doubt.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) send_below: Option<f64>,
    /// The model that answers, by the name that it is served under (`GET /v1/models`).
    pub(crate) model: Option<String>,
    /// The target, in place of the one that the request is for.
    pub(crate) target: Option<String>,
    /// Whether a reason may name words of the prompt. Default: false, for gateways log reasons.
    pub(crate) explain: Option<bool>,
}

impl Extras {
    /// What is asked by these; `target` is the one that the request is for, `field` the place of these in the body.
    ///
    /// # Errors
    /// 422 when `send_below` is without `hold_from`, or the thresholds are out of range or out of order.
    pub(crate) fn ask(self, target: Option<String>, field: &str) -> Result<Ask, ApiError> {
        let policy = match (self.hold_from, self.send_below) {
            (None, None) => None,
            (Some(hold_from), send_below) => {
                Some(Thresholds { send_below: send_below.unwrap_or(hold_from), hold_from })
            }
            (None, Some(_)) => {
                let message = "`send_below` needs `hold_from` beside it";
                return Err(ApiError::invalid(format!("{field}.send_below"), message));
            }
        };
        // Here, for a request with nothing to judge asks no model that would check them.
        policy.map(|policy| policy_of(policy, field)).transpose()?;
        let target = self.target.or(target);
        let explain = self.explain.unwrap_or(false);
        Ok(Ask { model: self.model, target, policy, explain, ..Ask::default() })
    }
}

/// What is said of one text.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// `None` where there was no answer to judge.
    pub(crate) p_refusal: Option<f64>,
    /// What to do with a prompt; of an answer, `hold` where it is a refusal and else `send`.
    pub(crate) decision: Decision,
    /// The words that speak for refusal, where they are asked for.
    pub(crate) words: Vec<String>,
    /// Why a prompt is held, where that is asked for.
    pub(crate) why: Option<Why>,
    /// Of an answer, how it was recognised.
    pub(crate) form: Option<Form>,
}

impl Verdict {
    pub(crate) fn is_held(&self) -> bool {
        self.decision == Decision::Hold
    }

    /// P(refusal) for shapes that have no place for "no answer": what is none is no refusal.
    pub(crate) fn p(&self) -> f64 {
        self.p_refusal.unwrap_or(0.0)
    }

    fn of_prompt(prediction: Prediction) -> Self {
        let Prediction { p_refusal, decision, shares, why, .. } = prediction;
        let mut words: Vec<ShareView> = shares.unwrap_or_default();
        // Words of a system prompt are not for the answer to its user.
        words.retain(|share| {
            share.kind == ShareKind::Word && share.field != Some(ViewText::System) && share.contribution > 0.0
        });
        words.sort_by(|a, b| b.contribution.total_cmp(&a.contribution));
        let words = words.into_iter().take(WORDS).map(|share| share.text).collect();
        Self { p_refusal: Some(p_refusal), decision, words, why, form: None }
    }

    fn of_answer(classification: &Classification) -> Self {
        let &Classification { p_refusal, label, form, .. } = classification;
        let decision = if label == Some(Label::Refused) { Decision::Hold } else { Decision::Send };
        Self { p_refusal, decision, words: Vec::new(), why: None, form: Some(form) }
    }
}

/// What is said of all texts of a request.
#[derive(Debug)]
pub(crate) struct Verdicts {
    /// One for each text, in their order.
    pub(crate) list: Vec<Verdict>,
    /// The model that answered.
    pub(crate) model: ModelRef,
    /// The known target that it answered for; `None` for the average target.
    pub(crate) target: Option<String>,
    /// The target that was asked for and is not known.
    pub(crate) unknown_target: Option<String>,
    /// Whether the model reads system prompts and does not know that of the request.
    pub(crate) unknown_system: bool,
}

impl Verdicts {
    /// The verdict of the text that is most likely refused; `None` where there is no text.
    pub(crate) fn worst(&self) -> Option<&Verdict> {
        self.list.iter().max_by(|a, b| {
            (a.is_held(), a.p()).partial_cmp(&(b.is_held(), b.p())).unwrap_or(std::cmp::Ordering::Equal)
        })
    }

    /// One sentence about a verdict, for people.
    pub(crate) fn reason(&self, verdict: &Verdict) -> String {
        let p = verdict
            .p_refusal
            .map_or_else(|| "no answer to judge".to_owned(), |p| format!("P(refusal) {p:.2}"));
        if let Some(form) = verdict.form {
            return format!("the answer: {p} (by its {})", form.name());
        }
        let target = match (&self.target, &self.unknown_target) {
            (Some(target), _) => format!("for {target}"),
            (None, Some(unknown)) => format!("for the average target, for {unknown} is not known"),
            (None, None) => "for the average target".to_owned(),
        };
        let behind = if self.unknown_system { ", behind a system prompt that is not known" } else { "" };
        let words =
            if verdict.words.is_empty() { String::new() } else { format!(": {}", verdict.words.join(", ")) };
        format!("{p} {target}{behind}{words}")
    }
}

/// The field that a caller's model judges; without a model, prompts.
///
/// # Errors
/// 404 when no model of this name is served.
pub(crate) fn field_of(registry: &Registry, model: Option<&str>) -> Result<Field, ApiError> {
    model.map_or(Ok(Field::Prompt), |name| Ok(registry.named(name)?.model.manifest().field))
}

/// Judges texts by the model that is asked for: as prompts by a predictor, as answers by a classifier.
///
/// # Errors
/// 404 when no model of this name is served; those of `predict` and `classify`, with the caller's names of fields.
pub(crate) async fn judge(
    texts: Vec<String>,
    ask: Ask,
    place: Place,
    registry: &Registry,
    job: &Job,
) -> Result<Verdicts, ApiError> {
    match field_of(registry, ask.model.as_deref())? {
        Field::Prompt => prompts(texts, ask, place, registry, job).await,
        Field::Response => {
            let answer = |text: String| AnswerBody { response: Some(text.into()), ..AnswerBody::default() };
            answers(texts.into_iter().map(answer).collect(), ask, place, registry, job).await
        }
    }
}

/// Predicts prompts. A target that is not known falls back to the average one, and the verdicts say so.
///
/// # Errors
/// Those of `predict`, with the caller's names of fields.
pub(crate) async fn prompts(
    texts: Vec<String>,
    ask: Ask,
    place: Place,
    registry: &Registry,
    job: &Job,
) -> Result<Verdicts, ApiError> {
    let Ask { model, target: wanted, policy, sent_in, explain, why } = ask;
    let target = wanted.as_deref().and_then(|wanted| known_target(registry, model.as_deref(), wanted));
    let unknown_target = wanted.filter(|_| target.is_none());
    let (explain, why) = (explain.then_some(true), why.then_some(true));
    let prompts = Some(texts);
    let request =
        PredictRequest { prompts, model, target, policy, sent_in, explain, why, ..PredictRequest::default() };
    let response = predict(&request, registry, job).await.map_err(|error| place.renamed(error))?;
    let list = response.predictions.into_iter().map(Verdict::of_prompt).collect();
    let unknown_system = !response.not_known.is_empty();
    Ok(Verdicts { list, model: response.model, target: response.target, unknown_target, unknown_system })
}

/// Classifies answers.
///
/// # Errors
/// Those of `classify`, with the caller's names of fields.
pub(crate) async fn answers(
    answers: Vec<AnswerBody>,
    ask: Ask,
    place: Place,
    registry: &Registry,
    job: &Job,
) -> Result<Verdicts, ApiError> {
    let Ask { model, policy, .. } = ask;
    let request = ClassifyRequest { answers: Some(answers), model, policy, ..ClassifyRequest::default() };
    let response = classify(&request, registry, job).await.map_err(|error| place.renamed(error))?;
    let list = response.classifications.iter().map(Verdict::of_answer).collect();
    let (target, unknown_target, unknown_system) = (None, None, false);
    Ok(Verdicts { list, model: response.model, target, unknown_target, unknown_system })
}

/// The name of this target by which a predictor knows it.
pub(crate) fn known_target(registry: &Registry, model: Option<&str>, wanted: &str) -> Option<String> {
    let of_field = registry.of(Field::Prompt);
    let mut predictors = of_field.filter(|served| model.is_none_or(|model| served.name == model));
    predictors.find_map(|served| rules::known_as(&served.model, wanted)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_checked_where_they_are_read() {
        let of =
            |hold_from, send_below| Extras { hold_from, send_below, ..Extras::default() }.ask(None, "params");
        for (hold_from, send_below) in
            [(Some(1.5), None), (Some(0.4), Some(0.6)), (Some(0.5), Some(-1e119)), (None, Some(0.5))]
        {
            assert!(of(hold_from, send_below).is_err(), "{hold_from:?} {send_below:?}");
        }
        assert!(of(Some(0.7), Some(0.2)).is_ok_and(|ask| ask.policy.is_some()));
        assert!(of(None, None).is_ok_and(|ask| ask.policy.is_none()));
    }
}
