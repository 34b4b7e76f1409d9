//! Which text of an input is meant, and which part of it.

use demur_data::Input;
use serde::{Deserialize, Serialize};

use crate::text;

/// A text of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    /// The prompt.
    Prompt,
    /// The target's answer.
    Response,
}

impl Field {
    /// The name used in files and flags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Response => "response",
        }
    }

    /// An input with this text replaced.
    #[must_use]
    pub const fn put<'a>(self, text: &'a str, input: Input<'a>) -> Input<'a> {
        match self {
            Self::Prompt => Input { prompt: Some(text), ..input },
            Self::Response => Input { response: Some(text), ..input },
        }
    }

    /// This text of an input, if it exists.
    #[must_use]
    pub const fn of<'a>(self, input: &Input<'a>) -> Option<&'a str> {
        match self {
            Self::Prompt => input.prompt,
            Self::Response => input.response,
        }
    }
}

/// A text that a view reads: that which a model scores, or one beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ViewText {
    /// The prompt.
    Prompt,
    /// The target's answer.
    Response,
    /// The system prompt before the prompt.
    System,
}

impl ViewText {
    /// The name used in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prompt => Field::Prompt.name(),
            Self::Response => Field::Response.name(),
            Self::System => "system",
        }
    }

    /// This text of an input, if it exists.
    #[must_use]
    pub const fn of<'a>(self, input: &Input<'a>) -> Option<&'a str> {
        match self {
            Self::Prompt => input.prompt,
            Self::Response => input.response,
            Self::System => input.system,
        }
    }
}

impl From<Field> for ViewText {
    fn from(field: Field) -> Self {
        match field {
            Field::Prompt => Self::Prompt,
            Field::Response => Self::Response,
        }
    }
}

impl PartialEq<Field> for ViewText {
    fn eq(&self, field: &Field) -> bool {
        *self == Self::from(*field)
    }
}

/// Which part of a text a view reads. Words are white-space separated pieces here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// All of it.
    Whole,
    /// Its first words.
    FirstWords(usize),
    /// Its last words.
    LastWords(usize),
}

impl Part {
    /// Selects the part of a text.
    #[must_use]
    pub fn of(self, text: &str) -> &str {
        match self {
            Self::Whole => text,
            Self::FirstWords(count) => text::first_pieces(text, count),
            Self::LastWords(count) => text::last_pieces(text, count),
        }
    }
}
