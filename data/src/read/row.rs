//! One row of named values into a [`Record`], or the reason why not.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::labels::{Said, Verdict, check, said, verdict};
use super::signs::{replaces_an_answer, signs_of, signs_of_content};
use super::{RawRow, ReadOptions};
use crate::columns::lookup;
use crate::conversation::{self, Conversation, type_name};
use crate::{Columns, DataError, Label, Labelled, LabelledBy, Labeller, Place, Record, Rejection, Signs};

/// What became of a row.
pub(super) enum Fate {
    Kept(Box<Record>),
    /// Left out on purpose, for a reason that is counted.
    Dropped(String),
    Rejected(Box<Rejection>),
}

/// The field at fault, and what is wrong with it.
struct Fault {
    field: String,
    reason: String,
}

impl Fault {
    fn new(field: &str, reason: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason: reason.into() }
    }
}

/// Reads the rows of one file.
#[derive(Debug)]
pub(super) struct RowReader {
    file: Arc<str>,
    columns: Columns,
    need_prompt: bool,
    need_response: bool,
    options: ReadOptions,
}

/// Finds the texts in the rows of a file that is too large to read whole, by the same rules as
/// [`read`](super::read). Which columns hold them is decided on a sample of the rows.
#[derive(Debug)]
pub struct TextReader(RowReader);

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
}

impl TextReader {
    /// Resolves the columns; label columns are not searched for.
    ///
    /// # Errors
    /// [`DataError::UnknownColumn`] if a named column does not exist.
    pub fn new(
        file: &Arc<str>,
        sample: Vec<Map<String, Value>>,
        options: &ReadOptions,
    ) -> Result<Self, DataError> {
        let mut options = options.clone();
        (options.columns.label, options.columns.kind) = (Some(String::new()), Some(String::new()));
        let rows: Vec<RawRow> = sample.into_iter().map(|fields| RawRow { line: 0, fields }).collect();
        RowReader::new(file, &rows, &options).map(Self)
    }

    /// The texts of a row.
    ///
    /// # Errors
    /// The field at fault, and what is wrong with it.
    pub fn texts(&self, fields: &Map<String, Value>) -> Result<Texts, (String, String)> {
        let texts = self.0.needed_texts(fields).map_err(|fault| (fault.field, fault.reason))?;
        let target = name(fields, self.0.columns.target.as_deref());
        Ok(Texts { prompt: texts.prompt, response: texts.response, signs: texts.signs, target })
    }
}

impl RowReader {
    /// Resolves the columns of this file and checks that its labels are known.
    pub(super) fn new(file: &Arc<str>, rows: &[RawRow], options: &ReadOptions) -> Result<Self, DataError> {
        let fields: Vec<&Map<String, Value>> = rows.iter().map(|row| &row.fields).collect();
        let mut columns = options.columns.resolve(file, &fields)?;
        let named = &options.columns;
        columns.label = check(file, rows, columns.label, named.label.is_some(), options)?;
        columns.kind = check(file, rows, columns.kind, named.kind.is_some(), options)?;
        let (need_prompt, need_response) = (options.need_prompt, options.need_response);
        let mut reader =
            Self { file: Arc::clone(file), columns, need_prompt, need_response, options: options.clone() };
        if options.spare_absent {
            reader.spare_absent(rows);
        }
        Ok(reader)
    }

    /// Requires the other text instead of one that no row has.
    fn spare_absent(&mut self, rows: &[RawRow]) {
        let has = |text: fn(Conversation) -> Option<String>| {
            let text = |row: &RawRow| self.texts(&row.fields).ok().and_then(text);
            rows.iter().any(|row| text(row).is_some_and(|text| !text.trim().is_empty()))
        };
        let (prompt, response) = (has(|texts| texts.prompt), has(|texts| texts.response));
        if prompt != response {
            (self.need_prompt, self.need_response) = (prompt, response);
        }
    }

    pub(super) fn read(&self, row: RawRow) -> Fate {
        let RawRow { line, fields } = row;
        let place = Place { file: Arc::clone(&self.file), line };
        match self.record(&fields, &place) {
            Ok(Ok(mut record)) => {
                record.row = self.options.keep_rows.then(|| Box::new(fields));
                Fate::Kept(Box::new(record))
            }
            Ok(Err(dropped)) => Fate::Dropped(dropped),
            Err(Fault { field, reason }) => {
                let raw = Some(Value::Object(fields));
                Fate::Rejected(Box::new(Rejection { place, field: Some(field), reason, raw }))
            }
        }
    }

    /// The record; the inner `Err` is the reason for leaving the row out, the outer one the fault.
    fn record(&self, fields: &Map<String, Value>, place: &Place) -> Result<Result<Record, String>, Fault> {
        let Conversation { context, prompt, response, signs, .. } = self.needed_texts(fields)?;
        let weight = self.weight(fields)?;
        let label = match self.label(fields)? {
            Ok(label) => label,
            Err(dropped) => return Ok(Err(dropped)),
        };
        if self.options.need_label {
            match &label {
                None => return Ok(Err("no label".to_owned())),
                Some(Labelled { label: None, kind: Some(kind), .. }) if !self.options.keep_kinds => {
                    return Ok(Err(format!("kind {kind}")));
                }
                Some(_) => {}
            }
        }
        let columns = &self.columns;
        Ok(Ok(Record {
            id: name(fields, columns.id.as_deref()),
            prompt,
            response,
            signs: signs.map(Box::new),
            context,
            target: name(fields, columns.target.as_deref()),
            source: name(fields, columns.source.as_deref()),
            category: name(fields, columns.category.as_deref()),
            split: name(fields, columns.split.as_deref()),
            group: name(fields, columns.group.as_deref()),
            label,
            weight,
            place: place.clone(),
            row: None,
        }))
    }

    /// Prompt, response and context. The conversation takes precedence; columns fill in what it leaves open.
    fn texts(&self, fields: &Map<String, Value>) -> Result<Conversation, Fault> {
        let columns = &self.columns;
        let said = |name| lookup(fields, name).filter(|value| !value.is_null()).map(|value| (name, value));
        let chat = columns.messages.as_deref().and_then(|name| {
            // In a file of several sources, a chat has a different usual name in some rows.
            let others: &[&str] = if conversation::is_usual(name) { conversation::USUAL } else { &[] };
            said(name).or_else(|| others.iter().copied().find_map(said))
        });
        let mut texts = match chat {
            Some((name, value)) => Conversation::parse(value).map_err(|reason| Fault::new(name, reason))?,
            None => Conversation::default(),
        };
        if texts.prompt.is_none() {
            texts.prompt = text(fields, columns.prompt.as_deref())?;
        }
        if texts.response.is_none() {
            texts.response = text(fields, columns.response.as_deref())?;
        }
        texts.signs = self.signs(fields, texts.signs);
        Ok(texts)
    }

    /// The signs of a row: those of the chat's answer, of an answer in parts, and of the row's own fields.
    fn signs(&self, fields: &Map<String, Value>, of_chat: Option<Signs>) -> Option<Signs> {
        let columns = &self.columns;
        let response = columns.response.as_deref().and_then(|name| lookup(fields, name));
        let of_parts = response.filter(|response| !response.is_string()).and_then(signs_of_content);
        let mut of_row = signs_of(fields);
        let is_label = |name: &Option<String>| name.as_deref() == Some("refusal");
        if let Some(signs) = of_row.as_mut().filter(|_| is_label(&columns.label) || is_label(&columns.kind)) {
            signs.refusal = None;
        }
        let all = [of_chat, of_parts, of_row].into_iter().flatten().reduce(Signs::or);
        all.filter(Signs::any)
    }

    /// The texts, if none that is needed is missing.
    fn needed_texts(&self, fields: &Map<String, Value>) -> Result<Conversation, Fault> {
        let mut texts = self.texts(fields)?;
        let columns = &self.columns;
        self.need("prompt", columns.prompt.as_deref(), self.need_prompt, texts.prompt.as_deref())?;
        if self.need_response && texts.response.is_none() {
            // A null, or a sign in the place of an answer, is what came back; a missing field is a mistake.
            let response = columns.response.as_deref();
            let is_null = response.is_some_and(|name| lookup(fields, name).is_some());
            let is_replaced = texts.signs.as_ref().is_some_and(replaces_an_answer);
            if texts.ends_with_user && !is_replaced {
                let reason = "there is no response: the chat ends with a turn of the user";
                return Err(Fault::new(columns.messages.as_deref().unwrap_or("response"), reason));
            }
            if !texts.answered && !is_null && !is_replaced {
                self.need("response", response, true, None)?;
            }
            texts.response = Some(String::new());
        }
        Ok(texts)
    }

    fn need(&self, role: &str, column: Option<&str>, needed: bool, text: Option<&str>) -> Result<(), Fault> {
        let reason = match text {
            _ if !needed => return Ok(()),
            Some(text) if !text.trim().is_empty() => return Ok(()),
            Some(_) => format!("the {role} is blank"),
            None => format!("there is no {role}"),
        };
        Err(Fault::new(column.or(self.columns.messages.as_deref()).unwrap_or(role), reason))
    }

    fn weight(&self, fields: &Map<String, Value>) -> Result<f64, Fault> {
        let Some(column) = self.columns.weight.as_deref() else { return Ok(1.0) };
        match number(fields, column)? {
            None => Ok(1.0),
            Some(weight) if weight.is_finite() && weight >= 0.0 => Ok(weight),
            Some(weight) => {
                Err(Fault::new(column, format!("the weight {weight} is not a finite number from 0 up")))
            }
        }
    }

    /// The label; the inner `Err` is the reason for leaving the row out.
    fn label(&self, fields: &Map<String, Value>) -> Result<Result<Option<Labelled>, String>, Fault> {
        // `check` has rejected unknown values already, so every value that is left has a meaning.
        let read = |column: Option<&str>| column.and_then(|name| said(fields, name, &self.options).ok()?);
        let (label, kind) = (read(self.columns.label.as_deref()), read(self.columns.kind.as_deref()));
        let by = self.labelled_by(fields);
        let Some((p_refusal, samples)) = self.measured(fields, &by, label.or(kind))? else {
            return Ok(Err("label without refused or complied counts".to_owned()));
        };
        let meaning = |said: Option<Said>| said.and_then(Said::meaning);
        let by_rate = p_refusal.filter(|_| by.labeller != Labeller::Demur).map(|p| Label::at(p, 0.5));
        let (label, kind) = match verdict(meaning(label), meaning(kind), &self.options.policy) {
            Verdict::Drop => return Ok(Err("label says drop".to_owned())),
            Verdict::Is(label, kind) => (by_rate.or(label), kind),
            Verdict::None => match p_refusal {
                None => return Ok(Ok(None)),
                Some(p) => (Some(Label::at(p, 0.5)), None),
            },
        };
        Ok(Ok(Some(Labelled { label, kind, by, p_refusal, samples })))
    }

    /// Who labelled the row: this program if the row says so for the label column being read, otherwise the
    /// labeller in the options, otherwise the one that the row names.
    fn labelled_by(&self, fields: &Map<String, Value>) -> LabelledBy {
        let columns = &self.columns;
        let label = columns.label.as_deref().or(columns.kind.as_deref());
        // If a run finds that `label` is in use, it writes `demur_label`, and `demur_labelled_by` beside it.
        let renamed = label.is_some_and(|label| label.starts_with("demur_"));
        let column = match columns.labelled_by.as_deref() {
            Some("labelled_by" | "labeller") | None if renamed => Some("demur_labelled_by"),
            column => column,
        };
        let said = |column| name(fields, column).filter(|text| !text.trim().is_empty());
        let read = |column| {
            let text = said(column).or_else(|| said(Some("labeller")));
            text.map_or_else(LabelledBy::default, |text| LabelledBy::from_text(&text))
        };
        let mut by = read(column);
        let is_ours = |label: &str| renamed || label == "label" || label == "kind";
        if by.labeller == Labeller::Demur && !label.is_none_or(is_ours) {
            // The label column being read is not the one that this program wrote.
            by = read(Some("labeller"));
        }
        match self.options.labelled_by {
            Some(labeller) if by.labeller != Labeller::Demur => LabelledBy { labeller, who: by.who },
            _ => by,
        }
    }

    /// P(refusal), if the row has more than a label, and the number of answers behind it: this program's
    /// probability, a label that counts, or a rate without a label. `None` if the label's counts add up to
    /// nothing.
    fn measured(
        &self,
        fields: &Map<String, Value>,
        by: &LabelledBy,
        label: Option<Said>,
    ) -> Result<Option<(Option<f64>, u32)>, Fault> {
        let p_refusal = Self::probability(fields, self.columns.p_refusal.as_deref())?;
        if by.labeller == Labeller::Demur && p_refusal.is_some() {
            return Ok(Some((p_refusal, samples(fields)?)));
        }
        let rate = match label {
            Some(Said::Rate(None)) => return Ok(None),
            Some(Said::Rate(rate)) => rate,
            Some(Said::Means(_)) => None,
            None => Self::probability(fields, self.columns.refusal_rate.as_deref())?,
        };
        Ok(Some((rate, 1)))
    }

    fn probability(fields: &Map<String, Value>, column: Option<&str>) -> Result<Option<f64>, Fault> {
        let Some(column) = column else { return Ok(None) };
        match number(fields, column)? {
            Some(p) if !(0.0..=1.0).contains(&p) => {
                Err(Fault::new(column, format!("the probability {p} lies outside of 0 to 1")))
            }
            p => Ok(p),
        }
    }
}

fn samples(fields: &Map<String, Value>) -> Result<u32, Fault> {
    match number(fields, "samples")? {
        None => Ok(1),
        // Whole and in range, so the cast is exact.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(n) if n.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&n) => Ok(n as u32),
        Some(n) => {
            Err(Fault::new("samples", format!("{n} is no number of samples; it is a whole number from 1 up")))
        }
    }
}

/// The text of a column: plain text as it is, parts and turns as in a chat's contents. Anything else except
/// null is a fault.
fn text(fields: &Map<String, Value>, column: Option<&str>) -> Result<Option<String>, Fault> {
    let Some(column) = column else { return Ok(None) };
    match lookup(fields, column) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value @ (Value::Array(_) | Value::Object(_))) => {
            let text = conversation::text(value).ok().filter(|text| !text.is_empty());
            let text = text.or_else(|| conversation::last_of_user(value).ok());
            // Reasoning or a call of a tool alone is an answer without a text.
            let text = text.or_else(|| signs_of_content(value).map(|_| String::new()));
            text.map(Some).ok_or_else(|| not_text(column, value))
        }
        Some(value) => Err(not_text(column, value)),
    }
}

fn not_text(column: &str, value: &Value) -> Fault {
    Fault::new(column, format!("text was expected, not {}", type_name(value)))
}

/// A number, or text that parses as one.
fn number(fields: &Map<String, Value>, column: &str) -> Result<Option<f64>, Fault> {
    let number = match lookup(fields, column) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    let fault = || {
        let value = lookup(fields, column).unwrap_or(&Value::Null);
        Fault::new(column, format!("a number was expected, not {}", type_name(value)))
    };
    number.map(Some).ok_or_else(fault)
}

/// A name or category: text as it is, anything else except null as JSON text.
fn name(fields: &Map<String, Value>, column: Option<&str>) -> Option<String> {
    match lookup(fields, column?)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
