//! How far a run has come: what is saved so that it can be resumed.

use demur_data::stream::Position;
use serde::{Deserialize, Serialize};

use crate::engine::batch::block::ScoredBlock;
use crate::engine::batch::summary::Counts;

/// How far a run has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reached {
    /// The position up to which the inputs are done.
    pub(crate) position: Position,
    pub(crate) counts: Counts,
    /// The counts of the input that is being read.
    input: Tally,
    /// The first fault of each input whose rows were all bad.
    pub(crate) unusable: Vec<String>,
}

/// The rows of one input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tally {
    file: String,
    scored: u64,
    rejected: u64,
    /// The first bad row.
    first: Option<String>,
}

impl Reached {
    /// Adds a block.
    pub(super) fn add(&mut self, done: &ScoredBlock) {
        if self.input.file != *done.file {
            self.end_input();
            self.input = Tally { file: done.file.to_string(), ..Tally::default() };
        }
        self.input.scored += done.counts.scored;
        self.input.rejected += done.counts.rejected;
        if self.input.first.is_none() {
            self.input.first = done.rejections.first().map(ToString::to_string);
        }
        self.counts.merge(&done.counts);
        self.position = done.after;
    }

    /// Ends an input; records it as unusable if all of its rows were bad.
    pub(super) fn end_input(&mut self) {
        let Tally { file, scored, rejected, first } = std::mem::take(&mut self.input);
        if scored == 0
            && let Some(first) = first
        {
            self.unusable.push(format!(
                "{file}: no row can be used: {rejected} rows read, {rejected} rejected; the first: {first}; check which \
                 columns hold what"
            ));
        }
    }
}
