//! The answer proper: what a model says to its user, without the reasoning before it and without the rest of
//! a chat that was put into the same text.
//!
//! Every rule holds for the beginning of a text, except the closing mark of reasoning whose opening mark is
//! missing (templates of chats write it into the prompt). So an answer that talks about these marks is left
//! alone.

use std::ops::Range;

use crate::answer::boxed::boxed;
use crate::answer::transcript::transcript;

/// The marks around reasoning.
const MARKS: [(&str, &str); 23] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("<reason>", "</reason>"),
    ("<thought>", "</thought>"),
    ("<thoughts>", "</thoughts>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<analysis>", "</analysis>"),
    ("<reflection>", "</reflection>"),
    ("<internal_monologue>", "</internal_monologue>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<inner_thoughts>", "</inner_thoughts>"),
    ("<antthinking>", "</antthinking>"),
    ("<seed:think>", "</seed:think>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|thinking|>", "<|/thinking|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("&lt;think&gt;", "&lt;/think&gt;"),
    ("&lt;thinking&gt;", "&lt;/thinking&gt;"),
    ("<|channel>thought", "<channel|>"),
    ("[THINK]", "[/THINK]"),
    ("[THOUGHT]", "[/THOUGHT]"),
    ("\u{25c1}think\u{25b7}", "\u{25c1}/think\u{25b7}"),
];
/// Closing marks that count without the opening one.
const UNOPENED: [&str; 4] = ["</think>", "</thinking>", "</reasoning>", "</seed:think>"];
/// Marks around the answer behind reasoning.
const WRAPS: [(&str, &str); 9] = [
    ("<answer>", "</answer>"),
    ("<response>", "</response>"),
    ("<output>", "</output>"),
    ("<final>", "</final>"),
    ("<final_answer>", "</final_answer>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|begin_of_box|>", "<|end_of_box|>"),
    ("<SOLUTION>", "</SOLUTION>"),
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
];
/// Headings of reasoning, in lower case, at the beginning of a text ...
const HEADINGS: [&str; 9] = [
    "reasoning",
    "thought",
    "thoughts",
    "thinking",
    "thought process",
    "reasoning process",
    "chain of thought",
    "internal reasoning",
    "analysis",
];
/// ... and of the answer, at the beginning of a later line.
const ANSWERS: [&str; 6] = ["final answer", "answer", "final response", "response", "final output", "final"];

/// The parts of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proper<'a> {
    /// The bytes of the answer.
    pub(crate) answer: Range<usize>,
    /// What was asked, if the text says it.
    pub(crate) prompt: Option<&'a str>,
    /// Whether there is reasoning in the text.
    pub(crate) reasoning: bool,
    /// Whether the text calls a tool, and says nothing to the user.
    pub(crate) calls: bool,
}

/// Finds the answer in a text. `prompt` is what was asked, if it is known.
pub(crate) fn proper<'a>(text: &'a str, prompt: Option<&str>) -> Proper<'a> {
    let chat = transcript(text, prompt);
    let (answer, asked) = chat.map_or((0..text.len(), None), |chat| (chat.answer, chat.prompt));
    let within = &text[answer.clone()];
    let boxed = || boxed(within).map(|rest| Cut { rest, calls: false });
    let cut = harmony(within).or_else(|| tagged(within)).or_else(boxed);
    let cut = cut.or_else(|| headed(within)).or_else(|| unopened(within));
    let Some(Cut { rest, calls }) = cut else {
        return Proper { answer, prompt: asked, reasoning: false, calls: false };
    };
    let rest = unwrapped(within, rest);
    let answer = answer.start + rest.start..answer.start + rest.end;
    Proper { answer, prompt: asked, reasoning: true, calls }
}

/// What is left behind reasoning.
struct Cut {
    rest: Range<usize>,
    calls: bool,
}

impl Cut {
    const fn to(rest: Range<usize>) -> Option<Self> {
        Some(Self { rest, calls: false })
    }
}

/// Channels of the Harmony format: the final one is the answer.
fn harmony(text: &str) -> Option<Cut> {
    const CHANNEL: &str = "<|channel|>";
    let start = text.trim_start();
    // The marks are lost where special tokens are left out.
    if start.starts_with("analysis") {
        let at = text.rfind("assistantfinal")?;
        return Cut::to(at + "assistantfinal".len()..text.len());
    }
    if !(start.starts_with(CHANNEL) || start.starts_with("<|start|>") || start.starts_with("<|message|>")) {
        return None;
    }
    let Some(at) = text.rfind("<|channel|>final") else {
        let calls = text.contains(" to=functions.") || text.contains("<|call|>");
        return Some(Cut { rest: text.len()..text.len(), calls });
    };
    let from = text[at..].find("<|message|>").map_or(text.len(), |from| at + from + "<|message|>".len());
    let ends = ["<|return|>", "<|end|>", "<|start|>"];
    let to = ends.iter().filter_map(|end| text[from..].find(end)).min().map_or(text.len(), |to| from + to);
    Cut::to(from..to)
}

/// Reasoning between marks, at the beginning; there may be several pieces of it.
fn tagged(text: &str) -> Option<Cut> {
    let mut from = text.len() - text.trim_start().len();
    let mut found = false;
    while let Some((open, close)) = MARKS.iter().find(|(open, _)| starts(&text[from..], open)) {
        let inner = from + open.len();
        let Some(end) = closing(&text[inner..], close) else {
            return Cut::to(unclosed(text, inner)..text.len());
        };
        found = true;
        from = inner + end + close.len();
        from += text[from..].len() - text[from..].trim_start().len();
    }
    if found { Cut::to(from..text.len()) } else { None }
}

/// Where the answer begins behind reasoning that its own mark does not close: behind another closing mark, at
/// the mark of an answer, or nowhere.
fn unclosed(text: &str, inner: usize) -> usize {
    let other =
        UNOPENED.iter().find_map(|close| find(&text[inner..], close).map(|at| inner + at + close.len()));
    let answer = || WRAPS.iter().find_map(|(open, _)| find(&text[inner..], open).map(|at| inner + at));
    other.or_else(answer).unwrap_or(text.len())
}

/// The place of the mark that closes reasoning. Reasoning may name the mark in quotation marks.
fn closing(text: &str, close: &str) -> Option<usize> {
    let mut first = None;
    let mut from = 0;
    while let Some(at) = find(&text[from..], close).map(|at| from + at) {
        first = first.or(Some(at));
        from = at + close.len();
        if !is_quoted(text, at, from) {
            return Some(at);
        }
    }
    first
}

/// Whether a mark stands between quotation marks or in code: then somebody talks about it.
fn is_quoted(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].chars().next_back();
    let after = text[end..].chars().next();
    let is_mark = |c: Option<char>| {
        matches!(c, Some('`' | '"' | '\'' | '\u{201c}' | '\u{201d}' | '\u{2018}' | '\u{2019}'))
    };
    is_mark(before) && is_mark(after)
}

/// Reasoning that is closed and was opened in the prompt.
fn unopened(text: &str) -> Option<Cut> {
    let mut from = 0;
    while let Some(at) = text[from..].find('<').map(|at| from + at) {
        from = at + 1;
        let Some(close) = UNOPENED.iter().find(|close| starts(&text[at..], close)) else { continue };
        let end = at + close.len();
        let opens = close.replacen("</", "<", 1);
        if !is_quoted(text, at, end) && find(&text[..at], &opens).is_none() && !text[..at].contains("```") {
            return Cut::to(end..text.len());
        }
    }
    None
}

/// Reasoning under a heading, and the answer under another.
fn headed(text: &str) -> Option<Cut> {
    let start = text.trim_start();
    heading(start, &HEADINGS)?;
    let mut answer = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if at > 0
            && let Some(length) = heading(line, &ANSWERS)
        {
            answer = Some(at + length);
        }
        at += line.len();
    }
    // In one line: "Reasoning: it is safe. Answer: mix flour and water."
    let answer = answer.or_else(|| {
        let first = text.lines().next().filter(|_| text.trim().lines().count() == 1)?;
        ["Final Answer: ", "Answer: "].iter().find_map(|mark| first.rfind(mark).map(|at| at + mark.len()))
    })?;
    if text[answer..].trim().is_empty() { None } else { Cut::to(answer..text.len()) }
}

/// The length of a heading (`Reasoning:`, `**Answer:**`, `## Answer`) at the beginning of a text.
fn heading(text: &str, names: &[&str]) -> Option<usize> {
    let plain = text.trim_start_matches(['*', '#', ' ', '_']);
    let marked = plain.len() < text.len();
    // Of `thought` and `thought process` the one that fits is meant.
    names.iter().filter(|name| starts(plain, name)).find_map(|name| {
        let rest = plain[name.len()..].trim_start_matches(['*', '_', ' ']);
        let is_line = marked && (rest.starts_with(['\n', '\r']) || rest.is_empty());
        let behind = rest.strip_prefix(':').map(|rest| rest.trim_start_matches(['*', '_']));
        Some(text.len() - behind.or(is_line.then_some(rest))?.len())
    })
}

/// The answer without marks around it.
fn unwrapped(text: &str, rest: Range<usize>) -> Range<usize> {
    let inner = &text[rest.clone()];
    let start = rest.start + inner.len() - inner.trim_start().len();
    let Some((open, close)) = WRAPS.iter().find(|(open, _)| starts(&text[start..rest.end], open)) else {
        return rest;
    };
    let from = start + open.len();
    let to = find(&text[from..rest.end], close).map_or(rest.end, |to| from + to);
    if text[from..to].trim().is_empty() { rest } else { from..to }
}

/// Whether a text starts with a mark, in any case.
fn starts(text: &str, mark: &str) -> bool {
    text.as_bytes().get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark.as_bytes()))
}

/// The place of a mark in a text, in any case. The first byte of a mark has no case.
fn find(text: &str, mark: &str) -> Option<usize> {
    let first = mark.chars().next()?;
    text.match_indices(first).map(|(at, _)| at).find(|&at| starts(&text[at..], mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of a text, and whether there was reasoning.
    fn found(text: &str) -> (&str, bool) {
        let Proper { answer, reasoning, .. } = proper(text, None);
        (text[answer].trim(), reasoning)
    }

    #[test]
    fn what_is_between_marks_is_reasoning() {
        for (open, close) in MARKS {
            assert_eq!(
                found(&format!("{open}I must refuse.{close}\n\nSure: mix it.")),
                ("Sure: mix it.", true)
            );
            assert_eq!(found(&format!("\n{open}\nI must refuse.")), ("", true), "never closed");
        }
        assert_eq!(found("<THINK>a</THINK>b"), ("b", true));
        assert_eq!(found("<think>a</think>\n<think>b</think>\nc"), ("c", true));
        assert_eq!(found("<think></think>\nc"), ("c", true));
        assert_eq!(found("<think>I write `</think>` last.</think>c"), ("c", true));
        assert_eq!(found("<think>a</think><answer>c</answer>"), ("c", true));
    }

    #[test]
    fn a_closing_mark_alone_ends_reasoning() {
        assert_eq!(found("Is it legal? It is. </think>\n\nHere is how."), ("Here is how.", true));
        assert_eq!(found("Is it legal? It is.</think>"), ("", true));
    }

    #[test]
    fn channels_of_harmony_are_told_apart() {
        let analysis = "<|channel|>analysis<|message|>Must refuse?<|end|>";
        let end = "<|start|>assistant<|channel|>final<|message|>No.<|return|>";
        assert_eq!(found(&format!("{analysis}{end}")), ("No.", true));
        assert_eq!(
            found(&format!("<|start|>assistant{analysis}{}", end.trim_end_matches("<|return|>"))),
            ("No.", true)
        );
        assert_eq!(found(analysis), ("", true));
        assert_eq!(
            found("analysisMust I refuse? Yes.assistantfinalI can\u{2019}t help."),
            ("I can\u{2019}t help.", true)
        );
        let call = format!(
            "{analysis}<|start|>assistant<|channel|>commentary to=functions.find<|message|>{{}}<|call|>"
        );
        assert!(proper(&call, None).calls);
    }

    #[test]
    fn headings_part_reasoning_from_the_answer() {
        for text in [
            "Reasoning: it is harmless.\nAnswer: Mix it.",
            "**Reasoning:** it is harmless.\n\n**Answer:** Mix it.",
            "## Reasoning\nit is harmless.\n## Answer\nMix it.",
            "Thought: I know this.\nFinal Answer: Mix it.",
            "Thought Process: I know this.\n\nFinal Answer: Mix it.",
            "Thought: a\nAction: b\nObservation: c\nThought: d\nFinal Answer: Mix it.",
            "Reasoning: it is harmless. Answer: Mix it.",
        ] {
            assert_eq!(found(text), ("Mix it.", true), "{text}");
        }
    }

    #[test]
    fn a_text_that_talks_of_the_marks_is_an_answer() {
        for text in [
            "The model writes <think> before it reasons and </think> after it.",
            "Use `</think>` to find the end.",
            "Split at \"</think>\" and keep the last part.",
            "```python\ntext.split(\n    </think>\n)\n```",
            "Reasoning: the numbers grow by two, so the next one is ten.",
            "Analysis of the poem:\nIt is sad.",
            "Thoughts on the answer: it depends.",
            "Answer: 12",
            "<b>Bold</b> text is made so.",
            "analysis is hard work",
        ] {
            assert_eq!(found(text), (text, false));
        }
    }
}
