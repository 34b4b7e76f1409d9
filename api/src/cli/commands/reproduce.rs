//! `demur reproduce`: the paper's tables on the published files.

use std::fmt::Write;

use anyhow::bail;
use demur_training::{Figure, Line, PaperFiles, Reproduction, reproduce};

use crate::cli::args::Reproduce;
use crate::cli::terminal::{self, Bars};

pub(crate) fn run(args: &Reproduce) -> anyhow::Result<()> {
    let Some(files) = PaperFiles::find(&args.dir) else {
        let names = PaperFiles::HAND_LABELLED.join(" or ");
        let dir = args.dir.display();
        bail!(
            "{dir}: there is no {names} in it or in its data/; give the folder of the files that \
             github.com/maxwellreuter/chatgpt-refusals publishes"
        );
    };
    let found = Bars::during(|progress| reproduce(&files, progress))?;
    if args.json {
        return terminal::json(&found.to_json());
    }
    Ok(terminal::data(&table(&found)?)?)
}

fn table(found: &Reproduction) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(out, "{}", found.paper)?;
    for file in &found.files {
        writeln!(out, "{}: {}", file.file, file.note)?;
    }
    writeln!(
        out,
        "\n{:22}  {:21}  {:>5}  {:>5}  {:14}  {:>4}  note",
        "table (accuracy)", "model", "paper", "ours", "95% interval", "n"
    )?;
    for line in &found.lines {
        row(&mut out, line)?;
    }
    for figure in &found.figures {
        writeln!(out, "\nfigure: {} ({})", figure.name, figure.note)?;
        ngrams(&mut out, figure)?;
    }
    Ok(out)
}

fn row(out: &mut String, line: &Line) -> std::fmt::Result {
    let share = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let Line { table, model, paper, ours, note } = line;
    let (interval, n) = ours.map_or_else(Default::default, |ours| {
        let (low, high) = ours.accuracy_interval;
        (format!("{low:.3} to {high:.3}"), ours.n.to_string())
    });
    let (paper, ours) = (share(*paper), share(ours.map(|ours| ours.accuracy)));
    writeln!(out, "{table:22}  {model:21}  {paper:>5}  {ours:>5}  {interval:14}  {n:>4}  {note}")
}

fn ngrams(out: &mut String, figure: &Figure) -> std::fmt::Result {
    for (ngram, weight) in &figure.ngrams {
        writeln!(out, "  {weight:+.3}  {ngram}")?;
    }
    Ok(())
}
