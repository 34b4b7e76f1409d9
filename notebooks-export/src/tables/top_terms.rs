//! The n-grams that a report shows at the top of each side: whole words first, each text once. If most of the
//! tested ones are unstable, only the stable ones.

use demur_training::{FOLDS, HALVES, TOP, TermAnalysis, TermFigures};

/// The top n-grams of both sides, as indices into the analysis.
pub(crate) struct TopTerms {
    /// Those for refusal and those for compliance, in order.
    sides: [Vec<usize>; 2],
    /// How many of them were tested for stability.
    pub(crate) tested: usize,
    /// How many of those are unstable.
    pub(crate) unstable: usize,
}

impl TopTerms {
    /// The top of words, or of pieces of words.
    pub(crate) fn of(analysis: &TermAnalysis, pieces: bool) -> Self {
        let terms = || analysis.terms.iter().enumerate();
        let is_one = |term: &TermFigures| {
            term.is_piece == pieces && !term.marks.duplicate && (analysis.rows == 0 || term.rows() > 0)
        };
        let side = |refused: bool| {
            let of = terms().filter(|(_, term)| is_one(term) && term.speaks_for_refusal() == refused);
            of.map(|(at, _)| at).take(TOP).collect::<Vec<usize>>()
        };
        let sides = [side(true), side(false)];
        let stable = |wanted: bool| {
            let all = sides.iter().flatten();
            all.filter(|&&at| analysis.terms[at].stable() == Some(wanted)).count()
        };
        let unstable = stable(false);
        Self { tested: unstable + stable(true), unstable, sides }
    }

    /// Whether most tested terms are unstable, so that only the stable ones are shown.
    pub(crate) const fn stable_only(&self) -> bool {
        2 * self.unstable > self.tested
    }

    /// The terms of a side that are shown.
    pub(crate) fn shown(&self, analysis: &TermAnalysis, refused: bool) -> Vec<usize> {
        let is_shown = |at: &usize| !self.stable_only() || analysis.terms[*at].stable() == Some(true);
        self.sides[usize::from(!refused)].iter().copied().filter(is_shown).collect()
    }

    /// The terms of a side that are left out.
    pub(crate) fn left_out(&self, analysis: &TermAnalysis, refused: bool) -> Vec<usize> {
        let shown = self.shown(analysis, refused);
        self.sides[usize::from(!refused)].iter().copied().filter(|at| !shown.contains(at)).collect()
    }

    /// What was tested and the result, in one or two sentences; `what` is n-grams of words, or pieces of
    /// words.
    pub(crate) fn describe(&self, analysis: &TermAnalysis, what: &str) -> String {
        let listed = self.sides.iter().map(Vec::len).sum::<usize>();
        if analysis.rows == 0 {
            return format!(
                "The {listed} {what} with the largest weights. Which of these terms are stable was not computed: it takes \
                 labelled rows."
            );
        }
        if self.tested == 0 {
            return format!(
                "The {listed} strongest {what}. None could be tested for stability on these rows."
            );
        }
        let by_folds = if analysis.resamples > 0 {
            format!(", or the sign of their refitted weight changes without one of {FOLDS} folds")
        } else {
            String::new()
        };
        let shown =
            if self.stable_only() { " Most are unstable, so the stable ones alone are shown." } else { "" };
        format!(
            "Of the {listed} strongest {what}, {} were tested for stability and {} are unstable: they are not among the top of \
             each of {HALVES} random halves of the rows{by_folds}.{shown}",
            self.tested, self.unstable
        )
    }
}

/// Whether the first tables show pieces because the model has no n-grams of words.
pub(crate) fn has_pieces_alone(analysis: &TermAnalysis) -> bool {
    analysis.terms.iter().all(|term| term.is_piece)
}

/// The n-grams of words, each text once, for charts. Pieces if the model has nothing else.
pub(crate) fn first_units(analysis: &TermAnalysis) -> impl Iterator<Item = &TermFigures> + Clone {
    let pieces = has_pieces_alone(analysis);
    analysis.terms.iter().filter(move |term| term.is_piece == pieces && !term.marks.duplicate)
}
