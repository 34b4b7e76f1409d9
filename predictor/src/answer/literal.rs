//! Reads an object that stands in a text as JSON, or as Python or JavaScript prints it, `{'error': None}`,
//! complete or cut off.

use std::iter::Peekable;
use std::str::CharIndices;

use serde_json::{Map, Value};

/// Deeper values are read as null.
const DEEPEST: usize = 32;

/// The object or list that a text begins with, and the number of bytes that it takes. What is missing at the
/// end of a text that is cut off is left out; `None` if the text begins with something else.
pub(crate) fn literal(text: &str) -> Option<(Value, usize)> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let mut reader = Reader { text, chars: text.char_indices().peekable() };
    let value = reader.value(0)?;
    let end = reader.at();
    Some((value, end))
}

struct Reader<'t> {
    text: &'t str,
    chars: Peekable<CharIndices<'t>>,
}

impl Reader<'_> {
    fn at(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |&(at, _)| at)
    }

    fn peek(&mut self) -> Option<char> {
        while self.chars.next_if(|(_, c)| c.is_whitespace()).is_some() {}
        self.chars.peek().map(|&(_, c)| c)
    }

    fn take(&mut self, wanted: char) -> bool {
        self.peek() == Some(wanted) && self.chars.next().is_some()
    }

    /// A value; `None` where none can begin.
    fn value(&mut self, depth: usize) -> Option<Value> {
        match self.peek()? {
            _ if depth > DEEPEST => None,
            '{' => {
                self.chars.next();
                self.object(depth)
            }
            '[' | '(' => {
                self.chars.next();
                self.list(depth)
            }
            '"' | '\'' => self.quoted().map(Value::String),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        let mut fields = Map::new();
        loop {
            match self.peek() {
                None => break,
                Some('}') => {
                    self.chars.next();
                    break;
                }
                Some(',') => {
                    self.chars.next();
                }
                Some(first) if matches!(first, '"' | '\'' | '_') || first.is_ascii_alphabetic() => {
                    let key = if matches!(first, '"' | '\'') { self.quoted()? } else { self.name() };
                    if !self.take(':') {
                        // Cut off behind the key, or no object at all.
                        return self.peek().is_none().then_some(Value::Object(fields));
                    }
                    match self.value(depth + 1) {
                        Some(value) => drop(fields.insert(key, value)),
                        None if self.peek().is_none() => break,
                        None => return None,
                    }
                }
                Some(_) => return None,
            }
        }
        Some(Value::Object(fields))
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        let mut values = Vec::new();
        loop {
            match self.peek() {
                None => break,
                Some(']' | ')') => {
                    self.chars.next();
                    break;
                }
                Some(',') => {
                    self.chars.next();
                }
                Some(_) => match self.value(depth + 1) {
                    Some(value) => values.push(value),
                    None if self.peek().is_none() => break,
                    None => return None,
                },
            }
        }
        Some(Value::Array(values))
    }

    /// A name without quotation marks, as JavaScript prints it.
    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some((_, c)) = self.chars.next_if(|(_, c)| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        name
    }

    fn quoted(&mut self) -> Option<String> {
        let (_, mark) = self.chars.next()?;
        let mut out = String::new();
        while let Some((_, c)) = self.chars.next() {
            match c {
                '\\' => self.escaped(&mut out),
                c if c == mark => return Some(out),
                c => out.push(c),
            }
        }
        Some(out)
    }

    fn escaped(&mut self, out: &mut String) {
        let Some((_, c)) = self.chars.next() else { return };
        match c {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' | 'b' | 'f' => out.push(' '),
            'u' => {
                let mut code = 0;
                for _ in 0..4 {
                    let digit = self.chars.next_if(|(_, c)| c.is_ascii_hexdigit());
                    code = code * 16 + digit.and_then(|(_, c)| c.to_digit(16)).unwrap_or(0);
                }
                // Halves of pairs stand in letters that no rule asks for.
                out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
            c => out.push(c),
        }
    }

    /// A number, `true`, `None`; another expression (`<FinishReason.SAFETY: 3>`, `Decimal(1)`) as its text.
    fn word(&mut self) -> Option<Value> {
        let start = self.at();
        while self.chars.next_if(|&(_, c)| !matches!(c, ',' | '}' | ']' | ')' | '\n' | ':' | '{')).is_some() {
        }
        let end = self.at();
        let word = self.text[start..end].trim();
        Some(match word {
            "" => return None,
            "true" | "True" => Value::Bool(true),
            "false" | "False" => Value::Bool(false),
            "null" | "None" | "nan" | "NaN" | "undefined" => Value::Null,
            word => serde_json::from_str(word).unwrap_or_else(|_| Value::String(word.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::literal;

    #[test]
    fn json_and_python_are_read_alike() {
        let wanted =
            json!({"error": {"message": "it's \"so\"", "code": null, "hard": true, "n": [1, 2.5, -3]}});
        for text in [
            "{\"error\": {\"message\": \"it's \\\"so\\\"\", \"code\": null, \"hard\": true, \"n\": [1, 2.5, -3]}}",
            "{'error': {'message': 'it\\'s \"so\"', 'code': None, 'hard': True, 'n': (1, 2.5, -3)}}",
        ] {
            assert_eq!(literal(text), Some((wanted.clone(), text.len())), "{text}");
        }
        let printed = literal("{ error: { code: 'content_filter', status: 400 } }").map(|(value, _)| value);
        assert_eq!(printed, Some(json!({"error": {"code": "content_filter", "status": 400}})));
        assert_eq!(literal("{'a': '\\u00e9\\n'} and more"), Some((json!({"a": "\u{e9}\n"}), 17)));
    }

    #[test]
    fn what_is_cut_off_is_left_out() {
        for (text, wanted) in [
            ("{'error': {'code': 429, 'mess", json!({"error": {"code": 429}})),
            ("{'error': {'code': ", json!({"error": {}})),
            ("[{\"a\": \"b", json!([{"a": "b"}])),
            ("{", json!({})),
        ] {
            assert_eq!(literal(text).map(|(value, _)| value), Some(wanted), "{text}");
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in ["", "a", "{a + b}", "{'a' 'b'}", "{\"a\": }", "\u{2018}{}"] {
            assert_eq!(literal(text), None, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(literal(&deep), None, "no stack is used up");
    }
}
