//! Chat rows: which turn is the prompt, which the response, and what came before.

use serde_json::{Map, Value};

use super::json::nested;
use super::type_name;
use crate::Turn;

/// A conversation taken apart.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Conversation {
    /// System message and turns before the prompt.
    pub(super) context: Vec<Turn>,
    /// The last user turn.
    pub(super) prompt: Option<String>,
    /// The first assistant turn after it that says something.
    pub(super) response: Option<String>,
}

/// Takes a list of turns apart: `{role, content}`, or `{from, value}` as `ShareGPT` has it. Without a user
/// turn all turns are context. The error is the reason for a rejection.
pub(super) fn parse(value: &Value) -> Result<Conversation, String> {
    let unpacked = value.as_str().and_then(nested);
    let Some(turns) = unpacked.as_ref().unwrap_or(value).as_array() else {
        return Err(format!("a conversation is a list of turns, not {}", type_name(value)));
    };
    let turns =
        turns.iter().enumerate().map(|(n, value)| turn(value).map_err(|e| format!("turn {}: {e}", n + 1)));
    let mut turns: Vec<Turn> = turns.collect::<Result<_, _>>()?;
    let Some(last) = turns.iter().rposition(|turn| is_user(&turn.role)) else {
        return Ok(Conversation { context: turns, ..Conversation::default() });
    };
    let answers = turns.split_off(last + 1);
    let prompt = turns.pop().map(|turn| turn.content);
    let response =
        answers.into_iter().find(|turn| is_assistant(&turn.role) && !turn.content.trim().is_empty());
    Ok(Conversation { context: turns, prompt, response: response.map(|turn| turn.content) })
}

fn is_user(role: &str) -> bool {
    ["user", "human", "prompter"].iter().any(|name| role.eq_ignore_ascii_case(name))
}

fn is_assistant(role: &str) -> bool {
    ["assistant", "gpt", "model", "bot", "chatbot"].iter().any(|name| role.eq_ignore_ascii_case(name))
}

fn turn(value: &Value) -> Result<Turn, String> {
    let Some(fields) = value.as_object() else {
        return Err(format!("it is no object but {}", type_name(value)));
    };
    let field = |names: [&str; 2]| names.into_iter().find_map(|name| fields.get(name));
    let role = field(["role", "from"]).and_then(Value::as_str);
    let role = role.ok_or("it has no `role` (or `from`)")?.to_owned();
    let content = field(["content", "value"]).ok_or("it has no `content` (or `value`)")?;
    Ok(Turn { role, content: said(content)? })
}

/// What a turn says. Null (a turn that only calls a tool) says nothing; of a list of parts, the text ones.
fn said(content: &Value) -> Result<String, String> {
    match content {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => Ok(parts.iter().filter_map(Value::as_object).filter_map(part).collect()),
        other => Err(format!("its content is {}, not text", type_name(other))),
    }
}

fn part(fields: &Map<String, Value>) -> Option<&str> {
    fields.get("text").and_then(Value::as_str)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use serde_json::json;

    use super::parse;
    use crate::Turn;

    #[test]
    fn the_last_question_and_its_answer() {
        let chat = parse(&json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": [{"type": "text", "text": "And "}, {"type": "image"}, {"text": "now?"}]},
            {"role": "assistant", "content": null},
            {"role": "tool", "content": "42"},
            {"role": "assistant", "content": "No."},
        ]))
        .unwrap();
        assert_eq!(chat.prompt.as_deref(), Some("And now?"));
        assert_eq!(chat.response.as_deref(), Some("No."));
        assert_eq!(chat.context.len(), 3);
        assert_eq!(chat.context[0], Turn { role: "system".into(), content: "Be brief.".into() });
    }

    #[test]
    fn sharegpt_and_json_text_are_understood() {
        let chat =
            parse(&json!(r#"[{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]"#)).unwrap();
        assert_eq!((chat.prompt.as_deref(), chat.response.as_deref()), (Some("a"), Some("b")));
    }

    #[test]
    fn an_unanswered_question_has_no_response() {
        let chat =
            parse(&json!([{"role": "assistant", "content": "x"}, {"role": "user", "content": "y"}])).unwrap();
        assert_eq!((chat.prompt.as_deref(), chat.response), (Some("y"), None));
        let chat = parse(&json!([{"role": "assistant", "content": "x"}])).unwrap();
        assert_eq!((chat.prompt, chat.context.len()), (None, 1));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let reason = |value| parse(&value).unwrap_err();
        assert_eq!(reason(json!("hello")), "a conversation is a list of turns, not text");
        assert_eq!(reason(json!(["a"])), "turn 1: it is no object but text");
        assert_eq!(reason(json!([{"content": "a"}])), "turn 1: it has no `role` (or `from`)");
        assert_eq!(reason(json!([{"role": "user"}])), "turn 1: it has no `content` (or `value`)");
        assert_eq!(
            reason(json!([{"role": "user", "content": 1}])),
            "turn 1: its content is number, not text"
        );
    }
}
