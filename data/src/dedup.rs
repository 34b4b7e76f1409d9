//! One row a prompt.

use rustc_hash::FxHashSet;

use crate::{Record, normalise};

/// Keeps the first row of each prompt, prompts compared by [`normalise`], and counts the rows removed. Rows
/// without a prompt are all kept.
#[must_use]
pub fn deduplicate(records: Vec<Record>) -> (Vec<Record>, usize) {
    let before = records.len();
    let mut seen = FxHashSet::default();
    let mut records = records;
    records.retain(|record| record.prompt.as_deref().is_none_or(|prompt| seen.insert(normalise(prompt))));
    let removed = before - records.len();
    (records, removed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::deduplicate;
    use crate::record::tests::record;

    #[test]
    fn the_first_of_each_prompt_stays() {
        let records = [Some("Hello, world"), None, Some("hello world!"), Some("Hello"), None];
        let records = records.iter().enumerate().map(|(line, prompt)| record(line, *prompt)).collect();
        let (kept, removed) = deduplicate(records);
        assert_eq!(removed, 1);
        assert_eq!(kept.iter().map(|record| record.place.line).collect::<Vec<_>>(), [0, 1, 3, 4]);
    }
}
