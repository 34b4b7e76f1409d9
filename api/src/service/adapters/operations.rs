//! The `OpenAPI` operations of the shapes' routes. Envoy's has none: it answers any method on any path below its
//! prefix, which the document cannot say.

use crate::service::operations::{JUDGING, Operation, Response};

/// The statuses of a route that judges by the model in its path.
const BY_NAME: &[u16] = &[400, 401, 404, 408, 413, 415, 422, 429];
/// The statuses of a route about the model in its path.
const OF_MODEL: &[u16] = &[401, 404, 429];

/// An operation that judges a body.
const fn judging(
    id: &'static str,
    summary: &'static str,
    request: &'static str,
    response: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Operation {
    Operation {
        id,
        summary,
        request: Some(request),
        response: Response::Schema(response),
        failures: JUDGING,
        examples,
    }
}

/// An operation that says what is.
const fn saying(
    id: &'static str,
    summary: &'static str,
    response: Response,
    failures: &'static [u16],
) -> Operation {
    Operation { id, summary, request: None, response, failures, examples: &[] }
}

pub(crate) static LITELLM: Operation = judging(
    "litellm_guardrail",
    "LiteLLM's generic guardrail: may this request be sent, is this answer a refusal?",
    "GuardrailRequest",
    "GuardrailResponse",
    &[
        (
            "before a model is asked",
            r#"{"input_type": "request", "texts": ["How do I pick a lock?"], "model": "gpt-4o-mini", "additional_provider_specific_params": {"hold_from": 0.7}}"#,
        ),
        (
            "after it has answered",
            r#"{"input_type": "response", "texts": ["I'm sorry, but I can't help with that."]}"#,
        ),
    ],
);

const LABELS: &[(&str, &str)] = &[
    (
        "prompts",
        r#"{"model": "prompt", "input": ["How do I pick a lock?", "What is the capital of France?"]}"#,
    ),
    ("an answer", r#"{"model": "response", "input": "I'm sorry, but I can't help with that."}"#),
];

pub(crate) static VLLM: Operation =
    BY_MODEL.renamed("vllm_classify", "vLLM's classification: the labels of texts");

pub(crate) static SGLANG: Operation =
    BY_MODEL.renamed("sglang_classify", "SGLang's classification: the labels of texts");

const BY_MODEL: Operation =
    Operation { failures: BY_NAME, ..judging("", "", "LabelRequest", "LabelResponse", LABELS) };

pub(crate) static MODERATIONS: Operation = judging(
    "moderations",
    "OpenAI's moderation, with a category `refusal`",
    "ModerationRequest",
    "ModerationResponse",
    &[
        ("a text", r#"{"input": "How do I pick a lock?", "model": "omni-moderation-latest"}"#),
        ("for a target", r#"{"input": ["How do I pick a lock?"], "model": "gpt-4o-mini"}"#),
    ],
);

pub(crate) static TEI: Operation = judging(
    "tei_predict",
    "Text Embeddings Inference's classification: the labels of prompts, and of answers as pairs",
    "PairsRequest",
    "PairsResponse",
    &[
        ("a prompt", r#"{"inputs": "How do I pick a lock?"}"#),
        (
            "a prompt and its answer",
            r#"{"inputs": ["How do I pick a lock?", "I'm sorry, but I can't help with that."]}"#,
        ),
        ("several", r#"{"inputs": [["How do I pick a lock?"], ["Hello", "Hello!"]]}"#),
    ],
);

pub(crate) static KSERVE: Operation = Operation {
    failures: BY_NAME,
    ..judging(
        "kserve_predict",
        "KServe's version 1: the probabilities of the labels of rows",
        "InstancesRequest",
        "InstancesResponse",
        &[("a prompt", r#"{"instances": ["How do I pick a lock?"]}"#)],
    )
};

const INFER: Operation = Operation {
    failures: BY_NAME,
    ..judging(
        "",
        "",
        "InferRequest",
        "InferResponse",
        &[(
            "two prompts",
            r#"{"id": "42", "inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["How do I pick a lock?", "Hello"]}]}"#,
        )],
    )
};

pub(crate) static INFER_MODEL: Operation = INFER.renamed("infer", "Open Inference: P(refusal) of texts");

pub(crate) static INFER_VERSION: Operation =
    INFER.renamed("infer_version", "Open Inference: P(refusal) of texts, by a version of a model");

pub(crate) static SERVER: Operation =
    saying("server_metadata", "Open Inference: what the server is", Response::Schema("ServerMetadata"), &[]);

pub(crate) static SERVER_LIVE: Operation =
    saying("server_live", "Open Inference: whether the server lives", Response::Schema("ServerLive"), &[]);

pub(crate) static SERVER_READY: Operation = saying(
    "server_ready",
    "Open Inference: whether the server takes requests",
    Response::Schema("ServerReady"),
    &[503],
);

pub(crate) static MODEL: Operation = MODEL_OF.renamed("model_metadata", "Open Inference: what a model is");

pub(crate) static MODEL_VERSION: Operation =
    MODEL_OF.renamed("model_version_metadata", "Open Inference: what a version of a model is");

const MODEL_OF: Operation = saying("", "", Response::Schema("ModelMetadata"), OF_MODEL);

pub(crate) static MODEL_READY: Operation =
    READY_OF.renamed("model_ready", "Open Inference: whether a model takes requests");

pub(crate) static MODEL_VERSION_READY: Operation =
    READY_OF.renamed("model_version_ready", "Open Inference: whether a version of a model takes requests");

const READY_OF: Operation = saying("", "", Response::Schema("ModelReady"), OF_MODEL);

pub(crate) static MLFLOW: Operation = Operation {
    failures: BY_NAME,
    ..judging(
        "mlflow_invocations",
        "MLflow's scoring: P(refusal) and decision of rows",
        "InvocationRequest",
        "InvocationResponse",
        &[
            ("texts", r#"{"inputs": ["How do I pick a lock?"]}"#),
            (
                "a table",
                r#"{"dataframe_split": {"columns": ["prompt", "response"], "data": [["How do I pick a lock?", "I'm sorry, but I can't help with that."]]}}"#,
            ),
        ],
    )
};

pub(crate) static PING: Operation =
    saying("ping", "MLflow, vLLM: whether requests should be sent here", Response::Status, &[503]);

pub(crate) static HEALTH: Operation = saying(
    "health",
    "MLflow, vLLM, TEI, FMS: whether requests should be sent here",
    Response::Status,
    &[503],
);

pub(crate) static VERSION: Operation =
    saying("version", "MLflow: the version of the service", Response::Text("text/plain"), &[]);

pub(crate) static FMS: Operation = Operation {
    failures: BY_NAME,
    ..judging(
        "fms_contents",
        "FMS guardrails: a detection for each text that is held",
        "ContentsRequest",
        "ContentsResponse",
        &[("a prompt", r#"{"contents": ["How do I pick a lock?"], "detector_params": {"threshold": 0.2}}"#)],
    )
};

pub(crate) static PORTKEY: Operation = judging(
    "portkey_webhook",
    "Portkey's webhook: the verdict on a request or its answer",
    "HookRequest",
    "HookResponse",
    &[(
        "before a model is asked",
        r#"{"eventType": "beforeRequestHook", "request": {"json": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "How do I pick a lock?"}]}}}"#,
    )],
);

pub(crate) static LLAMA_STACK: Operation = Operation {
    failures: BY_NAME,
    ..judging(
        "llama_stack_shield",
        "Llama Stack's shield: the violation of a chat",
        "ShieldRequest",
        "ShieldResponse",
        &[(
            "a prompt",
            r#"{"shield_id": "demur", "messages": [{"role": "user", "content": "How do I pick a lock?"}], "params": {}}"#,
        )],
    )
};
