//! Figures within an evaluation: by kind, target, source and category, and how many rows can be decided at a
//! given accuracy if the uncertain ones are left undecided.

use std::borrow::Cow;
use std::collections::BTreeMap;

use demur_predictor::{Field, language};
use serde::Serialize;

use crate::examples::Examples;
use crate::facets::{CONTEXT, Facets, NO_CONTEXT};
use crate::metrics::{
    Clusters, FEW_FALSE_POSITIVES, Truth, accuracy_interval, auroc, ece, nan_is_null, tpr_at_fpr,
    wilson_of_share,
};

/// Figures of the rows that share one value of a facet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FacetFigures {
    /// The value.
    pub value: String,
    /// Rows.
    pub n: usize,
    /// Share of refusals among them.
    pub base_rate: f64,
    /// Share of correct decisions.
    pub accuracy: f64,
    /// 95% interval of the accuracy.
    pub accuracy_interval: (f64, f64),
    /// Area under the ROC curve among them.
    #[serde(serialize_with = "nan_is_null")]
    pub auroc: f64,
    /// The share of refusals found at a threshold that calls at most one complied row in a hundred refused.
    #[serde(serialize_with = "nan_is_null")]
    pub tpr_at_1_fpr: f64,
    /// Expected calibration error over ten bins of equal width, among them.
    pub ece: f64,
}

/// The figures for every value of every facet that the rows have, sorted by value; the language is that of
/// the field. Rows without a value of a facet are left out of that facet. Contexts are a facet where any row
/// has one, the most frequent by name.
pub(crate) fn by_facet(
    examples: &Examples<'_>,
    field: Field,
    p: &[f64],
    (threshold, seed): (f64, u64),
) -> BTreeMap<&'static str, Vec<FacetFigures>> {
    let mut rows: BTreeMap<(&'static str, Cow<'_, str>), Vec<usize>> = BTreeMap::new();
    for (row, input) in examples.inputs.iter().enumerate() {
        let named = examples.facets.get(row).map(Facets::values).into_iter().flatten();
        let language = ("language", field.of(input).and_then(language).map(Cow::from));
        for (facet, value) in named.chain([language]) {
            if let Some(value) = value {
                rows.entry((facet, value)).or_default().push(row);
            }
        }
    }
    limit_contexts(&mut rows);
    let clusters = examples.prompts();
    let mut figures: BTreeMap<&'static str, Vec<FacetFigures>> = BTreeMap::new();
    for ((facet, value), rows) in rows {
        let (p, truth): (Vec<f64>, Vec<f64>) = rows.iter().map(|&row| (p[row], examples.truth[row])).unzip();
        let own = clusters.subset(&rows);
        figures.entry(facet).or_default().push(FacetFigures::of(&value, &p, &truth, &own, (threshold, seed)));
    }
    figures
}

/// How many contexts are judged by name; a log may have a system prompt for each row.
const MOST_CONTEXTS: usize = 20;

/// Leaves out the facet of contexts where no row has one, and judges those beyond the most frequent together.
fn limit_contexts(rows: &mut BTreeMap<(&'static str, Cow<'_, str>), Vec<usize>>) {
    let mut counts: Vec<(usize, Cow<'_, str>)> = rows
        .iter()
        .filter(|((facet, _), _)| *facet == CONTEXT)
        .map(|((_, name), rows)| (rows.len(), name.clone()))
        .collect();
    if counts.iter().all(|(_, name)| name == NO_CONTEXT) {
        rows.remove(&(CONTEXT, NO_CONTEXT.into()));
        return;
    }
    counts.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let rare = counts.split_off(counts.len().min(MOST_CONTEXTS)).into_iter();
    let others: Vec<usize> = rare.filter_map(|(_, name)| rows.remove(&(CONTEXT, name))).flatten().collect();
    if !others.is_empty() {
        rows.insert((CONTEXT, "others".into()), others);
    }
}

impl FacetFigures {
    fn of(value: &str, p: &[f64], truth: &[f64], clusters: &Clusters, (threshold, seed): (f64, u64)) -> Self {
        let right = |(&p, &refused): (&f64, &f64)| right_at(p, refused, threshold);
        let right: Vec<f64> = p.iter().zip(truth).map(right).collect();
        let n = p.len() as f64;
        Self {
            value: value.to_owned(),
            n: p.len(),
            base_rate: truth.iter().sum::<f64>() / n,
            accuracy: right.iter().sum::<f64>() / n,
            accuracy_interval: accuracy_interval(&right, clusters, seed),
            auroc: auroc(p, truth),
            tpr_at_1_fpr: tpr_at_fpr(p, truth, FEW_FALSE_POSITIVES),
            ece: ece(p, truth, &[]),
        }
    }
}

/// How correct the decision on a row is: 0 or 1 for a label, a share for a measured rate.
fn right_at(p: f64, refused: f64, threshold: f64) -> f64 {
    if p >= threshold { refused } else { 1.0 - refused }
}

/// How many rows can be decided at a given accuracy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Coverage {
    /// The required accuracy of the decided rows.
    pub accuracy: f64,
    /// The largest share of rows, the most certain first, on which it is reached.
    pub coverage: f64,
    /// Rows with P(refusal) at least this far from the threshold are decided; `None` if the coverage is 0.
    pub margin: Option<f64>,
}

/// The accuracies for which coverage is reported.
const WANTED: [f64; 4] = [0.9, 0.95, 0.98, 0.99];

/// Coverage at each required accuracy. Rows that are equally certain are decided together or not at all.
pub(crate) fn coverage<T: Truth>(p: &[f64], truth: &[T], threshold: f64) -> Vec<Coverage> {
    let margin = |row: &usize| (p[*row] - threshold).abs();
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| margin(b).total_cmp(&margin(a)));
    let mut steps = Vec::new();
    let (mut decided, mut right) = (0_usize, 0.0);
    for tied in order.chunk_by(|a, b| margin(a) == margin(b)) {
        decided += tied.len();
        right += tied.iter().map(|&row| right_at(p[row], truth[row].refused(), threshold)).sum::<f64>();
        steps.push((decided, right, margin(&tied[0])));
    }
    let at = |wanted: f64| {
        let reached = |&&(decided, right, _): &&(usize, f64, f64)| right >= wanted * decided as f64;
        let last = steps.iter().rev().find(reached);
        Coverage {
            accuracy: wanted,
            coverage: last.map_or(0.0, |&(decided, ..)| decided as f64 / p.len() as f64),
            margin: last.map(|&(.., margin)| margin),
        }
    };
    WANTED.map(at).to_vec()
}

/// The decisions on the most certain rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CoveragePoint {
    /// Rows decided.
    pub n: usize,
    /// Their share of all rows.
    pub coverage: f64,
    /// Share of correct decisions among them.
    pub accuracy: f64,
    /// 95% Wilson interval of it.
    pub interval: (f64, f64),
}

/// Accuracy at `points` even steps of coverage, up to all rows, the most certain first.
#[must_use]
pub fn coverage_curve<T: Truth>(p: &[f64], truth: &[T], threshold: f64, points: usize) -> Vec<CoveragePoint> {
    let margin = |row: usize| (p[row] - threshold).abs();
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| margin(b).total_cmp(&margin(a)).then(a.cmp(&b)));
    let mut right = vec![0.0];
    for &row in &order {
        right.push(right[right.len() - 1] + right_at(p[row], truth[row].refused(), threshold));
    }
    let at = |step: usize| {
        let n = (order.len() * step).div_ceil(points);
        (n > 0).then(|| CoveragePoint {
            n,
            coverage: n as f64 / order.len() as f64,
            accuracy: right[n] / n as f64,
            interval: wilson_of_share(right[n] / n as f64, n as f64),
        })
    };
    let mut curve: Vec<CoveragePoint> = (1..=points).filter_map(at).collect();
    curve.dedup_by_key(|point| point.n);
    curve
}

#[cfg(test)]
mod tests {
    use demur_data::Kind;
    use demur_predictor::Input;

    use super::*;
    use crate::metrics::wilson;

    #[test]
    fn facets_are_judged_apart() {
        let facet = |target, kind| Facets { target: Some(target), kind, ..Facets::default() };
        let texts = ["Wer hat das Buch?", "What is in the box?", "Where is the cat?"];
        let examples = Examples {
            inputs: texts.map(Input::prompt).to_vec(),
            facets: vec![
                facet("b", None),
                facet("a", Some(Kind::Rejected)),
                facet("a", Some(Kind::Complied)),
            ],
            truth: vec![1.0, 1.0, 0.0],
            ..Examples::default()
        };
        let figures = by_facet(&examples, Field::Prompt, &[0.9, 0.2, 0.1], (0.5, 0));
        assert_eq!(figures.keys().copied().collect::<Vec<_>>(), ["kind", "language", "target"]);
        let languages: Vec<_> = figures["language"].iter().map(|f| (f.value.as_str(), f.n)).collect();
        assert_eq!(languages, [("de", 1), ("en", 2)]);
        let targets: Vec<_> = figures["target"].iter().map(|f| (f.value.as_str(), f.n, f.accuracy)).collect();
        assert_eq!(targets, [("a", 2, 0.5), ("b", 1, 1.0)]);
        assert_eq!(figures["target"][0].auroc, 1.0);
        assert!((figures["target"][1].ece - 0.1).abs() < 1e-12, "0.9 for a refusal");
        assert!(figures["kind"][0].auroc.is_nan(), "one class only");
    }

    #[test]
    fn coverage_is_the_largest_share_that_is_accurate_enough() {
        // By certainty: right, right, wrong, right.
        let (p, labels) = ([0.99, 0.05, 0.8, 0.45], [true, false, false, false]);
        let coverage = coverage(&p, &labels, 0.5);
        assert_eq!(coverage[0].accuracy, 0.9);
        assert_eq!(coverage[0].coverage, 0.5);
        assert!((coverage[0].margin.unwrap_or_default() - 0.45).abs() < 1e-12);
    }

    #[test]
    fn the_curve_ends_at_the_accuracy_of_all_rows() {
        let (p, labels) = ([0.99, 0.05, 0.8, 0.45], [true, false, false, false]);
        let curve = coverage_curve(&p, &labels, 0.5, 4);
        let found: Vec<(usize, f64)> = curve.iter().map(|point| (point.n, point.accuracy)).collect();
        assert_eq!(found, [(1, 1.0), (2, 1.0), (3, 2.0 / 3.0), (4, 0.75)]);
        assert_eq!((curve[3].coverage, curve[3].interval), (1.0, wilson(3, 4)));
        assert_eq!(coverage_curve(&p, &labels, 0.5, 50).len(), 4, "no step is given twice");
        assert!(coverage_curve::<bool>(&[], &[], 0.5, 4).is_empty());
    }

    #[test]
    fn equally_certain_rows_are_decided_together() {
        let coverage = coverage(&[0.9, 0.9], &[true, false], 0.5);
        assert!(coverage.iter().all(|coverage| coverage.coverage == 0.0 && coverage.margin.is_none()));
    }
}
