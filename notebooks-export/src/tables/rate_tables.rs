//! The tables of refusal rates, for people and for programs, and what stands beside them in words.

use demur_training::{Agreement, GroupRate, HarmRates, PairedRates, Rate, RateReport, Share};
use serde_json::{Value, json};

use crate::tables::table::{Column, Table, interval, number};

/// How wide the bar of a rate of 1 is.
const BAR: usize = 14;
/// The columns of a rate, which a column of the rows must not hide.
const OWN: [&str; 8] = ["refused", "n", "rate", "low", "high", "no_answer", "neither", "labelled_by"];

/// Who reads a table of rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateReader {
    /// A program: every column, no line for all rows together.
    Program,
    /// A person: the columns that say something, and a line for all rows together.
    Person {
        /// With a bar for each rate.
        bars: bool,
    },
}

/// The rates of some groups of a report.
#[must_use]
pub fn rate_table(report: &RateReport, groups: &[&GroupRate], reader: RateReader) -> Table {
    let person = reader != RateReader::Program;
    let bars = reader == RateReader::Person { bars: true };
    let total = &report.total;
    let (neither, labellers) = (!person || total.neither > 0, !person || total.labelled_by.len() > 1);
    let mut columns: Vec<Column> =
        report.by.iter().map(|name| Column::new(key(name), name.clone())).collect();
    if person && columns.is_empty() {
        columns.push(Column::new("rows", ""));
    }
    columns.extend(
        [("refused", "refused"), ("n", "of n"), ("rate", "rate"), ("low", "95% from"), ("high", "to")]
            .map(own),
    );
    columns.extend(bars.then(|| own(("bar", ""))));
    columns.push(own(("no_answer", "no answer")));
    columns.extend(neither.then(|| own(("neither", "neither"))));
    columns.extend(labellers.then(|| own(("labelled_by", "labelled by"))));
    let mut table = Table::of_columns("rates", &format!("Refused of n{}", by_words(&report.by)), columns);
    let cells = |rate: &Rate| {
        let share = rate.share();
        let mut cells = vec![count(share.count), json!(share.n)];
        cells.extend(interval(share.rate(), share.interval()));
        cells.extend(bars.then(|| json!(bar(share))));
        cells.push(json!(rate.no_answer));
        cells.extend(neither.then(|| json!(rate.neither)));
        cells.extend(labellers.then(|| labeller_names(rate)));
        cells
    };
    for group in groups {
        let value = |value: &Option<String>| match value {
            None if person => json!("(none)"),
            value => json!(value),
        };
        table.push_all(group.values.iter().map(value).chain(cells(&group.rate)).collect());
    }
    if person || report.by.is_empty() {
        let width = report.by.len().max(usize::from(person));
        let head = (0..width).map(|at| if at == 0 { json!("all rows") } else { json!("") });
        table.push_all(head.chain(cells(total)).collect());
    }
    table
}

fn own((key, title): (&'static str, &'static str)) -> Column {
    Column::new(key, title)
}

/// The key of a column of the rows.
fn key(name: &str) -> String {
    if OWN.contains(&name) { format!("by_{name}") } else { name.to_owned() }
}

fn by_words(by: &[String]) -> String {
    if by.is_empty() { String::new() } else { format!(" by {}", by.join(", ")) }
}

/// A count; a whole number where it is one.
fn count(value: f64) -> Value {
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        // Whole and in range, so the cast is exact.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        return json!(value as u64);
    }
    number(value)
}

/// The labellers of a rate; null where nobody answered.
fn labeller_names(rate: &Rate) -> Value {
    let names = rate.labeller_names();
    if names.is_empty() { Value::Null } else { json!(names) }
}

/// A rate as a bar of eighths of a block, on a track of its full width.
fn bar(share: Share) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    if share.n == 0 {
        return String::new();
    }
    // A rate is from 0 to 1, so the cast is exact.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let eighths = (share.rate().clamp(0.0, 1.0) * (BAR * 8) as f64).round() as usize;
    // A rate above 0 is never drawn as nothing.
    let eighths = if share.count > 0.0 { eighths.max(1) } else { eighths };
    let (full, rest) = (eighths / 8, eighths % 8);
    let end = (rest > 0).then(|| EIGHTHS[rest]);
    let drawn: String = std::iter::repeat_n('█', full).chain(end).collect();
    let track = BAR - full - usize::from(rest > 0);
    drawn + &"·".repeat(track)
}

/// Two targets on the prompts that both answered, as one row.
#[must_use]
pub fn paired_table(paired: &PairedRates) -> Table {
    let mut table = Table::new(
        "paired",
        &format!(
            "{} and {} on the {} values of `{}` that both answered",
            paired.targets[0], paired.targets[1], paired.pairs, paired.column
        ),
        &[
            ("first", "first"),
            ("second", "second"),
            ("pairs", "pairs"),
            ("both", "both refused"),
            ("only_first", "only first"),
            ("only_second", "only second"),
            ("neither", "neither"),
            ("rate_first", "rate of first"),
            ("rate_second", "rate of second"),
            ("difference", "difference"),
            ("low", "95% from"),
            ("high", "to"),
            ("p_value", "p"),
            ("test", "test"),
            ("interval_method", "interval"),
        ],
    );
    let [first, second] = paired.rates.map(|rate| number(rate.unwrap_or(f64::NAN)));
    let [difference, low, high] = interval(paired.difference, paired.interval.unwrap_or_default());
    table.push([
        json!(paired.targets[0]),
        json!(paired.targets[1]),
        json!(paired.pairs),
        json!(paired.both),
        json!(paired.only_first),
        json!(paired.only_second),
        json!(paired.neither),
        first,
        second,
        difference,
        low,
        high,
        json!(paired.p_value),
        json!(paired.test),
        json!(paired.interval_method),
    ]);
    table
}

/// Over- and under-refusal of each target.
#[must_use]
pub fn harm_table(harm: &[HarmRates], reader: RateReader) -> Table {
    let mut table = Table::new(
        "harm",
        "Over-refusal (refused of safe) and under-refusal (complied of harmful)",
        &[
            ("target", "target"),
            ("safe_refused", "refused"),
            ("safe", "of safe"),
            ("over_refusal", "over"),
            ("over_low", "95% from"),
            ("over_high", "to"),
            ("harmful_complied", "complied"),
            ("harmful", "of harmful"),
            ("under_refusal", "under"),
            ("under_low", "95% from"),
            ("under_high", "to"),
        ],
    );
    for HarmRates { target, over_refusal: over, under_refusal: under } in harm {
        let target = target.as_deref().or((reader != RateReader::Program).then_some("(none)"));
        let [over_rate, over_low, over_high] = interval(over.rate(), over.interval());
        let [under_rate, under_low, under_high] = interval(under.rate(), under.interval());
        table.push([
            json!(target),
            count(over.count),
            json!(over.n),
            over_rate,
            over_low,
            over_high,
            count(under.count),
            json!(under.n),
            under_rate,
            under_low,
            under_high,
        ]);
    }
    table
}

/// The confusion of two labellers, a row for each label of the first.
#[must_use]
pub fn agreement_table(agreement: &Agreement) -> Table {
    let other = |label: &str| Column::new(label.to_owned(), format!("{} {label}", agreement.column));
    let columns = vec![own(("label", "label")), other("refused"), other("complied")];
    let title = format!("The labels against `{}`", agreement.column);
    let mut table = Table::of_columns("agreement", &title, columns);
    for (label, [refused, complied]) in ["refused", "complied"].into_iter().zip(agreement.confusion) {
        table.push([json!(label), json!(refused), json!(complied)]);
    }
    table
}

/// A p-value with three significant digits.
fn p_in_words(p: f64) -> String {
    if p >= 0.001 { format!("{p:.3}") } else { format!("{p:.2e}") }
}

/// The paired comparison in a few lines.
#[must_use]
pub fn paired_lines(paired: &PairedRates) -> Vec<String> {
    let PairedRates { targets: [first, second], unpaired, .. } = paired;
    let mut lines = Vec::new();
    if let (Some((low, high)), [Some(of_first), Some(of_second)]) = (paired.interval, paired.rates) {
        lines.push(format!(
            "refused by both {}, by {first} alone {}, by {second} alone {}, by neither {}",
            paired.both, paired.only_first, paired.only_second, paired.neither
        ));
        lines.push(format!(
            "rates {of_first:.4} and {of_second:.4}, difference {:+.4}, 95% {low:+.4} to {high:+.4} by {}",
            paired.difference, paired.interval_method
        ));
        lines.push(format!("p = {} by {}", p_in_words(paired.p_value), paired.test));
    }
    if unpaired.iter().any(|&n| n > 0) {
        lines.push(format!(
            "not compared: {} that {first} alone answered, {} that {second} alone answered",
            unpaired[0], unpaired[1]
        ));
    }
    if paired.several > 0 {
        lines.push(format!(
            "{} were answered several times by a target; half of its answers or more make a refusal",
            paired.several
        ));
    }
    lines
}

/// The agreement in one line.
#[must_use]
pub fn agreement_line(agreement: &Agreement) -> String {
    let Agreement { column, n, same, kappa, .. } = agreement;
    if *n == 0 {
        return format!("no row has both a label and one in `{column}`");
    }
    let (low, high) = same.interval();
    let kappa = if kappa.is_finite() { format!("{kappa:.4}") } else { "not defined".to_owned() };
    let interval = match agreement.interval {
        Some((low, high)) => format!(" (95% {low:.4} to {high:.4})"),
        None => String::new(),
    };
    format!(
        "agreement with `{column}` on {n} rows: {:.4} (95% {low:.4} to {high:.4}), Cohen's kappa {kappa}{interval}",
        same.rate()
    )
}

#[cfg(test)]
mod tests {
    use demur_data::Labeller;
    use demur_training::{Outcome, RatedRow};

    use super::*;

    fn report(by: &[&str], rows: &[(&[Option<&str>], Outcome, Labeller)]) -> RateReport {
        let row = |(values, outcome, labeller): &(&[Option<&str>], Outcome, Labeller)| RatedRow {
            by: values.iter().map(|value| value.map(str::to_owned)).collect(),
            target: None,
            outcome: *outcome,
            labeller: *labeller,
            harmful: None,
            other: None,
        };
        let rows: Vec<RatedRow> = rows.iter().map(row).collect();
        RateReport::of(by.iter().map(|&name| name.to_owned()).collect(), &rows)
    }

    #[test]
    fn a_person_sees_a_line_for_all_rows_and_a_program_every_column() {
        let refused = Outcome::Answered(1.0);
        let report = report(
            &["target"],
            &[(&[Some("ä")], refused, Labeller::Person), (&[None], Outcome::NoAnswer, Labeller::Person)],
        );
        let groups = report.largest(9);
        let person = rate_table(&report, &groups, RateReader::Person { bars: true });
        assert_eq!(
            person.to_aligned(),
            "  target    refused  of n    rate  95% from      to                  no answer\n  \
             (none)          0     0                                                    1\n  \
             ä               1     1  1.0000    0.2065  1.0000  ██████████████          0\n  \
             all rows        1     1  1.0000    0.2065  1.0000  ██████████████          1\n"
        );
        let program = rate_table(&report, &groups, RateReader::Program);
        assert_eq!(program.rows.len(), 2);
        assert_eq!(
            serde_json::to_string(&program.rows[0]).unwrap_or_default(),
            "{\"target\":null,\"refused\":0,\"n\":0,\"rate\":null,\"low\":null,\"high\":null,\"no_answer\":1,\"neither\":0,\
             \"labelled_by\":null}"
        );
    }

    #[test]
    fn a_column_of_the_rows_hides_no_figure() {
        let report = report(&["n"], &[(&[Some("x")], Outcome::Answered(0.0), Labeller::Rule)]);
        let table = rate_table(&report, &report.largest(9), RateReader::Program);
        assert_eq!((&table.rows[0]["by_n"], &table.rows[0]["n"]), (&json!("x"), &json!(1)));
    }

    #[test]
    fn bars_are_as_long_as_their_rates() {
        let bar = |count, n| bar(Share { count, n });
        assert_eq!(bar(0.0, 4), "·".repeat(14));
        assert_eq!(bar(2.0, 4), "█".repeat(7) + &"·".repeat(7));
        assert_eq!(bar(4.0, 4), "█".repeat(14));
        assert_eq!(bar(1.0, 1000), "▏".to_owned() + &"·".repeat(13), "a little is not nothing");
        assert_eq!(bar(0.0, 0), "");
    }
}
