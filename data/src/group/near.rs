//! Near duplicates: prompts that share nearly all of their word pairs.
//!
//! Similar means a Jaccard index of at least 0.8 between the sets of neighbouring word pairs. Candidate pairs
//! are found by `MinHash` (Broder, "On the resemblance and containment of documents", 1997) in bands. 8 bands
//! of 3 miss a pair of resemblance 0.8 once in 360 times; the comparison itself is exact.

use super::sets::{Sets, stir};

const ALIKE: f64 = 0.8;
const BANDS: u64 = 8;
const ROWS: u64 = 3;
/// In a bucket, a text is compared with at most this many others that are not in its set yet.
const COMPARED: usize = 64;

/// Joins the texts that are near duplicates. Texts of a single word have no pairs and are left alone.
pub(super) fn near_duplicates(texts: &[Vec<u32>], sets: &mut Sets) {
    let pairs: Vec<Vec<u64>> = texts.iter().map(|words| pairs(words)).collect();
    for band in 0..BANDS {
        let mut buckets: Vec<(u64, usize)> = pairs
            .iter()
            .enumerate()
            .filter(|(_, pairs)| !pairs.is_empty())
            .map(|(text, pairs)| (signature(pairs, band), text))
            .collect();
        buckets.sort_unstable();
        for bucket in buckets.chunk_by(|a, b| a.0 == b.0) {
            join_alike(bucket, &pairs, sets);
        }
    }
}

fn join_alike(bucket: &[(u64, usize)], pairs: &[Vec<u64>], sets: &mut Sets) {
    let mut others: Vec<usize> = Vec::new();
    for &(_, text) in bucket {
        let met = others.iter().copied().find(|&other| {
            sets.find(other) == sets.find(text) || resemblance(&pairs[other], &pairs[text]) >= ALIKE
        });
        match met {
            Some(other) => sets.join(other, text),
            None if others.len() < COMPARED => others.push(text),
            None => {}
        }
    }
}

/// The distinct pairs of neighbouring words, hashed and sorted.
fn pairs(words: &[u32]) -> Vec<u64> {
    let mut pairs: Vec<u64> =
        words.windows(2).map(|two| u64::from(two[0]) << 32 | u64::from(two[1])).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// The smallest hashes of a band, as one number.
fn signature(pairs: &[u64], band: u64) -> u64 {
    (0..ROWS).fold(band, |signature, row| {
        let seed = stir(0, band * ROWS + row);
        let least = pairs.iter().map(|pair| stir(seed, *pair)).min().unwrap_or_default();
        stir(signature, least)
    })
}

/// The Jaccard index of two sorted sets.
fn resemblance(a: &[u64], b: &[u64]) -> f64 {
    let (mut i, mut j, mut shared) = (0, 0, 0_usize);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                shared += 1;
                i += 1;
                j += 1;
            }
        }
    }
    // Counts of words in a prompt are exact as `f64`.
    #[allow(clippy::cast_precision_loss)]
    let resemblance = shared as f64 / (a.len() + b.len() - shared) as f64;
    resemblance
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::{pairs, resemblance};

    #[test]
    fn resemblance_is_the_jaccard_index() {
        let (a, b) = (pairs(&[1, 2, 3, 4]), pairs(&[2, 3, 4, 5, 2, 3]));
        // {12, 23, 34} and {23, 34, 45, 52}
        assert!((resemblance(&a, &b) - 0.4).abs() < 1e-12);
        assert!((resemblance(&a, &a) - 1.0).abs() < 1e-12);
    }
}
