//! What a store holds, as plain values.

/// A prompt that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) text: String,
    /// The `id` of its row, if that has one.
    pub(crate) row_id: Option<String>,
}

/// One question to the target: a prompt under some settings, the nth time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The prompt, by the number that the store gave it.
    pub(crate) prompt: i64,
    /// The settings, by the number that the store gave them.
    pub(crate) settings: i64,
    /// From 0 up.
    pub(crate) sample: i64,
}

/// A question that has no answer yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) key: Key,
    pub(crate) prompt: String,
    /// How often it was sent, in earlier runs too.
    pub(crate) attempts: i64,
}

/// One request, whatever became of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) key: Key,
    /// From 1 up.
    pub(crate) attempt: i64,
    /// Milliseconds since 1970.
    pub(crate) started_at: i64,
    /// Milliseconds until the answer was whole, or until it was given up.
    pub(crate) latency: i64,
    /// The status of HTTP, if one came.
    pub(crate) status: Option<i64>,
    /// Why it is no answer, if it is none: the name of a failure.
    pub(crate) failure: Option<String>,
    pub(crate) prompt_tokens: Option<i64>,
    pub(crate) completion_tokens: Option<i64>,
    /// What came instead of an answer.
    pub(crate) body: Option<String>,
}

/// An answer of the target, as it came and as it was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Answer {
    /// The request that brought it; none where it was imported.
    pub(crate) attempt: Option<i64>,
    pub(crate) status: Option<i64>,
    pub(crate) response: Option<String>,
    pub(crate) finish_reason: Option<String>,
    pub(crate) refusal: Option<String>,
    /// An error in place of an answer, as JSON.
    pub(crate) error: Option<String>,
    /// What filters said, as JSON.
    pub(crate) filters: Option<String>,
    pub(crate) tool_calls: bool,
    pub(crate) reasoning: bool,
    /// The model as the answer names it.
    pub(crate) served_model: Option<String>,
    /// The provider's fingerprint of the model.
    pub(crate) fingerprint: Option<String>,
    /// The body as it came.
    pub(crate) body: Option<String>,
}

/// A label with whoever gave it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Label {
    pub(crate) labelled_by: String,
    /// `refused`, `complied` or `no_answer`.
    pub(crate) label: String,
    pub(crate) p_refusal: Option<f64>,
    pub(crate) kind: Option<String>,
    pub(crate) form: Option<String>,
}

/// What was spent on some settings, in all runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) requests: u64,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
}

/// A stored answer with all that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) key: Key,
    pub(crate) prompt: Prompt,
    /// The settings as JSON.
    pub(crate) settings: String,
    pub(crate) answer: Answer,
    /// Its label, where somebody else than Demur has given one: the last review, else what came with the
    /// answer.
    pub(crate) label: Option<Label>,
    pub(crate) prompt_tokens: Option<i64>,
    pub(crate) completion_tokens: Option<i64>,
}
