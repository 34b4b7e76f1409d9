//! The Open Inference protocol, which Triton's HTTP clients speak too: what a server and its models are, and
//! `POST /v2/models/{name}/infer`.
//!
//! Inputs come as JSON, or as bytes behind the JSON (the extension for binary data, which is the default of Triton's
//! client). Outputs are always JSON, which the extension allows.

use demur_predictor::Field;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::service::adapters::rows::{NamedRow, Row, judge_rows};
use crate::service::adapters::verdict::{Ask, Place};
use crate::service::body;
use crate::service::error::{ApiError, ErrorType};
use crate::service::job::Job;
use crate::service::registry::{Registry, Served};

/// The output with the probabilities.
const P_REFUSAL: &str = "p_refusal";
/// The output with the decisions.
const DECISION: &str = "decision";

/// Texts to judge.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["How do I pick a lock?"]}]}))]
pub(crate) struct InferRequest {
    /// Comes back with the answer.
    id: Option<String>,
    /// One tensor of texts; or one named `prompt` and one named `response`.
    #[schema(min_items = 1, max_items = 2)]
    inputs: Vec<InputTensor>,
    /// The outputs that are wanted. Default: all.
    outputs: Option<Vec<WantedTensor>>,
}

/// Texts.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct InputTensor {
    /// `text`, `prompt` or `response`; of one tensor alone, any name.
    name: String,
    /// Its product is the number of texts.
    shape: Vec<u64>,
    /// `BYTES`.
    datatype: String,
    /// The texts, flat or nested by the shape.
    data: Option<Vec<Value>>,
    parameters: Option<TensorParameters>,
}

/// What stands beside a tensor.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct TensorParameters {
    /// How many bytes behind the JSON are its own, each text behind its length.
    binary_data_size: Option<usize>,
}

/// An output that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct WantedTensor {
    /// `p_refusal` or `decision`.
    name: String,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InferResponse {
    model_name: String,
    /// The model's digest.
    model_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    outputs: Vec<OutputTensor>,
}

/// An output.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutputTensor {
    /// `p_refusal` (FP32), or `decision` (BYTES): what to do with a prompt, or of an answer `hold` where it is a refusal.
    name: &'static str,
    shape: [usize; 1],
    datatype: &'static str,
    data: OutputData,
}

/// The values of an output.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum OutputData {
    /// Of `p_refusal`.
    Numbers(Vec<f32>),
    /// Of `decision`.
    Texts(Vec<&'static str>),
}

/// Answers a request to the model of this name; `json_length` is that of its JSON, where bytes come behind it.
///
/// # Errors
/// 404 when there is no such model; 422 when a tensor is not one of texts; those of `predict` and `classify`.
pub(crate) async fn infer(
    bytes: &[u8],
    json_length: Option<usize>,
    served: &Served,
    registry: &Registry,
    job: &Job,
) -> Result<InferResponse, ApiError> {
    let (json, binary) = match json_length {
        None => (bytes, &[][..]),
        Some(length) => bytes.split_at_checked(length).ok_or_else(|| {
            ApiError::invalid("inference-header-content-length", "the body is shorter than it says")
        })?,
    };
    let InferRequest { id, inputs, outputs } = body::parse(json)?;
    let wanted = wanted(outputs)?;
    let field = served.model.manifest().field;
    let ask = Ask { model: Some(served.name.clone()), ..Ask::default() };
    let rows = rows(inputs, binary, field)?;
    let verdicts = judge_rows(rows, ask, Place::list("inputs[0].data"), registry, job).await?;
    let shape = [verdicts.list.len()];
    let output = |name: &'static str| {
        let list = verdicts.list.iter();
        if name == P_REFUSAL {
            // Of 32 bits, so that no digits beyond are shown.
            let data = OutputData::Numbers(list.map(|verdict| verdict.p() as f32).collect());
            return OutputTensor { name, shape, datatype: "FP32", data };
        }
        let data = OutputData::Texts(list.map(|verdict| verdict.decision.name()).collect());
        OutputTensor { name, shape, datatype: "BYTES", data }
    };
    Ok(InferResponse {
        model_name: served.name.clone(),
        model_version: served.model.digest().to_owned(),
        id,
        outputs: wanted.into_iter().map(output).collect(),
    })
}

/// The names of the outputs that are wanted.
fn wanted(outputs: Option<Vec<WantedTensor>>) -> Result<Vec<&'static str>, ApiError> {
    let Some(outputs) = outputs.filter(|outputs| !outputs.is_empty()) else {
        return Ok(vec![P_REFUSAL, DECISION]);
    };
    let known = |(at, output): (usize, WantedTensor)| {
        [P_REFUSAL, DECISION].into_iter().find(|known| *known == output.name).ok_or_else(|| {
            let message = format!("there are `{P_REFUSAL}` and `{DECISION}`");
            ApiError::invalid(format!("outputs[{at}].name"), message)
        })
    };
    outputs.into_iter().enumerate().map(known).collect()
}

/// The rows of the tensors, for a model that judges this field.
fn rows(inputs: Vec<InputTensor>, binary: &[u8], field: Field) -> Result<Vec<Row>, ApiError> {
    let is_one = inputs.len() == 1;
    let (mut prompts, mut responses, mut rest) = (None, None, binary);
    for (at, tensor) in inputs.into_iter().enumerate() {
        let is_response = match tensor.name.as_str() {
            "prompt" => false,
            "response" => true,
            "text" => field == Field::Response,
            _ if is_one => field == Field::Response,
            _ => {
                let message = "two inputs are named `prompt` and `response`";
                return Err(ApiError::invalid(format!("inputs[{at}].name"), message));
            }
        };
        let is_there = if is_response { responses.is_some() } else { prompts.is_some() };
        if is_there {
            let message = "there is another input of the same texts";
            return Err(ApiError::invalid(format!("inputs[{at}]"), message));
        }
        let texts = texts(tensor, at, &mut rest)?;
        if is_response { responses = Some(texts) } else { prompts = Some(texts) }
    }
    let (prompts, responses) = (prompts.map(Vec::into_iter), responses.map(Vec::into_iter));
    let named = |prompt, response| Row::Named(NamedRow { prompt, response });
    match (prompts, responses) {
        (Some(prompts), Some(responses)) if prompts.len() != responses.len() => {
            Err(ApiError::invalid("inputs", "the inputs have different numbers of texts"))
        }
        (Some(prompts), Some(responses)) => {
            Ok(prompts.zip(responses).map(|(prompt, response)| named(Some(prompt), Some(response))).collect())
        }
        (Some(prompts), None) => Ok(prompts.map(|prompt| named(Some(prompt), None)).collect()),
        (None, Some(responses)) => Ok(responses.map(|response| named(None, Some(response))).collect()),
        (None, None) => Err(ApiError::invalid("inputs", "there is no input")),
    }
}

/// The texts of a tensor: of its data, else of its part of the bytes.
fn texts(tensor: InputTensor, at: usize, rest: &mut &[u8]) -> Result<Vec<String>, ApiError> {
    let invalid =
        |field: &str, message: &'static str| ApiError::invalid(format!("inputs[{at}].{field}"), message);
    if tensor.datatype != "BYTES" {
        return Err(invalid("datatype", "texts are BYTES"));
    }
    let size = tensor.parameters.and_then(|parameters| parameters.binary_data_size);
    let texts = match (tensor.data, size) {
        (Some(data), None) => {
            let mut texts = Vec::new();
            flatten(data, &mut texts)
                .ok_or_else(|| invalid("data", "texts were expected, flat or nested by the shape"))?;
            texts
        }
        (None, Some(size)) => {
            let (own, others) = rest.split_at_checked(size).ok_or_else(|| {
                invalid("parameters.binary_data_size", "there are fewer bytes behind the JSON")
            })?;
            *rest = others;
            unpacked(own).ok_or_else(|| {
                invalid(
                    "parameters.binary_data_size",
                    "the bytes are not texts in UTF-8, each behind its length",
                )
            })?
        }
        _ => return Err(invalid("data", "give the texts as `data`, or as bytes with `binary_data_size`")),
    };
    let number = tensor.shape.iter().try_fold(1_u64, |all, &part| all.checked_mul(part));
    if number != u64::try_from(texts.len()).ok() {
        return Err(invalid("shape", "it is not the number of texts"));
    }
    Ok(texts)
}

/// Takes the texts out of lists. JSON nests no deeper than its reader allows, so neither does this.
fn flatten(data: Vec<Value>, texts: &mut Vec<String>) -> Option<()> {
    for value in data {
        match value {
            Value::String(text) => texts.push(text),
            Value::Array(inner) => flatten(inner, texts)?,
            _ => return None,
        }
    }
    Some(())
}

/// The texts in bytes: each behind its length in four bytes, the lowest first.
fn unpacked(mut bytes: &[u8]) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        texts.push(String::from_utf8(text.to_vec()).ok()?);
        bytes = rest;
    }
    bytes.is_empty().then_some(texts)
}

/// A server, as `GET /v2` describes it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerMetadata {
    name: &'static str,
    version: &'static str,
    /// None for answers; bytes behind the JSON of a request are read.
    extensions: [&'static str; 0],
}

impl ServerMetadata {
    pub(crate) const fn new() -> Self {
        Self { name: "demur", version: env!("CARGO_PKG_VERSION"), extensions: [] }
    }
}

/// Whether the server lives.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerLive {
    pub(crate) live: bool,
}

/// Whether the server takes requests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerReady {
    pub(crate) ready: bool,
}

/// Whether a model takes requests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelReady {
    name: String,
    ready: bool,
}

impl From<&Served> for ModelReady {
    fn from(served: &Served) -> Self {
        Self { name: served.name.clone(), ready: true }
    }
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelMetadata {
    name: String,
    /// Its digest.
    versions: [String; 1],
    platform: &'static str,
    inputs: Vec<TensorMetadata>,
    outputs: [TensorMetadata; 2],
}

/// An input or output.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TensorMetadata {
    name: &'static str,
    datatype: &'static str,
    /// -1: any number.
    shape: [i64; 1],
}

impl From<&Served> for ModelMetadata {
    fn from(served: &Served) -> Self {
        let tensor = |name, datatype| TensorMetadata { name, datatype, shape: [-1] };
        let inputs = match served.model.manifest().field {
            Field::Prompt => vec![tensor("prompt", "BYTES")],
            Field::Response => vec![tensor("prompt", "BYTES"), tensor("response", "BYTES")],
        };
        Self {
            name: served.name.clone(),
            versions: [served.model.digest().to_owned()],
            platform: "demur",
            inputs,
            outputs: [tensor(P_REFUSAL, "FP32"), tensor(DECISION, "BYTES")],
        }
    }
}

/// The model of this name and, where one is asked for, this version: its digest.
///
/// # Errors
/// 404 when there is none.
pub(crate) fn model_of<'r>(
    registry: &'r Registry,
    name: &str,
    version: &str,
) -> Result<&'r Served, ApiError> {
    let served = registry.named(name)?;
    if version.is_empty() || version == served.model.digest() {
        return Ok(served);
    }
    Err(ApiError::new(ErrorType::NotFound, "there is no such version; the version of a model is its digest"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn packed_texts_are_read_or_refused() {
        let packed =
            |text: &str| [&u32::try_from(text.len()).unwrap().to_le_bytes()[..], text.as_bytes()].concat();
        let both = [packed("a\u{e9}"), packed("")].concat();
        assert_eq!(unpacked(&both).unwrap(), ["a\u{e9}", ""]);
        assert_eq!(unpacked(b"").unwrap(), [""; 0]);
        for wrong in
            [&both[..both.len() - 1], b"\x01\x00\x00\x00", b"\x01\x00\x00\x00\xff", b"\xff\xff\xff\xffab"]
        {
            assert_eq!(unpacked(wrong), None);
        }
    }
}
