//! Lists, dictionaries and objects as Python prints them (`[{'role': 'user', 'content': None}]`,
//! `Message(content='a', refusal=None)`), which is how pandas writes a chat, and scripts an answer, into a
//! cell.

use std::iter::Peekable;
use std::str::Chars;

use serde_json::Value;

/// Parses the text of a cell if it is an object or a list, as JSON or as Python prints it.
pub(crate) fn nested(text: &str) -> Option<Value> {
    let value = serde_json::from_str(text).ok().or_else(|| literal(text));
    value.filter(|value: &Value| value.is_array() || value.is_object())
}

/// The same of a cell that may also hold an object of a client library, as `repr` or `str` prints it.
pub(crate) fn written_object(text: &str) -> Option<Value> {
    if text.starts_with(['{', '[']) {
        return nested(text);
    }
    // `ChatCompletion(id='c', ...)`, or its fields alone: `content='a' additional_kwargs={}`.
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let (name, rest) = text.split_at(text.find(|letter| !is_name(letter))?);
    let is_class = name.starts_with(|first: char| first.is_ascii_uppercase());
    let is_field = name.starts_with(|first: char| first.is_ascii_lowercase());
    if is_class && rest.starts_with('(') && rest.trim_end().ends_with(')') {
        transcribed(text)
    } else if is_field && ["='", "=\""].iter().any(|quoted| rest.starts_with(quoted)) && rest.contains("={") {
        transcribed(&format!("Fields({text})"))
    } else {
        None
    }
}

/// Parses a list or a dictionary as Python prints it; `None` if the text is no such thing.
fn literal(text: &str) -> Option<Value> {
    if text.trim_start().starts_with(['[', '{']) { transcribed(text) } else { None }
}

/// Writes what Python prints as JSON, and parses that. An object of a class is one of its fields.
fn transcribed(text: &str) -> Option<Value> {
    let mut json = String::with_capacity(text.len() + 16);
    // What closes each open bracket.
    let mut open = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '\'' | '"' => json.push_str(&Value::String(string(&mut rest, letter)?).to_string()),
            '(' => {
                open.push(']');
                json.push('[');
            }
            ')' => json.push(open.pop()?),
            letter if letter.is_alphabetic() || letter == '_' => match word(&mut rest, letter) {
                Word::Json(word) => json.push_str(word),
                Word::Class => {
                    open.push('}');
                    json.push('{');
                }
                Word::Field(name) => {
                    // `str` prints the fields of a model without commas.
                    if !json.trim_end().ends_with(['{', ',']) {
                        json.push(',');
                    }
                    json.push_str(&Value::String(name).to_string());
                    json.push(':');
                }
                Word::Other => return None,
            },
            other => json.push(other),
        }
    }
    serde_json::from_str(&json).ok()
}

/// The rest of a string behind its opening quote.
fn string(rest: &mut Peekable<Chars<'_>>, quote: char) -> Option<String> {
    let mut text = String::new();
    loop {
        match rest.next()? {
            end if end == quote => return Some(text),
            '\\' => match rest.next()? {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                'x' => text.push(by_number(rest, 2)?),
                'u' => text.push(by_number(rest, 4)?),
                'U' => text.push(by_number(rest, 8)?),
                letter @ ('\\' | '\'' | '"') => text.push(letter),
                other => text.extend(['\\', other]),
            },
            letter => text.push(letter),
        }
    }
}

fn by_number(rest: &mut Peekable<Chars<'_>>, digits: usize) -> Option<char> {
    let digits: String = rest.by_ref().take(digits).collect();
    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
}

/// A word outside of strings.
enum Word {
    /// A value, or an exponent of a number.
    Json(&'static str),
    /// The name of a class, with the bracket behind it.
    Class,
    /// The name of a field, with the sign behind it.
    Field(String),
    Other,
}

fn word(rest: &mut Peekable<Chars<'_>>, first: char) -> Word {
    let mut word = String::from(first);
    while let Some(letter) = rest.next_if(|letter| letter.is_alphanumeric() || *letter == '_') {
        word.push(letter);
    }
    match word.as_str() {
        "True" => Word::Json("true"),
        "False" => Word::Json("false"),
        "None" | "nan" => Word::Json("null"),
        "e" => Word::Json("e"),
        _ if rest.next_if_eq(&'(').is_some() => Word::Class,
        _ if rest.next_if_eq(&'=').is_some() => Word::Field(word),
        _ => Word::Other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{literal, written_object};

    #[test]
    fn lists_and_dictionaries_are_read_as_python_prints_them() {
        let text = r#"[{'role': 'user', 'content': "I'm \"here\"\n", 'n': 1e-05, 'ok': True, 'x': None}, {'a': '\xe9\u00e9'}]"#;
        let value = json!([{"role": "user", "content": "I'm \"here\"\n", "n": 1e-5, "ok": true, "x": null}, {"a": "éé"}]);
        assert_eq!(literal(text), Some(value));
        for other in ["plain", "[see 'a']", "{'a': ", "['a]", "[1, 2", "{'a': <object>}", "[a(b)]", "[)]", ""]
        {
            assert_eq!(literal(other), None, "{other}");
        }
    }

    #[test]
    fn objects_of_client_libraries_are_read_as_they_are_printed() {
        let wanted = json!({"choices": [{"finish_reason": "stop", "message": {"content": "I can't.", "refusal": null}}]});
        for text in [
            "ChatCompletion(choices=[Choice(finish_reason='stop', message=Message(content=\"I can't.\", refusal=None))])",
            "ChatCompletion(choices=[{'finish_reason': 'stop', 'message': {'content': \"I can't.\", 'refusal': None}}])",
        ] {
            assert_eq!(written_object(text), Some(wanted.clone()), "{text}");
        }
        let printed = "content='No.' additional_kwargs={} response_metadata={'finish_reason': 'stop'}";
        let fields = json!({"content": "No.", "additional_kwargs": {}, "response_metadata": {"finish_reason": "stop"}});
        assert_eq!(written_object(printed), Some(fields));
        for text in
            ["I can't (really) help.", "Sure(ly)", "x = 1", "f(x)", "Sum(a, b)", "a='b'", "print('no')", ""]
        {
            assert_eq!(written_object(text), None, "{text}");
        }
    }
}
