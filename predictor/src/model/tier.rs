//! The tiers of a model by name.

use serde::Serialize;

/// A tier of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// N-grams: microseconds.
    Ngram,
    /// The encoder, combined with the n-gram tier: milliseconds.
    #[default]
    Encoder,
}

impl Tier {
    /// Both tiers, the cheap one first.
    pub const ALL: [Self; 2] = [Self::Ngram, Self::Encoder];

    /// The name used in files and flags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ngram => "ngram",
            Self::Encoder => "encoder",
        }
    }
}
