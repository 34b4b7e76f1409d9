//! Which n-grams a reader sees first: whole words before pieces of words, and each text once.
//!
//! A model with several views has one text several times: "bomb" among the words of the whole text, among
//! those of the beginning, and as a run of characters. One of them is shown: an n-gram of words if there is
//! one, then the one with the largest |z|, then with the largest |weight|. The others are marked as
//! duplicates.

use demur_predictor::{Analyzer, View, ViewText};
use rustc_hash::FxHashMap;

use crate::analysis::terms::index::Index;
use crate::analysis::terms::log_odds::LogOdds;

/// How each feature is presented to a reader.
pub(crate) struct Units {
    pieces: Vec<bool>,
    duplicates: Vec<bool>,
}

impl Units {
    pub(crate) fn of(views: &[View], index: &Index, odds: &[LogOdds], weights: &[f32]) -> Self {
        let mut pieces = Vec::with_capacity(odds.len());
        let mut first: FxHashMap<(ViewText, String), usize> = FxHashMap::default();
        let mut duplicates = vec![false; odds.len()];
        for (view, range) in views.iter().zip(index.views()) {
            let is_piece = view.settings.vectorizer.analyzer == Analyzer::CharWb;
            for feature in range.clone() {
                pieces.push(is_piece);
                // A view has fewer than 2^32 features because they are numbered by u32.
                let name = view.vectorizer.ngram(u32::try_from(feature - range.start).unwrap_or(u32::MAX));
                // A piece may begin or end with the space beside its word.
                let text = if is_piece { name.trim().to_owned() } else { name };
                let other = *first.entry((view.settings.field, text.clone())).or_insert(feature);
                if other == feature {
                    continue;
                }
                let rank = |at: usize| (!pieces[at], odds[at].z.abs(), weights[at].abs());
                let loser = if rank(feature) > rank(other) { other } else { feature };
                duplicates[loser] = true;
                if loser == other {
                    first.insert((view.settings.field, text), feature);
                }
            }
        }
        Self { pieces, duplicates }
    }

    /// Whether it is a run of characters and not an n-gram of words.
    pub(crate) fn is_piece(&self, feature: usize) -> bool {
        self.pieces[feature]
    }

    /// Whether another n-gram with the same text is shown instead.
    pub(crate) fn is_duplicate(&self, feature: usize) -> bool {
        self.duplicates[feature]
    }

    /// These numbers for n-grams of words only, or for pieces only, each text once; 0 for all others.
    pub(crate) fn only(&self, pieces: bool, numbers: &[f64]) -> Vec<f64> {
        let of = |(feature, &number): (usize, &f64)| {
            if self.pieces[feature] == pieces && !self.duplicates[feature] { number } else { 0.0 }
        };
        numbers.iter().enumerate().map(of).collect()
    }

    /// Whether the model has pieces alone.
    pub(crate) fn has_words(&self) -> bool {
        self.pieces.contains(&false)
    }
}
