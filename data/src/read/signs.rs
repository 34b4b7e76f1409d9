//! What the fields of a row, or of a provider's message, say beside an answer: a finish reason, a refusal, an
//! error, a filter's result.
//!
//! Fields are recognised by their usual names, without regard to case, underscores and blanks. Each row is
//! searched by itself, because logs have such fields only where something went wrong. A value of another type
//! than expected is no sign; it never makes a row bad.

use serde_json::{Map, Value};

use crate::Signs;
use crate::python::nested;

/// What a field is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    FinishReason,
    /// An object that holds the reason (`incomplete_details`).
    ReasonWithin,
    Refusal,
    Error,
    Filters,
    ToolCalls,
    Reasoning,
}

/// Usual names in lower case, without underscores, hyphens and blanks.
const NAMES: [(&str, Sign); 25] = [
    ("finishreason", Sign::FinishReason),
    ("stopreason", Sign::FinishReason),
    ("donereason", Sign::FinishReason),
    ("blockreason", Sign::FinishReason),
    ("completionreason", Sign::FinishReason),
    ("incompletedetails", Sign::ReasonWithin),
    ("refusal", Sign::Refusal),
    ("error", Sign::Error),
    ("stopdetails", Sign::Filters),
    // What OpenRouter was told, which may say more than what it tells.
    ("nativefinishreason", Sign::Filters),
    ("moderation", Sign::Filters),
    ("moderationresult", Sign::Filters),
    ("moderationresults", Sign::Filters),
    ("promptfeedback", Sign::Filters),
    ("safetyratings", Sign::Filters),
    ("contentfilterresult", Sign::Filters),
    ("contentfilterresults", Sign::Filters),
    ("promptfilterresult", Sign::Filters),
    ("promptfilterresults", Sign::Filters),
    ("amazonbedrockguardrailaction", Sign::Filters),
    ("toolcalls", Sign::ToolCalls),
    ("functioncall", Sign::ToolCalls),
    ("reasoningcontent", Sign::Reasoning),
    ("reasoningdetails", Sign::Reasoning),
    ("thinking", Sign::Reasoning),
];

/// The signs in the fields of a row or of any object of a provider's reply; `None` if there are none.
pub(crate) fn signs_of(fields: &Map<String, Value>) -> Option<Signs> {
    let mut signs = Signs::NONE;
    for (name, value) in fields {
        if let Some(sign) = sign(name) {
            sign.read(name, value, &mut signs);
        }
    }
    signs.any().then_some(signs)
}

/// The signs of a turn of a chat: those of its fields and of the parts of its content. A `refusal` within a
/// message is always the provider's.
pub(crate) fn signs_of_message(fields: &Map<String, Value>) -> Option<Signs> {
    let mut signs = signs_of(fields).unwrap_or_default();
    signs.refusal = signs.refusal.or_else(|| filled(fields.get("refusal")));
    signs.reasoning |= filled(fields.get("reasoning")).is_some();
    let contents = ["content", "parts", "value"];
    for content in contents.iter().filter_map(|name| fields.get(*name)) {
        read_parts(content, &mut signs);
    }
    signs.any().then_some(signs)
}

/// Whether signs say why there is no answer. A finish reason of every answer (`stop`) does not: where a row
/// has it and no response, the response is in a column of another name.
pub(super) fn replaces_an_answer(signs: &Signs) -> bool {
    const USUAL: [&str; 7] =
        ["stop", "end_turn", "stop_sequence", "complete", "length", "max_tokens", "max_output_tokens"];
    let is_usual = |reason: &str| USUAL.iter().any(|usual| reason.eq_ignore_ascii_case(usual));
    signs.refusal.is_some()
        || signs.error.is_some()
        || signs.tool_calls
        || signs.finish_reason.as_deref().is_some_and(|reason| !is_usual(reason))
}

fn read_parts(content: &Value, signs: &mut Signs) {
    let parts = match content {
        Value::Array(parts) => parts.as_slice(),
        Value::Object(_) => std::slice::from_ref(content),
        _ => return,
    };
    for part in parts.iter().filter_map(Value::as_object) {
        let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
        let starts = |names: &[&str]| names.iter().any(|name| kind.starts_with(name));
        if kind == "refusal" && signs.refusal.is_none() {
            signs.refusal = filled(part.get("refusal")).or_else(|| filled(part.get("text")));
        }
        signs.reasoning |= starts(&["thinking", "reasoning", "thought", "redacted_thinking"])
            || part.get("thought") == Some(&Value::Bool(true))
            || part.contains_key("reasoningContent");
        signs.tool_calls |= starts(&["tool_use", "tool_call", "function_call", "toolCall"])
            || ["functionCall", "toolUse"].iter().any(|name| part.get(*name).is_some_and(Value::is_object));
    }
}

/// What a field of this name is about.
fn sign(name: &str) -> Option<Sign> {
    let is = |usual: &str| {
        // The lengths differ by what is left out, which is little; comparing them first is cheap.
        let plain = name.bytes().filter(|byte| !matches!(byte, b'_' | b'-' | b' '));
        (usual.len()..usual.len() + 4).contains(&name.len())
            && plain.map(|byte| byte.to_ascii_lowercase()).eq(usual.bytes())
    };
    NAMES.iter().find(|(usual, _)| is(usual)).map(|(_, sign)| *sign)
}

impl Sign {
    /// Reads a value; the first field of a kind counts.
    fn read(self, name: &str, value: &Value, signs: &mut Signs) {
        match self {
            Self::FinishReason => {
                let reason = || reason(value);
                signs.finish_reason = signs.finish_reason.take().or_else(reason);
            }
            Self::ReasonWithin => {
                let within = unpacked(value).and_then(|value| value.get("reason").and_then(reason));
                signs.finish_reason = signs.finish_reason.take().or(within);
            }
            Self::Refusal => {
                let refusal = || value.as_str().filter(|text| is_refusal_text(text)).map(str::to_owned);
                signs.refusal = signs.refusal.take().or_else(refusal);
            }
            Self::Error => {
                let error = || unpacked(value).filter(|value| !value.is_number());
                signs.error = signs.error.take().or_else(error);
            }
            Self::Filters => {
                let Some(result) = unpacked(value).filter(|value| !value.is_number()) else { return };
                let filters = signs.filters.get_or_insert_with(|| Value::Object(Map::new()));
                if let Some(filters) = filters.as_object_mut() {
                    filters.insert(name.to_owned(), result);
                }
            }
            Self::ToolCalls => signs.tool_calls |= unpacked(value).is_some_and(|value| !value.is_number()),
            Self::Reasoning => signs.reasoning |= unpacked(value).is_some_and(|value| !value.is_number()),
        }
    }
}

/// The name of a finish reason. Some libraries write the number of an enumeration.
fn reason(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::Array(values) if values.len() == 1 => reason(&values[0]),
        value => filled(Some(value)),
    }
}

/// A text with something in it.
fn filled(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !is_nothing(text)).map(str::to_owned)
}

/// A value that holds something, parsed if it is JSON as text; `None` for null, false, blanks and empty lists
/// and objects, also for objects of nothing but nulls.
fn unpacked(value: &Value) -> Option<Value> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) if is_nothing(text) => None,
        Value::String(text) => match nested(text) {
            Some(value) => unpacked(&value),
            None => Some(value.clone()),
        },
        Value::Array(values) => values.iter().any(|value| !value.is_null()).then(|| value.clone()),
        Value::Object(fields) => fields.values().any(|value| !value.is_null()).then(|| value.clone()),
        Value::Bool(true) | Value::Number(_) => Some(value.clone()),
    }
}

/// Whether a text says that there is nothing, as tables of other programs write it.
fn is_nothing(text: &str) -> bool {
    let text = text.trim();
    text.is_empty()
        || ["none", "null", "nan", "n/a", "false"].iter().any(|nothing| text.eq_ignore_ascii_case(nothing))
}

/// Whether a `refusal` field holds the text of a refusal, and not a label (`1`, `refused`, `2_full_refusal`,
/// `partial refusal`).
pub(crate) fn is_refusal_text(text: &str) -> bool {
    const LABELS: [&str; 7] = ["refus", "compl", "reject", "full", "partial", "answer", "not "];
    let text = text.trim();
    if is_nothing(text) || text.parse::<f64>().is_ok() {
        return false;
    }
    let sentence =
        |c: char| matches!(c, '.' | ',' | '!' | '?' | '\'') || (!c.is_ascii() && !c.is_whitespace());
    match text.split_whitespace().count() {
        1 => text.ends_with(sentence) || text.chars().filter(|c| !c.is_ascii()).count() > 3,
        2 => {
            let lower = text.to_lowercase();
            text.contains(sentence) || !LABELS.iter().any(|label| lower.contains(label))
        }
        _ => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(fields: &Value) -> Signs {
        signs_of(fields.as_object().unwrap()).unwrap_or_default()
    }

    #[test]
    fn fields_are_found_by_their_usual_names_in_any_spelling() {
        for name in ["finish_reason", "finishReason", "Finish Reason", "stop_reason", "stopReason"] {
            let signs = read(&json!({"response": null, name: "length"}));
            assert_eq!(signs.finish_reason.as_deref(), Some("length"), "{name}");
        }
        assert_eq!(read(&json!({"finish_reason": 3})).finish_reason.as_deref(), Some("3"));
        let within = json!({"incomplete_details": {"reason": "content_filter"}});
        assert_eq!(read(&within).finish_reason.as_deref(), Some("content_filter"));
        let error = read(&json!({"error": "{\"code\": \"content_filter\"}"})).error;
        assert_eq!(error, Some(json!({"code": "content_filter"})), "JSON in a cell is parsed");
        let filters = json!({"moderation": {"flagged": true}, "prompt_feedback": {"blockReason": "SAFETY"}});
        assert_eq!(read(&filters).filters, Some(filters));
        assert!(read(&json!({"tool_calls": [{"id": "1"}]})).tool_calls);
        assert!(read(&json!({"reasoning_content": "Let me see."})).reasoning);
    }

    #[test]
    fn nothing_and_other_types_are_no_sign() {
        for fields in [
            json!({"prompt": "a", "response": "b"}),
            json!({"finish_reason": null, "error": {}, "tool_calls": [], "moderation": ""}),
            json!({"finish_reason": "None", "error": "nan", "refusal": "", "stop_reason": {}}),
            json!({"error": 0.25, "refusal": true, "finish_reason": ["a", "b"]}),
            json!({"error": {"message": null}, "reasoning_content": null}),
        ] {
            assert_eq!(signs_of(fields.as_object().unwrap()), None, "{fields}");
        }
    }

    #[test]
    fn a_refusal_field_holds_a_text_or_a_label() {
        for text in ["I can't help with that.", "Sorry.", "I cannot", "お手伝いできません", "No, never"]
        {
            assert!(is_refusal_text(text), "{text}");
        }
        for label in
            ["1", "0.5", "refused", "2_full_refusal", "partial refusal", "True", "none", "not refused"]
        {
            assert!(!is_refusal_text(label), "{label}");
        }
    }

    fn of_turn(turn: &Value) -> Signs {
        signs_of_message(turn.as_object().unwrap()).unwrap_or_default()
    }

    #[test]
    fn turns_have_signs_in_their_parts() {
        let parts = json!({"role": "assistant", "content": [
            {"type": "thinking", "thinking": "x"}, {"type": "refusal", "refusal": "No."},
        ]});
        let signs = of_turn(&parts);
        assert_eq!((signs.refusal.as_deref(), signs.reasoning), (Some("No."), true));
        let called = json!({"role": "assistant", "content": [{"type": "tool_use", "name": "f"}]});
        assert!(of_turn(&called).tool_calls);
        assert!(!of_turn(&json!({"role": "assistant", "content": "a", "tool_calls": []})).any());
    }
}
