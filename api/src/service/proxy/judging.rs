//! What an answer is: judged as `/v1/classify` judges it, while it waits or beside its way, counted, and kept beside what
//! was predicted where there is a store for that.

use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::rt::spawn;
use actix_web::rt::time::timeout;
use actix_web::web::Data;
use demur_data::{Label, ProviderAnswer};
use demur_predictor::Field;
use demur_training::labelled_by;

use crate::service::adapters::notice;
use crate::service::beside::Work;
use crate::service::body;
use crate::service::by_models::worked;
use crate::service::classify::{Classification, classify_answer};
use crate::service::error::ApiError;
use crate::service::feedback::recent::Predicted;
use crate::service::job::{Asker, Job};
use crate::service::proxy::keeping;
use crate::service::proxy::policy::{AnswerAction, AnswerRule};
use crate::service::registry::Registry;
use crate::service::state::State;
use crate::store;

/// What became of a prompt that was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum AnswerIs {
    Refused(Option<f64>),
    Complied(Option<f64>),
    /// Something came that is no answer: the model ran out of tokens.
    None,
    /// It could not be judged.
    NotJudged,
}

impl AnswerIs {
    /// Its name in headers and metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Complied(_) => "complied",
            Self::None => "no_answer",
            Self::NotJudged => "none",
        }
    }

    pub(crate) const fn is_refused(self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// The headers that say so.
    pub(crate) fn headers(self) -> Vec<(HeaderName, HeaderValue)> {
        let p = match self {
            Self::Refused(p) | Self::Complied(p) => p,
            Self::None | Self::NotJudged => None,
        };
        notice::answer(self.name(), p)
    }
}

/// What is needed to judge the answer to one request.
#[derive(Clone)]
pub(crate) struct Judging {
    pub(crate) state: Data<State>,
    pub(crate) asker: Asker,
    /// The route, for logs.
    pub(crate) path: &'static str,
    pub(crate) prompt: Option<Arc<str>>,
    /// What was predicted for the target that answers.
    pub(crate) predicted: Option<Predicted>,
    pub(crate) rule: AnswerRule,
}

/// What an answer is, and the label that the store takes of it.
type Found = (AnswerIs, Option<store::Label>);

impl Judging {
    /// Judges an answer, and counts it. What fails is no failure of the request: its answer is passed on.
    pub(crate) async fn judge(&self, answer: Option<ProviderAnswer>) -> AnswerIs {
        let texts = answer.as_ref().filter(|_| self.keeps_texts()).cloned();
        let judged = match answer {
            Some(answer) => self.judged(answer).await,
            None => Ok((AnswerIs::NotJudged, None)),
        };
        let (is, label) = judged.unwrap_or_else(|error| {
            tracing::debug!(target: "demur", route = self.path, error = ?error.kind, "an answer was not judged");
            (AnswerIs::NotJudged, None)
        });
        self.count(is);
        if let (Some(label), Some(predicted)) = (label, &self.predicted) {
            keeping::keep(self, predicted.clone(), label, texts);
        }
        is
    }

    fn keeps_texts(&self) -> bool {
        self.predicted.is_some() && self.state.settings.proxy.as_ref().is_some_and(|proxy| proxy.store_texts)
    }

    async fn judged(&self, answer: ProviderAnswer) -> Result<Found, ApiError> {
        let Self { state, asker, prompt, predicted, rule, .. } = self.clone();
        let size = answer.text.as_deref().map_or(0, str::len) + prompt.as_deref().map_or(0, str::len);
        let work = |job: Job| -> Work<Found> {
            Box::pin(async move {
                let registry = job.state.registry.load_full();
                let found =
                    classify_answer(answer, prompt.as_deref(), rule.thresholds, &registry, &job).await?;
                let is = match found.label {
                    Some(Label::Refused) => AnswerIs::Refused(found.p_refusal),
                    Some(Label::Complied) => AnswerIs::Complied(found.p_refusal),
                    None => AnswerIs::None,
                };
                let label = predicted.map(|_| label(is, &found, &registry)).transpose()?;
                Ok((is, label))
            })
        };
        let worked = worked(self.path, (size, false), asker, &state, work);
        timeout(state.settings.limits.timeout, worked).await.map_err(|_| body::late())?
    }

    /// Judges an answer that is passed on already.
    pub(crate) fn beside(mut self, answer: Option<ProviderAnswer>) {
        if answer.is_none() {
            return self.count(AnswerIs::NotJudged);
        }
        // Its client may be gone by now, and it is counted all the same.
        self.asker.connection = None;
        spawn(async move {
            if self.judge(answer).await.is_refused() && self.rule.action == AnswerAction::Fallback {
                self.state.metrics.proxy_acted("answer", "fallback", false);
            }
        });
    }

    pub(crate) fn count(&self, is: AnswerIs) {
        self.state.metrics.upstream_answered(is.name());
    }
}

/// The label of an answer with the classifier that gives it.
fn label(is: AnswerIs, found: &Classification, registry: &Registry) -> Result<store::Label, ApiError> {
    Ok(store::Label {
        labelled_by: labelled_by(&registry.choose(Field::Response, None, None)?.model),
        label: is.name().to_owned(),
        p_refusal: found.p_refusal,
        kind: found.kind.map(|kind| kind.name().to_owned()),
        form: Some(found.form.name().to_owned()),
    })
}
