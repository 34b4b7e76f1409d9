//! The effect of a term within groups: among the rows of one template, are those with the term refused more
//! often than those without?
//!
//! Each group of at least [`LARGE`] rows is a stratum, and all other rows together are one. The effect is the
//! Mantel-Haenszel risk difference: each stratum's difference of refusal rates, weighted by with x without /
//! rows. Its variance is that of a weighted sum of independent shares. Half a row is added to each outcome so
//! that strata with one outcome are not treated as certain.

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

use crate::metrics::Z;

/// Smaller groups do not form a stratum of their own.
const LARGE: usize = 5;

/// The effect of a term that remains within groups.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Within {
    /// Refusal rate of the rows with the term minus that of those without, within groups.
    pub difference: f64,
    /// Its 95% interval.
    pub interval: (f64, f64),
}

impl Within {
    /// Whether the interval contains zero effect.
    #[must_use]
    pub(crate) fn includes_none(&self) -> bool {
        self.interval.0 <= 0.0 && self.interval.1 >= 0.0
    }
}

pub(crate) struct Strata {
    of_row: Vec<u32>,
    /// Per stratum: its rows, and how many are refused.
    sizes: Vec<(f64, f64)>,
    grouped: bool,
}

impl Strata {
    pub(crate) fn of(groups: &[u32], labels: &[bool]) -> Self {
        let mut members: FxHashMap<u32, usize> = FxHashMap::default();
        groups.iter().for_each(|&group| *members.entry(group).or_default() += 1);
        let mut numbers: FxHashMap<u32, u32> = FxHashMap::default();
        let mut sizes = vec![(0.0, 0.0)];
        let mut of_row = Vec::with_capacity(groups.len());
        for (group, &label) in groups.iter().zip(labels) {
            let stratum = if members[group] < LARGE {
                0
            } else {
                *numbers.entry(*group).or_insert_with(|| {
                    sizes.push((0.0, 0.0));
                    // There are fewer strata than rows, and rows are numbered by u32.
                    u32::try_from(sizes.len() - 1).unwrap_or(u32::MAX)
                })
            };
            let size = &mut sizes[stratum as usize];
            size.0 += 1.0;
            size.1 += f64::from(u8::from(label));
            of_row.push(stratum);
        }
        Self { of_row, grouped: sizes.len() > 1, sizes }
    }

    /// Whether any group is large enough.
    pub(crate) const fn is_grouped(&self) -> bool {
        self.grouped
    }

    /// The effect within strata of a term that these rows contain, and the number of groups among them. There
    /// is no effect to measure if each stratum has the term in all of its rows or in none.
    pub(crate) fn within(&self, rows: &[u32], labels: &[bool], groups: &[u32]) -> (Option<Within>, usize) {
        let mut with: FxHashMap<u32, (f64, f64)> = FxHashMap::default();
        let mut seen: FxHashSet<u32> = FxHashSet::default();
        for &row in rows {
            let row = row as usize;
            let (n, refused) = with.entry(self.of_row[row]).or_default();
            *n += 1.0;
            *refused += f64::from(u8::from(labels[row]));
            seen.insert(groups[row]);
        }
        let mut with: Vec<(u32, (f64, f64))> = with.into_iter().collect();
        with.sort_unstable_by_key(|&(stratum, _)| stratum);
        let (mut sum, mut weights, mut variance) = (0.0, 0.0, 0.0);
        for (stratum, (n1, x1)) in with {
            let (n, x) = self.sizes[stratum as usize];
            let (n0, x0) = (n - n1, x - x1);
            let weight = n1 * n0 / n;
            if weight > 0.0 {
                weights += weight;
                sum += weight * (x1 / n1 - x0 / n0);
                variance += weight * weight * (spread(x1, n1) + spread(x0, n0));
            }
        }
        let within = (weights > 0.0).then(|| {
            let (difference, reach) = (sum / weights, Z * variance.sqrt() / weights);
            Within { difference, interval: ((difference - reach).max(-1.0), (difference + reach).min(1.0)) }
        });
        (within, seen.len())
    }
}

/// The variance of a share of x in n, half a row added to each outcome.
fn spread(x: f64, n: f64) -> f64 {
    let p = (x + 0.5) / (n + 1.0);
    p * (1.0 - p) / n
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Two templates of ten rows, the first refused; a name occurs in half of the rows of each.
    #[test]
    fn what_only_tells_templates_apart_has_no_effect_within() {
        let groups: Vec<u32> = (0..20).map(|row| row / 10).collect();
        let labels: Vec<bool> = (0..20).map(|row| row < 10).collect();
        let strata = Strata::of(&groups, &labels);
        assert!(strata.is_grouped());
        let template: Vec<u32> = (0..10).collect();
        assert_eq!(strata.within(&template, &labels, &groups), (None, 1));
        let name: Vec<u32> = (0..20).step_by(2).collect();
        let (within, seen) = strata.within(&name, &labels, &groups);
        let within = within.unwrap();
        assert!(within.difference.abs() < 1e-12 && within.includes_none() && seen == 2, "{within:?}");
    }

    #[test]
    fn what_tells_rows_of_one_template_apart_keeps_its_effect() {
        let groups = vec![0; 40];
        let labels: Vec<bool> = (0..40).map(|row| row < 20).collect();
        let strata = Strata::of(&groups, &labels);
        let term: Vec<u32> = (0..20).collect();
        let within = strata.within(&term, &labels, &groups).0.unwrap();
        assert!((within.difference - 1.0).abs() < 1e-12 && !within.includes_none(), "{within:?}");
    }

    #[test]
    fn rows_of_small_groups_are_one_stratum() {
        let groups: Vec<u32> = (0..40).collect();
        let labels: Vec<bool> = (0..40).map(|row| row < 20).collect();
        let strata = Strata::of(&groups, &labels);
        assert!(!strata.is_grouped());
        let within = strata.within(&(0..20).collect::<Vec<_>>(), &labels, &groups).0.unwrap();
        assert!((within.difference - 1.0).abs() < 1e-12, "{within:?}");
    }
}
