//! Templates with one slot, found without any list of them: "Write me a poem about X".
//!
//! A candidate is a beginning and an end that several prompts share, with something else between them. What
//! separates a template from a phrase that many questions happen to begin with is its slot: of *all* prompts
//! with that beginning and end, nine in ten have only a few words there, whereas "What is the best way to"
//! continues for two words or for twenty. If both sides are long, the slot may be long too, because texts
//! rarely share both their beginning and their end by chance.
//!
//! Prompts fit several candidates ("... about X", "... about John X", "... X Kennedy"). The one that explains
//! most words (rows times fixed words) is taken first and its prompts are set aside; then the rest is counted
//! again.

use rustc_hash::FxHashMap;

use super::sets::stir;

/// The fewest prompts that make a template.
const SUPPORT: usize = 5;
/// The fewest words that beginning and end have together.
const FIXED: usize = 3;
/// A slot of up to this many words is short, however few words are fixed.
const SHORT: usize = 3;
/// How many words of the beginning and of the end are considered.
const REACH: usize = 200;

/// A prompt that fits a candidate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// The hash of the beginning and the end.
    key: u64,
    text: usize,
    beginning: u16,
    end: u16,
    slot: u32,
}

struct Candidate {
    members: Vec<usize>,
    fixed: usize,
}

impl Candidate {
    fn gain(&self) -> usize {
        self.members.len() * self.fixed
    }
}

/// The members of each template found, the largest gain first. `texts` are distinct.
pub(super) fn templates(texts: &[Vec<u32>]) -> Vec<Vec<usize>> {
    let mut free = vec![true; texts.len()];
    let mut found = Vec::new();
    loop {
        let mut candidates = candidates(texts, &free);
        candidates.sort_by(|a, b| b.gain().cmp(&a.gain()).then_with(|| a.members.cmp(&b.members)));
        let Some(best) = candidates.first().map(Candidate::gain) else { return found };
        // Smaller candidates wait for the next count, because they may be pieces of one that is not clear
        // yet.
        for Candidate { members, .. } in candidates.into_iter().take_while(|other| other.gain() * 2 >= best) {
            if members.iter().all(|member| free[*member]) {
                members.iter().for_each(|member| free[*member] = false);
                found.push(members);
            }
        }
    }
}

fn candidates(texts: &[Vec<u32>], free: &[bool]) -> Vec<Candidate> {
    let mut fits = fits(texts, free);
    fits.sort_unstable();
    fits.chunk_by(|a, b| a.key == b.key).filter_map(candidate).collect()
}

fn candidate(fits: &[Fit]) -> Option<Candidate> {
    if fits.len() < SUPPORT {
        return None;
    }
    let (beginning, end) = (usize::from(fits[0].beginning), usize::from(fits[0].end));
    let fixed = beginning + end;
    let longest = if beginning >= 3 && end >= 3 { 2 * fixed } else { SHORT.max(fixed / 2) };
    let mut slots: Vec<u32> = fits.iter().map(|fit| fit.slot).collect();
    slots.sort_unstable();
    // The 90th percentile, so that a few long slots do not disqualify a template.
    let usual = slots[(slots.len() - 1) * 9 / 10] as usize;
    (usual <= longest).then(|| Candidate { members: fits.iter().map(|fit| fit.text).collect(), fixed })
}

/// Every pair of a beginning and an end at which free texts diverge, for every free text that has it.
fn fits(texts: &[Vec<u32>], free: &[bool]) -> Vec<Fit> {
    let open = || texts.iter().enumerate().filter(|(text, _)| free[*text]);
    let mut beginnings: FxHashMap<u64, usize> = FxHashMap::default();
    let mut ends: FxHashMap<u64, usize> = FxHashMap::default();
    for (_, words) in open() {
        count(&mut beginnings, words.iter());
        count(&mut ends, words.iter().rev());
    }
    let mut fits = Vec::new();
    for (text, words) in open() {
        let ends = partings(&ends, words.iter().rev());
        for (beginning, left) in partings(&beginnings, words.iter()) {
            for &(end, right) in &ends {
                let fixed = usize::from(beginning) + usize::from(end);
                if fixed >= FIXED && fixed < words.len() {
                    let slot = u32::try_from(words.len() - fixed).unwrap_or(u32::MAX);
                    fits.push(Fit { key: stir(left, right.rotate_left(32)), text, beginning, end, slot });
                }
            }
        }
    }
    fits
}

/// The hashes of a text's beginnings, starting with the empty one.
fn hashes<'a>(words: impl Iterator<Item = &'a u32>) -> impl Iterator<Item = u64> {
    let grown = words.take(REACH).scan(0, |hash, word| {
        *hash = stir(*hash, u64::from(*word) + 1);
        Some(*hash)
    });
    std::iter::once(0).chain(grown)
}

fn count<'a>(counts: &mut FxHashMap<u64, usize>, words: impl Iterator<Item = &'a u32>) {
    for hash in hashes(words) {
        *counts.entry(hash).or_default() += 1;
    }
}

/// The lengths and hashes of the beginnings that enough texts share and after which they diverge: a slot
/// opens nowhere else.
fn partings<'a>(counts: &FxHashMap<u64, usize>, words: impl Iterator<Item = &'a u32>) -> Vec<(u16, u64)> {
    let shared: Vec<(u64, usize)> = hashes(words).map(|hash| (hash, counts[&hash])).collect();
    // Texts diverge at a length if fewer of them share the next word.
    let parts = |length: usize| shared.get(length + 1).is_none_or(|next| next.1 < shared[length].1);
    let lengths = (0..=u16::MAX)
        .take_while(|&length| shared.get(usize::from(length)).is_some_and(|(_, texts)| *texts >= SUPPORT));
    lengths
        .filter(|&length| parts(length.into()))
        .map(|length| (length, shared[usize::from(length)].0))
        .collect()
}
