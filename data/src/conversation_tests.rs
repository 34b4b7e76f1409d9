//! Chats in all forms that people have.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};

use super::{Conversation, last_of_chat, last_of_user, sent_in_body, text};
use crate::{Mode, Turn};

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
fn a_chat_says_what_its_prompt_is_sent_in() {
    let call =
        json!({"role": "assistant", "content": null, "tool_calls": [{"id": "1", "function": {"name": "f"}}]});
    let (result, user) = (json!({"role": "tool", "content": "42"}), json!({"role": "user", "content": "p"}));
    let (system, answer) =
        (json!({"role": "developer", "content": "s"}), json!({"role": "assistant", "content": "a"}));
    for (chat, found, mode) in [
        (json!([system, user, answer]), Some("s"), Mode::Chat),
        (json!([{"role": "system", "content": "r"}, system, user]), Some("r\n\ns"), Mode::Chat),
        (json!([user, system]), None, Mode::Chat),
        (json!([user, call, result, answer, user, answer]), None, Mode::Agent),
        // A request that waits for what comes after a tool's result; an answer that acts is not known before.
        (json!([user, call, result]), None, Mode::Agent),
        (json!([user, call, result, answer]), None, Mode::Chat),
        (json!({"system": "r", "tools": [1], "messages": [system, user]}), Some("r\n\ns"), Mode::Agent),
        (json!([system]), Some("s"), Mode::Chat),
    ] {
        let sent_in = Conversation::parse(&chat).unwrap().sent_in;
        assert_eq!((sent_in.system.as_deref(), sent_in.mode), (found, mode), "{chat}");
    }
    let body = json!({"instructions": "s", "input": [user], "tools": [{"type": "function"}]});
    assert_eq!(sent_in_body(&body).system.as_deref(), Some("s"));
    assert_eq!(
        (sent_in_body(&body).mode, sent_in_body(&json!("p"))),
        (Mode::Agent, crate::Context::default())
    );
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
        json!("[{'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': 'b'}]"),
        json!(r#"[{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]"#),
        json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}),
        json!([{"type": "human", "data": {"content": "a"}}, {"type": "ai", "data": {"content": "b"}}]),
        json!([
            {"type": "constructor", "id": ["langchain", "HumanMessage"], "kwargs": {"content": "a"}},
            {"type": "constructor", "id": ["langchain", "AIMessage"], "kwargs": {"content": "b"}},
        ]),
        json!({"turns": [{"role": "user", "content": {"text": "a"}}, {"role": "assistant", "content": {"text": "b"}}]}),
        json!([{"author": {"role": "user"}, "content": {"parts": ["a"]}},
            {"author": {"role": "assistant"}, "content": {"parts": ["b"]}}]),
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
fn what_the_provider_says_in_the_answer_is_a_sign() {
    let signs = |turn| {
        let chat = json!([{"role": "user", "content": "a"}, turn]);
        Conversation::parse(&chat).unwrap().signs.unwrap_or_default()
    };
    let refused = signs(json!({"role": "assistant", "content": null, "refusal": "b"}));
    assert_eq!(refused.refusal.as_deref(), Some("b"));
    assert!(signs(json!({"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]})).tool_calls);
    assert!(signs(json!({"role": "assistant", "content": "b", "reasoning_content": "c"})).reasoning);
    assert!(!signs(json!({"role": "assistant", "content": "b", "refusal": null})).any());
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
    assert_eq!(reason(json!([{"role": "user", "content": 1}])), "turn 1: its content is number, not text");
    assert_eq!(
        last_of_user(&json!([{"role": "assistant", "content": "a"}])).unwrap_err(),
        "no message of the user in it"
    );
}

#[test]
fn chats_of_pairs_of_named_fields_and_of_texts_alone_are_chats_too() {
    for chat in [
        json!([["user", "a"], ["assistant", "b"]]),
        json!([{"human": "a", "assistant": "b"}]),
        json!([{"user": "a"}, {"assistant": "b"}]),
        json!([{"sender": "human", "text": "a"}, {"sender": "assistant", "text": "b"}]),
        json!([{"speaker": "User", "utterance": "a"}, {"speaker": "Bot", "utterance": "b"}]),
        json!([[{"type": "human", "content": "a"}, {"type": "ai", "content": "b"}]]),
        json!({"dialogue": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}),
    ] {
        assert_eq!(both(&chat), (Some("a".to_owned()), Some("b".to_owned())), "{chat}");
    }
    let texts = json!(["x", "y", "a", "b"]);
    let chat = Conversation::parse(&texts).unwrap();
    assert_eq!(
        (chat.prompt.as_deref(), chat.response.as_deref(), chat.context.len()),
        (Some("a"), Some("b"), 2)
    );
    assert_eq!(last_of_chat(&texts).unwrap(), "a");
    assert!(last_of_user(&texts).is_err(), "elsewhere they are one text in parts");
    for none in [json!([{"user": "u1", "id": 7}]), json!([["a", "b"], ["c", "d"]]), json!([{"n": "a"}])] {
        assert!(Conversation::parse(&none).is_err(), "{none}");
    }
}
