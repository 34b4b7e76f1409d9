//! What providers say beside an answer, or instead of it: a table of fields and values (`signs.toml`), which
//! an operator's file extends.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::phrase::{Phrase, spoken};

/// What a value says of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// The model, a filter or a guardrail refused.
    Refused,
    /// The model called a tool.
    Complied,
    /// There is no answer: out of tokens, cancelled, an outage.
    NoAnswer,
    /// The text decides.
    Nothing,
}

/// A rule of the table, as it is written in a file. `signs.toml` says what the fields mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignRule {
    /// Who says it.
    #[serde(default)]
    pub provider: String,
    /// The names of the field.
    pub field: Vec<String>,
    /// Whole values.
    #[serde(default)]
    pub values: Vec<String>,
    /// Groups of phrases, of each of which one occurs.
    #[serde(default)]
    pub holds: Vec<Vec<String>>,
    /// How a text begins.
    #[serde(default)]
    pub begins: Vec<String>,
    /// Phrases that take the rule back.
    #[serde(default)]
    pub unless: Vec<String>,
    /// What it means.
    pub means: Meaning,
    /// Whether a text that is there is judged nevertheless.
    #[serde(default)]
    pub advice: bool,
    /// Where it is documented.
    #[serde(default)]
    pub source: String,
}

/// What the values of one field mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Field {
    values: HashMap<String, Sign>,
    /// What any other value means.
    any: Option<Sign>,
}

/// A meaning, and whether it is only advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sign {
    pub(crate) means: Meaning,
    pub(crate) advice: bool,
}

/// A rule about sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sentence {
    holds: Vec<Vec<Phrase>>,
    unless: Vec<Phrase>,
    means: Meaning,
}

/// A rule about the beginning of an answer, or all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Opening {
    text: String,
    whole: bool,
    unless: Vec<Phrase>,
    means: Meaning,
}

/// A text that begins as a rule says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun<'t> {
    pub(crate) means: Meaning,
    /// Whether the rule is about the whole text.
    pub(crate) whole: bool,
    pub(crate) rest: &'t str,
}

/// Rules, arranged to be looked up. In files it is the list of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<SignRule>", into = "Vec<SignRule>")]
pub struct SignTable {
    rules: Vec<SignRule>,
    fields: HashMap<String, Field>,
    /// What a finish reason means, under whatever name it came.
    reasons: HashMap<String, Sign>,
    sentences: Vec<Sentence>,
    /// By their first byte, because every answer is compared with them.
    openings: HashMap<u8, Vec<Opening>>,
    /// Phrases of texts that explain an error.
    explains: Vec<Phrase>,
}

/// Fields that hold the reason why an answer ended, folded.
const REASONS: [&str; 7] = [
    "finishreason",
    "stopreason",
    "donereason",
    "nativefinishreason",
    "incompletedetails.reason",
    "finishdetails.type",
    "stopdetails.type",
];
/// Prefixes of enumerations, folded.
const ENUMERATIONS: [&str; 4] = ["finishreason", "blockedreason", "blockreason", "stopreason"];
/// Longer strings are no values.
const LONGEST: usize = 80;

/// The table that comes with the program.
static BUILT_IN: LazyLock<SignTable> = LazyLock::new(|| {
    // The test below parses the same constant: this cannot fail at run time.
    #[allow(clippy::expect_used)]
    let rules = rules(include_str!("signs.toml")).expect("the table of signs is valid");
    #[allow(clippy::expect_used)]
    SignTable::try_from(rules).expect("the table of signs is valid")
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignFile {
    sign: Vec<SignRule>,
}

pub(super) fn rules(text: &str) -> Result<Vec<SignRule>, toml::de::Error> {
    toml::from_str(text).map(|SignFile { sign }| sign)
}

impl TryFrom<Vec<SignRule>> for SignTable {
    type Error = String;

    fn try_from(rules: Vec<SignRule>) -> Result<Self, String> {
        let mut table = Self::default();
        for (at, rule) in rules.iter().enumerate() {
            table
                .add(rule)
                .map_err(|reason| format!("sign {} (field {}): {reason}", at + 1, rule.field.join(", ")))?;
        }
        table.rules = rules;
        Ok(table)
    }
}

impl From<SignTable> for Vec<SignRule> {
    fn from(table: SignTable) -> Self {
        table.rules
    }
}

impl SignTable {
    fn add(&mut self, rule: &SignRule) -> Result<(), String> {
        if rule.field.is_empty() {
            return Err("`field` is empty".to_owned());
        }
        if rule.values.is_empty() && rule.holds.is_empty() && rule.begins.is_empty() {
            return Err("give `values`, `holds` or `begins`".to_owned());
        }
        let phrases =
            |phrases: &[String]| phrases.iter().map(|phrase| Phrase::new(phrase)).collect::<Vec<_>>();
        for name in &rule.field {
            let (holds, begins) = (!rule.holds.is_empty(), !rule.begins.is_empty());
            match name.as_str() {
                "message" if holds => self.sentences.push(Sentence {
                    holds: rule.holds.iter().map(|group| phrases(group)).collect(),
                    unless: phrases(&rule.unless),
                    means: rule.means,
                }),
                "message" => return Err("a `message` takes `holds`".to_owned()),
                "text" => {
                    let texts = rule.values.iter().map(|text| (text, true));
                    for (text, whole) in texts.chain(rule.begins.iter().map(|text| (text, false))) {
                        let (text, unless) = (text.to_lowercase(), phrases(&rule.unless));
                        let Some(&first) = text.as_bytes().first() else { continue };
                        let opening = Opening { text, whole, unless, means: rule.means };
                        self.openings.entry(first).or_default().push(opening);
                    }
                }
                _ if holds || begins => {
                    return Err("`holds` is for `message`, `begins` for `text`".to_owned());
                }
                name => self.add_values(name, rule),
            }
        }
        Ok(())
    }

    fn add_values(&mut self, name: &str, rule: &SignRule) {
        if name == "exception" {
            self.explains.extend(rule.unless.iter().map(|phrase| Phrase::new(phrase)));
        }
        let name = fold_name(name);
        let sign = Sign { means: rule.means, advice: rule.advice };
        for value in &rule.values {
            if value == "*" {
                self.fields.entry(name.clone()).or_default().any = Some(sign);
                continue;
            }
            let value = fold_value(value);
            if REASONS.contains(&name.as_str()) {
                self.reasons.insert(value.clone(), sign);
            }
            self.fields.entry(name.clone()).or_default().values.insert(value, sign);
        }
    }

    fn value(&self, parent: &str, name: &str, value: &str) -> Option<Sign> {
        let nested = || self.fields.get(&format!("{parent}.{name}"));
        let of = |field: &Field| field.values.get(value).copied();
        let any = |field: &Field| field.any.filter(|_| !is_nothing(value));
        let plain = || self.fields.get(name);
        nested()
            .and_then(of)
            .or_else(|| plain().and_then(of))
            .or_else(|| nested().and_then(any))
            .or_else(|| plain().and_then(any))
    }
}

/// The tables that hold for an answer: an operator's goes before the one that comes with the program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tables<'a>([&'a SignTable; 2]);

impl<'a> Tables<'a> {
    pub(crate) fn with(own: &'a SignTable) -> Self {
        Self([own, &BUILT_IN])
    }

    /// What a finish reason means, if it is known.
    pub(crate) fn reason(self, reason: &str) -> Option<Sign> {
        if reason.len() > LONGEST {
            return None;
        }
        let reason = fold_value(reason);
        self.0.iter().find_map(|table| table.reasons.get(&reason).copied())
    }

    /// What the value of a field means; the names are folded.
    pub(crate) fn value(self, parent: &str, name: &str, value: &Value) -> Option<Sign> {
        let value = match value {
            Value::String(text) if text.len() <= LONGEST => fold_value(text),
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::Array(values) if !values.is_empty() => "list".to_owned(),
            Value::Object(fields) if !fields.is_empty() => "object".to_owned(),
            _ => return None,
        };
        self.0.iter().find_map(|table| table.value(parent, name, &value))
    }

    /// What the name of an exception means.
    pub(crate) fn exception(self, name: &str) -> Option<Meaning> {
        if name.len() > LONGEST {
            return None;
        }
        let name = fold_value(name);
        self.0.iter().find_map(|table| table.value("", "exception", &name)).map(|sign| sign.means)
    }

    /// What a sentence of an error means.
    pub(crate) fn sentence(self, text: &str) -> Option<Meaning> {
        let words = spoken(text);
        let holds = |group: &Vec<Phrase>| group.iter().any(|phrase| phrase.is_in(&words));
        let sentences = self.0.iter().flat_map(|table| &table.sentences);
        sentences
            .filter(|rule| {
                rule.holds.iter().all(holds) && !rule.unless.iter().any(|phrase| phrase.is_in(&words))
            })
            .map(|rule| rule.means)
            .next()
    }

    /// The rule about how a text begins that fits it, with the rest of the text.
    pub(crate) fn opening<'t>(self, text: &'t str) -> Option<Begun<'t>> {
        let text = text.trim();
        let first = text.as_bytes().first()?.to_ascii_lowercase();
        let openings = self.0.iter().filter_map(|table| table.openings.get(&first)).flatten();
        let mut words = None;
        openings.into_iter().find_map(|opening| {
            let rest = rest_behind(text, &opening.text)?;
            let ends = || rest.trim_matches(|c: char| c.is_whitespace() || "!.,;".contains(c)).is_empty();
            if opening.whole && !ends() {
                return None;
            }
            if !opening.unless.is_empty() {
                let words = words.get_or_insert_with(|| spoken(text));
                if opening.unless.iter().any(|phrase| phrase.is_in(words)) {
                    return None;
                }
            }
            Some(Begun { means: opening.means, whole: opening.whole, rest })
        })
    }

    /// Whether a text explains an error, and is none.
    pub(crate) fn explains(self, text: &str) -> bool {
        let words = spoken(text);
        self.0.iter().flat_map(|table| &table.explains).any(|phrase| phrase.is_in(&words))
    }

    /// Whether a name, folded, is that of a field with rules about its values.
    pub(crate) fn knows(self, name: &str) -> bool {
        self.0.iter().any(|table| table.fields.contains_key(name))
    }
}

/// What follows a beginning (in lower case) of a text, in any case and with any apostrophe.
fn rest_behind<'t>(text: &'t str, beginning: &str) -> Option<&'t str> {
    let mut chars = text.chars();
    for wanted in beginning.chars() {
        let c = chars.next()?;
        let c = if c == '\u{2019}' { '\'' } else { c.to_ascii_lowercase() };
        if c != wanted {
            return None;
        }
    }
    // No word is cut in two. A number may be: `HTTP 4` is the beginning of every status from 400 to 499.
    let rest = chars.as_str();
    let (last, next) = (beginning.chars().next_back(), rest.chars().next());
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let cuts = is_word(last) && is_word(next) && !(is_digit(last) && is_digit(next));
    (!cuts).then_some(rest)
}

fn is_nothing(value: &str) -> bool {
    matches!(value, "" | "none" | "null" | "false" | "0" | "0.0")
}

/// A field's name in one spelling: small letters, without `_`, `-` and spaces.
pub(crate) fn fold_name(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).map(|c| c.to_ascii_lowercase()).collect()
}

/// A value in one spelling: the same, without the name of an enumeration before it.
pub(super) fn fold_value(value: &str) -> String {
    let value = value.trim().trim_matches(['<', '>', '"', '\'']);
    let value = value.split(':').next().unwrap_or_default();
    let folded = fold_name(value.rsplit('.').next().unwrap_or_default());
    match ENUMERATIONS.iter().find_map(|name| folded.strip_prefix(name)) {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => folded,
    }
}
