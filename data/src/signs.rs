//! What a provider says beside the text of an answer: why it ended, that it was refused, or that an error
//! came instead. Readers fill it in; what the values mean is the classifier's business.

use serde_json::Value;

/// Signs that accompany the text of an answer or replace it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signs {
    /// The provider's `refusal` field or part, which holds the text of a refusal instead of the answer.
    pub refusal: Option<String>,
    /// `finish_reason`, `stop_reason`, `finishReason` or `blockReason`, as the provider spells it.
    pub finish_reason: Option<String>,
    /// The body or the text of an error that came instead of an answer.
    pub error: Option<Value>,
    /// What filters say of the prompt or the answer: a moderation result, `promptFeedback`, `stop_details`,
    /// or content filter results.
    pub filters: Option<Value>,
    /// The model called a tool.
    pub tool_calls: bool,
    /// The model wrote its reasoning beside the answer. It is no part of the text.
    pub reasoning: bool,
}

impl Signs {
    /// No sign at all.
    pub const NONE: Self = Self {
        refusal: None,
        finish_reason: None,
        error: None,
        filters: None,
        tool_calls: false,
        reasoning: false,
    };

    /// These signs, and those of `other` that are missing here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            refusal: self.refusal.or(other.refusal),
            finish_reason: self.finish_reason.or(other.finish_reason),
            error: self.error.or(other.error),
            filters: self.filters.or(other.filters),
            tool_calls: self.tool_calls || other.tool_calls,
            reasoning: self.reasoning || other.reasoning,
        }
    }

    /// Whether any sign is given.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::NONE
    }
}
