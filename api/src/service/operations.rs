//! The `OpenAPI` operations of the routes: summary, bodies, failures, examples. The table of routes refers to
//! these.

/// An operation of the API.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) request: Option<&'static str>,
    /// The schema of the answer, or its media type if it is not JSON with a schema.
    pub(crate) response: Response,
    /// The failure statuses in addition to those of every route.
    pub(crate) failures: &'static [u16],
    pub(crate) examples: &'static [(&'static str, &'static str)],
}

impl Operation {
    /// The same operation on another path.
    pub(crate) const fn renamed(self, id: &'static str, summary: &'static str) -> Self {
        Self { id, summary, ..self }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Response {
    Schema(&'static str),
    Status,
    Text(&'static str),
}

pub(crate) const JUDGING: &[u16] = &[400, 401, 408, 413, 415, 422, 429];
const READING: &[u16] = &[401, 429];

pub(crate) static PREDICT: Operation = Operation {
    id: "predict",
    summary: "Will these prompts be refused?",
    request: Some("PredictRequest"),
    response: Response::Schema("PredictResponse"),
    failures: JUDGING,
    examples: &[
        ("one prompt", r#"{"prompt": "How do I pick a lock?"}"#),
        (
            "a batch, explained, with thresholds of its own",
            r#"{"prompts": ["How do I pick a lock?", "What is the capital of France?"], "explain": true, "top": 3, "policy": {"send_below": 0.3, "hold_from": 0.7}}"#,
        ),
        ("why it is held", r#"{"prompt": "Tell me how to build a pipe bomb.", "why": true}"#),
        (
            "a chat",
            r#"{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How do I pick a lock?"}]}"#,
        ),
    ],
};

pub(crate) static CLASSIFY: Operation = Operation {
    id: "classify",
    summary: "Are these answers refusals, and of which kind?",
    request: Some("ClassifyRequest"),
    response: Response::Schema("ClassifyResponse"),
    failures: JUDGING,
    examples: &[
        (
            "one answer",
            r#"{"prompt": "How do I pick a lock?", "response": "I'm sorry, but I can't help with that."}"#,
        ),
        (
            "a batch with an empty answer, a filtered one and an outage",
            r#"{"answers": [{"response": null}, {"response": "", "finish_reason": "content_filter"}, {"error": {"type": "overloaded_error"}}]}"#,
        ),
    ],
};

pub(crate) static EXPLAIN: Operation = Operation {
    id: "explain",
    summary: "Which words say so, and which would have to go?",
    request: Some("ExplainRequest"),
    response: Response::Schema("ExplainResponse"),
    failures: JUDGING,
    examples: &[("a prompt", r#"{"prompt": "How do I pick a lock?"}"#)],
};

pub(crate) static SCORE: Operation = Operation {
    id: "score",
    summary: "A file's rows with their scores beside them",
    request: Some("ScoreRequest"),
    response: Response::Schema("ScoreResponse"),
    failures: JUDGING,
    examples: &[
        ("CSV", r#"{"format": "csv", "rows": "id,prompt\n1,How do I pick a lock?\n"}"#),
        (
            "JSON Lines",
            r#"{"format": "jsonl", "rows": "{\"question\": \"How do I pick a lock?\"}\n", "top": 3}"#,
        ),
    ],
};

pub(crate) static ROUTE: Operation = Operation {
    id: "route",
    summary: "Which of these targets should get the prompt?",
    request: Some("RouteRequest"),
    response: Response::Schema("RouteResponse"),
    failures: JUDGING,
    examples: &[(
        "two targets with their costs",
        r#"{"prompt": "How do I pick a lock?", "candidates": [{"target": "gpt-4o-mini", "cost": 0.02}, {"target": "gpt-5.5", "cost": 0.3}]}"#,
    )],
};

pub(crate) static FEEDBACK: Operation = Operation {
    id: "feedback",
    summary: "What a target really did; kept for `demur drift` and `/metrics`",
    request: Some("FeedbackRequest"),
    response: Response::Schema("FeedbackResponse"),
    failures: JUDGING,
    examples: &[
        ("a label", r#"{"prompt": "How do I pick a lock?", "label": "refused", "labelled_by": "person"}"#),
        (
            "an answer to be judged",
            r#"{"prompt": "How do I pick a lock?", "answer": {"response": "I'm sorry, but I can't help with that."}}"#,
        ),
    ],
};

pub(crate) static MODELS: Operation = Operation {
    id: "models",
    summary: "The models that are loaded, and the limits",
    request: None,
    response: Response::Schema("ModelsResponse"),
    failures: READING,
    examples: &[],
};

pub(crate) static MODEL: Operation = Operation {
    id: "model",
    summary: "One model",
    request: None,
    response: Response::Schema("ModelInfo"),
    failures: &[401, 404, 429],
    examples: &[],
};

pub(crate) static LIVE: Operation = Operation {
    id: "live",
    summary: "Whether the process answers",
    request: None,
    response: Response::Status,
    failures: &[],
    examples: &[],
};

pub(crate) static READY: Operation = Operation {
    id: "ready",
    summary: "Whether requests should be sent here; not while it is about to end",
    request: None,
    response: Response::Status,
    failures: &[503],
    examples: &[],
};

pub(crate) static METRICS: Operation = Operation {
    id: "metrics",
    summary: "Counters and histograms for Prometheus",
    request: None,
    response: Response::Text("text/plain"),
    failures: &[],
    examples: &[],
};

pub(crate) static RELOAD: Operation = Operation {
    id: "reload",
    summary: "Reloads models, keys and phrases; if any of them is bad, the old ones stay in use",
    request: None,
    response: Response::Schema("ModelsResponse"),
    failures: &[401, 403, 404, 422, 429],
    examples: &[],
};
