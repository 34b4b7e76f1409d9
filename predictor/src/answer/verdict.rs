//! An answer as it was received, and its classification.

use std::ops::Range;

use demur_data::{Kind, Label, Signs};
use serde::{Deserialize, Serialize};

use crate::answer::kinds::KindDistribution;
use crate::probability::Probability;

/// The answer as received, with the signs that accompany the text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answer<'a> {
    /// The prompt, if it is known.
    pub prompt: Option<&'a str>,
    /// The text, if there is one.
    pub response: Option<&'a str>,
    /// What the provider says beside the text.
    pub signs: Option<&'a Signs>,
    /// Judge only this many words of the answer, counted behind its reasoning: the beginning of a stream.
    pub prefix: Option<usize>,
}

/// What became of a request. No answer is neither of the others: nothing is learned from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The model, a filter or a guardrail refused.
    Refused,
    /// The model answered or called a tool.
    Complied,
    /// Nothing came that can be judged: out of tokens, cancelled, an outage, a rate limit.
    NoAnswer,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 3] = [Self::Refused, Self::Complied, Self::NoAnswer];

    /// The name used in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Complied => "complied",
            Self::NoAnswer => "no_answer",
        }
    }
}

/// How an answer was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The text as a whole.
    Text,
    /// One sentence within the text that declines, or a bare "no" to a request.
    Passage,
    /// There is no text, or only white space, and nothing says why.
    Empty,
    /// There is no answer, and the reason is known: out of tokens, cancelled, nothing but reasoning.
    NoAnswer,
    /// The provider's sign that a filter or the model ended the answer.
    Filtered,
    /// The provider's own field for refusals.
    RefusalField,
    /// An error of the provider, about the content or about something else.
    ProviderError,
    /// A known phrase of the operator's guardrail.
    Guardrail,
    /// Nothing but phrases that the operator allows.
    Allowed,
    /// The model called a tool.
    ToolCall,
}

impl Form {
    /// The name used in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Passage => "passage",
            Self::Empty => "empty",
            Self::NoAnswer => "no_answer",
            Self::Filtered => "filtered",
            Self::RefusalField => "refusal_field",
            Self::ProviderError => "provider_error",
            Self::Guardrail => "guardrail",
            Self::Allowed => "allowed",
            Self::ToolCall => "tool_call",
        }
    }

    /// All forms.
    pub const ALL: [Self; 10] = [
        Self::Text,
        Self::Passage,
        Self::Empty,
        Self::NoAnswer,
        Self::Filtered,
        Self::RefusalField,
        Self::ProviderError,
        Self::Guardrail,
        Self::Allowed,
        Self::ToolCall,
    ];
}

/// The classification of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// How it was recognised.
    pub form: Form,
    /// Refused or complied; `None` if there was no answer to classify. [`outcome`](Self::outcome) has a name
    /// for each of the three.
    pub label: Option<Label>,
    /// P(refusal), 0 or 1 if a sign decides; `None` if there is no label.
    pub p_refusal: Option<Probability>,
    /// The kind to name, if there is a label.
    pub kind: Option<Kind>,
    /// The distribution over kinds, if the text was scored and the model has a kind model.
    pub kinds: Option<KindDistribution>,
    /// The bytes of the response that decided it: the sentence, or the operator's phrase.
    pub place: Option<Range<usize>>,
    /// Reasoning came with the answer. It was not judged.
    pub reasoning: bool,
}

impl Verdict {
    /// The label, or that there was no answer.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self.label {
            Some(Label::Refused) => Outcome::Refused,
            Some(Label::Complied) => Outcome::Complied,
            None => Outcome::NoAnswer,
        }
    }

    /// A verdict that a sign alone decides.
    pub(crate) fn certain(form: Form, label: Label) -> Self {
        let (p, kind) = match label {
            Label::Refused => (1.0, Kind::Rejected),
            Label::Complied => (0.0, Kind::Complied),
        };
        let p_refusal = Probability::new(p).ok();
        Self { label: Some(label), p_refusal, kind: Some(kind), ..Self::none(form) }
    }

    /// A verdict on something that is not an answer.
    pub(crate) const fn none(form: Form) -> Self {
        Self { form, label: None, p_refusal: None, kind: None, kinds: None, place: None, reasoning: false }
    }
}
