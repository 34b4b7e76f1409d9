//! One path for every request: admit it, read it, judge it, count it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, LOCATION,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{ConnectionType, Method};
use actix_web::rt::time::timeout;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use tracing::Instrument;

use crate::asking::Told;
use crate::service::error::{ApiError, ErrorType};
use crate::service::peer::Peer;
use crate::service::registry::Registry;
use crate::service::route::{Access, Route};
use crate::service::state::{Reason, State};
use crate::service::task::Task;
use crate::service::tiers::Worked;
use crate::service::{body, models, openapi, page};

/// The header of a request's id, in and out.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bodies from this size up are judged on a thread beside the workers, so that small requests do not wait behind them.
const LARGE: usize = 16 << 10;

/// Adds every route.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    for route in Route::ALL {
        let answer = move |request: HttpRequest, payload: Payload| handle(route, request, payload);
        if route == Route::Other {
            config.default_service(web::route().to(answer));
            continue;
        }
        config.service(web::resource(route.name()).route(web::route().to(answer)));
    }
}

/// Answers any request.
async fn handle(route: Route, request: HttpRequest, payload: Payload) -> HttpResponse {
    let started = Instant::now();
    // `routes` is only ever used with this state, and without it there is nothing to answer by.
    let Some(state) = request.app_data::<Data<State>>() else {
        return HttpResponse::InternalServerError().finish();
    };
    let id = request_id(&request);
    let span = match state.settings.otlp_endpoint {
        // A span costs as much as a prediction: there is none unless it goes somewhere.
        None => tracing::Span::none(),
        Some(_) => tracing::info_span!(
            target: "demur",
            "request",
            otel.name = route.name(),
            http.route = route.name(),
            http.request.method = request.method().as_str(),
            http.response.status_code = tracing::field::Empty,
            request_id = id.to_str().unwrap_or_default(),
        ),
    };
    let result = answer(route, &request, payload, state).instrument(span.clone()).await;
    // The id is a header value of visible ASCII, made or checked in `request_id`.
    let id_text = id.to_str().unwrap_or_default();
    let error = result.as_ref().err().map(|error| error.kind);
    let mut response = result.unwrap_or_else(|error| {
        tracing::debug!(target: "demur", request_id = id_text, route = route.name(), "{}", error.message);
        error.response(id_text)
    });
    let elapsed = started.elapsed();
    state.metrics.answered(route, response.status(), elapsed);
    span.record("http.response.status_code", response.status().as_u16());
    if state.settings.access_log {
        tracing::info!(
            target: "demur",
            request_id = id_text,
            method = request.method().as_str(),
            route = route.name(),
            status = response.status().as_u16(),
            error = error.map(tracing::field::debug),
            seconds = elapsed.as_secs_f64(),
            "answered"
        );
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if state.draining.load(Ordering::Acquire) {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

/// The id that the caller sent, where it is one, else a new one.
fn request_id(request: &HttpRequest) -> HeaderValue {
    const LONGEST: usize = 128;
    let sent = request.headers().get(REQUEST_ID);
    let is_id = |id: &&HeaderValue| {
        (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    sent.filter(is_id).cloned().unwrap_or_else(|| {
        let mut text = [0; uuid::fmt::Simple::LENGTH];
        let text = uuid::Uuid::new_v4().as_simple().encode_lower(&mut text);
        // Hexadecimal digits are a header value.
        HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
    })
}

async fn answer(
    route: Route,
    request: &HttpRequest,
    payload: Payload,
    state: &Data<State>,
) -> Result<HttpResponse, ApiError> {
    check_method(route, request.method())?;
    admit(route, request, state)?;
    let permit = if route.is_limited() { Some(state.enter()?) } else { None };
    let response = match route {
        Route::Predict | Route::Classify | Route::Explain | Route::Score => {
            let late = || {
                ApiError::new(ErrorType::RequestTimeout, "the request took too long to arrive or to answer")
            };
            timeout(state.settings.limits.timeout, judge(route, request, payload, state))
                .await
                .map_err(|_| late())?
        }
        Route::Models => json(&models::models(&state.registry.load(), &state.settings.limits)),
        Route::Model => {
            let registry = state.registry.load();
            json(&models::model(&registry, registry.named(request.match_info().query("name"))?))
        }
        Route::Live => Ok(status("live")),
        Route::Ready if state.draining.load(Ordering::Acquire) => {
            Err(ApiError::new(ErrorType::NotReady, "the service is about to end"))
        }
        Route::Ready => Ok(status("ready")),
        Route::Metrics => metrics(state),
        Route::Reload => reload(state).await,
        Route::OpenApi => Ok(text("application/json", state.openapi.clone())),
        // Its files are named relative to the folder.
        Route::Docs => Ok(HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()),
        Route::DocsFile => docs(request.match_info().query("file")),
        Route::Page => Ok(page_of("text/html; charset=utf-8", page::HTML)),
        Route::Script => Ok(page_of("text/javascript; charset=utf-8", page::SCRIPT)),
        Route::Style => Ok(page_of("text/css; charset=utf-8", page::STYLE)),
        Route::Other => Err(no_such_path()),
    };
    drop(permit);
    response
}

/// Whether a path has this method.
fn check_method(route: Route, method: &Method) -> Result<(), ApiError> {
    let get = route.method() == Method::GET;
    if route == Route::Other || *method == route.method() || (get && *method == Method::HEAD) {
        return Ok(());
    }
    let message = format!("{} takes {} only", route.name(), route.allow());
    Err(ApiError { allow: Some(route.allow()), ..ApiError::new(ErrorType::MethodNotAllowed, message) })
}

/// Checks the caller's key and how often it calls.
fn admit(route: Route, request: &HttpRequest, state: &State) -> Result<(), ApiError> {
    let registry = state.registry.load();
    match (route.access(), &registry.keys) {
        (Access::Open, _) => Ok(()),
        (Access::Keyed, None) => state.take_address(request.peer_addr()),
        (Access::Keyed, Some(_)) => take_key(request, &registry, state).map(drop),
        (Access::Admin, keys) => match state.admin_address {
            Some(address) if request.app_config().local_addr() == address => Ok(()),
            Some(_) => {
                Err(ApiError::new(ErrorType::NotFound, "the admin routes have an address of their own"))
            }
            None if keys.as_ref().is_some_and(super::keys::Keys::has_admin) => {
                if take_key(request, &registry, state)? {
                    return Ok(());
                }
                Err(ApiError::new(ErrorType::Forbidden, "this key is not an admin's"))
            }
            None => Err(ApiError::new(
                ErrorType::Forbidden,
                "the admin routes need an admin key (`demur key NAME --admin`) or an address of their own \
                 (--admin-bind); SIGHUP reloads as well",
            )),
        },
    }
}

/// Checks the bearer key of a request and counts it; gives whether it is an admin's.
fn take_key(request: &HttpRequest, registry: &Registry, state: &State) -> Result<bool, ApiError> {
    let unauthorized = |message| ApiError::new(ErrorType::Unauthorized, message);
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let scheme = header.and_then(|header| header.split_once(' '));
    let Some((_, token)) = scheme.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
        return Err(unauthorized("a key is needed: authorization: Bearer KEY"));
    };
    let key = registry.keys.as_ref().and_then(|keys| keys.find(token.trim()));
    let key = key.ok_or_else(|| unauthorized("the key is not known"))?;
    key.take().map_err(|wait| state.turned_away(ErrorType::RateLimited, Reason::Rate, wait))?;
    tracing::debug!(target: "demur", key = key.name, "admitted");
    Ok(key.admin)
}

/// Reads a body and judges it, on this thread where it is small. Where an encoder is to be asked, no thread waits for it.
async fn judge(
    route: Route,
    request: &HttpRequest,
    payload: Payload,
    state: &Data<State>,
) -> Result<HttpResponse, ApiError> {
    let bytes = body::read(request, payload, &state.settings.limits).await?;
    let beside = bytes.len() >= LARGE || matches!(route, Route::Explain | Route::Score);
    let task = Task { route, bytes, registry: state.registry.load_full(), told: Told::default() };
    let task = Arc::new(task);
    loop {
        let worked = if beside {
            let (task, state) = (Arc::clone(&task), state.clone());
            let failed = |_| ApiError::new(ErrorType::Internal, "the request could not be worked on");
            web::block(move || task.work(&state)).await.map_err(failed)??
        } else {
            task.work(state)?
        };
        match worked {
            Worked::Done(json) => return Ok(text("application/json", json)),
            Worked::AskFirst(queue) => {
                let gone = async {
                    match request.conn_data::<Peer>() {
                        Some(peer) => peer.gone().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    asked = task.ask(&queue, state) => asked?,
                    // Nobody reads this; what waits in the queue is taken back.
                    () = gone => {
                        return Err(ApiError::new(ErrorType::RequestTimeout, "the client has gone away"));
                    }
                }
            }
        }
    }
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(value)
        .map_err(|cause| ApiError::new(ErrorType::Internal, format!("cannot write the answer: {cause}")))
}

fn json(value: &impl Serialize) -> Result<HttpResponse, ApiError> {
    Ok(text("application/json", to_json(value)?))
}

fn text(media_type: &'static str, body: impl MessageBody + 'static) -> HttpResponse {
    HttpResponse::Ok().content_type(media_type).body(body)
}

fn status(status: &'static str) -> HttpResponse {
    text("application/json", format!("{{\"status\":\"{status}\"}}"))
}

/// A file of the playground. It is asked for anew each time, for its next version comes with the next binary.
fn page_of(media_type: &'static str, body: &'static str) -> HttpResponse {
    let mut response = text(media_type, body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::CONTENT_POLICY));
    response
}

fn no_such_path() -> ApiError {
    ApiError::new(ErrorType::NotFound, "there is no such path; /docs/ lists those that there are")
}

/// A file of Swagger UI.
fn docs(file: &str) -> Result<HttpResponse, ApiError> {
    let (bytes, media_type) = openapi::swagger_file(file).ok_or_else(no_such_path)?;
    let mut response = HttpResponse::Ok().content_type(media_type).body(bytes);
    let policy = HeaderValue::from_static(openapi::CONTENT_POLICY);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

fn metrics(state: &State) -> Result<HttpResponse, ApiError> {
    let failed = |cause| ApiError::new(ErrorType::Internal, format!("cannot write the metrics: {cause}"));
    state.metrics.in_flight.set(i64::try_from(state.in_flight()).unwrap_or(i64::MAX));
    state.metrics.look(&state.registry.load().models);
    Ok(text("text/plain; version=0.0.4; charset=utf-8", state.metrics.text().map_err(failed)?))
}

async fn reload(state: &Data<State>) -> Result<HttpResponse, ApiError> {
    let shared = state.clone();
    let failed =
        |message| ApiError::new(ErrorType::ReloadFailed, format!("the old models serve on: {message}"));
    let done = web::block(move || shared.reload().map_err(|error| format!("{error:#}"))).await;
    done.map_err(|error| failed(error.to_string()))?.map_err(failed)?;
    json(&models::models(&state.registry.load(), &state.settings.limits))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actix_web::web::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::service::options::Options;

    fn state() -> &'static State {
        static STATE: std::sync::LazyLock<State> =
            std::sync::LazyLock::new(|| State::load(Options::default().resolve().unwrap(), None).unwrap());
        &STATE
    }

    /// Answers a body on every route that takes one: a failure must be the caller's, and an answer must be JSON.
    fn judged(body: &[u8]) -> Result<(), TestCaseError> {
        for route in [Route::Predict, Route::Classify, Route::Explain, Route::Score] {
            let (bytes, registry) = (Bytes::copy_from_slice(body), state().registry.load_full());
            match (Task { route, bytes, registry, told: Told::default() }).work(state()) {
                Ok(Worked::Done(answer)) => prop_assert!(serde_json::from_slice::<Value>(&answer).is_ok()),
                Ok(Worked::AskFirst(_)) => prop_assert!(false, "the bundled models have no encoder"),
                Err(error) => prop_assert!(error.kind.status().is_client_error(), "{error:?}"),
            }
        }
        Ok(())
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,40}".prop_map(Value::from),
            "[ -~]{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(
                    prop_oneof![
                        Just("role".to_owned()),
                        Just("content".to_owned()),
                        Just("response".to_owned()),
                        "[a-z]{1,5}"
                    ],
                    inner,
                    0..4
                )
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..200)) {
            judged(&body)?;
        }

        #[test]
        fn any_json_of_the_right_names_is_answered(
            fields in prop::collection::hash_map(
                prop::sample::select(vec![
                    "prompt", "prompts", "messages", "response", "answers", "error", "refusal", "finish_reason", "policy",
                    "explain", "top", "target", "model", "system", "format", "rows", "cheap", "cascade",
                ]),
                value(),
                0..4,
            )
        ) {
            let fields: serde_json::Map<String, Value> =
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            judged(Value::Object(fields).to_string().as_bytes())?;
        }

        #[test]
        fn any_text_is_scored(rows in "(prompt,?|\\{\"prompt\":\"x\"\\}|\n|\"|,|\t|\\PC){0,40}") {
            for format in ["jsonl", "csv", "tsv"] {
                judged(json!({ "format": format, "rows": rows }).to_string().as_bytes())?;
            }
        }

        #[test]
        fn any_text_is_judged(text in "(\\PC|\n|\"|```|> |I can't |sorry, |\\. ){0,60}") {
            for field in ["prompt", "response"] {
                judged(json!({ field: text }).to_string().as_bytes())?;
            }
        }
    }
}
