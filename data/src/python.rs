//! Lists and dictionaries as Python prints them (`[{'role': 'user', 'content': None}]`), which is how pandas
//! writes a chat into a cell of CSV.

use std::iter::Peekable;
use std::str::Chars;

use serde_json::Value;

/// Parses the text of a cell if it is an object or a list, as JSON or as Python prints it.
pub(crate) fn nested(text: &str) -> Option<Value> {
    let value = serde_json::from_str(text).ok().or_else(|| literal(text));
    value.filter(|value: &Value| value.is_array() || value.is_object())
}

/// Parses a list or a dictionary as Python prints it; `None` if the text is no such thing.
fn literal(text: &str) -> Option<Value> {
    if !text.trim_start().starts_with(['[', '{']) {
        return None;
    }
    let mut json = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '\'' | '"' => json.push_str(&Value::String(string(&mut rest, letter)?).to_string()),
            letter if letter.is_alphabetic() => json.push_str(word(&mut rest, letter)?),
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

/// The JSON of a word outside of strings; an exponent of a number is one too.
fn word(rest: &mut Peekable<Chars<'_>>, first: char) -> Option<&'static str> {
    let mut word = String::from(first);
    while let Some(letter) = rest.next_if(|letter| letter.is_alphanumeric()) {
        word.push(letter);
    }
    match word.as_str() {
        "True" => Some("true"),
        "False" => Some("false"),
        "None" | "nan" => Some("null"),
        "e" => Some("e"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::literal;

    #[test]
    fn lists_and_dictionaries_are_read_as_python_prints_them() {
        let text = r#"[{'role': 'user', 'content': "I'm \"here\"\n", 'n': 1e-05, 'ok': True, 'x': None}, {'a': '\xe9\u00e9'}]"#;
        let value = json!([{"role": "user", "content": "I'm \"here\"\n", "n": 1e-5, "ok": true, "x": null}, {"a": "éé"}]);
        assert_eq!(literal(text), Some(value));
        for other in ["plain", "[see 'a']", "{'a': ", "['a]", "[1, 2", "{'a': <object>}", ""] {
            assert_eq!(literal(other), None, "{other}");
        }
    }
}
