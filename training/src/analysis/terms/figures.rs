//! The result of an analysis of a model's terms.

use std::fmt;

use demur_predictor::ViewText;
use serde::Serialize;

use crate::analysis::terms::log_odds::LogOdds;
use crate::analysis::terms::refit::Refitted;
use crate::analysis::terms::strata::Within;
use crate::metrics::wilson;

/// The figures for all terms of a model.
#[derive(Debug, Clone)]
pub struct TermAnalysis {
    /// Rows that were counted.
    pub rows: usize,
    /// Refused ones among them.
    pub refused: usize,
    /// Rows before sampling.
    pub rows_in_all: usize,
    /// The terms: n-grams of words first, each text once, then pieces of words and duplicates. Within each
    /// part, terms that occur in rows come first, by descending |z|, then terms that occur in no row, by
    /// descending |weight|.
    pub terms: Vec<TermFigures>,
    /// Of the top terms of both sides by z, the share that is also among the top of each half of the rows.
    /// Empty if there is no top term. The top is taken over n-grams of words, or over pieces if the model has
    /// nothing else.
    pub recurrence: Vec<f64>,
    /// The same for the top terms by weight, refitted on each half; empty without refits.
    pub weight_recurrence: Vec<f64>,
    /// Bootstrap samples behind the intervals; 0 without refits.
    pub resamples: usize,
    /// The C of the refits.
    pub c: f64,
}

/// One n-gram of a model on labelled rows.
#[derive(Debug, Clone, PartialEq)]
pub struct TermFigures {
    /// Its number in the model.
    pub feature: usize,
    /// The text that its view reads.
    pub field: ViewText,
    /// 0-based number of the view.
    pub view: usize,
    /// The n-gram.
    pub ngram: String,
    /// Whether it is a run of characters within a word, and no n-gram of words.
    pub is_piece: bool,
    /// Its weight in the model: above 0 it points to refusal.
    pub weight: f64,
    /// Refused rows that contain it.
    pub refused: usize,
    /// Answered rows that contain it.
    pub complied: usize,
    /// Log-odds of the term in refused against answered rows, with their z-score.
    pub log_odds: LogOdds,
    /// Its weight in refits on these rows; `None` without refits.
    pub refit: Option<Refitted>,
    /// A longer n-gram that occurs in at least nine of ten rows that contain this one.
    pub subsumed_by: Option<String>,
    /// The effect that remains within templates.
    pub within: Option<Within>,
    /// Groups (templates, near-duplicates) among the rows that contain it.
    pub groups: usize,
    /// In how many halves of the rows it is also among the top; `None` for a term that is not among the top.
    /// Words and pieces have separate tops.
    pub halves: Option<usize>,
    /// Warnings about the term.
    pub marks: Marks,
    /// Rows of the side that it points to, as indices into the given examples: those with the most confident
    /// P(refusal).
    pub examples: Vec<usize>,
    /// Rows of the other side that contain it: those that the model is most wrong about.
    pub counter_examples: Vec<usize>,
}

impl TermFigures {
    /// Rows that contain it.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.refused + self.complied
    }

    /// Share of refusals among the rows that contain it; NaN when there are none.
    #[must_use]
    pub fn refusal_rate(&self) -> f64 {
        self.refused as f64 / self.rows() as f64
    }

    /// 95% Wilson interval of the refusal rate; NaN when no row contains it, because then nothing was
    /// measured.
    #[must_use]
    pub fn refusal_rate_interval(&self) -> (f64, f64) {
        if self.rows() == 0 { (f64::NAN, f64::NAN) } else { wilson(self.refused, self.rows()) }
    }

    /// Whether it is stable; `None` if that was not tested. A test needs either halves in which the top terms
    /// are looked up again, or refits without a fold and rows that contain the term.
    #[must_use]
    pub fn stable(&self) -> Option<bool> {
        let by_folds = self.rows() > 1 && self.refit.is_some_and(|refit| refit.sign_stability.is_finite());
        (self.halves.is_some() || by_folds).then_some(!self.marks.unstable)
    }

    /// Whether it points to refusal: by its rows, otherwise by its weight.
    #[must_use]
    pub fn speaks_for_refusal(&self) -> bool {
        if self.rows() > 0 { self.log_odds.z > 0.0 } else { self.weight > 0.0 }
    }
}

/// Warnings about a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Marks {
    /// A top term that is not among the top in every half of the rows, or a term whose weight changes sign
    /// when a fold of the rows is left out.
    pub unstable: bool,
    /// Its effect disappears within groups: it separates templates, not refused from answered rows of one
    /// template.
    pub between_groups: bool,
    /// A longer n-gram says the same.
    pub subsumed: bool,
    /// Another n-gram of the model has the same text and is shown for both.
    pub duplicate: bool,
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marks = [
            (self.unstable, "unstable"),
            (self.between_groups, "between groups"),
            (self.subsumed, "subsumed"),
            (self.duplicate, "duplicate"),
        ];
        let set: Vec<&str> = marks.into_iter().filter_map(|(set, name)| set.then_some(name)).collect();
        f.write_str(&set.join(", "))
    }
}
