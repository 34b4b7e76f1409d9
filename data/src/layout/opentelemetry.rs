//! OpenTelemetry's spans with the conventions for generative AI: an OTLP file, or one span a row.

use serde_json::{Map, Value};

use super::{Layout, PLAIN, Role, openinference};

/// Where the fields of a span are, after [`flat`].
const PLACES: &[(Role, &[&str])] = &[
    (Role::Id, &["spanId", "span_id", "id"]),
    (Role::Messages, &["gen_ai.input.messages", openinference::INPUT]),
    (Role::Prompt, &["gen_ai.prompt", "gen_ai.prompt.0.content"]),
    (
        Role::Response,
        &[
            "gen_ai.output.messages",
            "gen_ai.completion",
            "gen_ai.completion.0.content",
            openinference::OUTPUT,
        ],
    ),
    (Role::Target, &["gen_ai.response.model", "gen_ai.request.model", openinference::MODEL]),
    (Role::FinishReason, &["gen_ai.response.finish_reasons[0]", "gen_ai.completion.0.finish_reason"]),
    (Role::Error, &["error.type"]),
];

/// An export of traces, as the collector writes it: a JSON object, or one a line.
pub(super) const TRACES: Layout = Layout {
    name: "opentelemetry-traces",
    title: "OpenTelemetry traces",
    rows: Some("resourceSpans[*].scopeSpans[*].spans"),
    around: &["resourceSpans[0].scopeSpans"],
    places: PLACES,
    without: &[Role::Label, Role::Kind],
    reshape: Some(|row| {
        flat(row);
        openinference::gather(row);
    }),
    example: r#"{"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {"name": "app"}, "spans": [{"traceId": "t1", "spanId": "s1", "name": "chat gpt-4o-mini", "kind": 3, "attributes": [{"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o-mini"}}, {"key": "gen_ai.input.messages", "value": {"stringValue": "[{\"role\": \"user\", \"parts\": [{\"type\": \"text\", \"content\": \"How do I pick a lock?\"}]}]"}}, {"key": "gen_ai.output.messages", "value": {"stringValue": "[{\"role\": \"assistant\", \"parts\": [{\"type\": \"text\", \"content\": \"I can't help with that.\"}], \"finish_reason\": \"stop\"}]"}}]}]}]}]}"#,
    ..PLAIN
};

/// One span a row, its attributes an object.
pub(super) const SPANS: Layout = Layout {
    name: "opentelemetry-spans",
    title: "OpenTelemetry spans",
    every: &["attributes"],
    some: &["attributes"],
    also: Some(|row| row.keys().any(|name| name.starts_with("gen_ai."))),
    places: PLACES,
    without: &[Role::Label, Role::Kind],
    reshape: Some(flat),
    example: r#"{"name": "chat gpt-4o-mini", "span_id": "s1", "attributes": {"gen_ai.request.model": "gpt-4o-mini", "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "How do I pick a lock?", "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "I can't help with that.", "gen_ai.completion.0.finish_reason": "stop"}}"#,
    ..PLAIN
};

/// Lifts the attributes of a span to the row itself: from an object, or from OTLP's list of keys and values.
fn flat(row: &mut Map<String, Value>) {
    for (name, value) in attributes(row) {
        row.entry(name).or_insert(value);
    }
    // Of numbered messages the last prompt is the one that was answered.
    let prompts =
        (0..).map(|n| format!("gen_ai.prompt.{n}.content")).take_while(|name| row.contains_key(name));
    if let Some(last) = prompts.last().and_then(|name| row.get(&name)).cloned() {
        row.insert("gen_ai.prompt.0.content".to_owned(), last);
    }
}

/// The attributes of a span: an object, OTLP's list of keys and values, or columns whose names begin so.
pub(super) fn attributes(row: &Map<String, Value>) -> Map<String, Value> {
    match row.get("attributes") {
        Some(Value::Object(fields)) => fields.clone(),
        Some(Value::Array(list)) => list.iter().filter_map(pair).collect(),
        _ => {
            let named =
                row.iter().filter_map(|(name, value)| Some((name.strip_prefix("attributes.")?, value)));
            named.map(|(name, value)| (name.to_owned(), value.clone())).collect()
        }
    }
}

/// An attribute of OTLP: `{"key": k, "value": {"stringValue": v}}`.
fn pair(attribute: &Value) -> Option<(String, Value)> {
    let key = attribute.get("key")?.as_str()?;
    let (_, value) = attribute.get("value")?.as_object()?.iter().next()?;
    let value = match value.get("values").and_then(Value::as_array) {
        Some(list) => list.iter().filter_map(|item| item.as_object()?.values().next().cloned()).collect(),
        None => value.clone(),
    };
    Some((key.to_owned(), value))
}
