//! Three small charts in SVG: no scripts, no styles, no fonts of their own, grey on an explicit white ground.
//!
//! Nothing depends on colour: what differs, differs by place, fill or line. Texts are monospaced, so their
//! widths can be reckoned with.

use demur_training::ReliabilityBin;

use crate::text::{escape, percent_encode, shorten};

const WIDTH: f64 = 640.0;
const DARK: &str = "#222222";
const MIDDLE: &str = "#767676";
const LIGHT: &str = "#d0d0d0";
/// Height of a row of bars or intervals.
const ROW: f64 = 18.0;
/// Where the drawing starts below the title.
const TOP: f64 = 56.0;

/// A drawing, and the same in plain text for those who cannot see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// What it shows, in a line.
    pub title: String,
    /// The drawing.
    pub svg: String,
    /// Its content as text.
    pub text: String,
}

impl Chart {
    /// The drawing as an HTML image that carries it within.
    #[must_use]
    pub fn to_html(&self) -> String {
        let data = percent_encode(&self.svg);
        format!("<img alt=\"{}\" src=\"data:image/svg+xml,{data}\">", escape(&self.title))
    }
}

/// A labelled number.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What it belongs to.
    pub label: String,
    /// The number.
    pub value: f64,
}

/// A labelled share with its interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// What it belongs to.
    pub label: String,
    /// The share; NaN where it is not defined.
    pub value: f64,
    /// Lower and upper end.
    pub interval: (f64, f64),
    /// Drawn filled, against the hollow ones that it is compared with.
    pub strong: bool,
}

/// A number as the reports show it.
pub(crate) fn figure(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "not defined".to_owned() }
}

/// How the text of a label is set.
#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// Grows the elements of one drawing.
struct Canvas {
    body: String,
    height: f64,
}

impl Canvas {
    fn new(title: &str, note: &str, height: f64) -> Self {
        let mut canvas = Self { body: format!("<title>{}</title>\n", escape(title)), height };
        canvas.body += &format!("<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n");
        let title = escape(&shorten(title, 85));
        canvas.body +=
            &format!("<text x=\"10\" y=\"20\" fill=\"{DARK}\" font-weight=\"bold\">{title}</text>\n");
        canvas.text((10.0, 38.0), Anchor::Start, note);
        canvas
    }

    fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        self.body += &format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{DARK}\" text-anchor=\"{anchor}\">{text}</text>\n"
        );
    }

    /// A text that reads upwards, centred on a point.
    fn upright(&mut self, (x, y): (f64, f64), text: &str) {
        let (text, turn) = (escape(text), format!("rotate(-90 {x:.1} {y:.1})"));
        self.body += &format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{DARK}\" text-anchor=\"middle\" transform=\"{turn}\">{text}</text>\n"
        );
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.body += &format!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{stroke}\"/>\n"
        );
    }

    fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str) {
        self.body += &format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\" stroke=\"{DARK}\" stroke-width=\"0.5\"/>\n"
        );
    }

    fn circle(&mut self, (x, y): (f64, f64), fill: &str) {
        self.body +=
            &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{fill}\" stroke=\"{DARK}\"/>\n");
    }

    fn finish(self) -> String {
        let Self { body, height } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" font-family=\"monospace\" font-size=\"12\">\n{body}</svg>\n"
        )
    }
}

/// A round distance of ticks of which about three lie between 0 and `largest`.
fn step(largest: f64) -> f64 {
    let rough = largest / 3.0;
    let power = 10.0_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|step| *step >= rough).unwrap_or(10.0 * power)
}

/// Bars from a middle line, values above 0 to the right (for refusal) and below it to the left (for
/// compliance), in the order given. Each label stands on the free side of the line. `note` says n.
#[must_use]
pub fn diverging_bars(title: &str, note: &str, bars: &[Bar]) -> Chart {
    let largest =
        bars.iter().map(|bar| bar.value.abs()).filter(|value| value.is_finite()).fold(0.0, f64::max);
    let largest = if largest > 0.0 { largest } else { 1.0 };
    let (middle, reach) = (WIDTH / 2.0, 250.0);
    let x = |value: f64| middle + value / largest * reach;
    let bottom = TOP + 20.0 + ROW * bars.len() as f64;
    let mut canvas = Canvas::new(title, note, bottom + 44.0);
    canvas.text((middle - 8.0, TOP + 8.0), Anchor::End, "← for compliance");
    canvas.text((middle + 8.0, TOP + 8.0), Anchor::Start, "for refusal →");
    let step = step(largest);
    // Enough decimals to tell the ticks apart; a step is 1, 2 or 5 times a power of ten.
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
        if value >= 0.0 {
            canvas.rect((middle, top + 2.0), (end - middle, ROW - 5.0), MIDDLE);
            canvas.text((end + 4.0, base), Anchor::Start, &number);
            canvas.text((middle - 8.0, base), Anchor::End, &label);
        } else {
            canvas.rect((end, top + 2.0), (middle - end, ROW - 5.0), LIGHT);
            canvas.text((end - 4.0, base), Anchor::End, &number);
            canvas.text((middle + 8.0, base), Anchor::Start, &label);
        }
        text += &format!("\n{number}  {}", bar.label);
    }
    canvas.text((middle, bottom + 34.0), Anchor::Middle, "weight (logit per unit of TF-IDF value)");
    Chart { title: title.to_owned(), svg: canvas.finish(), text }
}

/// Mean P(refusal) of each bin against its share of refusals, above the numbers of rows in the bins.
#[must_use]
pub fn reliability_diagram(title: &str, bins: &[ReliabilityBin]) -> Chart {
    let n: usize = bins.iter().map(|bin| bin.n).sum();
    let note = format!("n = {n} rows in {} bins of equal width; dashed: perfect calibration", bins.len());
    let ((left, width), (height, strip)) = ((70.0, 480.0), (240.0, 44.0));
    let (x, y) = (|p: f64| left + p * width, |share: f64| TOP + (1.0 - share) * height);
    let bottom = TOP + height + strip;
    let mut canvas = Canvas::new(title, &note, bottom + 44.0);
    for tick in 0..=5 {
        let value = f64::from(tick) / 5.0;
        canvas.line((x(value), TOP), (x(value), bottom), LIGHT);
        canvas.line((left, y(value)), (left + width, y(value)), LIGHT);
        canvas.text((x(value), bottom + 14.0), Anchor::Middle, &format!("{value:.1}"));
        canvas.text((left - 6.0, y(value) + 4.0), Anchor::End, &format!("{value:.1}"));
    }
    canvas.line((left, bottom), (left + width, bottom), DARK);
    canvas.body += &format!(
        "<line x1=\"{left}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{TOP}\" stroke=\"{MIDDLE}\" stroke-dasharray=\"5 4\"/>\n",
        TOP + height,
        left + width
    );
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
    Chart { title: title.to_owned(), svg: canvas.finish(), text }
}

/// Accuracies with their 95% Wilson intervals on the same `n` rows, one below the other.
#[must_use]
pub fn intervals(title: &str, n: usize, rows: &[Interval]) -> Chart {
    let note = format!("n = {n} rows, the same for all; filled: fitted models, hollow: baselines");
    let (left, width) = (210.0, 330.0);
    let x = |share: f64| left + share * width;
    let bottom = TOP + ROW * rows.len() as f64;
    let mut canvas = Canvas::new(title, &note, bottom + 44.0);
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
            canvas.circle((x(row.value), centre), if row.strong { DARK } else { "#ffffff" });
        }
    }
    let axis = "accuracy (share of right decisions), 95% Wilson interval";
    canvas.text((left + width / 2.0, bottom + 34.0), Anchor::Middle, axis);
    Chart { title: title.to_owned(), svg: canvas.finish(), text }
}
