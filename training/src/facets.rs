//! What is known about a row besides its texts and label: figures are broken down by it, and fits add a shift
//! per source.

use demur_data::{Kind, Labeller, Record};

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
        }
    }

    /// The name and the value of each facet; `None` if the row lacks it.
    pub(crate) fn values(&self) -> [(&'static str, Option<&'a str>); 5] {
        [
            ("kind", self.kind.map(Kind::name)),
            ("target", self.target),
            ("source", self.source),
            ("category", self.category),
            ("labeller", self.labeller.map(Labeller::name)),
        ]
    }
}
