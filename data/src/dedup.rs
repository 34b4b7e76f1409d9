//! Duplicates: one row per prompt, or one per response.

use rustc_hash::FxHashSet;

use crate::{Record, normalise};

/// Keeps the first row of each text and counts the rows removed. Texts are compared by [`normalise`]. Rows
/// without the text are all kept.
#[must_use]
pub fn deduplicate(records: Vec<Record>, text: fn(&Record) -> Option<&str>) -> (Vec<Record>, usize) {
    let before = records.len();
    let mut seen = FxHashSet::default();
    let mut records = records;
    records.retain(|record| text(record).is_none_or(|text| seen.insert(normalise(text))));
    let removed = before - records.len();
    (records, removed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::deduplicate;
    use crate::record::tests::record;

    fn kept(text: fn(&crate::Record) -> Option<&str>) -> (Vec<usize>, usize) {
        let records = [Some("Hello, world"), None, Some("hello world!"), Some("Hello"), None];
        let mut records: Vec<_> =
            records.iter().enumerate().map(|(line, prompt)| record(line, *prompt)).collect();
        records[2].response = Some("No.".to_owned());
        records[4].response = Some("no".to_owned());
        let (kept, removed) = deduplicate(records, text);
        (kept.iter().map(|record| record.place.line).collect(), removed)
    }

    #[test]
    fn the_first_of_each_text_stays() {
        assert_eq!(kept(|record| record.prompt.as_deref()), (vec![0, 1, 3, 4], 1));
        assert_eq!(kept(|record| record.response.as_deref()), (vec![0, 1, 2, 3], 1));
    }
}
