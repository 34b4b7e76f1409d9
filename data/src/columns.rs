//! Which column of a file holds which field.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::DataError;
use crate::conversation;
use crate::layout::{Layout, Role};
use crate::path::{Path, key};
use crate::places::{Place, Places};
use crate::read::context::{SYSTEM, TOOLS};
use crate::read::signs::is_refusal_text;

/// The usual names of the prompt column.
pub(crate) const PROMPT: &[&str] = &[
    "prompt",
    "question",
    "instruction",
    "input",
    "text",
    "query",
    "user_prompt",
    "goal",
    "input_text",
    "user_input",
    "user_query",
    "user_message",
];

/// The usual names of the response column.
pub(crate) const RESPONSE: &[&str] = &[
    "response",
    "completion",
    "output",
    "answer",
    "generation",
    "model_response",
    "model_output",
    "generated_text",
    "reply",
    "actual_output",
    "prediction",
    "llm_output",
    "llm_response",
    "model_answer",
    "generated_answer",
    "generated_response",
    "assistant_response",
    "output_text",
    "response_text",
];

/// Names of who speaks, as columns side by side: of the model, and of the user where the model has one.
const SPEAKS: &[&str] = &["assistant", "chatgpt", "gpt", "chatbot", "bot", "ai"];
const ASKS: &[&str] = &["user", "human", "prompter"];

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

/// Names of columns. By default none is named.
///
/// A name may be a path into nested objects and lists (`meta.text`, `choices[0].message.content`); a column
/// whose own name is that text goes first. A named column must exist. A column that is not named is where the
/// file's layout has it, or is searched for under its usual names, in this order. If no exact name is found,
/// capitals, surrounding blanks, and underscores, blanks and hyphens are ignored. The empty name
/// `""` says that the file has no such column and stops the search.
///
/// | column | usual names, in this order |
/// |---|---|
/// | `prompt` | prompt, question, instruction, input, text, query, `user_prompt`, goal, `input_text`, `user_input`, `user_query`, `user_message`; user, human or prompter beside a model's column |
/// | `response` | response, completion, output, answer, generation, `model_response`, `model_output`, `generated_text`, reply, `actual_output`, prediction, `llm_output`, `llm_response`, `model_answer`, `generated_answer`, `generated_response`, `assistant_response`, `output_text`, `response_text`, assistant, chatgpt, gpt, chatbot, bot, ai |
/// | `messages` | messages, conversation, conversations, contents; not when `prompt` or `response` is named |
/// | `label` | label, tone, refusal, `is_refusal`, refused |
/// | `target` | target, model, generator |
/// | `refusal_rate` | its own name, in a file without `p_refusal` |
/// | `labelled_by` | `labelled_by`, labeller |
/// | `system` | system, `system_prompt`, `system_message`, `system_instruction`, instructions |
/// | `tools` | tools, functions |
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
    /// The system prompt; that of a chat goes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The tools that the target was offered: a list that is not empty says that it could act, and so does a
    /// chat with calls of tools, or the word `agent` in a column `mode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<String>,
}

impl Columns {
    /// Where the fields of this file's rows are: named columns are checked, the layout's places are taken as
    /// they are, the others are found by their usual names or left out.
    pub(crate) fn resolve(
        &self,
        file: &str,
        rows: &[&Map<String, Value>],
        layout: Option<&'static Layout>,
    ) -> Result<Places, DataError> {
        let present = Present::new(file, rows);
        let find = |role: Role, named: &Option<String>, usual: &[&str]| {
            present.find(role, named.as_deref(), layout, usual)
        };
        let texts_named = [&self.prompt, &self.response].into_iter().flatten().any(|name| !name.is_empty());
        let p_refusal = find(Role::PRefusal, &self.p_refusal, &["p_refusal"])?;
        // Beside a model's probability the rate is not a measurement: this project's bootstrap writes both.
        let rates: &[&str] = if p_refusal.is_none() { &["refusal_rate"] } else { &[] };
        let messages = match &self.messages {
            None if texts_named => None,
            named => find(Role::Messages, named, conversation::USUAL)?,
        };
        let response = find(Role::Response, &self.response, RESPONSE)?;
        let (speaks, asks) = present.speakers(messages.is_some());
        let response = match response {
            None if self.response.is_none() => find(Role::Response, &None, speaks)?,
            found => found,
        };
        let prompt = match find(Role::Prompt, &self.prompt, PROMPT)? {
            None if self.prompt.is_none() => find(Role::Prompt, &None, asks)?,
            found => found,
        };
        Ok(Places {
            id: find(Role::Id, &self.id, &["id"])?,
            prompt,
            response,
            messages,
            label: find(Role::Label, &self.label, labels(rows))?,
            kind: find(Role::Kind, &self.kind, &["kind"])?,
            target: find(Role::Target, &self.target, &["target", "model", "generator"])?,
            source: find(Role::Source, &self.source, &["source"])?,
            category: find(Role::Category, &self.category, &["category"])?,
            split: find(Role::Split, &self.split, &["split"])?,
            group: find(Role::Group, &self.group, &["group"])?,
            weight: find(Role::Weight, &self.weight, &["weight"])?,
            p_refusal,
            refusal_rate: find(Role::RefusalRate, &self.refusal_rate, rates)?,
            labelled_by: find(Role::LabelledBy, &self.labelled_by, &["labelled_by", "labeller"])?,
            finish_reason: of_layout(Role::FinishReason, layout),
            refusal: of_layout(Role::Refusal, layout),
            error: of_layout(Role::Error, layout),
            filters: of_layout(Role::Filters, layout),
            system: find(Role::System, &self.system, SYSTEM)?,
            tools: find(Role::Tools, &self.tools, TOOLS)?,
            mode: find(Role::Mode, &None, &["mode"])?,
        })
    }
}

/// Checks that a column exists, by name or path, in at least one of some rows.
///
/// # Errors
/// [`DataError::UnknownColumn`], with the columns that there are; `role` is what the column was named for.
pub fn require_column(
    file: &str,
    rows: &[&Map<String, Value>],
    role: &'static str,
    column: &str,
) -> Result<(), DataError> {
    let path = Path::parse(column);
    if rows.is_empty() || rows.iter().any(|row| path.get(row).is_some()) {
        return Ok(());
    }
    let (file, column) = (file.to_owned(), column.to_owned());
    Err(DataError::UnknownColumn { file, role, column, existing: listed(rows) })
}

/// The value under a column name or path.
#[must_use]
pub fn lookup(fields: &Map<String, Value>, name: &str) -> Option<Value> {
    Path::parse(name).get(fields).map(Cow::into_owned)
}

/// The first usual name that a file has. Exact names go first; then capitals, surrounding blanks, and
/// differences between blank, hyphen and underscore are ignored.
pub(crate) fn usual<'n>(names: &[&'n str], usual: &[&str]) -> Option<&'n str> {
    let find = |alike: &dyn Fn(&str, &str) -> bool| {
        usual.iter().find_map(|usual| names.iter().find(|name| alike(name, usual)).copied())
    };
    let squeezed = |name: &str| key(name).replace('_', "");
    find(&|a, b| a == b)
        .or_else(|| find(&|a, b| key(a) == b))
        // `modelResponse` has capitals in place of underscores.
        .or_else(|| find(&|a, b| b.contains('_') && squeezed(a) == squeezed(b)))
}

/// Whether a name is a usual one of a prompt, an answer or a chat, and of nothing else.
pub(crate) fn is_text_name(name: &str) -> bool {
    let name = key(name);
    // A `text` may be anything: a turn, a part, a document.
    name != "text"
        && [PROMPT, RESPONSE, conversation::USUAL].iter().any(|usual| usual.contains(&name.as_str()))
}

/// The places that a layout has for a role.
fn of_layout(role: Role, layout: Option<&'static Layout>) -> Option<Place> {
    let paths: Vec<Path> = layout?.paths(role).iter().map(|path| Path::parse(path)).collect();
    (!paths.is_empty()).then_some(Place { paths, named: false })
}

/// The columns of rows as listed in messages.
pub(crate) fn listed(rows: &[&Map<String, Value>]) -> Vec<String> {
    Present::new("", rows).listed()
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

    /// The usual names of columns that are called by who speaks, if there are some of both and no chat.
    fn speakers(&self, has_chat: bool) -> (&'static [&'static str], &'static [&'static str]) {
        let has = |list: &[&str]| usual(&self.names, list).is_some();
        if !has_chat && has(SPEAKS) && has(ASKS) { (SPEAKS, ASKS) } else { (&[], &[]) }
    }

    fn find(
        &self,
        role: Role,
        named: Option<&str>,
        layout: Option<&'static Layout>,
        usual: &[&str],
    ) -> Result<Option<Place>, DataError> {
        let Some(name) = named else {
            return Ok(of_layout(role, layout).or_else(|| {
                // A layout says where its own fields are; a usual name beside them means something else.
                let usual = if layout.is_some_and(|layout| !layout.takes_usual(role)) { &[] } else { usual };
                crate::columns::usual(&self.names, usual).map(|name| Place::of(Path::name(name)))
            }));
        };
        if name.is_empty() {
            return Ok(None);
        }
        let place = |path| Some(Place { paths: vec![path], named: true });
        let path = Path::parse(name);
        // If no row of a file could be parsed, the rejections report it, not the columns.
        if self.rows.is_empty() || self.rows.iter().any(|row| path.get(row).is_some()) {
            return Ok(place(path));
        }
        if let Some(alike) = self.names.iter().find(|there| key(there) == key(name)) {
            return Ok(place(Path::name(alike)));
        }
        Err(DataError::UnknownColumn {
            file: self.file.to_owned(),
            role: role.name(),
            column: name.to_owned(),
            existing: self.listed(),
        })
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

    use super::Columns;
    use crate::places::{Place, Places};

    fn resolve(columns: &Columns, rows: &[Value]) -> Result<Places, crate::DataError> {
        let rows: Vec<&Map<String, Value>> = rows.iter().map(|row| row.as_object().unwrap()).collect();
        columns.resolve("rows.jsonl", &rows, None)
    }

    fn name(place: Option<&Place>) -> Option<&str> {
        place.map(Place::name)
    }

    #[test]
    fn usual_names_are_found_in_their_order() {
        let rows =
            [json!({"instruction": "a", "input": "b", "output": "c"}), json!({"model": "m", "tone": "t"})];
        let found = resolve(&Columns::default(), &rows).unwrap();
        assert_eq!(name(found.prompt.as_ref()), Some("instruction"));
        assert_eq!(name(found.response.as_ref()), Some("output"));
        assert_eq!(name(found.target.as_ref()), Some("model"));
        assert_eq!(name(found.label.as_ref()), Some("tone"));
        assert_eq!(found.messages, None);
    }

    #[test]
    fn a_named_column_goes_before_usual_names_and_messages() {
        let rows = [json!({"prompt": "a", "messages": [], "meta": {"text": "b"}})];
        let named = Columns { prompt: Some("meta.text".into()), ..Columns::default() };
        let found = resolve(&named, &rows).unwrap();
        assert_eq!(name(found.prompt.as_ref()), Some("meta.text"));
        assert_eq!(found.messages, None);
        let none = Columns { messages: Some(String::new()), ..Columns::default() };
        assert_eq!(resolve(&none, &rows).unwrap().messages, None);
        assert_eq!(name(resolve(&Columns::default(), &rows).unwrap().messages.as_ref()), Some("messages"));
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
    fn names_are_found_however_people_write_them() {
        let rows = [json!({"Model Response": "a", " User-Prompt ": "b", "Label": "c"})];
        let found = resolve(&Columns::default(), &rows).unwrap();
        assert_eq!(name(found.response.as_ref()), Some("Model Response"));
        assert_eq!(name(found.prompt.as_ref()), Some(" User-Prompt "));
        assert_eq!(name(found.label.as_ref()), Some("Label"));
        let named = Columns { response: Some("model_response".into()), ..Columns::default() };
        assert_eq!(name(resolve(&named, &rows).unwrap().response.as_ref()), Some("Model Response"));
    }

    #[test]
    fn a_lone_text_is_the_answer_where_answers_are_wanted() {
        for (row, response) in [
            (json!({"text": "a", "label": 1}), Some("text")),
            (json!({"text": "a", "output": "b"}), Some("output")),
            (json!({"prompt": "a", "text": "b"}), None),
        ] {
            let mut found = resolve(&Columns::default(), &[row]).unwrap();
            found.text_is_answer();
            assert_eq!(name(found.response.as_ref()), response);
        }
    }

    #[test]
    fn an_unknown_role_in_a_recipe_is_an_error() {
        assert!(toml::from_str::<Columns>("promt = \"q\"").is_err());
    }
}
