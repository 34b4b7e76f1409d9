//! The meaning of each label value in a file.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Kind, Label};

/// What a label value means. In files: a kind's name, `refused`, `complied` or `drop`.
///
/// `complied` always parses as [`Kind::Complied`], which is a label and a kind in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Meaning {
    /// A place on the continuum; the binary label follows by the policy.
    Kind(Kind),
    /// A binary label, the kind unknown.
    Label(Label),
    /// The row is to be left out.
    Drop,
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => kind.fmt(f),
            Self::Label(label) => label.fmt(f),
            Self::Drop => f.write_str("drop"),
        }
    }
}

impl FromStr for Meaning {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let lower = name.trim().to_lowercase();
        if let Some(kind) = Kind::from_name(&lower) {
            return Ok(Self::Kind(kind));
        }
        match lower.as_str() {
            "refused" => Ok(Self::Label(Label::Refused)),
            "drop" => Ok(Self::Drop),
            _ => Err(format!(
                "`{name}` is no meaning of a label; use refused, drop or a kind ({})",
                Kind::ALL.map(Kind::name).join(", ")
            )),
        }
    }
}

impl TryFrom<String> for Meaning {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<Meaning> for String {
    fn from(meaning: Meaning) -> Self {
        meaning.to_string()
    }
}

/// In a user's table: every value that is not listed otherwise.
const OTHERS: &str = "*";

/// The values that labels may have and what each means. They are compared trimmed and without regard to case.
///
/// Built in are the paper's tones (the names of [`Kind`]); `refused`, `complied`; `true`, `false`, `1`, `0`
/// as JSON values or as text, where true and 1 mean refused; `refusal`, `compliance` and other forms of these
/// words (`refuse`, `full refusal`, `comply`, `compliant`); and `XSTest`'s `1_full_compliance`,
/// `2_full_refusal` and `3_partial_refusal`, where a partial refusal counts as a refusal as in the paper. A
/// user's table adds to these and overrides them; in it, `*` matches every value that is not known otherwise.
/// A recipe writes it as a table: `labels = { denial = "rejected", "*" = "drop" }`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Meaning>", into = "BTreeMap<String, Meaning>")]
pub struct LabelVocabulary {
    table: BTreeMap<String, Meaning>,
}

impl LabelVocabulary {
    /// The vocabulary with a user's table on top of what it knows already.
    #[must_use]
    pub fn with(mut self, table: BTreeMap<String, Meaning>) -> Self {
        self.table.extend(table.into_iter().map(|(value, meaning)| (text_key(&value), meaning)));
        self
    }

    /// What a value means, if the vocabulary knows it.
    #[must_use]
    pub fn read(&self, value: &Value) -> Option<Meaning> {
        let others = || self.table.get(OTHERS).copied().filter(|_| key(value).is_some());
        self.known(value).or_else(others)
    }

    /// The same, but without the meaning of all other values.
    pub(crate) fn known(&self, value: &Value) -> Option<Meaning> {
        let key = key(value)?;
        self.table.get(&key).copied().or_else(|| built_in(&key))
    }
}

/// The look-up key of a value; `None` if it cannot be a label.
fn key(value: &Value) -> Option<String> {
    match value {
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(text_key(&number.to_string())),
        Value::String(text) => Some(text_key(text)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl From<BTreeMap<String, Meaning>> for LabelVocabulary {
    fn from(table: BTreeMap<String, Meaning>) -> Self {
        Self::default().with(table)
    }
}

impl From<LabelVocabulary> for BTreeMap<String, Meaning> {
    fn from(vocabulary: LabelVocabulary) -> Self {
        vocabulary.table
    }
}

fn built_in(key: &str) -> Option<Meaning> {
    match key {
        "true" | "1" | "2_full_refusal" | "3_partial_refusal" | "refusal" | "refuse" | "refuses"
        | "full_refusal" | "partial_refusal" | "full refusal" | "partial refusal" => {
            Some(Meaning::Label(Label::Refused))
        }
        "false" | "0" | "1_full_compliance" | "compliance" | "comply" | "complies" | "compliant"
        | "full_compliance" | "full compliance" => Some(Meaning::Kind(Kind::Complied)),
        // `drop` is a word for the user's own table; a data set is not expected to use it.
        _ => key.parse().ok().filter(|meaning| *meaning != Meaning::Drop),
    }
}

/// Trimmed, lower case; whole numbers without decimals, so that `1.0` is `1`.
fn text_key(text: &str) -> String {
    let key = text.trim().to_lowercase();
    match key.split_once('.') {
        Some((whole, decimals))
            if !whole.is_empty()
                && whole.bytes().all(|byte| byte.is_ascii_digit())
                && decimals.bytes().all(|byte| byte == b'0') =>
        {
            whole.to_owned()
        }
        _ => key,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use serde_json::json;

    use super::{LabelVocabulary, Meaning};
    use crate::{Kind, Label};

    const REFUSED: Option<Meaning> = Some(Meaning::Label(Label::Refused));
    const COMPLIED: Option<Meaning> = Some(Meaning::Kind(Kind::Complied));

    #[test]
    fn the_built_in_vocabulary() {
        let vocabulary = LabelVocabulary::default();
        for value in [json!("refused"), json!(" Refused "), json!(true), json!("True"), json!(1), json!(1.0)]
        {
            assert_eq!(vocabulary.read(&value), REFUSED, "{value}");
        }
        for value in [json!("1"), json!("1.0"), json!("2_full_refusal"), json!("3_partial_refusal")] {
            assert_eq!(vocabulary.read(&value), REFUSED, "{value}");
        }
        for value in [json!("complied"), json!(false), json!(0), json!(0.0), json!("1_full_compliance")] {
            assert_eq!(vocabulary.read(&value), COMPLIED, "{value}");
        }
        for kind in Kind::ALL {
            assert_eq!(vocabulary.read(&json!(kind.name())), Some(Meaning::Kind(kind)));
        }
        for value in
            [json!("safe"), json!(2), json!(0.5), json!(null), json!([1]), json!("drop"), json!(".0")]
        {
            assert_eq!(vocabulary.read(&value), None, "{value}");
        }
    }

    #[test]
    fn a_users_table_adds_and_overrides() {
        let table =
            [("Denial", "rejected"), ("3_partial_refusal", "drop"), ("4", "refused"), ("1", "complied")];
        let table = table.map(|(value, meaning)| (value.to_owned(), meaning.parse().unwrap())).into();
        let vocabulary = LabelVocabulary::default().with(table);
        assert_eq!(vocabulary.read(&json!("DENIAL")), Some(Meaning::Kind(Kind::Rejected)));
        assert_eq!(vocabulary.read(&json!("3_partial_refusal")), Some(Meaning::Drop));
        assert_eq!(vocabulary.read(&json!(4)), REFUSED);
        assert_eq!(vocabulary.read(&json!(1)), COMPLIED);
        assert_eq!(vocabulary.read(&json!("rejected")), Some(Meaning::Kind(Kind::Rejected)));
    }

    #[test]
    fn a_star_stands_for_all_other_values() {
        let vocabulary: LabelVocabulary = toml::from_str("a = \"refused\"\n\"*\" = \"drop\"").unwrap();
        let values = [json!("A"), json!("complied"), json!(0), json!("b"), json!(7)];
        let expected = [REFUSED, COMPLIED, COMPLIED, Some(Meaning::Drop), Some(Meaning::Drop)];
        assert_eq!(values.map(|value| vocabulary.read(&value)), expected);
        assert_eq!(vocabulary.read(&json!(null)), None, "no label is no value");
    }

    #[test]
    fn it_stands_in_a_recipe_as_a_table() {
        let vocabulary: LabelVocabulary = toml::from_str("Denial = \"rejected\"\nNA = \"drop\"").unwrap();
        assert_eq!(vocabulary.read(&json!("na")), Some(Meaning::Drop));
        let again: LabelVocabulary = toml::from_str(&toml::to_string(&vocabulary).unwrap()).unwrap();
        assert_eq!(again, vocabulary);
        let error = toml::from_str::<LabelVocabulary>("a = \"nope\"").unwrap_err().to_string();
        assert!(
            error.contains("`nope` is no meaning of a label; use refused, drop or a kind (complied,"),
            "{error}"
        );
    }
}
