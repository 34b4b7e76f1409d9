//! What is known about a row besides its texts and label: figures are broken down by it, and fits add a shift
//! per source.

use std::borrow::Cow;

use demur_data::{Kind, Labeller, Mode, Record};
use demur_predictor::system_digest;

/// The name of the facet of contexts.
pub(crate) const CONTEXT: &str = "context";
/// The context of a prompt alone, in a chat.
pub(crate) const NO_CONTEXT: &str = "none";
/// How many digits of a system prompt's digest name it in figures.
const SHOWN: usize = 8;

/// What is known about a row besides its texts and label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facets<'a> {
    /// The kind of the response.
    pub kind: Option<Kind>,
    /// The model that answered.
    pub target: Option<&'a str>,
    /// The data set.
    pub source: Option<&'a str>,
    /// The data set's category.
    pub category: Option<&'a str>,
    /// Who labelled it.
    pub labeller: Option<Labeller>,
    /// The system prompt before the prompt.
    pub system: Option<&'a str>,
    /// Whether the target can act.
    pub mode: Mode,
}

impl<'a> Facets<'a> {
    /// The facets of a record.
    #[must_use]
    pub fn of(record: &'a Record) -> Self {
        Self {
            kind: record.label.as_ref().and_then(|label| label.kind),
            target: record.target.as_deref(),
            source: record.source.as_deref(),
            category: record.category.as_deref(),
            labeller: record.label.as_ref().map(|label| label.by.labeller),
            system: record.sent_in.system.as_deref(),
            mode: record.sent_in.mode,
        }
    }

    /// The name and the value of each facet; `None` if the row lacks it.
    pub(crate) fn values(&self) -> [(&'static str, Option<Cow<'a, str>>); 6] {
        [
            ("kind", self.kind.map(|kind| kind.name().into())),
            ("target", self.target.map(Cow::from)),
            ("source", self.source.map(Cow::from)),
            ("category", self.category.map(Cow::from)),
            ("labeller", self.labeller.map(|labeller| labeller.name().into())),
            (CONTEXT, Some(self.context())),
        ]
    }

    /// The context by name: `none`, `agent`, a system prompt by the beginning of its digest, or both.
    fn context(&self) -> Cow<'static, str> {
        let Some(system) = self.system else {
            return if self.mode.is_chat() { NO_CONTEXT } else { Mode::Agent.name() }.into();
        };
        let mut name = format!("system:{}", system_digest(system));
        name.truncate("system:".len() + SHOWN);
        if self.mode.is_chat() { name.into() } else { format!("{name}, agent").into() }
    }
}
