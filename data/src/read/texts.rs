//! The texts of a row: prompt, answer and context, by columns, chats and layouts, with the provider's signs.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::context::{of_fields, offers, system_text};
use super::signs::{replaces_an_answer, signs_of};
use super::{RawRow, ReadOptions};
use crate::columns::listed;
use crate::conversation::{self, Conversation, last_of_user, type_name};
use crate::layout::Layout;
use crate::path::Path;
use crate::places::{Place, Places};
use crate::provider::answer_in;
use crate::{Context, DataError, Mode, Signs};

/// The field at fault, and what is wrong with it.
pub(super) struct Fault {
    pub(super) field: String,
    pub(super) reason: String,
}

impl Fault {
    pub(super) fn new(field: &str, reason: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason: reason.into() }
    }
}

/// Finds the texts in the rows of one file.
#[derive(Debug)]
pub(super) struct TextFinder {
    pub(super) places: Places,
    layout: Option<&'static Layout>,
    /// The objects that hold chats: what lies beside a chat is of the same request.
    around_chats: Vec<Path>,
    need_prompt: bool,
    need_response: bool,
}

/// Finds the texts in the rows of a file that is too large to read whole, by the same rules as
/// [`read`](super::read). Which columns hold them is decided on a sample of the rows.
#[derive(Debug)]
pub struct TextReader(TextFinder);

/// The texts of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Texts {
    /// The prompt.
    pub prompt: Option<String>,
    /// The target's answer.
    pub response: Option<String>,
    /// What the provider says beside the answer, if it says anything.
    pub signs: Option<Signs>,
    /// The model that the prompt was sent to.
    pub target: Option<String>,
    /// What the prompt was sent in.
    pub sent_in: Context,
}

impl TextReader {
    /// Resolves the columns; label columns are not searched for.
    ///
    /// # Errors
    /// [`DataError::UnknownColumn`] if a named column does not exist.
    pub fn new(
        file: &Arc<str>,
        sample: Vec<Map<String, Value>>,
        layout: Option<&'static Layout>,
        options: &ReadOptions,
    ) -> Result<Self, DataError> {
        let mut options = options.clone();
        (options.columns.label, options.columns.kind) = (Some(String::new()), Some(String::new()));
        let rows: Vec<RawRow> = sample.into_iter().map(|fields| RawRow { line: 0, fields }).collect();
        let finder = TextFinder::new(file, &rows, layout, &options)?;
        finder.has_columns(file, &rows)?;
        Ok(Self(finder))
    }

    pub(super) const fn finder(&self) -> &TextFinder {
        &self.0
    }

    /// The texts of a row.
    ///
    /// # Errors
    /// The field at fault, and what is wrong with it.
    pub fn texts(&self, fields: &Map<String, Value>) -> Result<Texts, (String, String)> {
        let fields = self.0.as_read(fields);
        let texts = self.0.needed(&fields).map_err(|fault| (fault.field, fault.reason))?;
        let target = name(&fields, self.0.places.target.as_ref());
        let Conversation { prompt, response, signs, sent_in, .. } = texts;
        Ok(Texts { prompt, response, signs, target, sent_in })
    }
}

impl TextFinder {
    /// Resolves the columns of this file.
    pub(super) fn new(
        file: &Arc<str>,
        rows: &[RawRow],
        layout: Option<&'static Layout>,
        options: &ReadOptions,
    ) -> Result<Self, DataError> {
        let read: Vec<Cow<'_, Map<String, Value>>> =
            rows.iter().map(|row| as_read(layout, &row.fields)).collect();
        let fields: Vec<&Map<String, Value>> = read.iter().map(AsRef::as_ref).collect();
        let mut places = options.columns.resolve(file, &fields, layout)?;
        if options.need_response && !options.need_prompt {
            places.text_is_answer();
        }
        let (need_prompt, need_response) = (options.need_prompt, options.need_response);
        let chats = places.messages.iter().flat_map(|place| &place.paths);
        let around_chats = chats.filter_map(Path::parent).collect();
        Ok(Self { places, layout, around_chats, need_prompt, need_response })
    }

    /// Checks that the texts that are needed have a column at all.
    fn has_columns(&self, file: &Arc<str>, rows: &[RawRow]) -> Result<(), DataError> {
        let Places { prompt, response, messages, .. } = &self.places;
        let usable = |row: &RawRow| self.needed(&self.as_read(&row.fields)).is_ok();
        let role = match () {
            () if rows.is_empty() || messages.is_some() => return Ok(()),
            () if self.need_prompt && prompt.is_none() => "prompt",
            () if self.need_response && response.is_none() => "response",
            () => return Ok(()),
        };
        if rows.iter().any(usable) {
            return Ok(());
        }
        let fields: Vec<&Map<String, Value>> = rows.iter().map(|row| &row.fields).collect();
        Err(DataError::NoTextColumn { file: file.to_string(), role, existing: listed(&fields) })
    }

    /// A row as its fields are read.
    pub(super) fn as_read<'r>(&self, row: &'r Map<String, Value>) -> Cow<'r, Map<String, Value>> {
        as_read(self.layout, row)
    }

    /// Requires the other text instead of one that no row has.
    pub(super) fn spare_absent(&mut self, rows: &[RawRow]) {
        let has = |text: fn(Conversation) -> Option<String>| {
            let text = |row: &RawRow| self.texts(&self.as_read(&row.fields)).ok().and_then(text);
            rows.iter().any(|row| text(row).is_some_and(|text| !text.trim().is_empty()))
        };
        let (prompt, response) = (has(|texts| texts.prompt), has(|texts| texts.response));
        if prompt != response {
            (self.need_prompt, self.need_response) = (prompt, response);
        }
    }

    /// Prompt, response and context. The conversation takes precedence; columns fill in what it leaves open.
    /// A column of the wrong type is a fault only if the user named it, or nothing else can take its place.
    fn texts(&self, fields: &Map<String, Value>) -> Result<Conversation, Fault> {
        let mut wrong: Option<Fault> = None;
        let mut keep = |fault: Fault, strict: bool| {
            if strict {
                return Err(fault);
            }
            wrong = wrong.take().or(Some(fault));
            Ok(())
        };
        let mut texts = match self.chat(fields) {
            Ok(texts) => texts,
            Err(fault) => {
                keep(fault, self.places.messages.as_ref().is_some_and(|place| place.named))?;
                Conversation::default()
            }
        };
        let (mut from, mut of_answer) = ((None, None), Signs::NONE);
        if let (None, Some(place)) = (&texts.prompt, &self.places.prompt)
            && let Some((name, value)) = place.get(fields)
        {
            match text(name, &value) {
                Ok(text) => {
                    (texts.prompt, from.0) = (Some(text), Some(name));
                    // A prompt may be a chat.
                    if let (false, Ok(chat)) = (value.is_string(), Conversation::parse(&value)) {
                        texts.sent_in = texts.sent_in.and(chat.sent_in);
                    }
                }
                Err(fault) => keep(fault, place.named || self.need_prompt)?,
            }
        }
        if let (None, Some(place)) = (&texts.response, &self.places.response)
            && let Some((name, value)) = place.get(fields)
        {
            match answer(name, &value) {
                Ok((prompt, text, signs)) => {
                    texts.prompt = texts.prompt.or(prompt);
                    (texts.response, from.1) = (text, Some(name));
                    of_answer = signs;
                }
                Err(fault) => keep(fault, place.named || self.need_response)?,
            }
        }
        // One text in two roles is that which is needed.
        if from.0.is_some() && from.0 == from.1 {
            if self.need_response { texts.prompt = None } else { texts.response = None }
        }
        texts.sent_in = self.around(fields).and(texts.sent_in);
        let signs = of_answer.or(texts.signs.take().unwrap_or_default()).or(self.signs(fields));
        texts.signs = signs.any().then_some(signs);
        match wrong {
            Some(fault) if texts.prompt.is_none() && texts.response.is_none() && texts.signs.is_none() => {
                Err(fault)
            }
            _ => Ok(texts),
        }
    }

    /// The chat of a row, if it has one.
    fn chat(&self, fields: &Map<String, Value>) -> Result<Conversation, Fault> {
        match self.chat_cell(fields) {
            Some((name, value)) => Conversation::parse(&value).map_err(|reason| Fault::new(name, reason)),
            None => Ok(Conversation::default()),
        }
    }

    /// What the columns of a row say of what its prompt was sent in, and what lies beside its chat.
    fn around(&self, fields: &Map<String, Value>) -> Context {
        let places = &self.places;
        let value = |place: &'_ Option<Place>| Some(place.as_ref()?.value(fields)?.into_owned());
        let system = value(&places.system).and_then(|value| system_text(&value));
        let is_agent =
            |mode: Value| mode.as_str().is_some_and(|mode| mode.trim().eq_ignore_ascii_case("agent"));
        let acts = value(&places.tools).is_some_and(|tools| offers(&tools))
            || value(&places.mode).is_some_and(is_agent);
        let beside =
            self.around_chats.iter().filter_map(|path| Some(of_fields(path.get(fields)?.as_object()?)));
        beside.fold(Context::new(system, Mode::of(acts)), Context::and)
    }

    /// The cell with the chat of a row, and its column.
    pub(super) fn chat_cell<'v>(
        &'v self,
        fields: &'v Map<String, Value>,
    ) -> Option<(&'v str, Cow<'v, Value>)> {
        let place = self.places.messages.as_ref()?;
        // In a file of several sources, a chat has a different usual name in some rows.
        let others = || {
            let usual = if conversation::is_usual(place.name()) { conversation::USUAL } else { &[] };
            usual.iter().find_map(|name| {
                let value = fields.get(*name).filter(|value| !value.is_null())?;
                Some((*name, Cow::Borrowed(value)))
            })
        };
        place.get(fields).or_else(others)
    }

    /// What the layout's own columns, and the row's under their usual names, say beside the answer.
    fn signs(&self, fields: &Map<String, Value>) -> Signs {
        let places = &self.places;
        let value = |place: &Option<Place>| Some(place.as_ref()?.value(fields)?.into_owned());
        let text = |place: &Option<Place>| name(fields, place.as_ref()).filter(|text| !text.is_empty());
        Signs {
            finish_reason: text(&places.finish_reason),
            refusal: text(&places.refusal),
            error: value(&places.error).filter(|error| *error != ""),
            filters: value(&places.filters),
            ..Signs::NONE
        }
        .or(self.signs_of_row(fields))
    }

    /// The signs in a row's own fields. A column `refusal` that holds the labels is none.
    fn signs_of_row(&self, fields: &Map<String, Value>) -> Signs {
        let mut signs = signs_of(fields).unwrap_or_default();
        let is_label = |place: &Option<Place>| place.as_ref().is_some_and(|place| place.name() == "refusal");
        if is_label(&self.places.label) || is_label(&self.places.kind) {
            signs.refusal = None;
        }
        signs
    }

    /// The texts, if none that is needed is missing.
    pub(super) fn needed(&self, fields: &Map<String, Value>) -> Result<Conversation, Fault> {
        let mut texts = self.texts(fields)?;
        let places = &self.places;
        self.need("prompt", places.prompt.as_ref(), self.need_prompt, texts.prompt.as_deref())?;
        if self.need_response && texts.response.is_none() {
            // A null, or a sign in the place of an answer, is what came back; a missing field is a mistake.
            let is_null = places.response.as_ref().is_some_and(|place| place.is_there(fields));
            let is_replaced = texts.signs.as_ref().is_some_and(replaces_an_answer);
            if texts.ends_with_user && !is_replaced {
                let reason = "there is no response: the chat ends with a turn of the user";
                return Err(Fault::new(places.messages.as_ref().map_or("response", Place::name), reason));
            }
            if !texts.answered && !is_null && !is_replaced {
                self.need("response", places.response.as_ref(), true, None)?;
            }
            texts.response = Some(String::new());
        }
        Ok(texts)
    }

    fn need(&self, role: &str, place: Option<&Place>, needed: bool, text: Option<&str>) -> Result<(), Fault> {
        let reason = match text {
            _ if !needed => return Ok(()),
            Some(text) if !text.trim().is_empty() => return Ok(()),
            Some(_) => format!("the {role} is blank"),
            None => format!("there is no {role}"),
        };
        Err(Fault::new(place.or(self.places.messages.as_ref()).map_or(role, Place::name), reason))
    }
}

/// A row as its fields are read in a layout.
fn as_read<'r>(layout: Option<&'static Layout>, row: &'r Map<String, Value>) -> Cow<'r, Map<String, Value>> {
    layout.map_or(Cow::Borrowed(row), |layout| layout.as_read(row))
}

/// The text of a prompt: plain text as it is, the last turn of the user in a chat, otherwise parts as in a
/// chat's contents. Anything else is a fault.
fn text(name: &str, value: &Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Array(_) | Value::Object(_) => {
            let text = last_of_user(value).ok();
            let text = text.or_else(|| conversation::text(value).ok().filter(|text| !text.is_empty()));
            text.ok_or_else(|| not_text(name, value))
        }
        _ => Err(not_text(name, value)),
    }
}

/// A prompt beside the answer, the answer's text, and its signs.
type Answer = (Option<String>, Option<String>, Signs);

/// The answer in a cell: text, parts, a turn or a provider's body. A body may be written as JSON text.
fn answer(name: &str, value: &Value) -> Result<Answer, Fault> {
    let answer = answer_in(value).ok_or_else(|| not_text(name, value))?;
    Ok((answer.prompt, answer.text, answer.signs))
}

fn not_text(name: &str, value: &Value) -> Fault {
    Fault::new(name, format!("text was expected, not {}", type_name(value)))
}

/// A name or category: text as it is, anything else except null as JSON text.
pub(super) fn name(fields: &Map<String, Value>, place: Option<&Place>) -> Option<String> {
    let value = place?.value(fields)?;
    written(&value)
}

/// The same of a field by its own name.
pub(super) fn named(fields: &Map<String, Value>, field: &str) -> Option<String> {
    written(fields.get(field)?)
}

fn written(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
