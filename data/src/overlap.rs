//! Prompts that stand on both sides of an evaluation, and so make it look better than it is.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{Place, Record, normalise};

/// What two sets of rows share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Distinct prompts in both.
    pub prompts: usize,
    /// Rows of the evaluation set with such a prompt.
    pub evaluation_rows: usize,
    /// The first such prompts, at most five: where each stands in the training set and in the evaluation set.
    pub examples: Vec<(Place, Place)>,
}

const EXAMPLES: usize = 5;

/// Finds the prompts of the evaluation set that the training set has too, compared by [`normalise`].
#[must_use]
pub fn overlap(training: &[Record], evaluation: &[Record]) -> Overlap {
    let mut first: FxHashMap<String, &Place> = FxHashMap::default();
    for (key, place) in keyed(training) {
        first.entry(key).or_insert(place);
    }
    let mut shared = Overlap::default();
    let mut seen = FxHashSet::default();
    for (key, place) in keyed(evaluation) {
        let Some(&trained) = first.get(&key) else { continue };
        shared.evaluation_rows += 1;
        if seen.insert(key) {
            shared.prompts += 1;
            if shared.examples.len() < EXAMPLES {
                shared.examples.push((trained.clone(), place.clone()));
            }
        }
    }
    shared
}

fn keyed(records: &[Record]) -> impl Iterator<Item = (String, &Place)> {
    records.iter().filter_map(|record| Some((normalise(record.prompt.as_deref()?), &record.place)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::{Overlap, overlap};
    use crate::record::tests::record;

    #[test]
    fn shared_prompts_are_counted_and_shown() {
        let training =
            [record(1, Some("A b")), record(2, Some("a b")), record(3, Some("c")), record(4, None)];
        let evaluation =
            [record(1, Some("d")), record(2, Some("a, b")), record(3, Some("A B?")), record(4, None)];
        let shared = overlap(&training, &evaluation);
        assert_eq!((shared.prompts, shared.evaluation_rows), (1, 2));
        assert_eq!(shared.examples, [(training[0].place.clone(), evaluation[1].place.clone())]);
        assert_eq!(overlap(&training, &evaluation[..1]), Overlap::default());
    }

    #[test]
    fn five_examples_are_enough() {
        let rows: Vec<_> = (0..9).map(|n| record(n, Some(&n.to_string()))).collect();
        let shared = overlap(&rows, &rows);
        assert_eq!((shared.prompts, shared.examples.len()), (9, 5));
    }
}
