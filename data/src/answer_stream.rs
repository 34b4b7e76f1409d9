//! An answer that a provider streams as server-sent events, read as it comes: its text so far, and the
//! provider's signs.
//!
//! The events are those of `OpenAI` (chat, completions, responses; also Azure, Mistral, vLLM, `OpenRouter`,
//! `LiteLLM`) and of Anthropic. One is recognised by its own fields. What is none of them is passed over, for
//! a stream is read beside its way to somebody else, and is never refused. Of several choices the first is
//! read.

use serde_json::{Map, Value};

use crate::Signs;
use crate::conversation;
use crate::provider::{ProviderAnswer, provider_answer};
use crate::read::signs::{signs_of, signs_of_message};

/// Longest line in bytes; a longer one is passed over. The last event of a response holds all of it again.
const LONGEST_LINE: usize = 1 << 20;

/// What has come of an answer so far.
#[derive(Debug)]
pub struct AnswerStream {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// Whether that line is passed over.
    is_too_long: bool,
    text: String,
    /// Most bytes of text that are kept.
    most: usize,
    signs: Signs,
}

impl AnswerStream {
    /// Begins to read; of the text `most` bytes are kept.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { line: Vec::new(), is_too_long: false, text: String::new(), most, signs: Signs::NONE }
    }

    /// Reads the next bytes of the stream, cut anywhere.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.lengthen(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            if !std::mem::take(&mut self.is_too_long) {
                self.read_line(&line);
            }
            // Its memory is used for the next line.
            self.line = line;
            self.line.clear();
        }
        self.lengthen(bytes);
    }

    fn lengthen(&mut self, bytes: &[u8]) {
        if self.line.len() + bytes.len() > LONGEST_LINE {
            self.is_too_long = true;
            self.line = Vec::new();
        }
        if !self.is_too_long {
            self.line.extend_from_slice(bytes);
        }
    }

    /// The text so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether what has come says already what the answer is, whatever text follows: a call of a tool, the
    /// provider's own refusal, or an error.
    #[must_use]
    pub const fn has_deciding_sign(&self) -> bool {
        self.signs.tool_calls || self.signs.refusal.is_some() || self.signs.error.is_some()
    }

    /// Whether nothing more of the text is kept.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.text.len() >= self.most
    }

    /// The answer so far; `None` while there is neither text nor sign.
    #[must_use]
    pub fn answer(&self) -> Option<ProviderAnswer> {
        let text = Some(self.text.clone()).filter(|text| !text.is_empty());
        let is_any = text.is_some() || self.signs.any();
        is_any.then(|| ProviderAnswer { prompt: None, text, signs: self.signs.clone() })
    }

    fn read_line(&mut self, line: &[u8]) {
        let Some(data) = line.strip_prefix(b"data:") else { return };
        // `[DONE]` is no JSON, and no event.
        let Ok(Value::Object(event)) = serde_json::from_slice(data) else { return };
        if let Some(Value::Array(choices)) = event.get("choices") {
            let is_first = |choice: &&Map<String, Value>| {
                choice.get("index").and_then(Value::as_u64).unwrap_or_default() == 0
            };
            if let Some(choice) = choices.iter().filter_map(Value::as_object).find(is_first) {
                self.read_choice(choice);
            }
            return;
        }
        if let Some(error) = event.get("error").filter(|error| !error.is_null()) {
            self.signs.error.get_or_insert_with(|| error.clone());
            return;
        }
        if let Some(kind) = event.get("type").and_then(Value::as_str) {
            self.read_event(kind, &event);
        }
    }

    /// A piece of a chat completion or of a completion.
    fn read_choice(&mut self, choice: &Map<String, Value>) {
        self.add(signs_of(choice));
        let Some(delta) = choice.get("delta").and_then(Value::as_object) else {
            return self.say(choice.get("text"));
        };
        self.refuse(delta.get("refusal"));
        self.add(signs_of_message(delta));
        match delta.get("content") {
            Some(Value::Array(_)) => self.say(conversation::said(delta).ok().map(Value::String).as_ref()),
            content => self.say(content),
        }
    }

    /// An event of `OpenAI`'s responses or of Anthropic's messages.
    fn read_event(&mut self, kind: &str, event: &Map<String, Value>) {
        let object = |name: &str| event.get(name).and_then(Value::as_object);
        match kind {
            "response.output_text.delta" => self.say(event.get("delta")),
            "response.refusal.delta" => self.refuse(event.get("delta")),
            "response.output_item.added" => {
                let kind = object("item").and_then(|item| item.get("type")?.as_str()).unwrap_or_default();
                self.signs.tool_calls |= kind.ends_with("_call");
                self.signs.reasoning |= kind == "reasoning";
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                if let Some(answer) = event.get("response").and_then(provider_answer) {
                    if self.text.is_empty() {
                        self.say(answer.text.map(Value::String).as_ref());
                    }
                    self.add(Some(answer.signs));
                }
            }
            "content_block_start" => {
                let part = event.get("content_block").cloned().unwrap_or_default();
                let turn = Map::from_iter([("content".to_owned(), Value::Array(vec![part]))]);
                self.add(signs_of_message(&turn));
                self.say(object("content_block").and_then(|part| part.get("text")));
            }
            "content_block_delta" => self.say(object("delta").and_then(|delta| delta.get("text"))),
            "message_delta" => self.add(object("delta").and_then(signs_of)),
            _ => {}
        }
    }

    fn add(&mut self, signs: Option<Signs>) {
        if let Some(signs) = signs {
            self.signs = std::mem::take(&mut self.signs).or(signs);
        }
    }

    fn say(&mut self, text: Option<&Value>) {
        let text = text.and_then(Value::as_str).unwrap_or_default();
        let room = self.most.saturating_sub(self.text.len());
        let end = text.floor_char_boundary(room);
        self.text.push_str(&text[..end]);
        if end < text.len() {
            // Nothing may follow a letter that is left out.
            self.most = self.text.len();
        }
    }

    /// A piece of the provider's own refusal; an empty one is none.
    fn refuse(&mut self, piece: Option<&Value>) {
        let Some(piece) = piece.and_then(Value::as_str).filter(|piece| !piece.is_empty()) else { return };
        let refusal = self.signs.refusal.get_or_insert_default();
        if refusal.len() < self.most {
            refusal.push_str(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(events: &[Value]) -> AnswerStream {
        let mut stream = AnswerStream::new(1000);
        for event in events {
            stream.read(format!("event: x\r\ndata: {event}\r\n\r\n").as_bytes());
        }
        stream.read(b"data: [DONE]\n\n");
        stream
    }

    #[test]
    fn the_text_of_every_api_is_read_however_its_bytes_are_cut() {
        let chat = |content: &str| json!({"choices": [{"index": 0, "delta": {"content": content}}]});
        let message = |text: &str| json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}});
        for events in [
            vec![chat("I "), json!({"choices": []}), chat("\u{e9}t\u{e9}")],
            vec![json!({"choices": [{"text": "I "}]}), json!({"choices": [{"text": "\u{e9}t\u{e9}"}]})],
            vec![
                json!({"choices": [{"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"content": "I \u{e9}t\u{e9}"}}]}),
            ],
            vec![
                json!({"type": "response.output_text.delta", "delta": "I \u{e9}t\u{e9}"}),
                json!({"type": "response.output_text.done", "text": "I"}),
            ],
            vec![
                json!({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}),
                message("I "),
                message("\u{e9}t\u{e9}"),
            ],
        ] {
            assert_eq!(read(&events).text(), "I \u{e9}t\u{e9}", "{events:?}");
            let bytes = events.iter().map(|event| format!("data:{event}\n\n")).collect::<String>();
            let mut stream = AnswerStream::new(1000);
            bytes.as_bytes().chunks(1).for_each(|byte| stream.read(byte));
            assert_eq!(stream.text(), "I \u{e9}t\u{e9}", "{events:?}");
        }
    }

    #[test]
    fn signs_are_read_from_every_api() {
        let reason = |events: &[Value]| read(events).answer().and_then(|answer| answer.signs.finish_reason);
        assert_eq!(
            reason(&[json!({"choices": [{"delta": {}, "finish_reason": "content_filter"}]})]).as_deref(),
            Some("content_filter")
        );
        assert_eq!(
            reason(&[json!({"type": "message_delta", "delta": {"stop_reason": "refusal"}})]).as_deref(),
            Some("refusal")
        );
        for tool in [
            json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]}}]}),
            json!({"type": "content_block_start", "content_block": {"type": "tool_use", "name": "f"}}),
            json!({"type": "response.output_item.added", "item": {"type": "function_call"}}),
        ] {
            let stream = read(std::slice::from_ref(&tool));
            assert!(
                stream.has_deciding_sign() && stream.answer().is_some_and(|a| a.signs.tool_calls),
                "{tool}"
            );
        }
        let refused = read(&[
            json!({"choices": [{"delta": {"content": "", "refusal": "I "}}]}),
            json!({"choices": [{"delta": {"refusal": "can't."}}]}),
        ]);
        assert_eq!(refused.answer().and_then(|answer| answer.signs.refusal).as_deref(), Some("I can't."));
        let failed = read(&[json!({"type": "error", "error": {"type": "overloaded_error"}})]);
        assert!(failed.has_deciding_sign() && failed.text().is_empty());
        let whole = json!({"type": "response.completed", "response": {"object": "response", "status": "completed",
            "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}]}});
        assert_eq!(read(&[whole]).text(), "Hi");
    }

    #[test]
    fn what_is_no_event_is_passed_over_and_the_text_has_a_limit() {
        let mut stream = AnswerStream::new(3);
        stream.read(b"data: no JSON\n: a comment\n\ndata: 1\ndata: {\"choices\": 1}\n");
        assert!(stream.answer().is_none());
        stream.read(b"data: ");
        stream.read(&vec![b'x'; LONGEST_LINE]);
        stream.read(b"\ndata: {\"choices\": [{\"delta\": {\"content\": \"a\xc3\xa9\xc3\xa9\"}}]}\n");
        assert_eq!(stream.text(), "a\u{e9}");
        stream.read(b"data: {\"choices\": [{\"delta\": {\"content\": \"bc\"}}]}\n");
        assert!(stream.text() == "a\u{e9}" && stream.is_full());
        assert_eq!(AnswerStream::new(3).answer(), None);
    }
}
