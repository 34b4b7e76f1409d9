//! Answers and verdicts as the store keeps them.

use anyhow::Context;
use demur_data::Signs;
use demur_predictor::{Judged, Probability};
use serde_json::Value;

use crate::store::rows::{Answer, Label};

/// An answer with the signs beside it.
pub(crate) fn answer_of(response: Option<String>, signs: Signs) -> Answer {
    let Signs { refusal, finish_reason, error, filters, tool_calls, reasoning } = signs;
    let json = |value: Option<Value>| value.map(|value| value.to_string());
    Answer {
        response: response.map(stored),
        finish_reason: finish_reason.map(stored),
        refusal: refusal.map(stored),
        error: json(error),
        filters: json(filters),
        tool_calls,
        reasoning,
        ..Answer::default()
    }
}

/// The signs of a stored answer.
///
/// # Errors
/// When its error or its filters are no JSON.
pub(crate) fn signs_of(answer: &Answer) -> anyhow::Result<Signs> {
    let json = |text: &Option<String>| -> anyhow::Result<Option<Value>> {
        let value = text.as_deref().map(serde_json::from_str).transpose();
        value.context("the store has an answer whose error or filters are no JSON")
    };
    Ok(Signs {
        refusal: answer.refusal.clone(),
        finish_reason: answer.finish_reason.clone(),
        error: json(&answer.error)?,
        filters: json(&answer.filters)?,
        tool_calls: answer.tool_calls,
        reasoning: answer.reasoning,
    })
}

/// A text as both databases can hold it: `PostgreSQL` has no U+0000.
pub(crate) fn stored(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// The label that a classifier gives.
pub(crate) fn label_of(judged: &Judged, labelled_by: &str) -> Label {
    let verdict = &judged.verdict;
    Label {
        labelled_by: labelled_by.to_owned(),
        label: verdict.outcome().name().to_owned(),
        p_refusal: verdict.p_refusal.map(Probability::get),
        kind: verdict.kind.map(|kind| kind.name().to_owned()),
        form: Some(verdict.form.name().to_owned()),
    }
}
