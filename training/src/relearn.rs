//! Learning a target's line again from feedback: what was predicted for it, and what it did.
//!
//! The line goes from the log-odds of the predictions to corrected ones, `pivot + a + b (log-odds - pivot)`.
//! It is the mode under a normal prior around today's line, which weighs as much as some dozen labels, and
//! within bounds around the line that moves nothing, so no feedback moves it far. Every second label, from
//! the newest back, is held out of the fit: a line that does no better than today's on these is not worth
//! having.

use demur_predictor::{PlacedFigures, TargetLine, sigmoid};

use crate::metrics::loss_of;

/// Fewer labels teach nothing.
pub const FEWEST_LABELS: usize = 50;
/// The most that a line adds to the log-odds at its pivot, or takes from them.
pub const MOST_SHIFT: f64 = 2.0;
/// The largest slope of a line; the smallest is one over it.
pub const MOST_SLOPE: f64 = 2.0;

/// The prior variance of the shift around today's.
const SHIFT_VARIANCE: f64 = 0.25;
/// The prior variance of the slope around today's.
const SLOPE_VARIANCE: f64 = 0.05;
/// Log-odds farther than this from the pivot are taken for this far: a prediction of 0 or 1 would decide the
/// slope alone.
const FARTHEST: f64 = 10.0;
/// The steps of the fit end when both numbers move by less than this.
const TOLERANCE: f64 = 1e-7;
const MOST_STEPS: usize = 5000;

/// What was learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lesson {
    /// The line.
    pub line: TargetLine,
    /// On the labels that were held out: `average_log_loss` and `average_accuracy` are those of today's line.
    pub figures: PlacedFigures,
    /// How many labels it was fitted on.
    pub fitted: usize,
    /// How many were held out.
    pub held_out: usize,
    /// Share of all of them that are refusals.
    pub refused: f64,
}

impl Lesson {
    /// Whether it does better than today's line on what was held out.
    #[must_use]
    pub fn improves(&self) -> bool {
        self.figures.log_loss < self.figures.average_log_loss
    }

    /// Whether the line stands at one of its bounds.
    #[must_use]
    pub fn is_at_bound(&self) -> bool {
        let TargetLine { intercept, slope, .. } = self.line;
        intercept.abs() >= MOST_SHIFT || slope >= MOST_SLOPE || slope <= 1.0 / MOST_SLOPE
    }
}

/// Learns from predictions as they are without a learned line, each with whether its prompt was refused, the
/// oldest first. `None` of fewer than [`FEWEST_LABELS`].
#[must_use]
pub fn relearn(today: TargetLine, told: &[(f64, bool)]) -> Option<Lesson> {
    if told.len() < FEWEST_LABELS {
        return None;
    }
    let newest_first = told.iter().rev().enumerate();
    let (held, fitted): (Vec<_>, Vec<_>) = newest_first.partition(|(at, _)| at % 2 == 0);
    let rows = |part: Vec<(usize, &(f64, bool))>| part.into_iter().map(|(_, row)| *row).collect::<Vec<_>>();
    let (held, fitted) = (rows(held), rows(fitted));
    let line = fit(today, &fitted);
    let share =
        |rows: &[(f64, bool)]| rows.iter().filter(|(_, refused)| *refused).count() as f64 / rows.len() as f64;
    let ((average_log_loss, average_accuracy), (log_loss, accuracy)) =
        (judged(today, &held), judged(line, &held));
    let majority = if share(&fitted) >= 0.5 { share(&held) } else { 1.0 - share(&held) };
    let figures = PlacedFigures { average_log_loss, log_loss, average_accuracy, accuracy, majority };
    Some(Lesson { line, figures, fitted: fitted.len(), held_out: held.len(), refused: share(told) })
}

/// The mode of the line within its bounds. Each step moves one number to the minimum of a parabola that lies
/// nowhere below the objective (Böhning & Lindsay 1988), so none makes it worse, and the objective has one
/// minimum.
fn fit(today: TargetLine, rows: &[(f64, bool)]) -> TargetLine {
    let away = |log_odds: f64| (log_odds - today.pivot).clamp(-FARTHEST, FARTHEST);
    let rows: Vec<(f64, f64)> =
        rows.iter().map(|&(x, refused)| (away(x), f64::from(u8::from(refused)))).collect();
    let squares: f64 = rows.iter().map(|(x, _)| x * x).sum();
    let shift_curvature = rows.len() as f64 / 4.0 + 1.0 / SHIFT_VARIANCE;
    let slope_curvature = squares / 4.0 + 1.0 / SLOPE_VARIANCE;
    let (mut shift, mut slope) = (today.intercept, today.slope);
    for _ in 0..MOST_STEPS {
        let residual =
            |shift: f64, slope: f64, (x, y): &(f64, f64)| sigmoid(today.pivot + shift + slope * x) - y;
        let down: f64 = rows.iter().map(|row| residual(shift, slope, row)).sum::<f64>()
            + (shift - today.intercept) / SHIFT_VARIANCE;
        let next_shift = (shift - down / shift_curvature).clamp(-MOST_SHIFT, MOST_SHIFT);
        let down: f64 = rows.iter().map(|row| residual(next_shift, slope, row) * row.0).sum::<f64>()
            + (slope - today.slope) / SLOPE_VARIANCE;
        let next_slope = (slope - down / slope_curvature).clamp(1.0 / MOST_SLOPE, MOST_SLOPE);
        let moved = (next_shift - shift).abs().max((next_slope - slope).abs());
        (shift, slope) = (next_shift, next_slope);
        if moved < TOLERANCE {
            break;
        }
    }
    TargetLine { pivot: today.pivot, intercept: shift, slope }
}

/// Mean log loss, and the share of decisions that are right at one half.
fn judged(line: TargetLine, rows: &[(f64, bool)]) -> (f64, f64) {
    let (mut loss, mut right) = (0.0, 0.0);
    for &(log_odds, refused) in rows {
        let moved = line.log_odds(log_odds);
        loss += loss_of(sigmoid(moved), f64::from(u8::from(refused)));
        right += f64::from(u8::from((moved >= 0.0) == refused));
    }
    (loss / rows.len() as f64, right / rows.len() as f64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NEUTRAL: TargetLine = TargetLine { pivot: -1.0, intercept: 0.0, slope: 1.0 };

    /// Predictions spread over the log-odds, and answers as often refused as this line says: of every ten
    /// alike, so many.
    fn traffic(line: TargetLine, each: usize) -> Vec<(f64, bool)> {
        let mut rows = Vec::new();
        for at in 0..each {
            for step in 0..=12 {
                let x = f64::from(step) / 2.0 - 4.0;
                let p = sigmoid(line.log_odds(x));
                // Low discrepancy, so that the share is near p in any part of it.
                let u = (at as f64 * 0.618_033_988_749_895 + f64::from(step) * 0.37).fract();
                rows.push((x, u < p));
            }
        }
        rows
    }

    #[test]
    fn a_line_is_found_and_improves() {
        let truth = TargetLine { pivot: -1.0, intercept: 1.2, slope: 1.4 };
        let lesson = relearn(NEUTRAL, &traffic(truth, 100)).unwrap();
        assert!(
            (lesson.line.intercept - 1.2).abs() < 0.15 && (lesson.line.slope - 1.4).abs() < 0.15,
            "{lesson:?}"
        );
        assert!(lesson.improves() && !lesson.is_at_bound() && lesson.fitted == 650, "{lesson:?}");
    }

    #[test]
    fn few_labels_move_less_than_many_and_fewer_none() {
        // Refused are 30%, where 5% were predicted.
        let told = |count: usize| (0..count).map(|at| (-3.0, at % 10 < 3)).collect::<Vec<_>>();
        let few = relearn(NEUTRAL, &told(FEWEST_LABELS)).unwrap();
        let more = relearn(NEUTRAL, &told(40 * FEWEST_LABELS)).unwrap();
        let moved = |lesson: &Lesson| lesson.line.log_odds(-3.0) + 3.0;
        assert!(few.improves() && moved(&few) > 0.5 && moved(&few) < 0.9 * moved(&more), "{few:?} {more:?}");
        assert_eq!(relearn(NEUTRAL, &told(FEWEST_LABELS - 1)), None);
    }

    #[test]
    fn no_feedback_moves_it_beyond_the_bounds() {
        for (x, refused) in [(-8.0, true), (8.0, false), (1e9, false), (-1e9, true), (-1.0, true)] {
            let mut line = NEUTRAL;
            for _ in 0..20 {
                line = relearn(line, &vec![(x, refused); 1000]).unwrap().line;
                assert!(line.intercept.abs() <= MOST_SHIFT, "{line:?}");
                assert!((1.0 / MOST_SLOPE..=MOST_SLOPE).contains(&line.slope), "{line:?}");
            }
        }
        let lesson = relearn(NEUTRAL, &vec![(-1.0, true); 2000]).unwrap();
        assert!(lesson.is_at_bound(), "{lesson:?}");
    }

    /// What the line fits already, and what changes its mind in the middle, is no improvement.
    #[test]
    fn feedback_that_agrees_does_not_improve() {
        let lesson = relearn(NEUTRAL, &traffic(NEUTRAL, 100)).unwrap();
        assert!(lesson.line.intercept.abs() < 0.1 && (lesson.line.slope - 1.0).abs() < 0.1, "{lesson:?}");
        let contrary: Vec<(f64, bool)> = (0..200).map(|at| (-1.0, at % 2 == 0)).collect();
        assert!(!relearn(NEUTRAL, &contrary).unwrap().improves(), "what it is fitted on says the opposite");
    }
}
