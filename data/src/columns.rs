//! Which column of a file holds which field.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::DataError;
use crate::conversation;
use crate::read::is_refusal_text;

/// The usual names of the prompt column.
pub(crate) const PROMPT: &[&str] = &["prompt", "question", "instruction", "input", "text"];

/// Names of columns. By default none is named.
///
/// A name may be a dotted path into nested objects (`meta.text`); a column whose own name contains the dot
/// goes first. A named column must exist. A column that is not named is searched for under its usual names,
/// in this order; capitals and surrounding blanks are ignored if no exact name is found. The empty name `""`
/// says that the file has no such column and stops the search.
///
/// | column | usual names, in this order |
/// |---|---|
/// | `prompt` | prompt, question, instruction, input, text |
/// | `response` | response, completion, output, answer, generation |
/// | `messages` | messages, conversation, conversations, contents; not when `prompt` or `response` is named |
/// | `label` | label, tone, refusal, `is_refusal`, refused |
/// | `target` | target, model, generator |
/// | `refusal_rate` | its own name, in a file without `p_refusal` |
/// | `labelled_by` | `labelled_by`, labeller |
/// | the others | their own name |
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// The row's identifier.
    pub id: Option<String>,
    /// The prompt.
    pub prompt: Option<String>,
    /// The response.
    pub response: Option<String>,
    /// A conversation: the last user turn is the prompt, the assistant turn after it the response. In a row
    /// that has one, it takes precedence over the prompt and response columns.
    pub messages: Option<String>,
    /// The label, read by the [`LabelVocabulary`](crate::LabelVocabulary).
    pub label: Option<String>,
    /// The kind on the refusal continuum, if it is in a column of its own.
    pub kind: Option<String>,
    /// The model that the prompt was sent to.
    pub target: Option<String>,
    /// The data set that the row comes from.
    pub source: Option<String>,
    /// The data set's own category.
    pub category: Option<String>,
    /// The split that the row belongs to.
    pub split: Option<String>,
    /// The group that must stay on one side of a split.
    pub group: Option<String>,
    /// The weight in training.
    pub weight: Option<String>,
    /// A machine's P(refusal).
    pub p_refusal: Option<String>,
    /// A measured refusal rate, used as the label of rows without another label.
    pub refusal_rate: Option<String>,
    /// Who labelled the row, in free text.
    pub labelled_by: Option<String>,
}

impl Columns {
    /// The columns that this file has: named ones are checked, the others found or left out.
    pub(crate) fn resolve(&self, file: &str, rows: &[&Map<String, Value>]) -> Result<Self, DataError> {
        let present = Present::new(file, rows);
        let find = |role, named: &Option<String>, usual: &[&str]| present.find(role, named.as_deref(), usual);
        let texts_named = [&self.prompt, &self.response].into_iter().flatten().any(|name| !name.is_empty());
        let p_refusal = find("p_refusal", &self.p_refusal, &["p_refusal"])?;
        // Beside a model's probability the rate is not a measurement: this project's bootstrap writes both.
        let rates: &[&str] = if p_refusal.is_none() { &["refusal_rate"] } else { &[] };
        let conversations = if texts_named { &[] } else { conversation::USUAL };
        Ok(Self {
            id: find("id", &self.id, &["id"])?,
            prompt: find("prompt", &self.prompt, PROMPT)?,
            response: find(
                "response",
                &self.response,
                &["response", "completion", "output", "answer", "generation"],
            )?,
            messages: find("messages", &self.messages, conversations)?,
            label: find("label", &self.label, labels(rows))?,
            kind: find("kind", &self.kind, &["kind"])?,
            target: find("target", &self.target, &["target", "model", "generator"])?,
            source: find("source", &self.source, &["source"])?,
            category: find("category", &self.category, &["category"])?,
            split: find("split", &self.split, &["split"])?,
            group: find("group", &self.group, &["group"])?,
            weight: find("weight", &self.weight, &["weight"])?,
            p_refusal,
            refusal_rate: find("refusal_rate", &self.refusal_rate, rates)?,
            labelled_by: find("labelled_by", &self.labelled_by, &["labelled_by", "labeller"])?,
        })
    }
}

/// The usual names of the label column. A column `refusal` may also hold what a provider's API returns under
/// this name: null, or the text of a refusal. Then it is no label.
fn labels(rows: &[&Map<String, Value>]) -> &'static [&'static str] {
    let given = || rows.iter().filter_map(|row| row.get("refusal")?.as_str());
    if given().any(is_refusal_text) && !given().any(|text| !text.trim().is_empty() && !is_refusal_text(text))
    {
        &["label", "tone", "is_refusal", "refused"]
    } else {
        &["label", "tone", "refusal", "is_refusal", "refused"]
    }
}

/// Checks that a column exists, by name or dotted path, in at least one of some rows.
///
/// # Errors
/// [`DataError::UnknownColumn`], with the columns that there are; `role` is what the column was named for.
pub fn require_column(
    file: &str,
    rows: &[&Map<String, Value>],
    role: &'static str,
    column: &str,
) -> Result<(), DataError> {
    Present::new(file, rows).find(role, Some(column), &[]).map(|_| ())
}

/// The value under a column name or dotted path.
pub fn lookup<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    // The whole name goes first, because a column's own name may contain dots.
    fields.get(name).or_else(|| {
        let (head, rest) = name.split_once('.')?;
        lookup(fields.get(head)?.as_object()?, rest)
    })
}

/// The first usual name that a file has. Exact names go first; then capitals and surrounding blanks are
/// ignored.
pub(crate) fn usual<'n>(names: &[&'n str], usual: &[&str]) -> Option<&'n str> {
    let same = |a: &str, b: &str| a == b;
    let alike = |a: &str, b: &str| a.trim().eq_ignore_ascii_case(b);
    let find = |alike: &dyn Fn(&str, &str) -> bool| {
        usual.iter().find_map(|usual| names.iter().find(|name| alike(name, usual)).copied())
    };
    find(&same).or_else(|| find(&alike))
}

/// The columns of a file, in order of first appearance.
struct Present<'a> {
    file: &'a str,
    rows: &'a [&'a Map<String, Value>],
    names: Vec<&'a str>,
}

impl<'a> Present<'a> {
    fn new(file: &'a str, rows: &'a [&'a Map<String, Value>]) -> Self {
        let mut seen = rustc_hash::FxHashSet::default();
        let keys = rows.iter().flat_map(|row| row.keys()).map(String::as_str);
        Self { file, rows, names: keys.filter(|key| seen.insert(*key)).collect() }
    }

    fn find(
        &self,
        role: &'static str,
        named: Option<&str>,
        usual: &[&str],
    ) -> Result<Option<String>, DataError> {
        match named {
            Some("") => Ok(None),
            // If no row of a file could be parsed, the rejections report it, not the columns.
            Some(name) if self.rows.is_empty() || self.rows.iter().any(|row| lookup(row, name).is_some()) => {
                Ok(Some(name.to_owned()))
            }
            Some(name) => Err(DataError::UnknownColumn {
                file: self.file.to_owned(),
                role,
                column: name.to_owned(),
                existing: self.listed(),
            }),
            None => Ok(crate::columns::usual(&self.names, usual).map(str::to_owned)),
        }
    }

    /// The columns as listed in messages: an object's own fields as dotted paths, one level deep.
    fn listed(&self) -> Vec<String> {
        let mut listed = Vec::new();
        for name in &self.names {
            let nested = self.rows.iter().find_map(|row| row.get(*name)?.as_object());
            match nested {
                Some(fields) => listed.extend(fields.keys().map(|field| format!("{name}.{field}"))),
                None => listed.push((*name).to_owned()),
            }
        }
        listed
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{Columns, lookup};

    fn resolve(columns: &Columns, rows: &[Value]) -> Result<Columns, crate::DataError> {
        let rows: Vec<&Map<String, Value>> = rows.iter().map(|row| row.as_object().unwrap()).collect();
        columns.resolve("rows.jsonl", &rows)
    }

    #[test]
    fn usual_names_are_found_in_their_order() {
        let rows =
            [json!({"instruction": "a", "input": "b", "output": "c"}), json!({"model": "m", "tone": "t"})];
        let found = resolve(&Columns::default(), &rows).unwrap();
        assert_eq!(found.prompt.as_deref(), Some("instruction"));
        assert_eq!(found.response.as_deref(), Some("output"));
        assert_eq!(found.target.as_deref(), Some("model"));
        assert_eq!(found.label.as_deref(), Some("tone"));
        assert_eq!(found.messages, None);
    }

    #[test]
    fn a_named_column_goes_before_usual_names_and_messages() {
        let rows = [json!({"prompt": "a", "messages": [], "meta": {"text": "b"}})];
        let named = Columns { prompt: Some("meta.text".into()), ..Columns::default() };
        let found = resolve(&named, &rows).unwrap();
        assert_eq!(found.prompt.as_deref(), Some("meta.text"));
        assert_eq!(found.messages, None);
        let none = Columns { messages: Some(String::new()), ..Columns::default() };
        assert_eq!(resolve(&none, &rows).unwrap().messages, None);
        assert_eq!(resolve(&Columns::default(), &rows).unwrap().messages.as_deref(), Some("messages"));
    }

    #[test]
    fn a_named_column_must_exist() {
        let rows = [json!({"question": "a", "meta": {"text": "b", "n": 1}})];
        let named = Columns { label: Some("verdict".into()), ..Columns::default() };
        assert_eq!(
            resolve(&named, &rows).unwrap_err().to_string(),
            "rows.jsonl: no row has the column `verdict`, named for `label`; the columns are: question, meta.text, \
             meta.n"
        );
    }

    #[test]
    fn a_dotted_name_may_be_a_name_or_a_path() {
        let row = json!({"a.b": 1, "a": {"b": 2, "c": {"d.e": 3}}});
        let row = row.as_object().unwrap();
        assert_eq!(lookup(row, "a.b"), Some(&json!(1)));
        assert_eq!(lookup(row, "a.c.d.e"), Some(&json!(3)));
        assert_eq!(lookup(row, "a.x"), None);
        assert_eq!(lookup(row, "a.b.c"), None);
    }

    #[test]
    fn an_unknown_role_in_a_recipe_is_an_error() {
        assert!(toml::from_str::<Columns>("promt = \"q\"").is_err());
    }
}
