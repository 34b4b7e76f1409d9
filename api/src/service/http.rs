//! Handles every request the same way: admits it, reads it, answers it, counts it.

use std::sync::atomic::Ordering;
use std::time::Instant;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{ConnectionType, Method};
use actix_web::rt::time::timeout;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use tracing::Instrument;

use crate::service::adapters::name::Probe;
use crate::service::adapters::open_inference::{
    self, ModelMetadata, ModelReady, ServerLive, ServerMetadata, ServerReady,
};
use crate::service::admit::admit;
use crate::service::by_models::by_models;
use crate::service::connection::{Stream, connection};
use crate::service::error::{ApiError, ErrorType};
use crate::service::job::Asker;
use crate::service::proxy::forward;
use crate::service::reply::{text, to_json};
use crate::service::route::{Handler, ROUTES, Route, Side};
use crate::service::settings::Settings;
use crate::service::state::{Reason, SOON, State};
use crate::service::{body, models, openapi, page};

/// The header of a request's id, in and out.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Adds every route that is switched on.
pub(crate) fn routes(settings: &Settings, config: &mut web::ServiceConfig) {
    for (number, route) in ROUTES.iter().enumerate().filter(|(_, route)| route.is_on(settings)) {
        let answer = move |request: HttpRequest, payload: Payload| handle(number, request, payload);
        if route.is_rest() {
            config.default_service(web::route().to(answer));
            continue;
        }
        config.service(web::resource(route.path).route(web::route().to(answer)));
    }
}

/// Answers any request to the route of this number.
async fn handle(number: usize, request: HttpRequest, payload: Payload) -> HttpResponse {
    let (started, route) = (Instant::now(), &ROUTES[number]);
    // `routes` is only used with this state. Without it there is nothing to answer from.
    let Some(state) = request.app_data::<Data<State>>() else {
        return HttpResponse::InternalServerError().finish();
    };
    let id = request_id(&request);
    let span = match state.settings.otlp_endpoint {
        // A span costs as much as a prediction, so one is created only if spans are exported.
        None => tracing::Span::none(),
        Some(_) => tracing::info_span!(
            target: "demur",
            "request",
            otel.name = route.path,
            http.route = route.path,
            http.request.method = request.method().as_str(),
            http.response.status_code = tracing::field::Empty,
            request_id = id.to_str().unwrap_or_default(),
        ),
    };
    let result = answer(route, &request, payload, state, &id).instrument(span.clone()).await;
    // The id is visible ASCII: `request_id` made or checked it.
    let id_text = id.to_str().unwrap_or_default();
    let error = result.as_ref().err().map(|error| error.kind);
    let mut response = result.unwrap_or_else(|error| {
        let reason = error.for_log(state.settings.log_prompts);
        tracing::debug!(target: "demur", request_id = id_text, route = route.path, error = ?error.kind, "{reason}");
        error.response(&route.failure.body(&error, id_text))
    });
    let elapsed = started.elapsed();
    state.metrics.answered(number, response.status(), elapsed);
    span.record("http.response.status_code", response.status().as_u16());
    if state.settings.access_log {
        tracing::info!(
            target: "demur",
            request_id = id_text,
            method = request.method().as_str(),
            route = route.path,
            status = response.status().as_u16(),
            error = error.map(tracing::field::debug),
            seconds = elapsed.as_secs_f64(),
            "answered"
        );
    }
    let headers = response.headers_mut();
    // What an upstream says of itself stays.
    if !headers.contains_key(REQUEST_ID) {
        headers.insert(REQUEST_ID, id);
    }
    if route.side != Side::Proxy {
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    if state.draining.load(Ordering::Acquire) {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

/// The id that the caller sent, if it is valid; else a new one.
fn request_id(request: &HttpRequest) -> HeaderValue {
    const LONGEST: usize = 128;
    let sent = request.headers().get(REQUEST_ID);
    let is_id = |id: &&HeaderValue| {
        (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    sent.filter(is_id).cloned().unwrap_or_else(|| {
        let mut text = [0; uuid::fmt::Simple::LENGTH];
        let text = uuid::Uuid::new_v4().as_simple().encode_lower(&mut text);
        // Hexadecimal digits are a valid header value, so the fallback is not used.
        HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
    })
}

async fn answer(
    route: &'static Route,
    request: &HttpRequest,
    payload: Payload,
    state: &Data<State>,
    id: &HeaderValue,
) -> Result<HttpResponse, ApiError> {
    check_method(route, request.method())?;
    let caller = admit(route, request, state)?;
    let asker = || Asker { caller, connection: connection(request).cloned(), id: Some(id.clone()) };
    match route.handler {
        Handler::ByModels(endpoint) => {
            let stream = open_stream(request, state)?;
            let limit = state.settings.limits.timeout;
            // Not bound to a name first: the future of this function would then have room for it twice.
            let answered =
                timeout(limit, by_models((endpoint, route.path), request, payload, state, asker())).await;
            drop(stream);
            answered.map_err(|_| body::late())?
        }
        Handler::Forward { judged } => {
            let _stream = open_stream(request, state)?;
            // Boxed, as is a reload: a future is as large as its largest branch, and every request moves it.
            Box::pin(forward((judged, route.path), request, payload, state, asker())).await
        }
        Handler::Models => json(&models::models(&state.registry.load(), &state.settings.limits)),
        Handler::Model => {
            let registry = state.registry.load();
            json(&models::model(&registry, registry.named(request.match_info().query("name"))?))
        }
        Handler::Live => Ok(status("live")),
        Handler::Ready => check_ready(state).map(|()| status("ready")),
        Handler::Metrics => metrics(state),
        Handler::Reload => Box::pin(reload(state)).await,
        Handler::Document => Ok(text("application/json", state.openapi.clone())),
        // The page names its files relative to this folder.
        Handler::Docs => Ok(HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()),
        Handler::DocsFile => docs(request.match_info().query("file")),
        Handler::Probe(probe) => probed(probe, request, state),
        Handler::Page(media_type, body) => Ok(page_of(media_type, body)),
        Handler::Script => {
            let script = page::script(request.match_info().query("file")).ok_or_else(no_such_path)?;
            Ok(page_of("text/javascript; charset=utf-8", script))
        }
        Handler::NoSuchPath => Err(no_such_path()),
    }
}

/// Whether requests should be sent here.
fn check_ready(state: &State) -> Result<(), ApiError> {
    if state.draining.load(Ordering::Acquire) {
        return Err(ApiError::new(ErrorType::NotReady, "the service is about to end"));
    }
    Ok(())
}

/// What another protocol asks about the server and its models.
fn probed(probe: Probe, request: &HttpRequest, state: &State) -> Result<HttpResponse, ApiError> {
    let registry = state.registry.load();
    let in_path = |name| request.match_info().query(name);
    let model = || open_inference::model_of(&registry, in_path("name"), in_path("version"));
    match probe {
        Probe::Version => Ok(text("text/plain; charset=utf-8", env!("CARGO_PKG_VERSION"))),
        Probe::Server => json(&ServerMetadata::new()),
        Probe::Live => json(&ServerLive { live: true }),
        Probe::Ready => check_ready(state).and_then(|()| json(&ServerReady { ready: true })),
        Probe::Model => json(&ModelMetadata::from(model()?)),
        Probe::ModelReady => json(&ModelReady::from(model()?)),
    }
}

/// Whether a path has this method.
fn check_method(route: &Route, method: &Method) -> Result<(), ApiError> {
    if route.handler == Handler::NoSuchPath || route.takes(method) {
        return Ok(());
    }
    let message = format!("{} takes {} only", route.path, route.allow());
    Err(ApiError { allow: Some(route.allow()), ..ApiError::new(ErrorType::MethodNotAllowed, message) })
}

/// Counts an open request of a connection; HTTP/2 may have many.
fn open_stream(request: &HttpRequest, state: &State) -> Result<Option<Stream>, ApiError> {
    let Some(connection) = connection(request) else { return Ok(None) };
    let stream = connection.open();
    stream.map(Some).ok_or_else(|| state.turned_away(ErrorType::Overloaded, Reason::Streams, SOON))
}

fn json(value: &impl Serialize) -> Result<HttpResponse, ApiError> {
    Ok(text("application/json", to_json(value, usize::MAX)?))
}

fn status(status: &'static str) -> HttpResponse {
    text("application/json", format!("{{\"status\":\"{status}\"}}"))
}

/// A file of the playground. It must not be cached, because a new binary brings a new version.
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
    state.metrics.look(state.registry.load().depths(), [state.bodies.held(), state.answers.held()]);
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
