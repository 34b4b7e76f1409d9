//! A heat map of refusal rates: each cell is the rate of one group, as a shade of grey and as a number.

use std::collections::BTreeMap;

use demur_training::{Rate, RateReport};

use crate::figures::charts::{Chart, TOP};
use crate::figures::drawing::{Anchor, Drawing, WHITE, WIDTH};
use crate::text::shorten;

/// The most columns of cells.
const MOST_COLUMNS: usize = 12;
/// Width of the names of the rows, and height of a cell.
const NAMES: f64 = 190.0;
const CELL: f64 = 34.0;
/// Approximate width of a character.
const CHARACTER: f64 = 7.3;
/// From a rate of 0 to one of 1; dark text can be read on each.
const SHADES: [&str; 11] = [
    "#ffffff", "#f3f3f3", "#e8e8e8", "#dcdcdc", "#d1d1d1", "#c5c5c5", "#bababa", "#aeaeae", "#a3a3a3",
    "#979797", "#8c8c8c",
];

/// The rates as a matrix.
struct Matrix<'a> {
    rows: Vec<String>,
    columns: Vec<String>,
    cells: BTreeMap<(String, String), &'a Rate>,
    /// How many rows and columns are left out.
    left_out: (usize, usize),
}

/// The rates of a report: with one column of the rows as one column of cells; with more, the last against the
/// others. At most `top` rows, those with the most answers.
#[must_use]
pub fn rate_heat_map(report: &RateReport, top: usize, note: &str) -> Chart {
    let matrix = Matrix::of(report, top);
    let by = if report.by.is_empty() { "all rows".to_owned() } else { report.by.join(", ") };
    let title = format!("Refusal rates by {by}");
    let across = WIDTH - NAMES - 10.0;
    let wide = (across / matrix.columns.len().max(1) as f64).min(150.0);
    // What a cell has room for, less a margin; never negative, so the cast is exact.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let fits = ((wide - 4.0) / CHARACTER) as usize;
    let upright = matrix.columns.iter().any(|name| name.chars().count() > fits);
    let longest = matrix.columns.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(24);
    let head = if upright { longest as f64 * CHARACTER + 10.0 } else { 20.0 };
    let top_of = |at: usize| TOP + head + CELL * at as f64;
    let left_of = |at: usize| NAMES + wide * at as f64;
    let bottom = top_of(matrix.rows.len());
    let mut canvas = Drawing::new(&title, &shorten(note, 86), bottom + 56.0);
    let mut text = format!("{title}\n{note}");
    for (at, name) in matrix.columns.iter().enumerate() {
        let middle = left_of(at) + wide / 2.0;
        if upright {
            canvas.upright((middle + 4.0, TOP + head / 2.0), &shorten(name, 24));
        } else {
            canvas.text((middle, TOP + 14.0), Anchor::Middle, name);
        }
    }
    for (row, name) in matrix.rows.iter().enumerate() {
        let middle = top_of(row) + CELL / 2.0;
        canvas.text((NAMES - 8.0, middle + 4.0), Anchor::End, &shorten(name, 24));
        for (at, column) in matrix.columns.iter().enumerate() {
            let rate = matrix.cells.get(&(name.clone(), column.clone())).copied();
            cell(&mut canvas, (left_of(at), top_of(row)), (wide, fits), rate);
            if let Some(rate) = rate {
                text += &format!("\n{name} / {column}: {} of {}", rate.refused, rate.n);
            }
        }
    }
    legend(&mut canvas, bottom);
    if matrix.left_out != (0, 0) {
        let (rows, columns) = matrix.left_out;
        let line = format!("left out, with fewer answers: {rows} rows and {columns} columns of cells");
        canvas.text((NAMES, bottom + 44.0), Anchor::Start, &line);
        text += &format!("\n{line}");
    }
    Chart::new(&title, canvas, text)
}

/// One cell: white with a dash where nobody answered, empty where there are no rows.
fn cell(canvas: &mut Drawing, (x, y): (f64, f64), (wide, fits): (f64, usize), rate: Option<&Rate>) {
    let share = rate.map(Rate::share);
    let answered = share.filter(|share| share.n > 0);
    canvas.rect((x, y), (wide, CELL), answered.map_or(WHITE, |share| shade(share.rate())));
    let middle = x + wide / 2.0;
    match answered {
        Some(share) => {
            canvas.text((middle, y + 14.0), Anchor::Middle, &format!("{:.2}", share.rate()));
            let of = format!("n {}", share.n);
            if of.len() <= fits {
                canvas.text((middle, y + 28.0), Anchor::Middle, &of);
            }
        }
        None if share.is_some() => canvas.text((middle, y + 20.0), Anchor::Middle, "–"),
        None => {}
    }
}

fn shade(rate: f64) -> &'static str {
    // A rate is from 0 to 1, so the cast is exact.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let at = (rate.clamp(0.0, 1.0) * 10.0).round() as usize;
    SHADES[at.min(10)]
}

/// The shades from 0 to 1 below the cells.
fn legend(canvas: &mut Drawing, bottom: f64) {
    let (y, size) = (bottom + 12.0, 14.0);
    canvas.text((NAMES, y + 11.0), Anchor::Start, "rate 0");
    for (at, shade) in SHADES.into_iter().enumerate() {
        canvas.rect((NAMES + 52.0 + size * at as f64, y), (size, size), shade);
    }
    let end = NAMES + 56.0 + size * SHADES.len() as f64;
    canvas.text((end, y + 11.0), Anchor::Start, "1   (–: no answers)");
}

impl<'a> Matrix<'a> {
    fn of(report: &'a RateReport, top: usize) -> Self {
        let name = |values: &[Option<String>]| {
            let values: Vec<&str> = values.iter().map(|value| value.as_deref().unwrap_or("(none)")).collect();
            values.join(" · ")
        };
        let mut cells: BTreeMap<(String, String), &Rate> = BTreeMap::new();
        for group in &report.groups {
            let (row, column) = match group.values.split_last() {
                Some((last, others)) if !others.is_empty() => {
                    (name(others), name(std::slice::from_ref(last)))
                }
                _ => (name(&group.values), "rate".to_owned()),
            };
            cells.insert((row, column), &group.rate);
        }
        if report.groups.is_empty() {
            cells.insert(("all rows".to_owned(), "rate".to_owned()), &report.total);
        }
        let (rows, columns) = (sizes(&cells, |key| &key.0), sizes(&cells, |key| &key.1));
        // The longer side runs down the page.
        if columns.len() > rows.len() {
            cells = cells.into_iter().map(|((row, column), rate)| ((column, row), rate)).collect();
        }
        let (rows, cut_rows) = largest(sizes(&cells, |key| &key.0), top);
        let (columns, cut_columns) = largest(sizes(&cells, |key| &key.1), MOST_COLUMNS);
        Self { rows, columns, cells, left_out: (cut_rows, cut_columns) }
    }
}

/// The number of answers under each name of one side.
fn sizes(
    cells: &BTreeMap<(String, String), &Rate>,
    side: impl Fn(&(String, String)) -> &String,
) -> BTreeMap<String, usize> {
    let mut sizes = BTreeMap::new();
    for (key, rate) in cells {
        *sizes.entry(side(key).clone()).or_default() += rate.n;
    }
    sizes
}

/// The names with the most answers, sorted, and how many are left out.
fn largest(sizes: BTreeMap<String, usize>, most: usize) -> (Vec<String>, usize) {
    let all = sizes.len();
    let mut order: Vec<(String, usize)> = sizes.into_iter().collect();
    order.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    order.truncate(most);
    let mut names: Vec<String> = order.into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    let left_out = all - names.len();
    (names, left_out)
}

#[cfg(test)]
mod tests {
    use demur_data::Labeller;
    use demur_training::{Outcome, RatedRow};

    use super::*;

    fn report(by: &[&str], rows: &[&[&str]]) -> RateReport {
        let row = |values: &&[&str]| RatedRow {
            by: values.iter().map(|&value| Some(value.to_owned())).collect(),
            target: None,
            outcome: Outcome::Answered(1.0),
            labeller: Labeller::Person,
            harmful: None,
            other: None,
        };
        let rows: Vec<RatedRow> = rows.iter().map(row).collect();
        RateReport::of(by.iter().map(|&name| name.to_owned()).collect(), &rows)
    }

    #[test]
    fn the_longer_side_runs_down_and_texts_are_escaped() {
        let rows: [&[&str]; 4] = [&["t", "a<b"], &["t", "c"], &["t", "d"], &["u", "c"]];
        let chart = rate_heat_map(&report(&["target", "category"], &rows), 40, "n = 4");
        let svg = chart.drawing.to_svg();
        assert!(svg.contains(">a&lt;b</text>") && svg.contains(">1.00</text>") && svg.contains("#8c8c8c"));
        assert!(chart.text.contains("c / u: 1 of 1") && !chart.text.contains("d / u"), "{}", chart.text);
        assert!(chart.drawing.to_png().is_some());
    }

    #[test]
    fn a_thousand_groups_are_bounded() {
        let names: Vec<[String; 2]> =
            (0..1000).map(|at| [format!("row {}", at / 20), format!("column {}", at % 20)]).collect();
        let rows: Vec<Vec<&str>> =
            names.iter().map(|pair| vec![pair[0].as_str(), pair[1].as_str()]).collect();
        let rows: Vec<&[&str]> = rows.iter().map(Vec::as_slice).collect();
        let chart = rate_heat_map(&report(&["a", "b"], &rows), 40, "");
        assert!(chart.text.contains("left out, with fewer answers: 10 rows and 8 columns of cells"));
        assert!(chart.drawing.height() < 1700.0);
    }

    #[test]
    fn one_column_or_none_is_one_column_of_cells() {
        let chart = rate_heat_map(&report(&["t"], &[&["x"], &["y"]]), 40, "");
        assert!(chart.text.contains("x / rate: 1 of 1"), "{}", chart.text);
        let chart = rate_heat_map(&report(&[], &[&[], &[]]), 40, "");
        assert!(chart.text.contains("all rows / rate: 2 of 2"), "{}", chart.text);
    }
}
