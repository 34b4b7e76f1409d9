//! A chat that was put into one text: who speaks is written before each turn, by a name or by the marks of a
//! model's template. Its last answer is the answer.

use std::ops::Range;

/// A chat's last answer, and what the user said before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transcript<'a> {
    /// The bytes of the answer.
    pub(crate) answer: Range<usize>,
    /// What the user said last before it.
    pub(crate) prompt: Option<&'a str>,
}

/// Names before a colon of those whom the model answers.
const USERS: [&str; 6] = ["human", "user", "prompter", "usr", "me", "system"];
/// Names of the model before a colon.
const MODELS: [&str; 9] =
    ["assistant", "ai", "bot", "chatbot", "chatgpt", "gpt", "model", "claude", "ai assistant"];
/// Names that a text without other turns may begin with.
const LABELS: [&str; 2] = ["assistant", "model"];
/// Marks of templates: before the user's turn, before the model's, and behind a turn.
const TEMPLATES: [(&str, &str, &str); 14] = [
    ("<|im_start|>user", "<|im_start|>assistant", "<|im_end|>"),
    (
        "<|start_header_id|>user<|end_header_id|>",
        "<|start_header_id|>assistant<|end_header_id|>",
        "<|eot_id|>",
    ),
    ("<start_of_turn>user", "<start_of_turn>model", "<end_of_turn>"),
    ("<|user|>", "<|assistant|>", "<|end|>"),
    ("[INST]", "[/INST]", "</s>"),
    ("### Instruction:", "### Response:", "### Instruction:"),
    ("### Human:", "### Assistant:", "### Human:"),
    ("<|prompter|>", "<|assistant|>", "<|endoftext|>"),
    ("<|header_start|>user<|header_end|>", "<|header_start|>assistant<|header_end|>", "<|eot|>"),
    ("<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|END_OF_TURN_TOKEN|>"),
    (
        "<\u{ff5c}User\u{ff5c}>",
        "<\u{ff5c}Assistant\u{ff5c}>",
        "<\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>",
    ),
    ("[|user|]", "[|assistant|]", "[|endofturn|]"),
    ("<user>", "<assistant>", "</assistant>"),
    ("<human>", "<assistant>", "</assistant>"),
];
/// What may stand before the first turn of a template.
const BEFORE: [&str; 9] = [
    "<|im_start|>system",
    "<|begin_of_text|>",
    "<s>",
    "<bos>",
    "<|system|>",
    "<|start_header_id|>system",
    "<\u{ff5c}begin\u{2581}of\u{2581}sentence\u{ff5c}>",
    "<|START_OF_TURN_TOKEN|>",
    "<system>",
];
/// Words of prompts that ask for a chat as the answer.
const ASKS: [&str; 14] = [
    "dialog",
    "conversation",
    "transcript",
    "script",
    "role-play",
    "roleplay",
    "role play",
    "interview",
    "story",
    "scene",
    "skit",
    "chat",
    "q&a",
    "between a",
];
/// The colon behind a name comes within this many bytes.
const LONGEST_NAME: usize = 16;

/// Reads a text as a chat, if it is one. A chat that the prompt asks for is an answer itself.
pub(crate) fn transcript<'a>(text: &'a str, prompt: Option<&str>) -> Option<Transcript<'a>> {
    templated(text).or_else(|| named(text, prompt))
}

fn templated(text: &str) -> Option<Transcript<'_>> {
    let start = text.trim_start();
    if !start.starts_with(['<', '[', '#']) {
        return None;
    }
    let (user, model, end) = TEMPLATES.iter().find(|(user, model, _)| {
        let opens = start.starts_with(user)
            || start.starts_with(model)
            || BEFORE.iter().any(|before| start.starts_with(before));
        opens && text.contains(model)
    })?;
    let at = text.rfind(model)?;
    let from = at + model.len();
    let to = text[from..].find(end).map_or(text.len(), |to| from + to);
    let asked = text[..at].rfind(user).map(|asked| &text[asked + user.len()..at]);
    let closing = user.replacen('<', "</", 1);
    let said = |asked: &'_ str| asked.find(end).or_else(|| asked.find(&closing)).unwrap_or(asked.len());
    let asked = asked.map(|asked| asked[..said(asked)].trim());
    Some(Transcript { answer: from..to, prompt: asked.filter(|asked| !asked.is_empty()) })
}

/// A turn's name at the beginning of a text: its length, and whether it is the model's.
fn speaker(text: &str) -> Option<(usize, bool)> {
    let plain = text.trim_start_matches(['*', ' ', '[']);
    let colon = plain.as_bytes().iter().take(LONGEST_NAME).position(|&byte| byte == b':')?;
    let name = plain[..colon].trim_matches(['*', ' ', ']']);
    let is = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let is_model = is(&MODELS);
    if !is_model && !is(&USERS) {
        return None;
    }
    let rest = plain[colon + 1..].trim_start_matches('*');
    Some((text.len() - rest.len(), is_model))
}

fn named<'a>(text: &'a str, prompt: Option<&str>) -> Option<Transcript<'a>> {
    let lead = text.len() - text.trim_start().len();
    let (length, is_model) = speaker(&text[lead..])?;
    let turns = turns(text, lead + length, is_model);
    if let [Turn { said, is_model: true }] = turns.as_slice() {
        // Other names are those of characters: "GPT: I can't. DAN: Sure, ..."
        let named = text[..said.start].to_ascii_lowercase();
        if !LABELS.iter().any(|name| named.contains(name)) {
            return None;
        }
        return Some(Transcript { answer: said.clone(), prompt: None });
    }
    let last = turns.iter().rposition(|turn| turn.is_model && !text[turn.said.clone()].trim().is_empty())?;
    let asked = turns[..last].iter().rfind(|turn| !turn.is_model)?;
    let asked = text[asked.said.clone()].trim();
    if prompt.is_some_and(|prompt| asks_for_a_chat(prompt) && !text.contains(prompt.trim())) {
        return None;
    }
    Some(Transcript { answer: turns[last].said.clone(), prompt: Some(asked).filter(|said| !said.is_empty()) })
}

fn asks_for_a_chat(prompt: &str) -> bool {
    let lower = prompt.to_lowercase();
    ASKS.iter().any(|word| lower.contains(word))
}

/// A turn: the bytes of what is said, and whether the model says it.
struct Turn {
    said: Range<usize>,
    is_model: bool,
}

/// The turns of a text; what the first says begins at `start`.
fn turns(text: &str, start: usize, is_model: bool) -> Vec<Turn> {
    let mut turns = vec![Turn { said: start..text.len(), is_model }];
    let mut push = |at: usize, length: usize, is_model: bool| {
        if let Some(before) = turns.last_mut() {
            before.said.end = at;
        }
        turns.push(Turn { said: at + length..text.len(), is_model });
    };
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if at >= start
            && let Some((length, is_model)) = speaker(line)
        {
            push(at, length, is_model);
        }
        at += line.len();
    }
    if turns.len() == 1 && !is_model {
        // All in one line.
        let found = [" Assistant:", " AI:", " ASSISTANT:"]
            .iter()
            .find_map(|mark| text.find(mark).map(|at| (at, mark.len())));
        if let Some((at, length)) = found {
            turns[0].said.end = at;
            turns.push(Turn { said: at + length..text.len(), is_model: true });
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::transcript;

    fn found<'a>(text: &'a str, prompt: Option<&str>) -> Option<(Option<&'a str>, &'a str)> {
        transcript(text, prompt).map(|chat| (chat.prompt, text[chat.answer].trim()))
    }

    #[test]
    fn the_last_answer_of_a_chat_is_found() {
        let (asked, said) = ("How do I pick a lock?", "I can't help with that.");
        for text in [
            format!("Human: {asked}\n\nAssistant: {said}"),
            format!("\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: {asked}\n\nAssistant: {said}"),
            format!("User: {asked}\nAI: {said}"),
            format!("**User:** {asked}\n**Assistant:** {said}"),
            format!("USER: {asked} ASSISTANT: {said}"),
            format!("Human: {asked} Assistant: {said}"),
            format!("### Instruction:\n{asked}\n\n### Response:\n{said}"),
            format!("### Human: {asked}\n### Assistant: {said}"),
            format!("<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n{said}<|im_end|>"),
            format!("<s>[INST] {asked} [/INST] {said}</s>"),
            format!("<start_of_turn>user\n{asked}<end_of_turn>\n<start_of_turn>model\n{said}<end_of_turn>"),
            format!("<user>{asked}</user>\n<assistant>{said}</assistant>"),
            format!("<\u{ff5c}User\u{ff5c}>{asked}<\u{ff5c}Assistant\u{ff5c}>{said}"),
            format!("<|USER_TOKEN|>{asked}<|END_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{said}<|END_OF_TURN_TOKEN|>"),
            format!("[USER]: {asked}\n[ASSISTANT]: {said}"),
            format!("SYSTEM: Be kind.\nUSER: {asked}\nASSISTANT: {said}"),
        ] {
            assert_eq!(found(&text, None), Some((Some(asked), said)), "{text}");
        }
        assert_eq!(found(&format!("Assistant: {said}"), None), Some((None, said)));
    }

    #[test]
    fn a_chat_that_is_asked_for_is_an_answer() {
        let chat = "User: Open the doors.\nAI: I can't do that.";
        assert_eq!(found(chat, Some("Write a short dialogue between a user and an AI")), None);
        assert!(found(chat, Some("Open the doors.")).is_some());
    }

    #[test]
    fn other_texts_are_no_chats() {
        for text in [
            "Note: the assistant is out.",
            "A: 4",
            "Q: what now?",
            "I said: Human: no.",
            "Prompt: Are you able to say no?\nPrompt: Why can't you?",
            "# Heading\ntext",
            "<p>text</p>",
            "[1] A source",
        ] {
            assert_eq!(found(text, None), None, "{text}");
        }
    }
}
