//! Charts of a report: accuracy against coverage, and each n-gram's frequency against its z-score.

use demur_training::CoveragePoint;

use crate::figures::charts::{Chart, TOP, figure, step};
use crate::figures::drawing::{Anchor, DARK, Drawing, LIGHT, MIDDLE, Point, WIDTH};
use crate::text::shorten;

/// Accuracy of the decisions on the most certain rows, with its interval, against the share of rows decided.
#[must_use]
pub(crate) fn coverage_chart(title: &str, points: &[CoveragePoint]) -> Chart {
    let n = points.iter().map(|point| point.n).max().unwrap_or(0);
    let note = format!("n = {n} rows; grey: 95% Wilson interval");
    let ((left, width), height) = ((70.0, 480.0), 240.0);
    let lowest = points.iter().map(|point| point.interval.0).fold(1.0, f64::min);
    // From a round value below the lowest end of an interval up to 1.
    let floor = (lowest * 5.0).floor().clamp(0.0, 4.0) / 5.0;
    let x = |share: f64| left + share * width;
    let y = |accuracy: f64| TOP + (1.0 - accuracy) / (1.0 - floor) * height;
    let bottom = TOP + height;
    let mut canvas = Drawing::new(title, &note, bottom + 44.0);
    for tick in 0..=5 {
        let share = f64::from(tick) / 5.0;
        canvas.line((x(share), TOP), (x(share), bottom), LIGHT);
        canvas.text((x(share), bottom + 14.0), Anchor::Middle, &format!("{share:.1}"));
        let accuracy = floor + share * (1.0 - floor);
        canvas.line((left, y(accuracy)), (left + width, y(accuracy)), LIGHT);
        canvas.text((left - 6.0, y(accuracy) + 4.0), Anchor::End, &format!("{accuracy:.2}"));
    }
    let mut text = format!("{title}\n{note}\nrows   coverage  accuracy  95% interval");
    let along = |value: &dyn Fn(&CoveragePoint) -> f64| -> Vec<Point> {
        points.iter().map(|point| (x(point.coverage), y(value(point)))).collect()
    };
    canvas.path(along(&|point| point.interval.0), MIDDLE);
    canvas.path(along(&|point| point.interval.1), MIDDLE);
    canvas.path(along(&|point| point.accuracy), DARK);
    for point in points {
        let (low, high) = point.interval;
        text += &format!(
            "\n{:<6} {:<9} {:<9} {} to {}",
            point.n,
            figure(point.coverage),
            figure(point.accuracy),
            figure(low),
            figure(high)
        );
    }
    canvas.upright((24.0, TOP + height / 2.0), "accuracy of the decided rows");
    let axis = "share of rows decided, the most certain first";
    canvas.text((left + width / 2.0, bottom + 34.0), Anchor::Middle, axis);
    Chart::new(title, canvas, text)
}

/// An n-gram in the contrast plot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dot {
    /// Its name.
    pub(crate) label: String,
    /// Rows that contain it; at least 1.
    pub(crate) rows: usize,
    /// Its z-score.
    pub(crate) z: f64,
}

/// Frequency against z-score: dark dots point to refusal, grey ones to compliance. The first `named` dots of
/// each side are labelled; `all` is the total number of n-grams, drawn or not.
#[must_use]
pub(crate) fn contrast_chart(title: &str, dots: &[Dot], named: usize, (rows, all): (usize, usize)) -> Chart {
    let note = format!("n = {rows} rows; {} of {all} n-grams drawn, those of the largest |z|", dots.len());
    let ((left, width), height) = ((60.0, 550.0), 380.0);
    let most = dots.iter().map(|dot| dot.rows).max().unwrap_or(1).max(2) as f64;
    let reach = dots.iter().map(|dot| dot.z.abs()).fold(1.0, f64::max) * 1.05;
    let x = |rows: f64| left + rows.ln() / most.ln() * width;
    let y = |z: f64| TOP + (1.0 - z / reach) / 2.0 * height;
    let bottom = TOP + height;
    let mut canvas = Drawing::new(title, &note, bottom + 44.0);
    let mut decade = 1.0;
    while decade <= most {
        canvas.line((x(decade), TOP), (x(decade), bottom), LIGHT);
        canvas.text((x(decade), bottom + 14.0), Anchor::Middle, &format!("{decade}"));
        decade *= 10.0;
    }
    let step = step(reach);
    for tick in -3..=3 {
        let z = f64::from(tick) * step;
        if z.abs() <= reach {
            canvas.line((left, y(z)), (left + width, y(z)), if tick == 0 { MIDDLE } else { LIGHT });
            canvas.text((left - 6.0, y(z) + 4.0), Anchor::End, &format!("{z}"));
        }
    }
    for dot in dots {
        canvas.dot((x(dot.rows as f64), y(dot.z)), if dot.z > 0.0 { DARK } else { MIDDLE });
    }
    let mut text = format!("{title}\n{note}");
    let mut taken: Vec<Point> = Vec::new();
    for side in [true, false] {
        for dot in dots.iter().filter(|dot| (dot.z > 0.0) == side).take(named) {
            text += &format!("\n{:+.2}  {} rows  {}", dot.z, dot.rows, dot.label);
            let place = (x(dot.rows as f64), y(dot.z));
            let label = shorten(&dot.label, 24);
            // On the side with more space, and only if no other label is there.
            let free = taken.iter().all(|at| (at.1 - place.1).abs() > 12.0 || (at.0 - place.0).abs() > 190.0);
            if free {
                let (shift, anchor) =
                    if place.0 > WIDTH / 2.0 { (-6.0, Anchor::End) } else { (6.0, Anchor::Start) };
                canvas.text((place.0 + shift, place.1 + 4.0), anchor, &label);
                taken.push(place);
            }
        }
    }
    canvas.upright((14.0, TOP + height / 2.0), "z: complied below 0, refused above");
    canvas.text(
        (left + width / 2.0, bottom + 34.0),
        Anchor::Middle,
        "rows that contain the n-gram (logarithmic)",
    );
    Chart::new(title, canvas, text)
}

/// P(refusal) of two models on the same rows, as (first, second, refused).
#[must_use]
pub(crate) fn agreement_chart(title: &str, names: [&str; 2], rows: &[(f64, f64, bool)]) -> Chart {
    let note = format!("n = {} rows; dark: refused, grey: answered; dashed: agreement", rows.len());
    let ((left, width), height) = ((70.0, 480.0), 320.0);
    let (x, y) = (|p: f64| left + p * width, |p: f64| TOP + (1.0 - p) * height);
    let bottom = TOP + height;
    let mut canvas = Drawing::new(title, &note, bottom + 44.0);
    for tick in 0..=5 {
        let p = f64::from(tick) / 5.0;
        canvas.line((x(p), TOP), (x(p), bottom), LIGHT);
        canvas.line((left, y(p)), (left + width, y(p)), LIGHT);
        canvas.text((x(p), bottom + 14.0), Anchor::Middle, &format!("{p:.1}"));
        canvas.text((left - 6.0, y(p) + 4.0), Anchor::End, &format!("{p:.1}"));
    }
    canvas.dashed((left, bottom), (left + width, TOP), MIDDLE);
    for &(first, second, refused) in rows {
        canvas.dot((x(first), y(second)), if refused { DARK } else { MIDDLE });
    }
    let agree = rows.iter().filter(|(first, second, _)| (*first >= 0.5) == (*second >= 0.5)).count();
    canvas.upright((24.0, TOP + height / 2.0), &shorten(&format!("P(refusal), {}", names[1]), 44));
    let axis = shorten(&format!("P(refusal), {}", names[0]), 60);
    canvas.text((left + width / 2.0, bottom + 34.0), Anchor::Middle, &axis);
    Chart::new(title, canvas, format!("{title}\n{note}\n{agree} on the same side of 0.5"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_say_n_and_their_axes() {
        let point = |n: usize, accuracy| CoveragePoint {
            n,
            coverage: n as f64 / 10.0,
            accuracy,
            interval: (accuracy - 0.1, 1.0),
        };
        let chart = coverage_chart("Coverage", &[point(5, 1.0), point(10, 0.8)]);
        let svg = chart.drawing.to_svg();
        assert!(svg.contains("n = 10 rows") && svg.contains("share of rows decided"), "{svg}");
        assert!(chart.text.contains("10     1.000     0.800     0.700 to 1.000"), "{}", chart.text);
        let dots = [
            Dot { label: "\"<a>\"".to_owned(), rows: 120, z: 5.0 },
            Dot { label: "\"b\"".to_owned(), rows: 1, z: -2.0 },
        ];
        let chart = contrast_chart("Contrast", &dots, 8, (300, 2));
        let svg = chart.drawing.to_svg();
        assert!(svg.contains("&quot;&lt;a&gt;&quot;") && svg.contains("n = 300 rows; 2 of 2"), "{svg}");
        assert!(chart.text.contains("+5.00  120 rows  \"<a>\""), "{}", chart.text);
        let chart = agreement_chart("Both", ["a", "b"], &[(0.1, 0.9, true), (0.2, 0.3, false)]);
        assert!(chart.text.ends_with("1 on the same side of 0.5"), "{}", chart.text);
        assert!(chart.drawing.to_svg().contains("P(refusal), a"));
        assert!(contrast_chart("Empty", &[], 8, (0, 0)).drawing.to_svg().contains("n = 0 rows"));
    }
}
