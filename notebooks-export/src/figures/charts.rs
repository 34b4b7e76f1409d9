//! The charts: bars, a reliability diagram, intervals, a curve, and the contrast of frequency and z-score.
//!
//! Nothing depends on colour: differences are shown by position, fill or line. Text is monospaced, so its
//! width can be computed.

use demur_training::ReliabilityBin;

use crate::figures::drawing::{Anchor, DARK, Drawing, LIGHT, MIDDLE, WHITE, WIDTH};
use crate::text::{escape, percent_encode, shorten};

/// Height of a row of bars or intervals.
const ROW: f64 = 18.0;
/// Where the drawing starts, below the title.
pub(crate) const TOP: f64 = 56.0;

/// A drawing, and the same content as plain text for readers who cannot see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What it shows, in one line.
    pub title: String,
    /// The drawing.
    pub drawing: Drawing,
    /// Its content as text.
    pub text: String,
}

impl Chart {
    pub(crate) fn new(title: &str, drawing: Drawing, text: String) -> Self {
        Self { title: title.to_owned(), drawing, text }
    }

    /// The drawing as a self-contained HTML image.
    #[must_use]
    pub(crate) fn to_html(&self) -> String {
        let data = percent_encode(&self.drawing.to_svg());
        format!("<img alt=\"{}\" src=\"data:image/svg+xml,{data}\">", escape(&self.title))
    }
}

/// A labelled number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    /// The name of what is measured.
    pub(crate) label: String,
    /// The number.
    pub(crate) value: f64,
    /// Its interval, where it has one.
    pub(crate) interval: Option<(f64, f64)>,
}

/// A labelled share with its interval.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Interval {
    /// The name of what is measured.
    pub(crate) label: String,
    /// The share; NaN if it is undefined.
    pub(crate) value: f64,
    /// Lower and upper end.
    pub(crate) interval: (f64, f64),
    /// Drawn filled; the values that it is compared with are drawn hollow.
    pub(crate) strong: bool,
}

/// A number as the reports show it.
pub(crate) fn figure(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "not defined".to_owned() }
}

/// A round tick distance with about three ticks between 0 and `largest`.
pub(crate) fn step(largest: f64) -> f64 {
    let rough = largest / 3.0;
    let power = 10.0_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|step| *step >= rough).unwrap_or(10.0 * power)
}

/// The ends of a bar and of its interval.
fn ends(bar: &Bar) -> [f64; 3] {
    let (low, high) = bar.interval.unwrap_or((bar.value, bar.value));
    [bar.value, low, high]
}

/// Bars from a centre line, in the given order: values above 0 to the right (for refusal), below 0 to the
/// left (for compliance). Each label is on the free side of the line. `note` contains n.
#[must_use]
pub(crate) fn diverging_bars(title: &str, note: &str, bars: &[Bar]) -> Chart {
    let largest =
        bars.iter().flat_map(ends).map(f64::abs).filter(|value| value.is_finite()).fold(0.0, f64::max);
    let largest = if largest > 0.0 { largest } else { 1.0 };
    let (middle, reach) = (WIDTH / 2.0, 240.0);
    let x = |value: f64| middle + value / largest * reach;
    let bottom = TOP + 20.0 + ROW * bars.len() as f64;
    let mut canvas = Drawing::new(title, note, bottom + 44.0);
    canvas.text((middle - 8.0, TOP + 8.0), Anchor::End, "← for compliance");
    canvas.text((middle + 8.0, TOP + 8.0), Anchor::Start, "for refusal →");
    let step = step(largest);
    // Enough decimals to distinguish the ticks; a step is 1, 2 or 5 times a power of ten.
    let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    canvas.line((middle, TOP + 16.0), (middle, bottom), DARK);
    canvas.line((middle - reach, bottom), (middle + reach, bottom), DARK);
    for tick in -3..=3 {
        let value = f64::from(tick) * step;
        if value.abs() <= largest {
            canvas.line((x(value), bottom), (x(value), bottom + 4.0), DARK);
            canvas.text((x(value), bottom + 16.0), Anchor::Middle, &format!("{value:.decimals$}"));
        }
    }
    let mut text = format!("{title}\n{note}");
    for (at, bar) in bars.iter().enumerate() {
        let (top, value) = (TOP + 20.0 + ROW * at as f64, bar.value);
        let (label, number) = (shorten(&bar.label, 38), format!("{value:+.3}"));
        let (end, base) = (x(value), top + 12.0);
        let [_, low, high] = ends(bar);
        // The number is placed past the end of bar and interval.
        let (right, left) = (x(value.max(high)), x(value.min(low)));
        if value >= 0.0 {
            canvas.rect((middle, top + 2.0), (end - middle, ROW - 5.0), MIDDLE);
            canvas.text((right + 4.0, base), Anchor::Start, &number);
            canvas.text((left.min(middle) - 8.0, base), Anchor::End, &label);
        } else {
            canvas.rect((end, top + 2.0), (middle - end, ROW - 5.0), LIGHT);
            canvas.text((left - 4.0, base), Anchor::End, &number);
            canvas.text((right.max(middle) + 8.0, base), Anchor::Start, &label);
        }
        text += &format!("\n{number}  {}", bar.label);
        if bar.interval.is_some() {
            let centre = top + ROW / 2.0 - 0.5;
            canvas.line((x(low), centre), (x(high), centre), DARK);
            for end in [low, high] {
                canvas.line((x(end), centre - 3.0), (x(end), centre + 3.0), DARK);
            }
            text += &format!("  ({low:+.3} to {high:+.3})");
        }
    }
    canvas.text((middle, bottom + 34.0), Anchor::Middle, "weight (logit per unit of TF-IDF value)");
    Chart::new(title, canvas, text)
}

/// Mean P(refusal) of each bin against its share of refusals, above the numbers of rows in the bins.
#[must_use]
pub(crate) fn reliability_diagram(title: &str, bins: &[ReliabilityBin]) -> Chart {
    let n: usize = bins.iter().map(|bin| bin.n).sum();
    let note = format!("n = {n} rows in {} bins of equal width; dashed: perfect calibration", bins.len());
    let ((left, width), (height, strip)) = ((70.0, 480.0), (240.0, 44.0));
    let (x, y) = (|p: f64| left + p * width, |share: f64| TOP + (1.0 - share) * height);
    let bottom = TOP + height + strip;
    let mut canvas = Drawing::new(title, &note, bottom + 44.0);
    for tick in 0..=5 {
        let value = f64::from(tick) / 5.0;
        canvas.line((x(value), TOP), (x(value), bottom), LIGHT);
        canvas.line((left, y(value)), (left + width, y(value)), LIGHT);
        canvas.text((x(value), bottom + 14.0), Anchor::Middle, &format!("{value:.1}"));
        canvas.text((left - 6.0, y(value) + 4.0), Anchor::End, &format!("{value:.1}"));
    }
    canvas.line((left, bottom), (left + width, bottom), DARK);
    canvas.dashed((left, TOP + height), (left + width, TOP), MIDDLE);
    let most = bins.iter().map(|bin| bin.n).max().unwrap_or(0).max(1) as f64;
    let mut text = format!("{title}\n{note}\nbin          rows  mean P(refusal)  share of refusals");
    for bin in bins {
        let tall = bin.n as f64 / most * (strip - 18.0);
        let bar = ((bin.to - bin.from) * width - 8.0).max(1.0);
        if bin.n > 0 {
            canvas.rect((x(bin.from) + 4.0, bottom - tall), (bar, tall), LIGHT);
            canvas.circle((x(bin.mean_p), y(bin.refusal_rate)), MIDDLE);
        }
        let centre = x(f64::midpoint(bin.from, bin.to));
        canvas.text((centre, bottom - tall - 3.0), Anchor::Middle, &bin.n.to_string());
        text += &format!(
            "\n{:.1} to {:.1}  {:>6}  {:<15}  {}",
            bin.from,
            bin.to,
            bin.n,
            figure(bin.mean_p),
            figure(bin.refusal_rate)
        );
    }
    canvas.text((left + width + 8.0, bottom - 4.0), Anchor::Start, "rows in bin");
    canvas.upright((24.0, TOP + height / 2.0), "share of refusals in the bin");
    canvas.text((left + width / 2.0, bottom + 34.0), Anchor::Middle, "mean P(refusal) of the bin");
    Chart::new(title, canvas, text)
}

/// Accuracies with their 95% Wilson intervals on the same `n` rows, one below another.
#[must_use]
pub(crate) fn intervals(title: &str, n: usize, rows: &[Interval]) -> Chart {
    let note = format!("n = {n} rows, the same for all; filled: fitted models, hollow: baselines");
    let (left, width) = (210.0, 330.0);
    let x = |share: f64| left + share * width;
    let bottom = TOP + ROW * rows.len() as f64;
    let mut canvas = Drawing::new(title, &note, bottom + 44.0);
    for tick in 0..=5 {
        let value = f64::from(tick) / 5.0;
        canvas.line((x(value), TOP), (x(value), bottom), LIGHT);
        canvas.text((x(value), bottom + 14.0), Anchor::Middle, &format!("{value:.1}"));
    }
    canvas.line((left, bottom), (left + width, bottom), DARK);
    let mut text = format!("{title}\n{note}");
    for (at, row) in rows.iter().enumerate() {
        let centre = TOP + ROW * (at as f64 + 0.5);
        canvas.text((left - 12.0, centre + 4.0), Anchor::End, &shorten(&row.label, 26));
        canvas.text((left + width + 12.0, centre + 4.0), Anchor::Start, &figure(row.value));
        let (low, high) = row.interval;
        text += &format!("\n{}: {}", row.label, figure(row.value));
        if row.value.is_finite() {
            text += &format!(" ({} to {})", figure(low), figure(high));
            canvas.line((x(low), centre), (x(high), centre), DARK);
            for end in [low, high] {
                canvas.line((x(end), centre - 4.0), (x(end), centre + 4.0), DARK);
            }
            canvas.circle((x(row.value), centre), if row.strong { DARK } else { WHITE });
        }
    }
    let axis = "accuracy (share of right decisions), 95% Wilson interval";
    canvas.text((left + width / 2.0, bottom + 34.0), Anchor::Middle, axis);
    Chart::new(title, canvas, text)
}
