//! Which layout files are read in: the one that each shows, a named one, or none.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{LAYOUTS, Layout};

/// Which layout files are read in.
#[derive(Debug, Clone, Copy, Default)]
pub enum LayoutChoice {
    /// The one that each file shows, if it shows one.
    #[default]
    Recognised,
    /// The same, among those that read one row from each entry.
    RowByRow,
    /// None: fields are found by their usual names alone.
    None,
    /// This one.
    Forced(&'static Layout),
}

impl LayoutChoice {
    /// The layout of a file with these rows. `found` is what the object around them has shown.
    pub(crate) fn of(
        self,
        found: Option<&'static Layout>,
        rows: &[&Map<String, Value>],
    ) -> Option<&'static Layout> {
        match self {
            Self::None => None,
            Self::Forced(layout) => Some(layout),
            Self::Recognised => found.or_else(|| Layout::of_rows(rows)),
            Self::RowByRow => found.or_else(|| Layout::of_rows(rows)).filter(|layout| !layout.changes_rows()),
        }
    }
}

impl PartialEq for LayoutChoice {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for LayoutChoice {}

impl fmt::Display for LayoutChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recognised => "auto",
            Self::RowByRow => "row-by-row",
            Self::None => "none",
            Self::Forced(layout) => layout.name,
        })
    }
}

impl FromStr for LayoutChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self::Recognised),
            "none" => Ok(Self::None),
            name => Layout::of_name(name).map(Self::Forced).ok_or_else(|| {
                let names: Vec<&str> = LAYOUTS.iter().map(|layout| layout.name).collect();
                format!("no layout is called `{name}`; use auto, none or one of {}", names.join(", "))
            }),
        }
    }
}

impl Serialize for LayoutChoice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LayoutChoice {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
