//! Seeded, stratified, grouped splits: the same rows and seed give the same split on every platform.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::DataError;

/// `SplitMix64` (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). It is
/// small, and uses integer arithmetic alone, so that a seed means the same on every platform and in every
/// version.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, by the high half of a product; the bias is at most `bound` in 2^64.
    fn below(&mut self, bound: usize) -> usize {
        // The product's high half is below `bound`, so it fits.
        #[allow(clippy::cast_possible_truncation)]
        let index = ((u128::from(self.next()) * bound as u128) >> 64) as usize;
        index
    }
}

/// The numbers below `n` in an order determined by the seed (Fisher-Yates).
#[must_use]
pub fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut random = SplitMix64(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        order.swap(last, random.below(last + 1));
    }
    order
}

/// `n` numbers below `n`, drawn with replacement: a bootstrap sample (Efron 1979).
#[must_use]
pub fn resampled(n: usize, seed: u64) -> Vec<usize> {
    let mut random = SplitMix64(seed);
    (0..n).map(|_| random.below(n)).collect()
}

/// A fold below `k` for every row.
///
/// `strata` holds each row's stratum (its label, for example); each is spread over the folds as evenly as
/// whole groups allow, and so is the number of rows. If all strata are equal, the split is plainly random.
/// Rows of one group share a fold; without `groups` each row is its own group. No fold is empty.
///
/// # Errors
/// If `k` is below 2, there are fewer groups than folds, or `groups` and `strata` differ in length.
pub fn assign_folds(
    strata: &[u32],
    groups: Option<&[u32]>,
    k: usize,
    seed: u64,
) -> Result<Vec<usize>, DataError> {
    if k < 2 {
        return Err(split(format!("{k} folds were asked for; ask for at least 2")));
    }
    let blocks = blocks(strata, groups, seed)?;
    if blocks.len() < k {
        let (n, rows) = (blocks.len(), strata.len());
        return Err(split(format!(
            "the {rows} rows form {n} groups, too few for {k} folds; ask for fewer folds or split without groups"
        )));
    }
    Ok(fill(&blocks, strata, &vec![1.0; k]))
}

/// Whether each row is held out, which about `fraction` of the rows of every stratum are. See
/// [`assign_folds`] for strata and groups. Neither side is empty.
///
/// # Errors
/// If `fraction` is not between 0 and 1, there are fewer than two groups, or `groups` and `strata` differ in
/// length.
pub fn assign_holdout(
    strata: &[u32],
    groups: Option<&[u32]>,
    fraction: f64,
    seed: u64,
) -> Result<Vec<bool>, DataError> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(split(format!("the held-out fraction is {fraction}; it must lie between 0 and 1")));
    }
    let blocks = blocks(strata, groups, seed)?;
    if blocks.len() < 2 {
        let (n, rows) = (blocks.len(), strata.len());
        return Err(split(format!(
            "the {rows} rows form {n} group(s), and one must stay on each side; add rows or split without groups"
        )));
    }
    Ok(fill(&blocks, strata, &[1.0 - fraction, fraction]).into_iter().map(|part| part == 1).collect())
}

fn split(reason: String) -> DataError {
    DataError::Split { reason }
}

/// The rows of each group, in random order, but the largest group first because it is the hardest to place.
fn blocks(strata: &[u32], groups: Option<&[u32]>, seed: u64) -> Result<Vec<Vec<usize>>, DataError> {
    let mut blocks: Vec<Vec<usize>> = match groups {
        None => (0..strata.len()).map(|row| vec![row]).collect(),
        Some(groups) if groups.len() == strata.len() => {
            let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
            for (row, group) in groups.iter().enumerate() {
                members.entry(*group).or_default().push(row);
            }
            members.into_values().collect()
        }
        Some(groups) => {
            let (rows, given) = (strata.len(), groups.len());
            return Err(split(format!("there are {rows} rows and groups for {given}; give one group a row")));
        }
    };
    let order = shuffled(blocks.len(), seed);
    let mut blocks: Vec<_> = order.into_iter().map(|index| std::mem::take(&mut blocks[index])).collect();
    blocks.sort_by_key(|block| Reverse(block.len()));
    Ok(blocks)
}

/// Puts each block into the part whose shares it disturbs least.
///
/// With `c` rows of a stratum in a part of share `p`, and `t` in all, the sum over parts and strata of
/// `c^2 / (p t)` is smallest when every part has its share of every stratum. All rows together count as one
/// more stratum. Each block goes where that sum grows least.
fn fill(blocks: &[Vec<usize>], strata: &[u32], shares: &[f64]) -> Vec<usize> {
    let mut totals: BTreeMap<u32, f64> = BTreeMap::new();
    for stratum in strata {
        *totals.entry(*stratum).or_default() += 1.0;
    }
    let mut counts = vec![BTreeMap::<u32, f64>::new(); shares.len()];
    let mut sizes = vec![0.0_f64; shares.len()];
    let mut parts = Vec::with_capacity(blocks.len());
    for block in blocks {
        let mut adds: BTreeMap<u32, f64> = BTreeMap::new();
        for row in block {
            *adds.entry(strata[*row]).or_default() += 1.0;
        }
        let rows: f64 = adds.values().sum();
        let grows = |part: usize| {
            // How much `c^2 / (p t)` grows when `add` rows join `count` others.
            let term = |count: f64, add: f64, total: f64| add * (2.0 * count + add) / (shares[part] * total);
            let strata = adds.iter().map(|(stratum, add)| {
                term(counts[part].get(stratum).copied().unwrap_or_default(), *add, totals[stratum])
            });
            strata.sum::<f64>() + term(sizes[part], rows, strata_len(&totals))
        };
        let costs: Vec<f64> = (0..shares.len()).map(grows).collect();
        let best = (1..costs.len()).fold(0, |best, part| if costs[part] < costs[best] { part } else { best });
        sizes[best] += rows;
        for (stratum, add) in adds {
            *counts[best].entry(stratum).or_default() += add;
        }
        parts.push(best);
    }
    fill_empty(&mut parts, shares.len());
    let mut assigned = vec![0; strata.len()];
    for (block, part) in blocks.iter().zip(parts) {
        for row in block {
            assigned[*row] = part;
        }
    }
    assigned
}

fn strata_len(totals: &BTreeMap<u32, f64>) -> f64 {
    totals.values().sum()
}

/// Moves into every empty part the smallest block of the part that has the most blocks.
fn fill_empty(parts: &mut [usize], k: usize) {
    loop {
        let mut held = vec![0_usize; k];
        parts.iter().for_each(|part| held[*part] += 1);
        let Some(empty) = held.iter().position(|n| *n == 0) else { return };
        let richest = (1..k).fold(0, |best, part| if held[part] > held[best] { part } else { best });
        // Blocks are sorted largest first, so the last of a part is its smallest.
        let Some(block) = parts.iter().rposition(|part| *part == richest) else { return };
        parts[block] = empty;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::{SplitMix64, assign_folds, assign_holdout, shuffled};

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs for seed 1234567, as listed on Rosetta Code for the reference algorithm.
        let mut random = SplitMix64(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_seed_means_the_same_order_for_ever() {
        assert_eq!(shuffled(10, 7), shuffled(10, 7));
        assert_ne!(shuffled(10, 7), shuffled(10, 8));
        assert_eq!(shuffled(0, 7), Vec::<usize>::new());
    }

    #[test]
    fn strata_are_spread_evenly() {
        let strata: Vec<u32> = (0..103).map(|row| u32::from(row % 10 == 0)).collect();
        let folds = assign_folds(&strata, None, 5, 1).unwrap();
        for fold in 0..5 {
            let rows: Vec<usize> = (0..103).filter(|row| folds[*row] == fold).collect();
            assert!((20..=21).contains(&rows.len()), "{}", rows.len());
            let rare = rows.iter().filter(|row| strata[**row] == 1).count();
            assert!((2..=3).contains(&rare), "{rare}");
        }
        let held = assign_holdout(&strata, None, 0.2, 1).unwrap();
        assert!((20..=21).contains(&held.iter().filter(|held| **held).count()));
    }

    #[test]
    fn two_groups_part_even_if_the_fraction_is_small() {
        let held = assign_holdout(&[0; 10], Some(&[0, 0, 0, 0, 0, 1, 1, 1, 1, 1]), 0.1, 3).unwrap();
        assert_eq!(held.iter().filter(|held| **held).count(), 5);
    }

    #[test]
    fn what_cannot_be_split_is_said() {
        let message = |outcome: Result<Vec<usize>, crate::DataError>| outcome.unwrap_err().to_string();
        assert_eq!(
            message(assign_folds(&[0; 4], None, 1, 0)),
            "cannot split: 1 folds were asked for; ask for at least 2"
        );
        assert!(
            message(assign_folds(&[0; 4], Some(&[1; 4]), 2, 0))
                .contains("form 1 groups, too few for 2 folds")
        );
        assert!(message(assign_folds(&[0; 4], Some(&[1; 3]), 2, 0)).contains("4 rows and groups for 3"));
        for fraction in [0.0, 1.0, f64::NAN] {
            let error = assign_holdout(&[0; 4], None, fraction, 0).unwrap_err().to_string();
            assert!(error.contains("must lie between 0 and 1"), "{error}");
        }
        let error = assign_holdout(&[0; 4], Some(&[1; 4]), 0.5, 0).unwrap_err().to_string();
        assert!(error.contains("form 1 group(s)"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn an_order_is_a_permutation(n in 0_usize..200, seed in any::<u64>()) {
            let mut order = shuffled(n, seed);
            order.sort_unstable();
            prop_assert_eq!(order, (0..n).collect::<Vec<_>>());
        }

        #[test]
        fn folds_keep_groups_whole_and_none_is_empty(
            rows in prop::collection::vec((0_u32..3, 0_u32..30), 40..120),
            k in 2_usize..6,
            seed in any::<u64>(),
        ) {
            let (strata, groups): (Vec<u32>, Vec<u32>) = rows.into_iter().unzip();
            let distinct: std::collections::BTreeSet<u32> = groups.iter().copied().collect();
            prop_assume!(distinct.len() >= k);
            let folds = assign_folds(&strata, Some(&groups), k, seed).unwrap();
            prop_assert_eq!(folds.len(), strata.len());
            for (row, group) in groups.iter().enumerate() {
                let first = groups.iter().position(|other| other == group).unwrap();
                prop_assert_eq!(folds[row], folds[first]);
            }
            for fold in 0..k {
                prop_assert!(folds.contains(&fold));
            }
            prop_assert_eq!(&folds, &assign_folds(&strata, Some(&groups), k, seed).unwrap());
        }
    }
}
