//! How files are opened, where the caller chooses it.

use serde::{Deserialize, Serialize};

use crate::layout::LayoutChoice;
use crate::path::Path;

/// How files are opened, beside their format.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Opening {
    /// The layout of their rows.
    pub layout: LayoutChoice,
    /// Where the rows lie, in a file that is one JSON object.
    pub rows: Option<Path>,
}

impl Opening {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
