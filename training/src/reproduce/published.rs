//! The files that the paper's authors published: where they are, their usable rows, and whether all rows are
//! there.

use std::path::{Path, PathBuf};

use demur_data::{DataError, Labeller, Record};
use demur_predictor::Field;
use serde::Serialize;

use crate::error::TrainingError;
use crate::examples::Examples;
use crate::groups::Grouping;
use crate::recipe::source::DataSource;

/// The published files in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaperFiles {
    /// All hand-labelled responses.
    pub hand_labelled: PathBuf,
    /// The hand-labelled Quora questions among them.
    pub quora: Option<PathBuf>,
    /// The 10,000 machine-labelled Quora questions.
    pub bootstrap: Option<PathBuf>,
}

impl PaperFiles {
    /// Possible names of the file of hand-labelled responses.
    pub const HAND_LABELLED: [&str; 2] = ["hand_labeled.json", "all_hand_labeled.json"];
    /// The hand-labelled Quora questions.
    pub const QUORA: &str = "quora_insincere_hand_labeled.json";
    /// The machine-labelled Quora questions.
    pub const BOOTSTRAP: &str = "quora_insincere_large_bootstrap.json";

    /// Looks for the files in a folder and in its `data/` (a clone of the authors' repository). `None` when
    /// the hand-labelled responses are in neither.
    #[must_use]
    pub fn find(dir: &Path) -> Option<Self> {
        let folders = [dir.to_owned(), dir.join("data")];
        let find = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        Some(Self {
            hand_labelled: Self::HAND_LABELLED.into_iter().find_map(find)?,
            quora: find(Self::QUORA),
            bootstrap: find(Self::BOOTSTRAP),
        })
    }
}

/// One published file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileRead {
    /// Its name.
    pub file: String,
    /// Rows in it.
    pub rows: usize,
    /// Rows with a binary label, which are those that the paper counts.
    pub usable: usize,
    /// How many the paper has.
    pub published: usize,
    /// Whether both are equal, so that a split of the rows equals the authors'.
    pub complete: bool,
    /// What that means, in words.
    pub note: String,
}

/// The usable rows of one file.
pub(crate) struct PaperRows {
    /// The rows.
    pub(crate) records: Vec<Record>,
    /// What was read, for the reproduction's list of files.
    pub(crate) about: FileRead,
}

/// A value, or the reason why there is none.
pub(crate) type Maybe<T> = Result<T, String>;

impl PaperRows {
    pub(crate) fn read(
        path: &Path,
        field: Field,
        published: usize,
        theirs: &str,
    ) -> Result<Self, TrainingError> {
        // The authors labelled by hand, except their bootstrap, which their own classifier labelled.
        let machine = path.file_name().is_some_and(|name| name == PaperFiles::BOOTSTRAP);
        let labelled_by = Some(if machine { Labeller::Judge } else { Labeller::Person });
        let source = DataSource { labelled_by, ..DataSource::of(vec![path.to_owned()]) };
        let read = source.read(&[field], true, false);
        let corpus = read.map_err(|error| match error {
            // The original message suggests naming columns, which does not apply to these files.
            TrainingError::Data(DataError::NothingKept { summary, .. }) => TrainingError::NoRows {
                step: "reproduce",
                hint: format!(
                    "{}: {summary}; the published rows have `prompt`, `response` and `tone`",
                    path.display()
                ),
            },
            other => other,
        })?;
        let (rows, usable) = (corpus.summary.read, corpus.records.len());
        let complete = usable == published;
        let (r, u, p) = (thousands(rows), thousands(usable), thousands(published));
        let mut note = if complete {
            format!(
                "rows: {r} ({u} usable), as many as published; if they are in the published order, {theirs} the authors'"
            )
        } else {
            format!("rows: {r} ({u} usable) of {p} published: {theirs} not the authors'")
        };
        if let Some(first) = corpus.rejected.first() {
            note += &format!("; bad rows left out: {}, the first at {}", corpus.rejected.len(), first.place);
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let about = FileRead { file, rows, usable, published, complete, note };
        Ok(Self { records: corpus.records, about })
    }

    pub(crate) fn read_if_there(
        path: Option<&Path>,
        name: &str,
        published: usize,
        theirs: &str,
    ) -> Maybe<Self> {
        let path = path.ok_or_else(|| format!("there is no {name} in the folder"))?;
        Self::read(path, Field::Prompt, published, theirs).map_err(|error| error.to_string())
    }

    pub(crate) fn examples(&self) -> Examples<'_> {
        Examples::of(&self.records, &Grouping::Similar.groups(&self.records))
    }

    /// The note for a line whose rows are not the authors'.
    pub(crate) fn caution(&self) -> &'static str {
        if self.about.complete { "" } else { ", not the authors'" }
    }
}

/// `1706` as `1,706`.
pub(crate) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
