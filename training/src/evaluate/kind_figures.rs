//! Figures for classifying kinds: how often each kind is predicted correctly, and how good the distribution
//! is.

use demur_data::Kind;
use demur_predictor::{KindDistribution, place};
use serde::Serialize;

use crate::facets::Facets;
use crate::metrics::nan_is_null;

/// Figures over the rows that have a kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindFigures {
    /// Rows scored.
    pub n: usize,
    /// Share of rows whose kind is predicted correctly.
    pub accuracy: f64,
    /// Mean F1 over the kinds of the continuum that occur in the rows. A kind that the model does not know
    /// counts as 0.
    #[serde(serialize_with = "nan_is_null")]
    pub macro_f1: f64,
    /// Mean log loss of the distributions, nats; a kind that the model does not know counts as probability
    /// 1e-6.
    pub log_loss: f64,
    /// Spearman's correlation of the refusal degree with the position of the row's kind on the continuum.
    #[serde(serialize_with = "nan_is_null")]
    pub degree_correlation: f64,
    /// Each kind that the rows or the model have, from complied to rejected, then those outside the
    /// continuum.
    pub kinds: Vec<KindFigure>,
    /// Rows by true kind and by predicted kind, both in the order of `kinds`.
    pub confusion: Vec<Vec<usize>>,
}

/// Figures for one kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct KindFigure {
    /// The kind.
    pub kind: Kind,
    /// Rows of it.
    pub support: usize,
    /// Precision: the share of the rows predicted as this kind that are of it.
    #[serde(serialize_with = "nan_is_null")]
    pub precision: f64,
    /// Recall: the share of its rows that are predicted as this kind.
    #[serde(serialize_with = "nan_is_null")]
    pub recall: f64,
    /// Harmonic mean of both.
    #[serde(serialize_with = "nan_is_null")]
    pub f1: f64,
}

/// Evaluates one distribution per row, over the rows that have a kind. `None` without a model of kinds, or if
/// the labels have no kinds: rows that are only complied or refused cannot be evaluated.
pub(crate) fn judge(
    facets: &[Facets<'_>],
    distributions: &[Option<KindDistribution>],
) -> Option<KindFigures> {
    let rows: Vec<(Kind, &KindDistribution)> = facets
        .iter()
        .zip(distributions)
        .filter_map(|(facets, distribution)| Some((facets.kind?, distribution.as_ref()?)))
        .collect();
    if !rows.iter().any(|(kind, _)| *kind != Kind::Complied) {
        return None;
    }
    let is_known = |kind: &Kind| {
        rows.iter().any(|(own, distribution)| {
            own == kind || distribution.probabilities.iter().any(|(known, _)| known == kind)
        })
    };
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(is_known).collect();
    let number = |kind: Kind| kinds.iter().position(|&known| known == kind);
    let mut confusion = vec![vec![0_usize; kinds.len()]; kinds.len()];
    let mut loss = 0.0;
    for (own, distribution) in &rows {
        if let (Some(own), Some(named)) = (number(*own), number(distribution.kind)) {
            confusion[own][named] += 1;
        }
        let p = distribution.probabilities.iter().find(|(kind, _)| kind == own).map_or(0.0, |(_, p)| *p);
        loss -= p.max(1e-6).ln();
    }
    let figures: Vec<KindFigure> =
        kinds.iter().enumerate().map(|(at, &kind)| figure(kind, at, &confusion)).collect();
    let on_continuum = figures.iter().filter(|figure| figure.support > 0 && place(figure.kind).is_some());
    let f1: Vec<f64> = on_continuum.map(|figure| figure.f1).collect();
    let right: usize = (0..kinds.len()).map(|at| confusion[at][at]).sum();
    let (places, degrees): (Vec<f64>, Vec<f64>) =
        rows.iter().filter_map(|(own, distribution)| Some((place(*own)?, distribution.degree))).unzip();
    Some(KindFigures {
        n: rows.len(),
        accuracy: right as f64 / rows.len() as f64,
        macro_f1: f1.iter().sum::<f64>() / f1.len() as f64,
        log_loss: loss / rows.len() as f64,
        degree_correlation: correlation(&ranks(&places), &ranks(&degrees)),
        kinds: figures,
        confusion,
    })
}

fn figure(kind: Kind, at: usize, confusion: &[Vec<usize>]) -> KindFigure {
    let support: usize = confusion[at].iter().sum();
    let named: usize = confusion.iter().map(|row| row[at]).sum();
    let right = confusion[at][at] as f64;
    KindFigure {
        kind,
        support,
        precision: right / named as f64,
        recall: right / support as f64,
        f1: 2.0 * right / (support + named) as f64,
    }
}

/// The rank of each number; ties share their mean rank.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut start = 0;
    for tied in order.chunk_by(|&a, &b| numbers[a] == numbers[b]) {
        let rank = start as f64 + (tied.len() - 1) as f64 / 2.0;
        tied.iter().for_each(|&row| ranks[row] = rank);
        start += tied.len();
    }
    ranks
}

/// Pearson's correlation; NaN if one side is constant.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum =
        |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| f(a - mean_a, b - mean_b)).sum::<f64>();
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(Kind, Kind, f64)]) -> Option<KindFigures> {
        let facets: Vec<Facets<'_>> =
            rows.iter().map(|&(kind, ..)| Facets { kind: Some(kind), ..Facets::default() }).collect();
        let distributions: Vec<_> = rows
            .iter()
            .map(|&(_, named, degree)| {
                let probabilities = [Kind::Complied, Kind::Rejected]
                    .map(|kind| (kind, if kind == named { 0.8 } else { 0.2 }));
                Some(KindDistribution { probabilities: probabilities.to_vec(), kind: named, degree })
            })
            .collect();
        judge(&facets, &distributions)
    }

    #[test]
    fn kinds_are_judged_one_by_one() {
        use Kind::{Complied, DontKnow, Redirected, Rejected};
        let found = rows(&[
            (Complied, Complied, 0.1),
            (Complied, Rejected, 0.6),
            (Rejected, Rejected, 0.9),
            (Redirected, Rejected, 0.7),
            (DontKnow, Complied, 0.2),
        ]);
        let found = found.unwrap_or_else(|| unreachable!("the rows have kinds"));
        assert_eq!(
            found.kinds.iter().map(|figure| figure.kind).collect::<Vec<_>>(),
            [Complied, Redirected, Rejected, DontKnow]
        );
        let f1: Vec<f64> = found.kinds.iter().map(|figure| figure.f1).collect();
        assert_eq!(f1, [0.5, 0.0, 0.5, 0.0]);
        assert!((found.macro_f1 - 1.0 / 3.0).abs() < 1e-12, "kinds beside the continuum take no part");
        assert_eq!(found.accuracy, 0.4);
        assert_eq!(found.confusion[1], [0, 0, 1, 0]);
        assert!((0.9..=1.0).contains(&found.degree_correlation), "{}", found.degree_correlation);
        let expected = -(2.0 * 0.8_f64.ln() + 0.2_f64.ln() + 2.0 * 1e-6_f64.ln()) / 5.0;
        assert!((found.log_loss - expected).abs() < 1e-12, "{}", found.log_loss);
    }

    #[test]
    fn rows_that_are_only_complied_or_without_kind_are_not_judged() {
        assert!(rows(&[(Kind::Complied, Kind::Complied, 0.1)]).is_none());
        assert!(judge(&[Facets::default()], &[None]).is_none());
    }
}
