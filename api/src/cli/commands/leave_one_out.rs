//! `demur evaluate --leave-one-out`: how well a recipe does on sources, or targets, that its fit has not
//! seen.

use std::fmt::Write;

use demur_data::Record;
use demur_predictor::Field;
use demur_training::{
    LeaveOneOut, LeftOut, LeftOutFacet, LeftOutFigures, LeftOutRates, Recipe, Stated, weighed,
};

use crate::cli::args::Evaluate;
use crate::cli::sources;
use crate::cli::terminal::{self, Bars, note};

pub(crate) fn run(
    args: &Evaluate,
    facet: LeftOutFacet,
    field: Field,
    recipe: &Recipe,
    records: Vec<Record>,
) -> anyhow::Result<()> {
    // Weighted as in `fit`: a prompt predictor may learn from machine labels, but no figure uses them.
    let records = match field {
        Field::Response => records,
        Field::Prompt => weighed(records, recipe.prompt.machine_weight, recipe.prompt.human_weight),
    };
    let unseen = match &args.unseen {
        Some(path) => sources::unseen(path, args.recipe.data_dir.as_deref(), field)?,
        None => Vec::new(),
    };
    let plan = LeaveOneOut { field, facet, seed: recipe.seed, share_counts: args.share_counts };
    let encoders = terminal::encoders(args.recipe.settings.resume);
    let figures =
        Bars::during(|progress| plan.judge(recipe.plan(field, &encoders), &records, &unseen, progress))?;
    let judged: usize = figures.unseen.iter().map(|of| of.n).sum();
    if judged < unseen.len() {
        note(&format!(
            "{} of {} rows of --unseen are not judged: the fit has their texts, or their source has fewer than {} rows",
            unseen.len() - judged,
            unseen.len(),
            LeaveOneOut::MIN_ROWS
        ));
    }
    if args.json {
        return terminal::json(&figures.to_json());
    }
    Ok(terminal::data(&table(&figures)?)?)
}

/// Formats a figure; a dash if the rows do not define it.
pub(crate) fn figure(figure: f64) -> String {
    if figure.is_finite() { format!("{figure:.3}") } else { "-".to_owned() }
}

/// The figures for a person, one line for each value.
fn table(figures: &LeftOutFigures) -> Result<String, std::fmt::Error> {
    let LeftOutFigures { field, facet, method, threshold, passed_over, values, mean, .. } = figures;
    let (name, least) = (facet.name(), LeaveOneOut::MIN_ROWS);
    let mut out = String::new();
    writeln!(out, "{}: {method}", field.name())?;
    writeln!(
        out,
        "  threshold {threshold}; {name}s passed over, with fewer than {least} rows: {passed_over}"
    )?;
    let mut lines: Vec<Line<'_>> = values.iter().map(Line::of).collect();
    lines.push(Line { name: format!("mean of {}", mean.values), rates: &mean.rates, value: None });
    write_lines(&mut out, name, &lines)?;
    for (facet, values) in &figures.by {
        if values.len() > 1 {
            writeln!(out, "\n  the same scores by {facet}")?;
            write_lines(&mut out, facet, &values.iter().map(Line::of).collect::<Vec<_>>())?;
        }
    }
    if !figures.unseen.is_empty() {
        writeln!(out, "\n  never in a fit: by a fit on all rows")?;
        write_lines(&mut out, "source", &figures.unseen.iter().map(Line::of).collect::<Vec<_>>())?;
    }
    writeln!(out, "\n  P(refusal) against the share refused, over all left-out rows")?;
    for bin in figures.reliability.iter().filter(|bin| bin.n > 0) {
        let (from, to, n) = (bin.from, bin.to, bin.n);
        writeln!(out, "  {from:.1} to {to:.1}  {n:7}  {:.3}  {:.3}", bin.mean_p, bin.refusal_rate)?;
    }
    if let Some(stated) = figures.stated {
        let Stated { held, within_chance, tenths } = stated;
        writeln!(
            out,
            "  stated intervals that hold, by {name} and tenth: {held} of {tenths}; within the chance of their rows: \
             {within_chance}"
        )?;
    }
    writeln!(
        out,
        "\n  phrases, majority: accuracy of a short list of phrases, and of the more frequent label of the fit's rows\n  \
         refused, complied: the share of such rows that are called so; TPR: refusals found at 1% false alarms\n  \
         the mean is over {name}s with both classes; language by script and small words"
    )?;
    Ok(out)
}

/// A line of the table: a left-out value, or the mean of all.
struct Line<'a> {
    name: String,
    rates: &'a LeftOutRates,
    /// `None` for a mean, which has no rows, intervals or labeller of its own.
    value: Option<&'a LeftOut>,
}

impl<'a> Line<'a> {
    fn of(value: &'a LeftOut) -> Self {
        Self { name: value.value.clone(), rates: &value.rates, value: Some(value) }
    }
}

/// Returns a line's text in a column.
type CellOf = fn(&Line<'_>) -> String;

/// The columns after the name.
const COLUMNS: [(&str, CellOf); 15] = [
    ("n", |line| of_value(line, |value| value.n.to_string())),
    ("base rate", |line| of_value(line, |value| figure(value.base_rate))),
    ("accuracy", |line| figure(line.rates.accuracy)),
    ("95% interval", |line| of_value(line, |value| interval(value.accuracy_interval))),
    ("phrases", |line| figure(line.rates.phrase_list)),
    ("majority", |line| figure(line.rates.majority)),
    ("balanced", |line| figure(line.rates.balanced_accuracy)),
    ("refused", |line| figure(line.rates.recall_refused)),
    ("complied", |line| figure(line.rates.recall_complied)),
    ("AUROC", |line| figure(line.rates.auroc)),
    ("95% interval", |line| of_value(line, auroc_interval)),
    ("TPR", |line| figure(line.rates.tpr_at_1_fpr)),
    ("ECE", |line| figure(line.rates.ece)),
    ("language", |line| of_value(line, |value| value.language.unwrap_or("-").to_owned())),
    ("labelled by", |line| of_value(line, |value| value.labelled_by.clone().unwrap_or_default())),
];

fn of_value(line: &Line<'_>, cell: impl Fn(&LeftOut) -> String) -> String {
    line.value.map(cell).unwrap_or_default()
}

fn auroc_interval(value: &LeftOut) -> String {
    if value.rates.auroc.is_finite() { interval(value.auroc_interval) } else { "-".to_owned() }
}

/// Writes a table; its columns are as wide as their content, and the last one is not padded.
fn write_lines(out: &mut String, facet: &str, lines: &[Line<'_>]) -> std::fmt::Result {
    let head = std::iter::once(facet.to_owned()).chain(COLUMNS.iter().map(|(title, _)| (*title).to_owned()));
    let cells = |line: &Line<'_>| {
        std::iter::once(line.name.clone()).chain(COLUMNS.iter().map(|(_, cell)| cell(line))).collect()
    };
    let lines: Vec<Vec<String>> = std::iter::once(head.collect()).chain(lines.iter().map(cells)).collect();
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    for line in &lines {
        let mut text = format!("  {:1$}", line[0], widths[0]);
        for (cell, &width) in line.iter().zip(&widths).skip(1) {
            write!(text, "  {cell:>width$}")?;
        }
        write!(text, "  {}", line[COLUMNS.len()])?;
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

fn interval((low, high): (f64, f64)) -> String {
    if low.is_finite() && high.is_finite() { format!("{low:.3} to {high:.3}") } else { "-".to_owned() }
}
