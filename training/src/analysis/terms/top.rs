//! Which rows are analysed, and which terms are their top.

use demur_data::shuffled;

use crate::analysis::terms::params::TOP;

/// Above this number, rows are sampled, which bounds time and memory.
pub(crate) const MAX_ROWS: usize = 20_000;
/// Rows are also sampled above this total number of bytes of text, as the views read it.
pub(crate) const MAX_BYTES: usize = 20_000_000;

/// Some rows in their order: all of them, or as many random ones as the bounds allow.
pub(crate) fn sample(rows: &[usize], seed: u64, size: impl Fn(usize) -> usize) -> Vec<usize> {
    let bytes: usize = rows.iter().map(|&row| size(row)).sum();
    if rows.len() <= MAX_ROWS && bytes <= MAX_BYTES {
        return rows.to_vec();
    }
    let mut left = MAX_BYTES;
    let fits = |row: &usize| {
        let fits = size(*row) <= left;
        left = left.saturating_sub(size(*row));
        fits
    };
    let order = shuffled(rows.len(), seed).into_iter().map(|at| rows[at]);
    let mut chosen: Vec<usize> = order.take(MAX_ROWS).take_while(fits).collect();
    chosen.sort_unstable();
    chosen
}

/// The [`TOP`] terms with the largest numbers and with the smallest, without those at 0.
pub(crate) fn top(numbers: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..numbers.len()).filter(|&at| numbers[at] != 0.0).collect();
    order.sort_by(|&a, &b| numbers[b].total_cmp(&numbers[a]).then(a.cmp(&b)));
    let refused = order.iter().copied().filter(|&at| numbers[at] > 0.0).take(TOP);
    let complied = order.iter().rev().copied().filter(|&at| numbers[at] < 0.0).take(TOP);
    refused.chain(complied).collect()
}

/// For each half, the share of the top terms that are in its own top; for each top term, in how many halves
/// it is. Without top terms there are no shares.
pub(crate) fn recurrence(whole: &[usize], halves: &[Vec<f64>]) -> (Vec<f64>, Vec<usize>) {
    if whole.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let mut found = vec![0; whole.len()];
    let share = |half: &Vec<f64>| {
        let again = top(half);
        let mut hits = 0;
        for (count, at) in found.iter_mut().zip(whole) {
            if again.contains(at) {
                *count += 1;
                hits += 1;
            }
        }
        f64::from(hits) / whole.len() as f64
    };
    let shares = halves.iter().map(share).collect();
    (shares, found)
}
