//! `NumPy`'s legacy generator and scikit-learn's `train_test_split`, so that a published split gives the same
//! rows.
//!
//! `numpy.random.RandomState(seed)` is the Mersenne Twister MT19937 (Matsumoto & Nishimura 1998), seeded by
//! Knuth's multiplier. Its stream is frozen (`NumPy`'s NEP 19), so a split drawn with an integer
//! `random_state` can always be reproduced. All other randomness in Demur uses its own generator.

/// Words of the generator's state.
const WORDS: usize = 624;
/// How far the recurrence looks ahead.
const AHEAD: usize = 397;

/// `numpy.random.RandomState(seed)`, with the parts that a permutation needs.
#[derive(Debug, Clone)]
pub struct RandomState {
    words: [u32; WORDS],
    next: usize,
}

impl RandomState {
    /// The generator of an integer seed.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        let mut words = [seed; WORDS];
        let mut last = seed;
        for (at, word) in (1_u32..).zip(&mut words[1..]) {
            last = (last ^ (last >> 30)).wrapping_mul(1_812_433_253).wrapping_add(at);
            *word = last;
        }
        Self { words, next: WORDS }
    }

    fn refill(&mut self) {
        for at in 0..WORDS {
            let joined = (self.words[at] & 0x8000_0000) | (self.words[(at + 1) % WORDS] & 0x7fff_ffff);
            let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.words[at] = self.words[(at + AHEAD) % WORDS] ^ (joined >> 1) ^ twist;
        }
        self.next = 0;
    }

    /// The next 32 bits.
    fn next_u32(&mut self) -> u32 {
        if self.next == WORDS {
            self.refill();
        }
        let mut word = self.words[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// A random integer from 0 to `max`, both included: masks bits with the smallest mask that covers `max`,
    /// and draws again while the result is above it.
    fn upto(&mut self, max: u32) -> u32 {
        if max == 0 {
            return 0;
        }
        let mask = u32::MAX >> max.leading_zeros();
        loop {
            let value = self.next_u32() & mask;
            if value <= max {
                return value;
            }
        }
    }

    /// `permutation(n)`: 0 to n - 1, shuffled from the end.
    #[must_use]
    pub fn permutation(&mut self, n: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n as usize).collect();
        for at in (1..n).rev() {
            order.swap(at as usize, self.upto(at) as usize);
        }
        order
    }
}

/// The rows of the two sides of a split, in scikit-learn's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainTest {
    /// Rows to fit on.
    pub train: Vec<usize>,
    /// Rows held out.
    pub test: Vec<usize>,
}

/// `sklearn.model_selection.train_test_split(range(n), test_size=share, random_state=seed)`: the first
/// `ceil(share * n)` rows of the permutation are held out, the others are for the fit. The share is clamped
/// to 0..=1.
#[must_use]
pub fn train_test_split(n: u32, share: f64, seed: u32) -> TrainTest {
    let mut train = RandomState::new(seed).permutation(n);
    // Within 0..=n after the clamp, so the cast is exact.
    let held_out = (share.clamp(0.0, 1.0) * f64::from(n)).ceil() as usize;
    let rest = train.split_off(held_out);
    TrainTest { test: std::mem::replace(&mut train, rest), train }
}

/// The three parts of the paper's split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaperSplit {
    /// 70%: rows to fit on.
    pub train: Vec<usize>,
    /// 15%: rows to choose settings on.
    pub validation: Vec<usize>,
    /// 15%: rows to evaluate on.
    pub test: Vec<usize>,
}

/// Reuter & Schulze's 70/15/15 split: 0.3 of the rows held out with seed 0, then 0.5 of these with seed 0.
#[must_use]
pub fn paper_split(n: u32) -> PaperSplit {
    let TrainTest { train, test: rest } = train_test_split(n, 0.3, 0);
    // `rest` has at most n entries.
    let halves = train_test_split(rest.len() as u32, 0.5, 0);
    let take = |rows: Vec<usize>| rows.into_iter().map(|at| rest[at]).collect();
    PaperSplit { train, validation: take(halves.train), test: take(halves.test) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_mersenne_twister() {
        // The 10,000th number of seed 5489, from the C++ standard's definition of std::mt19937.
        let mut state = RandomState::new(5489);
        let last = (0..10_000).map(|_| state.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn nothing_and_one_row_are_split_too() {
        assert_eq!(train_test_split(0, 0.3, 0), TrainTest { train: vec![], test: vec![] });
        assert_eq!(train_test_split(1, 0.3, 0), TrainTest { train: vec![], test: vec![0] });
        assert_eq!(train_test_split(2, 7.0, 0).train, Vec::<usize>::new());
        assert_eq!(train_test_split(2, -1.0, 0).test, Vec::<usize>::new());
    }

    #[test]
    fn the_paper_split_has_every_row_once() {
        for n in [0, 1, 2, 3, 10, 1_706] {
            let PaperSplit { train, validation, test } = paper_split(n);
            let mut all = [train, validation, test].concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..n as usize), "{n}");
        }
        assert_eq!(paper_split(1_706).test.len(), 256);
    }
}
