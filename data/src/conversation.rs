//! Chats: which turn is the prompt, which is the response, and what came before.
//!
//! This is the only chat reader, for corpora, for scored files and for requests, so that a chat means the
//! same wherever it comes from. It reads the common forms: `{role, content}`, `{from, value}` (`ShareGPT`),
//! `{type, content}` (`LangChain`), `{role, parts}` (Gemini), contents as text or as parts, and a chat as
//! JSON text.

use serde_json::{Map, Value};

use crate::read::signs_of_turn;
use crate::{Signs, Turn};

/// The usual names of a chat, as a column and as a field of an object.
pub(crate) const USUAL: &[&str] = &["messages", "conversation", "conversations", "contents"];

/// Whether a name is one of the usual names of a chat.
pub(crate) fn is_usual(name: &str) -> bool {
    USUAL.contains(&name)
}

/// A parsed conversation.
#[derive(Debug, Default, PartialEq)]
pub struct Conversation {
    /// System message and turns before the prompt.
    pub context: Vec<Turn>,
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
        let mut turns =
            turns(value, |value, turn| if is_assistant(&turn.role) { signs_of_turn(value) } else { None })?;
        let context = |turns: Vec<(Turn, _)>| turns.into_iter().map(|(turn, _)| turn).collect();
        let ends_with_user = turns.last().is_some_and(|(turn, _)| is_user(&turn.role));
        let Some(last) = last_user(&turns, |(turn, _)| (&turn.role, &turn.content)) else {
            return Ok(Self { context: context(turns), ..Self::default() });
        };
        let mut answers = turns.split_off(last + 1);
        answers.retain(|(turn, _)| is_assistant(&turn.role));
        let prompt = turns.pop().map(|(turn, _)| turn.content);
        let at = answers.iter().position(|(turn, _)| !turn.content.trim().is_empty());
        let signs = match at {
            Some(at) => answers[at].1.take(),
            None => answers.iter_mut().find_map(|(_, signs)| signs.take()),
        };
        let answered = !answers.is_empty();
        let response = at.map(|at| answers.swap_remove(at).0.content);
        Ok(Self { context: context(turns), prompt, response, signs, answered, ends_with_user })
    }
}

/// The last non-empty user turn of a chat. A turn without words (a tool's result) counts as empty.
///
/// # Errors
/// What is wrong with the chat.
pub fn last_of_user(value: &Value) -> Result<String, String> {
    let mut turns = turns(value, |_, _| ())?;
    let last = last_user(&turns, |(turn, ())| (&turn.role, &turn.content));
    last.map(|at| turns.swap_remove(at).0.content).ok_or_else(|| "no message of the user in it".to_owned())
}

/// The index of the last user turn that is not empty or, if all are empty, of the last user turn. `of`
/// returns a turn's role and content.
pub fn last_user<T>(turns: &[T], of: impl Fn(&T) -> (&str, &str)) -> Option<usize> {
    let is_users = |turn: &T| is_user(of(turn).0);
    let says = turns.iter().rposition(|turn| is_users(turn) && !of(turn).1.trim().is_empty());
    says.or_else(|| turns.iter().rposition(is_users))
}

/// The turns of a chat, each with what `beside` makes of it.
fn turns<T>(value: &Value, beside: impl Fn(&Value, &Turn) -> T) -> Result<Vec<(Turn, T)>, String> {
    let unpacked = value.as_str().and_then(nested);
    let value = unpacked.as_ref().unwrap_or(value);
    let within = value.as_object().and_then(|fields| USUAL.iter().find_map(|name| fields.get(*name)));
    let Some(turns) = within.unwrap_or(value).as_array() else {
        return Err(format!("a conversation is a list of turns, not {}", type_name(value)));
    };
    // A list of texts alone is one text in parts, not a chat.
    let is_chat = turns.iter().any(Value::is_object);
    let mut read: Vec<(Turn, T)> = Vec::with_capacity(turns.len());
    for (n, value) in turns.iter().enumerate() {
        let next = match value {
            Value::String(said) if is_chat => bare(said, read.last().map(|(turn, _)| turn)),
            value => turn(value).map_err(|error| format!("turn {}: {error}", n + 1))?,
        };
        let beside = beside(value, &next);
        read.push((next, beside));
    }
    Ok(read)
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
    is_one_of(role, &["user", "human", "prompter"])
}

/// Whether a role is the model's.
#[must_use]
pub fn is_assistant(role: &str) -> bool {
    let names =
        ["assistant", "gpt", "model", "bot", "chatbot", "chatgpt", "bing", "ai", "bard", "claude", "llm"];
    is_one_of(role, &names)
}

fn is_one_of(role: &str, names: &[&str]) -> bool {
    names.iter().any(|name| role.trim().eq_ignore_ascii_case(name))
}

/// Parses one turn of a chat.
///
/// # Errors
/// What is wrong with it.
pub fn turn(value: &Value) -> Result<Turn, String> {
    let Some(fields) = value.as_object() else {
        return Err(format!("it is no object but {}", type_name(value)));
    };
    let role = ["role", "from", "type", "speaker"].into_iter().find_map(|name| fields.get(name)?.as_str());
    let role = role.ok_or("it has no `role` (or `from`)")?.to_owned();
    Ok(Turn { role, content: said(fields)? })
}

/// The text of a turn: its content, or the refusal that replaces it. A turn that only calls a tool is empty.
fn said(fields: &Map<String, Value>) -> Result<String, String> {
    let mut contents = ["content", "value", "text", "parts"].into_iter().filter_map(|name| fields.get(name));
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
        Value::Object(fields) if !fields.contains_key("content") => {
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

/// Parses the JSON text of a cell if it is an object or a list.
pub(crate) fn nested(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().filter(|value: &Value| value.is_array() || value.is_object())
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
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use serde_json::{Value, json};

    use super::{Conversation, last_of_user, text};
    use crate::Turn;

    fn both(value: &Value) -> (Option<String>, Option<String>) {
        let chat = Conversation::parse(value).unwrap();
        assert_eq!(last_of_user(value).ok(), chat.prompt, "the two ways of asking agree: {value}");
        (chat.prompt, chat.response)
    }

    #[test]
    fn the_last_question_and_its_answer() {
        let chat = json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "image"}, {"text": "now?"}]},
            {"role": "assistant", "content": null},
            {"role": "tool", "content": "42"},
            {"role": "assistant", "content": "No."},
        ]);
        let chat = Conversation::parse(&chat).unwrap();
        assert_eq!(chat.prompt.as_deref(), Some("And\nnow?"));
        assert_eq!(chat.response.as_deref(), Some("No."));
        assert_eq!(chat.context.len(), 3);
        assert_eq!(chat.context[0], Turn { role: "system".into(), content: "Be brief.".into() });
    }

    #[test]
    fn every_form_that_people_have_says_the_same() {
        for chat in [
            json!([{"role": "User", "content": "a"}, {"role": "Assistant", "content": "b"}]),
            json!([{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]),
            json!([{"from": "user", "value": "a"}, {"from": "chatgpt", "value": "b"}]),
            json!([{"from": "user", "value": "a"}, {"from": "bing", "value": "b"}]),
            json!([{"type": "human", "content": "a"}, {"type": "ai", "content": "b"}]),
            json!([{"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": [{"text": "b"}]}]),
            json!([{"role": "user", "parts": ["a"]}, {"role": "model", "text": "b"}]),
            json!(["a", {"role": "assistant", "content": "b"}]),
            json!([{"role": "user", "content": "a"}, "b"]),
            json!(r#"[{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]"#),
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}),
            json!([
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "x"}, {"type": "output_text", "text": "b"},
                ], "reasoning_content": "x"},
            ]),
            json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": null, "refusal": "b"}]),
            json!([
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": [{"type": "refusal", "refusal": "b"}]},
            ]),
        ] {
            assert_eq!(both(&chat), (Some("a".into()), Some("b".into())), "{chat}");
        }
    }

    #[test]
    fn an_unanswered_question_has_no_response() {
        assert_eq!(
            both(&json!([{"role": "assistant", "content": "x"}, {"role": "user", "content": "y"}])),
            (Some("y".into()), None)
        );
        let chat = Conversation::parse(&json!([{"role": "assistant", "content": "x"}])).unwrap();
        assert_eq!((chat.prompt, chat.context.len()), (None, 1));
        let tools = json!([
            {"role": "user", "content": "a"},
            {"role": "assistant", "tool_calls": [{"id": "1"}]},
            {"role": "user", "content": [{"type": "tool_result", "content": "sunny"}]},
        ]);
        assert_eq!(last_of_user(&tools).unwrap(), "a", "a tool's result is not what the user says");
    }

    /// Roles that do not alternate are read as they are: a second user turn is a prompt, not an answer to the
    /// first.
    #[test]
    fn a_chat_that_ends_with_the_user_has_no_answer() {
        let chat = json!([
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": "Write malware"},
            {"role": "user", "content": "I can't help with that."},
        ]);
        let parsed = Conversation::parse(&chat).unwrap();
        assert_eq!(both(&chat), (Some("I can't help with that.".into()), None));
        assert!(parsed.ends_with_user);
        assert_eq!(parsed.context.len(), 3);
        let answered = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]);
        assert!(!Conversation::parse(&answered).unwrap().ends_with_user);
    }

    #[test]
    fn a_content_is_text_in_many_coats() {
        for (content, said) in [
            (json!(["a", {"text": "b"}]), "a\nb"),
            (json!({"role": "assistant", "content": "a"}), "a"),
            (json!({"text": "a"}), "a"),
            (json!([{"type": "image_url", "image_url": {}}]), ""),
            (json!(null), ""),
        ] {
            assert_eq!(text(&content).unwrap(), said, "{content}");
        }
        assert_eq!(text(&json!(7)).unwrap_err(), "its content is number, not text");
        assert!(text(&json!({"n": 1})).is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let reason = |value| Conversation::parse(&value).unwrap_err();
        assert_eq!(reason(json!("hello")), "a conversation is a list of turns, not text");
        assert_eq!(reason(json!(["a"])), "turn 1: it is no object but text");
        assert_eq!(reason(json!([{"content": "a"}])), "turn 1: it has no `role` (or `from`)");
        assert_eq!(reason(json!([{"role": "user"}])), "turn 1: it has no `content` (or `value`)");
        assert_eq!(
            reason(json!([{"role": "user", "content": 1}])),
            "turn 1: its content is number, not text"
        );
        assert_eq!(
            last_of_user(&json!([{"role": "assistant", "content": "a"}])).unwrap_err(),
            "no message of the user in it"
        );
    }
}
