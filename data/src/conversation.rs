//! Chats: which turn is the prompt, which is the response, and what came before.
//!
//! This is the only chat reader, for corpora, for scored files and for requests, so that a chat means the
//! same wherever it comes from. It reads the common forms: `{role, content}`, `{from, value}` (`ShareGPT`),
//! `{type, content}` and `{type, data: {content}}` (`LangChain`), `{role, parts}` (Gemini), contents as text
//! or as parts, and a chat as JSON text.

use serde_json::{Map, Value};

use crate::python::nested;
pub use crate::read::context::acts;
use crate::read::context::of_fields;
use crate::read::signs::signs_of_message;
use crate::{Context, Mode, Signs, Turn};

/// The usual names of a chat, as a column and as a field of an object.
pub(crate) const USUAL: &[&str] =
    &["messages", "conversation", "conversations", "contents", "dialogue", "dialog", "chat", "chat_messages"];

/// Whether a name is one of the usual names of a chat.
pub(crate) fn is_usual(name: &str) -> bool {
    USUAL.contains(&name)
}

/// A parsed conversation.
#[derive(Debug, Default, PartialEq)]
pub struct Conversation {
    /// System message and turns before the prompt.
    pub context: Vec<Turn>,
    /// What the prompt was sent in, as far as the chat says it.
    pub sent_in: Context,
    /// The last user turn.
    pub prompt: Option<String>,
    /// The first assistant turn after the prompt that is not empty.
    pub response: Option<String>,
    /// What the answer's turn says beside its text; of an empty answer, the first turn that says anything.
    pub signs: Option<Signs>,
    /// Whether an assistant turn follows the prompt, even an empty one.
    pub answered: bool,
    /// Whether the chat ends with a user turn, which nobody has answered. The turn before it does not answer
    /// it, and neither does the turn itself, whatever it says.
    pub ends_with_user: bool,
}

impl Conversation {
    /// Parses a chat: a list of turns, an object that has such a list under a usual name, or either as JSON
    /// text. Without a user turn all turns are context.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(value: &Value) -> Result<Self, String> {
        let unpacked = value.as_str().and_then(nested);
        let value = unpacked.as_ref().unwrap_or(value);
        let chat = Self::of_turns(list(value)?)?;
        let around = value.as_object().map(of_fields).unwrap_or_default();
        Ok(Self { sent_in: around.and(chat.sent_in), ..chat })
    }

    /// The same of turns alone.
    pub(crate) fn of_turns(list: &[Value]) -> Result<Self, String> {
        let mut turns = turns_of(list)?;
        let is_one_each = turns.len() == list.len();
        let ends_with_user = turns.last().is_some_and(|turn| is_user(&turn.role));
        let last = last_user(&turns, |turn| (&turn.role, &turn.content));
        let acting = |(at, turn): (usize, &Turn)| acts(&turn.role, list.get(at).filter(|_| is_one_each));
        let acting: Vec<bool> = turns.iter().enumerate().map(acting).collect();
        let each: Vec<(&Turn, bool)> = turns.iter().zip(acting).collect();
        let sent_in = sent_in(&each, last, |(turn, acts)| (&turn.role, &turn.content, *acts));
        let Some(last) = last else {
            return Ok(Self { context: turns, sent_in, ..Self::default() });
        };
        let answers = turns.split_off(last + 1);
        let prompt = turns.pop().map(|turn| turn.content);
        let is_models = |turn: &Turn| is_assistant(&turn.role);
        // Where a value holds several turns, the turns are not those of the list.
        let message = |at: usize| list.get(last + 1 + at).filter(|_| is_one_each)?.as_object();
        let signs_at = |at: usize| signs_of_message(within(message(at)?));
        let of_model: Vec<usize> = (0..answers.len()).filter(|&at| is_models(&answers[at])).collect();
        let at = of_model.iter().copied().find(|&at| !answers[at].content.trim().is_empty());
        let signs = match at {
            Some(at) => signs_at(at),
            None => of_model.iter().find_map(|&at| signs_at(at)),
        };
        let answered = !of_model.is_empty();
        let response = at.and_then(|at| answers.into_iter().nth(at)).map(|turn| turn.content);
        Ok(Self { context: turns, sent_in, prompt, response, signs, answered, ends_with_user })
    }
}

/// What the turn at `last` is sent in: the system turns before it, and whether the target acts before its
/// answer. An answer that acts does not count, for nobody knows it when the prompt is sent. `of` returns a
/// turn's role, content, and whether it calls a tool or is what a tool returned.
pub fn sent_in<T>(turns: &[T], last: Option<usize>, of: impl Fn(&T) -> (&str, &str, bool)) -> Context {
    let (before, after) = turns.split_at(last.unwrap_or(turns.len()).min(turns.len()));
    let systems: Vec<&str> =
        before.iter().map(&of).filter(|(role, ..)| is_system(role)).map(|of| of.1).collect();
    let is_answer = |turn: &T| is_assistant(of(turn).0) && !of(turn).1.trim().is_empty();
    let waits = !after.iter().any(is_answer);
    let acts = before.iter().chain(after.iter().filter(|_| waits)).any(|turn| of(turn).2);
    Context::new(Some(systems.join("\n\n")), Mode::of(acts))
}

/// What the prompt of a request's body is sent in: its own fields, and its chat.
#[must_use]
pub fn sent_in_body(body: &Value) -> Context {
    let Some(fields) = body.as_object() else { return Context::default() };
    let turns = ["messages", "contents", "input"].into_iter().find_map(|name| fields.get(name)?.as_array());
    let chat = turns.and_then(|turns| Conversation::of_turns(turns).ok()).unwrap_or_default();
    of_fields(fields).and(chat.sent_in)
}

/// The last non-empty user turn of a chat. A turn without words (a tool's result) counts as empty.
///
/// # Errors
/// What is wrong with the chat.
pub fn last_of_user(value: &Value) -> Result<String, String> {
    last_in(turns(value, read)?)
}

/// The same of a column that holds chats, where texts alone are turns.
pub(crate) fn last_of_chat(value: &Value) -> Result<String, String> {
    last_in(turns(value, turns_of)?)
}

fn last_in(mut turns: Vec<Turn>) -> Result<String, String> {
    let last = last_user(&turns, |turn| (&turn.role, &turn.content));
    last.map(|at| turns.swap_remove(at).content).ok_or_else(|| "no message of the user in it".to_owned())
}

/// The index of the last user turn that is not empty or, if all are empty, of the last user turn. `of`
/// returns a turn's role and content.
pub fn last_user<T>(turns: &[T], of: impl Fn(&T) -> (&str, &str)) -> Option<usize> {
    let is_users = |turn: &T| is_user(of(turn).0);
    let says = turns.iter().rposition(|turn| is_users(turn) && !of(turn).1.trim().is_empty());
    says.or_else(|| turns.iter().rposition(is_users))
}

fn turns(value: &Value, read: fn(&[Value]) -> Result<Vec<Turn>, String>) -> Result<Vec<Turn>, String> {
    let unpacked = value.as_str().and_then(nested);
    read(list(unpacked.as_ref().unwrap_or(value))?)
}

/// The list of turns: the value itself, or what it has under a usual name.
pub(crate) fn list(value: &Value) -> Result<&[Value], String> {
    let within = value.as_object().and_then(|fields| fields.get(list_name(fields)?));
    let turns = within.unwrap_or(value).as_array().map(Vec::as_slice);
    // LangChain's logs have a list of chats, of one.
    let turns = turns.map(|turns| match turns {
        [Value::Array(only)] => only.as_slice(),
        turns => turns,
    });
    turns.ok_or_else(|| format!("a conversation is a list of turns, not {}", type_name(value)))
}

/// The name of the list of turns among the fields of an object.
pub(crate) fn list_name(fields: &Map<String, Value>) -> Option<&'static str> {
    USUAL.iter().chain(&["turns"]).copied().find(|name| fields.contains_key(*name))
}

/// The turns of a column that holds chats: texts alone are the user's and the model's in turn.
pub(crate) fn turns_of(list: &[Value]) -> Result<Vec<Turn>, String> {
    if list.len() < 2 || !list.iter().all(Value::is_string) {
        return read(list);
    }
    let turn = |(at, said): (usize, &Value)| {
        let role = if at % 2 == 0 { "user" } else { "assistant" };
        Turn { role: role.to_owned(), content: said.as_str().unwrap_or_default().to_owned() }
    };
    Ok(list.iter().enumerate().map(turn).collect())
}

fn read(turns: &[Value]) -> Result<Vec<Turn>, String> {
    // A list of texts alone is one text in parts, not a chat.
    let is_chat = turns.iter().any(|turn| turn.is_object() || pair(turn).is_some());
    let mut read: Vec<Turn> = Vec::with_capacity(turns.len());
    for (n, value) in turns.iter().enumerate() {
        if let Some(named) = named_by_speaker(value) {
            read.extend(named);
            continue;
        }
        let next = match value {
            Value::String(said) if is_chat => bare(said, read.last()),
            value => turn(value).map_err(|error| format!("turn {}: {error}", n + 1))?,
        };
        read.push(next);
    }
    Ok(read)
}

/// Turns whose fields are named by who speaks: `{"human": "...", "assistant": "..."}`; `None` of others.
fn named_by_speaker(value: &Value) -> Option<Vec<Turn>> {
    let fields = value.as_object().filter(|fields| !fields.is_empty() && fields.len() <= 2)?;
    let turn = |(name, said): (&String, &Value)| {
        let is_speaker = is_user(name) || is_assistant(name) || name == "system";
        Some(Turn { role: name.clone(), content: said.as_str().filter(|_| is_speaker)?.to_owned() })
    };
    fields.iter().map(turn).collect()
}

/// A turn that is a list of who speaks and what is said.
fn pair(value: &Value) -> Option<Turn> {
    let [Value::String(role), Value::String(said)] = value.as_array()?.as_slice() else { return None };
    let is_speaker = is_user(role) || is_assistant(role) || role.eq_ignore_ascii_case("system");
    is_speaker.then(|| Turn { role: role.clone(), content: said.clone() })
}

/// A turn that is text alone, without a role: turns alternate, so it is the user's unless the turn before it
/// was.
fn bare(said: &str, before: Option<&Turn>) -> Turn {
    let role = if before.is_some_and(|turn| is_user(&turn.role)) { "assistant" } else { "user" };
    Turn { role: role.to_owned(), content: said.to_owned() }
}

/// Whether a role is the user's.
#[must_use]
pub fn is_user(role: &str) -> bool {
    is_one_of(role, &["user", "human", "prompter", "humanmessage", "usr"])
}

/// Whether a role is that of who set the target up.
#[must_use]
pub fn is_system(role: &str) -> bool {
    is_one_of(role, &["system", "developer", "systemmessage"])
}

/// Whether a role is the model's.
#[must_use]
pub fn is_assistant(role: &str) -> bool {
    let names = [
        "assistant",
        "gpt",
        "model",
        "bot",
        "chatbot",
        "chatgpt",
        "bing",
        "ai",
        "aimessage",
        "aimessagechunk",
        "bard",
        "claude",
        "gemini",
        "llama",
        "llm",
        "agent",
    ];
    is_one_of(role, &names)
}

fn is_one_of(role: &str, names: &[&str]) -> bool {
    let role = role.trim().trim_end_matches(':');
    names.iter().any(|name| role.eq_ignore_ascii_case(name))
}

/// Parses one turn of a chat.
///
/// # Errors
/// What is wrong with it.
pub fn turn(value: &Value) -> Result<Turn, String> {
    if let Some(turn) = pair(value) {
        return Ok(turn);
    }
    let Some(fields) = value.as_object() else {
        return Err(format!("it is no object but {}", type_name(value)));
    };
    let said_by = ["role", "from", "type", "speaker", "author", "sender"];
    let role = said_by.into_iter().find_map(|name| match fields.get(name)? {
        Value::String(role) if role != "constructor" => Some(role.clone()),
        // ChatGPT's own export names an author by an object.
        Value::Object(author) => author.get("role")?.as_str().map(str::to_owned),
        // LangChain's objects, written whole, name their class: `[..., "HumanMessage"]`.
        _ => None,
    });
    let role = role.or_else(|| class(fields)).ok_or("it has no `role` (or `from`)")?;
    Ok(Turn { role, content: said(within(fields))? })
}

/// The fields of a turn: `LangChain` puts them under `data` or `kwargs`.
fn within(fields: &Map<String, Value>) -> &Map<String, Value> {
    let inner = ["data", "kwargs"].into_iter().find_map(|name| fields.get(name)?.as_object());
    inner.filter(|inner| inner.contains_key("content")).unwrap_or(fields)
}

/// The role in the name of a `LangChain` class.
fn class(fields: &Map<String, Value>) -> Option<String> {
    let class = fields.get("id")?.as_array()?.last()?.as_str()?;
    let role = class.strip_suffix("MessageChunk").or_else(|| class.strip_suffix("Message"))?;
    Some(role.to_lowercase())
}

/// The text of a turn: its content, or the refusal that replaces it. A turn that only calls a tool is empty.
pub(crate) fn said(fields: &Map<String, Value>) -> Result<String, String> {
    let names = ["content", "value", "text", "parts", "message", "utterance"];
    let mut contents = names.into_iter().filter_map(|name| fields.get(name));
    let content = contents.next();
    let content =
        content.filter(|content| !content.is_null()).or_else(|| contents.find(|other| !other.is_null()));
    match (content, fields.get("refusal").and_then(Value::as_str)) {
        (Some(content), refusal) => {
            let said = text(content)?;
            Ok(if said.is_empty() { refusal.unwrap_or_default().to_owned() } else { said })
        }
        (None, Some(refusal)) => Ok(refusal.to_owned()),
        (None, None) => {
            let silent = ["content", "value", "tool_calls", "function_call", "refusal"];
            if silent.iter().any(|name| fields.contains_key(*name)) {
                Ok(String::new())
            } else {
                Err("it has no `content` (or `value`)".to_owned())
            }
        }
    }
}

/// The text of a content: plain text, parts joined by line ends, or an object that has a text. Reasoning,
/// images and tool results are left out; null is empty.
///
/// # Errors
/// If it is of another type.
pub fn text(content: &Value) -> Result<String, String> {
    match content {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => {
            let parts: Vec<&str> = parts.iter().filter_map(part).collect();
            Ok(parts.join("\n"))
        }
        Value::Object(fields) if !["content", "parts"].iter().any(|name| fields.contains_key(*name)) => {
            let none = || format!("its content is {}, not text", type_name(content));
            part(content).map(str::to_owned).ok_or_else(none)
        }
        Value::Object(fields) => said(fields),
        other => Err(format!("its content is {}, not text", type_name(other))),
    }
}

/// The text of a part: a plain text, an object that has one, or a refusal.
fn part(part: &Value) -> Option<&str> {
    let fields = match part {
        Value::String(text) => return Some(text),
        Value::Object(fields) => fields,
        _ => return None,
    };
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or("text");
    let thought = ["thinking", "reasoning", "thought", "tool_", "function_"];
    if thought.iter().any(|start| kind.starts_with(start))
        || fields.get("thought") == Some(&Value::Bool(true))
    {
        return None;
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    text("text").or_else(|| text("refusal")).or_else(|| text("content"))
}

/// The name of a value's type, for messages.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
