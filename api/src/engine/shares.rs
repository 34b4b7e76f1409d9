//! The shares of an answer, in the one form that commands, service and batches show.

use std::ops::Range;

use demur_predictor::{Explanation, Input, Model, Share, ShareKind, ViewText};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::engine::schema::ShareKindName;

/// The most words, or n-grams, that an explanation lists, for any caller. More would explain nothing, and
/// each one carries its positions in the text.
pub(crate) const MOST_TOP: usize = 100;

/// A stretch of a text in characters (Unicode code points), the end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Converts byte offsets of a text to character offsets.
pub(crate) struct Characters(Option<Vec<usize>>);

impl Characters {
    pub(crate) fn of(text: &str) -> Self {
        if text.is_ascii() {
            return Self(None);
        }
        let mut numbers = vec![0; text.len() + 1];
        let mut count = 0;
        for (at, c) in text.char_indices() {
            numbers[at..at + c.len_utf8()].fill(count);
            count += 1;
        }
        numbers[text.len()] = count;
        Self(Some(numbers))
    }

    /// Converts a byte range to a span of characters.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        match &self.0 {
            None => Span { start, end },
            Some(numbers) => Span { start: numbers[start], end: numbers[end] },
        }
    }
}

/// A part of the answer with what it adds to the log-odds. All of them sum to the log-odds of the n-gram tier's P(refusal).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ShareView {
    /// What it is of.
    #[schema(value_type = ShareKindName)]
    pub(crate) kind: ShareKind,
    /// Of a word, the text that it is in.
    #[schema(value_type = Option<String>, example = "prompt")]
    pub(crate) field: Option<ViewText>,
    /// The word in lower case, the measure of style, the target, the context; empty for the others.
    #[schema(example = "lock")]
    pub(crate) text: String,
    /// What it is, as a person reads it.
    #[schema(example = "lock")]
    pub(crate) label: String,
    /// How often a word is there; of others and function words, how many they are.
    pub(crate) count: usize,
    /// What it adds to the log-odds: above 0 it speaks for refusal.
    pub(crate) contribution: f64,
    /// The place of a word, in characters (Unicode code points), the end not included.
    #[schema(example = json!([{"start": 16, "end": 21}]))]
    pub(crate) spans: Vec<Span>,
}

/// The shares of an explanation, with the `top` strongest words listed separately.
pub(crate) fn shares(
    model: &Model,
    explanation: &Explanation,
    input: &Input<'_>,
    top: usize,
) -> Vec<ShareView> {
    let [prompt, response, system] =
        [input.prompt, input.response, input.system].map(|text| Characters::of(text.unwrap_or_default()));
    let view = |share: Share| {
        let characters = match share.field {
            Some(ViewText::Response) => &response,
            Some(ViewText::System) => &system,
            _ => &prompt,
        };
        let span = |span: &Range<usize>| characters.span(span.start, span.end);
        ShareView {
            label: share.label(),
            spans: share.spans.iter().map(span).collect(),
            kind: share.kind,
            field: share.field,
            text: share.text,
            count: share.count,
            contribution: share.contribution,
        }
    };
    model.shares(explanation, input, top).parts.into_iter().map(view).collect()
}

/// The shares in short, for a cell of a table: `[text, contribution, kind]` of each.
pub(crate) fn in_short(model: &Model, input: &Input<'_>, top: usize) -> Value {
    let shares = model.shares(&model.scorer().explain(input), input, top);
    shares.parts.into_iter().map(|share| json!([share.text, share.contribution, share.kind])).collect()
}
