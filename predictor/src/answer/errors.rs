//! What an error means that came instead of an answer: a refusal if it is about the content, else no answer.
//! The same for what filters say.

use std::borrow::Cow;

use serde_json::Value;

use crate::answer::literal::literal;
use crate::answer::signs::{Meaning, Sign, Tables, fold_name};

/// Fields that repeat the request. What the user wrote is no sign.
const OF_REQUEST: [&str; 8] =
    ["input", "prompt", "messages", "request", "body", "requestbody", "optionalparams", "user"];
/// Errors within errors are read to this depth.
const DEEPEST: usize = 16;
/// How many words behind the name of a field its value stands: `finish_reason is 3 (SAFETY)`.
const NEAR: usize = 3;

/// What was found in an error, the strongest evidence first.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Evidence {
    value: Option<Meaning>,
    /// A value that is only advice.
    advice: Option<Meaning>,
    sentence: Option<Meaning>,
    /// A value that is a number: a status says little beside a sentence.
    status: Option<Meaning>,
    exception: Option<Meaning>,
}

impl Evidence {
    /// Whether an error is about the content: a refusal. Any other, also one that no rule knows, is no
    /// answer.
    pub(crate) fn refuses(self) -> bool {
        self.known() == Some(Meaning::Refused)
    }

    /// What an error means, if a rule knows it: a refusal or no answer.
    pub(crate) fn known(self) -> Option<Meaning> {
        // An exception that names the content is stronger than what is said beside it.
        let refused = self.exception.filter(|&means| means == Meaning::Refused);
        let found = [refused, self.value, self.advice, self.sentence, self.status, self.exception];
        found.into_iter().flatten().find(|means| matches!(means, Meaning::Refused | Meaning::NoAnswer))
    }

    /// What filters say; a text that is there weighs more than advice.
    pub(crate) fn of_filters(self, has_text: bool) -> Option<Meaning> {
        self.value.or(self.advice.filter(|_| !has_text))
    }
}

/// Keeps the stronger of two meanings: a refusal, then no answer.
fn stronger(kept: &mut Option<Meaning>, found: Meaning) {
    let rank = |means| match means {
        Meaning::Refused => 3,
        Meaning::NoAnswer => 2,
        Meaning::Complied => 1,
        Meaning::Nothing => 0,
    };
    if kept.is_none_or(|kept| rank(found) > rank(kept)) {
        *kept = Some(found);
    }
}

/// Reads an error's body or text.
pub(crate) fn evidence(error: &Value, tables: Tables<'_>) -> Evidence {
    let mut reader = Reader { tables, found: Evidence::default(), sentences: true };
    reader.value(&Standing::TOP, error, 0);
    reader.found
}

/// Reads what filters say: fields alone, because their sentences explain and do not decide.
pub(crate) fn evidence_of_filters(filters: &Value, tables: Tables<'_>) -> Evidence {
    let mut reader = Reader { tables, found: Evidence::default(), sentences: false };
    reader.value(&Standing::TOP, filters, 0);
    reader.found
}

/// Reads an error's text: values behind the names of fields, sentences, names of exceptions, and an object
/// within it.
pub(crate) fn evidence_of_text(text: &str, tables: Tables<'_>) -> Evidence {
    let mut reader = Reader { tables, found: Evidence::default(), sentences: true };
    reader.text(text, 0);
    reader.found
}

/// Where a value stands: the name of its field and that of the object around it, both folded. They are handed
/// on as one, by reference: as two texts among the arguments of a function that calls itself, an optimised
/// build of rustc 1.95 gives every object the empty name (the test `names_within_an_object_are_told_apart`).
#[derive(Clone, Copy)]
struct Standing<'n> {
    parent: &'n str,
    name: &'n str,
}

impl Standing<'_> {
    const TOP: Self = Self { parent: "", name: "" };
}

struct Reader<'a> {
    tables: Tables<'a>,
    found: Evidence,
    /// Whether sentences count.
    sentences: bool,
}

impl Reader<'_> {
    fn value(&mut self, at: &Standing<'_>, value: &Value, depth: usize) {
        if depth > DEEPEST || OF_REQUEST.contains(&at.name) && !matches!(value, Value::Object(_)) {
            return;
        }
        if let Some(sign) = self.tables.value(at.parent, at.name, value) {
            self.keep(sign, is_number(value));
        }
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    self.value(&Standing { parent: at.name, name: &fold_name(key) }, value, depth + 1);
                }
            }
            Value::Array(values) => {
                for value in values {
                    self.value(at, value, depth + 1);
                }
            }
            Value::String(text) if self.sentences => self.text(text, depth + 1),
            _ => {}
        }
    }

    fn keep(&mut self, sign: Sign, is_number: bool) {
        let kept = match sign {
            Sign { advice: true, .. } => &mut self.found.advice,
            _ if is_number => &mut self.found.status,
            _ => &mut self.found.value,
        };
        stronger(kept, sign.means);
    }

    fn text(&mut self, text: &str, depth: usize) {
        let start = text.find(['{', '[']);
        if let Some(start) = start.filter(|_| depth <= DEEPEST)
            && let Some((value, _)) = literal(&text[start..])
        {
            self.value(&Standing::TOP, &value, depth + 1);
        }
        if let Some(means) = self.tables.sentence(text) {
            stronger(&mut self.found.sentence, means);
        }
        let is_within = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
        let text = without_links(text);
        let words = text.split(|c| !is_within(c)).map(|word| word.trim_matches(['.', '-']));
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        for (at, word) in words.iter().enumerate() {
            if let Some(means) = self.tables.exception(word) {
                stronger(&mut self.found.exception, means);
            }
            self.named(word, &words[at + 1..]);
        }
    }

    /// Reads the value of a field that a text names: `finish_reason is 3 (SAFETY)`, `code: content_filter`.
    fn named(&mut self, word: &str, rest: &[&str]) {
        let name = fold_name(word.rsplit('.').next().unwrap_or_default());
        if !self.tables.knows(&name) {
            return;
        }
        // `code` and `type` are words of any sentence too, so only the next word is a value of theirs.
        let near = if name.ends_with("reason") && name.len() > 6 { NEAR } else { 1 };
        for word in rest.iter().take(near) {
            let value = Value::String((*word).to_owned());
            // Whatever stands behind the name is a value only if it is written like one.
            let is_value = word.contains('_') || !word.contains(|c: char| c.is_lowercase());
            let sign = self.tables.value("", &name, &value);
            if let Some(sign) = sign.filter(|_| is_value || !matches!(*word, "is" | "was" | "not" | "of")) {
                self.keep(sign, is_number(&value));
            }
        }
    }
}

/// A text without the addresses of links in Markdown: `[finish_reason](https://...) is 4`.
fn without_links(text: &str) -> Cow<'_, str> {
    if !text.contains("](http") {
        return Cow::Borrowed(text);
    }
    let mut pieces = text.split("](http");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        out.push_str(piece.split_once(')').map_or("", |(_, rest)| rest));
    }
    Cow::Owned(out)
}

fn is_number(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}
