//! Knowledge distillation (Hinton, Vinyals and Dean 2015): texts without labels, scored by an encoder, for
//! the n-grams to learn from.

use std::borrow::Cow;

use demur_data::Record;
use demur_predictor::Input;

use crate::examples::{Examples, input};

/// Texts with P(refusal) as the encoder scores them.
#[derive(Debug, Clone)]
pub(crate) struct DistilledRows {
    pub(crate) records: Vec<Record>,
    pub(crate) weight: f64,
    /// Scores by the head that was fitted on all rows.
    pub(crate) whole: Vec<f64>,
    /// Scores by the head of each fold, which has not seen the rows of that fold.
    pub(crate) by_fold: Vec<Vec<f64>>,
}

/// The rows of a fit followed by the distilled ones, if there are any. Their scores come from the head that
/// has not seen the held-out fold, or from the head of all rows if no fold is held out.
pub(crate) fn with_distilled<'r, 'a>(
    examples: &'r Examples<'a>,
    distilled: Option<&'a DistilledRows>,
    held_out: Option<usize>,
) -> Cow<'r, Examples<'a>> {
    let Some(distilled) = distilled else { return Cow::Borrowed(examples) };
    let p = held_out.map_or(&distilled.whole, |fold| &distilled.by_fold[fold]);
    let count = distilled.records.len();
    let mut out = examples.clone();
    // No target answered these texts, so `target` is `None`. Their group does not matter because these rows
    // are not split.
    out.inputs.extend(distilled.records.iter().map(|record| Input { target: None, ..input(record) }));
    out.targets.extend(p);
    out.truth.extend(p);
    out.weights.extend(std::iter::repeat_n(distilled.weight, count));
    out.groups.extend(std::iter::repeat_n(u32::MAX, count));
    Cow::Owned(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_data::{ReadOptions, read};

    use super::*;

    #[test]
    fn a_fold_learns_from_the_head_that_has_not_seen_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("texts.jsonl");
        std::fs::write(&file, "{\"prompt\": \"a\", \"model\": \"m\"}\n{\"prompt\": \"b\"}\n").unwrap();
        let distilled = DistilledRows {
            records: read(&[file], &ReadOptions::default()).unwrap().records,
            weight: 0.5,
            whole: vec![0.1, 0.9],
            by_fold: vec![vec![0.2, 0.8], vec![0.3, 0.7]],
        };
        let own = Examples {
            inputs: vec![Input::prompt("own")],
            targets: vec![1.0],
            truth: vec![1.0],
            weights: vec![2.0],
            groups: vec![7],
            ..Examples::default()
        };
        let all = with_distilled(&own, Some(&distilled), None);
        assert_eq!(all.targets, [1.0, 0.1, 0.9]);
        assert_eq!((all.truth.clone(), all.weights.clone()), (all.targets.clone(), vec![2.0, 0.5, 0.5]));
        assert_eq!(all.inputs[1], Input::prompt("a"), "without a target");
        assert_eq!(with_distilled(&own, Some(&distilled), Some(1)).targets, [1.0, 0.3, 0.7]);
        assert_eq!(with_distilled(&own, None, Some(1)).targets, [1.0]);
    }
}
