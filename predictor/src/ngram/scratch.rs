//! The buffers of a thread that scores texts.

use crate::ngram::covered::Covered;
use crate::ngram::hits::Hits;
use crate::ngram::ngrams::Symbols;
use crate::text::Recent;

/// Buffers that are reused from one text to the next, so that scoring allocates nothing per text.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) text: Recent,
    pub(super) symbols: Symbols,
    /// The paths that are still being followed: the index of each path's first symbol, relative to the block,
    /// and its current node.
    pub(super) paths: Vec<(u32, u32)>,
    pub(super) hits: Hits,
    pub(super) covered: Covered,
    /// Whether a score also says how much of a prompt is known.
    pub(super) measures: bool,
}

impl Scratch {
    /// Buffers with which every score of a prompt also says how much of it is known, at a small cost; without it,
    /// [`familiarity`](crate::Model::familiarity) looks every n-gram up again.
    #[must_use]
    pub fn measuring() -> Self {
        Self { measures: true, ..Self::default() }
    }
}
