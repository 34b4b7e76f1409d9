//! Counts the features of a text: which occur, how often, in ascending order.
//!
//! A sum of floating-point numbers depends on its order, so features are always visited in ascending order.
//! They arrive in the order of the text and are sorted by a radix sort, because the processor mispredicts
//! half of the comparisons between two features of a text, and a radix sort compares nothing.

/// The features of one text. The buffers are reused.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    /// One entry for every occurrence.
    features: Vec<u32>,
    /// The second buffer of a sort.
    other: Vec<u32>,
}

/// Below this many features, comparing costs less than counting digits.
const FEW: usize = 48;

impl Hits {
    pub(crate) fn clear(&mut self) {
        self.features.clear();
    }

    /// Counts an occurrence of a feature.
    #[inline]
    pub(crate) fn add(&mut self, feature: u32) {
        self.features.push(feature);
    }

    /// Calls `each` with every feature and its count, ascending; features are below `limit`.
    #[inline]
    pub(crate) fn each(&mut self, limit: usize, mut each: impl FnMut(u32, u32)) {
        self.sort(limit);
        let mut left = self.features.as_slice();
        while let [feature, rest @ ..] = left {
            let mut count = 1;
            left = rest;
            while let [same, rest @ ..] = left
                && same == feature
            {
                (count, left) = (count + 1, rest);
            }
            each(*feature, count);
        }
    }

    /// Sorts features that are below `limit`.
    fn sort(&mut self, limit: usize) {
        let bits = usize::BITS - limit.leading_zeros();
        // Digits are no wider than necessary, because every possible value of a digit costs time, whether it
        // occurs or not.
        match bits.div_ceil(2) {
            _ if self.features.len() < FEW => self.features.sort_unstable(),
            0..=7 => self.sort_by_digits::<7, 128>(),
            8 => self.sort_by_digits::<8, 256>(),
            9 => self.sort_by_digits::<9, 512>(),
            10..=11 => self.sort_by_digits::<11, 2048>(),
            _ => self.features.sort_unstable(),
        }
    }

    /// Sorts features that have two digits of `WIDTH` bits; `VALUES` is the number of values of a digit.
    fn sort_by_digits<const WIDTH: u32, const VALUES: usize>(&mut self) {
        let digits = |feature: u32| [feature as usize % VALUES, (feature >> WIDTH) as usize % VALUES];
        let mut counts = [[0_u32; VALUES]; 2];
        for &feature in &self.features {
            let [low, high] = digits(feature);
            counts[0][low] += 1;
            counts[1][high] += 1;
        }
        self.other.resize(self.features.len(), 0);
        for (which, counts) in counts.iter_mut().enumerate() {
            // Turn the counts into the first place of each value.
            let mut before = 0;
            for count in counts.iter_mut() {
                before += std::mem::replace(count, before);
            }
            for &feature in &self.features {
                let place = &mut counts[digits(feature)[which]];
                self.other[*place as usize] = feature;
                *place += 1;
            }
            std::mem::swap(&mut self.features, &mut self.other);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn features_are_counted_in_order(
            limit in prop_oneof![1..300_u32, 1..100_000_u32, 1..5_000_000_u32, 1..=u32::MAX],
            draws in prop::collection::vec(any::<u32>(), 0..300),
        ) {
            let mut hits = Hits::default();
            for draws in draws.chunks(100) {
                hits.clear();
                let mut expected = BTreeMap::new();
                for draw in draws.iter().chain(draws.iter().step_by(3)) {
                    hits.add(draw % limit);
                    *expected.entry(draw % limit).or_insert(0) += 1;
                }
                let mut found = Vec::new();
                hits.each(limit as usize, |feature, count| found.push((feature, count)));
                prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
            }
        }
    }
}
