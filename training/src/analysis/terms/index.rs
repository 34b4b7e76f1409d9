//! The inverted index: for every n-gram of some views, the rows that contain it.

use demur_predictor::{Input, Scratch, View};

/// Rows by feature, features numbered through the views in order.
pub(crate) struct Index {
    ends: Vec<usize>,
    rows: Vec<u32>,
    /// First feature of each view, and one past the last of all.
    views: Vec<usize>,
}

impl Index {
    pub(crate) fn of(views: &[View], inputs: &[Input<'_>]) -> Self {
        let mut starts = vec![0];
        for view in views {
            starts.push(starts[starts.len() - 1] + view.vectorizer.len());
        }
        let features = starts[views.len()];
        let mut scratch = Scratch::default();
        let mut entries: Vec<(u32, u32)> = Vec::new();
        for (row, input) in (0_u32..).zip(inputs) {
            for (view, &start) in views.iter().zip(&starts) {
                // Feature numbers are u32 everywhere; a vectorizer cannot be built with more.
                let start = u32::try_from(start).unwrap_or(u32::MAX);
                let found = view.vectorizer.counts(view.settings.text(input), &mut scratch);
                entries.extend(found.into_iter().map(|(feature, _)| (start + feature, row)));
            }
        }
        let mut ends = vec![0; features + 1];
        for &(feature, _) in &entries {
            ends[feature as usize + 1] += 1;
        }
        for at in 0..features {
            ends[at + 1] += ends[at];
        }
        // Rows are visited in order, so the rows of each feature end up in order too.
        let mut rows = vec![0; entries.len()];
        let mut next = ends.clone();
        for (feature, row) in entries {
            let at = &mut next[feature as usize];
            rows[*at] = row;
            *at += 1;
        }
        Self { ends, rows, views: starts }
    }

    /// How many features there are.
    pub(crate) fn features(&self) -> usize {
        self.ends.len() - 1
    }

    /// The features of each view.
    pub(crate) fn views(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        self.views.windows(2).map(|pair| pair[0]..pair[1])
    }

    /// The rows that contain a feature, ascending.
    pub(crate) fn rows(&self, feature: usize) -> &[u32] {
        &self.rows[self.ends[feature]..self.ends[feature + 1]]
    }
}
