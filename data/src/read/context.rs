//! What the fields of a row, of a request's body or of a turn say of the context of a prompt: a system
//! prompt, tools that are offered, calls of tools.

use serde_json::{Map, Value};

use crate::conversation;
use crate::python::nested;
use crate::{Context, Mode};

/// The usual names of the system prompt, in columns and in the bodies of requests.
pub(crate) const SYSTEM: &[&str] =
    &["system", "system_prompt", "system_message", "system_instruction", "systemInstruction", "instructions"];

/// The usual names of the tools that a target is offered.
pub(crate) const TOOLS: &[&str] = &["tools", "functions"];

/// The roles of turns that a tool wrote, or in which one is called.
const ACTING: &[&str] = &[
    "tool",
    "function",
    "toolmessage",
    "functionmessage",
    "ipython",
    "observation",
    "tool_call",
    "tool_result",
    "function_call",
    "function_response",
    "function_call_output",
];

/// What the fields beside a chat say.
pub(crate) fn of_fields(fields: &Map<String, Value>) -> Context {
    let system = SYSTEM.iter().find_map(|name| system_text(fields.get(*name)?));
    let offered = TOOLS.iter().any(|name| fields.get(*name).is_some_and(offers));
    Context::new(system, Mode::of(offered))
}

/// The text of a system prompt, plain or in parts; `None` of anything else, and of a blank one.
pub(crate) fn system_text(value: &Value) -> Option<String> {
    conversation::text(value).ok().filter(|text| !text.trim().is_empty())
}

/// Whether a list of tools has any; it may be written as JSON.
pub(crate) fn offers(value: &Value) -> bool {
    match value {
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::String(text) => nested(text).is_some_and(|value| offers(&value)),
        _ => false,
    }
}

/// Whether a turn calls a tool, or is what a tool returned: by its role, its fields or its parts.
#[must_use]
pub fn acts(role: &str, turn: Option<&Value>) -> bool {
    let is_tools = ACTING.iter().any(|name| role.trim().eq_ignore_ascii_case(name));
    is_tools || turn.and_then(Value::as_object).is_some_and(calls)
}

fn calls(turn: &Map<String, Value>) -> bool {
    let has = |name: &str| turn.get(name).is_some_and(offers);
    let inner = ["data", "kwargs", "additional_kwargs"].into_iter();
    let mut inner = inner.filter_map(|name| turn.get(name)?.as_object());
    let mut parts = ["content", "parts"].into_iter().filter_map(|name| turn.get(name)?.as_array()).flatten();
    has("tool_calls") || has("function_call") || parts.any(is_call) || inner.any(calls)
}

/// Whether a part of a turn calls a tool or is what one returned, as Anthropic, Gemini and Bedrock write it.
fn is_call(part: &Value) -> bool {
    let Some(part) = part.as_object() else { return false };
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    let names =
        ["functionCall", "functionResponse", "function_call", "function_response", "toolUse", "toolResult"];
    ["tool_", "function_"].iter().any(|start| kind.starts_with(start))
        || names.iter().any(|name| part.contains_key(*name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Columns, Layout, ReadOptions, TextReader};

    #[test]
    fn fields_beside_a_chat_say_what_it_is_sent_in() {
        for (body, system, mode) in [
            (json!({"system": "Be brief."}), Some("Be brief."), Mode::Chat),
            (
                json!({"system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
                Some("a\nb"),
                Mode::Chat,
            ),
            (json!({"systemInstruction": {"parts": [{"text": "a"}]}}), Some("a"), Mode::Chat),
            (json!({"instructions": "a", "tools": [{"type": "function"}]}), Some("a"), Mode::Agent),
            (json!({"tools": "[{\"name\": \"f\"}]", "system": " "}), None, Mode::Agent),
            (json!({"tools": [], "functions": null, "system": 3}), None, Mode::Chat),
            (json!({"tools": "none", "functions": "[]"}), None, Mode::Chat),
        ] {
            let found = of_fields(body.as_object().unwrap());
            assert_eq!((found.system.as_deref(), found.mode), (system, mode), "{body}");
        }
    }

    /// What the prompt of a row is sent in, by a reader of such rows.
    fn of_row(row: &Value, columns: Columns) -> (Option<String>, Mode) {
        let fields = row.as_object().unwrap();
        let layout = Layout::of_rows(&[fields]);
        let options = ReadOptions { columns, ..ReadOptions::default() };
        let reader = TextReader::new(&"a.jsonl".into(), vec![fields.clone()], layout, &options).unwrap();
        let found = reader.texts(fields).unwrap().sent_in;
        (found.system, found.mode)
    }

    #[test]
    fn rows_say_it_in_columns_beside_their_chat_and_around_it() {
        let chat = json!([{"role": "user", "content": "p"}]);
        let system = |text: &str| Some(text.to_owned());
        for (row, found, mode) in [
            (json!({"prompt": "p", "System Prompt": "s"}), system("s"), Mode::Chat),
            (json!({"prompt": "p", "system": null, "mode": "Agent"}), None, Mode::Agent),
            (json!({"prompt": "p", "mode": "test"}), None, Mode::Chat),
            (json!({"messages": chat, "system": "s", "tools": [{"name": "f"}]}), system("s"), Mode::Agent),
            (
                json!({"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "p"}]}),
                system("s"),
                Mode::Chat,
            ),
            // The parameters of a batch's request lie beside its chat.
            (
                json!({"custom_id": "1", "params": {"system": "s", "messages": chat, "tools": [1]}}),
                system("s"),
                Mode::Agent,
            ),
            (
                json!({"custom_id": "1", "url": "u", "body": {"input": "p", "instructions": "s"}}),
                system("s"),
                Mode::Chat,
            ),
        ] {
            assert_eq!(of_row(&row, Columns::default()), (found, mode), "{row}");
        }
        let named =
            Columns { system: Some("persona".into()), tools: Some("can".into()), ..Columns::default() };
        let row = json!({"prompt": "p", "persona": "s", "system": "gpt", "can": ["search"]});
        assert_eq!(of_row(&row, named), (system("s"), Mode::Agent));
        let none = Columns { system: Some(String::new()), ..Columns::default() };
        assert_eq!(of_row(&row, none), (None, Mode::Chat));
    }

    #[test]
    fn calls_of_tools_are_known_in_every_form() {
        for turn in [
            json!({"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]}),
            json!({"role": "assistant", "content": null, "function_call": {"name": "f"}}),
            json!({"role": "assistant", "content": [{"type": "tool_use", "name": "f"}]}),
            json!({"role": "user", "content": [{"type": "tool_result", "content": "x"}]}),
            json!({"role": "model", "parts": [{"functionCall": {"name": "f"}}]}),
            json!({"type": "ai", "data": {"content": "", "additional_kwargs": {"tool_calls": [1]}}}),
        ] {
            assert!(acts("assistant", Some(&turn)), "{turn}");
        }
        assert!(acts("tool", None) && acts("ToolMessage", None));
        let plain =
            json!({"role": "assistant", "content": [{"type": "text", "text": "hi"}], "tool_calls": []});
        assert!(!acts("assistant", Some(&plain)));
    }
}
