//! The `OpenAPI` document, generated from the types that the service reads and writes, with this service's
//! limits in it; and Swagger UI, which displays it.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

use crate::engine::explain::ExplainResponse;
use crate::engine::schema;
use crate::service::adapters::{
    failure, fms, kserve, litellm, llama_stack, mlflow, moderations, open_inference, portkey, tei, vllm,
};
use crate::service::admit::X_API_KEY;
use crate::service::error::ErrorBody;
use crate::service::feedback::told;
use crate::service::operations::{Operation, Response};
use crate::service::route::{OPENAPI, ROUTES, Route, Verb};
use crate::service::settings::{Limits, Settings};
use crate::service::{bodies, classify, explain, models, predict, routing, score};

/// What the pages of Swagger UI may load. Inline styles are allowed because it sets them on its elements.
pub(crate) const CONTENT_POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Demur",
        description = "Says, before a prompt is sent, whether a language model will refuse it; and of an answer, whether it \
                       is a refusal. Errors have one form; `x-request-id` is taken from the request or made, and is in \
                       every answer.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(
        predict::PredictRequest,
        predict::PredictResponse,
        schema::DecisionName,
        schema::DoubtName,
        schema::KindName,
        classify::ClassifyRequest,
        classify::ClassifyResponse,
        schema::LabelName,
        schema::FormName,
        explain::ExplainRequest,
        ExplainResponse,
        score::ScoreRequest,
        score::ScoreResponse,
        routing::RouteRequest,
        routing::RouteResponse,
        told::FeedbackRequest,
        told::FeedbackResponse,
        models::ModelsResponse,
        models::ModelInfo,
        schema::FieldName,
        schema::TierName,
        bodies::CascadeBody,
        ErrorBody,
        litellm::GuardrailRequest,
        litellm::GuardrailResponse,
        vllm::LabelRequest,
        vllm::LabelResponse,
        moderations::ModerationRequest,
        moderations::ModerationResponse,
        tei::PairsRequest,
        tei::PairsResponse,
        kserve::InstancesRequest,
        kserve::InstancesResponse,
        open_inference::InferRequest,
        open_inference::InferResponse,
        open_inference::ServerMetadata,
        open_inference::ServerLive,
        open_inference::ServerReady,
        open_inference::ModelMetadata,
        open_inference::ModelReady,
        mlflow::InvocationRequest,
        mlflow::InvocationResponse,
        fms::ContentsRequest,
        fms::ContentsResponse,
        portkey::HookRequest,
        portkey::HookResponse,
        llama_stack::ShieldRequest,
        llama_stack::ShieldResponse,
        failure::OpenAiFailure,
        failure::TeiFailure,
        failure::TextFailure,
        failure::MlflowFailure,
        failure::FmsFailure,
    ))
)]
struct Schemas;

/// The groups of operations; generated clients make a module of each.
const TAGS: [(&str, &str); 3] = [
    ("demur", "The service's own API."),
    ("operation", "Health, metrics, reload."),
    ("adapters", "The shapes of other APIs, where `--adapters` has them on."),
];

/// The group of a route's operation.
fn tag(route: &Route) -> &'static str {
    let number = match route.adapters {
        [] if route.path.starts_with("/v1/") => 0,
        [] => 1,
        _ => 2,
    };
    TAGS[number].0
}

/// Returns the document as JSON.
///
/// # Errors
/// When it cannot be serialized.
pub(crate) fn document(settings: &Settings) -> serde_json::Result<String> {
    let limits = &settings.limits;
    let mut document = serde_json::to_value(Schemas::openapi())?;
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    let described = document["info"]["description"].as_str().unwrap_or_default();
    document["info"]["description"] = json!(format!("{described} {}", limits_in_words(limits)));
    document["components"]["securitySchemes"] = json!({
        "key": { "type": "http", "scheme": "bearer", "description": "Where the operator asks for keys." },
        "header_key": {
            "type": "apiKey",
            "in": "header",
            "name": X_API_KEY.as_str(),
            "description": "The same key, as clients of other APIs send it; goes before the other."
        }
    });
    document["tags"] =
        json!(TAGS.map(|(name, description)| json!({ "name": name, "description": description })));
    set_limits(&mut document["components"]["schemas"], limits);
    for route in &ROUTES {
        let Some(operation) = route.operation.filter(|_| route.is_on(settings)) else {
            continue;
        };
        let method = match route.verb {
            Verb::Get => "get",
            Verb::Post | Verb::Any => "post",
        };
        document["paths"][route.path][method] = path(route, operation);
    }
    serde_json::to_string_pretty(&document)
}

/// The limits that no schema can state.
fn limits_in_words(limits: &Limits) -> String {
    let Limits { body, answer, rows, concurrent, timeout, rate, .. } = limits;
    let seconds = timeout.as_secs_f64();
    let rate = rate.map_or_else(String::new, |rate| format!(" and {rate} requests a second by one caller"));
    format!(
        "Limits: {body} bytes of a body, {seconds} seconds for a request, {answer} bytes of an answer, {rows} rows of a file, \
         {concurrent} requests that wait or are worked on at once{rate}; those of texts and lists are given with their fields."
    )
}

/// Writes this service's limits into the schemas.
fn set_limits(schemas: &mut Value, limits: &Limits) {
    for (schema, texts) in [
        ("PredictRequest", &["prompt"][..]),
        ("ClassifyRequest", &["prompt", "response"]),
        ("AnswerBody", &["prompt", "response"]),
        ("ExplainRequest", &["prompt", "response"]),
        ("RouteRequest", &["prompt"]),
        ("FeedbackRequest", &["prompt"]),
    ] {
        for text in texts {
            schemas[schema]["properties"][text]["maxLength"] = json!(limits.chars);
        }
    }
    for (schema, list) in [("PredictRequest", "prompts"), ("ClassifyRequest", "answers")] {
        schemas[schema]["properties"][list]["maxItems"] = json!(limits.batch);
    }
    schemas["PredictRequest"]["properties"]["prompts"]["items"] =
        json!({"type": "string", "minLength": 1, "maxLength": limits.chars});
}

fn path(route: &Route, operation: &Operation) -> Value {
    let mut responses = json!({ "200": { "description": "Done.", "content": content(&operation.response) } });
    for &status in operation.failures.iter().chain(&[500]) {
        responses[status.to_string()] = failure(status, route.failure.schema());
    }
    let mut path = json!({
        "operationId": operation.id,
        "tags": [tag(route)],
        "summary": operation.summary,
        "responses": responses,
    });
    if let Some(schema) = operation.request {
        let examples = operation.examples.iter().map(|(name, text)| {
            // The examples are constants, and a test sends each of them, so they parse.
            (
                name.replace([' ', ','], "-"),
                json!({"summary": name, "value": serde_json::from_str::<Value>(text).ok()}),
            )
        });
        path["requestBody"] = json!({
            "required": true,
            "content": {
                "application/json": {
                    "schema": reference(schema),
                    "examples": examples.collect::<serde_json::Map<_, _>>(),
                }
            }
        });
    }
    let parameters: Vec<Value> = [("name", "prompt"), ("version", "1")]
        .into_iter()
        .filter(|(name, _)| route.path.contains(&format!("{{{name}}}")))
        .map(|(name, example)| {
            json!({
                "name": name,
                "in": "path",
                "required": true,
                "schema": { "type": "string" },
                "example": example,
            })
        })
        .collect();
    if !parameters.is_empty() {
        path["parameters"] = json!(parameters);
    }
    if operation.failures.contains(&401) {
        path["security"] = json!([{}, { "key": [] }, { "header_key": [] }]);
    }
    path
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn content(response: &Response) -> Value {
    match response {
        Response::Schema(schema) => json!({ "application/json": { "schema": reference(schema) } }),
        Response::Status => json!({ "application/json": { "schema": {
            "type": "object",
            "required": ["status"],
            "properties": { "status": { "type": "string", "enum": ["live", "ready"] } },
        } } }),
        Response::Text(media_type) => json!({ *media_type: { "schema": { "type": "string" } } }),
    }
}

fn failure(status: u16, schema: &str) -> Value {
    let (description, header) = match status {
        400 => ("The body is no JSON text in UTF-8.", None),
        401 => ("A key is needed, or the one sent is not known.", Some("WWW-Authenticate")),
        403 => ("The caller may not do this.", None),
        404 => ("There is no such thing here.", None),
        408 => ("The request took too long to arrive or to answer.", None),
        413 => ("The body is too large.", None),
        415 => ("The body is not declared as JSON.", None),
        422 => ("What is asked for cannot be; `field` says where.", None),
        429 => (
            "Too many requests, by this caller or at work, or too many inputs wait for the encoder.",
            Some("Retry-After"),
        ),
        503 => ("The service is about to end.", None),
        _ => ("The service failed.", None),
    };
    let mut response = json!({ "description": description, "content": { "application/json": { "schema": reference(schema) } } });
    if let Some(header) = header {
        response["headers"] = json!({ header: { "schema": { "type": "string" } } });
    }
    response
}

/// A file of Swagger UI: its bytes and media type; `None` if there is no such file.
pub(crate) fn swagger_file(path: &str) -> Option<(Cow<'static, [u8]>, String)> {
    static CONFIG: LazyLock<Arc<Config<'static>>> =
        LazyLock::new(|| Arc::new(Config::new([OPENAPI]).try_it_out_enabled(true)));
    let file = utoipa_swagger_ui::serve(path, Arc::clone(&CONFIG)).ok()??;
    Some((file.bytes, file.content_type))
}
