//! Where the fields of a file's rows are, once its columns are settled.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::path::{Path, key};

/// Where a field of a row is: one path, or several of which the first that holds something counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) paths: Vec<Path>,
    /// Whether the user named it.
    pub(crate) named: bool,
}

impl Place {
    /// The place of one path.
    pub(crate) fn of(path: Path) -> Self {
        Self { paths: vec![path], named: false }
    }

    /// Its name in messages: its first path.
    pub(crate) fn name(&self) -> &str {
        self.paths.first().map_or("", Path::as_str)
    }

    /// The first value that is there and not null, with its path.
    pub(crate) fn get<'v>(&'v self, fields: &'v Map<String, Value>) -> Option<(&'v str, Cow<'v, Value>)> {
        self.paths.iter().find_map(|path| {
            let value = path.get(fields).filter(|value| !value.is_null())?;
            Some((path.as_str(), value))
        })
    }

    /// Whether there is a value, be it null.
    pub(crate) fn is_there(&self, fields: &Map<String, Value>) -> bool {
        self.paths.iter().any(|path| path.get(fields).is_some())
    }

    /// The same without the path.
    pub(crate) fn value<'v>(&'v self, fields: &'v Map<String, Value>) -> Option<Cow<'v, Value>> {
        self.get(fields).map(|(_, value)| value)
    }
}

/// Where the fields of a file's rows are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    pub(crate) id: Option<Place>,
    pub(crate) prompt: Option<Place>,
    pub(crate) response: Option<Place>,
    pub(crate) messages: Option<Place>,
    pub(crate) label: Option<Place>,
    pub(crate) kind: Option<Place>,
    pub(crate) target: Option<Place>,
    pub(crate) source: Option<Place>,
    pub(crate) category: Option<Place>,
    pub(crate) split: Option<Place>,
    pub(crate) group: Option<Place>,
    pub(crate) weight: Option<Place>,
    pub(crate) p_refusal: Option<Place>,
    pub(crate) refusal_rate: Option<Place>,
    pub(crate) labelled_by: Option<Place>,
    pub(crate) finish_reason: Option<Place>,
    pub(crate) refusal: Option<Place>,
    pub(crate) error: Option<Place>,
    pub(crate) filters: Option<Place>,
    pub(crate) system: Option<Place>,
    pub(crate) tools: Option<Place>,
    pub(crate) mode: Option<Place>,
}

impl Places {
    /// Takes a lone `text` for the answer, in a file that has no other text and is read for its answers.
    pub(crate) fn text_is_answer(&mut self) {
        if self.response.is_none()
            && self.messages.is_none()
            && let Some(prompt) =
                self.prompt.take_if(|prompt| !prompt.named && key(prompt.name()).ends_with("text"))
        {
            self.response = Some(prompt);
        }
    }
}
