//! The columns that `rates` is asked for, resolved once against all rows: those that make the groups, the one
//! that pairs, the one that says what is harmful, and the other label.

use std::collections::BTreeMap;

use demur_data::{
    DataError, KindPolicy, Label, LabelVocabulary, Meaning, Record, UnknownLabel, lookup, normalise,
    require_column,
};
use demur_predictor::language;
use demur_training::DataSource;
use serde_json::{Map, Value};

use super::judged::Judged;
use crate::cli::args::Rates;
use crate::engine::Usage;

/// Values of a harm column that are understood without --harmful.
const HARMFUL: [&str; 9] =
    ["harmful", "unsafe", "toxic", "true", "yes", "1", "harm", "malicious", "unsafe prompt"];
const SAFE: [&str; 9] =
    ["harmless", "safe", "benign", "false", "no", "0", "unharmful", "non-toxic", "safe prompt"];

/// A value of a record; `None` where it has none.
type Field = fn(&Record) -> Option<String>;

/// A column that makes groups.
#[derive(Debug, Clone)]
pub(super) enum GroupColumn {
    /// A field of a record, under its own name.
    Field(&'static str, Field),
    /// The kind of the answer.
    Kind,
    /// Who labelled it.
    LabelledBy,
    /// A column of the rows.
    Row(String),
}

/// The fields of a record that make groups. Their columns may have other names.
const FIELDS: [(&str, Field); 9] = [
    ("target", |record| record.target.clone()),
    ("category", |record| record.category.clone()),
    ("source", |record| record.source.clone()),
    ("split", |record| record.split.clone()),
    ("group", |record| record.group.clone()),
    ("id", |record| record.id.clone()),
    ("prompt", |record| record.prompt.clone()),
    ("file", |record| Some(record.place.file.to_string())),
    ("language", |record| {
        record.prompt.as_deref().or(record.response.as_deref()).and_then(language).map(str::to_owned)
    }),
];

/// The rows of some files, for messages about their columns.
pub(super) struct Present<'a> {
    file: String,
    rows: Vec<&'a Map<String, Value>>,
    records: &'a [Record],
}

impl<'a> Present<'a> {
    pub(super) fn of(records: &'a [Record]) -> Self {
        let file = records.first().map_or_else(String::new, |record| record.place.file.to_string());
        let rows = records.iter().filter_map(|record| record.row.as_deref()).collect();
        Self { file, rows, records }
    }

    /// Checks that a column exists.
    pub(super) fn require(&self, role: &'static str, column: &str) -> Result<(), DataError> {
        require_column(&self.file, &self.rows, role, column)
    }

    /// The values of a column, each with its number of rows, the most frequent first.
    fn values(&self, column: &str) -> Vec<(String, usize)> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for value in self.rows.iter().filter_map(|row| text(row, column)) {
            *counts.entry(value).or_default() += 1;
        }
        let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        counts
    }

    fn values_in_words(&self, column: &str) -> String {
        const SHOWN: usize = 12;
        let values = self.values(column);
        let shown = values.iter().take(SHOWN).map(|(value, n)| format!("`{value}` ({n})"));
        let more = if values.len() > SHOWN { ", ..." } else { "" };
        shown.collect::<Vec<_>>().join(", ") + more
    }
}

/// A value as text; `None` if it is null or blank.
fn text(row: &Map<String, Value>, column: &str) -> Option<String> {
    match lookup(row, column)? {
        Value::Null => None,
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

impl GroupColumn {
    fn find(name: &str, present: &Present<'_>) -> Result<Self, DataError> {
        let field = FIELDS.into_iter().find(|(field, value)| {
            *field == name && present.records.iter().any(|record| value(record).is_some())
        });
        match (name, field) {
            ("kind", _) => Ok(Self::Kind),
            ("labelled_by", _) => Ok(Self::LabelledBy),
            (_, Some((name, value))) => Ok(Self::Field(name, value)),
            (name, None) => present.require("--by", name).map(|()| Self::Row(name.to_owned())),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Field(name, _) => name,
            Self::Kind => "kind",
            Self::LabelledBy => "labelled_by",
            Self::Row(name) => name,
        }
    }

    pub(super) fn value(&self, record: &Record, judged: &Judged) -> Option<String> {
        match self {
            Self::Field(_, value) => value(record),
            Self::Kind => judged.kind.map(|kind| kind.name().to_owned()),
            Self::LabelledBy => Some(judged.labeller.name().to_owned()),
            Self::Row(name) => text(record.row.as_deref()?, name),
        }
    }
}

/// The columns that make the groups.
pub(super) fn group_columns(args: &Rates, present: &Present<'_>) -> anyhow::Result<Vec<GroupColumn>> {
    if args.by.is_empty() {
        let target = present.records.iter().any(|record| record.target.is_some());
        return Ok(if target { vec![GroupColumn::find("target", present)?] } else { Vec::new() });
    }
    let names: Vec<&str> = args.by.iter().map(|name| name.trim()).collect();
    if let Some((_, name)) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        return Err(Usage(format!("--by names `{name}` twice")).into());
    }
    names.into_iter().map(|name| Ok(GroupColumn::find(name, present)?)).collect()
}

/// What pairs the rows of two targets: the prompt with what was said before it, or the value of a column.
#[derive(Debug, Clone)]
pub(super) enum PairColumn {
    Prompt,
    Row(String),
}

impl PairColumn {
    pub(super) fn find(name: &str, present: &Present<'_>) -> Result<Self, DataError> {
        if name == "prompt" && present.records.iter().any(|record| record.prompt.is_some()) {
            return Ok(Self::Prompt);
        }
        present.require("--paired-by", name).map(|()| Self::Row(name.to_owned()))
    }

    pub(super) fn key(&self, record: &Record) -> Option<String> {
        match self {
            Self::Row(name) => text(record.row.as_deref()?, name),
            Self::Prompt => {
                let prompt = record.prompt.as_deref().filter(|prompt| !prompt.trim().is_empty())?;
                let before = record.context.iter().map(|turn| format!("{}\0{}\0", turn.role, turn.content));
                Some(before.collect::<String>() + &normalise(prompt))
            }
        }
    }
}

/// The column that says whether a prompt is harmful.
#[derive(Debug, Clone)]
pub(super) struct HarmColumn {
    name: String,
    harmful: Vec<String>,
}

impl HarmColumn {
    pub(super) fn find(name: &str, harmful: &[String], present: &Present<'_>) -> anyhow::Result<Self> {
        present.require("--harm-column", name)?;
        let harmful: Vec<String> = harmful.iter().map(|value| key(value)).collect();
        let column = Self { name: name.to_owned(), harmful };
        let values = present.values(name);
        if let Some(absent) =
            column.harmful.iter().find(|value| values.iter().all(|(v, _)| key(v) != **value))
        {
            let values = present.values_in_words(name);
            return Err(Usage(format!("--harmful {absent}: no row has it; `{name}` has {values}")).into());
        }
        if let Some((unknown, _)) = values.iter().find(|(value, _)| column.means(value).is_none()) {
            let values = present.values_in_words(name);
            return Err(Usage(format!(
                "--harm-column {name}: it is not known whether `{unknown}` is harmful; say which values are with \
                 --harmful VALUE,...; it has {values}"
            ))
            .into());
        }
        Ok(column)
    }

    fn means(&self, value: &str) -> Option<bool> {
        let value = key(value);
        if !self.harmful.is_empty() {
            return Some(self.harmful.contains(&value));
        }
        let is = |words: &[&str]| words.contains(&value.as_str());
        if is(&HARMFUL) { Some(true) } else { is(&SAFE).then_some(false) }
    }

    pub(super) fn value(&self, record: &Record) -> Option<bool> {
        self.means(&text(record.row.as_deref()?, &self.name)?)
    }
}

fn key(value: &str) -> String {
    value.trim().to_lowercase()
}

/// The other label.
#[derive(Debug, Clone)]
pub(super) struct OtherLabel {
    name: String,
    labels: LabelVocabulary,
    policy: KindPolicy,
}

impl OtherLabel {
    pub(super) fn find(name: &str, source: &DataSource, present: &Present<'_>) -> anyhow::Result<Self> {
        present.require("--judge", name)?;
        let column = Self { name: name.to_owned(), labels: source.labels.clone(), policy: source.policy };
        let mut unknown: Vec<UnknownLabel> = Vec::new();
        for record in present.records {
            let Some(value) = column.cell(record).filter(|value| column.labels.read(value).is_none()) else {
                continue;
            };
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match unknown.iter_mut().find(|known| known.value == value) {
                Some(known) => known.count += 1,
                None => unknown.push(UnknownLabel { value, count: 1, first_line: record.place.line }),
            }
        }
        if unknown.is_empty() {
            return Ok(column);
        }
        unknown.sort_by_key(|label| std::cmp::Reverse(label.count));
        Err(DataError::UnknownLabels { file: present.file.clone(), column: name.to_owned(), values: unknown }
            .into())
    }

    /// The cell, unless it is null or blank.
    fn cell(&self, record: &Record) -> Option<Value> {
        let blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
        lookup(record.row.as_deref()?, &self.name).filter(|value| !value.is_null() && !blank(value))
    }

    /// Whether it says refused; `None` where it says nothing, drops the row, or names a kind without a label.
    pub(super) fn refused(&self, record: &Record) -> Option<bool> {
        let label = match self.labels.read(&self.cell(record)?)? {
            Meaning::Label(label) => Some(label),
            Meaning::Kind(kind) => self.policy.label(kind),
            Meaning::Drop => None,
        };
        label.map(|label| label == Label::Refused)
    }
}
