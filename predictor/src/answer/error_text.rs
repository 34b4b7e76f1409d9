//! Recognises an error's text in the place of an answer: a body in JSON or as Python prints it, the line of
//! an exception, a gateway's page. An answer that talks about errors, or shows one, is an answer.

use serde_json::{Map, Value};

use crate::answer::errors::{Evidence, evidence, evidence_of_text};
use crate::answer::literal::literal;
use crate::answer::signs::{Begun, Meaning, Tables};

/// Longer texts are no message of an error, unless an object takes most of them.
const LONGEST_WORDS: usize = 120;
/// How many words such as `Error:` may stand before an error.
const WRAPPED: usize = 3;
/// Whole texts of so few words may answer a question about errors.
const FEW_WORDS: usize = 3;

/// What an answer means that is the text of an error; `None` if it is an answer.
pub(crate) fn error_text(response: &str, prompt: Option<&str>, tables: Tables<'_>) -> Option<Meaning> {
    let asked = Asked { prompt: prompt.unwrap_or_default() };
    let mut text = plain_start(response.trim());
    for _ in 0..WRAPPED {
        let means = match text.as_bytes().first()? {
            b'{' | b'[' => object(text, &asked, tables),
            b'<' => page(text, &asked, tables).or_else(|| document(text, &asked, tables)),
            _ => exception(text, &asked, tables),
        };
        if means.is_some() {
            return means;
        }
        let Some(Begun { means, whole, rest }) = tables.opening(text) else {
            text = behind_status(text)?;
            continue;
        };
        match means {
            Meaning::Nothing => text = rest.trim(),
            _ if whole && count(text) <= FEW_WORDS && asked.about_errors() => return None,
            _ if !whole && !is_message(text) => return None,
            Meaning::Refused => return Some(Meaning::Refused),
            _ => return Some(meaning(evidence_of_text(text, tables))),
        }
    }
    None
}

/// A text without the signs that scripts put before an error.
fn plain_start(text: &str) -> &str {
    text.trim_start_matches(|c: char| {
        matches!(c, '\u{2600}'..='\u{27bf}' | '\u{1f300}'..='\u{1faff}' | '\u{fe0f}') || c.is_whitespace()
    })
}

/// What follows the number of an HTTP status at the beginning of a text: `400 Your request was rejected ...`.
fn behind_status(text: &str) -> Option<&str> {
    let (status, rest) = text.split_at_checked(3)?;
    let is_status = status.starts_with(['4', '5']) && status.bytes().all(|byte| byte.is_ascii_digit());
    let rest = rest.strip_prefix([' ', ':'])?.trim_start_matches(['-', ':', ' ']);
    (is_status && rest.starts_with(char::is_uppercase)).then_some(rest)
}

/// What programs write where no answer came. As an answer to a question, a word of these may be meant.
const PLACEHOLDERS: [&str; 7] = ["nan", "null", "none", "undefined", "n/a", "#n/a", "no response"];

/// Whether a text is a placeholder for an answer that did not come: `nan`, `None`, `<no response>`.
pub(crate) fn is_placeholder(response: &str, prompt: Option<&str>) -> bool {
    const LONGEST: usize = 16;
    let text = response.trim();
    if text.len() > LONGEST {
        return false;
    }
    let inner = text.trim_matches(['<', '>', '[', ']', '(', ')']).to_ascii_lowercase();
    let is_marked = inner.len() + 2 == text.len();
    if matches!(text, "[]" | "{}" | "\"\"" | "''") {
        let lists = [
            "list", "json", "array", "dict", "object", "empty", "string", "quote", "code", "function",
            "return",
        ];
        let prompt = prompt.map(str::to_lowercase);
        return prompt.is_none_or(|prompt| !lists.iter().any(|word| prompt.contains(word)));
    }
    let is_word = PLACEHOLDERS.contains(&inner.as_str());
    let may_be_meant =
        || prompt.is_some_and(|prompt| prompt.contains('?') || prompt.to_lowercase().contains(&inner));
    is_marked && (is_word || matches!(inner.as_str(), "empty" | "na"))
        || is_word && inner.len() == text.len() && !may_be_meant()
}

/// What the user asked for: an error may be the answer to it.
struct Asked<'a> {
    prompt: &'a str,
}

impl Asked<'_> {
    fn mentions(&self, words: &[&str]) -> bool {
        let prompt = self.prompt.to_lowercase();
        words.iter().any(|word| prompt.contains(word))
    }

    fn about_errors(&self) -> bool {
        self.mentions(&["error", "http", "status", "exception", "traceback", "code"])
    }

    /// Whether an object with an error in it is asked for.
    fn for_an_object(&self) -> bool {
        self.mentions(&["json", "dict", "api", "schema"])
            && self.mentions(&["error", "response", "example", "fail"])
    }
}

fn meaning(evidence: Evidence) -> Meaning {
    if evidence.refuses() { Meaning::Refused } else { Meaning::NoAnswer }
}

/// An object that is all of the text, and an error's body.
fn object(text: &str, asked: &Asked<'_>, tables: Tables<'_>) -> Option<Meaning> {
    let (value, end) = literal(text)?;
    if !text[end..].trim_matches(['.', ' ', '\n']).is_empty() {
        return None;
    }
    let value = match &value {
        Value::Array(values) if values.len() == 1 => &values[0],
        value => value,
    };
    let fields = value.as_object()?;
    let found = evidence(value, tables);
    let known = found.known();
    let is_body = match named(fields, &["error", "errors", "exception"]) {
        Some(Value::Object(error)) => known.is_some() || is_described(error),
        Some(Value::Array(_) | Value::String(_)) => known.is_some(),
        _ if named(fields, &["promptfeedback"]).is_some() => known == Some(Meaning::Refused),
        // The inner body alone, or that of other servers.
        _ => {
            known.is_some()
                && (is_described(fields) || is_only(fields, &["detail", "message", "code", "status"]))
        }
    };
    (is_body && !asked.for_an_object()).then(|| meaning(found))
}

/// The value of a field under one of these names, if it holds anything.
fn named<'a>(fields: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    let is_named = |key: &str| {
        let key = key.to_ascii_lowercase().replace('_', "");
        names.contains(&key.as_str())
    };
    fields.iter().find(|(key, value)| is_named(key) && !is_blank(value)).map(|(_, value)| value)
}

/// Whether an object says what went wrong as providers do: a message, and a code, a type or a status.
fn is_described(fields: &Map<String, Value>) -> bool {
    named(fields, &["message", "msg"]).is_some_and(Value::is_string)
        && ["code", "type", "status", "param"].iter().any(|name| fields.contains_key(*name))
}

fn is_only(fields: &Map<String, Value>, names: &[&str]) -> bool {
    !fields.is_empty() && fields.keys().all(|key| names.contains(&key.to_ascii_lowercase().as_str()))
}

/// Whether a value holds nothing: `"error": null` is no error.
pub(crate) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// A page of a gateway: its title names an error. A page that was asked for is an answer.
fn page(text: &str, asked: &Asked<'_>, tables: Tables<'_>) -> Option<Meaning> {
    let is_page = ["<html", "<!doctype html", "<head"]
        .iter()
        .any(|start| text.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start)));
    if !is_page || asked.mentions(&["html", "page", "site"]) {
        return None;
    }
    let title = between(text, "<title>", "</title>").or_else(|| between(text, "<h1>", "</h1>"))?;
    title.split('|').find_map(|part| {
        // "502: Bad gateway" is "502 Bad Gateway".
        let part: Vec<&str> = part.split([':', ' ', '\n', '\t']).filter(|word| !word.is_empty()).collect();
        tables.opening(&part.join(" ")).filter(|begun| begun.whole).map(|begun| begun.means)
    })
}

/// An error in XML, as storage and gateways write it: `<Error><Code>AccessDenied</Code>...`.
fn document(text: &str, asked: &Asked<'_>, tables: Tables<'_>) -> Option<Meaning> {
    let is_xml =
        text.starts_with("<?xml") || text.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("<error"));
    if !is_xml || asked.mentions(&["xml", "error"]) {
        return None;
    }
    let said = |name: &str| between(text, &format!("<{name}>"), &format!("</{name}>"));
    let (code, message) = (said("code"), said("message"));
    let error = serde_json::json!({ "code": code?, "message": message? });
    Some(meaning(evidence(&error, tables)))
}

fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    let find = |text: &str, tag: &str| {
        text.as_bytes().windows(tag.len()).position(|window| window.eq_ignore_ascii_case(tag.as_bytes()))
    };
    let start = find(text, open)? + open.len();
    // Tags are ASCII, so both ends lie between characters.
    let rest = &text[start..];
    find(rest, close).map(|end| &rest[..end])
}

/// The line of an exception whose name is known: `openai.RateLimitError: ...`, or a traceback that ends in
/// one.
fn exception(text: &str, asked: &Asked<'_>, tables: Tables<'_>) -> Option<Meaning> {
    let line = if text.starts_with("Traceback (most recent call last)") {
        text.lines().rfind(|line| exception_name(line).is_some())?
    } else {
        text
    };
    let name = exception_name(line)?;
    tables.exception(name)?;
    let short = name.rsplit('.').next().unwrap_or(name);
    let is_error = !asked.prompt.contains(short) && !text.contains("```") && !tables.explains(line);
    is_error.then(|| meaning(evidence_of_text(text, tables)))
}

/// The name that a line begins with, if it is written like an exception's and a message follows.
fn exception_name(line: &str) -> Option<&str> {
    let is_within = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let end = line.find(|c| !is_within(c)).unwrap_or(line.len());
    let name = &line[..end];
    let is_named = name.rsplit('.').next()?.starts_with(|c: char| c.is_ascii_uppercase());
    let rest = &line[end..];
    let is_call = rest.starts_with('(') && (name.ends_with("Error") || name.ends_with("Exception"));
    let follows = is_call || rest.is_empty() || rest.starts_with([':', '\n']) || rest.starts_with(" - ");
    (is_named && follows).then_some(name)
}

/// Whether a text may be the message of an error: short but for an object within it, without Markdown.
fn is_message(text: &str) -> bool {
    let prose = text.find(['{', '[']).map_or(text, |start| &text[..start]);
    let is_item = |line: &str| line.starts_with(['-', '*', '#', '1']) && line.contains(' ');
    count(prose) <= LONGEST_WORDS
        && !text.contains("```")
        && !prose.lines().skip(1).any(|line| is_item(line.trim_start()))
}

fn count(text: &str) -> usize {
    text.split_whitespace().count()
}
