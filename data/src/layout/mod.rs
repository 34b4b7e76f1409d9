//! Known layouts of files: provider batches, logs of evaluation harnesses, exports of annotation tools.
//!
//! A layout is data: what shows it, where the rows lie in one JSON object, and the paths of each field. One
//! file a layout (or a family of one tool's), one table. Adding one means a file here, a line in [`LAYOUTS`],
//! and the example that a test reads back.

mod alpaca_eval;
mod answers;
mod anthropic_batch;
mod argilla;
mod bedrock_batch;
mod bedrock_log;
mod chatgpt;
mod choice;
mod doccano;
mod garak;
mod gemini_batch;
mod harmbench;
mod helicone;
mod helm;
mod inspect;
mod jailbreakbench;
mod label_studio;
mod langfuse;
mod langsmith;
mod litellm;
mod lm_eval;
mod mt_bench;
mod openai_batch;
mod openai_evals;
mod openinference;
mod opentelemetry;
mod preference;
mod prodigy;
mod promptfoo;
mod provider_bodies;
mod refusal_sets;
mod ultrachat;
mod weave;

use std::borrow::Cow;

use serde_json::{Map, Value};

pub use choice::LayoutChoice;

use crate::path::Path;

/// What a field of a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The row's identifier.
    Id,
    /// The prompt.
    Prompt,
    /// The answer: text, parts, or a provider's whole body.
    Response,
    /// A chat.
    Messages,
    /// The label.
    Label,
    /// The kind of refusal.
    Kind,
    /// The model that answered.
    Target,
    /// The data set.
    Source,
    /// The data set's category.
    Category,
    /// The split.
    Split,
    /// The group.
    Group,
    /// The weight.
    Weight,
    /// A machine's P(refusal).
    PRefusal,
    /// A measured refusal rate.
    RefusalRate,
    /// Who labelled the row.
    LabelledBy,
    /// Why the answer ended.
    FinishReason,
    /// The provider's text of a refusal.
    Refusal,
    /// An error in the answer's place.
    Error,
    /// What filters say.
    Filters,
    /// The system prompt.
    System,
    /// The tools that the target was offered.
    Tools,
    /// Whether the target could act.
    Mode,
}

impl Role {
    /// Its name in messages and recipes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Prompt => "prompt",
            Self::Response => "response",
            Self::Messages => "messages",
            Self::Label => "label",
            Self::Kind => "kind",
            Self::Target => "target",
            Self::Source => "source",
            Self::Category => "category",
            Self::Split => "split",
            Self::Group => "group",
            Self::Weight => "weight",
            Self::PRefusal => "p_refusal",
            Self::RefusalRate => "refusal_rate",
            Self::LabelledBy => "labelled_by",
            Self::FinishReason => "finish_reason",
            Self::Refusal => "refusal",
            Self::Error => "error",
            Self::Filters => "filters",
            Self::System => "system",
            Self::Tools => "tools",
            Self::Mode => "mode",
        }
    }
}

/// A condition on a row.
type Check = fn(&Map<String, Value>) -> bool;

/// The rows that an entry is split into.
type Split = fn(&Map<String, Value>) -> Vec<Map<String, Value>>;

/// The paths of fields.
type Paths = &'static [(Role, &'static [&'static str])];

/// A known layout.
#[derive(Debug)]
pub struct Layout {
    /// Its name for `--layout`.
    pub name: &'static str,
    /// What it is, for summaries: "read as: `OpenAI` batch output".
    pub title: &'static str,
    /// Paths that every row has.
    pub(crate) every: &'static [&'static str],
    /// Paths of which one row at least has a value.
    pub(crate) some: &'static [&'static str],
    /// Paths that no row has a value at.
    pub(crate) none: &'static [&'static str],
    /// What else every row shows.
    pub(crate) also: Option<Check>,
    /// Where the rows lie, in a file that is one JSON object.
    pub(crate) rows: Option<&'static str>,
    /// Paths that the object around the rows has.
    pub(crate) around: &'static [&'static str],
    /// The paths and values that rows have, the first always and the others where they have that path; other
    /// entries are passed over and counted.
    pub(crate) only: &'static [(&'static str, &'static str)],
    /// A list of which each element is an answer: a row is read once for each.
    pub(crate) each: Option<&'static str>,
    /// Makes several rows of an entry.
    pub(crate) split: Option<Split>,
    /// The paths of each field, in order; the first that holds something counts.
    pub(crate) places: Paths,
    /// Fields whose usual name means something else here.
    pub(crate) without: &'static [Role],
    /// For reading alone: makes an ordinary row of one whose fields no path reaches.
    pub(crate) reshape: Option<fn(&mut Map<String, Value>)>,
    /// A row, or an object around rows, as a file has it.
    pub example: &'static str,
}

/// What most layouts are not.
pub(crate) const PLAIN: Layout = Layout {
    name: "",
    title: "",
    every: &[],
    some: &[],
    none: &[],
    also: None,
    rows: None,
    around: &[],
    only: &[],
    each: None,
    split: None,
    places: &[],
    without: &[],
    reshape: None,
    example: "",
};

/// All known layouts. Where two would recognise a file, the first counts.
pub static LAYOUTS: &[&Layout] = &[
    &openai_batch::OUTPUT,
    &openai_batch::INPUT,
    &anthropic_batch::OUTPUT,
    &anthropic_batch::INPUT,
    &gemini_batch::OUTPUT,
    &gemini_batch::INPUT,
    &bedrock_batch::OUTPUT,
    &lm_eval::SAMPLES,
    &inspect::LOG,
    &inspect::SAMPLES,
    &promptfoo::RESULTS,
    &garak::REPORT,
    &garak::HITS,
    &openai_evals::LOG,
    &helm::STATES,
    &jailbreakbench::ARTIFACT,
    &harmbench::RESULTS,
    &harmbench::BEHAVIORS,
    &alpaca_eval::ANNOTATIONS,
    &alpaca_eval::OUTPUTS,
    &mt_bench::ANSWERS,
    &refusal_sets::STRONG_REJECT,
    &refusal_sets::XSTEST,
    &refusal_sets::OR_BENCH,
    &refusal_sets::DO_NOT_ANSWER,
    &label_studio::EXPORT,
    &label_studio::MINIMAL,
    &doccano::EXPORT,
    &argilla::RECORDS,
    &prodigy::TASKS,
    &litellm::LOG,
    &langfuse::EXPORT,
    &langsmith::RUNS,
    &weave::CALLS,
    &helicone::EXPORT,
    &bedrock_log::LOG,
    &chatgpt::EXPORT,
    &opentelemetry::TRACES,
    &opentelemetry::SPANS,
    &openinference::SPANS,
    &provider_bodies::COMPLETIONS,
    &provider_bodies::BODIES,
    &ultrachat::ULTRACHAT,
    &preference::PREFERRED,
    &preference::PAIRS,
    &preference::SIDES,
    &answers::ARENA,
    &answers::SEVERAL,
];

impl Layout {
    /// The layout of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<&'static Self> {
        LAYOUTS.iter().copied().find(|layout| layout.name == name)
    }

    /// The layout that these rows show; those of a layout with several kinds of entries may be of any.
    #[must_use]
    pub fn of_rows(rows: &[&Map<String, Value>]) -> Option<&'static Self> {
        LAYOUTS.iter().copied().find(|layout| layout.is_shown_by(rows))
    }

    /// The layout of one JSON object that has rows under a key, by its skeleton.
    pub(crate) fn of_object(object: &Map<String, Value>) -> Option<&'static Self> {
        LAYOUTS.iter().copied().find(|layout| layout.is_around(object))
    }

    fn is_shown_by(&self, rows: &[&Map<String, Value>]) -> bool {
        if rows.is_empty() {
            return false;
        }
        // Each line may be an object around rows.
        if self.rows.is_some() && rows.iter().all(|row| self.is_around(row)) {
            return true;
        }
        if self.every.is_empty() && self.some.is_empty() && self.also.is_none() {
            return false;
        }
        let has = |row: &Map<String, Value>, path: &str| Path::parse(path).get(row).is_some();
        let says = |row: &Map<String, Value>, path: &str| {
            Path::parse(path).get(row).is_some_and(|value| !value.is_null() && *value != "")
        };
        let rows: Vec<Cow<'_, Map<String, Value>>> = rows.iter().map(|row| self.as_read(row)).collect();
        self.every.iter().all(|path| rows.iter().all(|row| has(row, path)))
            && self.also.is_none_or(|also| rows.iter().all(|row| also(row)))
            && self.some.iter().all(|path| rows.iter().any(|row| says(row, path)))
            && !self.none.iter().any(|path| rows.iter().any(|row| says(row, path)))
    }

    /// The paths of a field.
    pub(crate) fn paths(&self, role: Role) -> &'static [&'static str] {
        self.places.iter().find(|(of, _)| *of == role).map_or(&[], |(_, paths)| paths)
    }

    /// Whether a field may be found by its usual name.
    pub(crate) fn takes_usual(&self, role: Role) -> bool {
        !self.without.contains(&role)
    }

    /// Whether its rows may not be those of the file: some are passed over, or read several times.
    pub(crate) fn changes_rows(&self) -> bool {
        !self.only.is_empty() || self.each.is_some() || self.split.is_some() || self.rows.is_some()
    }

    /// The rows that an entry of the file holds; none if it is of another type.
    pub(crate) fn rows_of(&self, entry: Map<String, Value>) -> Vec<Map<String, Value>> {
        let is_other = |(number, (path, wanted)): (usize, &(&str, &str))| match Path::parse(path).get(&entry)
        {
            None => number == 0,
            Some(value) => *value != *wanted && value.to_string() != *wanted,
        };
        if self.only.iter().enumerate().any(is_other) {
            return Vec::new();
        }
        if let Some(rows) = self.rows
            && self.is_around(&entry)
        {
            let mut found = Vec::new();
            flattened(Path::parse(rows).get(&entry).map_or(Value::Null, Cow::into_owned), &mut found);
            return found;
        }
        if let Some(split) = self.split {
            return split(&entry);
        }
        match self.each {
            Some(list) => unfolded(entry, &Path::parse(list)),
            None => vec![entry],
        }
    }

    /// A row as its fields are read.
    pub(crate) fn as_read<'r>(&self, row: &'r Map<String, Value>) -> Cow<'r, Map<String, Value>> {
        let Some(reshape) = self.reshape else { return Cow::Borrowed(row) };
        let mut row = row.clone();
        reshape(&mut row);
        Cow::Owned(row)
    }

    /// How often an entry is copied to give a row for each of its answers.
    pub(crate) fn copies_of(&self, entry: &Map<String, Value>) -> usize {
        let list = self.each.and_then(|list| Path::parse(list).get(entry).map(Cow::into_owned));
        list.and_then(|list| list.as_array().map(Vec::len)).unwrap_or(1)
    }

    /// Whether an object is one that has rows of this layout in it.
    fn is_around(&self, object: &Map<String, Value>) -> bool {
        let has = |path: &&str| Path::parse(path).get(object).is_some();
        self.rows.is_some() && self.around.iter().all(has)
    }
}

/// The objects in lists of lists.
fn flattened(value: Value, into: &mut Vec<Map<String, Value>>) {
    match value {
        Value::Array(list) => list.into_iter().for_each(|value| flattened(value, into)),
        Value::Object(fields) => into.push(fields),
        _ => {}
    }
}

/// A copy of a row for each element of a list in it, with that element alone in the list.
fn unfolded(row: Map<String, Value>, list: &Path) -> Vec<Map<String, Value>> {
    let Some(Value::Array(items)) = list.get(&row).map(Cow::into_owned) else { return vec![row] };
    if items.len() < 2 {
        return vec![row];
    }
    let one = |item: Value| {
        let mut copy = Value::Object(row.clone());
        if let Some(place) = list.place_in(&mut copy) {
            *place = Value::Array(vec![item]);
        }
        match copy {
            Value::Object(copy) => copy,
            _ => Map::new(),
        }
    };
    items.into_iter().map(one).collect()
}

#[cfg(test)]
mod shape_tests;
#[cfg(test)]
mod tests;
