//! The shapes of other APIs: each is read into what `predict` and `classify` take, and their answer is written in its
//! form, so that a gateway, SDK or guardrail works with Demur unchanged.
//!
//! A shape is one file. Its routes are in the table of all routes (`route.rs`), and a request to one of them is
//! admitted, read, counted and limited as any other.

pub(crate) mod chat;
mod envoy;
pub(crate) mod failure;
pub(crate) mod fms;
pub(crate) mod kserve;
pub(crate) mod litellm;
pub(crate) mod llama_stack;
pub(crate) mod mlflow;
pub(crate) mod moderations;
pub(crate) mod name;
pub(crate) mod notice;
pub(crate) mod open_inference;
pub(crate) mod operations;
pub(crate) mod portkey;
pub(crate) mod rows;
pub(crate) mod tei;
pub(crate) mod verdict;
pub(crate) mod vllm;

use actix_web::HttpRequest;
use serde::Serialize;

use crate::service::adapters::name::Adapter;
use crate::service::body;
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::registry::Registry;
use crate::service::reply::{Reply, to_json};

/// The header with the length of a body's JSON, where bytes come behind it.
const JSON_LENGTH: &str = "inference-header-content-length";

/// What a request says beside its body.
#[derive(Debug, Default)]
pub(crate) struct Called {
    /// The model in the path.
    name: String,
    /// Its version in the path.
    version: String,
    /// The length of the body's JSON, where bytes come behind it.
    json_length: Option<usize>,
}

impl Called {
    /// Reads it.
    ///
    /// # Errors
    /// 422 when a header is no number.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let in_path = |name| request.match_info().query(name).to_owned();
        let length = request.headers().get(JSON_LENGTH).map(|length| length.to_str().ok()?.parse().ok());
        let json_length = match length {
            Some(None) => return Err(ApiError::invalid(JSON_LENGTH, "it must be a number of bytes")),
            length => length.flatten(),
        };
        Ok(Self { name: in_path("name"), version: in_path("version"), json_length })
    }
}

/// Answers a request in the shape of this adapter.
///
/// # Errors
/// Those of `predict` and `classify`, with the caller's names of fields.
pub(crate) async fn answer(
    adapter: Adapter,
    bytes: &[u8],
    called: &Called,
    registry: &Registry,
    job: &Job,
) -> Result<Reply, ApiError> {
    let most = job.limits().answer;
    match adapter {
        Adapter::Litellm => reply(&litellm::guard(body::parse(bytes)?, registry, job).await?, most),
        Adapter::Vllm => reply(&vllm::label(body::parse(bytes)?, registry, job).await?, most),
        Adapter::Moderations => {
            reply(&moderations::moderate(body::parse(bytes)?, registry, job).await?, most)
        }
        Adapter::Tei => reply(&tei::score(body::parse(bytes)?, registry, job).await?, most),
        Adapter::Kserve => {
            let request = body::parse(bytes)?;
            reply(&kserve::predict_instances(request, &called.name, registry, job).await?, most)
        }
        Adapter::OpenInference => {
            let served = open_inference::model_of(registry, &called.name, &called.version)?;
            reply(&open_inference::infer(bytes, called.json_length, served, registry, job).await?, most)
        }
        Adapter::Mlflow => reply(&mlflow::invoke(body::parse(bytes)?, registry, job).await?, most),
        Adapter::Fms => reply(&fms::detect(body::parse(bytes)?, registry, job).await?, most),
        Adapter::Portkey => reply(&portkey::hook(body::parse(bytes)?, registry, job).await?, most),
        Adapter::LlamaStack => {
            reply(&llama_stack::run_shield(body::parse(bytes)?, registry, job).await?, most)
        }
        Adapter::Envoy => envoy::authorize(bytes, registry, job).await,
    }
}

fn reply(value: &impl Serialize, most: usize) -> Result<Reply, ApiError> {
    Ok(Reply::ok(to_json(value, most)?))
}
