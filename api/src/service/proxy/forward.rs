//! Takes a request through the proxy: judged, sent to the upstream or to a fallback, its answer judged and passed on.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::rt::time::{Instant, timeout};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::service::adapters::notice;
use crate::service::beside::Work;
use crate::service::body::{self, Body, MediaType};
use crate::service::by_models::worked;
use crate::service::error::{ApiError, ErrorType};
use crate::service::job::Asker;
use crate::service::proxy::breaking::ToClient;
use crate::service::proxy::client::Upstream;
use crate::service::proxy::copy::AnswerCopy;
use crate::service::proxy::exchange::{Exchange, To};
use crate::service::proxy::judging::{AnswerIs, Judging};
use crate::service::proxy::options::ProxySettings;
use crate::service::proxy::passed::Answered;
use crate::service::proxy::policy::{AnswerAction, Mode, OnFailure};
use crate::service::proxy::preflight::{Before, Todo, preflight};
use crate::service::state::State;

/// The part of the time that a stream is held back in which it is read; in the rest it is judged.
const READING: f64 = 0.9;
/// Most bytes of a stream that are held back, whatever its text is.
const MOST_HELD: usize = 1 << 20;

/// Forwards a request; one that is `judged` has its prompt predicted before, and its answer classified.
///
/// # Errors
/// As for any body; with `closed`, those of `predict`; 502 when the upstream cannot be reached.
pub(crate) async fn forward(
    (judged, path): (bool, &'static str),
    request: &HttpRequest,
    payload: Payload,
    state: &Data<State>,
    asker: Asker,
) -> Result<HttpResponse, ApiError> {
    let (Some(settings), Some(Upstream(client))) = (&state.settings.proxy, request.app_data::<Upstream>())
    else {
        return Err(ApiError::new(ErrorType::NotFound, "there is no upstream"));
    };
    let longest = state.settings.limits.timeout;
    let body = body::read(request, MediaType::Any, payload, state, asker.caller);
    let body = Arc::new(timeout(longest, body).await.map_err(|_| body::late())??);
    let is_read = judged && settings.policy.judges_answers();
    let to_client = ToClient::of(request, state.settings.limits.write_timeout);
    let exchange = Exchange { client, request, body: Arc::clone(&body), is_read, to_client };
    if !judged {
        let to = To { address: &settings.upstream, model: None, fallback: None };
        return Ok(exchange.send(to).await?.response());
    }
    let before = before(path, &body, state, asker.clone()).await;
    let rule = settings.policy.of(before.model.as_deref()).answers;
    let (state, prompt) = (state.clone(), before.prompt.clone());
    let predicted = before.predicted.clone().filter(|_| state.feedback.is_some());
    let flow = Flow { exchange, settings, judging: Judging { state, asker, path, prompt, predicted, rule } };
    let mut response = match &before.todo {
        Todo::Failed(error) if settings.on_failure == OnFailure::Closed => return Err(error.clone()),
        Todo::Reject(body) => HttpResponse::build(StatusCode::FORBIDDEN).json(body),
        todo => flow.answered(todo).await?,
    };
    for (name, value) in before.headers {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// Judges the prompt of a body.
async fn before(path: &'static str, body: &Arc<Body>, state: &Data<State>, asker: Asker) -> Before {
    let (size, own) = (body.bytes.len(), Arc::clone(body));
    let work = |job| -> Work<Before> { Box::pin(preflight(own, job)) };
    let worked = worked(path, (size, false), asker, state, work);
    let worked = timeout(state.settings.limits.timeout, worked).await;
    worked.map_err(|_| body::late()).flatten().unwrap_or_else(Before::failed)
}

/// What goes to and fro for one request.
struct Flow<'a> {
    exchange: Exchange<'a>,
    settings: &'a ProxySettings,
    judging: Judging,
}

impl Flow<'_> {
    /// Asks the upstream and, where the policy says so, the fallbacks, until one has not refused.
    async fn answered(&self, todo: &Todo) -> Result<HttpResponse, ApiError> {
        let places = self.places(todo);
        // A refusal, which is passed on if no fallback gives an answer.
        let mut refused: Option<HttpResponse> = None;
        for (at, &to) in places.iter().enumerate() {
            let may_go_on = at + 1 < places.len();
            let mut answered = match self.exchange.send(to).await {
                Ok(answered) if answered.status.is_success() || to.fallback.is_none() => answered,
                // A fallback that fails is no reason to fail.
                Ok(_) | Err(_) if refused.is_some() || (may_go_on && to.fallback.is_some()) => continue,
                failed => failed?,
            };
            let is = self.judged(&mut answered, to, may_go_on).await;
            let is_refused = is.is_some_and(AnswerIs::is_refused);
            let response = with_headers(answered.response(), to, is);
            if is_refused && self.judging.rule.action == AnswerAction::Fallback {
                let is_done = may_go_on && self.settings.mode == Mode::Enforce;
                self.judging.state.metrics.proxy_acted("answer", "fallback", is_done);
                if is_done {
                    refused = Some(response);
                    continue;
                }
            }
            return Ok(response);
        }
        refused.ok_or_else(|| ApiError::new(ErrorType::UpstreamFailed, "no fallback gives an answer"))
    }

    /// Where the request goes, in order.
    fn places<'t>(&'t self, todo: &'t Todo) -> Vec<To<'t>> {
        let upstream = |model| To { address: self.settings.upstream.as_str(), model, fallback: None };
        let first = match todo {
            Todo::Reroute(model) => Some(upstream(Some(model.as_str()))),
            Todo::Send | Todo::Reject(_) | Todo::Failed(_) => Some(upstream(None)),
            Todo::Fallback => None,
        };
        let fallbacks = self.settings.fallbacks.iter().map(|fallback| To {
            address: &fallback.address,
            model: Some(&fallback.model),
            fallback: Some(fallback),
        });
        first.into_iter().chain(fallbacks).collect()
    }

    /// Judges an answer as far as the policy wants that before it is passed on; the rest is judged beside its way.
    async fn judged(&self, answered: &mut Answered, to: To<'_>, may_go_on: bool) -> Option<AnswerIs> {
        // Nothing was predicted for the model of a fallback.
        let predicted = self.judging.predicted.clone().filter(|_| to.fallback.is_none());
        let judging = Judging { predicted, ..self.judging.clone() };
        let rule = judging.rule;
        if !rule.judge || answered.status != StatusCode::OK {
            return None;
        }
        let copy = AnswerCopy::of(&answered.headers, &judging.state, judging.asker.caller);
        let Some(mut copy) = copy else {
            judging.count(AnswerIs::NotJudged);
            return None;
        };
        let may_fall_back =
            may_go_on && self.settings.mode == Mode::Enforce && rule.action == AnswerAction::Fallback;
        let waits = may_fall_back || (!copy.is_stream() && rule.action != AnswerAction::Pass);
        let until = Instant::now() + rule.hold_for;
        let is_complete = if !waits {
            false
        } else if copy.is_stream() {
            self.held_back(answered, &mut copy).await
        } else {
            while !copy.is_given_up() && answered.body.read_ahead(&mut copy).await {}
            answered.body.is_whole()
        };
        let answer = copy.answer().filter(|_| is_complete);
        let Some(answer) = answer else {
            answered.body.judge_beside(copy, judging);
            return None;
        };
        let judge = judging.judge(Some(answer));
        if !copy.is_stream() {
            return Some(judge.await);
        }
        // What is not judged in time is passed on.
        let late = |_| {
            judging.count(AnswerIs::NotJudged);
            AnswerIs::NotJudged
        };
        let left = until.saturating_duration_since(Instant::now());
        Some(timeout(left, judge).await.unwrap_or_else(late))
    }

    /// Reads the beginning of a stream, no longer than the policy says. Whether it can be judged by that.
    async fn held_back(&self, answered: &mut Answered, copy: &mut AnswerCopy) -> bool {
        let rule = self.judging.rule;
        let until = Instant::now() + rule.hold_for.mul_f64(READING);
        let mut is_broken = false;
        while !copy.has(rule.hold_chars) && !copy.is_given_up() && answered.body.ahead() < MOST_HELD {
            let left = until.saturating_duration_since(Instant::now());
            match timeout(left, answered.body.read_ahead(copy)).await {
                Ok(true) => {}
                Ok(false) => {
                    is_broken = !answered.body.is_whole();
                    break;
                }
                Err(_) => break,
            }
        }
        !is_broken
    }
}

/// The response with what is known of the answer, and of where it is from.
fn with_headers(mut response: HttpResponse, to: To<'_>, is: Option<AnswerIs>) -> HttpResponse {
    let of_answer: Vec<(HeaderName, HeaderValue)> = is.map(AnswerIs::headers).unwrap_or_default();
    let of_place = notice::place(to.model, to.fallback.map(|fallback| fallback.name.as_str()));
    for (name, value) in of_answer.into_iter().chain(of_place) {
        response.headers_mut().insert(name, value);
    }
    response
}
