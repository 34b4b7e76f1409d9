//! Example rows for a term: from one side, either the most confident or the most surprising, no two from one
//! template.

use super::index::Index;

/// The data that rows are chosen by.
pub(crate) struct Finder<'a> {
    pub(crate) index: &'a Index,
    pub(crate) labels: &'a [bool],
    pub(crate) p: &'a [f64],
    pub(crate) groups: &'a [u32],
}

impl Finder<'_> {
    /// At most `count` rows with a term that are refused, or that are not. If `expected`, the rows that the
    /// model is most confident about come first; otherwise those that it is most wrong about. A second row of
    /// a group comes only after one row of every group.
    pub(crate) fn find(&self, feature: usize, refused: bool, expected: bool, count: usize) -> Vec<usize> {
        let mut rows: Vec<usize> = self.index.rows(feature).iter().map(|&row| row as usize).collect();
        rows.retain(|&row| self.labels[row] == refused);
        let high = refused == expected;
        let better = |a: usize, b: usize| {
            let order = self.p[b].total_cmp(&self.p[a]);
            (if high { order } else { order.reverse() }).then(a.cmp(&b))
        };
        // Only this many can matter; a frequent term has thousands of rows.
        let keep = (count * 8).min(rows.len());
        if keep > 0 && keep < rows.len() {
            rows.select_nth_unstable_by(keep - 1, |&a, &b| better(a, b));
            rows.truncate(keep);
        }
        rows.sort_by(|&a, &b| better(a, b));
        let (mut first, mut again) = (Vec::new(), Vec::new());
        let mut seen: Vec<u32> = Vec::new();
        for row in rows {
            if seen.contains(&self.groups[row]) {
                again.push(row);
            } else {
                seen.push(self.groups[row]);
                first.push(row);
            }
        }
        first.extend(again);
        first.truncate(count);
        first
    }
}
