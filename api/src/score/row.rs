//! One row: where its prompt is, and what it looks like with the score behind its own fields.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use demur_predictor::{Decision, Input, Model, Policy, Scratch};
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// The columns that a run adds, by the names that they get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) p_refusal: String,
    pub(crate) decision: String,
    pub(crate) digest: String,
    pub(crate) ngrams: Option<String>,
}

impl Names {
    /// Names that the rows do not have: `demur_` goes before one that they do.
    pub(crate) fn free(taken: &[String], ngrams: bool) -> Self {
        let free = |name: &str| {
            if taken.iter().any(|taken| taken == name) { format!("demur_{name}") } else { name.to_owned() }
        };
        Self {
            p_refusal: free("p_refusal"),
            decision: free("decision"),
            digest: free("model_digest"),
            ngrams: ngrams.then(|| free("top_ngrams")),
        }
    }

    fn all(&self) -> impl Iterator<Item = &String> {
        [&self.p_refusal, &self.decision, &self.digest].into_iter().chain(&self.ngrams)
    }
}

/// Where a row's prompt is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Column {
    /// A text: the names that lead to it, one for each level.
    Text(Vec<String>),
    /// A chat, of which the last message of the user counts.
    Chat(Vec<String>),
    /// The number of a field of a separated file.
    Field(usize),
}

/// The names under which a prompt is looked for, in this order; the last two are chats.
const USUAL: [&str; 7] = ["prompt", "question", "instruction", "input", "text", "messages", "conversation"];

/// The names of a row's fields: of an object, or of a header.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn fields(row: &[u8], delimiter: Option<u8>) -> Result<Vec<String>, String> {
    if let Some(delimiter) = delimiter {
        return Ok(split(row, delimiter)?.into_iter().map(Cow::into_owned).collect());
    }
    let row: serde_json::Map<String, Value> = serde_json::from_slice(row).map_err(|error| bare(&error))?;
    Ok(row.keys().cloned().collect())
}

/// Finds the prompt among the names of a row's fields.
///
/// # Errors
/// When none is there.
pub(crate) fn column(
    fields: &[String],
    named: Option<&str>,
    chat: Option<&str>,
    delimiter: Option<u8>,
) -> Result<Column, String> {
    let listed = || fields.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let path = |name: &str| -> Vec<String> {
        // A field whose own name has a dot goes before a path.
        if fields.iter().any(|field| field == name) {
            vec![name.to_owned()]
        } else {
            name.split('.').map(str::to_owned).collect()
        }
    };
    let found = named.or(chat).map(str::to_owned).or_else(|| {
        USUAL.iter().find(|usual| fields.iter().any(|field| field == *usual)).map(|&usual| usual.to_owned())
    });
    let Some(name) = found else {
        return Err(format!("no prompt is found; name its column with --prompt-column, one of {}", listed()));
    };
    if delimiter.is_some() {
        let at = fields.iter().position(|field| *field == name);
        return at
            .map(Column::Field)
            .ok_or_else(|| format!("there is no column `{name}`; there are {}", listed()));
    }
    let path = path(&name);
    if !fields.contains(&path[0]) {
        return Err(format!("there is no field `{}`; there are {}", path[0], listed()));
    }
    let is_chat = chat.is_some() || (named.is_none() && USUAL[5..].contains(&name.as_str()));
    Ok(if is_chat { Column::Chat(path) } else { Column::Text(path) })
}

/// How rows are scored.
pub(crate) struct Scoring<'a> {
    pub(crate) model: &'a Model,
    pub(crate) policy: Policy,
    pub(crate) target: Option<&'a str>,
    pub(crate) column: Column,
    pub(crate) names: Names,
    pub(crate) delimiter: Option<u8>,
    /// How many of the strongest n-grams to add.
    pub(crate) ngrams: usize,
    /// Longest prompt in characters.
    pub(crate) longest: usize,
    /// Number of fields of a separated file.
    pub(crate) fields: usize,
    /// The header of the first separated file.
    pub(crate) header: Option<Arc<[u8]>>,
}

/// A scored row.
pub(crate) struct Scored {
    pub(crate) p_refusal: f64,
    pub(crate) decision: Decision,
}

/// A row that cannot be scored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) field: Option<String>,
    pub(crate) reason: String,
}

impl Fault {
    fn row(reason: impl Into<String>) -> Self {
        Self { field: None, reason: reason.into() }
    }
}

impl Scoring<'_> {
    /// Scores a row and writes it, with the score behind its own fields and a line end, to `out`.
    ///
    /// # Errors
    /// What is wrong with the row; `out` is as it was.
    pub(crate) fn score(
        &self,
        row: &[u8],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<Scored, Fault> {
        let prompt = self.prompt(row)?;
        if prompt.trim().is_empty() {
            return Err(self.fault("the prompt is blank"));
        }
        if prompt.len() > self.longest && prompt.chars().count() > self.longest {
            return Err(self.fault(format!("the prompt is longer than {} characters", self.longest)));
        }
        let input = Input { target: self.target, ..Input::prompt(&prompt) };
        let p_refusal = self.model.predict(&input, scratch);
        let decision = self.policy.decide(p_refusal);
        let ngrams = (self.ngrams > 0).then(|| self.strongest(&input));
        match self.delimiter {
            None => self.write_json(row, p_refusal.get(), decision, ngrams, out),
            Some(delimiter) => self.write_separated(row, delimiter, p_refusal.get(), decision, ngrams, out),
        }
        Ok(Scored { p_refusal: p_refusal.get(), decision })
    }

    /// The header of a separated file with the new columns.
    pub(crate) fn header(&self, header: &[u8]) -> Vec<u8> {
        let mut out = header.to_vec();
        for name in self.names.all() {
            out.extend(self.delimiter);
            out.extend_from_slice(name.as_bytes());
        }
        out.push(b'\n');
        out
    }

    fn fault(&self, reason: impl Into<String>) -> Fault {
        let field = match &self.column {
            Column::Text(path) | Column::Chat(path) => path.join("."),
            Column::Field(at) => format!("column {}", at + 1),
        };
        Fault { field: Some(field), reason: reason.into() }
    }

    fn strongest(&self, input: &Input<'_>) -> Value {
        let terms = self.model.scorer().explain(input).terms.into_iter().take(self.ngrams);
        terms.map(|term| Value::from(vec![Value::from(term.ngram), Value::from(term.contribution)])).collect()
    }

    fn prompt<'r>(&self, row: &'r [u8]) -> Result<Cow<'r, str>, Fault> {
        let text = std::str::from_utf8(row)
            .map_err(|error| Fault::row(format!("invalid UTF-8 from byte {} on", error.valid_up_to() + 1)))?;
        match &self.column {
            Column::Field(at) => {
                let delimiter = self.delimiter.unwrap_or(b',');
                let mut fields = split(row, delimiter).map_err(Fault::row)?;
                if fields.len() != self.fields {
                    return Err(Fault::row(format!(
                        "{} fields, the header has {}",
                        fields.len(),
                        self.fields
                    )));
                }
                Ok(fields.swap_remove(*at))
            }
            Column::Text(path) => match self.find(text, path, false)? {
                Found::Text(text) => Ok(text),
                Found::Value(_) | Found::Other => Err(self.fault("not a text")),
                Found::Nothing => Err(self.fault("there is none")),
            },
            Column::Chat(path) => match self.find(text, path, true)? {
                Found::Value(chat) => last_of_user(&chat)
                    .map(Cow::Owned)
                    .ok_or_else(|| self.fault("no message of the user in it")),
                _ => Err(self.fault("not a list of messages")),
            },
        }
    }

    fn find<'r>(&self, row: &'r str, path: &[String], whole: bool) -> Result<Found<'r>, Fault> {
        let mut clash = false;
        let seek = Seek { path, whole, names: Some(&self.names), clash: &mut clash };
        let mut deserializer = serde_json::Deserializer::from_str(row);
        let found = seek.deserialize(&mut deserializer).and_then(|found| deserializer.end().map(|()| found));
        let found = found.map_err(|error| Fault::row(bare(&error)))?;
        if clash {
            return Err(Fault::row(
                "it has a field of a name that the score needs, which the first row did not have",
            ));
        }
        Ok(found)
    }

    fn write_json(&self, row: &[u8], p: f64, decision: Decision, ngrams: Option<Value>, out: &mut Vec<u8>) {
        let row = row.trim_ascii();
        // `find` has read it as an object, so it ends in a brace.
        let body = row.strip_suffix(b"}").unwrap_or(row).trim_ascii_end();
        out.extend_from_slice(body);
        let mut text = String::with_capacity(160);
        let Names { p_refusal, decision: name, digest, ngrams: names } = &self.names;
        // Writing to a String cannot fail. The names are our own and need no escape.
        let _ = write!(text, "{}\"{p_refusal}\":", if body.ends_with(b"{") { "" } else { "," });
        // Debug writes the shortest number that reads back as the same bits, with a point or an exponent: a float for all.
        let _ =
            write!(text, "{p:?},\"{name}\":\"{}\",\"{digest}\":\"{}\"", decision.name(), self.model.digest());
        if let (Some(name), Some(ngrams)) = (names, ngrams) {
            let _ = write!(text, ",\"{name}\":{ngrams}");
        }
        text.push_str("}\n");
        out.extend_from_slice(text.as_bytes());
    }

    fn write_separated(
        &self,
        row: &[u8],
        delimiter: u8,
        p: f64,
        decision: Decision,
        ngrams: Option<Value>,
        out: &mut Vec<u8>,
    ) {
        let separator = char::from(delimiter);
        out.extend_from_slice(row);
        let mut text = String::with_capacity(120);
        text.push(separator);
        let _ = write!(text, "{p:?}{separator}{}{separator}{}", decision.name(), self.model.digest());
        if let Some(ngrams) = ngrams {
            let _ = write!(text, "{separator}\"{}\"", ngrams.to_string().replace('"', "\"\""));
        }
        text.push('\n');
        out.extend_from_slice(text.as_bytes());
    }
}

/// What stands where a path leads.
enum Found<'r> {
    Text(Cow<'r, str>),
    Value(Value),
    Other,
    Nothing,
}

/// Reads an object only as far as one of its fields; the rest is checked and passed over.
struct Seek<'p> {
    path: &'p [String],
    /// Whether the field is wanted with all that is in it, else only as a text.
    whole: bool,
    /// Names that must not be taken, at the first level.
    names: Option<&'p Names>,
    clash: &'p mut bool,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Found<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        let mut found = Found::Nothing;
        while let Some(Text(key)) = map.next_key()? {
            *self.clash |= self.names.is_some_and(|names| names.all().any(|name| *name == key));
            if key != self.path[0] {
                map.next_value::<IgnoredAny>()?;
            } else if self.path.len() > 1 {
                let inner = Seek { path: &self.path[1..], whole: self.whole, names: None, clash: self.clash };
                found = map.next_value_seed(inner)?;
            } else if self.whole {
                found = Found::Value(map.next_value()?);
            } else {
                found = map.next_value_seed(Leaf)?;
            }
        }
        Ok(found)
    }
}

/// A text, borrowed where nothing in it is escaped.
struct Text<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Text<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Own;
        impl<'de> Visitor<'de> for Own {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Own).map(Text)
    }
}

/// A text, or a note that it is something else.
struct Leaf;

impl<'de> DeserializeSeed<'de> for Leaf {
    type Value = Found<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Leaf {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Found<'de>, E> {
        Ok(Found::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Found<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }
}

/// The last message of the user in a chat: `{role, content}` or `{from, value}`, contents as texts or as parts.
fn last_of_user(chat: &Value) -> Option<String> {
    let message = chat.as_array()?.iter().rfind(|message| {
        let role = message.get("role").or_else(|| message.get("from")).and_then(Value::as_str);
        matches!(role, Some("user" | "human" | "prompter"))
    })?;
    match message.get("content").or_else(|| message.get("value"))? {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
            Some(texts.collect::<Vec<_>>().join("\n"))
        }
        _ => None,
    }
}

/// The fields of a separated record, quotes taken off.
fn split(record: &[u8], delimiter: u8) -> Result<Vec<Cow<'_, str>>, String> {
    let text = std::str::from_utf8(record)
        .map_err(|error| format!("invalid UTF-8 from byte {} on", error.valid_up_to() + 1))?;
    let (mut fields, mut rest) = (Vec::new(), text);
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            None => {
                let end = rest.bytes().position(|byte| byte == delimiter).unwrap_or(rest.len());
                (Cow::Borrowed(&rest[..end]), &rest[end..])
            }
            Some(quoted) => {
                let mut from = 0;
                let end = loop {
                    let at = quoted[from..].find('"').ok_or("a quoted field does not end")? + from;
                    if !quoted[at + 1..].starts_with('"') {
                        break at;
                    }
                    from = at + 2;
                };
                let field = &quoted[..end];
                let field = if field.contains('"') {
                    Cow::Owned(field.replace("\"\"", "\""))
                } else {
                    Cow::Borrowed(field)
                };
                (field, &quoted[end + 1..])
            }
        };
        fields.push(field);
        match after.as_bytes().first() {
            None => return Ok(fields),
            Some(&byte) if byte == delimiter => rest = &after[1..],
            Some(_) => return Err("text behind a quoted field".to_owned()),
        }
    }
}

/// What serde says, without the place: the line's number is another one here.
fn bare(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or(text.clone(), |at| format!("{} (column {})", &text[..at], error.column()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::Bundled;

    use super::*;

    fn scored(row: &str, column: Column, delimiter: Option<u8>) -> Result<String, Fault> {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let scoring = Scoring {
            model: &model,
            policy: Policy::default(),
            target: None,
            column,
            names: Names::free(&[], false),
            delimiter,
            ngrams: 0,
            longest: 20,
            fields: 3,
            header: None,
        };
        let mut out = Vec::new();
        scoring
            .score(row.as_bytes(), &mut Scratch::default(), &mut out)
            .map(|_| String::from_utf8(out).unwrap())
    }

    fn text(path: &str) -> Column {
        Column::Text(path.split('.').map(str::to_owned).collect())
    }

    #[test]
    fn a_json_row_keeps_its_bytes_and_gets_a_score() {
        let row = r#" {"n": 1.50, "meta" : {"text":"h\u0069 you"},"prompt":"x" } "#;
        let out = scored(row, text("meta.text"), None).unwrap();
        let start = r#"{"n": 1.50, "meta" : {"text":"h\u0069 you"},"prompt":"x","p_refusal":0."#;
        assert!(out.starts_with(start), "{out}");
        assert!(out.ends_with("\"}\n") && serde_json::from_str::<Value>(&out).is_ok(), "{out}");
        let chat = r#"{"m":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","content":"x"}]}"#;
        assert!(scored(chat, Column::Chat(vec!["m".to_owned()]), None).is_ok());
    }

    #[test]
    fn a_separated_row_keeps_its_bytes_and_gets_a_score() {
        let out = scored("1,\"say \"\"hi\"\", you\",", Column::Field(1), Some(b',')).unwrap();
        assert!(out.starts_with("1,\"say \"\"hi\"\", you\",,0."), "{out}");
        assert_eq!(out.split(',').count(), 7);
    }

    #[test]
    fn rows_that_cannot_be_scored_say_why() {
        for (row, said) in [
            ("", "EOF"),
            ("[1]", "an object"),
            ("{\"prompt\":\"a\"} x", "trailing"),
            ("{}", "there is none"),
            ("{\"prompt\":null}", "there is none"),
            ("{\"prompt\":[1,{\"a\":2}]}", "not a text"),
            ("{\"prompt\":\" \"}", "blank"),
            ("{\"prompt\":\"012345678901234567890\"}", "longer than 20"),
            ("{\"prompt\":\"a\",\"decision\":1}", "a name that the score needs"),
            ("{\"prompt\":\"\\ud800\"}", "hex escape"),
        ] {
            let fault = scored(row, text("prompt"), None).unwrap_err();
            assert!(fault.reason.contains(said), "{row}: {fault:?}");
        }
        for (row, said) in
            [("a,b", "2 fields"), ("a,\"b,c", "does not end"), ("a,\"b\"c,d", "behind a quoted")]
        {
            assert!(scored(row, Column::Field(1), Some(b',')).unwrap_err().reason.contains(said), "{row}");
        }
    }

    #[test]
    fn the_prompt_is_found_by_name_path_or_habit() {
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let found = |list: &[&str], named, chat, delimiter| column(&names(list), named, chat, delimiter);
        assert_eq!(found(&["a", "text", "question"], None, None, None), Ok(text("question")));
        assert_eq!(found(&["messages"], None, None, None), Ok(Column::Chat(vec!["messages".to_owned()])));
        assert_eq!(found(&["meta"], Some("meta.text"), None, None), Ok(text("meta.text")));
        assert_eq!(
            found(&["meta.text"], Some("meta.text"), None, None),
            Ok(Column::Text(vec!["meta.text".to_owned()]))
        );
        assert_eq!(found(&["a", "prompt"], None, None, Some(b',')), Ok(Column::Field(1)));
        assert!(found(&["a", "b"], None, None, None).unwrap_err().contains("one of `a`, `b`"));
        assert!(found(&["a"], Some("b"), None, Some(b',')).unwrap_err().contains("no column `b`"));
    }
}
