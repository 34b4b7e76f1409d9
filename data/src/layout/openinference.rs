//! `OpenInference`'s attributes of spans (Phoenix and others): `llm.input_messages.0.message.content`, flat,
//! nested, or as the columns of a data frame.

use serde_json::{Map, Value};

use super::opentelemetry::attributes;
use super::{Layout, PLAIN, Role};
use crate::python::nested;

/// Where the fields of a span are, after [`gather`].
pub(super) const INPUT: &str = "openinference.input";
pub(super) const OUTPUT: &str = "openinference.output";
pub(super) const MODEL: &str = "openinference.model";

/// One span a row. Spans that call no model are passed over.
pub(super) const SPANS: Layout = Layout {
    name: "openinference-spans",
    title: "OpenInference spans",
    some: &[OUTPUT],
    split: Some(|span| if calls_model(span) { vec![span.clone()] } else { Vec::new() }),
    places: &[
        (Role::Id, &["context.span_id", "span_id", "spanId", "id"]),
        (Role::Messages, &[INPUT]),
        (Role::Prompt, &["input.value", "attributes.input.value"]),
        (Role::Response, &[OUTPUT]),
        (Role::Target, &[MODEL]),
    ],
    without: &[Role::Label, Role::Kind],
    reshape: Some(gather),
    example: r#"{"name": "ChatCompletion", "span_kind": "LLM", "context": {"trace_id": "t1", "span_id": "s1"}, "attributes": {"llm.model_name": "gpt-4o-mini", "llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "How do I pick a lock?", "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "I can't help with that."}}"#,
    ..PLAIN
};

/// Whether a span is a call of a model: it has messages that went in or came out.
fn calls_model(span: &Map<String, Value>) -> bool {
    let mut span = span.clone();
    gather(&mut span);
    [INPUT, OUTPUT].iter().any(|name| span.contains_key(*name))
}

/// Puts the messages of a span, and its model, where the layout reads them.
pub(super) fn gather(row: &mut Map<String, Value>) {
    let found = attributes(row);
    for (name, into) in [("llm.input_messages", INPUT), ("llm.output_messages", OUTPUT)] {
        let messages = messages(&found, name);
        if !messages.is_empty() {
            row.insert(into.to_owned(), Value::Array(messages));
        }
    }
    if let Some(model) = value(&found, "llm.model_name") {
        row.insert(MODEL.to_owned(), model.clone());
    }
}

/// An attribute by its name, written flat or nested.
fn value<'v>(attributes: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    if let Some(value) = attributes.get(name) {
        return Some(value);
    }
    let within = |(at, _): (usize, &str)| match attributes.get(&name[..at]) {
        Some(Value::Object(inner)) => value(inner, &name[at + 1..]),
        _ => None,
    };
    name.match_indices('.').find_map(within)
}

/// The messages under a name, as turns of a chat.
fn messages(attributes: &Map<String, Value>, name: &str) -> Vec<Value> {
    let list =
        value(attributes, name).map(|value| value.as_str().and_then(nested).unwrap_or_else(|| value.clone()));
    if let Some(Value::Array(list)) = list {
        return list.iter().filter_map(|message| turn(message.as_object()?)).collect();
    }
    let numbered = (0..).map(|number| {
        let start = format!("{name}.{number}.");
        let fields = attributes.iter().filter_map(|(key, value)| Some((key.strip_prefix(&start)?, value)));
        fields.map(|(key, value)| (key.to_owned(), value.clone())).collect::<Map<String, Value>>()
    });
    numbered.take_while(|fields| !fields.is_empty()).filter_map(|fields| turn(&fields)).collect()
}

/// One message: its role, its text or the texts of its parts, and whether it calls tools.
fn turn(fields: &Map<String, Value>) -> Option<Value> {
    let role = value(fields, "message.role")?;
    let content = value(fields, "message.content").filter(|content| !content.is_null()).cloned();
    let part = |number: usize| {
        fields.get(&format!("message.contents.{number}.message_content.text")).filter(|text| text.is_string())
    };
    let parts = || (0..).map_while(part).filter_map(Value::as_str).collect::<Vec<_>>().join("\n");
    let of_list = |list: &Value| {
        let texts = list
            .as_array()?
            .iter()
            .filter_map(|part| value(part.as_object()?, "message_content.text")?.as_str());
        Some(texts.collect::<Vec<_>>().join("\n"))
    };
    let nested = || value(fields, "message.contents").and_then(of_list);
    let text = content.unwrap_or_else(|| Value::String(nested().unwrap_or_else(parts)));
    let mut turn = Map::from_iter([("role".to_owned(), role.clone()), ("content".to_owned(), text)]);
    if let Some(calls) = value(fields, "message.tool_calls") {
        turn.insert("tool_calls".to_owned(), calls.clone());
    } else if fields.keys().any(|name| name.starts_with("message.tool_calls.")) {
        turn.insert("tool_calls".to_owned(), Value::Array(vec![Value::Bool(true)]));
    }
    Some(Value::Object(turn))
}
