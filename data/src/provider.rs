//! One provider's response body: the text of the answer, and what the provider says beside it.
//!
//! The shapes are those of `OpenAI` (chat, completions, responses; also Azure, Mistral, vLLM, `OpenRouter`,
//! `LiteLLM`), Anthropic, Gemini and Vertex AI, Bedrock, Cohere, Ollama, and the wrappers that batches put
//! around them. A shape is recognised by its own fields, never by a provider's name.

use serde_json::{Map, Value};

use crate::Signs;
use crate::conversation::{self, last_of_user};
use crate::python::written_object;
use crate::read::signs::{signs_of, signs_of_message};

/// What a provider's body holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProviderAnswer {
    /// The prompt, in a body that holds the request too.
    pub prompt: Option<String>,
    /// The text of the answer, if one came.
    pub text: Option<String>,
    /// What the provider says beside it.
    pub signs: Signs,
}

/// Reads a provider's response body; `None` if the value has the shape of none.
#[must_use]
pub fn provider_answer(body: &Value) -> Option<ProviderAnswer> {
    let body = unwrapped(body)?;
    let mut signs = Signs::default();
    let text = text_of(body, &mut signs)?;
    signs = signs.or(signs_of(body).unwrap_or_default());
    signs.finish_reason = signs.finish_reason.or_else(|| blocked(body));
    // An outcome without an answer is an error in its place.
    let outcome = body.get("type").filter(|kind| matches!(kind.as_str(), Some("canceled" | "expired")));
    let whole = || is_error(body).then(|| Value::Object(body.clone()));
    signs.error = signs.error.or_else(|| outcome.cloned()).or_else(whole);
    Some(ProviderAnswer { prompt: prompt(body), text: text.filter(|text| !text.is_empty()), signs })
}

/// A cell that holds an answer: text, parts, a turn, or a provider's body. `None` if it holds no text and no
/// sign.
#[must_use]
pub fn answer_in(cell: &Value) -> Option<ProviderAnswer> {
    if let Value::String(text) = cell {
        let plain = || ProviderAnswer { text: Some(text.clone()), ..ProviderAnswer::default() };
        return Some(written_answer(text).unwrap_or_else(plain));
    }
    if let Some(answer) = body_or_turn(cell) {
        return Some(answer);
    }
    match cell {
        Value::Object(turn) => of_turn(turn),
        Value::Array(_) => of_turn(&Map::from_iter([("content".to_owned(), cell.clone())])),
        _ => None,
    }
}

/// The answer in a text that is a provider's body, as JSON or as Python prints it; `None` of any other text.
/// An error that is written as text stays text, and is judged as such.
#[must_use]
pub fn written_answer(text: &str) -> Option<ProviderAnswer> {
    let object = written_object(text)?;
    // JSON without a body's shape may be what the model has written; the print of an object is not.
    let is_json = text.starts_with(['{', '[']);
    let answer = if is_json { body_or_turn(&object) } else { answer_in(&object) }?;
    let Signs { finish_reason, filters, refusal, tool_calls, .. } = &answer.signs;
    let is_filtered = finish_reason.is_some() || filters.is_some() || refusal.is_some() || *tool_calls;
    (answer.text.is_some() || is_filtered).then_some(answer)
}

/// The answer in a provider's body, or in the model's last turn of a chat.
fn body_or_turn(value: &Value) -> Option<ProviderAnswer> {
    // Hugging Face's servers answer with a list of one.
    let only = match value {
        Value::Array(list) if list.len() == 1 => &list[0],
        value => value,
    };
    if let Some(answer) = provider_answer(only).filter(|_| only.get("role").is_none() || only == value) {
        return Some(answer);
    }
    if let Value::Array(pieces) = value
        && let Some(answer) = of_stream(pieces)
    {
        return Some(answer);
    }
    let chat = match value {
        Value::Array(list) => list,
        Value::Object(fields) => conversation::USUAL.iter().find_map(|name| fields.get(*name)?.as_array())?,
        _ => return None,
    };
    let answer =
        chat.iter().filter_map(Value::as_object).rfind(|turn| is_of_model(turn)).and_then(of_turn)?;
    Some(ProviderAnswer { prompt: last_of_user(value).ok(), ..answer })
}

/// The answer in the pieces of a stream; `None` if they are none.
fn of_stream(pieces: &[Value]) -> Option<ProviderAnswer> {
    let is_piece = |piece: &Value| {
        let first = |name: &str| piece.get(name).and_then(|list| list.get(0));
        first("choices").is_some_and(|choice| choice.get("delta").is_some()) || first("candidates").is_some()
    };
    if pieces.is_empty() || !pieces.iter().all(is_piece) {
        return None;
    }
    let answers: Vec<ProviderAnswer> = pieces.iter().filter_map(provider_answer).collect();
    let text: String = answers.iter().filter_map(|answer| answer.text.as_deref()).collect();
    let signs = answers.into_iter().fold(Signs::default(), |signs, answer| signs.or(answer.signs));
    Some(ProviderAnswer { prompt: None, text: Some(text).filter(|text| !text.is_empty()), signs })
}

/// The answer in a turn; `None` if it has neither text nor signs.
fn of_turn(turn: &Map<String, Value>) -> Option<ProviderAnswer> {
    let mut signs = Signs::default();
    let text = turn_text(turn, &mut signs).filter(|text| !text.is_empty());
    (text.is_some() || signs.any()).then_some(ProviderAnswer { prompt: None, text, signs })
}

fn is_of_model(turn: &Map<String, Value>) -> bool {
    let role = ["role", "from", "type"].into_iter().find_map(|name| turn.get(name)?.as_str());
    role.is_some_and(conversation::is_assistant)
}

/// The body within what batches and logs put around it.
fn unwrapped(body: &Value) -> Option<&Map<String, Value>> {
    let fields = body.as_object()?;
    let object = |name: &str| fields.get(name).and_then(Value::as_object);
    if fields.contains_key("status_code")
        && let Some(inner) = object("body")
    {
        return Some(inner);
    }
    // A result of Anthropic's batches: succeeded, or the reason why not.
    if fields.get("type").and_then(Value::as_str) == Some("succeeded")
        && let Some(message) = object("message")
    {
        return Some(message);
    }
    // A request and its response side by side.
    let answered = ["response", "response_body"].into_iter().find_map(object);
    match answered {
        Some(inner) if ["choices", "candidates", "output"].iter().any(|name| inner.contains_key(*name)) => {
            Some(inner)
        }
        _ => Some(fields),
    }
}

/// The text of a body by its shape; the outer `None` is of no known shape.
fn text_of(body: &Map<String, Value>, signs: &mut Signs) -> Option<Option<String>> {
    let first = |name: &str| body.get(name)?.as_array()?.first()?.as_object();
    let says = |name: &str| body.get(name).and_then(Value::as_str);
    if let Some(choice) = first("choices") {
        return Some(of_choice(choice, signs));
    }
    if body.get("object").and_then(Value::as_str) == Some("response") || is_output(body.get("output")) {
        return Some(of_output(body, signs));
    }
    if let Some(candidate) = first("candidates") {
        *signs = signs_of(candidate).unwrap_or_default();
        let content = candidate.get("content").and_then(Value::as_object);
        return Some(content.and_then(|content| turn_text(content, signs)));
    }
    if let Some(message) = body.get("output").and_then(|output| output.get("message")?.as_object()) {
        return Some(turn_text(message, signs));
    }
    if body.contains_key("message")
        && ["done", "done_reason", "finish_reason"].iter().any(|name| body.contains_key(*name))
    {
        return Some(body.get("message").and_then(Value::as_object).and_then(|turn| turn_text(turn, signs)));
    }
    let is_message = says("role").is_some_and(conversation::is_assistant) && !body.contains_key("messages");
    if body.contains_key("content")
        && (is_message || ["stop_reason", "stop_sequence"].iter().any(|name| body.contains_key(*name)))
    {
        return Some(turn_text(body, signs));
    }
    if body.contains_key("done")
        && let Some(text) = says("response")
    {
        return Some(Some(text.to_owned()));
    }
    of_completion(body, signs).or_else(|| replaced(body).then_some(None))
}

/// The text of a body that holds it as such, and not as a turn of a chat.
fn of_completion(body: &Map<String, Value>, signs: &mut Signs) -> Option<Option<String>> {
    let first = |name: &str| body.get(name)?.as_array()?.first()?.as_object();
    let says = |name: &str| body.get(name).and_then(Value::as_str);
    if let Some(generation) = first("generations") {
        *signs = signs_of(generation).unwrap_or_default();
        return Some(generation.get("text").and_then(Value::as_str).map(str::to_owned));
    }
    // Titan, vLLM, and a guardrail's own result.
    for (list, text) in [("results", "outputText"), ("outputs", "text")] {
        if let Some(result) = first(list).filter(|result| result.contains_key(text)) {
            *signs = signs_of(result).unwrap_or_default();
            let action = body.get("action").map(|action| ("action".to_owned(), action.clone()));
            signs.filters = action.map(|action| Value::Object(Map::from_iter([action])));
            return Some(result.get(text).and_then(Value::as_str).map(str::to_owned));
        }
    }
    if let Some(text) = says("generated_text") {
        if let Some(details) = body.get("details").and_then(Value::as_object) {
            *signs = signs_of(details).unwrap_or_default();
        }
        return Some(Some(text.to_owned()));
    }
    // Llama on Bedrock, and llama.cpp's server.
    for (text, beside) in [("generation", "stop_reason"), ("content", "tokens_predicted")] {
        if body.contains_key(beside) && says(text).is_some() {
            return Some(says(text).map(str::to_owned));
        }
    }
    let is_plain = says("text").is_some() && says("finish_reason").is_some();
    is_plain.then(|| says("text").map(str::to_owned))
}

/// Whether a body says why there is no answer: a blocked prompt, an error.
fn replaced(body: &Map<String, Value>) -> bool {
    let kind = body.get("type").and_then(Value::as_str);
    ["promptFeedback", "prompt_feedback"].iter().any(|name| body.contains_key(*name))
        || matches!(kind, Some("error" | "errored" | "canceled" | "expired"))
        || is_error(body)
        || body.get("error").is_some_and(Value::is_object)
}

/// Whether a body is itself an error, as Mistral and vLLM write it.
fn is_error(body: &Map<String, Value>) -> bool {
    body.get("object").and_then(Value::as_str) == Some("error") && body.contains_key("message")
}

/// A choice of a chat completion, or of a completion.
fn of_choice(choice: &Map<String, Value>, signs: &mut Signs) -> Option<String> {
    *signs = signs_of(choice).unwrap_or_default();
    match choice.get("message").or_else(|| choice.get("delta")).and_then(Value::as_object) {
        Some(message) => turn_text(message, signs),
        None => choice.get("text").and_then(Value::as_str).map(str::to_owned),
    }
}

/// Whether a value is the list of items of `OpenAI`'s responses.
fn is_output(output: Option<&Value>) -> bool {
    let items = output.and_then(Value::as_array);
    items.is_some_and(|items| {
        let is_item = |item: &Value| {
            let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
            matches!(kind, "message" | "reasoning" | "function_call") || kind.ends_with("_call")
        };
        items.iter().any(is_item)
    })
}

fn of_output(body: &Map<String, Value>, signs: &mut Signs) -> Option<String> {
    let mut said = Vec::new();
    for item in body.get("output").and_then(Value::as_array).into_iter().flatten() {
        let Some(item) = item.as_object() else { continue };
        match item.get("type").and_then(Value::as_str).unwrap_or_default() {
            "message" => said.extend(turn_text(item, signs).filter(|text| !text.is_empty())),
            "reasoning" => signs.reasoning = true,
            kind if kind.ends_with("_call") => signs.tool_calls = true,
            _ => {}
        }
    }
    let why = body.get("incomplete_details").and_then(|details| details.get("reason")?.as_str());
    let ended = || body.get("status")?.as_str().filter(|status| !matches!(*status, "completed" | "failed"));
    signs.finish_reason = why.or_else(ended).map(str::to_owned);
    if said.is_empty() {
        return body.get("output_text").and_then(Value::as_str).map(str::to_owned);
    }
    Some(said.join("\n"))
}

/// The text of a turn, with its signs: a refusal beside or among its parts, calls of tools, reasoning.
fn turn_text(turn: &Map<String, Value>, signs: &mut Signs) -> Option<String> {
    *signs = std::mem::take(signs).or(signs_of_message(turn).unwrap_or_default());
    conversation::said(turn).ok()
}

/// Why a prompt was blocked before it was answered, as Gemini says it.
fn blocked(body: &Map<String, Value>) -> Option<String> {
    let feedback = body.get("promptFeedback").or_else(|| body.get("prompt_feedback"))?;
    let reason = feedback.get("blockReason").or_else(|| feedback.get("block_reason"))?;
    reason.as_str().map(str::to_owned)
}

/// What was asked, in a body that holds the request too.
fn prompt(body: &Map<String, Value>) -> Option<String> {
    let request = body.get("request").and_then(Value::as_object).unwrap_or(body);
    let chat = ["messages", "contents"].into_iter().find_map(|name| request.get(name));
    chat.and_then(|chat| last_of_user(chat).ok())
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;
