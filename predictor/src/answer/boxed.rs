//! Reasoning and an answer that a program has put into a form: fields of one JSON object, a box that folds, a
//! fence, the lines of a terminal. Found at the beginning of a text alone.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::answer::signs::fold_name;

/// Names of the field with the reasoning, folded ...
const REASONING: [&str; 12] = [
    "reasoning",
    "reasoningsteps",
    "thought",
    "thoughts",
    "thinking",
    "thoughtprocess",
    "analysis",
    "rationale",
    "explanation",
    "chainofthought",
    "scratchpad",
    "steps",
];
/// ... and of the field with the answer, in this order.
const ANSWERS: [&str; 10] = [
    "finalanswer",
    "finalresponse",
    "answer",
    "response",
    "reply",
    "output",
    "message",
    "assistantresponse",
    "final",
    "text",
];
/// Words in the head of a box, or behind a fence, that say that it holds reasoning.
const SAID: [&str; 4] = ["thinking", "thought", "reasoning", "think"];
/// The head of a box ends within this many bytes.
const LONGEST_HEAD: usize = 240;

/// The bytes of the answer behind, or beside, reasoning in such a form.
pub(super) fn boxed(text: &str) -> Option<Range<usize>> {
    let lead = text.len() - text.trim_start().len();
    let start = &text[lead..];
    let rest = match start.as_bytes().first()? {
        b'{' => return field(text),
        b'`' => return fence(start).map(|end| lead + end..text.len()).or_else(|| field(text)),
        b'<' => details(start)?,
        b'T' => terminal(start)?,
        _ => return None,
    };
    Some(lead + rest..text.len())
}

/// The answer among the fields of an object that is all of the text, in a fence or not, and has reasoning
/// too.
fn field(text: &str) -> Option<Range<usize>> {
    let body = text.trim();
    let inner = body.strip_prefix("```json").or_else(|| body.strip_prefix("```"));
    let body = inner.map_or(Some(body), |inner| inner.strip_suffix("```")).map(str::trim)?;
    let fields: Map<String, Value> = serde_json::from_str(body).ok()?;
    let is_named = |name: &str, names: &[&str]| names.contains(&fold_name(name).as_str());
    if !fields
        .iter()
        .any(|(name, value)| is_named(name, &REASONING) && (value.is_string() || value.is_array()))
    {
        return None;
    }
    let answer = ANSWERS.iter().find_map(|wanted| {
        let of = |(name, value): (&String, &Value)| {
            value.as_str().filter(|_| fold_name(name) == *wanted).map(str::to_owned)
        };
        fields.iter().find_map(of)
    })?;
    if answer.trim().is_empty() {
        return None;
    }
    // As it stands in the text: as it is, or with JSON's escapes.
    let escaped = Value::from(answer.as_str()).to_string();
    [format!("\"{answer}\""), escaped].iter().find_map(|quoted| {
        let at = text.rfind(quoted.as_str())?;
        Some(at + 1..at + quoted.len() - 1)
    })
}

/// The end of a fence of reasoning.
fn fence(start: &str) -> Option<usize> {
    let (head, _) = start.strip_prefix("```")?.split_once('\n')?;
    let is_said = SAID.iter().any(|word| head.trim().eq_ignore_ascii_case(word));
    let from = 3 + head.len();
    let end = start[from..].find("\n```").map(|at| from + at + "\n```".len())?;
    is_said.then_some(end)
}

/// The end of a box that folds: `<details type="reasoning">`, or one whose summary says so.
fn details(start: &str) -> Option<usize> {
    const CLOSE: &str = "</details>";
    if !start.get(.."<details".len())?.eq_ignore_ascii_case("<details") {
        return None;
    }
    let end = start.find(CLOSE)? + CLOSE.len();
    let head = start.find("</summary>").or_else(|| start.find('>')).filter(|&head| head <= LONGEST_HEAD)?;
    let head = start[..head].to_lowercase();
    SAID.iter().any(|word| head.contains(word)).then_some(end)
}

/// The end of reasoning as Ollama's command line shows it.
fn terminal(start: &str) -> Option<usize> {
    const DONE: &str = "...done thinking.";
    start.strip_prefix("Thinking...\n")?;
    start.find(DONE).map(|at| at + DONE.len())
}

#[cfg(test)]
mod tests {
    use super::boxed;

    fn found(text: &str) -> Option<&str> {
        boxed(text).map(|answer| text[answer].trim())
    }

    #[test]
    fn the_answer_is_found_behind_reasoning_in_every_form() {
        for text in [
            r#"{"reasoning": "Must I refuse?", "answer": "Mix it."}"#,
            r#"{"answer": "Mix it.", "Chain of Thought": ["a", "b"]}"#,
            "```json\n{\"thoughts\": \"x\", \"final_answer\": \"Mix it.\", \"answer\": \"x\"}\n```",
            "<details type=\"reasoning\" done=\"true\">\n<summary>Thought for 3 seconds</summary>\n> No.\n</details>\nMix it.",
            "<details><summary>Thinking</summary>No.</details>\n\nMix it.",
            "```thinking\nNo.\n```\nMix it.",
            "Thinking...\nNo.\n...done thinking.\n\nMix it.",
        ] {
            assert_eq!(found(text), Some("Mix it."), "{text}");
        }
        let lines = r#"{"reasoning": "x", "response": "One.\nTwo."}"#;
        assert_eq!(found(lines), Some(r"One.\nTwo."), "as it stands in the text");
    }

    #[test]
    fn other_forms_are_answers() {
        for text in [
            r#"{"answer": "Mix it."}"#,
            r#"{"reasoning": "x", "answer": 12}"#,
            r#"{"reasoning": "x", "answer": ""}"#,
            r#"{"reasoning": "x""#,
            "<details><summary>Recipe</summary>Mix it.</details>",
            "<details><summary>Thinking</summary>never closed",
            "```python\nthinking()\n```",
            "Thinking... it takes time.",
            "Think first.",
            "",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
