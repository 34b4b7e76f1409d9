//! How the rows of each input are read, and how the new columns are named. Both are settled over all inputs
//! before the first row is written, so that no name collides halfway through.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{bail, ensure};
use demur_data::stream::{
    self, Column, Head, NoPrompt, Position, RowFormat, Rows, Texts, delimiter, free_names,
};
use demur_data::{Columns, Format, ReadOptions, TextReader};
use serde_json::{Map, Value};

use crate::engine::batch::Reading;
use crate::engine::batch::plan::{Plan, Written};

/// A column that is needed and not found. What to do is said by whoever knows how columns are named there: by
/// a flag, or by a field of a request.
#[derive(Debug)]
pub(crate) struct MissingColumn {
    text: String,
    /// The role of the column, if naming it helps.
    pub(crate) role: Option<&'static str>,
}

impl fmt::Display for MissingColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for MissingColumn {}

/// Names of the new columns, and how rows are read.
pub(crate) struct Layout<'p, 'a> {
    plan: &'p Plan<'a>,
    names: Arc<[String]>,
    /// The columns of the first input, if the output keeps the columns of its inputs.
    like: Option<Vec<String>>,
    /// Notes on columns whose type a table cannot keep.
    changes: Vec<String>,
    /// What the inputs were read as, other than their names say.
    read_as: Vec<String>,
    /// The format of the input that was read last.
    last: Option<(usize, Arc<RowFormat>)>,
}

impl<'p, 'a> Layout<'p, 'a> {
    /// Checks all inputs that can be read in advance, and `first`, the one that is being read.
    ///
    /// # Errors
    /// When an input cannot be read, its texts are not found, or its columns do not match those of the
    /// others.
    pub(crate) fn settle(plan: &'p Plan<'a>, first: &Head) -> anyhow::Result<Self> {
        let mut layout = Self {
            plan,
            names: Arc::default(),
            like: None,
            changes: Vec::new(),
            read_as: Vec::new(),
            last: None,
        };
        let mut taken = BTreeSet::new();
        layout.check(first, &mut taken)?;
        for file in plan.files().filter(|(file, _)| file.to_string_lossy() != *first.file) {
            if let Some(head) = head(file, plan)? {
                layout.check(&head, &mut taken)?;
            }
        }
        let taken: Vec<String> = taken.into_iter().collect();
        let free = |mut name: String| {
            // Rows that were scored twice already have the longer name too.
            while taken.contains(&name) {
                name.insert_str(0, "demur_");
            }
            name
        };
        layout.names = free_names(&taken, plan.columns.names()).into_iter().map(free).collect();
        Ok(layout)
    }

    /// Notes for the user before the rows are written: new columns that had to be renamed, and columns whose
    /// type is not kept.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        let pairs = self.names.iter().zip(self.plan.columns.list());
        let pairs = pairs.filter(|_| !self.plan.bare);
        let renamed = pairs.filter(|(name, column)| **name != column.name).map(|(name, column)| {
            format!("the rows have a column `{}` already: the new one is called `{name}`", column.name)
        });
        let read_as = self.read_as.join(", ");
        let read_as = (!read_as.is_empty()).then(|| format!("read as: {read_as}"));
        read_as.into_iter().chain(renamed).chain(self.changes.iter().cloned())
    }

    /// What the inputs were read as, other than their names say.
    pub(crate) fn read_as(&self) -> &[String] {
        &self.read_as
    }

    /// The names of the new columns.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns how the rows of an input are read and written.
    ///
    /// # Errors
    /// As [`settle`](Self::settle), for an input that could not be read in advance.
    pub(crate) fn format(&mut self, head: &Head) -> anyhow::Result<Arc<RowFormat>> {
        if let Some((input, format)) = &self.last
            && *input == head.input
        {
            return Ok(Arc::clone(format));
        }
        let mut taken = BTreeSet::new();
        let texts = self.check(head, &mut taken)?;
        let header = if head.header.is_some() { field_names(head)? } else { Vec::new() };
        let names = if self.plan.bare { Arc::default() } else { Arc::clone(&self.names) };
        let format = Arc::new(RowFormat { texts, format: head.format, header, names });
        self.last = Some((head.input, Arc::clone(&format)));
        Ok(format)
    }

    /// Finds the texts of an input, and adds its field names to `taken`.
    fn check(&mut self, head: &Head, taken: &mut BTreeSet<String>) -> anyhow::Result<Texts> {
        let fields = field_names(head)?;
        let contexts = self.plan.columns.question().tiered().model.scorer().reads_contexts();
        let texts = texts(&self.plan.reading, head, &fields, contexts)?;
        for read_as in &head.read_as {
            if !self.read_as.contains(read_as) {
                self.read_as.push(read_as.clone());
            }
        }
        if self.plan.written == Written::Same && head.header.is_some() {
            let header = self.like.get_or_insert_with(|| fields.clone());
            ensure!(
                *header == fields,
                "{}: its header is not that of the first file; score files with other columns apart",
                head.file
            );
        }
        if let (Written::Parts, Rows::Frame { frame, .. }) = (self.plan.written, &head.sample) {
            let new = head.changes.iter().filter(|change| !self.changes.contains(change));
            self.changes.extend(new.cloned().collect::<Vec<_>>());
            let columns = frame.names().zip(frame.types()).map(|(name, kind)| format!("{name} {kind}"));
            let columns: Vec<String> = columns.collect();
            ensure!(
                *self.like.get_or_insert_with(|| columns.clone()) == columns,
                "{}: its columns, or their types, are not those of the first file; score files with other columns \
                 apart, or write JSON Lines",
                head.file
            );
        }
        taken.extend(fields);
        Ok(texts)
    }
}

/// What is known of a file before its rows are read; `None` if it has no rows.
fn head(file: &(PathBuf, Format), plan: &Plan<'_>) -> anyhow::Result<Option<Arc<Head>>> {
    let mut head = None;
    let (from, size) = (Position::default(), plan.block_size());
    stream::blocks(std::slice::from_ref(file), &plan.opening, from, size, &Arc::default(), |block| {
        head = Some(block.head);
        false
    })?;
    Ok(head)
}

/// Where the texts of an input's rows are. With `contexts`, a prompt is read with what it was sent in, and
/// not alone.
///
/// # Errors
/// When they are not found.
pub(super) fn texts(
    reading: &Reading,
    head: &Head,
    fields: &[String],
    contexts: bool,
) -> anyhow::Result<Texts> {
    match reading {
        Reading::Prompt { column, messages, longest } => {
            if fields.is_empty() {
                let first = match &head.sample {
                    Rows::Text { bytes, .. } => stream::first_fault(bytes),
                    Rows::Frame { .. } | Rows::TooLong(_) => None,
                };
                let first = first.map_or_else(String::new, |fault| format!("; {fault}"));
                bail!("{}: no row of the beginning is a JSON object{first}", head.file);
            }
            let separated = head.header.is_some();
            if head.layout.is_some() && column.is_none() && messages.is_none() {
                let header = if separated { fields } else { &[] };
                let options = ReadOptions { need_prompt: true, ..ReadOptions::default() };
                let reader = TextReader::new(&head.file, sample(head, header), head.layout, &options)?;
                return Ok(Texts::PromptOf(Box::new(reader), *longest));
            }
            let found = stream::column(fields, column.as_deref(), messages.as_deref(), separated);
            let found = found.map_err(|NoPrompt { reason, name_it }| MissingColumn {
                text: format!("{}: {reason}", head.file),
                role: name_it.then_some("prompt"),
            })?;
            if !contexts {
                return Ok(Texts::Prompt(found, *longest));
            }
            let options =
                ReadOptions { columns: named(&found, fields), need_prompt: true, ..ReadOptions::default() };
            let header = if separated { fields } else { &[] };
            let reader = TextReader::new(&head.file, sample(head, header), head.layout, &options)?;
            Ok(Texts::PromptOf(Box::new(reader), *longest))
        }
        Reading::Answer(options) => {
            let header = if head.header.is_some() { fields } else { &[] };
            Ok(Texts::Answer(Box::new(TextReader::new(
                &head.file,
                sample(head, header),
                head.layout,
                options,
            )?)))
        }
    }
}

/// The column of the prompt as a reader of whole rows takes it.
fn named(column: &Column, fields: &[String]) -> Columns {
    let at = |at: &usize| fields.get(*at).cloned();
    match column {
        Column::Text(path) => Columns { prompt: Some(path.to_string()), ..Columns::default() },
        Column::Field(field) => Columns { prompt: at(field), ..Columns::default() },
        Column::Chat(path) => Columns { messages: Some(path.to_string()), ..Columns::default() },
        Column::ChatField(field) => Columns { messages: at(field), ..Columns::default() },
    }
}

/// The first rows of an input as maps by field name; rows without fields are skipped.
fn sample(head: &Head, header: &[String]) -> Vec<Map<String, Value>> {
    match &head.sample {
        Rows::Frame { frame, .. } => demur_data::to_rows(frame),
        Rows::TooLong(_) => Vec::new(),
        Rows::Text { bytes, .. } => {
            let none = Texts::Prompt(Column::Field(0), 0);
            let (header, names) = (header.to_vec(), Arc::default());
            let format = RowFormat { texts: none, format: head.format, header, names };
            let records = stream::records(bytes, delimiter(head.format)).into_iter().take(100);
            records.filter_map(|(_, row)| format.fields(std::str::from_utf8(row).ok()?).ok()).collect()
        }
    }
}

/// The field names of an input: those of its header, or all that its first rows have.
///
/// # Errors
/// When a header cannot be read, or names two columns alike.
pub(super) fn field_names(head: &Head) -> anyhow::Result<Vec<String>> {
    if let Some(header) = &head.header {
        let in_file = |reason: String| anyhow::anyhow!("{}: {reason}", head.file);
        let fields = stream::split(header, delimiter(head.format).unwrap_or(b',')).map_err(in_file)?;
        let fields: Vec<String> = fields.iter().map(str::to_owned).collect();
        let mut seen = HashSet::with_capacity(fields.len());
        if let Some(twice) = fields.iter().find(|name| !seen.insert(name.as_str())) {
            bail!("{}: two columns are called `{twice}`; rename one", head.file);
        }
        return Ok(fields);
    }
    if let Rows::Frame { frame, .. } = &head.sample {
        return Ok(frame.names().map(str::to_owned).collect());
    }
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    for row in sample(head, &[]) {
        for (name, _) in row {
            if !seen.contains(&name) {
                names.push(name.clone());
                seen.insert(name);
            }
        }
    }
    Ok(names)
}
